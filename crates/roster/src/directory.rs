//! The stored people and classes of a tenant, as the reconciler reads them.

use std::{fmt, str::FromStr};

use carrel_model::{Slug, UserId, wire::Role};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    BoxError,
    records::{MemberRole, State},
};

/// Random id of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClassId(pub Uuid);

impl fmt::Display for ClassId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ClassId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    pub id: UserId,
    /// Id in the program of the school.
    pub source_id: Option<String>,
    /// As displayed; compared by its key (`carrel_precis::username`).
    pub login: String,
    pub name: String,
    pub given: Option<String>,
    pub family: Option<String>,
    pub role: Role,
    pub state: State,
    /// Disabled by hand, whatever the state is. Imports do not change it.
    pub is_disabled: bool,
    pub lang: Option<String>,
    /// For messages; never proves who somebody is, and may be that of several people.
    #[serde(default)]
    pub email: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClassState {
    Active,
    Archived,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Class {
    pub id: ClassId,
    pub source_id: Option<String>,
    pub name: String,
    pub courses: Vec<Slug>,
    pub state: ClassState,
}

impl Class {
    /// Returns the key that is equal for names that people regard as equal.
    pub fn name_key(name: &str) -> String {
        carrel_model::text::fold_answer(name, "")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    pub person: UserId,
    pub class: ClassId,
    pub role: MemberRole,
}

/// Numbers to which removals are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// People in the state active.
    pub people: u64,
    /// Administrators in the state active who are not disabled.
    pub administrators: u64,
    pub memberships: u64,
    /// Classes that are not archived.
    pub classes: u64,
}

type Reading<T> = Result<T, BoxError>;

/// Reads the people of one tenant. All calls of one import see the same state, that before the import.
pub trait Directory {
    /// Returns the mark of the tenant in exported files.
    fn tenant(&self) -> &str;
    fn counts(&self) -> Reading<Counts>;
    /// Returns `Counts::administrators` alone, which is asked before and after each batch of changes.
    fn administrators(&self) -> Reading<u64> {
        Ok(self.counts()?.administrators)
    }
    fn person_by_id(&self, id: UserId) -> Reading<Option<Person>>;
    fn person_by_source_id(&self, id: &str) -> Reading<Option<Person>>;
    fn person_by_login_key(&self, key: &str) -> Reading<Option<Person>>;
    /// Returns a person whose login has this skeleton (`carrel_precis::skeleton`).
    fn person_by_skeleton(&self, skeleton: &str) -> Reading<Option<Person>>;
    fn class_by_id(&self, id: ClassId) -> Reading<Option<Class>>;
    fn class_by_source_id(&self, id: &str) -> Reading<Option<Class>>;
    /// Returns the classes with this name key, also archived ones.
    fn classes_by_name_key(&self, key: &str) -> Reading<Vec<Class>>;
    fn is_member(&self, membership: Membership) -> Reading<bool>;
    fn has_course(&self, course: &Slug) -> Reading<bool>;
    /// Calls the function for each person, in any order that is always the same.
    fn each_person(&self, each: &mut dyn FnMut(Person) -> Reading<()>) -> Reading<()>;
    fn each_class(&self, each: &mut dyn FnMut(Class) -> Reading<()>) -> Reading<()>;
    fn each_membership(&self, each: &mut dyn FnMut(Membership) -> Reading<()>) -> Reading<()>;
    /// Returns the memberships of a person.
    fn memberships_of(&self, person: UserId) -> Reading<Vec<Membership>>;
}
