//! OneRoster CSV bundles 1.1 and 1.2: a zip archive of tables with fixed headings.
//!
//! Read are courses, terms (`academicSessions.csv`), classes, roles (1.2), users and enrolments. Organisations only
//! describe the school. In a bulk bundle all rows are active; a delta has `status`.

use std::{
    collections::HashMap,
    io::{self, Read, Seek},
};

use carrel_model::{Slug, wire::Role};
use zip::ZipArchive;

use crate::{
    Result, cells,
    email::email_address,
    problem::{FileError, Place, Problem, Reason, Severity},
    records::{
        Cell, ClassRecord, EnrolmentRecord, MemberRole, PersonRecord, Record, State, StatedRole,
    },
    table::{Encoding, Row, Source, Table},
};

type Emit<'e> = dyn FnMut(Record) -> Result<()> + 'e;

/// An opened bundle whose manifest was read.
pub(crate) struct Bundle<R> {
    archive: ZipArchive<R>,
    /// Index in the archive by the name of the file in lower case.
    files: HashMap<String, usize>,
    is_delta: bool,
}

struct Member<'a, R> {
    archive: &'a mut ZipArchive<R>,
    index: usize,
}

impl<R: Read + Seek> Source for Member<'_, R> {
    fn reader(&mut self) -> io::Result<Box<dyn Read + '_>> {
        let file = self.archive.by_index(self.index).map_err(io::Error::other)?;
        Ok(Box::new(file))
    }
}

/// A row with columns by name.
struct Line<'r> {
    row: &'r Row,
    columns: &'r HashMap<String, usize>,
    headings: &'r [String],
    place: Place,
    is_damaged: bool,
    problems: Vec<Problem>,
}

impl Line<'_> {
    fn get(&mut self, name: &str) -> Option<Cell> {
        let at = *self.columns.get(&name.to_ascii_lowercase())?;
        let cell = self.row.cell(at);
        let column = self.headings.get(at).cloned().unwrap_or_default();
        let reason = match cells::restored(cell) {
            _ if self.is_damaged && cell.contains('\u{fffd}') => Reason::Damaged,
            Ok("") => return None,
            Ok(text) => return Some(Cell { text: text.to_owned(), column }),
            Err(reason) => reason,
        };
        self.problems.push(Problem::new(&self.place, Some(&column), cell, reason));
        None
    }

    fn text(&mut self, name: &str) -> Option<String> {
        self.get(name).map(|cell| cell.text)
    }

    /// Returns an id, unless a spreadsheet changed it.
    fn id(&mut self, name: &str) -> Option<Cell> {
        let cell = self.get(name)?;
        match cells::check_number(&cell.text) {
            Ok(()) => Some(cell),
            Err(reason) => {
                self.problem(&cell, reason);
                None
            }
        }
    }

    fn problem(&mut self, cell: &Cell, reason: Reason) {
        self.problems.push(Problem::new(&self.place, Some(&cell.column), &cell.text, reason));
    }

    /// Returns true if the row is removed by a delta.
    fn is_removed(&mut self) -> bool {
        let Some(cell) = self.get("status") else { return false };
        match cell.text.to_ascii_lowercase().as_str() {
            "active" => false,
            "tobedeleted" | "inactive" => true,
            _ => {
                self.problem(&cell, Reason::BadStatus);
                false
            }
        }
    }

    fn date(&mut self, name: &str) -> Option<String> {
        let cell = self.get(name)?;
        let day = cell.text.get(..10).unwrap_or_default();
        let is_day = day.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
        if day.len() == 10 && is_day {
            return Some(day.to_owned());
        }
        self.problem(&cell, Reason::BadDate);
        None
    }

    fn is_bad(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity() == Severity::Error)
    }

    /// Passes the record on, or the problems of the row if it cannot be read.
    fn emit(
        self,
        record: Option<Record>,
        source_id: Option<String>,
        emit: &mut Emit<'_>,
    ) -> Result<()> {
        if self.is_bad() {
            let problems = self.problems;
            return emit(Record::BadRow { problems, id: None, source_id, login: None });
        }
        for problem in self.problems {
            emit(Record::Problem(problem))?;
        }
        record.map_or(Ok(()), emit)
    }
}

/// What the role of a user means here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A parent, for example.
    NoAccount,
    Student,
    Instructor,
    /// Staff that does not teach; an instructor here.
    Staff,
}

