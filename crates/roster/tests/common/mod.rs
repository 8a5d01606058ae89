//! A school in memory, and the differences of an import as short texts.

#![allow(dead_code, reason = "each test program uses a part")]

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    io::{Cursor, Write},
};

use carrel_model::{Slug, UserId, wire::Role};
use carrel_roster::{
    Action, ApplyError, BoxError, Change, Class, ClassId, ClassRef, ClassState, Counts, Directory,
    Entry, Error, MemberRole, Membership, Options, PeopleStore, Person, PersonRef, Problem,
    Severity, Sink, State, Summary, Verdict, apply, import,
};

pub type Result<T> = std::result::Result<T, BoxError>;

#[derive(Debug, Clone, Default)]
pub struct School {
    pub tenant: String,
    pub people: BTreeMap<UserId, Person>,
    pub classes: BTreeMap<ClassId, Class>,
    pub members: BTreeSet<(UserId, ClassId, bool)>,
    pub courses: BTreeSet<String>,
    /// People whose sign-ins were ended, in the order of the calls.
    pub signed_out: Vec<UserId>,
    /// The last id that was given to somebody.
    next: u128,
}

fn is_instructor(role: MemberRole) -> bool {
    role == MemberRole::Instructor
}

fn member_role(is_instructor: bool) -> MemberRole {
    if is_instructor { MemberRole::Instructor } else { MemberRole::Student }
}

pub fn class_id(n: u128) -> ClassId {
    ClassId(UserId::from_u128(n).0)
}

impl School {
    pub fn empty(tenant: &str) -> Self {
        Self { tenant: tenant.to_owned(), next: 1_000_000, ..Self::default() }
    }

    /// An administrator, two students and an instructor with source ids, a student who left, and one without a source
    /// id; the classes 5A (with a source id), 5B, and 4A in the archive.
    pub fn sample() -> Self {
        let mut school = Self::empty("river");
        let mut add = |n: u128, source: Option<&str>, login: &str, name: &str, role| {
            let parts = name.split_once(' ').filter(|_| source.is_some());
            let person = Person {
                id: UserId::from_u128(n),
                source_id: source.map(str::to_owned),
                login: login.to_owned(),
                name: name.to_owned(),
                given: parts.map(|(given, _)| given.to_owned()),
                family: parts.map(|(_, family)| family.to_owned()),
                role,
                state: State::Active,
                is_disabled: false,
                lang: None,
                email: None,
            };
            school.people.insert(person.id, person);
        };
        add(1, None, "admin", "Ada Admin", Role::Administrator);
        add(2, Some("1001"), "noor", "Noor Khan", Role::Student);
        add(3, Some("1002"), "peter", "Peter Ito", Role::Student);
        add(4, Some("2001"), "rossi", "Tina Rossi", Role::Instructor);
        add(5, Some("1003"), "lea", "Lea Roux", Role::Student);
        add(6, None, "local", "Local Guest", Role::Student);
        school.person_mut(5).state = State::Left;
        let mut class = |n, source: Option<&str>, name: &str, state| {
            let class = Class {
                id: class_id(n),
                source_id: source.map(str::to_owned),
                name: name.to_owned(),
                courses: Vec::new(),
                state,
            };
            school.classes.insert(class.id, class);
        };
        class(10, Some("C5A"), "5A", ClassState::Active);
        class(11, None, "5B", ClassState::Active);
        class(12, None, "4A", ClassState::Archived);
        for (person, class, is_instructor) in [(2, 10, false), (4, 10, true), (3, 12, false)] {
            school.members.insert((UserId::from_u128(person), class_id(class), is_instructor));
        }
        school.courses.insert("rivers".to_owned());
        school
    }

    pub fn person_mut(&mut self, n: u128) -> &mut Person {
        self.people.get_mut(&UserId::from_u128(n)).unwrap()
    }

