//! Permissions: what each rank may do, and about whom.
//!
//! `GRANTS` is the only table of rights. `is_allowed` is asked by the guard of a route before its handler runs, and
//! again by each change of a person, in the transaction of the change.

use carrel_model::{Slug, UserId, wire::Role};
use carrel_roster::{ClassId, ClassState, MemberRole, Membership, Person};

use carrel_store::{
    StoreError,
    tx::{ClassKey, PersonKey, Tx},
};

use crate::{PeopleError, Result};

/// What an account may do, in ascending order.
///
/// An operator runs the server and is shown to clients as an administrator: clients of earlier releases know three
/// roles only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    Student,
    Instructor,
    Administrator,
    Operator,
}

impl Rank {
    pub const ALL: [Self; 4] =
        [Self::Student, Self::Instructor, Self::Administrator, Self::Operator];

    /// An account that is marked as an operator has this rank only as long as its role is administrator.
    pub fn of(role: Role, is_operator: bool) -> Self {
        match role {
            Role::Student => Self::Student,
            Role::Instructor => Self::Instructor,
            Role::Administrator if is_operator => Self::Operator,
            Role::Administrator => Self::Administrator,
        }
    }
    /// Returns the role that clients are told.
    pub fn role(self) -> Role {
        match self {
            Self::Student => Role::Student,
            Self::Instructor => Role::Instructor,
            Self::Administrator | Self::Operator => Role::Administrator,
        }
    }
    pub fn name(self) -> &'static str {
        match self {
            Self::Student => "student",
            Self::Instructor => "instructor",
            Self::Administrator => "administrator",
            Self::Operator => "operator",
        }
    }
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rank| rank.name() == name)
    }
}

/// A right of staff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Read the progress of learners, and the lists of classes.
    ViewLearners,
    /// Issue one-time codes with which people sign in or set a password.
    IssueCodes,
    /// List, change and delete accounts, import rosters, read the audit log.
    ManageAccounts,
    /// Write courses: upload, change and withdraw one's own, and decide who is enrolled in them.
    EditCourses,
    /// Publish courses, and change those of others.
    ManageCatalogue,
}

/// About whom a rank has a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    Nobody,
    /// Students of the classes that the caller teaches and that are not archived; courses that the caller owns.
    OwnClasses,
    Everyone,
}

/// The reach of each permission for `Rank::ALL`.
const GRANTS: [(Permission, [Reach; 4]); 5] = {
    use Reach::{Everyone, Nobody, OwnClasses};
    [
        (Permission::ViewLearners, [Nobody, OwnClasses, Everyone, Everyone]),
        (Permission::IssueCodes, [Nobody, OwnClasses, Everyone, Everyone]),
        (Permission::ManageAccounts, [Nobody, Nobody, Everyone, Everyone]),
        (Permission::EditCourses, [Nobody, OwnClasses, Everyone, Everyone]),
        (Permission::ManageCatalogue, [Nobody, Nobody, Everyone, Everyone]),
    ]
};

impl Permission {
    /// Returns the reach for a rank; a permission without an entry is granted to nobody.
    pub fn reach(self, rank: Rank) -> Reach {
        let granted = GRANTS.iter().find(|(permission, _)| *permission == self);
        granted.map_or(Reach::Nobody, |(_, reaches)| reaches[rank as usize])
    }
    /// Returns true if it changes the people that it concerns: nobody changes themselves or somebody of a higher rank.
    fn changes_people(self) -> bool {
        matches!(self, Self::IssueCodes | Self::ManageAccounts)
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// `None`: the command line, whose user can read the whole database.
    pub id: Option<UserId>,
    pub rank: Rank,
}

impl Caller {
    pub const COMMAND_LINE: Self = Self { id: None, rank: Rank::Operator };
}

/// Whom or what a request concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// No single person or class: the handler limits its reply to the caller's reach.
    All,
    Person(UserId),
    Class(ClassId),
    Course(Slug),
}

/// Returns the present rank of an account, or `None` if it does not exist.
pub fn rank_of(tx: &dyn Tx, id: UserId) -> std::result::Result<Option<Rank>, StoreError> {
    match tx.person(PersonKey::Id(id))? {
        Some(person) => rank_of_person(tx, &person).map(Some),
        None => Ok(None),
    }
}

pub fn rank_of_person(tx: &dyn Tx, person: &Person) -> std::result::Result<Rank, StoreError> {
    Ok(Rank::of(person.role, tx.is_operator(person.id)?))
}

