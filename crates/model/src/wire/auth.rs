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
}

/// Tokens are opaque: 256 random bits, stored hashed on the server.
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
}

#[derive(Clone, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RefreshRequest {
    pub refresh_token: String,
}

#[derive(Clone, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LogoutRequest {
    pub refresh_token: String,
}