    /// Applies actions in one batch. Returns their reverses, the last one first, and why others were skipped.
    pub fn apply(
        &mut self,
        actions: &[Action],
    ) -> std::result::Result<(Vec<Action>, Vec<String>), ApplyError> {
        let live = Live(RefCell::new(self.clone()));
        let mut reverses = Vec::new();
        let skipped = apply(&live, actions, &mut BTreeSet::new(), &mut |_, change: Change| {
            reverses.extend(change.reverse);
            Ok(())
        })?;
        *self = live.0.into_inner();
        reverses.reverse();
        Ok((reverses, skipped))
    }

    /// Applies the entries that are not held; none may be skipped. Returns their reverses, the last one first.
    pub fn apply_all(&mut self, found: &Found, verdict: &Verdict) -> Vec<Action> {
        let applied = found.entries.iter().filter(|entry| verdict.applies(entry));
        let actions: Vec<Action> = applied.map(|entry| entry.action.clone()).collect();
        let (reverses, skipped) = self.apply(&actions).unwrap();
        assert_eq!(skipped, [""; 0]);
        reverses
    }
}

/// A school that is changed through shared references, as in a transaction.
struct Live(RefCell<School>);

impl Directory for Live {
    fn tenant(&self) -> &str {
        "live"
    }
    fn counts(&self) -> Result<Counts> {
        self.0.borrow().counts()
    }
    fn person_by_id(&self, id: UserId) -> Result<Option<Person>> {
        self.0.borrow().person_by_id(id)
    }
    fn person_by_source_id(&self, id: &str) -> Result<Option<Person>> {
        self.0.borrow().person_by_source_id(id)
    }
    fn person_by_login_key(&self, key: &str) -> Result<Option<Person>> {
        self.0.borrow().person_by_login_key(key)
    }
    fn person_by_skeleton(&self, skeleton: &str) -> Result<Option<Person>> {
        self.0.borrow().person_by_skeleton(skeleton)
    }
    fn class_by_id(&self, id: ClassId) -> Result<Option<Class>> {
        self.0.borrow().class_by_id(id)
    }
    fn class_by_source_id(&self, id: &str) -> Result<Option<Class>> {
        self.0.borrow().class_by_source_id(id)
    }
    fn classes_by_name_key(&self, key: &str) -> Result<Vec<Class>> {
        self.0.borrow().classes_by_name_key(key)
    }
    fn is_member(&self, membership: Membership) -> Result<bool> {
        self.0.borrow().is_member(membership)
    }
    fn has_course(&self, course: &Slug) -> Result<bool> {
        self.0.borrow().has_course(course)
    }
    fn each_person(&self, each: &mut dyn FnMut(Person) -> Result<()>) -> Result<()> {
        self.0.borrow().each_person(each)
    }
    fn each_class(&self, each: &mut dyn FnMut(Class) -> Result<()>) -> Result<()> {
        self.0.borrow().each_class(each)
    }
    fn each_membership(&self, each: &mut dyn FnMut(Membership) -> Result<()>) -> Result<()> {
        self.0.borrow().each_membership(each)
    }
    fn memberships_of(&self, person: UserId) -> Result<Vec<Membership>> {
        self.0.borrow().memberships_of(person)
    }
}

impl PeopleStore for Live {
    fn new_id(&self) -> uuid::Uuid {
        let mut school = self.0.borrow_mut();
        school.next += 1;
        UserId::from_u128(school.next).0
    }
    fn insert_person(&self, person: &Person) -> Result<()> {
        let before = self.0.borrow_mut().people.insert(person.id, person.clone());
        assert!(before.is_none(), "{person:?} exists");
        Ok(())
    }
    fn put_person(&self, person: &Person) -> Result<()> {
        let before = self.0.borrow_mut().people.insert(person.id, person.clone());
        assert!(before.is_some(), "{person:?} does not exist");
        Ok(())
    }
    fn put_class(&self, class: &Class) -> Result<()> {
        self.0.borrow_mut().classes.insert(class.id, class.clone());
        Ok(())
    }
    fn add_membership(&self, m: Membership) -> Result<()> {
        let member = (m.person, m.class, is_instructor(m.role));
        assert!(self.0.borrow_mut().members.insert(member), "{m:?} exists");
        Ok(())
    }
    fn end_membership(&self, m: Membership) -> Result<()> {
        let member = (m.person, m.class, is_instructor(m.role));
        assert!(self.0.borrow_mut().members.remove(&member), "{m:?} does not exist");
        Ok(())
    }
    fn end_sign_ins(&self, person: UserId) -> Result<()> {
        self.0.borrow_mut().signed_out.push(person);
        Ok(())
    }
}

