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
    /// Another program, or another Carrel, holds the file.
    #[error("in use: {0}")]
    Busy(String),
    /// The system does not let this user read or write the file or its folder.
    #[error("not permitted: {0}")]
    Denied(String),
    /// A newer release made the file; it was left as it is.
    #[error("{0}")]
    NewerFile(String),
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
            Self::Busy(_) => ErrorCode::Unavailable,
            Self::NewerFile(_) => ErrorCode::TooNew,
            Self::Denied(_) | Self::Storage(_) => ErrorCode::Storage,
            Self::Keychain(_) => ErrorCode::Keychain,
            Self::Cable(refusal) => refusal.code(),
            Self::Cancelled => ErrorCode::Cancelled,
            Self::Internal(_) => ErrorCode::Internal,
        }
    }
    /// The error for a failure of a file or a database.
    pub(crate) fn of_cause(cause: Cause, text: String) -> Self {
        match cause {
            Cause::Corrupt => Self::Corrupt(text),
            Cause::Full => Self::DiskFull(text),
            Cause::Busy => Self::Busy(text),
            Cause::Newer => Self::NewerFile(text),
            Cause::Denied => Self::Denied(text),
            Cause::TooManyFiles | Cause::Other => Self::Storage(text),
        }
    }
    /// The same code and text once more.
    pub(crate) fn of_any(&self) -> Self {
        match self {
            Self::Invalid(text) => Self::Invalid(text.clone()),
            Self::Unauthenticated => Self::Unauthenticated,
            Self::NotFound(text) => Self::NotFound(text.clone()),
            Self::NoSpace { missing, limit } => Self::NoSpace { missing: *missing, limit: *limit },
            Self::Keychain(text) => Self::Keychain(text.clone()),
            Self::Internal(text) => Self::Internal(text.clone()),
            other => other.of_storage(),
        }
    }
    /// The same failure of a file once more, for each of those who waited for it.
    pub(crate) fn of_storage(&self) -> Self {
        match self {
            Self::DiskFull(text) => Self::DiskFull(text.clone()),
            Self::Corrupt(text) => Self::Corrupt(text.clone()),
            Self::Busy(text) => Self::Busy(text.clone()),
            Self::Denied(text) => Self::Denied(text.clone()),
            Self::NewerFile(text) => Self::NewerFile(text.clone()),
            Self::Storage(text) => Self::Storage(text.clone()),
            other => Self::Storage(other.to_string()),
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
        match self {
            Self::Busy(_) => return "close the other program that uses the file",
            Self::Denied(_) => return "allow this user to read and write the folder",
            _ => {}
        }
        match self.code() {
            ErrorCode::Unauthenticated => "sign in again; everything that waits is kept",
            ErrorCode::BadCredentials => "check the name and the password",
            ErrorCode::NotDownloaded => "download it while the network is there",
            ErrorCode::Offline => "it goes on by itself when the network is back",
            ErrorCode::BadReply => "check the address, or sign in to the Wi-Fi first",
            ErrorCode::DiskFull => "free some space on this device",
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
impl From<serde_json::Error> for Error {
    fn from(e: serde_json::Error) -> Self {
        Self::Internal(format!("JSON: {e}"))
    }
}
