//! Lists of people and lists of classes as tables.

use std::collections::BTreeMap;

use carrel_model::{Slug, language_tag, wire::Role};

use crate::{
    Result, cells,
    columns::{self, Field},
    email::email_address,
    problem::{Place, Problem, Reason, Severity},
    records::{Cell, ClassRecord, MemberRole, PersonRecord, Record, State, StatedRole},
    table::{Encoding, Row, Source, Table},
};

/// Maximum number of classes that one row names.
const MAX_CLASSES: usize = 100;

/// First cells of rows that are no people.
const HEADING_ROWS: [&str; 9] = [
    "pointspossible",
    "pointspossibles",
    "studenttest",
    "teststudent",
    "total",
    "totaux",
    "summe",
    "gesamt",
    "المجموع",
];

/// Reads a list of people or of classes, and passes its records on in the order of the rows.
pub(crate) fn read(
    source: &mut dyn Source,
    encoding: Option<Encoding>,
    emit: &mut dyn FnMut(Record) -> Result<()>,
) -> Result<()> {
    let mut table = Table::open(source, encoding, &columns::score)?;
    if let Some(name) = table.guessed {
        let place = Place { file: None, line: 0 };
        emit(Record::Problem(Problem::new(&place, None, "", Reason::Encoding { name })))?;
    }
    let headings = std::mem::take(&mut table.headings);
    let columns = columns::columns(&headings);
    let is_about_people = [
        Field::Login,
        Field::Email,
        Field::Name,
        Field::SortableName,
        Field::Given,
        Field::Family,
        Field::CarrelId,
    ]
    .iter()
    .any(|field| columns.contains_key(field));
    let is_class_list = columns.contains_key(&Field::ClassCarrelId)
        || (!is_about_people && columns.contains_key(&Field::Class));
    loop {
        let is_damaged = table.is_damaged();
        let Some(row) = table.next_row()? else { break };
        let mut reader = RowReader::new(row, &headings, &columns);
        reader.is_damaged = is_damaged;
        if !reader.is_misread && (!reader.is_filled() || reader.is_heading()) {
            let first = row.cells().find(|cell| !cell.trim().is_empty()).unwrap_or_default();
            emit(Record::Problem(Problem::new(&reader.place, None, first, Reason::Skipped)))?;
            continue;
        }
        let records = if is_class_list { reader.class() } else { reader.person() };
        for record in reader.finish(records) {
            emit(record)?;
        }
    }
    Ok(())
}

/// Reads the cells of one row and collects their problems.
struct RowReader<'r> {
    row: &'r Row,
    headings: &'r [String],
    columns: &'r BTreeMap<Field, Vec<usize>>,
    place: Place,
    problems: Vec<Problem>,
    is_damaged: bool,
    /// Cells of the row may belong to other rows or columns.
    is_misread: bool,
}

impl<'r> RowReader<'r> {
    fn new(row: &'r Row, headings: &'r [String], columns: &'r BTreeMap<Field, Vec<usize>>) -> Self {
        let place = Place { file: None, line: row.line };
        let mut problems = Vec::new();
        for (at, reason) in &row.problems {
            let column = headings.get(*at).map(String::as_str);
            problems.push(Problem::new(&place, column, row.cell(*at), reason.clone()));
        }
        let is_extra = |at: &usize| !cells::trimmed(row.cell(*at)).is_empty();
        if let Some(at) = (headings.len()..row.len()).find(is_extra) {
            problems.push(Problem::new(&place, None, row.cell(at), Reason::ExtraCells));
        }
        let is_misread = problems.iter().any(|problem| problem.severity() == Severity::Error);
        Self { row, headings, columns, place, problems, is_damaged: false, is_misread }
    }

    /// Returns true if a column with a known heading has a value.
    fn is_filled(&self) -> bool {
        self.columns.values().flatten().any(|at| !cells::trimmed(self.row.cell(*at)).is_empty())
    }

