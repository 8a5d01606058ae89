//! The error type of the client. The UI branches on `code()`; the text is for logs.

mod import;
mod pin;

use carrel_model::ErrorCode;
use carrel_sqlite::{Cause, StorageError};

pub use self::{import::ImportError, pin::PinError};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the client.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A request with invalid arguments.
    #[error("{0}")]
    Invalid(String),
    #[error("not found: {0}")]
    NotFound(String),
    /// A bundle that is not written or not imported.
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error(transparent)]
    Pin(#[from] PinError),
    /// The organisation's policy does not allow this.
    #[error("the organisation does not allow {what} (policy {key})")]
    Managed { what: String, key: &'static str },
    /// The state changed since the caller read it.
    #[error("{0}")]
    Conflict(String),
    #[error(transparent)]
    Net(#[from] carrel_net::Error),
    #[error(transparent)]
    Content(carrel_content::Error),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("cancelled")]
    Cancelled,
    #[error("internal: {0}")]
    Internal(String),
}

impl Error {
    /// No user is signed in, or the session ended.
    pub const UNAUTHENTICATED: Self = Self::Net(carrel_net::Error::Unauthenticated);

    /// Returns the error for a file written by a newer release, which is left unchanged.
    pub fn newer(text: impl Into<String>) -> Self {
        Self::Storage(StorageError::new(Cause::Newer, text))
    }
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(_) => ErrorCode::InvalidRequest,
            Self::NotFound(_) => ErrorCode::NotFound,
            Self::Import(e) => e.code(),
            Self::Pin(e) => e.code(),
            Self::Managed { .. } => ErrorCode::Managed,
            Self::Conflict(_) => ErrorCode::Conflict,
            Self::Net(e) => e.code(),
            Self::Content(e) => e.code(),
            Self::Storage(e) => e.code(),
            Self::Cancelled => ErrorCode::Cancelled,
            Self::Internal(_) => ErrorCode::Internal,
        }
    }
    pub fn is_retryable(&self) -> bool {
        self.code().is_retryable()
    }
    /// Returns a hint for the user, in lower case; empty if there is none.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Managed { .. } => {
                "ask the administrator; `carrel --policy-report` lists the policies of this machine"
            }
            Self::Net(e) => e.hint(),
            Self::Content(e) => e.hint(),
            Self::Storage(e) => e.hint(),
            _ => "",
        }
    }
}

impl From<carrel_content::Error> for Error {
    fn from(e: carrel_content::Error) -> Self {
        use carrel_content::Error as Content;
        match e {
            Content::Invalid(text) => Self::Invalid(text),
            Content::NotFound(text) => Self::NotFound(text),
            Content::Net(e) => Self::Net(e),
            Content::Storage(e) => Self::Storage(e),
            Content::Cancelled => Self::Cancelled,
            Content::Internal(text) => Self::Internal(text),
            e => Self::Content(e),
        }
    }
}
impl From<carrel_learning::Error> for Error {
    fn from(e: carrel_learning::Error) -> Self {
        use carrel_learning::Error as Learning;
        match e {
            Learning::Invalid(text) => Self::Invalid(text),
            Learning::NotFound(text) => Self::NotFound(text),
            Learning::Storage(e) => Self::Storage(e),
            Learning::Internal(text) => Self::Internal(text),
        }
    }
}
impl From<carrel_dictionary::Error> for Error {
    fn from(e: carrel_dictionary::Error) -> Self {
        use carrel_dictionary::Error as Dictionary;
        match e {
            Dictionary::File(fault) => fault.into(),
            Dictionary::Database(e) => e.into(),
            Dictionary::Io { source, .. } => source.into(),
            e @ Dictionary::NotPack(_) => {
                ImportError::File(carrel_bundle::Fault::ManifestUnreadable(e.to_string())).into()
            }
        }
    }
}
impl From<carrel_bundle::Fault> for Error {
    fn from(fault: carrel_bundle::Fault) -> Self {
        Self::Import(fault.into())
    }
}
impl From<carrel_sqlite::Error> for Error {
    fn from(e: carrel_sqlite::Error) -> Self {
        Self::Storage(e.into())
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