fn kind(role: &str) -> Kind {
    match role.to_ascii_lowercase().as_str() {
        "student" => Kind::Student,
        "teacher" | "aide" => Kind::Instructor,
        "administrator"
        | "districtadministrator"
        | "siteadministrator"
        | "systemadministrator"
        | "principal"
        | "counselor" => Kind::Staff,
        _ => Kind::NoAccount,
    }
}

impl<R: Read + Seek> Bundle<R> {
    /// Reads the manifest. A bundle without one is taken as bulk.
    ///
    /// # Errors
    /// The archive contains no users, classes or enrolments, or another version.
    pub fn open(mut archive: ZipArchive<R>) -> Result<Self> {
        let mut files = HashMap::new();
        for index in 0..archive.len() {
            let file = archive.by_index_raw(index).map_err(|e| FileError::Zip(e.to_string()))?;
            let name = file.name().replace('\\', "/");
            let base = name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
            if !name.contains("__MACOSX") && base.ends_with(".csv") {
                files.entry(base).or_insert(index);
            }
            if name == "[Content_Types].xml" || name == "mimetype" {
                return Err(FileError::Spreadsheet.into());
            }
        }
        let is_roster = ["users.csv", "classes.csv", "enrollments.csv"];
        if !is_roster.iter().any(|name| files.contains_key(*name)) {
            return Err(FileError::MissingFile { file: "users.csv" }.into());
        }
        let mut bundle = Self { archive, files, is_delta: false };
        let mut properties: HashMap<String, String> = HashMap::new();
        bundle.each(
            "manifest.csv",
            &["propertyName", "value"],
            None,
            &mut |mut line, _| {
                if let (Some(name), Some(value)) = (line.text("propertyName"), line.text("value")) {
                    properties.insert(name.to_ascii_lowercase(), value.to_ascii_lowercase());
                }
                Ok(())
            },
            &mut |_| Ok(()),
        )?;
        if let Some(version) = properties.get("oneroster.version")
            && !matches!(version.as_str(), "1.1" | "1.2" | "1.1.0" | "1.2.0")
        {
            return Err(FileError::Manifest(format!("OneRoster version {version:?}")).into());
        }
        bundle.is_delta =
            properties.iter().any(|(name, value)| name.starts_with("file.") && value == "delta");
        Ok(bundle)
    }

    pub fn is_delta(&self) -> bool {
        self.is_delta
    }

    pub fn has_enrolments(&self) -> bool {
        self.files.contains_key("enrollments.csv")
    }

    /// Reads the files in the order in which they refer to each other.
    ///
    /// `today`: day as `YYYY-MM-DD`; empty: dates are ignored.
    pub fn read(
        &mut self,
        today: &str,
        encoding: Option<Encoding>,
        is_course: &dyn Fn(&Slug) -> bool,
        emit: &mut Emit<'_>,
    ) -> Result<()> {
        let mut ends: HashMap<String, String> = HashMap::new();
        if !today.is_empty() {
            self.each(
                "academicsessions.csv",
                &["sourcedId", "endDate"],
                encoding,
                &mut |mut line, _| {
                    if let (Some(id), Some(end)) = (line.text("sourcedId"), line.date("endDate")) {
                        ends.insert(id, end);
                    }
                    Ok(())
                },
                emit,
            )?;
        }
        let mut courses: HashMap<String, Slug> = HashMap::new();
        self.each(
            "courses.csv",
            &["sourcedId"],
            encoding,
            &mut |mut line, _| {
                let code =
                    line.text("courseCode").and_then(|code| Slug::new(code.to_lowercase()).ok());
                if let (Some(id), Some(code)) =
                    (line.text("sourcedId"), code.filter(|code| is_course(code)))
                {
                    courses.insert(id, code);
                }
                Ok(())
            },
            emit,
        )?;
        self.each(
            "classes.csv",
            &["sourcedId", "title"],
            encoding,
            &mut |mut line, emit| {
                let is_removed = line.is_removed();
                let terms = line.text("termSourcedIds").unwrap_or_default();
                let mut terms =
                    terms.split(',').map(str::trim).filter(|id| !id.is_empty()).peekable();
                let has_ended = terms.peek().is_some()
                    && terms.all(|id| ends.get(id).is_some_and(|end| end.as_str() < today));
                let course = line.text("courseSourcedId").and_then(|id| courses.get(&id).cloned());
                let source_id = line.id("sourcedId");
                let record = ClassRecord {
                    place: line.place.clone(),
                    tenant: None,
                    source_id: source_id.clone(),
                    id: None,
                    name: line.get("title"),
                    courses: course.map(|course| vec![course]),
                    is_over: is_removed || has_ended,
                };
                if line.is_bad() {
                    // Not a row about a person: the rows of enrolments report the missing class.
                    for problem in line.problems {
                        emit(Record::Problem(problem))?;
                    }
                    return Ok(());
                }
                line.emit(Some(Record::Class(Box::new(record))), None, emit)
            },
            emit,
        )?;
        let roles = self.roles(encoding, emit)?;
        self.users(encoding, &roles, emit)?;
        self.enrolments(today, encoding, emit)
    }

