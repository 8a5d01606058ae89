//! What can go wrong with a cached request.

use carrel_model::ErrorCode;
use carrel_sqlite::{DatabaseError, StorageError, storage_error};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything this crate reports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The network or the server failed, or the reply cannot be used.
    #[error(transparent)]
    Net(#[from] carrel_net::Error),
    /// The server does not have it.
    #[error("not found: {0}")]
    NotFound(String),
    /// Nothing is stored for this path that may be used without the network.
    #[error("not stored: {0}")]
    NotStored(String),
    /// The answer is complete, but its validator rejects it.
    #[error("corrupt: {0}")]
    Corrupt(String),
    /// The answer is larger than what may be stored, or the disk must keep its free space.
    #[error("{missing} bytes are missing")]
    NoSpace { missing: u64 },
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("internal: {0}")]
    Internal(String),
}

impl Error {
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
    pub fn is_retryable(&self) -> bool {
        self.code().is_retryable()
    }
    /// What a person can do about it, in lower case; empty if there is nothing.
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