/// Returns the rank of the caller, which may have changed since the request was authenticated; `None` if the account was
/// deleted.
pub fn present_rank(tx: &dyn Tx, caller: Caller) -> std::result::Result<Option<Rank>, StoreError> {
    match caller.id {
        None => Ok(Some(caller.rank)),
        Some(id) => Ok(rank_of(tx, id)?.map(|rank| rank.min(caller.rank))),
    }
}

/// Returns true if the caller has the permission about the subject.
pub fn is_allowed(
    tx: &dyn Tx,
    caller: Caller,
    permission: Permission,
    subject: Subject,
) -> std::result::Result<bool, StoreError> {
    let Some(rank) = present_rank(tx, caller)? else { return Ok(false) };
    let reach = permission.reach(rank);
    if reach == Reach::Nobody {
        return Ok(false);
    }
    match subject {
        Subject::All => Ok(true),
        Subject::Person(person) => {
            if permission.changes_people() {
                let is_self = caller.id == Some(person);
                let above = rank_of(tx, person)?.is_some_and(|other| other > rank);
                if is_self || above {
                    return Ok(false);
                }
            }
            match caller.id {
                _ if reach == Reach::Everyone => Ok(true),
                Some(id) => is_student_of(tx, person, id, permission),
                None => Ok(false),
            }
        }
        Subject::Class(class) => match caller.id {
            _ if reach == Reach::Everyone => Ok(true),
            Some(id) => teaches(tx, id, class),
            None => Ok(false),
        },
        Subject::Course(course) => match caller.id {
            _ if reach == Reach::Everyone => Ok(true),
            Some(id) => Ok(tx.course(&course)?.is_some_and(|course| course.owner == Some(id))),
            None => Ok(false),
        },
    }
}

/// Like `is_allowed`, for changes.
///
/// # Errors
/// `Forbidden`.
pub fn require(
    tx: &dyn Tx,
    caller: Caller,
    permission: Permission,
    subject: Subject,
) -> Result<()> {
    if is_allowed(tx, caller, permission, subject)? { Ok(()) } else { Err(PeopleError::Forbidden) }
}

fn teaches(
    tx: &dyn Tx,
    instructor: UserId,
    class: ClassId,
) -> std::result::Result<bool, StoreError> {
    let role = MemberRole::Instructor;
    let is_open =
        tx.class(ClassKey::Id(class))?.is_some_and(|class| class.state == ClassState::Active);
    Ok(is_open && tx.is_member(Membership { person: instructor, class, role })?)
}

/// Returns true if `instructor` teaches a class in which `person` is a student. Somebody who is also staff is changed
/// by administrators only, since a code would give the instructor their rights.
fn is_student_of(
    tx: &dyn Tx,
    person: UserId,
    instructor: UserId,
    permission: Permission,
) -> std::result::Result<bool, StoreError> {
    if permission.changes_people() && rank_of(tx, person)? != Some(Rank::Student) {
        return Ok(false);
    }
    for membership in tx.memberships_of(person)? {
        if membership.role == MemberRole::Student && teaches(tx, instructor, membership.class)? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_permission_has_one_entry_and_no_rank_has_less_than_the_one_below() {
        use Permission::{EditCourses, IssueCodes, ManageAccounts, ManageCatalogue, ViewLearners};
        for permission in [ViewLearners, IssueCodes, ManageAccounts, EditCourses, ManageCatalogue] {
            assert_eq!(GRANTS.iter().filter(|(entry, _)| *entry == permission).count(), 1);
            assert_eq!(permission.reach(Rank::Student), Reach::Nobody, "{permission:?}");
            let width = |rank| match permission.reach(rank) {
                Reach::Nobody => 0,
                Reach::OwnClasses => 1,
                Reach::Everyone => 2,
            };
            assert!(Rank::ALL.windows(2).all(|pair| width(pair[0]) <= width(pair[1])));
        }
    }

    #[test]
    fn the_mark_of_an_operator_gives_a_lower_role_nothing() {
        assert_eq!(Rank::of(Role::Student, true), Rank::Student);
        assert_eq!(Rank::of(Role::Instructor, true), Rank::Instructor);
        assert_eq!(Rank::of(Role::Administrator, true), Rank::Operator);
        assert!(Rank::ALL.iter().all(|rank| Rank::of_name(rank.name()) == Some(*rank)));
    }
}
