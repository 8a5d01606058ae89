//! Errors of the store, independent of the engine.

use std::fmt;

use carrel_model::ErrorCode;

pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Why a store operation failed. An engine converts its own errors to these.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Busy, closed or not committed; the same call may succeed later.
    #[error("{0}")]
    Unavailable(Reason),
    /// No space is left for the database.
    #[error("{0}")]
    Full(Reason),
    /// A key is already in use.
    #[error("{0}")]
    Conflict(Reason),
    /// The database or a stored value is damaged.
    #[error("{0}")]
    Corrupt(Reason),
    #[error("{0}")]
    Internal(Reason),
}

/// Message and hint for an administrator; `hint` is empty if there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    pub message: String,
    pub hint: &'static str,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<String> for Reason {
    fn from(message: String) -> Self {
        Self { message, hint: "" }
    }
}

impl StoreError {
    pub fn closed() -> Self {
        Self::Unavailable("the store is closed".to_owned().into())
    }
    /// Returns the error for a stored value that cannot be parsed.
    pub fn unreadable(name: &str, problem: impl fmt::Display) -> Self {
        Self::Corrupt(format!("failed to parse a stored {name}: {problem}").into())
    }
    /// Returns the code for replies and exit statuses. A full disk is `Unavailable`, so that clients retry later.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Unavailable(_) | Self::Full(_) => ErrorCode::Unavailable,
            Self::Conflict(_) => ErrorCode::Conflict,
            Self::Corrupt(_) | Self::Internal(_) => ErrorCode::Internal,
        }
    }
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unavailable(r)
            | Self::Full(r)
            | Self::Conflict(r)
            | Self::Corrupt(r)
            | Self::Internal(r) => r.hint,
        }
    }
}
