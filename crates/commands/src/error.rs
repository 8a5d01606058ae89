//! Converts errors of the client to the error type of the commands.
//!
//! Not here: the error type itself (`api::error`).

use carrel_client::{Error, content, learning, net};
use carrel_model::ErrorCode;

use crate::api::error::CommandError;

impl CommandError {
    fn new(code: ErrorCode, message: String, hint: &str) -> Self {
        Self {
            code,
            message,
            hint: hint.to_owned(),
            retryable: code.is_retryable(),
            correlation_id: String::new(),
            size: None,
            reason: None,
            subject: None,
            retry_after_ms: None,
        }
    }
    pub(crate) fn unknown(name: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("unknown command {name:?}"), "update the app")
    }
    pub(crate) fn bad_request(name: &str, error: &serde_json::Error) -> Self {
        Self::new(ErrorCode::InvalidRequest, format!("{name}: {error}"), "")
    }
    pub(crate) fn internal(error: &dyn std::error::Error) -> Self {
        Self::new(ErrorCode::Internal, error.to_string(), "")
    }
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRequest, message.into(), "")
    }
    /// Returns the error for a function that this host does not provide.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Unavailable, message.into(), "")
    }
}

impl From<Error> for CommandError {
    fn from(e: Error) -> Self {
        let size = match &e {
            Error::Content(content::Error::NotDownloaded { size, .. }) => *size,
            _ => None,
        };
        let (reason, subject) = match &e {
            Error::Import(refusal) => {
                (Some(refusal.reason().to_owned()), Some(refusal.subject().to_owned()))
            }
            Error::Pin(pin) => (Some(pin.reason().to_owned()), None),
            Error::Net(e) => (e.network_cause().map(|cause| cause.name().to_owned()), None),
            Error::Content(content::Error::Net(e)) => {
                (e.network_cause().map(|cause| cause.name().to_owned()), None)
            }
            Error::Managed { key, .. } => (None, Some((*key).to_owned())),
            _ => (None, None),
        };
        let retry_after_ms = match &e {
            Error::Net(net::Error::Server { retry_after_ms, .. }) => *retry_after_ms,
            Error::Pin(pin) => pin.wait_ms(),
            _ => None,
        };
        Self {
            size,
            reason,
            subject,
            retry_after_ms,
            ..Self::new(e.code(), e.to_string(), e.hint())
        }
    }
}
impl From<content::Error> for CommandError {
    fn from(e: content::Error) -> Self {
        Error::from(e).into()
    }
}
impl From<learning::Error> for CommandError {
    fn from(e: learning::Error) -> Self {
        Error::from(e).into()
    }
}
impl From<net::Error> for CommandError {
    fn from(e: net::Error) -> Self {
        Error::from(e).into()
    }
}
