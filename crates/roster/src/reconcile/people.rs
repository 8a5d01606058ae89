//! Rows about people: whom a row is about, which fields differ, and absent people.

use carrel_model::{UserId, wire::Role};

use super::{
    Reconciler, other,
    seen::{self, SeenRow, hash},
};
use crate::{
    BoxError, Result,
    directory::Person,
    entry::{Action, Entry, FieldChange, Guard, NewPerson, PersonField, PersonRef, Why},
    problem::{Problem, Reason},
    records::{Cell, MemberRole, PersonRecord, State, role_name},
};

/// Maximum length of an id of another program, in bytes.
const MAX_SOURCE_ID: usize = 255;

/// The fields of a row after their checks.
struct Checked {
    source_id: Option<String>,
    login: Option<Login>,
    name: Option<String>,
    given: Option<String>,
    family: Option<String>,
}

struct Login {
    display: String,
    key: String,
    cell: Cell,
}

/// Why a row is not applied; its problem was passed on.
enum Stop {
    Bad,
    Error(crate::Error),
}

impl From<crate::Error> for Stop {
    fn from(error: crate::Error) -> Self {
        Self::Error(error)
    }
}

type Step<T> = std::result::Result<T, Stop>;

/// What a row does, with the person to whom its classes belong.
struct Plan {
    person: PersonRef,
    stored: Option<Person>,
    role: Role,
    entries: Vec<Entry>,
}

