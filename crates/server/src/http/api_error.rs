//! Errors of the API as problem details (RFC 9457). A handler returns an `ApiError`; `layers::finish` writes the
//! body, which contains the request's id, and converts every other error reply to the same format.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use carrel_model::{
    BlobHash, ErrorCode,
    wire::{Problem, SYNC_VERSION},
};

use crate::{
    blobs::BlobsUnavailable, domain::DomainError, password::PasswordError, store::StoreError,
};

/// Time after which a device asks again for a blob whose store was not available.
const BLOBS_RETRY_MS: u64 = 10_000;

/// Protocol in the `Upgrade` header of a 426: the newest version that this server supports.
const SYNC_PROTOCOL: &str = "carrel-sync/2";
const _: () = assert!(SYNC_VERSION == 2, "SYNC_PROTOCOL names the newest version");

/// An error reply without its body.
#[derive(Debug, Clone)]
pub struct ApiError {
    pub status: StatusCode,
    pub code: ErrorCode,
    pub detail: String,
    pub hint: &'static str,
    pub retry_after_ms: Option<u64>,
    pub header: Option<(HeaderName, HeaderValue)>,
}

impl ApiError {
    /// Creates an error with the status of the code.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        let status = match code {
            ErrorCode::InvalidRequest => StatusCode::BAD_REQUEST,
            ErrorCode::Unauthenticated | ErrorCode::BadCredentials => StatusCode::UNAUTHORIZED,
            ErrorCode::Forbidden
            | ErrorCode::TokenUnknown
            | ErrorCode::TokenExpired
            | ErrorCode::TokenUsedUp => StatusCode::FORBIDDEN,
            ErrorCode::NotFound => StatusCode::NOT_FOUND,
            ErrorCode::Conflict => StatusCode::CONFLICT,
            ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            ErrorCode::TooNew => StatusCode::UPGRADE_REQUIRED,
            ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self {
            status,
            code,
            detail: detail.into(),
            hint: hint(code),
            retry_after_ms: None,
            // RFC 9110, 15.5.22: a 426 states the protocol to upgrade to.
            header: (code == ErrorCode::TooNew)
                .then(|| (header::UPGRADE, HeaderValue::from_static(SYNC_PROTOCOL))),
        }
    }
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRequest, detail)
    }
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, detail)
    }
    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self {
            header: Some((
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"carrel\""),
            )),
            ..Self::new(ErrorCode::Unauthenticated, detail)
        }
    }
    /// The same for a login that does not exist, a wrong password, and an account that is not active.
    pub fn bad_credentials() -> Self {
        Self::new(ErrorCode::BadCredentials, "the login or the password is wrong")
    }
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::Forbidden, detail)
    }
    #[must_use]
    pub fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }
    #[must_use]
    pub fn retry_after(self, ms: u64) -> Self {
        Self { retry_after_ms: Some(ms), ..self }
    }
    /// Returns the error for a status without further information.
    pub fn of_status(status: StatusCode) -> Self {
        let (code, detail) = match status {
            StatusCode::NOT_FOUND => (ErrorCode::NotFound, "no such path"),
            StatusCode::METHOD_NOT_ALLOWED => {
                (ErrorCode::InvalidRequest, "this path does not support this method")
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                (ErrorCode::InvalidRequest, "the type or encoding of the body is not supported")
            }
            StatusCode::PAYLOAD_TOO_LARGE => (ErrorCode::TooLarge, "the body is too large"),
            StatusCode::NOT_ACCEPTABLE => (
                ErrorCode::InvalidRequest,
                "Accept-Encoding allows no supported encoding; allow identity",
            ),
            StatusCode::REQUEST_TIMEOUT => {
                (ErrorCode::Unavailable, "the request was not completed in time")
            }
            StatusCode::SERVICE_UNAVAILABLE => (ErrorCode::Unavailable, "temporarily unavailable"),
            s if s.is_server_error() => (ErrorCode::Internal, "internal server error"),
            _ => (ErrorCode::InvalidRequest, "invalid request"),
        };
        Self::new(code, detail).status(status)
    }
    /// Returns the error for a blob of the catalogue that cannot be read.
    pub fn of_blob(hash: BlobHash, e: &std::io::Error) -> Self {
        if BlobsUnavailable::of(e).is_none() {
            tracing::error!(blob.hash = %hash, error = %e, "failed to read a blob of the catalogue");
            return Self::of_status(StatusCode::INTERNAL_SERVER_ERROR);
        }
        Self::of_blobs(e)
    }
    /// Returns the error for an object store that is not available.
    pub fn of_blobs(e: &std::io::Error) -> Self {
        tracing::error!(error = %e, "failed to read blobs");
        Self::of_status(StatusCode::SERVICE_UNAVAILABLE).retry_after(BLOBS_RETRY_MS)
    }
    /// Returns the body for a request with this id.
    pub fn problem(&self, correlation_id: &str) -> Problem {
        Problem {
            problem_type: format!("/problems/{}", self.code.as_str()),
            title: title(self.code).to_owned(),
            status: self.status.as_u16(),
            code: self.code,
            detail: self.detail.clone(),
            hint: self.hint.to_owned(),
            retryable: self.code.is_retryable(),
            correlation_id: correlation_id.to_owned(),
            retry_after_ms: self.retry_after_ms,
        }
    }
}