    /// Returns true for rows that are no people: headings that are repeated, the second row of headings of a grade
    /// book, its test person, totals, and sentences of the program that wrote the file.
    fn is_heading(&self) -> bool {
        let cell = |at: usize| cells::trimmed(self.row.cell(at));
        let filled: Vec<&str> =
            (0..self.row.len()).map(cell).filter(|cell| !cell.is_empty()).collect();
        let Some(first) = filled.first() else { return false };
        let is_repeated = self
            .columns
            .values()
            .flatten()
            .all(|at| columns::folded(cell(*at)) == columns::folded(&self.headings[*at]));
        let is_name = |field: &&Field| {
            [Field::Name, Field::SortableName, Field::Given, Field::Family, Field::Class]
                .contains(field)
        };
        let names = self.columns.keys().filter(is_name).filter_map(|field| self.columns.get(field));
        // A name without a login is a person, and an error.
        let is_sentence = filled.len() == 1
            && self.columns.len() > 1
            && names.flatten().all(|at| cell(*at).is_empty())
            && (first.split_whitespace().count() >= 4 || first.contains(": "));
        let has_no_key = [Field::Login, Field::Email, Field::SourceId, Field::CarrelId]
            .iter()
            .filter_map(|field| self.columns.get(field))
            .flatten()
            .all(|at| cell(*at).is_empty());
        let folded = columns::folded(first);
        let is_total = HEADING_ROWS.contains(&folded.trim_end_matches(char::is_numeric));
        is_repeated || is_sentence || has_no_key && is_total
    }

    fn problem(&mut self, at: usize, value: &str, reason: Reason) {
        let column = self.headings.get(at).map(String::as_str);
        self.problems.push(Problem::new(&self.place, column, value, reason));
    }

    /// Returns the value of one cell, or `None` for an empty one and one with a problem.
    fn value(&mut self, at: usize) -> Option<Cell> {
        let cell = self.row.cell(at);
        if self.is_damaged && cell.contains('\u{fffd}') {
            self.problem(at, cell, Reason::Damaged);
            return None;
        }
        match cells::restored(cell) {
            Ok("") => None,
            Ok(text) => {
                let column = self.headings.get(at).cloned().unwrap_or_default();
                Some(Cell { text: text.to_owned(), column })
            }
            Err(reason) => {
                self.problem(at, cell, reason);
                None
            }
        }
    }

    /// Returns the value of a field. Columns with the same heading may repeat it.
    fn field(&mut self, field: Field) -> Option<Cell> {
        self.checked_field(field, &|_| Ok(()))
    }

    /// Returns the value of a field whose cells pass the check.
    fn checked_field(
        &mut self,
        field: Field,
        check: &dyn Fn(&str) -> std::result::Result<(), Reason>,
    ) -> Option<Cell> {
        let mut found: Option<Cell> = None;
        for at in self.columns.get(&field).into_iter().flatten() {
            let Some(value) = self.value(*at) else { continue };
            if !cells::is_marked_text(self.row.cell(*at))
                && let Err(reason) = check(&value.text)
            {
                self.of_cell(&value, reason);
                continue;
            }
            match &found {
                Some(other) if other.text != value.text => {
                    let other = other.text.clone();
                    self.problem(*at, &value.text, Reason::Disagree { other });
                }
                Some(_) => {}
                None => found = Some(value),
            }
        }
        found
    }

    /// Returns the value of a field that contains an id or a login.
    fn key(&mut self, field: Field) -> Option<Cell> {
        let value = self.checked_field(field, &cells::check_number)?;
        if cells::looks_like_date(&value.text) {
            self.of_cell(&value, Reason::LooksLikeDate);
        }
        Some(value)
    }

    fn of_cell(&mut self, cell: &Cell, reason: Reason) {
        self.problems.push(Problem::new(&self.place, Some(&cell.column), &cell.text, reason));
    }

    fn list(&mut self, field: Field) -> Vec<Cell> {
        let mut out = Vec::new();
        for at in self.columns.get(&field).into_iter().flatten() {
            let Some(value) = self.value(*at) else { continue };
            for text in split(&value.text) {
                out.push(Cell { text, column: value.column.clone() });
            }
        }
        out
    }

