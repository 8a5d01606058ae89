//! Enrolment tokens and their uses.

use carrel_model::{Slug, UserId};
use carrel_roster::ClassId;

use crate::Result;

/// A token as stored, with the number of accounts that used it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolmentTokenRow {
    pub name: String,
    pub created_ms: i64,
    /// `i64::MAX`: does not expire.
    pub expires_ms: i64,
    /// `i64::MAX`: no limit.
    pub max_uses: i64,
    pub uses: i64,
    /// 0: not revoked.
    pub revoked_ms: i64,
    pub courses: Vec<Slug>,
    /// Class of which the accounts become students.
    pub class: Option<ClassId>,
}

pub trait EnrolmentTokenTx {
    /// Inserts a token. Returns false if the name exists.
    fn insert_enrolment_token(&self, token: &EnrolmentTokenRow, hash: [u8; 32]) -> Result<bool>;
    fn enrolment_token(&self, hash: [u8; 32]) -> Result<Option<EnrolmentTokenRow>>;
    /// Lists all tokens by name.
    fn enrolment_tokens(&self) -> Result<Vec<EnrolmentTokenRow>>;
    /// Revokes a token, unless it already is. Returns false if there is none with this name.
    fn revoke_enrolment_token(&self, name: &str, now_ms: i64) -> Result<bool>;
    fn has_used_enrolment_token(&self, name: &str, user: UserId) -> Result<bool>;
    /// Records a use. `registered`: the account was created with the token.
    fn add_enrolment_token_use(
        &self,
        name: &str,
        user: UserId,
        registered: bool,
        now_ms: i64,
    ) -> Result<()>;
}
