use carrel_model::{ErrorCode, wire::UserInfo};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{settings::Settings, sync::SyncStatus};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Empty {}

/// Everything the shell of the UI needs at start, in one call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AppState {
    /// Release of the app, for people.
    pub version: String,
    /// The account that is open; none: show First run.
    pub account: Option<Account>,
    /// All accounts on this device.
    pub accounts: Vec<Account>,
    pub settings: Settings,
    pub sync: SyncStatus,
    /// Where audio and video of a blob are played from: this + the blob's hash. Ends with `/`; good for this run only.
    pub media_base: String,
    /// Where pictures of a blob are shown from: this + the blob's hash. Ends with `/`.
    pub image_base: String,
    /// The demo library came with this build.
    pub demo_available: bool,
    /// Tokens could not go to the system's keychain and lie in an encrypted file instead.
    pub keychain_fallback: bool,
    /// The account that could not be opened, and why. `switch_account` tries it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub open_failure: Option<OpenFailure>,
    /// Why nothing can be recorded in the open account now; it is open for reading. Missing if it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub read_only: Option<ErrorCode>,
    /// What could not be brought back after the open account's file was damaged, until `forget_repair`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub repair: Option<RepairReport>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct OpenFailure {
    pub account: Account,
    pub code: ErrorCode,
    /// For logs and support.
    pub message: String,
}

/// What was recorded on this device and cannot be read any more. What the server has comes back with the next sync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RepairReport {
    /// When the damage was found.
    pub at_ms: i64,
    /// Rows that are known by name: kind and key.
    pub lost: Vec<String>,
    /// Changes of which only the number is known.
    pub unreadable: u32,
    /// Changes since then may be missing without being known; 0: since the beginning.
    pub unknown_since_ms: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// The account's id on this device.
    pub id: String,
    /// Address of the server; empty for the demo library.
    pub server: String,
    /// The school's or library's own name.
    pub server_name: String,
    pub user: UserInfo,
    /// The session ended: sign in again. Work that waits is kept.
    pub needs_sign_in: bool,
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
    /// The address as it will be used.
    pub address: String,
    pub name: String,
    pub version: String,
    pub registration_open: bool,
    /// How far this device's clock is ahead of the server's.
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
}

#[derive(Clone, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Register {
    pub address: String,
    pub login: String,
    pub name: String,
    pub password: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AccountRef {
    pub account: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct OpenUrl {
    /// http or https.
    pub url: String,
}
