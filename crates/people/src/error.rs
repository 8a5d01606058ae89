//! Errors of the rules about people.

use carrel_model::ErrorCode;
use carrel_store::StoreError;

pub type Result<T> = std::result::Result<T, PeopleError>;

/// Why a change of people was refused, or the store error that made it fail. Nothing of it may be committed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PeopleError {
    #[error(transparent)]
    Store(#[from] StoreError),
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
            Self::Roster(_) => ErrorCode::InvalidRequest,
            Self::NoImport(_) => ErrorCode::NotFound,
            Self::LastAdministrator => ErrorCode::Conflict,
        }
    }
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Store(e) => e.hint(),
            Self::NoImport(_) => "list the imports with `roster list`",
            Self::LastAdministrator => "make another person administrator first",
            Self::Roster(_) => "",
        }
    }
}
