//! What a roster would change and what is wrong with it, as text and as JSON.

use carrel_roster::{
    Action, ClassRef, Entry, FieldChange, Guard, Held, HeldBy, MemberRole, PersonRef, Place,
    Problem, Severity, Summary,
};
use serde_json::{Value, json};

/// Formats a difference as one line.
pub fn entry_line(entry: &Entry) -> String {
    let place = entry.place.as_ref().map_or_else(|| "absent".to_owned(), Place::to_string);
    let changes = |changes: &[FieldChange]| {
        let change = |c: &FieldChange| format!(" {:?} {:?} -> {:?}", c.field, c.before, c.after);
        changes.iter().map(change).collect::<String>().to_lowercase()
    };
    let label = &entry.label;
    let what = match &entry.action {
        Action::CreatePerson(new) => {
            format!("new person {} {:?} {:?}", new.login, new.name, new.role)
        }
        Action::ChangePerson { changes: list, .. } => format!("change {label}:{}", changes(list)),
        Action::SetState { before, after, .. } => {
            format!("{label}: {before:?} -> {after:?}").to_lowercase()
        }
        Action::CreateClass(new) => format!("new class {}", new.name),
        Action::ChangeClass { changes: list, .. } => {
            format!("change class {label}:{}", changes(list))
        }
        Action::ArchiveClass { .. } => format!("archive class {label}"),
        Action::ReopenClass { .. } => format!("reopen class {label}"),
        Action::AddMembership { person, class, role } => {
            format!("{} joins {} as {}", person_text(person), class_text(class), role_text(*role))
        }
        Action::EndMembership { person, class, role } => {
            format!("{} leaves {} as {}", person_text(person), class_text(class), role_text(*role))
        }
        Action::Unchanged { .. } => format!("{label}: unchanged"),
        Action::OtherTenant { tenant } => format!("{label}: exported by another server ({tenant})"),
    };
    format!("{place}: {what}")
}

fn role_text(role: MemberRole) -> &'static str {
    match role {
        MemberRole::Student => "student",
        MemberRole::Instructor => "instructor",
    }
}

fn person_text(person: &PersonRef) -> String {
    match person {
        PersonRef::Id(id) => id.to_string(),
        PersonRef::Source(id) => format!("id {id}"),
        PersonRef::Login(login) => login.clone(),
    }
}

fn class_text(class: &ClassRef) -> String {
    match class {
        ClassRef::Id(id) => format!("class {id}"),
        ClassRef::Source(id) => format!("class id {id}"),
        ClassRef::Name(name) => format!("class {name}"),
    }
}

/// Returns what a held removal is, or an empty text for an entry without a limit.
pub fn held_name(held: &Held) -> &'static str {
    match held.guard {
        Guard::RemovesPerson => "people who are suspended or left",
        Guard::RemovesAbsent => "people who are absent",
        Guard::EndsMembership => "memberships that end",
        Guard::EndsAbsent => "memberships that are absent",
        Guard::ArchivesClass => "classes that are archived",
        Guard::ReplacesPerson => "people with another login and name",
        Guard::None => "",
    }
}

pub fn held_json(held: &Held) -> Value {
    let what = held_name(held);
    match held.by {
        HeldBy::Limit { count, limit } => json!({ "what": what, "count": count, "limit": limit }),
        HeldBy::Incomplete { rows } => json!({ "what": what, "unreadableRows": rows }),
    }
}

pub fn problem_json(problem: &Problem) -> Value {
    let is_error = problem.severity() == Severity::Error;
    json!({
        "severity": if is_error { "error" } else { "warning" },
        "file": problem.place.file,
        "line": problem.place.line,
        "column": problem.column,
        "value": problem.value,
        "code": problem.reason.code(),
        "text": problem.to_string(),
    })
}

pub fn summary_json(summary: &Summary) -> Value {
    json!({
        "people": {
            "created": summary.created_people,
            "changed": summary.changed_people,
            "unchanged": summary.unchanged_people,
            "suspended": summary.suspended_people,
            "left": summary.left_people,
            "returned": summary.returned_people,
            "otherServer": summary.other_tenant,
        },
        "classes": {
            "created": summary.created_classes,
            "changed": summary.changed_classes,
            "archived": summary.archived_classes,
        },
        "memberships": { "added": summary.added_memberships, "ended": summary.ended_memberships },
        "errors": summary.errors,
        "warnings": summary.warnings,
    })
}