    /// Returns the first address in the columns of addresses. What is wrong there never keeps a person out.
    fn email(&mut self) -> Option<String> {
        let columns = self.columns.get(&Field::Email)?;
        let filled = columns.iter().filter_map(|at| {
            let text = cells::restored(self.row.cell(*at)).ok()?.to_owned();
            Some((*at, text)).filter(|(_, text)| !text.is_empty())
        });
        let filled: Vec<(usize, String)> = filled.collect();
        let found = filled.iter().find_map(|(_, text)| email_address(text));
        if let (None, Some((at, text))) = (&found, filled.first()) {
            self.problem(*at, text, Reason::BadEmail);
        }
        found
    }

    fn person(&mut self) -> Vec<Record> {
        let login = self.key(Field::Login).or_else(|| self.key(Field::Email));
        let email = self.email();
        let (mut given, mut family) = (self.field(Field::Given), self.field(Field::Family));
        let mut name = self.field(Field::Name);
        let sortable = self.field(Field::SortableName);
        let has_parts = [Field::Given, Field::Family].iter().any(|f| self.columns.contains_key(f));
        if let Some(cell) = sortable.as_ref().or(name.as_ref()).filter(|_| !has_parts)
            && let Some((before, after)) = family_and_given(&cell.text)
        {
            let part = |text: &str| Cell { text: text.to_owned(), column: cell.column.clone() };
            (family, given) = (Some(part(before)), Some(part(after)));
            name = name.filter(|_| sortable.is_some());
        } else {
            name = name.or(sortable);
        }
        let role = self.field(Field::Role).and_then(|cell| {
            let role = columns::role(&cell.text);
            if role.is_none() {
                self.of_cell(&cell, Reason::BadRole);
            }
            Some(StatedRole { role: role?, keeps_administrator: false })
        });
        let states = [Field::State, Field::Suspended].map(|field| {
            let cell = self.field(field)?;
            let state = columns::state(&cell.text);
            if state.is_none() {
                self.of_cell(&cell, Reason::BadState);
            }
            state
        });
        // "yes" in the column of suspended people is read as active.
        let state = match states {
            [Some(State::Active) | None, Some(State::Active)] => Some(State::Suspended),
            [None, Some(_)] => Some(State::Active),
            [state, _] => state,
        };
        let lang = self.field(Field::Lang).and_then(|cell| {
            let tag = language_tag::language_tag(&cell.text).ok();
            if tag.is_none() {
                self.of_cell(&cell, Reason::BadLanguage);
            }
            tag
        });
        let mut records = Vec::new();
        let classes = self.classes(role.map(|role| role.role), &mut records);
        records.push(Record::Person(Box::new(PersonRecord {
            place: self.place.clone(),
            tenant: self.field(Field::Tenant).map(|cell| cell.text),
            id: self.key(Field::CarrelId),
            source_id: self.key(Field::SourceId),
            has_source_ids: self.columns.contains_key(&Field::SourceId),
            login,
            name,
            given,
            family,
            role,
            state,
            lang,
            email,
            classes,
        })));
        records
    }

    /// Returns the classes of a person with the role in them, and adds records of classes with an id and a name.
    fn classes(
        &mut self,
        role: Option<Role>,
        records: &mut Vec<Record>,
    ) -> Vec<(Cell, Option<MemberRole>)> {
        // With a column for those who teach, the other one is for those who learn.
        let has_both = self.columns.contains_key(&Field::Teaches);
        let of_role = role.map(|role| match role {
            Role::Student => MemberRole::Student,
            Role::Instructor | Role::Administrator => MemberRole::Instructor,
        });
        let learns = if has_both { Some(MemberRole::Student) } else { of_role };
        let mut classes = self.list(Field::Class);
        let ids = self.list(Field::ClassSourceId);
        if ids.len() == classes.len() {
            for (id, name) in ids.into_iter().zip(&mut classes) {
                let name = std::mem::replace(name, id.clone());
                records.push(Record::Class(Box::new(ClassRecord {
                    place: self.place.clone(),
                    tenant: None,
                    source_id: Some(id),
                    id: None,
                    name: Some(name),
                    courses: None,
                    is_over: false,
                })));
            }
        } else if classes.is_empty() {
            classes = ids;
        }
        let teaches = self.list(Field::Teaches);
        let mut all: Vec<(Cell, Option<MemberRole>)> =
            classes.into_iter().map(|class| (class, learns)).collect();
        all.extend(teaches.into_iter().map(|class| (class, Some(MemberRole::Instructor))));
        if all.len() > MAX_CLASSES {
            let first = all[0].0.clone();
            self.of_cell(&first, Reason::TooManyClasses { max: MAX_CLASSES });
        }
        for (class, _) in &all {
            if cells::looks_like_date(&class.text) {
                self.of_cell(class, Reason::LooksLikeDate);
            }
        }
        all
    }

