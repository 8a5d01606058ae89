//! The error type of this crate, and the conversions from errors of SQLite, the file system, JSON and worker threads.

use carrel_model::ErrorCode;
use carrel_sqlite::{Cause, DatabaseError, StorageError, storage_error};

/// `Result` with [`Error`] as its default error type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error of this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The request cannot be fulfilled: a value is out of range or too long, or the row is in the wrong state.
    #[error("{0}")]
    Invalid(String),
    /// The named row or file does not exist.
    #[error("not found: {0}")]
    NotFound(String),
    /// The database or the file system failed.
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
            Self::Invalid(_) => ErrorCode::InvalidRequest,
            Self::NotFound(_) => ErrorCode::NotFound,
            Self::Storage(e) => e.code(),
            Self::Internal(_) => ErrorCode::Internal,
        }
    }
    /// Returns true if the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.code().is_retryable()
    }
    /// Returns what the user can do about the error, in lower case; empty if there is nothing to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Storage(e) => e.hint(),
            _ => "",
        }
    }
    /// Creates an error for a full disk.
    pub fn full(text: impl Into<String>) -> Self {
        Self::Storage(StorageError::full(text))
    }
    /// Creates an error for a file that is locked by another process.
    pub fn busy(text: impl Into<String>) -> Self {
        Self::Storage(StorageError::new(Cause::Busy, text))
    }
    /// Creates an error for a damaged file or an invalid stored value.
    pub fn corrupt(text: impl Into<String>) -> Self {
        Self::Storage(StorageError::corrupt(text))
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
impl From<carrel_sqlite::Error> for Error {
    fn from(e: carrel_sqlite::Error) -> Self {
        match e {
            carrel_sqlite::Error::BadKey(_) => Self::Invalid(e.to_string()),
            e => Self::Storage(e.into()),
        }
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