impl Reconciler<'_> {
    pub(super) fn person(&mut self, record: PersonRecord) -> Result<()> {
        self.seen.has_source_ids |= record.has_source_ids;
        if let Some(tenant) = &record.tenant
            && tenant != self.directory.tenant()
        {
            let label = record.login.as_ref().or(record.source_id.as_ref());
            let label = label.map_or_else(String::new, |cell| cell.text.clone());
            let action = Action::OtherTenant { tenant: tenant.clone() };
            return self.plain(&record.place, &label, action);
        }
        let text = |cell: &Option<Cell>| cell.as_ref().map(|cell| cell.text.clone());
        match self.try_person(&record) {
            Ok(()) => Ok(()),
            Err(Stop::Error(error)) => Err(error),
            Err(Stop::Bad) => {
                let id = text(&record.id).and_then(|id| id.parse().ok());
                let (source_id, login) = (text(&record.source_id), text(&record.login));
                self.bad_row(id, source_id.as_deref(), login.as_deref())
            }
        }
    }

    fn try_person(&mut self, record: &PersonRecord) -> Step<()> {
        let checked = self.checked(record)?;
        let stored = self.stored(record, &checked)?;
        if checked.source_id.as_deref().is_some_and(|id| self.seen.skipped.contains(&hash(id))) {
            // A row before states that the person, who is unknown here, has left.
            return Ok(());
        }
        let repeated = self.repeated(record, stored.as_ref(), &checked)?;
        let role = record.role.map(|stated| stated.role).or(stored.as_ref().map(|p| p.role));
        let role = role.unwrap_or_else(|| self.default_role());
        self.seen.roles.insert(role);
        if let Some(line) = repeated {
            let is_bad = checked
                .source_id
                .as_deref()
                .is_some_and(|id| self.seen.bad_ids.contains(&hash(id)))
                || stored
                    .as_ref()
                    .is_some_and(|p| self.seen.bad_people.contains(&seen::person(p.id)));
            if is_bad {
                // The problem of the first row was reported.
                return Err(Stop::Bad);
            }
            // Another row of the same person, for another class.
            if record.classes.is_empty() {
                let cell = record.login.as_ref().or(record.source_id.as_ref());
                let value = cell.map_or("", |cell| cell.text.as_str());
                let column = cell.map(|cell| cell.column.as_str());
                let reason = Reason::Repeated { line };
                self.problem(Problem::new(&record.place, column, value, reason))?;
            }
            let person = reference(stored.as_ref(), &checked);
            let plan = Plan { person, stored, role, entries: Vec::new() };
            return self.apply(record, plan);
        }
        let plan = match stored {
            Some(person) => self.change(record, checked, person)?,
            None => self.create(record, checked)?,
        };
        match plan {
            Some(plan) => self.apply(record, plan),
            None => Ok(()),
        }
    }

    /// Passes on the entries of a row: its classes, the person, the memberships.
    fn apply(&mut self, record: &PersonRecord, plan: Plan) -> Step<()> {
        let mut classes = Vec::with_capacity(record.classes.len());
        for (cell, role) in &record.classes {
            let member = role.unwrap_or(match plan.role {
                Role::Student => MemberRole::Student,
                Role::Instructor | Role::Administrator => MemberRole::Instructor,
            });
            let Some(class) = self.class_of_cell(&record.place, cell)? else {
                return Err(Stop::Bad);
            };
            classes.push((class, member));
        }
        for entry in plan.entries {
            self.entry(entry)?;
        }
        let id = plan.stored.map(|person| person.id);
        for (class, role) in classes {
            self.membership(&record.place, (plan.person.clone(), id), class, role, false)?;
        }
        Ok(())
    }

    fn stop<T>(&mut self, record: &PersonRecord, cell: Option<&Cell>, reason: Reason) -> Step<T> {
        let (column, value) = match cell {
            Some(cell) => (Some(cell.column.as_str()), cell.text.as_str()),
            None => (None, ""),
        };
        self.problem(Problem::new(&record.place, column, value, reason))?;
        Err(Stop::Bad)
    }

    /// Validates all fields, and reports each invalid one.
    fn checked(&mut self, record: &PersonRecord) -> Step<Checked> {
        // What is stored may be older than the rules.
        let id = record.id.as_ref().and_then(|cell| cell.text.parse().ok());
        let before = match id {
            Some(id) => self.directory.person_by_id(id).map_err(other)?,
            None => None,
        };
        let is_before = |cell: &Cell| {
            before.as_ref().is_some_and(|p| {
                let names = [Some(&p.login), Some(&p.name), p.given.as_ref(), p.family.as_ref()];
                names.into_iter().flatten().any(|text| *text == cell.text)
            })
        };
        let mut is_bad = false;
        let mut report = |this: &mut Self, cell: &Cell, reason: Reason| -> Step<()> {
            is_bad = true;
            let problem = Problem::new(&record.place, Some(&cell.column), &cell.text, reason);
            Ok(this.problem(problem)?)
        };
        let mut source_id = None;
        if let Some(cell) = &record.source_id {
            if is_source_id(&cell.text) {
                source_id = Some(cell.text.clone());
            } else {
                report(self, cell, Reason::BadId)?;
            }
        }
        let mut login = None;
        if let Some(cell) = &record.login {
            let key = carrel_precis::username(&cell.text);
            match key.and_then(|key| Ok((carrel_precis::new_login(&cell.text)?, key))) {
                Ok((display, key)) => login = Some(Login { display, key, cell: cell.clone() }),
                Err(_) if is_before(cell) => {}
                Err(error) => report(self, cell, Reason::BadLogin { error })?,
            }
        }
        let mut names = [None, None, None];
        for (name, cell) in names.iter_mut().zip([&record.name, &record.given, &record.family]) {
            let Some(cell) = cell else { continue };
            match person_name(&cell.text) {
                Ok(text) => *name = Some(text),
                Err(_) if is_before(cell) => {}
                Err(error) => report(self, cell, Reason::BadName { error })?,
            }
        }
        let [name, given, family] = names;
        if is_bad {
            return Err(Stop::Bad);
        }
        Ok(Checked { source_id, login, name, given, family })
    }

    /// Returns the stored person whom the row is about.
    fn stored(&mut self, record: &PersonRecord, checked: &Checked) -> Step<Option<Person>> {
        let by_source = match &checked.source_id {
            Some(id) => self.directory.person_by_source_id(id).map_err(other)?,
            None => None,
        };
        if let Some(cell) = &record.id {
            let Ok(id) = cell.text.parse() else {
                return self.stop(record, Some(cell), Reason::BadCarrelId);
            };
            let Some(person) = self.directory.person_by_id(id).map_err(other)? else {
                return self.stop(record, Some(cell), Reason::UnknownCarrelId);
            };
            if by_source.is_some_and(|other| other.id != person.id) {
                return self.stop(record, Some(cell), Reason::IdsDisagree);
            }
            return Ok(Some(person));
        }
        if checked.source_id.is_some() {
            return Ok(by_source);
        }
        let Some(login) = &checked.login else {
            return self.stop(record, None, Reason::MissingLogin);
        };
        let by_login = self.directory.person_by_login_key(&login.key).map_err(other)?;
        match by_login {
            Some(person) if record.has_source_ids && person.source_id.is_some() => {
                self.stop(record, Some(&login.cell), Reason::MissingId)
            }
            found => Ok(found),
        }
    }

    /// Returns the line of a row before that states the same about the same person.
    fn repeated(
        &mut self,
        record: &PersonRecord,
        stored: Option<&Person>,
        checked: &Checked,
    ) -> Step<Option<u64>> {
        let row = SeenRow::new(record.place.line, stated(record));
        if let Some(id) = &checked.source_id {
            let key = hash(id);
            match self.seen.ids.get(&key).copied() {
                Some(before) if before.is_same(stated(record)) => return Ok(Some(before.line())),
                Some(before) => {
                    let reason = Reason::DuplicateId { line: before.line() };
                    return self.stop(record, record.source_id.as_ref(), reason);
                }
                None => {
                    self.seen.ids.insert(key, row);
                }
            }
        }
        if let Some(person) = stored {
            let key = seen::person(person.id);
            match self.seen.people.get(&key).copied() {
                Some(before) if before.is_same(stated(record)) => return Ok(Some(before.line())),
                Some(before) => {
                    let cell = record.id.as_ref().or(record.login.as_ref());
                    // Without ids, the login is who the row is about.
                    let reason = match (&record.id, &record.source_id) {
                        (None, None) => Reason::DuplicateLogin { line: before.line() },
                        _ => Reason::DuplicatePerson { line: before.line() },
                    };
                    return self.stop(record, cell, reason);
                }
                None => {
                    self.seen.people.insert(key, row);
                    self.summary.matched_people += 1;
                }
            }
        }
        let Some(login) = &checked.login else { return Ok(None) };
        let is_kept = stored.is_some_and(|person| is_login(person, &login.key));
        let skeleton = hash(&carrel_precis::skeleton(&login.key));
        let data = hash(&login.key);
        match self.seen.logins.get(&skeleton).copied() {
            None => {
                self.seen.logins.insert(skeleton, SeenRow::new(record.place.line, data));
                Ok(None)
            }
            Some(before) if before.is_same(data) => {
                let has_no_id = record.id.is_none() && checked.source_id.is_none();
                if has_no_id
                    && stored.is_none()
                    && self.seen.new.get(&data) == Some(&(stated(record) as u32))
                {
                    return Ok(Some(before.line()));
                }
                self.stop(record, Some(&login.cell), Reason::DuplicateLogin { line: before.line() })
            }
            // Logins that were stored before look-alikes were refused stay.
            Some(_) if is_kept => Ok(None),
            Some(before) => {
                self.stop(record, Some(&login.cell), Reason::SimilarInFile { line: before.line() })
            }
        }
    }

    /// Checks that a new login is free.
    fn check_login(
        &mut self,
        record: &PersonRecord,
        login: &Login,
        of: Option<UserId>,
    ) -> Step<()> {
        if let Some(holder) = self.directory.person_by_login_key(&login.key).map_err(other)?
            && !self.seen.freed.contains(&hash(&login.key))
        {
            let reason = Reason::LoginTaken { name: holder.name };
            return self.stop(record, Some(&login.cell), reason);
        }
        let skeleton = carrel_precis::skeleton(&login.key);
        let similar = self.directory.person_by_skeleton(&skeleton).map_err(other)?;
        match similar {
            Some(person)
                if Some(person.id) != of
                    && !is_login(&person, &login.key)
                    && !self.is_freed(&person) =>
            {
                let reason = Reason::SimilarLogin { login: person.login };
                self.stop(record, Some(&login.cell), reason)
            }
            _ => Ok(()),
        }
    }

    fn default_role(&self) -> Role {
        self.options.default_role.unwrap_or(Role::Student)
    }

    fn is_freed(&self, person: &Person) -> bool {
        carrel_precis::username(&person.login)
            .is_ok_and(|key| self.seen.freed.contains(&hash(&key)))
    }

    fn create(&mut self, record: &PersonRecord, checked: Checked) -> Step<Option<Plan>> {
        let state = record.state.unwrap_or(State::Active);
        if state == State::Left {
            self.seen.skipped.extend(checked.source_id.as_deref().map(hash));
            return Ok(None);
        }
        let person = reference(None, &checked);
        let Some(login) = checked.login else {
            return self.stop(record, record.source_id.as_ref(), Reason::MissingLogin);
        };
        self.check_login(record, &login, None)?;
        self.seen.new.insert(hash(&login.key), stated(record) as u32);
        let name = checked
            .name
            .or_else(|| joined(checked.given.as_deref(), checked.family.as_deref()))
            .unwrap_or_else(|| login.display.clone());
        let role = record.role.map_or_else(|| self.default_role(), |stated| stated.role);
        let new = NewPerson {
            source_id: checked.source_id,
            login: login.display.clone(),
            login_key: login.key,
            name,
            given: checked.given,
            family: checked.family,
            role,
            state,
            lang: record.lang.clone(),
            email: record.email.clone(),
        };
        if role == Role::Administrator && state == State::Active {
            self.summary.gained_administrators += 1;
        }
        let entry = Entry {
            place: Some(record.place.clone()),
            label: login.display,
            guard: Guard::None,
            removes_administrator: false,
            action: Action::CreatePerson(new),
        };
        Ok(Some(Plan { person, stored: None, role, entries: vec![entry] }))
    }

    fn change(
        &mut self,
        record: &PersonRecord,
        checked: Checked,
        person: Person,
    ) -> Step<Option<Plan>> {
        let mut changes = Vec::new();
        let mut change = |field, before: &str, after: Option<&str>| {
            if let Some(after) = after
                && after != before
            {
                let (before, after) = (before.to_owned(), after.to_owned());
                changes.push(FieldChange { field, before, after });
            }
        };
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        change(PersonField::SourceId, &text(&person.source_id), checked.source_id.as_deref());
        let new_login = checked.login.filter(|login| !is_login(&person, &login.key));
        let login = new_login.as_ref().map(|login| login.display.as_str());
        change(PersonField::Login, &person.login, login);
        change(PersonField::Given, &text(&person.given), checked.given.as_deref());
        change(PersonField::Family, &text(&person.family), checked.family.as_deref());
        let has_other_parts = checked
            .given
            .as_ref()
            .is_some_and(|given| Some(given) != person.given.as_ref())
            || checked.family.as_ref().is_some_and(|family| Some(family) != person.family.as_ref());
        let name = checked.name.or_else(|| {
            let given = checked.given.or(person.given.clone());
            let family = checked.family.or(person.family.clone());
            has_other_parts.then(|| joined(given.as_deref(), family.as_deref())).flatten()
        });
        change(PersonField::Name, &person.name, name.as_deref());
        let is_renamed = new_login.is_some() && name.is_some_and(|name| name != person.name);
        change(PersonField::Lang, &text(&person.lang), record.lang.as_deref());
        change(PersonField::Email, &text(&person.email), record.email.as_deref());
        let role = match record.role {
            Some(stated) if stated.keeps_administrator && person.role == Role::Administrator => {
                person.role
            }
            Some(stated) => stated.role,
            None => person.role,
        };
        change(PersonField::Role, role_name(person.role), Some(role_name(role)));
        let state = record.state.unwrap_or(State::Active);
        let is_own = self.options.actor == Some(person.id);
        if is_own && (role != person.role || state != person.state) {
            return self.stop(record, record.login.as_ref(), Reason::OwnRole);
        }
        if let Some(login) = &new_login {
            self.check_login(record, login, Some(person.id))?;
            if let Ok(key) = carrel_precis::username(&person.login) {
                self.seen.freed.insert(hash(&key));
            }
        }
        let is_administrator = |role, state| {
            role == Role::Administrator && state == State::Active && !person.is_disabled
        };
        let was_administrator = is_administrator(person.role, person.state);
        let stays_administrator = is_administrator(role, state);
        let is_lost = was_administrator && !stays_administrator;
        let reference = PersonRef::Id(person.id);
        let entry = |guard, removes_administrator, action| Entry {
            place: Some(record.place.clone()),
            label: person.login.clone(),
            guard,
            removes_administrator,
            action,
        };
        let mut entries = Vec::new();
        let is_replaced = is_renamed && record.id.is_none();
        if !changes.is_empty() {
            let guard = if is_replaced { Guard::ReplacesPerson } else { Guard::None };
            let action = Action::ChangePerson { person: reference.clone(), changes };
            entries.push(entry(guard, is_lost && role != person.role, action));
        }
        if state != person.state {
            let before = person.state;
            let why = match (state, record.state) {
                (State::Active, None) => Why::Named,
                _ => Why::Stated,
            };
            let guard = if before == State::Active { Guard::RemovesPerson } else { Guard::None };
            let action = Action::SetState { person: reference.clone(), before, after: state, why };
            entries.push(entry(guard, is_lost, action));
        }
        if is_lost {
            self.lose_administrator(Some(&record.place), &person.login);
        } else if stays_administrator && !was_administrator && !is_replaced {
            // A change that may be held gives no administrator.
            self.summary.gained_administrators += 1;
        }
        if entries.is_empty() {
            let action = Action::Unchanged { person: reference.clone() };
            entries.push(entry(Guard::None, false, action));
        }
        if state == State::Active && person.state != state && person.is_disabled {
            let cell = record.login.as_ref();
            let value = cell.map_or(person.login.as_str(), |cell| cell.text.as_str());
            let column = cell.map(|cell| cell.column.as_str());
            self.problem(Problem::new(&record.place, column, value, Reason::StaysDisabled))?;
        }
        Ok(Some(Plan { person: reference, stored: Some(person), role, entries }))
    }

    /// Suspends the active people whom a full roster does not name. With source ids, people without one are not the
    /// school's. A list of students does not name the staff, so only roles that the file names are suspended.
    pub(super) fn absent_people(&mut self) -> Result<()> {
        let directory = self.directory;
        let mut each = |person: Person| -> std::result::Result<(), BoxError> {
            let key = seen::person(person.id);
            let is_kept = person.state != State::Active
                || self.options.actor == Some(person.id)
                || (self.seen.has_source_ids && person.source_id.is_none())
                || !self.seen.roles.contains(&person.role)
                || self.seen.people.contains_key(&key)
                || self.seen.bad_people.contains(&key);
            if is_kept {
                return Ok(());
            }
            let is_administrator = person.role == Role::Administrator && !person.is_disabled;
            if is_administrator {
                self.lose_administrator(None, &person.login);
            }
            let entry = Entry {
                place: None,
                label: person.login.clone(),
                guard: Guard::RemovesAbsent,
                removes_administrator: is_administrator,
                action: Action::SetState {
                    person: PersonRef::Id(person.id),
                    before: State::Active,
                    after: State::Suspended,
                    why: Why::Absent,
                },
            };
            self.entry(entry).map_err(BoxError::from)
        };
        directory.each_person(&mut each).map_err(other)
    }
}

