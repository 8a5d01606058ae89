//! Applies differences to the stored people and returns their reverses.
//!
//! A difference that contradicts what is stored by now, because somebody else changed the same person meanwhile, is
//! skipped with a reason.
//!
//! Undoing an import keeps the people that it created, as people who have left. If such a person has the login or the
//! id that another one had before the import, the other one gets it back and the created one another login, or no id.
//!
//! Not here: transactions, the audit log, storing reverses (the server).

use std::collections::BTreeSet;

use carrel_model::{Slug, UserId, wire::Role};
use uuid::Uuid;

use crate::{
    directory::{Class, ClassId, ClassState, Directory, Membership, Person},
    entry::{Action, ClassRef, FieldChange, NewPerson, PersonField, PersonRef, Why},
    error::BoxError,
    records::{State, role_name},
};

type Stored<T> = Result<T, BoxError>;

/// Changes the people of one tenant, in a transaction.
pub trait PeopleStore: Directory {
    /// Returns a random id.
    fn new_id(&self) -> Uuid;
    /// Stores a new person, who cannot sign in until a password is set.
    fn insert_person(&self, person: &Person) -> Stored<()>;
    /// Replaces all fields of a person.
    fn put_person(&self, person: &Person) -> Stored<()>;
    /// Stores or replaces a class.
    fn put_class(&self, class: &Class) -> Stored<()>;
    fn add_membership(&self, membership: Membership) -> Stored<()>;
    fn end_membership(&self, membership: Membership) -> Stored<()>;
    /// Ends all sign-ins of a person.
    fn end_sign_ins(&self, person: UserId) -> Stored<()>;
}

/// A difference that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Restores the state before, with ids instead of logins and names, which may change; `None` if nothing changed.
    pub reverse: Option<Action>,
    /// Id of the person or class.
    pub subject: Option<Uuid>,
}

/// Why differences were not applied. Nothing of the batch may be stored.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("no active administrator would be left; hint: make another person administrator first")]
    LastAdministrator,
    #[error("{0}")]
    Store(BoxError),
}

/// Applies the actions in order, and calls `done` after each applied one. Returns the skipped actions with the reasons.
/// `withdrawn` has the people whose creation was undone by earlier batches of the same undo; those of this one are added.
///
/// # Errors
/// No active administrator would be left, or the store or `done` fails. The caller then undoes the whole batch.
pub fn apply(
    store: &dyn PeopleStore,
    actions: &[Action],
    withdrawn: &mut BTreeSet<UserId>,
    done: &mut dyn FnMut(&Action, Change) -> Result<(), BoxError>,
) -> Result<Vec<String>, ApplyError> {
    let before = store.administrators().map_err(ApplyError::Store)?;
    let mut skipped = Vec::new();
    for action in actions {
        match apply_releasing(store, action, withdrawn, done) {
            Ok(()) => {}
            Err(Refusal::Skipped(reason) | Refusal::Taken { reason, .. }) => skipped.push(reason),
            Err(Refusal::Failed(error)) => return Err(ApplyError::Store(error)),
        }
    }
    let after = store.administrators().map_err(ApplyError::Store)?;
    if before > 0 && after == 0 { Err(ApplyError::LastAdministrator) } else { Ok(skipped) }
}

/// Applies an action. A login or id that a withdrawn person has is taken from that person first.
fn apply_releasing(
    store: &dyn PeopleStore,
    action: &Action,
    withdrawn: &mut BTreeSet<UserId>,
    done: &mut dyn FnMut(&Action, Change) -> Result<(), BoxError>,
) -> Attempt<()> {
    let change = loop {
        match apply_one(store, action) {
            Err(Refusal::Taken { by, field, reason }) => {
                if by.state != State::Left || !withdrawn.contains(&by.id) {
                    return skip(reason);
                }
                let Some(release) = release(store, &by, field)? else { return skip(reason) };
                done(&release, apply_one(store, &release)?)?;
            }
            applied => break applied?,
        }
    };
    if let (Action::SetState { why: Why::CreationUndone, .. }, Some(id)) = (action, change.subject)
    {
        withdrawn.insert(UserId(id));
    }
    Ok(done(action, change)?)
}

