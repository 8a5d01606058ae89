//! Sign-in, registration, token refresh, and adoption of an account.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{DeviceId, ErrorCode, UserId};

/// What a user may do; each role includes the rights of the previous one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May read content and sync the user's own rows.
    Student,
    /// May also read the progress of learners.
    Instructor,
    /// May also manage the catalogue and accounts.
    Administrator,
}

/// A signed-in user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct UserInfo {
    /// Random id, unique on the server.
    pub id: UserId,
    /// Login name; 1 to 100 characters, compared case-insensitively.
    pub login: String,
    /// Name for display to other users.
    pub name: String,
    /// Rights of the user.
    pub role: Role,
}

/// Body of `POST /api/auth/register`.
#[derive(Clone, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RegisterRequest {
    /// Login name; 1 to 100 characters.
    pub login: String,
    /// Name for display to other users.
    pub name: String,
    /// Password of 8 to 200 characters, in plain text.
    pub password: String,
    /// Id of the device that signs in.
    pub device_id: DeviceId,
    /// Name of the device for display; may be empty.
    #[serde(default)]
    pub device_name: String,
    /// Enrolment token of the administrator: allows the registration if registration is closed, and enrols the account
    /// in the token's courses. Empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub enrolment_token: String,
}

/// Body of `POST /api/auth/login`.
#[derive(Clone, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LoginRequest {
    /// Login name, compared case-insensitively.
    pub login: String,
    /// The password in plain text.
    pub password: String,
    /// Id of the device that signs in.
    pub device_id: DeviceId,
    /// Name of the device for display; may be empty.
    #[serde(default)]
    pub device_name: String,
    /// The last account certificate that the device received for this login; with it, a server restored from a backup
    /// older than the account can create the account again.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub account_certificate: String,
    /// Enrolment token: enrols the account in the token's courses, once. Empty: none. If it is refused, the sign-in
    /// succeeds, and the reply has `enrolment_refused`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub enrolment_token: String,
}

/// Body of `POST /api/auth/oidc/redeem`.
#[derive(Clone, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProviderSignInRequest {
    /// The code that the browser shows, as typed or as in the link.
    pub code: String,
    /// PKCE verifier of the challenge with which the sign-in began.
    pub verifier: String,
    /// The device that began the sign-in.
    pub device_id: DeviceId,
    /// Name of the device for display; may be empty.
    #[serde(default)]
    pub device_name: String,
    /// Enrolment token, as in `LoginRequest`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub enrolment_token: String,
}

/// Tokens of a sign-in. Clients treat all tokens as opaque text. Access tokens are random, and the server stores their
/// hashes. Refresh tokens contain sign-in, user, device, generation and expiry with a MAC of the server, so that the
/// server still accepts them after a restore.
#[derive(Clone, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TokenReply {
    /// The signed-in user.
    pub user: UserInfo,
    /// Token for the `Authorization` header.
    pub access_token: String,
    /// Validity of the access token in milliseconds from now; relative, because clocks may differ.
    pub expires_in_ms: i64,
    /// Valid once; the reply to a refresh contains the next one. It may be used again for 60 s, in case the reply was
    /// lost; a later use ends the sign-in.
    pub refresh_token: String,
    /// Validity of the refresh token in milliseconds from now; 0 if the server does not state it.
    #[serde(default)]
    pub refresh_expires_in_ms: i64,
    /// Proves that the account exists; encrypted with a key of the server, opaque to the client. The client stores it
    /// and sends it with each refresh or login. Empty if the server does not issue certificates.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub account_certificate: String,
    /// Why the enrolment token of a sign-in was refused: `token_unknown`, `token_expired`, `token_used_up` or
    /// `rate_limited`. Absent without a token, and if it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub enrolment_refused: Option<ErrorCode>,
}

/// Body of `POST /api/auth/refresh`.
#[derive(Clone, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RefreshRequest {
    /// The last refresh token received.
    pub refresh_token: String,
    /// The last account certificate received; see `TokenReply`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub account_certificate: String,
}

/// Body of `POST /api/auth/adopt`. Proves that rows of an account unknown to this server belong to the signed-in
/// learner.
#[derive(Clone, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AdoptRequest {
    /// A refresh token of the other account: proves that this device was signed in to it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub refresh_token: String,
    /// The certificate of the other account, if there is no refresh token. Its login must be that of the signed-in
    /// learner.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub account_certificate: String,
}

/// Body of `POST /api/auth/logout`.
#[derive(Clone, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LogoutRequest {
    /// A refresh or access token of the sign-in to end.
    pub refresh_token: String,
}
