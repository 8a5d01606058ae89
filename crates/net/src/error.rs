//! Errors of requests to a server.

use carrel_model::ErrorCode;
use carrel_system::StorageError;

use crate::{Failure, FailureKind, NetworkCause};

/// Result with [`Error`] as the default error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error of this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The request cannot be sent, for example because its URL is invalid.
    #[error("{0}")]
    Invalid(String),
    /// Not signed in, or the session ended.
    #[error("not signed in")]
    Unauthenticated,
    /// No network, no server, or no reply in time.
    #[error("offline: {message}")]
    Offline { cause: Option<NetworkCause>, message: String },
    /// A reply that a Carrel server never sends.
    #[error("unexpected reply from {url}: {problem}")]
    BadReply { url: String, problem: String },
    /// The server, or a proxy in front of it, replied with an error.
    #[error("server: {status} {code:?}: {detail}")]
    Server { status: u16, code: ErrorCode, detail: String, retry_after_ms: Option<u64> },
    /// The secret store failed.
    #[error("secrets: {0}")]
    Secrets(String),
    /// The file system failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A defect of the program, such as a panic on a worker thread.
    #[error("internal: {0}")]
    Internal(String),
}

impl Error {
    /// Creates the error for a server that did not reply, without a known cause.
    pub fn offline(message: impl Into<String>) -> Self {
        Self::Offline { cause: None, message: message.into() }
    }
    /// Returns why the connection failed, if it is known.
    pub fn network_cause(&self) -> Option<NetworkCause> {
        match self {
            Self::Offline { cause, .. } => *cause,
            _ => None,
        }
    }
    /// Returns the error code for callers.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(_) => ErrorCode::InvalidRequest,
            Self::Unauthenticated => ErrorCode::Unauthenticated,
            Self::Offline { .. } => ErrorCode::Offline,
            Self::BadReply { .. } => ErrorCode::BadReply,
            Self::Server { code, .. } => *code,
            Self::Secrets(_) => ErrorCode::Keychain,
            Self::Storage(e) => e.code(),
            Self::Internal(_) => ErrorCode::Internal,
        }
    }
    /// Returns true if the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.code().is_retryable()
    }
    /// Returns what the user can do about it, in lower case; empty if there is nothing.
    pub fn hint(&self) -> &'static str {
        if let Self::Storage(e) = self {
            return e.hint();
        }
        if let Self::Offline { cause: Some(cause), .. } = self {
            return cause.hint();
        }
        match self.code() {
            ErrorCode::Unauthenticated => "sign in again; unsent changes are kept",
            ErrorCode::BadCredentials => "check the name and the password",
            ErrorCode::Offline => "retried automatically when the network is available",
            ErrorCode::BadReply => "check the address, or sign in to the Wi-Fi first",
            ErrorCode::TooNew => "update the app",
            _ => "",
        }
    }
}

impl From<Failure> for Error {
    fn from(f: Failure) -> Self {
        match f.kind {
            FailureKind::Request => Self::Invalid(f.message),
            FailureKind::TooLarge | FailureKind::Decode => {
                Self::BadReply { url: String::new(), problem: f.message }
            }
            _ => Self::Offline { cause: f.cause, message: f.message },
        }
    }
}
impl From<serde_json::Error> for Error {
    fn from(e: serde_json::Error) -> Self {
        Self::Internal(format!("JSON: {e}"))
    }
}
impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        Self::Storage(e.into())
    }
}
impl From<carrel_system::Panicked> for Error {
    fn from(e: carrel_system::Panicked) -> Self {
        Self::Internal(e.to_string())
    }
}
