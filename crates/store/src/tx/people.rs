//! People, classes and memberships, the imports of rosters, and the audit log.

use carrel_model::UserId;
use carrel_roster::{Class, ClassId, Counts, Membership, Person};
use uuid::Uuid;

use super::LoginKeys;
use crate::{
    Result,
    personal::{Section, SectionCounts, SectionRow},
};

/// A consent of a person, or its withdrawal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentRow {
    /// As the school names it, such as `privacy`.
    pub kind: String,
    /// Version of the text that was agreed to.
    pub version: String,
    /// False: withdrawn.
    pub given: bool,
    /// Who agreed, if it was somebody else, such as a parent; may be empty.
    pub given_by: String,
    pub recorded_by: UserId,
    /// UTC, ms since 1970.
    pub at_ms: i64,
}

/// What identifies one person.
#[derive(Debug, Clone, Copy)]
pub enum PersonKey<'k> {
    Id(UserId),
    SourceId(&'k str),
    LoginKey(&'k str),
    /// The first of those whose logins look alike.
    Skeleton(&'k str),
}

/// What identifies one class.
#[derive(Debug, Clone, Copy)]
pub enum ClassKey<'k> {
    Id(ClassId),
    SourceId(&'k str),
}

/// An import of a roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterImportRow {
    /// Ascending; 0 before it is stored.
    pub id: i64,
    /// `None`: the operator of the server.
    pub actor: Option<UserId>,
    pub name: String,
    pub created_ms: i64,
    /// 0: not undone.
    pub undone_ms: i64,
}

/// An account in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonRow {
    pub person: Person,
    pub login_key: String,
    pub is_operator: bool,
    pub has_password: bool,
}

/// What a one-time code is for. An account has at most one of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeKind {
    /// Signs in; on paper.
    SignIn,
    /// Sets a password; in the link of a message.
    Password,
}

impl CodeKind {
    /// Returns the table with the codes of this kind.
    pub fn table(self) -> &'static str {
        match self {
            Self::SignIn => "one_time_code",
            Self::Password => "password_code",
        }
    }
}

/// A one-time code as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeRow {
    pub kind: CodeKind,
    pub user: UserId,
    pub hash: [u8; 32],
    pub expires_ms: i64,
}

/// A line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    pub at_ms: i64,
    /// `None`: the operator of the server.
    pub actor: Option<UserId>,
    pub action: String,
    /// Id of the account or class.
    pub subject: Option<UserId>,
    /// JSON object.
    pub detail: String,
}

pub trait PeopleTx {
    fn people_counts(&self) -> Result<Counts>;
    /// Returns `Counts::administrators` alone.
    fn administrators(&self) -> Result<u64>;
    /// Returns true if the account exists, its person is active, and it is not disabled. Until the end of the
    /// transaction no other one can change that.
    fn is_active(&self, id: UserId) -> Result<bool>;
    fn person(&self, key: PersonKey<'_>) -> Result<Option<Person>>;
    /// Returns the next people in the order of their ids.
    fn people_after(&self, after: Option<UserId>, limit: u32) -> Result<Vec<Person>>;
    /// Returns the next people in the order of the keys of their logins.
    fn people_by_login(&self, after: &str, limit: u32) -> Result<Vec<PersonRow>>;
    /// Returns the first people with this key of an e-mail address, by login. Several people may share one.
    fn people_by_email(&self, key: &str, limit: u32) -> Result<Vec<Person>>;
    /// Returns the one-time code of an account, which no other transaction can use until the end of this one.
    fn code(&self, kind: CodeKind, user: UserId) -> Result<Option<CodeRow>>;
    /// Stores a code in place of an earlier one of its kind.
    fn put_code(&self, code: &CodeRow) -> Result<()>;
    fn delete_code(&self, kind: CodeKind, user: UserId) -> Result<()>;
    /// Deletes the codes that have expired. Returns their number.
    fn delete_expired_codes(&self, now_ms: i64, limit: Option<u32>) -> Result<u64>;
    /// Deletes an account with all its rows and the details of its lines in the audit log, and records its id as deleted.
    fn delete_account(&self, id: UserId, now_ms: i64) -> Result<()>;
    /// Returns true if an account with this id was deleted.
    /// Returns the consents of a person, in the order in which they were recorded.
    fn consents(&self, id: UserId) -> Result<Vec<ConsentRow>>;
    fn add_consent(&self, id: UserId, consent: &ConsentRow) -> Result<()>;
    /// Returns the rows of a section of a person's data.
    fn section_rows(&self, section: &Section, id: UserId) -> Result<Vec<SectionRow>>;
    /// Returns the number of rows of each section of a person's data that has any, and of each table of synced rows.
    fn count_personal(&self, id: UserId) -> Result<SectionCounts>;
    fn is_deleted(&self, id: UserId) -> Result<bool>;
    /// Returns the ids of all deleted accounts and the times of their deletion.
    fn deleted_accounts(&self) -> Result<Vec<(UserId, i64)>>;
    /// Returns true if the account is marked as one of an operator.
    fn is_operator(&self, id: UserId) -> Result<bool>;
    /// Marks an account whose person was stored, or removes the mark.
    fn set_operator(&self, id: UserId, is_operator: bool) -> Result<()>;
    /// Stores all fields of a person whose account exists, except the login.
    fn put_person(&self, person: &Person) -> Result<()>;
    fn set_login(&self, id: UserId, login: &str, keys: &LoginKeys) -> Result<()>;
    fn class(&self, key: ClassKey<'_>) -> Result<Option<Class>>;
    fn classes_by_name_key(&self, key: &str) -> Result<Vec<Class>>;
    /// Returns all classes in the order of their ids.
    fn classes(&self) -> Result<Vec<Class>>;
    fn put_class(&self, class: &Class) -> Result<()>;
    fn is_member(&self, membership: Membership) -> Result<bool>;
    fn add_membership(&self, membership: Membership) -> Result<()>;
    fn end_membership(&self, membership: Membership) -> Result<()>;
    fn memberships_of(&self, person: UserId) -> Result<Vec<Membership>>;
    fn members(&self, class: ClassId) -> Result<Vec<Membership>>;
    /// Returns the id of the import.
    fn insert_roster_import(&self, import: &RosterImportRow) -> Result<i64>;
    fn roster_import(&self, id: i64) -> Result<Option<RosterImportRow>>;
    /// Returns the imports, the latest first.
    fn roster_imports(&self) -> Result<Vec<RosterImportRow>>;
    fn set_roster_undone(&self, id: i64, now_ms: i64) -> Result<()>;
    fn add_roster_change(&self, import: i64, number: u64, reverse: &str) -> Result<()>;
    /// Returns the reverses of the changes of an import, the last change first.
    fn roster_changes(&self, import: i64) -> Result<Vec<String>>;
    /// Deletes the reverses of imports before this time. Returns their number.
    fn delete_roster_changes(&self, before_ms: i64, limit: Option<u32>) -> Result<u64>;
    /// Stores or replaces the report of an import.
    fn put_roster_report(&self, id: Uuid, report: &str, started_ms: i64) -> Result<()>;
    /// Returns a report and the time at which its import was started.
    fn roster_report(&self, id: Uuid) -> Result<Option<(String, i64)>>;
    /// Deletes the reports of imports that were started before this time. Returns their number.
    fn delete_roster_reports(&self, before_ms: i64, limit: Option<u32>) -> Result<u64>;
    fn add_audit(&self, row: &AuditRow) -> Result<()>;
    /// Returns the latest lines, the latest first.
    fn audit(&self, limit: u32) -> Result<Vec<AuditRow>>;
}
