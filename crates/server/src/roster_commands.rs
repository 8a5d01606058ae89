//! The commands for rosters: `carrel-server roster import`, `export`, `list`, `undo`.
//!
//! Not here: formats, matching and limits (`carrel-roster`), how differences are applied (`domain::rosters`).

use std::{fs::File, path::PathBuf, process::ExitCode};

use carrel_people::rosters::{AppliedRoster, ImportedBy};
use carrel_roster::{
    Action, Approval, ClassRef, Encoding, Entry, FieldChange, Guard, Held, HeldBy, MemberRole,
    Options, PersonRef, Place, Severity, Summary, utc_day,
};
use carrel_server::{Clock, DataDir, Error, SystemClock, domain::DomainError};
use clap::Subcommand;

use crate::{config_of, user_commands::RoleName};

#[derive(Subcommand)]
pub enum RosterCommand {
    /// Compare a roster (CSV or OneRoster) with the stored people, print the differences and every problem, and with
    /// --apply change what differs.
    Import {
        file: PathBuf,
        #[arg(long)]
        data: PathBuf,
        /// Apply the differences; without it, nothing is changed.
        #[arg(long)]
        apply: bool,
        /// Only print the differences, which is the default.
        #[arg(long, conflicts_with = "apply")]
        dry_run: bool,
        /// The file names everybody: suspend the people whom it does not name, and end their memberships.
        #[arg(long)]
        full: bool,
        /// Maximum number of people to suspend or to mark as left, if it is more than 10 and 10 %.
        #[arg(long, value_name = "N")]
        approve: Option<u64>,
        /// Maximum number of memberships to end, if it is more than 10 and 10 %.
        #[arg(long, value_name = "N")]
        approve_memberships: Option<u64>,
        /// Maximum number of classes to archive, if it is more than 10 and 10 %.
        #[arg(long, value_name = "N")]
        approve_classes: Option<u64>,
        /// Maximum number of people of whom both login and name change, if it is more than 3 and 10 %.
        #[arg(long, value_name = "N")]
        approve_replacements: Option<u64>,
        /// Role of new people whose row states none, such as those of a list of teachers.
        #[arg(long, value_enum)]
        role: Option<RoleName>,
        /// Encoding of a file that is not Unicode, such as windows-1256.
        #[arg(long)]
        encoding: Option<String>,
    },
    /// Write all people as CSV that `import` reads without a difference.
    Export {
        file: PathBuf,
        #[arg(long)]
        data: PathBuf,
        /// Write the classes instead of the people.
        #[arg(long)]
        classes: bool,
    },
    /// List the imports.
    List {
        #[arg(long)]
        data: PathBuf,
    },
    /// Undo an import of the last 30 days. People whom it created are marked as left.
    Undo {
        /// Number of the import, from `list`.
        import: i64,
        #[arg(long)]
        data: PathBuf,
    },
}

/// Runs a command and prints its result. Fails if a row has an error or a removal is held.
pub async fn run(command: RosterCommand) -> Result<ExitCode, Error> {
    let now_ms = SystemClock.now_ms();
    match command {
        RosterCommand::Import {
            file,
            data,
            apply,
            dry_run: _,
            full,
            approve,
            approve_memberships,
            approve_classes,
            approve_replacements,
            role,
            encoding,
        } => {
            let encoding = match encoding {
                Some(name) => Some(Encoding::of_name(&name).ok_or_else(|| {
                    Error::Refused(format!(
                        "encoding {name:?} is unknown; use a name such as utf-8 or windows-1252"
                    ))
                })?),
                None => None,
            };
            let default_role = role.map(RoleName::role);
            let today = utc_day(now_ms);
            let options = Options { full, default_role, actor: None, encoding, today };
            let approval = Approval {
                people: approve,
                memberships: approve_memberships,
                classes: approve_classes,
                replacements: approve_replacements,
            };
            import(
                &DataDir::open_existing(config_of(data)?)?,
                &file,
                options,
                approval,
                apply.then_some(now_ms),
            )
            .await
        }
        RosterCommand::Export { file, data, classes } => {
            let data = DataDir::open_existing(config_of(data)?)?;
            let out = File::create_new(&file).map_err(|source| Error::Io {
                action: "create",
                path: file.clone(),
                source,
            })?;
            data.store.export_roster(out, classes).await?;
            println!("wrote {}", file.display());
            Ok(ExitCode::SUCCESS)
        }
        RosterCommand::List { data } => {
            let data = DataDir::open_existing(config_of(data)?)?;
            for row in data.store.roster_imports().await? {
                let state = if row.undone_ms == 0 { "" } else { "  (undone)" };
                println!("{:<6} {} {}{state}", row.id, utc_day(row.created_ms), row.name);
            }
            Ok(ExitCode::SUCCESS)
        }
        RosterCommand::Undo { import, data } => {
            let data = DataDir::open_existing(config_of(data)?)?;
            let undone = data.store.undo_roster(import, None, now_ms).await?;
            println!("undid {} changes of import {import}", undone.applied);
            Ok(conflicts(&undone))
        }
    }
}

