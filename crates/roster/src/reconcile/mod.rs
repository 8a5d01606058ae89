//! Compares the records of a roster with the stored people and passes on the differences.
//!
//! People are matched by the id of Carrel, then by source id, and by login only if the row has neither; never by name.
//! A row with an error changes nothing, and is no reason to suspend anybody.

mod classes;
mod limits;
mod people;
mod seen;

use std::collections::HashMap;

use carrel_model::{UserId, wire::Role};

pub use limits::{Approval, Held, HeldBy, Summary, Verdict};

use crate::{
    BoxError, Error, Result,
    directory::{ClassId, ClassState, Directory, Membership},
    entry::{Action, ClassRef, Entry, Guard, PersonRef},
    problem::{FileError, Place, Problem, Reason, Severity},
    records::{EnrolmentRecord, MemberRole, Record},
    table::Encoding,
};
use classes::Classes;
use seen::{Seen, hash};

/// How a file is imported.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The file names everybody: people and memberships that it does not name are suspended and ended.
    pub full: bool,
    /// Role of new people whose row states none, such as those of a list of teachers; by default student.
    pub default_role: Option<Role>,
    /// Account of the person who imports; `None`: the operator of the server.
    pub actor: Option<UserId>,
    /// Encoding of tables; detected if none is stated.
    pub encoding: Option<Encoding>,
    /// Local day as `YYYY-MM-DD`, for enrolments and terms that are over. Empty: dates are ignored.
    pub today: String,
}

/// Receives what an import finds, in the order in which it is to be applied. An error cancels the import.
pub trait Sink {
    fn entry(&mut self, entry: Entry) -> std::result::Result<(), BoxError>;
    fn problem(&mut self, problem: Problem) -> std::result::Result<(), BoxError>;
    /// Called after each 1,000 records.
    fn progress(&mut self, records: u64) -> std::result::Result<(), BoxError> {
        let _ = records;
        Ok(())
    }
}

pub(crate) struct Reconciler<'a> {
    directory: &'a dyn Directory,
    options: &'a Options,
    sink: &'a mut dyn Sink,
    summary: Summary,
    seen: Seen,
    classes: Classes,
    /// Rows and names of entries that take away an administrator.
    administrators: Vec<(Option<Place>, String)>,
}

pub(super) fn other(error: BoxError) -> Error {
    Error::Other(error)
}

impl<'a> Reconciler<'a> {
    pub fn new(
        directory: &'a dyn Directory,
        options: &'a Options,
        sink: &'a mut dyn Sink,
    ) -> Result<Self> {
        let counts = directory.counts().map_err(other)?;
        Ok(Self {
            directory,
            options,
            sink,
            summary: Summary { counts, ..Summary::default() },
            seen: Seen::default(),
            classes: Classes::default(),
            administrators: Vec::new(),
        })
    }

    pub fn record(&mut self, record: Record) -> Result<()> {
        self.summary.records += 1;
        if self.summary.records.is_multiple_of(1000) {
            self.sink.progress(self.summary.records).map_err(other)?;
        }
        match record {
            Record::Person(person) => self.person(*person),
            Record::Class(class) => self.class(*class),
            Record::Enrolment(enrolment) => self.enrolment(&enrolment),
            Record::Problem(problem) => self.problem(problem),
            Record::NoAccount { source_id, problem } => {
                self.seen.skipped.insert(hash(&source_id));
                self.problem(problem)
            }
            Record::BadRow { problems, id, source_id, login } => {
                for problem in problems {
                    self.problem(problem)?;
                }
                self.bad_row(id, source_id.as_deref(), login.as_deref())
            }
        }
    }

    /// Finishes the import: people and memberships that a full roster does not name, and the last administrator.
    ///
    /// `names_classes`: the file has classes, so memberships that it does not name are over.
    pub fn finish(mut self, names_classes: bool) -> Result<Summary> {
        if self.options.full {
            self.absent_people()?;
            if names_classes {
                self.absent_memberships()?;
            }
        }
        if self.summary.loses_last_administrator() {
            for (place, label) in std::mem::take(&mut self.administrators) {
                let place = place.unwrap_or(Place { file: None, line: 0 });
                self.problem(Problem::new(&place, None, &label, Reason::LastAdministrator))?;
            }
        }
        Ok(self.summary)
    }

    fn problem(&mut self, problem: Problem) -> Result<()> {
        match problem.severity() {
            Severity::Error => self.summary.errors += 1,
            Severity::Warning => self.summary.warnings += 1,
        }
        self.sink.problem(problem).map_err(other)
    }

    fn entry(&mut self, entry: Entry) -> Result<()> {
        self.summary.add(&entry);
        self.sink.entry(entry).map_err(other)
    }

    fn plain(&mut self, place: &Place, label: &str, action: Action) -> Result<()> {
        self.entry(Entry {
            place: Some(place.clone()),
            label: label.to_owned(),
            guard: Guard::None,
            removes_administrator: false,
            action,
        })
    }

    /// Counts an active administrator who would be none afterwards.
    fn lose_administrator(&mut self, place: Option<&Place>, label: &str) {
        self.summary.lost_administrators += 1;
        self.administrators.push((place.cloned(), label.to_owned()));
    }