impl Directory for School {
    fn tenant(&self) -> &str {
        &self.tenant
    }
    fn counts(&self) -> Result<Counts> {
        let active = || self.people.values().filter(|person| person.state == State::Active);
        let is_admin = |p: &&Person| p.role == Role::Administrator && !p.is_disabled;
        Ok(Counts {
            people: active().count() as u64,
            administrators: active().filter(is_admin).count() as u64,
            memberships: self.members.len() as u64,
            classes: self.classes.values().filter(|c| c.state == ClassState::Active).count() as u64,
        })
    }
    fn person_by_id(&self, id: UserId) -> Result<Option<Person>> {
        Ok(self.people.get(&id).cloned())
    }
    fn person_by_source_id(&self, id: &str) -> Result<Option<Person>> {
        Ok(self.people.values().find(|p| p.source_id.as_deref() == Some(id)).cloned())
    }
    fn person_by_login_key(&self, key: &str) -> Result<Option<Person>> {
        let is_login =
            |p: &&Person| carrel_precis::username(&p.login).is_ok_and(|login| login == key);
        Ok(self.people.values().find(is_login).cloned())
    }
    fn person_by_skeleton(&self, skeleton: &str) -> Result<Option<Person>> {
        let is_similar = |p: &&Person| {
            carrel_precis::username(&p.login)
                .is_ok_and(|key| carrel_precis::skeleton(&key) == skeleton)
        };
        Ok(self.people.values().find(is_similar).cloned())
    }
    fn class_by_id(&self, id: ClassId) -> Result<Option<Class>> {
        Ok(self.classes.get(&id).cloned())
    }
    fn class_by_source_id(&self, id: &str) -> Result<Option<Class>> {
        Ok(self.classes.values().find(|class| class.source_id.as_deref() == Some(id)).cloned())
    }
    fn classes_by_name_key(&self, key: &str) -> Result<Vec<Class>> {
        Ok(self
            .classes
            .values()
            .filter(|class| Class::name_key(&class.name) == key)
            .cloned()
            .collect())
    }
    fn is_member(&self, m: Membership) -> Result<bool> {
        Ok(self.members.contains(&(m.person, m.class, is_instructor(m.role))))
    }
    fn has_course(&self, course: &Slug) -> Result<bool> {
        Ok(self.courses.contains(course.as_str()))
    }
    fn each_person(&self, each: &mut dyn FnMut(Person) -> Result<()>) -> Result<()> {
        self.people.values().cloned().try_for_each(each)
    }
    fn each_class(&self, each: &mut dyn FnMut(Class) -> Result<()>) -> Result<()> {
        self.classes.values().cloned().try_for_each(each)
    }
    fn each_membership(&self, each: &mut dyn FnMut(Membership) -> Result<()>) -> Result<()> {
        let membership = |(person, class, role): &(UserId, ClassId, bool)| Membership {
            person: *person,
            class: *class,
            role: member_role(*role),
        };
        self.members.iter().map(membership).try_for_each(each)
    }
    fn memberships_of(&self, person: UserId) -> Result<Vec<Membership>> {
        let mut out = Vec::new();
        self.each_membership(&mut |m| {
            out.extend((m.person == person).then_some(m));
            Ok(())
        })?;
        Ok(out)
    }
}

/// What an import finds.
#[derive(Debug, Default)]
pub struct Found {
    pub entries: Vec<Entry>,
    pub problems: Vec<Problem>,
    pub summary: Summary,
}

impl Sink for Found {
    fn entry(&mut self, entry: Entry) -> Result<()> {
        self.entries.push(entry);
        Ok(())
    }
    fn problem(&mut self, problem: Problem) -> Result<()> {
        self.problems.push(problem);
        Ok(())
    }
}

