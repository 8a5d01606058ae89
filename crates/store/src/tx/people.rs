//! People, classes and memberships, the imports of rosters, and the audit log.

use carrel_model::UserId;
use carrel_roster::{Class, ClassId, Counts, Membership, Person};

use super::LoginKeys;
use crate::Result;

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
    fn add_audit(&self, row: &AuditRow) -> Result<()>;
    /// Returns the latest lines, the latest first.
    fn audit(&self, limit: u32) -> Result<Vec<AuditRow>>;
}