/// Returns the change that gives a person another login, or no id. `None` if no similar login is free.
fn release(store: &dyn PeopleStore, person: &Person, field: PersonField) -> Stored<Option<Action>> {
    let (before, after) = if field == PersonField::Login {
        let start: String = person.login.chars().take(carrel_precis::MAX_NAME - 4).collect();
        let logins = (2..1000).flat_map(|n| [format!("{start}-{n}"), format!("{start} {n}")]);
        let mut valid = logins.filter_map(|login| carrel_precis::new_login(&login).ok());
        let free = loop {
            let Some(login) = valid.next() else { return Ok(None) };
            match check_login(store, &login, Some(person.id)) {
                Ok(()) => break login,
                Err(Refusal::Failed(error)) => return Err(error),
                Err(_) => {}
            }
        };
        (person.login.clone(), free)
    } else {
        (person.source_id.clone().unwrap_or_default(), String::new())
    };
    let changes = vec![FieldChange { field, before, after }];
    Ok(Some(Action::ChangePerson { person: PersonRef::Id(person.id), changes }))
}

enum Refusal {
    Skipped(String),
    /// Another person has the login or the id.
    Taken {
        by: Box<Person>,
        field: PersonField,
        reason: String,
    },
    Failed(BoxError),
}

impl From<BoxError> for Refusal {
    fn from(error: BoxError) -> Self {
        Self::Failed(error)
    }
}

type Attempt<T> = Result<T, Refusal>;

fn skip<T>(reason: impl Into<String>) -> Attempt<T> {
    Err(Refusal::Skipped(reason.into()))
}

fn apply_one(store: &dyn PeopleStore, action: &Action) -> Attempt<Change> {
    let (resolved, subject) = match action {
        Action::CreatePerson(new) => {
            let person = create(store, new)?;
            let mut reverse = action.reverse();
            if let Some(Action::SetState { person: reference, .. }) = &mut reverse {
                *reference = PersonRef::Id(person.id);
            }
            return Ok(Change { reverse, subject: Some(person.id.0) });
        }
        Action::CreateClass(new) => {
            if let Some(id) = &new.source_id
                && store.class_by_source_id(id)?.is_some()
            {
                return skip(format!("class {:?}: its id {id:?} exists", new.name));
            }
            let class = Class {
                id: ClassId(store.new_id()),
                source_id: new.source_id.clone(),
                name: new.name.clone(),
                courses: new.courses.clone(),
                state: ClassState::Active,
            };
            store.put_class(&class)?;
            let reverse = Action::ArchiveClass { class: ClassRef::Id(class.id) };
            return Ok(Change { reverse: Some(reverse), subject: Some(class.id.0) });
        }
        Action::ChangePerson { person, changes } => {
            let person = person_of(store, person)?;
            let id = person.id;
            change_person(store, person, changes)?;
            (Action::ChangePerson { person: PersonRef::Id(id), changes: changes.clone() }, id.0)
        }
        Action::SetState { person, before, after, why } => {
            let mut person = person_of(store, person)?;
            if person.state != *before {
                return skip(format!("{}: the state was changed meanwhile", person.login));
            }
            person.state = *after;
            store.put_person(&person)?;
            if *after != State::Active {
                store.end_sign_ins(person.id)?;
            }
            let (id, before, after, why) = (person.id, *before, *after, *why);
            (Action::SetState { person: PersonRef::Id(id), before, after, why }, id.0)
        }
        Action::ChangeClass { class, changes } => {
            let class = class_of(store, class)?;
            let id = class.id;
            change_class(store, class, changes)?;
            (Action::ChangeClass { class: ClassRef::Id(id), changes: changes.clone() }, id.0)
        }
        Action::ArchiveClass { class } => {
            let id = set_class_state(store, class, ClassState::Archived)?;
            (Action::ArchiveClass { class: ClassRef::Id(id) }, id.0)
        }
        Action::ReopenClass { class } => {
            let id = set_class_state(store, class, ClassState::Active)?;
            (Action::ReopenClass { class: ClassRef::Id(id) }, id.0)
        }
        Action::AddMembership { person, class, role } => {
            let membership = membership(store, person, class, *role)?;
            if store.is_member(membership)? {
                return skip("the membership was added meanwhile");
            }
            store.add_membership(membership)?;
            let (person, class) = references(membership);
            (Action::AddMembership { person, class, role: *role }, membership.person.0)
        }
        Action::EndMembership { person, class, role } => {
            let membership = membership(store, person, class, *role)?;
            if !store.is_member(membership)? {
                return skip("the membership was ended meanwhile");
            }
            store.end_membership(membership)?;
            let (person, class) = references(membership);
            (Action::EndMembership { person, class, role: *role }, membership.person.0)
        }
        Action::Unchanged { .. } | Action::OtherTenant { .. } => {
            return Ok(Change { reverse: None, subject: None });
        }
    };
    Ok(Change { reverse: resolved.reverse(), subject: Some(subject) })
}