pub fn run(school: &School, file: &[u8], options: &Options) -> std::result::Result<Found, Error> {
    let mut found = Found::default();
    let (_, summary) = import(&mut Cursor::new(file), school, options, &mut found)?;
    found.summary = summary;
    Ok(found)
}

/// Returns the differences and problems as short texts, without the rows in which nothing differs.
pub fn differences(school: &School, file: &[u8], options: &Options) -> Vec<String> {
    let found = match run(school, file, options) {
        Ok(found) => found,
        Err(error) => return vec![format!("stopped: {error}")],
    };
    let mut out: Vec<String> =
        found.entries.iter().filter_map(|entry| short(school, entry)).collect();
    for problem in &found.problems {
        let mark = if problem.severity() == Severity::Error { "error" } else { "warning" };
        let file = problem.place.file.as_ref().map_or_else(String::new, |file| format!("{file}:"));
        let column = problem.column.as_deref().unwrap_or("-");
        out.push(format!(
            "{mark} {file}{} {} {column} {:?}",
            problem.place.line,
            problem.reason.code(),
            problem.value
        ));
    }
    out
}

fn short(school: &School, entry: &Entry) -> Option<String> {
    let line = entry.place.as_ref().map_or(0, |place| place.line);
    let person = |person: &PersonRef| match person {
        PersonRef::Id(id) => school.people[id].login.clone(),
        PersonRef::Source(id) => format!("#{id}"),
        PersonRef::Login(key) => key.clone(),
    };
    let class = |class: &ClassRef| match class {
        ClassRef::Id(id) => school.classes[id].name.clone(),
        ClassRef::Source(id) => format!("#{id}"),
        ClassRef::Name(key) => key.clone(),
    };
    let role = |role: &MemberRole| format!("{role:?}").to_lowercase();
    let text = match &entry.action {
        Action::CreatePerson(new) => {
            let mut text = format!("create {} {:?}", new.login, new.name);
            if let Some(id) = &new.source_id {
                text += &format!(" #{id}");
            }
            if new.role != Role::Student {
                text += &format!(" {}", format!("{:?}", new.role).to_lowercase());
            }
            if new.state != State::Active {
                text += &format!(" {:?}", new.state).to_lowercase();
            }
            if let Some(lang) = &new.lang {
                text += &format!(" {lang}");
            }
            if let Some(email) = &new.email {
                text += &format!(" {email}");
            }
            text
        }
        Action::ChangePerson { person: who, changes } => {
            let change = |c: &carrel_roster::FieldChange| {
                format!(" {:?} {:?}>{:?}", c.field, c.before, c.after)
            };
            format!("change {}{}", person(who), changes.iter().map(change).collect::<String>())
        }
        Action::SetState { person: who, before, after, why } => {
            format!("state {} {before:?}>{after:?} {why:?}", person(who)).to_lowercase()
        }
        Action::CreateClass(new) => {
            let id = new.source_id.as_ref().map_or_else(String::new, |id| format!(" #{id}"));
            format!("create class {}{id}", new.name)
        }
        Action::ChangeClass { class: which, changes } => {
            let change = |c: &carrel_roster::FieldChange| {
                format!(" {:?} {:?}>{:?}", c.field, c.before, c.after)
            };
            format!(
                "change class {}{}",
                class(which),
                changes.iter().map(change).collect::<String>()
            )
        }
        Action::ArchiveClass { class: which } => format!("archive class {}", class(which)),
        Action::ReopenClass { class: which } => format!("reopen class {}", class(which)),
        Action::AddMembership { person: who, class: which, role: r } => {
            format!("add {} to {} {}", person(who), class(which), role(r))
        }
        Action::EndMembership { person: who, class: which, role: r } => {
            format!("end {} in {} {}", person(who), class(which), role(r))
        }
        Action::Unchanged { .. } => return None,
        Action::OtherTenant { tenant } => format!("other tenant {tenant} {}", entry.label),
    };
    Some(format!("{line} {text}"))
}

/// Returns a OneRoster bundle of these files.
pub fn bundle(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
