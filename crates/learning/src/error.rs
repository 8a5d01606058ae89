//! What can go wrong with a learner's work.

use carrel_model::ErrorCode;
use carrel_sqlite::{Cause, DatabaseError, StorageError, storage_error};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything this crate reports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A request that cannot be met as it is.
    #[error("{0}")]
    Invalid(String),
    #[error("not found: {0}")]
    NotFound(String),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("internal: {0}")]
    Internal(String),
}

impl Error {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(_) => ErrorCode::InvalidRequest,
            Self::NotFound(_) => ErrorCode::NotFound,
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
            Self::Storage(e) => e.hint(),
            _ => "",
        }
    }
    /// The disk is full.
    pub fn full(text: impl Into<String>) -> Self {
        Self::Storage(StorageError::full(text))
    }
    /// Another program holds the file.
    pub fn busy(text: impl Into<String>) -> Self {
        Self::Storage(StorageError::new(Cause::Busy, text))
    }
    /// A stored value that cannot be what it claims to be.
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