fn person_of(store: &dyn PeopleStore, reference: &PersonRef) -> Attempt<Person> {
    let found = match reference {
        PersonRef::Id(id) => store.person_by_id(*id)?,
        PersonRef::Source(id) => store.person_by_source_id(id)?,
        PersonRef::Login(key) => store.person_by_login_key(key)?,
    };
    match found {
        Some(person) => Ok(person),
        None => skip(format!("the person {reference:?} does not exist")),
    }
}

fn class_of(store: &dyn PeopleStore, reference: &ClassRef) -> Attempt<Class> {
    let found = match reference {
        ClassRef::Id(id) => store.class_by_id(*id)?,
        ClassRef::Source(id) => store.class_by_source_id(id)?,
        ClassRef::Name(key) => {
            let mut classes = store.classes_by_name_key(key)?;
            classes.retain(|class| class.source_id.is_none() && class.state == ClassState::Active);
            classes.pop()
        }
    };
    match found {
        Some(class) => Ok(class),
        None => skip(format!("the class {reference:?} does not exist")),
    }
}

fn membership(
    store: &dyn PeopleStore,
    person: &PersonRef,
    class: &ClassRef,
    role: crate::records::MemberRole,
) -> Attempt<Membership> {
    Ok(Membership { person: person_of(store, person)?.id, class: class_of(store, class)?.id, role })
}

fn references(membership: Membership) -> (PersonRef, ClassRef) {
    (PersonRef::Id(membership.person), ClassRef::Id(membership.class))
}

/// Checks that no other person has the same login or a look-alike login. A login that PRECIS refuses passes: it was
/// stored by an older release and is restored unchanged.
fn check_login(store: &dyn PeopleStore, login: &str, of: Option<UserId>) -> Attempt<()> {
    let Ok(key) = carrel_precis::username(login) else { return Ok(()) };
    let taken = |found: Option<Person>, reason: String| match found {
        Some(by) if Some(by.id) != of => {
            Err(Refusal::Taken { by: Box::new(by), field: PersonField::Login, reason })
        }
        _ => Ok(()),
    };
    taken(store.person_by_login_key(&key)?, format!("the login {login:?} is taken"))?;
    let similar = store.person_by_skeleton(&carrel_precis::skeleton(&key))?;
    taken(similar, format!("the login {login:?} looks like another one"))
}

fn check_source_id(store: &dyn PeopleStore, id: Option<&str>, of: Option<UserId>) -> Attempt<()> {
    let Some(id) = id else { return Ok(()) };
    match store.person_by_source_id(id)? {
        Some(by) if Some(by.id) != of => {
            let reason = format!("the id {id:?} is that of {}", by.login);
            Err(Refusal::Taken { by: Box::new(by), field: PersonField::SourceId, reason })
        }
        _ => Ok(()),
    }
}

