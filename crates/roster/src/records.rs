//! What the rows of a file state, before it is compared with the stored people.

use carrel_model::{Slug, UserId, wire::Role};
use serde::{Deserialize, Serialize};

use crate::problem::{Place, Problem};

/// Whether a person may sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    Active,
    /// Absent from the last full roster, or suspended by the school. The next roster with the person ends it.
    Suspended,
    /// No longer at the school. The work is kept.
    Left,
}

/// Returns the name of a role in files and differences.
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Student => "student",
        Role::Instructor => "instructor",
        Role::Administrator => "administrator",
    }
}

/// Returns the name of a state in files and differences.
pub fn state_name(state: State) -> &'static str {
    match state {
        State::Active => "active",
        State::Suspended => "suspended",
        State::Left => "left",
    }
}

/// What a person is in a class. A person can have several roles in one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MemberRole {
    Student,
    Instructor,
}

/// A value and the heading of its column, for problems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    pub text: String,
    pub column: String,
}

/// A role that a file states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StatedRole {
    pub role: Role,
    /// The program that wrote the file does not know administrators of this server, so they keep their role.
    pub keeps_administrator: bool,
}

/// A row about a person. `None`: the file states nothing, so a stored value is kept.
#[derive(Debug, Clone)]
pub(crate) struct PersonRecord {
    pub place: Place,
    /// Mark of the tenant that exported the row.
    pub tenant: Option<String>,
    pub id: Option<Cell>,
    pub source_id: Option<Cell>,
    /// The file has a column of source ids.
    pub has_source_ids: bool,
    pub login: Option<Cell>,
    pub name: Option<Cell>,
    pub given: Option<Cell>,
    pub family: Option<Cell>,
    pub role: Option<StatedRole>,
    pub state: Option<State>,
    pub lang: Option<String>,
    pub email: Option<String>,
    /// Classes named in the row, with the role in them; `None`: the role of the person.
    pub classes: Vec<(Cell, Option<MemberRole>)>,
}

#[derive(Debug, Clone)]
pub(crate) struct ClassRecord {
    pub place: Place,
    pub tenant: Option<String>,
    pub source_id: Option<Cell>,
    /// An id of this server.
    pub id: Option<Cell>,
    pub name: Option<Cell>,
    pub courses: Option<Vec<Slug>>,
    /// The class is removed by a delta, or all its terms are over.
    pub is_over: bool,
}

/// A membership between ids of the source.
#[derive(Debug, Clone)]
pub(crate) struct EnrolmentRecord {
    pub place: Place,
    pub person: Cell,
    pub class: Cell,
    pub role: MemberRole,
    pub is_over: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Record {
    Person(Box<PersonRecord>),
    Class(Box<ClassRecord>),
    Enrolment(Box<EnrolmentRecord>),
    /// A problem of a row that is read nevertheless, or of no person.
    Problem(Problem),
    /// A person of a kind that has no account.
    NoAccount {
        source_id: String,
        problem: Problem,
    },
    /// A row that cannot be read. Whom it concerns is known if one of its ids can be read.
    BadRow {
        problems: Vec<Problem>,
        id: Option<UserId>,
        source_id: Option<String>,
        login: Option<String>,
    },
}