    /// Returns the most capable role of each user in `roles.csv` (1.2).
    fn roles(
        &mut self,
        encoding: Option<Encoding>,
        emit: &mut Emit<'_>,
    ) -> Result<HashMap<String, Kind>> {
        let mut roles: HashMap<String, Kind> = HashMap::new();
        self.each(
            "roles.csv",
            &["userSourcedId", "role"],
            encoding,
            &mut |mut line, _| {
                if line.is_removed() {
                    return Ok(());
                }
                if let (Some(user), Some(role)) = (line.text("userSourcedId"), line.text("role")) {
                    let role = kind(&role);
                    let best = roles.entry(user).or_insert(role);
                    *best = role.max(*best);
                }
                Ok(())
            },
            emit,
        )?;
        Ok(roles)
    }

    fn users(
        &mut self,
        encoding: Option<Encoding>,
        roles: &HashMap<String, Kind>,
        emit: &mut Emit<'_>,
    ) -> Result<()> {
        self.each(
            "users.csv",
            &["sourcedId"],
            encoding,
            &mut |mut line, emit| {
                let source_id = line.id("sourcedId");
                let id = source_id.as_ref().map(|cell| cell.text.clone());
                if let (None, false) = (&source_id, line.is_bad()) {
                    let problem = Problem::new(&line.place, Some("sourcedId"), "", Reason::BadId);
                    line.problems.push(problem);
                }
                let stated = line.get("role");
                let role = match (&stated, id.as_ref().and_then(|id| roles.get(id))) {
                    (_, Some(kind)) => Some(*kind),
                    (Some(cell), None) => Some(kind(&cell.text)),
                    (None, None) => None,
                };
                if let (Some(Kind::NoAccount), Some(id), false) = (role, &id, line.is_bad()) {
                    let role = stated.map_or_else(|| "other".to_owned(), |cell| cell.text);
                    let problem =
                        Problem::new(&line.place, Some("role"), id, Reason::NoAccount { role });
                    return emit(Record::NoAccount { source_id: id.clone(), problem });
                }
                if role == Some(Kind::Staff) {
                    let value = id.clone().unwrap_or_default();
                    line.problems.push(Problem::new(
                        &line.place,
                        Some("role"),
                        &value,
                        Reason::StaffRole,
                    ));
                }
                let state = match (line.is_removed(), line.text("enabledUser")) {
                    (true, _) => State::Left,
                    (false, Some(enabled))
                        if matches!(enabled.to_ascii_lowercase().as_str(), "false" | "0") =>
                    {
                        State::Suspended
                    }
                    _ => State::Active,
                };
                let preferred = [line.text("preferredGivenName"), line.text("preferredFamilyName")];
                let given = line.get("givenName");
                let family = line.get("familyName");
                let name = preferred.iter().any(Option::is_some).then(|| {
                    let part = |preferred: &Option<String>, legal: &Option<Cell>| {
                        preferred.clone().or_else(|| legal.as_ref().map(|cell| cell.text.clone()))
                    };
                    let parts = [part(&preferred[0], &given), part(&preferred[1], &family)];
                    let text = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
                    Cell { text, column: "preferredGivenName".to_owned() }
                });
                let login = line.id("username").or_else(|| line.id("email"));
                let email = line.text("email").and_then(|text| email_address(&text));
                let record = PersonRecord {
                    place: line.place.clone(),
                    tenant: None,
                    id: None,
                    source_id,
                    has_source_ids: true,
                    login,
                    name,
                    given,
                    family,
                    role: role.map(|kind| StatedRole {
                        role: if kind == Kind::Student { Role::Student } else { Role::Instructor },
                        keeps_administrator: true,
                    }),
                    state: Some(state),
                    lang: None,
                    email,
                    classes: Vec::new(),
                };
                line.emit(Some(Record::Person(Box::new(record))), id, emit)
            },
            emit,
        )
    }

