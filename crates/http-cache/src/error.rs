//! Errors of this crate, and their conversion from SQLite and JSON errors.

use carrel_model::ErrorCode;
use carrel_sqlite::{DatabaseError, StorageError, storage_error};

/// Result with [`Error`] as the default error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error of this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The network or the server failed, or the reply is unusable.
    #[error(transparent)]
    Net(#[from] carrel_net::Error),
    /// The server replied 404 or 410.
    #[error("not found: {0}")]
    NotFound(String),
    /// There is no stored response for this path that may be used without the network.
    #[error("not stored: {0}")]
    NotStored(String),
    /// The response is complete, but the validator rejected it (`Rejection::Corrupt`).
    #[error("corrupt: {0}")]
    Corrupt(String),
    /// The response is over the size limit, or the disk has too little free space.
    #[error("no space for a response of {missing} bytes")]
    NoSpace {
        /// Size of the response in bytes.
        missing: u64,
    },
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A defect of the program, such as a panic on a worker thread.
    #[error("internal: {0}")]
    Internal(String),
}

impl Error {
    /// Returns the error code for callers.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Net(e) => e.code(),
            Self::NotFound(_) => ErrorCode::NotFound,
            Self::NotStored(_) => ErrorCode::NotDownloaded,
            Self::Corrupt(_) => ErrorCode::Corrupt,
            Self::NoSpace { .. } => ErrorCode::DiskFull,
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
        match self {
            Self::Net(e) => e.hint(),
            Self::Storage(e) => e.hint(),
            _ => "",
        }
    }
}

impl DatabaseError for Error {
    fn storage(&self) -> Option<&StorageError> {
        match self {
            Self::Storage(e) => Some(e),
            _ => None,
        }
    }
}
impl From<rusqlite::Error> for Error {
    fn from(e: rusqlite::Error) -> Self {
        Self::Storage(storage_error(&e))
    }
}
impl From<serde_json::Error> for Error {
    fn from(e: serde_json::Error) -> Self {
        Self::Internal(format!("JSON: {e}"))
    }
}
impl From<carrel_system::Panicked> for Error {
    fn from(e: carrel_system::Panicked) -> Self {
        Self::Internal(e.to_string())
    }
}