    /// Notes whom a row with an error is about, so that nobody is removed because of it.
    fn bad_row(
        &mut self,
        id: Option<UserId>,
        source_id: Option<&str>,
        login: Option<&str>,
    ) -> Result<()> {
        self.summary.bad_rows += 1;
        let mut is_known = false;
        let mut found = Vec::new();
        if let Some(id) = id {
            found.extend(self.directory.person_by_id(id).map_err(other)?);
        }
        if let Some(source_id) = source_id {
            is_known = true;
            self.seen.bad_ids.insert(hash(source_id));
            found.extend(self.directory.person_by_source_id(source_id).map_err(other)?);
        }
        if let Some(key) = login.and_then(|login| carrel_precis::typed_username(login).ok()) {
            let by_login = self.directory.person_by_login_key(&key).map_err(other)?;
            is_known |= by_login.is_some() || !self.seen.has_source_ids;
            found.extend(by_login);
        }
        if found.is_empty() && !is_known {
            self.summary.unattributed_rows += 1;
        }
        for person in found {
            self.seen.bad_people.insert(seen::person(person.id));
        }
        Ok(())
    }

    fn enrolment(&mut self, record: &EnrolmentRecord) -> Result<()> {
        let key = hash(&record.person.text);
        if self.seen.skipped.contains(&key) || self.seen.bad_ids.contains(&key) {
            // The row of the person was reported.
            return Ok(());
        }
        let stored = self.directory.person_by_source_id(&record.person.text).map_err(other)?;
        let person = match &stored {
            Some(person) => PersonRef::Id(person.id),
            None if self.seen.ids.contains_key(&key) => {
                PersonRef::Source(record.person.text.clone())
            }
            None => return self.reference(record, "person"),
        };
        let Some(class) = self.class_of_source(&record.class.text)? else {
            if self.seen.skipped_classes.contains(&hash(&record.class.text)) {
                return Ok(());
            }
            return self.reference(record, "class");
        };
        let id = stored.map(|person| person.id);
        self.membership(&record.place, (person, id), class, record.role, record.is_over)
    }

    fn reference(&mut self, record: &EnrolmentRecord, what: &'static str) -> Result<()> {
        let cell = if what == "class" { &record.class } else { &record.person };
        let reason = Reason::BadReference { what };
        self.problem(Problem::new(&record.place, Some(&cell.column), &cell.text, reason))?;
        // The membership may be that of anybody, so none is ended for being absent.
        self.summary.unattributed_rows += 1;
        Ok(())
    }

    /// Adds or ends a membership if it is not so already.
    fn membership(
        &mut self,
        place: &Place,
        (person, id): (PersonRef, Option<UserId>),
        class: ClassRef,
        role: MemberRole,
        is_over: bool,
    ) -> Result<()> {
        let stored = match (id, &class) {
            (Some(person), ClassRef::Id(class)) => Some(Membership { person, class: *class, role }),
            _ => None,
        };
        let is_first = self.seen.memberships.insert(seen::membership(&person, &class, role));
        let is_stored = match stored {
            Some(membership) => self.directory.is_member(membership).map_err(other)?,
            None => false,
        };
        if is_over {
            // A membership in another row of the file continues.
            if !is_stored || !is_first {
                return Ok(());
            }
            self.seen.memberships.remove(&seen::membership(&person, &class, role));
            let ended = seen::membership(&person, &class, role);
            if self.seen.ended.insert(ended) {
                let action = Action::EndMembership { person, class, role };
                self.entry(Entry {
                    place: Some(place.clone()),
                    label: String::new(),
                    guard: Guard::EndsMembership,
                    removes_administrator: false,
                    action,
                })?;
            }
            return Ok(());
        }
        if is_stored || !is_first {
            return Ok(());
        }
        self.plain(place, "", Action::AddMembership { person, class, role })
    }

    fn absent_memberships(&mut self) -> Result<()> {
        let directory = self.directory;
        let mut archived: HashMap<ClassId, bool> = HashMap::new();
        let mut each = |membership: Membership| -> std::result::Result<(), BoxError> {
            let key = seen::person(membership.person);
            let (person, class) =
                (PersonRef::Id(membership.person), ClassRef::Id(membership.class));
            let named = seen::membership(&person, &class, membership.role);
            let is_kept = !self.seen.people.contains_key(&key)
                || self.seen.bad_people.contains(&key)
                || self.seen.memberships.contains(&named)
                || self.seen.ended.contains(&named);
            if is_kept {
                return Ok(());
            }
            // No file names the classes in the archive.
            let is_archived = match archived.get(&membership.class) {
                Some(is_archived) => *is_archived,
                None => {
                    let class = directory.class_by_id(membership.class)?;
                    let is_archived = class.is_none_or(|class| class.state == ClassState::Archived);
                    archived.insert(membership.class, is_archived);
                    is_archived
                }
            };
            if is_archived {
                return Ok(());
            }
            let action = Action::EndMembership { person, class, role: membership.role };
            let guard = Guard::EndsAbsent;
            let entry = Entry {
                place: None,
                label: String::new(),
                guard,
                removes_administrator: false,
                action,
            };
            self.entry(entry).map_err(BoxError::from)
        };
        directory.each_membership(&mut each).map_err(other)
    }
}

/// Checks that a file can be imported with these options.
pub(crate) fn check_full(options: &Options, is_delta: bool) -> Result<()> {
    if options.full && is_delta { Err(FileError::DeltaIsNotFull.into()) } else { Ok(()) }
}