    fn enrolments(
        &mut self,
        today: &str,
        encoding: Option<Encoding>,
        emit: &mut Emit<'_>,
    ) -> Result<()> {
        let columns = ["classSourcedId", "userSourcedId", "role"];
        self.each(
            "enrollments.csv",
            &columns,
            encoding,
            &mut |mut line, emit| {
                let is_removed = line.is_removed();
                let (begin, end) = (line.date("beginDate"), line.date("endDate"));
                let (person, class) = (line.id("userSourcedId"), line.id("classSourcedId"));
                let role = line.text("role").unwrap_or_default();
                let has_ended = !today.is_empty() && end.is_some_and(|end| end.as_str() < today);
                let is_later =
                    !today.is_empty() && begin.is_some_and(|begin| begin.as_str() > today);
                let role = match kind(&role) {
                    Kind::Student => MemberRole::Student,
                    Kind::Instructor | Kind::Staff => MemberRole::Instructor,
                    Kind::NoAccount => {
                        let column = Some("role");
                        let problem = Problem::new(
                            &line.place,
                            column,
                            &role.clone(),
                            Reason::NoAccount { role },
                        );
                        return emit(Record::Problem(problem));
                    }
                };
                let record = match (person, class) {
                    (Some(person), Some(class)) if !is_later => {
                        let place = line.place.clone();
                        let is_over = is_removed || has_ended;
                        Some(Record::Enrolment(Box::new(EnrolmentRecord {
                            place,
                            person,
                            class,
                            role,
                            is_over,
                        })))
                    }
                    (Some(_), Some(_)) => None,
                    (person, _) => {
                        let what = if person.is_none() { "person" } else { "class" };
                        let problem =
                            Problem::new(&line.place, None, "", Reason::BadReference { what });
                        line.problems.push(problem);
                        None
                    }
                };
                line.emit(record, None, emit)
            },
            emit,
        )
    }

    /// Calls the function for each row of a file; a file that is not in the bundle has none.
    fn each(
        &mut self,
        name: &'static str,
        required: &[&'static str],
        encoding: Option<Encoding>,
        each: &mut dyn FnMut(Line<'_>, &mut Emit<'_>) -> Result<()>,
        emit: &mut Emit<'_>,
    ) -> Result<()> {
        let Some(index) = self.files.get(name).copied() else { return Ok(()) };
        let score = |cells: &[&str]| {
            let is_named = |name: &&&str| cells.iter().any(|cell| cell.eq_ignore_ascii_case(name));
            required.iter().filter(is_named).count()
        };
        let mut member = Member { archive: &mut self.archive, index };
        let mut table = match Table::open(&mut member, encoding, &score) {
            Ok(table) => table,
            Err(FileError::NoHeadings { .. }) => {
                return Err(FileError::MissingColumn {
                    file: name.to_owned(),
                    column: required[0],
                }
                .into());
            }
            Err(FileError::Empty) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let headings = std::mem::take(&mut table.headings);
        let mut columns = HashMap::new();
        for (at, heading) in headings.iter().enumerate() {
            columns.entry(heading.to_ascii_lowercase()).or_insert(at);
        }
        if let Some(column) =
            required.iter().find(|name| !columns.contains_key(&name.to_ascii_lowercase()))
        {
            return Err(FileError::MissingColumn { file: name.to_owned(), column }.into());
        }
        if let Some(encoding) = table.guessed {
            let place = Place { file: Some(name.to_owned()), line: 0 };
            let reason = Reason::Encoding { name: encoding };
            emit(Record::Problem(Problem::new(&place, None, "", reason)))?;
        }
        loop {
            let is_damaged = table.is_damaged();
            let Some(row) = table.next_row()? else { return Ok(()) };
            let place = Place { file: Some(name.to_owned()), line: row.line };
            let mut problems = Vec::new();
            for (at, reason) in &row.problems {
                let column = headings.get(*at).map(String::as_str);
                problems.push(Problem::new(&place, column, row.cell(*at), reason.clone()));
            }
            let line =
                Line { row, columns: &columns, headings: &headings, place, is_damaged, problems };
            each(line, emit)?;
        }
    }
}