fn title(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::InvalidRequest => "Invalid request",
        ErrorCode::Unauthenticated => "Not signed in",
        ErrorCode::BadCredentials => "Wrong login or password",
        ErrorCode::Forbidden => "Forbidden",
        ErrorCode::NotFound => "Not found",
        ErrorCode::Conflict => "Already exists",
        ErrorCode::TooLarge => "Too large",
        ErrorCode::RateLimited => "Too many requests",
        ErrorCode::TooNew => "Unsupported protocol version",
        ErrorCode::Unavailable => "Temporarily unavailable",
        _ => "Internal server error",
    }
}

fn hint(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::InvalidRequest => "docs/API.md lists the parameters of this path",
        ErrorCode::Unauthenticated => "sign in, or refresh the access token",
        ErrorCode::BadCredentials => "check the login and the password",
        ErrorCode::TooLarge => "send a smaller request",
        ErrorCode::RateLimited | ErrorCode::Unavailable => "try again later",
        ErrorCode::TooNew => "update the server, or use an older protocol version",
        ErrorCode::Internal => "look up the correlation id in the server's log",
        _ => "",
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut reply = self.status.into_response();
        let headers = reply.headers_mut();
        if let Some((name, value)) = self.header.clone() {
            headers.insert(name, value);
        }
        if let Some(ms) = self.retry_after_ms {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000).max(1)));
        }
        reply.extensions_mut().insert(self);
        reply
    }
}

impl From<DomainError> for ApiError {
    fn from(e: DomainError) -> Self {
        match &e {
            DomainError::LoginTaken(_) => Self {
                hint: "choose another login, or sign in",
                ..Self::new(e.code(), e.to_string())
            },
            DomainError::SimilarLogin(_) => {
                Self { hint: "choose another login", ..Self::new(e.code(), e.to_string()) }
            }
            DomainError::BadLogin(_)
            | DomainError::BadToken(_)
            | DomainError::BadDeviceReport(_) => Self::invalid(e.to_string()),
            DomainError::NoLogin(_) | DomainError::NoToken(_) => Self::not_found(e.to_string()),
            DomainError::People(_)
            | DomainError::External(_)
            | DomainError::Course(_)
            | DomainError::Submission(_)
            | DomainError::Report(_)
            | DomainError::TooManyRows(_) => {
                Self { hint: e.hint(), ..Self::new(e.code(), e.to_string()) }
            }
            // The same reply as for a wrong password: it does not tell that the account exists.
            DomainError::NotActive => Self::bad_credentials(),
            DomainError::Token(_) => Self { hint: e.hint(), ..Self::new(e.code(), e.to_string()) },
            DomainError::NoAccount(_) => Self::unauthenticated("the account no longer exists"),
            DomainError::Store(store) => {
                // Logged here; the reply contains no internal details.
                tracing::error!(error = %store, "store error");
                let code = match store {
                    StoreError::Conflict(_) => ErrorCode::Internal,
                    _ => store.code(),
                };
                Self::of_status(Self::new(code, "").status)
            }
        }
    }
}

impl From<PasswordError> for ApiError {
    fn from(e: PasswordError) -> Self {
        match e {
            PasswordError::Busy => {
                Self::new(ErrorCode::Unavailable, e.to_string()).retry_after(2_000)
            }
            PasswordError::Hash(_) => {
                tracing::error!(error = %e, "password hashing failed");
                Self::of_status(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}