async fn import(
    data: &DataDir,
    path: &std::path::Path,
    options: Options,
    approval: Approval,
    apply_ms: Option<i64>,
) -> Result<ExitCode, Error> {
    let file = File::open(path).map_err(|source| Error::Io {
        action: "open",
        path: path.to_owned(),
        source,
    })?;
    let mut comparison = data.store.compare_roster(file, options).await?;
    let verdict = comparison.summary.verdict(&approval);
    comparison
        .each_entry(&mut |entry| {
            let held = if verdict.applies(&entry) { "" } else { "  (held)" };
            println!("{}{held}", line(&entry));
        })
        .map_err(DomainError::from)?;
    for problem in &comparison.problems {
        let severity = if problem.severity() == Severity::Error { "error" } else { "warning" };
        println!("{severity}: {problem}");
    }
    print_summary(&comparison.summary);
    verdict.held.iter().for_each(print_held);
    let mut code = ExitCode::SUCCESS;
    if let Some(now_ms) = apply_ms {
        let name =
            path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let by = ImportedBy { actor: None, name };
        let applied = data.store.apply_roster(&comparison, &verdict, by, now_ms).await?;
        match applied.import {
            0 => println!("nothing was changed"),
            import => println!(
                "applied {} changes as import {import}; {} are held",
                applied.applied, applied.held
            ),
        }
        code = conflicts(&applied);
    } else {
        println!("nothing was changed; repeat with --apply to apply the differences");
    }
    let is_complete = comparison.summary.errors == 0 && !verdict.is_held();
    Ok(if is_complete { code } else { ExitCode::FAILURE })
}

fn conflicts(applied: &AppliedRoster) -> ExitCode {
    for conflict in &applied.conflicts {
        println!("not applied: {conflict}");
    }
    if applied.conflicts.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print_held(held: &Held) {
    let (what, option) = match held.guard {
        Guard::RemovesPerson => ("people who are suspended or left", "--approve"),
        Guard::RemovesAbsent => ("people who are absent", "--approve"),
        Guard::EndsMembership => ("memberships that end", "--approve-memberships"),
        Guard::EndsAbsent => ("memberships that are absent", "--approve-memberships"),
        Guard::ArchivesClass => ("classes that are archived", "--approve-classes"),
        Guard::ReplacesPerson => ("people with another login and name", "--approve-replacements"),
        Guard::None => return,
    };
    match held.by {
        HeldBy::Limit { count, limit } => println!(
            "held: {what}: {count} are more than {limit}; hint: look at them, then repeat with {option} {count}"
        ),
        HeldBy::Incomplete { rows: 0 } => println!("held: {what}: the file names nobody"),
        HeldBy::Incomplete { rows } => println!(
            "held: {what}: {rows} rows with errors may be about them; hint: correct the rows"
        ),
    }
}

fn print_summary(summary: &Summary) {
    println!(
        "people: {} new, {} changed, {} unchanged, {} suspended, {} left, {} returned, {} of another server",
        summary.created_people,
        summary.changed_people,
        summary.unchanged_people,
        summary.suspended_people,
        summary.left_people,
        summary.returned_people,
        summary.other_tenant
    );
    println!(
        "classes: {} new, {} changed, {} archived; memberships: {} new, {} ended; {} errors, {} warnings",
        summary.created_classes,
        summary.changed_classes,
        summary.archived_classes,
        summary.added_memberships,
        summary.ended_memberships,
        summary.errors,
        summary.warnings
    );
}

/// Formats a difference as one line.
fn line(entry: &Entry) -> String {
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
