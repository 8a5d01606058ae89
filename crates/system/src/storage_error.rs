//! A failure of a file or a database, as the crates above report it: the cause decides, the text is for logs.

use std::io;

use carrel_model::ErrorCode;

use crate::{Cause, Panicked};

/// A failed call to a database or the file system. Cheap to clone, for each of those who waited for the call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}: {text}")]
pub struct StorageError {
    pub cause: Cause,
    pub text: String,
}

impl StorageError {
    pub fn new(cause: Cause, text: impl Into<String>) -> Self {
        Self { cause, text: text.into() }
    }
    pub fn corrupt(text: impl Into<String>) -> Self {
        Self::new(Cause::Corrupt, text)
    }
    pub fn full(text: impl Into<String>) -> Self {
        Self::new(Cause::Full, text)
    }
    pub fn other(text: impl Into<String>) -> Self {
        Self::new(Cause::Other, text)
    }
    pub fn code(&self) -> ErrorCode {
        match self.cause {
            Cause::Newer => ErrorCode::TooNew,
            cause => cause.code(),
        }
    }
    pub fn is_retryable(&self) -> bool {
        self.code().is_retryable()
    }
    /// What a person can do about it, in lower case; empty if there is nothing.
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
