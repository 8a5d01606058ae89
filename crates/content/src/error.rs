//! The error type of this crate, with codes and hints.

use carrel_model::ErrorCode;
use carrel_sqlite::{DatabaseError, StorageError, storage_error};

/// A result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The limit that prevents a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The device's budget for content.
    Budget,
    /// The free space of the disk, less the free-space floor.
    Disk,
    /// Not a limit: `content.db` cannot be opened.
    Index,
}

/// Any error of this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The request is invalid; holds the reason.
    #[error("{0}")]
    Invalid(String),
    /// Not found on the server or on this device; holds what was requested.
    #[error("not found: {0}")]
    NotFound(String),
    /// The content is not stored on this device, and was not fetched: there is no network, or the
    /// caller does not wait for the network.
    #[error("not downloaded: {what}")]
    NotDownloaded {
        /// What was requested.
        what: String,
        /// Its size in bytes, if known.
        size: Option<u64>,
    },
    /// Stored or received content is damaged: wrong hash, invalid signature, or malformed.
    #[error("corrupt content: {0}")]
    Corrupt(String),
    /// Not enough space. Nothing was written.
    #[error("not enough space: {missing} bytes missing (limit: {limit:?})")]
    NoSpace {
        /// Number of missing bytes.
        missing: u64,
        /// The limit that would be exceeded.
        limit: Limit,
    },
    /// A network failure or an error response.
    #[error(transparent)]
    Net(#[from] carrel_net::Error),
    /// A database or file system failure.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The operation was stopped.
    #[error("cancelled")]
    Cancelled,
    /// A bug.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// Returns the error code that clients branch on.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(_) => ErrorCode::InvalidRequest,
            Self::NotFound(_) => ErrorCode::NotFound,
            Self::NotDownloaded { .. } => ErrorCode::NotDownloaded,
            Self::Corrupt(_) => ErrorCode::Corrupt,
            Self::NoSpace { .. } => ErrorCode::DiskFull,
            Self::Net(e) => e.code(),
            Self::Storage(e) => e.code(),
            Self::Cancelled => ErrorCode::Cancelled,
            Self::Internal(_) => ErrorCode::Internal,
        }
    }
    /// Returns whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.code().is_retryable()
    }
    /// Returns the hint for the user, in lower case; empty if there is none.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoSpace { limit: Limit::Budget, .. } => {
                "raise the budget in Storage, or remove downloads from this device"
            }
            Self::NoSpace { .. } => "free some space on this device",
            Self::NotDownloaded { .. } => "download it while connected to the network",
            Self::Corrupt(_) => "verify the download; damaged files are fetched again",
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
impl From<carrel_http_cache::Error> for Error {
    fn from(e: carrel_http_cache::Error) -> Self {
        use carrel_http_cache::Error as Cache;
        match e {
            Cache::Net(e) => Self::Net(e),
            Cache::NotFound(what) => Self::NotFound(what),
            Cache::NotStored(what) => Self::NotDownloaded { what, size: None },
            Cache::Corrupt(text) => Self::Corrupt(text),
            Cache::NoSpace { missing } => Self::NoSpace { missing, limit: Limit::Disk },
            Cache::Storage(e) => Self::Storage(e),
            Cache::Internal(text) => Self::Internal(text),
        }
    }
}
impl From<carrel_net::Failure> for Error {
    fn from(e: carrel_net::Failure) -> Self {
        Self::Net(e.into())
    }
}
impl From<carrel_sqlite::Error> for Error {
    fn from(e: carrel_sqlite::Error) -> Self {
        Self::Storage(e.into())
    }
}
impl From<rusqlite::Error> for Error {
    fn from(e: rusqlite::Error) -> Self {
        Self::Storage(storage_error(&e))
    }
}
impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        Self::Storage(e.into())
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
