//! Errors of the rules about people.

use carrel_model::{ErrorCode, UserId};
use carrel_roster::ClassId;
use carrel_store::StoreError;

pub type Result<T> = std::result::Result<T, PeopleError>;

/// Why a change of people was refused, or the store error that made it fail. Nothing of it may be committed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PeopleError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("your role lacks the required permission")]
    Forbidden,
    #[error("account {0} not found")]
    NoPerson(UserId),
    #[error("class {0} not found")]
    NoClass(ClassId),
    #[error("the account is suspended or disabled")]
    NotActive,
    #[error("email: must be an address such as noor@school.example")]
    BadEmail,
    #[error("the account has no e-mail address")]
    NoAddress,
    #[error("code: {0}")]
    BadCode(String),
    #[error("consent: {0}")]
    BadConsent(String),
    #[error("roster: {0}")]
    Roster(String),
    #[error("import {0} does not exist, was undone, or is older than 30 days")]
    NoImport(i64),
    #[error("no active administrator would be left")]
    LastAdministrator,
}

impl PeopleError {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Store(e) => e.code(),
            Self::Forbidden => ErrorCode::Forbidden,
            Self::Roster(_) | Self::BadCode(_) | Self::BadConsent(_) | Self::BadEmail => {
                ErrorCode::InvalidRequest
            }
            Self::NoPerson(_) | Self::NoClass(_) => ErrorCode::NotFound,
            Self::NotActive | Self::NoAddress => ErrorCode::Conflict,
            Self::NoImport(_) => ErrorCode::NotFound,
            Self::LastAdministrator => ErrorCode::Conflict,
        }
    }
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Store(e) => e.hint(),
            Self::NoImport(_) => "list the imports with `roster list`",
            Self::LastAdministrator => "make another person administrator first",
            Self::NotActive => "enable the account first, or import a list that names the person",
            Self::NoAddress => "set its address first, or issue a code on paper",
            Self::Roster(_)
            | Self::BadEmail
            | Self::Forbidden
            | Self::NoPerson(_)
            | Self::NoClass(_)
            | Self::BadCode(_)
            | Self::BadConsent(_) => "",
        }
    }
}
