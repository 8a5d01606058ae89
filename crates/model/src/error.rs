//! Error codes for callers to branch on. The UI derives its messages from the code; the texts of errors are for logs.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// An error code; stable across releases. Written as `snake_case` text in problem details (RFC 9457) and in replies to
/// the UI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The request is malformed: bad JSON, a missing field, a wrong type, an invalid value.
    InvalidRequest,
    /// Not signed in, or the token is no longer valid: sign in again. Unsent rows are kept.
    Unauthenticated,
    /// Wrong login or password.
    BadCredentials,
    /// Signed in, but without permission.
    Forbidden,
    /// There is no such enrolment token.
    TokenUnknown,
    /// The enrolment token has expired or was revoked.
    TokenExpired,
    /// As many accounts as allowed have used the enrolment token.
    TokenUsedUp,
    /// The policies of the organisation do not allow it on this machine.
    Managed,
    /// The object does not exist, or is not visible to the user.
    NotFound,
    /// The object already exists, for example a login or an id.
    Conflict,
    /// A body, a number of rows or a file exceeds its limit.
    TooLarge,
    /// Too many requests: retry after `retryAfterMs`.
    RateLimited,
    /// A version of the protocol or of a file is not supported: the older program must be updated.
    TooNew,
    /// No network, no server, or no reply in time.
    Offline,
    /// The reply is not from a Carrel server: a captive portal, a proxy, HTML, truncated JSON.
    BadReply,
    /// The content has not been downloaded to this device.
    NotDownloaded,
    /// The bytes do not have the hash in the manifest, or a signature is wrong.
    Corrupt,
    /// No disk space for this operation. The learner's work can still be saved.
    DiskFull,
    /// The database cannot be opened or is newer than this app.
    Storage,
    /// The secret store failed.
    Keychain,
    /// The user cancelled the operation.
    Cancelled,
    /// The server is temporarily unavailable.
    Unavailable,
    /// A defect of the program. The correlation id identifies it in the log.
    Internal,
}

impl ErrorCode {
    /// Returns true if the same call may succeed later without any change by the user.
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::RateLimited | Self::Offline | Self::BadReply | Self::Unavailable | Self::Internal
        )
    }
    /// Returns the code as written on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::Unauthenticated => "unauthenticated",
            Self::BadCredentials => "bad_credentials",
            Self::Forbidden => "forbidden",
            Self::TokenUnknown => "token_unknown",
            Self::TokenExpired => "token_expired",
            Self::TokenUsedUp => "token_used_up",
            Self::Managed => "managed",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::TooLarge => "too_large",
            Self::RateLimited => "rate_limited",
            Self::TooNew => "too_new",
            Self::Offline => "offline",
            Self::BadReply => "bad_reply",
            Self::NotDownloaded => "not_downloaded",
            Self::Corrupt => "corrupt",
            Self::DiskFull => "disk_full",
            Self::Storage => "storage",
            Self::Keychain => "keychain",
            Self::Cancelled => "cancelled",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}
