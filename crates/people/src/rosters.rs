//! Rosters: the stored people as `carrel-roster` reads them, and the differences of an import applied and undone.
//!
//! A comparison reads one state of the database and stores nothing. Its differences are kept in a temporary file and
//! applied in transactions of `BATCH`, each with its audit lines and the reverse of each change. A difference that no
//! longer applies, because somebody else changed the same person meanwhile, is skipped and reported.
//!
//! Not here: formats, matching and limits (`carrel-roster`), the command line.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write},
};

use carrel_model::{UserId, wire::UserInfo};
use carrel_roster::{
    Action, ApplyError, BoxError, Class, ClassId, Counts, Directory, Entry, Format, Membership,
    Options, PeopleStore, Person, PersonRef, Problem, Summary, UNDO_MS, Verdict,
};
use carrel_store::{
    StoreError, facts,
    tx::{AuditRow, ClassKey, PersonKey, RosterImportRow, StoredAccount, Tx},
};
use uuid::Uuid;

use crate::{
    EndedSignIn, PeopleError, Result,
    accounts::owns_courses,
    end_all, login_keys,
    permissions::{Caller, Permission, Subject, rank_of_person, require},
    sign_ins::void_links,
};

/// Number of differences that are applied in one transaction.
pub const BATCH: usize = 500;

/// Maximum number of problems that are kept with their text.
const MAX_PROBLEMS: usize = 10_000;

/// People read at a time.
const PAGE: u32 = 1_000;

/// What a roster would change.
pub struct Comparison {
    pub format: Format,
    pub summary: Summary,
    /// At most `MAX_PROBLEMS`.
    pub problems: Vec<Problem>,
    entries: File,
}

/// Who applies a roster, and what the import is called in the list.
#[derive(Debug, Clone)]
pub struct ImportedBy {
    pub by: Caller,
    pub name: String,
}

/// What an import or its undoing changed.
#[derive(Debug, Default)]
pub struct AppliedRoster {
    /// Id of the import; 0 if nothing was changed.
    pub import: i64,
    pub applied: u64,
    /// Differences that were not applied because their limit holds them.
    pub held: u64,
    /// Differences that no longer applied, with the reason.
    pub conflicts: Vec<String>,
    /// People created by the import that is undone, who have left therefore.
    pub withdrawn: BTreeSet<UserId>,
}

/// The people of a server as a roster sees them.
struct StoredPeople<'t> {
    tx: &'t dyn Tx,
    tenant: String,
    now_ms: i64,
    /// Sign-ins that were ended.
    ended: RefCell<Vec<EndedSignIn>>,
    /// People whose name was changed.
    renamed: RefCell<Vec<UserId>>,
}

impl<'t> StoredPeople<'t> {
    fn new(tx: &'t dyn Tx, now_ms: i64) -> std::result::Result<Self, StoreError> {
        let tenant = tx.fact(facts::SERVER_ID)?.unwrap_or_default();
        let (ended, renamed) = Default::default();
        Ok(Self { tx, tenant, now_ms, ended, renamed })
    }
}

