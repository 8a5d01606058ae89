//! The core's one error. The UI branches on `code()`; the text is for logs.

use carrel_model::ErrorCode;
use carrel_sqlite::Cause;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A request that cannot be met as it is.
    #[error("{0}")]
    Invalid(String),
    /// Nobody is signed in, or the session ended.
    #[error("sign in to go on")]
    Unauthenticated,
    #[error("not found: {0}")]
    NotFound(String),
    /// It is not on this device and the network is not there. `size` in bytes, if known.
    #[error("not on this device: {what}")]
    NotDownloaded { what: String, size: Option<u64> },
    /// No network, no server, no answer in time.
    #[error("offline: {0}")]
    Offline(String),
    /// An answer that is not a Carrel server's.
    #[error("unexpected answer from {url}: {problem}")]
    BadReply { url: String, problem: String },
    /// The server said no, with its own code.
    #[error("server: {status} {code:?}: {detail}")]
    Server { status: u16, code: ErrorCode, detail: String, retry_after_ms: Option<u64> },
    #[error("corrupt: {0}")]
    Corrupt(String),
    #[error("the disk is full: {0}")]
    DiskFull(String),
    /// It would not fit: so many bytes are missing. Nothing was written.
    #[error("{missing} bytes are missing ({limit:?})")]
    NoSpace { missing: u64, limit: crate::storage::Limit },
    #[error("storage: {0}")]
    Storage(String),
    #[error("secrets: {0}")]
    Keychain(String),
    /// A file that is not written or not taken in.
    #[error(transparent)]
    Cable(#[from] crate::cable::Refusal),
    #[error("stopped")]
    Cancelled,
    #[error("internal: {0}")]
    Internal(String),
}

impl Error {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(_) => ErrorCode::InvalidRequest,
            Self::Unauthenticated => ErrorCode::Unauthenticated,
            Self::NotFound(_) => ErrorCode::NotFound,
            Self::NotDownloaded { .. } => ErrorCode::NotDownloaded,
            Self::Offline(_) => ErrorCode::Offline,
            Self::BadReply { .. } => ErrorCode::BadReply,
            Self::Server { code, .. } => *code,
            Self::Corrupt(_) => ErrorCode::Corrupt,
            Self::DiskFull(_) | Self::NoSpace { .. } => ErrorCode::DiskFull,
            Self::Storage(_) => ErrorCode::Storage,
            Self::Keychain(_) => ErrorCode::Keychain,
            Self::Cable(refusal) => refusal.code(),
            Self::Cancelled => ErrorCode::Cancelled,
            Self::Internal(_) => ErrorCode::Internal,
        }
    }
    pub fn is_retryable(&self) -> bool {
        self.code().is_retryable()
    }
    /// What a person can do about it, in lower case; empty if nothing.
    pub fn hint(&self) -> &'static str {
        if let Self::NoSpace { limit: crate::storage::Limit::Budget, .. } = self {
            return "allow more space in Storage, or take something off this device";
        }
        match self.code() {
            ErrorCode::Unauthenticated => "sign in again; everything that waits is kept",
            ErrorCode::BadCredentials => "check the name and the password",
            ErrorCode::NotDownloaded => "download it while the network is there",
            ErrorCode::Offline => "it goes on by itself when the network is back",
            ErrorCode::BadReply => "check the address, or sign in to the Wi-Fi first",
            ErrorCode::DiskFull => "free some space; work is still saved",
            ErrorCode::TooNew => "update the app",
            ErrorCode::Corrupt => "check the download; damaged parts are fetched again",
            _ => "",
        }
    }
}

impl From<carrel_cable::Fault> for Error {
    fn from(fault: carrel_cable::Fault) -> Self {
        Self::Cable(fault.into())
    }
}
impl From<rusqlite::Error> for Error {
    fn from(e: rusqlite::Error) -> Self {
        Self::of_cause(Cause::of_sqlite(&e), e.to_string())
    }
}
impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        Self::of_cause(Cause::of_io(&e), e.to_string())
    }
}
impl Error {
    /// The error of a database or a file for this cause.
    pub(crate) fn of_cause(cause: Cause, text: String) -> Self {
        match cause {
            Cause::Full => Self::DiskFull(text),
            Cause::Corrupt => Self::Corrupt(text),
            _ => Self::Storage(text),
        }
    }
}
impl From<serde_json::Error> for Error {
    fn from(e: serde_json::Error) -> Self {
        Self::Internal(format!("JSON: {e}"))
    }
}
