//! Errors of the domain rules.

use carrel_model::{ErrorCode, UserId};

use crate::store::StoreError;

pub type DomainResult<T> = Result<T, DomainError>;

/// Why a call was refused, or the store error that made it fail. Its transaction was not committed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DomainError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the login {0:?} is taken")]
    LoginTaken(String),
    #[error("the login {0:?} is too similar to an existing login")]
    SimilarLogin(String),
    #[error("login: {0}")]
    BadLogin(String),
    #[error("account {0} not found")]
    NoAccount(UserId),
    #[error("no account has the login {0:?}")]
    NoLogin(String),
}

impl DomainError {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Store(e) => e.code(),
            Self::LoginTaken(_) | Self::SimilarLogin(_) => ErrorCode::Conflict,
            Self::BadLogin(_) => ErrorCode::InvalidRequest,
            Self::NoAccount(_) | Self::NoLogin(_) => ErrorCode::NotFound,
        }
    }
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Store(e) => e.hint(),
            Self::NoLogin(_) => "list the accounts with `user list`",
            _ => "",
        }
    }
}