impl Directory for StoredPeople<'_> {
    fn tenant(&self) -> &str {
        &self.tenant
    }
    fn counts(&self) -> std::result::Result<Counts, BoxError> {
        Ok(self.tx.people_counts()?)
    }
    fn administrators(&self) -> std::result::Result<u64, BoxError> {
        Ok(self.tx.administrators()?)
    }
    fn person_by_id(&self, id: UserId) -> std::result::Result<Option<Person>, BoxError> {
        Ok(self.tx.person(PersonKey::Id(id))?)
    }
    fn person_by_source_id(&self, id: &str) -> std::result::Result<Option<Person>, BoxError> {
        Ok(self.tx.person(PersonKey::SourceId(id))?)
    }
    fn person_by_login_key(&self, key: &str) -> std::result::Result<Option<Person>, BoxError> {
        Ok(self.tx.person(PersonKey::LoginKey(key))?)
    }
    fn person_by_skeleton(&self, skeleton: &str) -> std::result::Result<Option<Person>, BoxError> {
        Ok(self.tx.person(PersonKey::Skeleton(skeleton))?)
    }
    fn class_by_id(&self, id: ClassId) -> std::result::Result<Option<Class>, BoxError> {
        Ok(self.tx.class(ClassKey::Id(id))?)
    }
    fn class_by_source_id(&self, id: &str) -> std::result::Result<Option<Class>, BoxError> {
        Ok(self.tx.class(ClassKey::SourceId(id))?)
    }
    fn classes_by_name_key(&self, key: &str) -> std::result::Result<Vec<Class>, BoxError> {
        Ok(self.tx.classes_by_name_key(key)?)
    }
    fn is_member(&self, membership: Membership) -> std::result::Result<bool, BoxError> {
        Ok(self.tx.is_member(membership)?)
    }
    fn has_course(&self, course: &carrel_model::Slug) -> std::result::Result<bool, BoxError> {
        Ok(self.tx.has_course(course)?)
    }
    fn each_person(
        &self,
        each: &mut dyn FnMut(Person) -> std::result::Result<(), BoxError>,
    ) -> std::result::Result<(), BoxError> {
        let mut after = None;
        loop {
            let page = self.tx.people_after(after, PAGE)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id);
            page.into_iter().try_for_each(&mut *each)?;
        }
    }
    fn each_class(
        &self,
        each: &mut dyn FnMut(Class) -> std::result::Result<(), BoxError>,
    ) -> std::result::Result<(), BoxError> {
        self.tx.classes()?.into_iter().try_for_each(each)
    }
    fn each_membership(
        &self,
        each: &mut dyn FnMut(Membership) -> std::result::Result<(), BoxError>,
    ) -> std::result::Result<(), BoxError> {
        for class in self.tx.classes()? {
            self.tx.members(class.id)?.into_iter().try_for_each(&mut *each)?;
        }
        Ok(())
    }
    fn memberships_of(&self, person: UserId) -> std::result::Result<Vec<Membership>, BoxError> {
        Ok(self.tx.memberships_of(person)?)
    }
}

/// Writes differences to a temporary file, one JSON document per line.
struct Spool {
    out: BufWriter<File>,
    problems: Vec<Problem>,
}

impl carrel_roster::Sink for Spool {
    fn entry(&mut self, entry: Entry) -> std::result::Result<(), BoxError> {
        if !matches!(entry.action, Action::Unchanged { .. }) {
            serde_json::to_writer(&mut self.out, &entry)?;
            self.out.write_all(b"\n")?;
        }
        Ok(())
    }
    fn problem(&mut self, problem: Problem) -> std::result::Result<(), BoxError> {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
        Ok(())
    }
}

impl Comparison {
    /// Calls the function for each difference, in the order of the file.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub fn each_entry(&mut self, each: &mut dyn FnMut(Entry)) -> Result<()> {
        let mut lines = self.lines()?;
        while let Some(entry) = lines.next_entry()? {
            each(entry);
        }
        Ok(())
    }

    fn lines(&self) -> Result<Lines> {
        let mut file = self.entries.try_clone().map_err(unreadable)?;
        file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
        Ok(Lines { input: BufReader::new(file), line: String::new() })
    }
}

struct Lines {
    input: BufReader<File>,
    line: String,
}

impl Lines {
    fn next_entry(&mut self) -> Result<Option<Entry>> {
        self.line.clear();
        if self.input.read_line(&mut self.line).map_err(unreadable)? == 0 {
            return Ok(None);
        }
        serde_json::from_str(&self.line).map(Some).map_err(unreadable)
    }
}

fn unreadable(error: impl std::fmt::Display) -> PeopleError {
    PeopleError::Roster(format!("the temporary file of differences: {error}"))
}

fn of_roster(error: carrel_roster::Error) -> PeopleError {
    match error {
        carrel_roster::Error::Other(error) => match error.downcast::<StoreError>() {
            Ok(error) => (*error).into(),
            Err(error) => PeopleError::Roster(error.to_string()),
        },
        error => PeopleError::Roster(error.to_string()),
    }
}

