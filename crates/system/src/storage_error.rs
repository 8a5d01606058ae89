//! The error of an operation on a file or database.

use std::io;

use carrel_model::ErrorCode;

use crate::{Cause, Panicked};

/// A failed call to a database or the file system. `Clone`, because concurrent callers may share one result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}: {text}")]
pub struct StorageError {
    /// Cause, for callers to branch on.
    pub cause: Cause,
    /// What failed, for logs.
    pub text: String,
}

impl StorageError {
    /// Creates an error.
    pub fn new(cause: Cause, text: impl Into<String>) -> Self {
        Self { cause, text: text.into() }
    }
    /// Creates an error for damaged data.
    pub fn corrupt(text: impl Into<String>) -> Self {
        Self::new(Cause::Corrupt, text)
    }
    /// Creates an error for a full disk.
    pub fn full(text: impl Into<String>) -> Self {
        Self::new(Cause::Full, text)
    }
    /// Creates an error without a specific cause.
    pub fn other(text: impl Into<String>) -> Self {
        Self::new(Cause::Other, text)
    }
    /// Returns the error code for callers.
    pub fn code(&self) -> ErrorCode {
        match self.cause {
            Cause::Newer => ErrorCode::TooNew,
            cause => cause.code(),
        }
    }
    /// Returns true if the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.code().is_retryable()
    }
    /// Returns what the user can do about it, in lower case; empty if there is nothing.
    pub fn hint(&self) -> &'static str {
        match self.cause {
            Cause::Busy => "close the other program that uses the file",
            Cause::Denied => "allow this user to read and write the folder",
            Cause::Full => "free some space on this device",
            Cause::Newer => "update the app",
            _ => "",
        }
    }
}

impl From<io::Error> for StorageError {
    fn from(e: io::Error) -> Self {
        Self::new(Cause::of_io(&e), e.to_string())
    }
}
impl From<Panicked> for StorageError {
    fn from(e: Panicked) -> Self {
        Self::other(e.to_string())
    }
}
