//! The differences between a roster and the stored people, each with its reverse.

use carrel_model::{Slug, UserId, wire::Role};
use serde::{Deserialize, Serialize};

use crate::{
    directory::ClassId,
    problem::Place,
    records::{MemberRole, State},
};

/// How long the reverse of an import is kept: 30 days.
pub const UNDO_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// A person of an entry: stored, or created by an entry before.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PersonRef {
    Id(UserId),
    Source(String),
    /// Key of the login.
    Login(String),
}

/// A class of an entry: stored, or created by an entry before.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClassRef {
    Id(ClassId),
    Source(String),
    /// Key of the name of a class without a source id.
    Name(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewPerson {
    pub source_id: Option<String>,
    pub login: String,
    pub login_key: String,
    pub name: String,
    pub given: Option<String>,
    pub family: Option<String>,
    pub role: Role,
    pub state: State,
    pub lang: Option<String>,
    #[serde(default)]
    pub email: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewClass {
    pub source_id: Option<String>,
    pub name: String,
    pub courses: Vec<Slug>,
}

/// A field of a person or of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PersonField {
    SourceId,
    Login,
    Name,
    Given,
    Family,
    /// `student`, `instructor` or `administrator`.
    Role,
    Lang,
    Email,
    /// Ids of courses, separated by spaces; of a class.
    Courses,
}

/// Change of a field; an empty text is no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    pub field: PersonField,
    pub before: String,
    pub after: String,
}

/// Why the state of a person changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Why {
    /// The row states it.
    Stated,
    /// A full roster does not name the person.
    Absent,
    /// The roster names a person who was suspended or had left.
    Named,
    Undo,
    /// An import that created the person is undone.
    CreationUndone,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Action {
    CreateClass(NewClass),
    ChangeClass {
        class: ClassRef,
        changes: Vec<FieldChange>,
    },
    ArchiveClass {
        class: ClassRef,
    },
    ReopenClass {
        class: ClassRef,
    },
    CreatePerson(NewPerson),
    ChangePerson {
        person: PersonRef,
        changes: Vec<FieldChange>,
    },
    SetState {
        person: PersonRef,
        before: State,
        after: State,
        why: Why,
    },
    AddMembership {
        person: PersonRef,
        class: ClassRef,
        role: MemberRole,
    },
    EndMembership {
        person: PersonRef,
        class: ClassRef,
        role: MemberRole,
    },
    /// Nothing differs.
    Unchanged {
        person: PersonRef,
    },
    /// The row was exported by another tenant or server, so it is not applied.
    OtherTenant {
        tenant: String,
    },
}

impl Action {
    /// Returns the name of the action in logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CreateClass(_) => "class.create",
            Self::ChangeClass { .. } => "class.change",
            Self::ArchiveClass { .. } => "class.archive",
            Self::ReopenClass { .. } => "class.reopen",
            Self::CreatePerson(_) => "person.create",
            Self::ChangePerson { .. } => "person.change",
            Self::SetState { after: State::Active, .. } => "person.return",
            Self::SetState { after: State::Suspended, .. } => "person.suspend",
            Self::SetState { after: State::Left, .. } => "person.leave",
            Self::AddMembership { .. } => "membership.add",
            Self::EndMembership { .. } => "membership.end",
            Self::Unchanged { .. } => "person.unchanged",
            Self::OtherTenant { .. } => "person.other-tenant",
        }
    }

    /// Returns the action that restores the state before this one. A person who was created has left afterwards,
    /// because nobody is deleted.
    pub fn reverse(&self) -> Option<Self> {
        let back = |changes: &[FieldChange]| {
            let change = |c: &FieldChange| FieldChange {
                field: c.field,
                before: c.after.clone(),
                after: c.before.clone(),
            };
            changes.iter().map(change).collect()
        };
        Some(match self {
            Self::CreateClass(class) => Self::ArchiveClass { class: class.reference() },
            Self::ChangeClass { class, changes } => {
                Self::ChangeClass { class: class.clone(), changes: back(changes) }
            }
            Self::ArchiveClass { class } => Self::ReopenClass { class: class.clone() },
            Self::ReopenClass { class } => Self::ArchiveClass { class: class.clone() },
            Self::CreatePerson(person) => Self::SetState {
                person: PersonRef::Login(person.login_key.clone()),
                before: person.state,
                after: State::Left,
                why: Why::CreationUndone,
            },
            Self::ChangePerson { person, changes } => {
                Self::ChangePerson { person: person.clone(), changes: back(changes) }
            }
            Self::SetState { person, before, after, .. } => Self::SetState {
                person: person.clone(),
                before: *after,
                after: *before,
                why: Why::Undo,
            },
            Self::AddMembership { person, class, role } => {
                Self::EndMembership { person: person.clone(), class: class.clone(), role: *role }
            }
            Self::EndMembership { person, class, role } => {
                Self::AddMembership { person: person.clone(), class: class.clone(), role: *role }
            }
            Self::Unchanged { .. } | Self::OtherTenant { .. } => return None,
        })
    }
}

impl NewClass {
    /// Returns the reference by which later entries name the class.
    pub fn reference(&self) -> ClassRef {
        match &self.source_id {
            Some(id) => ClassRef::Source(id.clone()),
            None => ClassRef::Name(crate::directory::Class::name_key(&self.name)),
        }
    }
}

/// The limit under which an entry comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Guard {
    /// Additions and changes apply without a limit.
    None,
    /// A row suspends a person, or states that the person has left.
    RemovesPerson,
    /// A full roster does not name the person.
    RemovesAbsent,
    EndsMembership,
    /// A full roster does not name the membership.
    EndsAbsent,
    ArchivesClass,
    /// Both login and name of the person with this source id change, as if it were another person.
    ReplacesPerson,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Row that causes the entry; `None` for absent people.
    pub place: Option<Place>,
    /// Login or name, for people who read the list of differences.
    pub label: String,
    pub guard: Guard,
    /// The entry takes the role administrator, or the access, of an administrator.
    pub removes_administrator: bool,
    pub action: Action,
}