impl PeopleStore for StoredPeople<'_> {
    fn new_id(&self) -> Uuid {
        carrel_store::new_id()
    }
    fn insert_person(&self, person: &Person) -> std::result::Result<(), BoxError> {
        let user = UserInfo {
            id: person.id,
            login: person.login.clone(),
            name: person.name.clone(),
            role: person.role,
        };
        let account = StoredAccount { user, password: String::new() };
        self.tx.insert_account(&account, &login_keys(&person.login), self.now_ms)?;
        Ok(self.tx.put_person(person)?)
    }
    fn put_person(&self, person: &Person) -> std::result::Result<(), BoxError> {
        let before = self.tx.person(PersonKey::Id(person.id))?;
        let has_other_address = before.as_ref().is_some_and(|before| before.email != person.email);
        if has_other_address {
            void_links(self.tx, person.id)?;
        }
        if before.as_ref().is_some_and(|before| before.name != person.name) {
            self.renamed.borrow_mut().push(person.id);
        }
        if before.is_some_and(|before| before.login != person.login) {
            self.tx.set_login(person.id, &person.login, &login_keys(&person.login))?;
        }
        Ok(self.tx.put_person(person)?)
    }
    fn put_class(&self, class: &Class) -> std::result::Result<(), BoxError> {
        Ok(self.tx.put_class(class)?)
    }
    fn add_membership(&self, membership: Membership) -> std::result::Result<(), BoxError> {
        Ok(self.tx.add_membership(membership)?)
    }
    fn end_membership(&self, membership: Membership) -> std::result::Result<(), BoxError> {
        Ok(self.tx.end_membership(membership)?)
    }
    fn end_sign_ins(&self, person: UserId) -> std::result::Result<(), BoxError> {
        self.ended.borrow_mut().extend(end_all(self.tx, person, self.now_ms)?);
        Ok(())
    }
}

/// Applies differences in one transaction: the changes, their reverses and their audit lines. `applied` is the result of
/// the batches before.
///
/// # Errors
/// `LastAdministrator`; the batches before stay applied and can be undone.
pub fn apply_batch(
    tx: &dyn Tx,
    ended: &mut Vec<EndedSignIn>,
    actions: &[Action],
    by: &ImportedBy,
    mut applied: AppliedRoster,
    now_ms: i64,
) -> Result<AppliedRoster> {
    require(tx, by.by, Permission::ManageAccounts, Subject::All)?;
    let actor = by.by.id;
    if applied.import == 0 {
        let name = by.name.clone();
        let row = RosterImportRow { id: 0, actor, name, created_ms: now_ms, undone_ms: 0 };
        applied.import = tx.insert_roster_import(&row)?;
        let detail = serde_json::json!({ "import": applied.import, "name": by.name }).to_string();
        let action = "roster.import".to_owned();
        tx.add_audit(&AuditRow { at_ms: now_ms, actor, action, subject: None, detail })?;
    }
    let people = StoredPeople::new(tx, now_ms)?;
    let (import, mut number) = (applied.import, applied.applied);
    let actions = permitted(&people, by.by, actions, &mut applied.conflicts)?;
    let skipped =
        carrel_roster::apply(&people, &actions, &mut applied.withdrawn, &mut |action, change| {
            number += 1;
            if let Some(reverse) = &change.reverse {
                tx.add_roster_change(import, number, &serde_json::to_string(reverse)?)?;
            }
            let detail = serde_json::json!({ "import": import, "change": action }).to_string();
            let subject = change.subject.map(UserId);
            let action = action.name().to_owned();
            Ok(tx.add_audit(&AuditRow { at_ms: now_ms, actor, action, subject, detail })?)
        });
    applied.conflicts.extend(skipped.map_err(|error| match error {
        ApplyError::LastAdministrator => PeopleError::LastAdministrator,
        ApplyError::Store(error) => of_roster(carrel_roster::Error::Other(error)),
    })?);
    applied.applied = number;
    ended.extend(people.ended.into_inner());
    // Last, because the catalogue is locked after accounts. Searches of courses show the names of owners.
    let renamed = people.renamed.into_inner();
    if !renamed.is_empty() {
        tx.fact(facts::CATALOGUE)?;
        for id in renamed {
            if owns_courses(tx, id)? {
                facts::increment(tx, facts::CATALOGUE)?;
                break;
            }
        }
    }
    Ok(applied)
}

/// Returns the actions without those about people of a higher rank than the caller's, which are added to the conflicts.
fn permitted(
    people: &StoredPeople<'_>,
    by: Caller,
    actions: &[Action],
    conflicts: &mut Vec<String>,
) -> Result<Vec<Action>> {
    let mut permitted = Vec::with_capacity(actions.len());
    for action in actions {
        let person = match action {
            Action::ChangePerson { person, .. } | Action::SetState { person, .. } => person,
            _ => {
                permitted.push(action.clone());
                continue;
            }
        };
        let found = match person {
            PersonRef::Id(id) => people.tx.person(PersonKey::Id(*id))?,
            PersonRef::Source(id) => people.tx.person(PersonKey::SourceId(id))?,
            PersonRef::Login(key) => people.tx.person(PersonKey::LoginKey(key))?,
        };
        match found {
            Some(found) if rank_of_person(people.tx, &found)? > by.rank => {
                conflicts.push(format!("{}: only an operator changes this account", found.login));
            }
            _ => permitted.push(action.clone()),
        }
    }
    Ok(permitted)
}

