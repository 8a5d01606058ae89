//! Types of the app commands: state at start, accounts, sign-in, addresses.
//!
//! Not here: the settings (`settings`).

use carrel_model::{ErrorCode, lattice::RowType, wire::UserInfo};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{settings::Settings, sync::SyncStatus};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Empty {}

/// State that the UI needs at start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AppState {
    /// Release of the app, for display.
    pub version: String,
    /// The open account; none: the UI shows the Welcome screen.
    pub account: Option<Account>,
    /// All accounts on this device.
    pub accounts: Vec<Account>,
    pub settings: Settings,
    pub sync: SyncStatus,
    /// Base address of audio and video; append the blob's hash. Ends with `/`; valid for this run only.
    pub media_base: String,
    /// Base address of images; append the blob's hash. Ends with `/`; valid for this run only.
    pub image_base: String,
    /// The demo library is included in this build.
    pub demo_available: bool,
    /// Tokens are stored in an encrypted file, because the system's keychain is unavailable.
    pub keychain_fallback: bool,
    /// Work that this kiosk kept at sign-outs, because the server does not have it, and whose codes nobody has noted
    /// yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(optional, as = "Option<Vec<KeptWork>>")]
    pub kept_work: Vec<KeptWork>,
    /// Why the server refused the enrolment code of this sign-in; only in the reply to `sign_in`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub enrolment_refused: Option<ErrorCode>,
    /// This machine keeps work that can be claimed with a code.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(optional, as = "Option<bool>")]
    pub has_claimable_work: bool,
    /// The account that could not be opened, with the error. `switch_account` tries to open it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub open_failure: Option<OpenFailure>,
    /// Why the open account is read-only; missing if changes can be recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub read_only: Option<ErrorCode>,
    /// Data that could not be recovered after the open account's database was damaged; kept until `forget_repair`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub repair: Option<RepairReport>,
}

/// Kept work, which its learner can claim on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct KeptWork {
    /// The code to note, in groups.
    pub code: String,
    /// Number of entries.
    pub rows: u64,
    /// Display name of the learner; empty for a guest.
    pub learner: String,
}

#[derive(Clone, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct KeptWorkCode {
    /// As shown or as typed.
    pub code: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct OpenFailure {
    pub account: Account,
    pub code: ErrorCode,
    /// For logs and support.
    pub message: String,
}

/// Changes recorded on this device that can no longer be read. The next sync restores those that are on the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RepairReport {
    /// Time of the repair (UTC, ms).
    pub at_ms: i64,
    /// Lost rows whose keys are known: type and key of each.
    pub lost: Vec<String>,
    /// Number of lost changes whose rows are not known.
    pub unreadable: u32,
    /// Changes after this time may be missing without being listed (UTC, ms); 0: any change; none: no change.
    pub unknown_since_ms: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// The account's id on this device.
    pub id: String,
    /// Address of the server; empty for the account without a server.
    pub server: String,
    /// Display name of the school or library.
    pub server_name: String,
    pub user: UserInfo,
    /// The learner has to sign in again: the session ended, or they signed out. Unsent changes are kept.
    pub needs_sign_in: bool,
    /// The learner signed out: only a sign-in or the PIN opens the account.
    pub signed_out: bool,
    /// The account opens on this device with a PIN.
    pub has_pin: bool,
}

#[derive(Clone, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SwitchAccount {
    pub account: String,
    /// Required if the account has a PIN. 4 to 12 digits.
    #[serde(default)]
    #[ts(optional)]
    pub pin: Option<String>,
}

/// Without a login, the stored name and password are deleted.
#[derive(Clone, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SetProxyLogin {
    #[serde(default)]
    #[ts(optional)]
    pub login: Option<String>,
    #[serde(default)]
    pub password: String,
}

#[derive(Clone, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SetPin {
    /// The present PIN, if the account has one.
    #[serde(default)]
    #[ts(optional)]
    pub current: Option<String>,
    /// The new PIN, 4 to 12 digits; none: no PIN.
    #[serde(default)]
    #[ts(optional)]
    pub pin: Option<String>,
}

/// What a removal would lose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AccountRemoval {
    /// Changes that the server does not have, by type; types without one are left out.
    pub unsynced: Vec<UnsyncedCount>,
    pub total: u32,
    /// False if the account's database cannot be read, so that the number is not known.
    pub is_known: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct UnsyncedCount {
    pub row_type: RowType,
    pub count: u32,
}

#[derive(Clone, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RemoveAccount {
    pub account: String,
    /// Required if the account has a PIN and is not open.
    #[serde(default)]
    #[ts(optional)]
    pub pin: Option<String>,
    /// The `total` that the learner accepted to lose.
    pub unsynced: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CheckServer {
    /// As typed: `school.example`, `192.168.1.4:7300`, `https://...`.
    pub address: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ServerInfo {
    /// The address to use, without a trailing slash.
    pub address: String,
    pub name: String,
    pub version: String,
    pub registration_open: bool,
    /// Name of the button for signing in with an identity provider; none: the server has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub external_sign_in: Option<String>,
    /// The server sends links for a new password by mail.
    pub password_reset: bool,
    /// How far this device's clock is ahead of the server's, in milliseconds.
    pub clock_ahead_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct MoveServer {
    /// The new address, as typed.
    pub address: String,
}

#[derive(Clone, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SignIn {
    pub address: String,
    pub login: String,
    pub password: String,
    /// Removes the PIN of the account, because it was forgotten.
    #[serde(default)]
    #[ts(optional)]
    pub removes_pin: Option<bool>,
    /// Enrolment code of a link to this server.
    #[serde(default)]
    #[ts(optional)]
    pub enrolment_token: Option<String>,
}

#[derive(Clone, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RequestPasswordReset {
    pub address: String,
    /// Login or e-mail address.
    pub login: String,
    /// Language tag, for the message.
    pub language: String,
}

#[derive(Clone, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct BeginBrowserSignIn {
    pub address: String,
    /// Removes the PIN of the account, because it was forgotten.
    #[serde(default)]
    #[ts(optional)]
    pub removes_pin: Option<bool>,
    /// Enrolment code of a link to this server.
    #[serde(default)]
    #[ts(optional)]
    pub enrolment_token: Option<String>,
}

#[derive(Clone, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FinishBrowserSignIn {
    /// As shown by the browser or as typed.
    pub code: String,
}

#[derive(Clone, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Register {
    pub address: String,
    pub login: String,
    pub name: String,
    pub password: String,
    /// Enrolment code of a link to this server.
    #[serde(default)]
    #[ts(optional)]
    pub enrolment_token: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AccountRef {
    pub account: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct OpenUrl {
    /// Address with the scheme `http`, `https` or `mailto`.
    pub url: String,
}
