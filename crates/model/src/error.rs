//! The error codes that somebody branches on. Text for people is written by the UI from the code; `message` is for logs.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A code that is stable over releases. It crosses the wire (problem details, RFC 9457) and the UI boundary as `snake_case` text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The request cannot be understood: bad JSON, a missing field, a wrong type, an impossible value.
    InvalidRequest,
    /// Nobody is signed in, or the token is no longer good: sign in again. Work that waits is kept.
    Unauthenticated,
    /// The name or the password is wrong.
    BadCredentials,
    /// Signed in, but this is not yours.
    Forbidden,
    /// There is no such thing, or it is not visible to you.
    NotFound,
    /// It exists already: a name that is taken, an id that is used.
    Conflict,
    /// Too large: body, row count or file.
    TooLarge,
    /// Too many requests: come back after `retryAfterMs`.
    RateLimited,
    /// The other side speaks a newer protocol: update the app.
    TooNew,
    /// No network, no server, or no answer in time. A state, not a fault.
    Offline,
    /// Something answered that is not a Carrel server: a sign-in page of a Wi-Fi, a proxy, HTML, cut-off JSON.
    BadReply,
    /// It is not on this device: offer the download.
    NotDownloaded,
    /// Bytes do not have the hash that the manifest names, or a signature is wrong.
    Corrupt,
    /// No space is left for this; learner's work is still saved.
    DiskFull,
    /// The database cannot be opened or is newer than this app.
    Storage,
    /// The secret store refused.
    Keychain,
    /// The person stopped it.
    Cancelled,
    /// The server is up but cannot do it now.
    Unavailable,
    /// A fault of ours. The correlation id finds it in the log.
    Internal,
}

impl ErrorCode {
    /// True if the same call may work later without anybody changing anything.
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::RateLimited | Self::Offline | Self::BadReply | Self::Unavailable | Self::Internal
        )
    }
    /// The code as it crosses the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::Unauthenticated => "unauthenticated",
            Self::BadCredentials => "bad_credentials",
            Self::Forbidden => "forbidden",
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