/// Compares a roster with the stored people.
///
/// # Errors
/// `Roster` if the file cannot be read as a whole.
pub fn compare(tx: &dyn Tx, mut file: File, options: &Options) -> Result<Comparison> {
    let entries = tempfile::tempfile().map_err(unreadable)?;
    let out = BufWriter::new(entries.try_clone().map_err(unreadable)?);
    let mut spool = Spool { out, problems: Vec::new() };
    let people = StoredPeople::new(tx, 0)?;
    let (format, summary) =
        carrel_roster::import(&mut file, &people, options, &mut spool).map_err(of_roster)?;
    spool.out.flush().map_err(unreadable)?;
    Ok(Comparison { format, summary, problems: spool.problems, entries })
}

/// The differences that a verdict does not hold, in batches.
pub struct Batches {
    lines: Lines,
    verdict: Verdict,
    /// Entries that take away an administrator: in the last batch, in which the new administrators are stored.
    last: Vec<Action>,
    is_done: bool,
}

impl Comparison {
    /// Returns the differences to apply.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub fn batches(&self, verdict: &Verdict) -> Result<Batches> {
        let (lines, verdict) = (self.lines()?, verdict.clone());
        Ok(Batches { lines, verdict, last: Vec::new(), is_done: false })
    }
}

impl Batches {
    /// Returns the next batch, which may be empty, or `None` after the last one. Adds the held differences to `held`.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub fn next_batch(&mut self, held: &mut u64) -> Result<Option<Vec<Action>>> {
        if self.is_done {
            return Ok(None);
        }
        let mut batch = Vec::new();
        while let Some(entry) = self.lines.next_entry()? {
            if matches!(entry.action, Action::OtherTenant { .. }) {
                continue;
            }
            if !self.verdict.applies(&entry) {
                *held += 1;
                continue;
            }
            let list = if entry.removes_administrator { &mut self.last } else { &mut batch };
            list.push(entry.action);
            if batch.len() == BATCH {
                return Ok(Some(batch));
            }
        }
        self.is_done = true;
        batch.append(&mut self.last);
        Ok(Some(batch))
    }
}

/// Returns true if an import was not undone and is not older than 30 days.
pub fn can_be_undone(row: &RosterImportRow, now_ms: i64) -> bool {
    row.undone_ms == 0 && row.created_ms > now_ms.saturating_sub(UNDO_MS)
}

/// Checks that an import can be undone.
///
/// # Errors
/// `NoImport` if it is unknown, was undone, or is older than 30 days.
pub fn check_undo(tx: &dyn Tx, import: i64, now_ms: i64) -> Result<()> {
    match tx.roster_import(import)? {
        Some(row) if can_be_undone(&row, now_ms) => Ok(()),
        _ => Err(PeopleError::NoImport(import)),
    }
}

/// Returns the reverses of an import that can be undone, the last change first.
///
/// # Errors
/// `NoImport` if it is unknown, was undone, or is older than 30 days.
pub fn reverses(tx: &dyn Tx, import: i64, now_ms: i64) -> Result<Vec<Action>> {
    check_undo(tx, import, now_ms)?;
    let reverses = tx.roster_changes(import)?;
    let parsed: std::result::Result<Vec<Action>, _> =
        reverses.iter().map(|json| serde_json::from_str(json)).collect();
    parsed.map_err(|e| PeopleError::Roster(format!("the stored changes of import {import}: {e}")))
}

/// Writes all people, or all classes, as CSV.
///
/// # Errors
/// `Roster` if the file cannot be written.
pub fn export(tx: &dyn Tx, out: File, classes: bool) -> Result<()> {
    let people = StoredPeople::new(tx, 0)?;
    let mut out = BufWriter::new(out);
    let written = if classes {
        carrel_roster::export_classes(&people, &mut out)
    } else {
        carrel_roster::export_people(&people, &mut out)
    };
    written.map_err(|e| of_roster(carrel_roster::Error::Other(e)))?;
    out.flush().map_err(|e| PeopleError::Roster(format!("the exported file: {e}")))
}

/// Lists all people by login.
///
/// # Errors
/// An error of the store.
pub fn people(tx: &dyn Tx) -> Result<Vec<Person>> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = tx.people_after(after, PAGE)?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        all.extend(page);
    }
    all.sort_by_cached_key(|person| login_keys(&person.login).key);
    Ok(all)
}
