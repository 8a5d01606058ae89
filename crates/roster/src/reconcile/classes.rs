//! Classes: records of classes, and the classes that rows of people name.

use std::collections::HashMap;

use super::{
    Reconciler, other,
    seen::{SeenRow, hash},
};
use crate::{
    Result,
    directory::{Class, ClassState},
    entry::{Action, ClassRef, Entry, FieldChange, Guard, NewClass, PersonField},
    problem::{Place, Problem, Reason},
    records::{Cell, ClassRecord},
};

/// Maximum number of classes that are remembered by the text that names them.
const MAX_REMEMBERED: usize = 50_000;

#[derive(Debug, Default)]
pub(super) struct Classes {
    /// Classes by the text of a cell.
    by_text: HashMap<String, ClassRef>,
    /// Rows by class.
    rows: HashMap<u64, SeenRow>,
    /// Classes that the file creates, by the key of their name and by source id.
    new_names: HashMap<u64, ClassRef>,
    new_sources: HashMap<u64, ClassRef>,
}

impl Reconciler<'_> {
    /// Returns the class that a cell names by an id or by its name, and creates it if it is unknown. Returns `None`
    /// after a problem.
    pub(super) fn class_of_cell(&mut self, place: &Place, cell: &Cell) -> Result<Option<ClassRef>> {
        let text = cell.text.as_str();
        if let Some(class) = self.classes.by_text.get(text) {
            return Ok(Some(class.clone()));
        }
        let problem = |reason| Problem::new(place, Some(&cell.column), text, reason);
        let found = match self.stored_class(text)? {
            ClassMatch::One(class) if class.state == ClassState::Archived => {
                self.problem(problem(Reason::ArchivedClass))?;
                return Ok(None);
            }
            ClassMatch::One(class) => ClassRef::Id(class.id),
            ClassMatch::Several => {
                self.problem(problem(Reason::AmbiguousClass))?;
                return Ok(None);
            }
            ClassMatch::Unknown => {
                let key = hash(&Class::name_key(text));
                let new =
                    self.classes.new_sources.get(&hash(text)).or(self.classes.new_names.get(&key));
                match new {
                    Some(class) => class.clone(),
                    None => {
                        let Some(class) = self.create_class(place, cell)? else { return Ok(None) };
                        class
                    }
                }
            }
        };
        if self.classes.by_text.len() < MAX_REMEMBERED {
            self.classes.by_text.insert(text.to_owned(), found.clone());
        }
        Ok(Some(found))
    }

    /// Returns the class with this id of the source.
    pub(super) fn class_of_source(&mut self, id: &str) -> Result<Option<ClassRef>> {
        if let Some(class) = self.classes.new_sources.get(&hash(id)) {
            return Ok(Some(class.clone()));
        }
        let stored = self.directory.class_by_source_id(id).map_err(other)?;
        Ok(stored.map(|class| ClassRef::Id(class.id)))
    }

    fn create_class(&mut self, place: &Place, cell: &Cell) -> Result<Option<ClassRef>> {
        let Ok(name) = carrel_precis::new_name(&cell.text) else {
            let problem = Problem::new(place, Some(&cell.column), &cell.text, Reason::BadClass);
            self.problem(problem)?;
            return Ok(None);
        };
        let new = NewClass { source_id: None, name, courses: Vec::new() };
        let class = new.reference();
        self.classes.new_names.insert(hash(&Class::name_key(&new.name)), class.clone());
        self.plain(place, &new.name.clone(), Action::CreateClass(new))?;
        Ok(Some(class))
    }

    fn stored_class(&self, text: &str) -> Result<ClassMatch> {
        if let Ok(id) = text.parse()
            && let Some(class) = self.directory.class_by_id(id).map_err(other)?
        {
            return Ok(ClassMatch::One(class));
        }
        if let Some(class) = self.directory.class_by_source_id(text).map_err(other)? {
            return Ok(ClassMatch::One(class));
        }
        let mut named =
            self.directory.classes_by_name_key(&Class::name_key(text)).map_err(other)?;
        if named.len() > 1 {
            // A class of an earlier year with the same name is in the archive.
            named.retain(|class| class.state == ClassState::Active);
        }
        Ok(match named.len() {
            0 => ClassMatch::Unknown,
            1 => ClassMatch::One(named.remove(0)),
            _ => ClassMatch::Several,
        })
    }

    pub(super) fn class(&mut self, record: ClassRecord) -> Result<()> {
        if let Some(tenant) = &record.tenant
            && tenant != self.directory.tenant()
        {
            let label = record.name.map_or_else(String::new, |cell| cell.text);
            return self.plain(
                &record.place,
                &label,
                Action::OtherTenant { tenant: tenant.clone() },
            );
        }
        let stored = match (&record.id, &record.source_id, &record.name) {
            (Some(cell), ..) => {
                let found = match cell.text.parse() {
                    Ok(id) => self.directory.class_by_id(id).map_err(other)?,
                    Err(_) => None,
                };
                if found.is_none() {
                    return self.bad_class(
                        &record.place,
                        Some(cell),
                        Reason::BadReference { what: "class" },
                    );
                }
                found
            }
            (None, Some(cell), _) => {
                self.directory.class_by_source_id(&cell.text).map_err(other)?
            }
            (None, None, Some(cell)) => match self.stored_class(&cell.text)? {
                ClassMatch::One(class) => Some(class),
                ClassMatch::Several => {
                    return self.bad_class(&record.place, Some(cell), Reason::AmbiguousClass);
                }
                ClassMatch::Unknown => None,
            },
            (None, None, None) => return self.bad_class(&record.place, None, Reason::BadClass),
        };
        if self.is_repeated_class(&record, stored.as_ref())? {
            return Ok(());
        }
        match stored {
            Some(class) => self.change_class(&record, &class),
            None => self.new_class(&record),
        }
    }

    fn bad_class(&mut self, place: &Place, cell: Option<&Cell>, reason: Reason) -> Result<()> {
        self.summary.bad_rows += 1;
        let (column, value) = match cell {
            Some(cell) => (Some(cell.column.as_str()), cell.text.as_str()),
            None => (None, ""),
        };
        self.problem(Problem::new(place, column, value, reason))
    }

    /// Returns true if the class was in a row before: with the same data, or after reporting other data.
    fn is_repeated_class(&mut self, record: &ClassRecord, stored: Option<&Class>) -> Result<bool> {
        let text =
            |cell: &Option<Cell>| cell.as_ref().map(|cell| cell.text.clone()).unwrap_or_default();
        let (source, name) = (text(&record.source_id), text(&record.name));
        let key = match stored {
            Some(class) => format!("i{}", class.id),
            None if !source.is_empty() => format!("s{source}"),
            None => format!("n{}", Class::name_key(&name)),
        };
        let data = hash(&format!("{source}\0{name}\0{:?}{}", record.courses, record.is_over));
        let row = SeenRow::new(record.place.line, data);
        match self.classes.rows.insert(hash(&key), row) {
            None => Ok(false),
            Some(before) if before.is_same(data) => Ok(true),
            Some(before) => {
                self.classes.rows.insert(hash(&key), before);
                let reason = Reason::DuplicateClass { line: before.line() };
                let cell = record.source_id.as_ref().or(record.name.as_ref());
                self.bad_class(&record.place, cell, reason)?;
                Ok(true)
            }
        }
    }

    fn new_class(&mut self, record: &ClassRecord) -> Result<()> {
        let source_id = record.source_id.as_ref().map(|cell| cell.text.clone());
        if record.is_over {
            self.seen.skipped_classes.extend(source_id.as_deref().map(hash));
            return Ok(());
        }
        let cell = record.name.as_ref().or(record.source_id.as_ref());
        let Some(name) = cell.and_then(|cell| carrel_precis::new_name(&cell.text).ok()) else {
            return self.bad_class(&record.place, cell, Reason::BadClass);
        };
        if record.source_id.is_none()
            && self.classes.new_names.contains_key(&hash(&Class::name_key(&name)))
        {
            return Ok(());
        }
        let courses = self.known_courses(record)?;
        let new = NewClass { source_id, name, courses: courses.unwrap_or_default() };
        let class = new.reference();
        if let Some(id) = &new.source_id {
            self.classes.new_sources.insert(hash(id), class.clone());
        }
        self.classes.new_names.entry(hash(&Class::name_key(&new.name))).or_insert(class);
        self.plain(&record.place, &new.name.clone(), Action::CreateClass(new))
    }

    /// Returns the courses of a class that are in the catalogue.
    fn known_courses(&mut self, record: &ClassRecord) -> Result<Option<Vec<carrel_model::Slug>>> {
        let Some(courses) = &record.courses else { return Ok(None) };
        let mut known = Vec::with_capacity(courses.len());
        for course in courses {
            if self.directory.has_course(course).map_err(other)? {
                known.push(course.clone());
            } else {
                let problem = Problem::new(&record.place, None, course.as_str(), Reason::BadCourse);
                self.problem(problem)?;
            }
        }
        known.sort();
        known.dedup();
        Ok(Some(known))
    }

    fn change_class(&mut self, record: &ClassRecord, class: &Class) -> Result<()> {
        let reference = ClassRef::Id(class.id);
        if record.is_over {
            if class.state == ClassState::Archived {
                return Ok(());
            }
            return self.entry(Entry {
                place: Some(record.place.clone()),
                label: class.name.clone(),
                guard: Guard::ArchivesClass,
                removes_administrator: false,
                action: Action::ArchiveClass { class: reference },
            });
        }
        let mut changes = Vec::new();
        let mut change = |field, before: String, after: String| {
            if before != after {
                changes.push(FieldChange { field, before, after });
            }
        };
        if let Some(cell) = &record.source_id {
            let before = class.source_id.clone().unwrap_or_default();
            change(PersonField::SourceId, before, cell.text.clone());
        }
        if let Some(cell) = &record.name {
            let Ok(name) = carrel_precis::new_name(&cell.text) else {
                return self.bad_class(&record.place, Some(cell), Reason::BadClass);
            };
            change(PersonField::Name, class.name.clone(), name);
        }
        if let Some(courses) = self.known_courses(record)? {
            let words = |courses: &[carrel_model::Slug]| {
                let mut words: Vec<&str> = courses.iter().map(carrel_model::Slug::as_str).collect();
                words.sort_unstable();
                words.join(" ")
            };
            change(PersonField::Courses, words(&class.courses), words(&courses));
        }
        if changes.is_empty() {
            return Ok(());
        }
        self.plain(&record.place, &class.name, Action::ChangeClass { class: reference, changes })
    }
}

enum ClassMatch {
    One(Class),
    Several,
    Unknown,
}
