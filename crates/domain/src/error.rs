//! Errors of the domain rules.

use carrel_model::{ErrorCode, UserId};
use carrel_people::PeopleError;

use crate::store::StoreError;
use crate::{
    analytics::ReportRefusal, assessments::SubmissionRefusal, courses::CourseRefusal,
    enrolment_tokens::TokenRefusal, external::ExternalRefusal,
};

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
    #[error(transparent)]
    Token(#[from] TokenRefusal),
    #[error("enrolment token: {0}")]
    BadToken(String),
    #[error("no enrolment token has the name {0:?}")]
    NoToken(String),
    #[error("there are more than {0} rows of this kind")]
    TooManyRows(u32),
    #[error("device report: {0}")]
    BadDeviceReport(String),
    #[error("the account is suspended or disabled, or was deleted")]
    NotActive,
    #[error(transparent)]
    External(#[from] ExternalRefusal),
    #[error(transparent)]
    People(PeopleError),
    #[error(transparent)]
    Course(#[from] CourseRefusal),
    #[error(transparent)]
    Submission(#[from] SubmissionRefusal),
    #[error(transparent)]
    Report(#[from] ReportRefusal),
}

impl From<PeopleError> for DomainError {
    fn from(e: PeopleError) -> Self {
        match e {
            PeopleError::Store(e) => Self::Store(e),
            e => Self::People(e),
        }
    }
}

impl DomainError {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Store(e) => e.code(),
            Self::LoginTaken(_) | Self::SimilarLogin(_) => ErrorCode::Conflict,
            Self::BadLogin(_) | Self::BadToken(_) | Self::BadDeviceReport(_) => {
                ErrorCode::InvalidRequest
            }
            Self::People(e) => e.code(),
            Self::TooManyRows(_) => ErrorCode::TooLarge,
            Self::NotActive => ErrorCode::BadCredentials,
            Self::NoAccount(_) | Self::NoLogin(_) | Self::NoToken(_) => ErrorCode::NotFound,
            Self::Token(refusal) => refusal.code(),
            Self::External(refusal) => refusal.code(),
            Self::Course(refusal) => refusal.code(),
            Self::Submission(refusal) => refusal.code(),
            Self::Report(refusal) => refusal.code(),
        }
    }
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Store(e) => e.hint(),
            Self::NoLogin(_) => "list the accounts with `user list`",
            Self::Token(_) => "ask for a new token, or sign in without one",
            Self::External(refusal) => refusal.hint(),
            Self::TooManyRows(_) => "the app computes these figures on the device",
            Self::NoToken(_) => "list the tokens with `token list`",
            Self::People(e) => e.hint(),
            Self::Course(refusal) => refusal.hint(),
            Self::Report(refusal) => refusal.hint(),
            _ => "",
        }
    }
}