/// Returns how later entries name the person of a row.
fn reference(stored: Option<&Person>, checked: &Checked) -> PersonRef {
    match (stored, &checked.source_id, &checked.login) {
        (Some(person), ..) => PersonRef::Id(person.id),
        (None, Some(id), _) => PersonRef::Source(id.clone()),
        (None, None, Some(login)) => PersonRef::Login(login.key.clone()),
        (None, None, None) => PersonRef::Login(String::new()),
    }
}

fn is_login(person: &Person, key: &str) -> bool {
    carrel_precis::username(&person.login).is_ok_and(|stored| stored == key)
}

fn is_source_id(text: &str) -> bool {
    (1..=MAX_SOURCE_ID).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn joined(given: Option<&str>, family: Option<&str>) -> Option<String> {
    let parts: Vec<&str> = [given, family].into_iter().flatten().collect();
    let name = carrel_precis::new_name(&parts.join(" ")).ok()?;
    Some(name).filter(|name| !name.is_empty())
}

/// Returns a name without the invisible marks of direction that programs put around it. Joiners of letters stay.
fn person_name(text: &str) -> std::result::Result<String, carrel_precis::PrecisError> {
    carrel_precis::new_name(text).or_else(|_| {
        let is_mark = |c: char| {
            matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
                | '\u{feff}' | '\u{ad}')
        };
        let plain: String = text.chars().filter(|c| !is_mark(*c)).collect();
        carrel_precis::new_name(&plain)
    })
}

/// Returns a hash of all that a row states about a person, without classes.
fn stated(record: &PersonRecord) -> u64 {
    let text = |cell: &Option<Cell>| {
        cell.as_ref().map(|cell| cell.text.as_str()).unwrap_or_default().to_owned()
    };
    let parts = [
        text(&record.id),
        text(&record.source_id),
        text(&record.login),
        text(&record.name),
        text(&record.given),
        text(&record.family),
        format!("{:?}{:?}", record.role, record.state),
        record.lang.clone().unwrap_or_default(),
        record.email.clone().unwrap_or_default(),
    ];
    hash(&parts.join("\0"))
}
