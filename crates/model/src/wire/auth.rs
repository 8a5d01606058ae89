use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{DeviceId, UserId};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Student,
    Instructor,
    Administrator,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct UserInfo {
    pub id: UserId,
    /// What they sign in with; 1 to 100 characters, compared without case.
    pub login: String,
    /// What others see.
    pub name: String,
    pub role: Role,
}

#[derive(Clone, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RegisterRequest {
    pub login: String,
    pub name: String,
    /// 8 to 200 characters.
    pub password: String,
    pub device_id: DeviceId,
    #[serde(default)]
    pub device_name: String,
}

#[derive(Clone, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LoginRequest {
    pub login: String,
    pub password: String,
    pub device_id: DeviceId,
    #[serde(default)]
    pub device_name: String,
    /// The last account certificate that the device got for this login; lets a server that was restored from a backup
    /// older than the account create it again.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub account_certificate: String,
}

/// A client treats all tokens as opaque text. Access tokens are random and stored hashed; refresh tokens carry sign-in,
/// user, device, generation and expiry under a MAC of the server, so that a restored server still accepts them.
#[derive(Clone, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TokenReply {
    pub user: UserInfo,
    pub access_token: String,
    /// Milliseconds from now: clocks may differ.
    pub expires_in_ms: i64,
    /// Good once; the reply to a refresh carries the next one. Used twice after 60 s, the whole family is revoked.
    pub refresh_token: String,
    /// How long the refresh token is good, in milliseconds from now; 0 if the server does not say.
    #[serde(default)]
    pub refresh_expires_in_ms: i64,
    /// Opaque to the client, sealed with the server's key: proves that the account exists. The client keeps it and sends
    /// it back when it refreshes or signs in. Empty from a server that does not issue it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub account_certificate: String,
}

#[derive(Clone, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RefreshRequest {
    pub refresh_token: String,
    /// The last account certificate that the device got; see `TokenReply`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub account_certificate: String,
}

/// Proves that work of an account that this server does not know belongs to the signed-in learner.
#[derive(Clone, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AdoptRequest {
    /// A refresh token of the other account: proves the possession of its sign-in.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub refresh_token: String,
    /// The certificate of the other account, if there is no refresh token. It must name the login of the signed-in learner.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub account_certificate: String,
}

#[derive(Clone, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LogoutRequest {
    /// The refresh token; an access token ends its sign-in too.
    pub refresh_token: String,
}