    fn class(&mut self) -> Vec<Record> {
        let named = self.columns.contains_key(&Field::Courses);
        let courses: Vec<Slug> = self
            .list(Field::Courses)
            .into_iter()
            .filter_map(|cell| {
                let slug = Slug::new(cell.text.as_str()).ok();
                if slug.is_none() {
                    self.of_cell(&cell, Reason::BadCourse);
                }
                slug
            })
            .collect();
        let source_id = self.key(Field::ClassSourceId).or_else(|| self.key(Field::SourceId));
        vec![Record::Class(Box::new(ClassRecord {
            place: self.place.clone(),
            tenant: self.field(Field::Tenant).map(|cell| cell.text),
            source_id,
            id: self.key(Field::ClassCarrelId),
            name: self.field(Field::Class),
            courses: named.then_some(courses),
            is_over: false,
        }))]
    }

    /// Returns the records of the row, or its problems if it cannot be read.
    fn finish(self, records: Vec<Record>) -> Vec<Record> {
        if self.problems.iter().all(|problem| problem.severity() < Severity::Error) {
            return self.problems.into_iter().map(Record::Problem).chain(records).collect();
        }
        // A row with parts of other rows hides people.
        let is_misread = self.is_misread;
        let person = records.into_iter().find_map(|record| match record {
            Record::Person(person) if !is_misread => Some(person),
            _ => None,
        });
        let text = |cell: &Option<Cell>| cell.as_ref().map(|cell| cell.text.clone());
        vec![Record::BadRow {
            problems: self.problems,
            id: person.as_ref().and_then(|p| text(&p.id)?.parse().ok()),
            source_id: person.as_ref().and_then(|p| text(&p.source_id)),
            login: person.as_ref().and_then(|p| text(&p.login)),
        }]
    }
}

/// Splits `Family, Given`. A title after the comma is no given name.
fn family_and_given(name: &str) -> Option<(&str, &str)> {
    const TITLES: [&str; 10] = ["jr", "sr", "ii", "iii", "iv", "phd", "md", "msc", "ma", "ba"];
    let (family, given) = name.split_once([',', '،'])?;
    let (family, given) = (cells::trimmed(family), cells::trimmed(given));
    let is_name = |text: &str| !text.is_empty() && !text.contains([',', '،']);
    let is_title = TITLES.contains(&columns::folded(given).as_str());
    (is_name(family) && is_name(given) && !is_title).then_some((family, given))
}

/// Splits a list of classes at `,`, `;`, `|` and line ends; a backslash before one of them makes it part of a name.
fn split(text: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let is_escape =
            c == '\\' && chars.peek().is_some_and(|next| matches!(next, ',' | ';' | '|' | '\\'));
        if is_escape {
            let part = out.last_mut();
            part.into_iter().for_each(|part| part.extend(chars.next()));
        } else if matches!(c, ',' | ';' | '|' | '\n') {
            out.push(String::new());
        } else if let Some(part) = out.last_mut() {
            part.push(c);
        }
    }
    let trimmed = out.iter().map(|part| cells::trimmed(part).to_owned());
    trimmed.filter(|part| !part.is_empty()).collect()
}

/// Returns the name of a class as a part of a list. The reverse of [`split`].
pub(crate) fn list_item(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if matches!(c, ',' | ';' | '|' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_classes_are_split_and_written() {
        assert_eq!(split("5A; 5B|5C,5D\n5E;;"), ["5A", "5B", "5C", "5D", "5E"]);
        for name in ["5A", "Maths, advanced", "a\\b", "a;b|c", "\\", "\\,"] {
            assert_eq!(split(&list_item(name)), [name]);
        }
    }
}
