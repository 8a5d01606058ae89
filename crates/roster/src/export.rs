//! Writes lists of people and classes that spreadsheets open and that this crate imports without a difference.

use std::{collections::HashMap, io::Write};

use crate::{
    BoxError, cells,
    directory::{Class, ClassId, ClassState, Directory},
    people_file::list_item,
    records::{MemberRole, role_name, state_name},
};

/// Columns of a list of people. `classes` are those in which the person is a student.
const PEOPLE: [&str; 13] = [
    "id",
    "login",
    "name",
    "given name",
    "family name",
    "role",
    "status",
    "language",
    "email",
    "classes",
    "teaches",
    "carrel id",
    "carrel tenant",
];

const CLASSES: [&str; 5] = ["class id", "class", "courses", "carrel class id", "carrel tenant"];

/// Writes all people with their classes as CSV: UTF-8 with a byte order mark, because Excel reads other files in the
/// encoding of the machine.
///
/// # Errors
/// An error of the directory or of the output.
pub fn export_people(directory: &dyn Directory, out: &mut dyn Write) -> Result<(), BoxError> {
    out.write_all("\u{feff}".as_bytes())?;
    write_row(out, &PEOPLE)?;
    let names = class_names(directory)?;
    directory.each_person(&mut |person| {
        let memberships = directory.memberships_of(person.id)?;
        let list = |role: MemberRole| {
            let of_role = memberships.iter().filter(|membership| membership.role == role);
            let mut items: Vec<&str> =
                of_role.filter_map(|m| names.get(&m.class)).map(String::as_str).collect();
            items.sort_unstable();
            items.join("; ")
        };
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        write_row(
            out,
            &[
                &text(&person.source_id),
                &person.login,
                &person.name,
                &text(&person.given),
                &text(&person.family),
                role_name(person.role),
                state_name(person.state),
                &text(&person.lang),
                &text(&person.email),
                &list(MemberRole::Student),
                &list(MemberRole::Instructor),
                &person.id.to_string(),
                directory.tenant(),
            ],
        )
    })
}

/// Writes the classes that are not archived as CSV.
///
/// # Errors
/// An error of the directory or of the output.
pub fn export_classes(directory: &dyn Directory, out: &mut dyn Write) -> Result<(), BoxError> {
    out.write_all("\u{feff}".as_bytes())?;
    write_row(out, &CLASSES)?;
    directory.each_class(&mut |class| {
        if class.state == ClassState::Archived {
            return Ok(());
        }
        let courses: Vec<&str> = class.courses.iter().map(carrel_model::Slug::as_str).collect();
        let source_id = class.source_id.clone().unwrap_or_default();
        let (id, name) = (class.id.to_string(), class.name.as_str());
        write_row(out, &[&source_id, name, &courses.join("; "), &id, directory.tenant()])
    })
}

/// Returns how rows of people name each class that is not archived: by source id, else by a name that no other class
/// has, else by the id of Carrel.
fn class_names(directory: &dyn Directory) -> Result<HashMap<ClassId, String>, BoxError> {
    let mut names = HashMap::new();
    directory.each_class(&mut |class: Class| {
        if class.state == ClassState::Archived {
            return Ok(());
        }
        let is_id = |text: &str| text.parse::<ClassId>().is_ok();
        let name = match &class.source_id {
            Some(id) if !is_id(id) => id.clone(),
            _ => {
                let others = directory.classes_by_name_key(&Class::name_key(&class.name))?;
                let is_unique = others.len() == 1
                    && !is_id(&class.name)
                    && directory.class_by_source_id(&class.name)?.is_none();
                if is_unique { class.name.clone() } else { class.id.to_string() }
            }
        };
        names.insert(class.id, list_item(&name));
        Ok(())
    })?;
    Ok(names)
}

fn write_row(out: &mut dyn Write, cells: &[&str]) -> Result<(), BoxError> {
    Ok(out.write_all(csv_line(cells).as_bytes())?)
}

/// Returns a line of CSV with its end. No spreadsheet evaluates a cell of it.
pub fn csv_line(cells: &[&str]) -> String {
    let mut line = String::new();
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            line.push(',');
        }
        let cell = cells::neutralised(cell);
        let is_quoted =
            cell.contains(['"', ',', ';', '\t', '|', '\n', '\r']) || cell.starts_with(' ');
        if is_quoted {
            line.push('"');
            line.push_str(&cell.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(&cell);
        }
    }
    line.push_str("\r\n");
    line
}