fn create(store: &dyn PeopleStore, new: &NewPerson) -> Attempt<Person> {
    check_login(store, &new.login, None)?;
    check_source_id(store, new.source_id.as_deref(), None)?;
    let person = Person {
        id: UserId(store.new_id()),
        source_id: new.source_id.clone(),
        login: new.login.clone(),
        name: new.name.clone(),
        given: new.given.clone(),
        family: new.family.clone(),
        role: new.role,
        state: new.state,
        is_disabled: false,
        lang: new.lang.clone(),
        email: new.email.clone(),
    };
    store.insert_person(&person)?;
    Ok(person)
}

fn filled(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn change_person(
    store: &dyn PeopleStore,
    mut person: Person,
    changes: &[FieldChange],
) -> Attempt<()> {
    let login = person.login.clone();
    for FieldChange { field, before, after } in changes {
        let value = filled(after);
        let stored = match field {
            PersonField::SourceId => std::mem::replace(&mut person.source_id, value),
            PersonField::Login => Some(std::mem::replace(&mut person.login, after.clone())),
            PersonField::Name => Some(std::mem::replace(&mut person.name, after.clone())),
            PersonField::Given => std::mem::replace(&mut person.given, value),
            PersonField::Family => std::mem::replace(&mut person.family, value),
            PersonField::Lang => std::mem::replace(&mut person.lang, value),
            PersonField::Email => std::mem::replace(&mut person.email, value),
            PersonField::Role => {
                let roles = [Role::Student, Role::Instructor, Role::Administrator];
                let Some(role) = roles.into_iter().find(|role| role_name(*role) == after) else {
                    return skip(format!("{login}: the role {after:?} is unknown"));
                };
                Some(role_name(std::mem::replace(&mut person.role, role)).to_owned())
            }
            PersonField::Courses => return skip(format!("{login}: a person has no courses")),
        };
        if stored.unwrap_or_default() != *before {
            return skip(format!("{login}: {field:?} was changed meanwhile"));
        }
    }
    // Last, so that nobody's login or id is released for a change that is skipped.
    for FieldChange { field, .. } in changes {
        match field {
            PersonField::Login => check_login(store, &person.login, Some(person.id))?,
            PersonField::SourceId => {
                check_source_id(store, person.source_id.as_deref(), Some(person.id))?;
            }
            _ => {}
        }
    }
    Ok(store.put_person(&person)?)
}

fn change_class(store: &dyn PeopleStore, mut class: Class, changes: &[FieldChange]) -> Attempt<()> {
    let name = class.name.clone();
    for FieldChange { field, before, after } in changes {
        let value = filled(after);
        let stored = match field {
            PersonField::Name => Some(std::mem::replace(&mut class.name, after.clone())),
            PersonField::SourceId => {
                if let Some(id) = &value
                    && store.class_by_source_id(id)?.is_some_and(|other| other.id != class.id)
                {
                    return skip(format!("the id {id:?} is that of another class"));
                }
                std::mem::replace(&mut class.source_id, value)
            }
            PersonField::Courses => {
                let courses =
                    after.split_whitespace().filter_map(|id| Slug::new(id).ok()).collect();
                let stored: Vec<Slug> = std::mem::replace(&mut class.courses, courses);
                let mut words: Vec<&str> = stored.iter().map(Slug::as_str).collect();
                words.sort_unstable();
                Some(words.join(" "))
            }
            _ => return skip(format!("class {name:?}: has no field {field:?}")),
        };
        if stored.unwrap_or_default() != *before {
            return skip(format!("class {name:?}: {field:?} was changed meanwhile"));
        }
    }
    Ok(store.put_class(&class)?)
}

fn set_class_state(
    store: &dyn PeopleStore,
    class: &ClassRef,
    state: ClassState,
) -> Attempt<ClassId> {
    let mut class = class_of(store, class)?;
    if class.state == state {
        return skip(format!("class {:?}: was changed meanwhile", class.name));
    }
    class.state = state;
    store.put_class(&class)?;
    Ok(class.id)
}
