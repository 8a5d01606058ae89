//! Checks of folders, databases and other files.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use carrel_sqlite::{Options, open, open_immutable, quick_check, rusqlite::Connection};
use carrel_system::Cause;

use super::{Check, DatabaseFile, Environment};

/// Less free space is a warning: a course with videos may need it.
const LOW_SPACE: u64 = 500 * 1024 * 1024;
/// Less free space is a problem: progress can soon no longer be recorded.
const NO_SPACE: u64 = 20 * 1024 * 1024;

pub(super) fn check(environment: &Environment) -> Vec<Check> {
    let mut checks = vec![
        folder("files.data", &environment.data_dir),
        folder("files.content", &environment.content_dir),
        space(environment),
    ];
    checks.extend(environment.machine_folder.as_deref().map(machine_folder));
    checks.extend(environment.json_files.iter().filter_map(|file| json(file)));
    checks.extend(environment.databases.iter().map(database));
    checks.push(instances(environment));
    checks
}

fn folder(id: &str, path: &Path) -> Check {
    let shown = path.display();
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return missing(id, path),
        Err(e) => return failed(id, &format!("the folder {shown} cannot be read"), &e),
    };
    if !metadata.is_dir() {
        let found = format!("{shown} is a file, not a folder");
        return Check::problem(id, "not_a_folder", found, "rename or delete this file");
    }
    if let Err(e) = fs::read_dir(path) {
        return failed(id, &format!("the folder {shown} cannot be read"), &e);
    }
    match tempfile::tempfile_in(path) {
        Ok(_) => {}
        Err(e) => return failed(id, &format!("the folder {shown} cannot be written"), &e),
    }
    match Cause::probe(path) {
        None => Check::ok(id, format!("{shown} can be read and written")),
        Some(cause) => {
            let found = format!("the folder {shown} cannot be written: {cause}");
            Check::problem(id, name(cause), found, cause.hint())
        }
    }
}

/// Checks the content folder of the machine, which it is enough to read.
fn machine_folder(path: &Path) -> Check {
    let (id, shown) = ("files.machine", path.display());
    let problem = |cause: &str, found: String, action: &str| {
        let found = format!("{found}; content is stored in the folder of this user instead");
        Check::problem(id, cause, found, action)
    };
    match fs::read_dir(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let action = "create the folder, and let all users of the machine read it";
            return problem("missing", format!("the folder {shown} does not exist"), action);
        }
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => {
            return problem("not_a_folder", format!("{shown} is a file"), "name another folder");
        }
        Err(e) => {
            let action = "let all users of the machine read the folder";
            return problem("not_permitted", format!("{shown} cannot be read: {e}"), action);
        }
        Ok(_) => {}
    }
    match fs::File::open(path.join("content.db")) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            let found = format!("this user may not read the files in {shown}: {e}");
            problem("not_permitted", found, "let all users of the machine read the files in it")
        }
        _ if tempfile::tempfile_in(path).is_ok() => {
            Check::ok(id, format!("{shown} can be read and written"))
        }
        _ => Check::ok(id, format!("{shown} can be read; this user may not write to it")),
    }
}

/// A folder is created at the first start, so it may be missing if its parent can be written.
fn missing(id: &str, path: &Path) -> Check {
    let shown = path.display();
    let existing = path.ancestors().skip(1).find(|p| p.exists());
    let Some(existing) = existing else {
        let found = format!("the drive of {shown} does not exist");
        return Check::problem(id, "missing_drive", found, "connect the drive, or choose another");
    };
    match tempfile::tempfile_in(existing) {
        Ok(_) => {
            let found = format!("{shown} does not exist yet; it is created at the first start");
            Check::warning(id, "missing", found, "start Carrel once")
        }
        Err(e) => failed(id, &format!("the folder {shown} is missing and cannot be created"), &e),
    }
}

fn failed(id: &str, what: &str, error: &io::Error) -> Check {
    let (cause, action) = match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => (
            "read_only_file_system",
            "make the file system writable, or move the user's folder to another one",
        ),
        io::ErrorKind::PermissionDenied => {
            ("not_permitted", "allow this user to read and write the folder")
        }
        _ => {
            let cause = Cause::of_io(error);
            (name(cause), cause.hint())
        }
    };
    Check::problem(id, cause, format!("{what}: {error}"), action)
}

fn name(cause: Cause) -> &'static str {
    match cause {
        Cause::Corrupt => "damaged",
        Cause::Full => "disk_full",
        Cause::Busy => "in_use",
        Cause::Newer => "newer_schema",
        Cause::Denied => "not_permitted",
        Cause::TooManyFiles => "too_many_files",
        Cause::Other => "storage",
    }
}

fn space(environment: &Environment) -> Check {
    let id = "files.space";
    let folder = environment.data_dir.ancestors().find(|p| p.exists());
    let free = folder.and_then(|folder| environment.disk.free_bytes(folder).ok());
    let Some(free) = free else {
        return Check::skipped(id, "the free space cannot be determined");
    };
    let found = format!("{} MiB are free", free / (1024 * 1024));
    let action = "delete files, or remove downloads in Carrel (Storage)";
    match free {
        ..NO_SPACE => Check::problem(id, "disk_full", found, action),
        NO_SPACE..LOW_SPACE => Check::warning(id, "low_space", found, action),
        _ => Check::ok(id, found),
    }
}

/// Returns none if the file is missing.
fn json(path: &Path) -> Option<Check> {
    let (id, shown) = ("files.list", path.display());
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return None,
        Err(e) => return Some(failed(id, &format!("{shown} cannot be read"), &e)),
    };
    Some(match serde_json::from_slice::<serde_json::Value>(&bytes) {
        Ok(_) => Check::ok(id, format!("{shown} is valid")),
        // The text of the error would quote the file.
        Err(e) => {
            let found = format!("{shown} is damaged at line {}", e.line());
            Check::problem(id, "damaged", found, "start Carrel: it is restored from the copies")
        }
    })
}

fn database(file: &DatabaseFile) -> Check {
    let (id, shown) = (format!("database.{}", file.name), file.path.display());
    if let Err(e) = fs::metadata(&file.path) {
        return match e.kind() {
            io::ErrorKind::NotFound => Check::ok(&id, format!("{shown} does not exist yet")),
            _ => failed(&id, &format!("{shown} cannot be read"), &e),
        };
    }
    let mut magic = Vec::new();
    let read = fs::File::open(&file.path).and_then(|f| f.take(16).read_to_end(&mut magic));
    if let Err(e) = read {
        return failed(&id, &format!("{shown} cannot be read"), &e);
    }
    let disposable = file.name != "user.db";
    let action = match disposable {
        true => "start Carrel: the file is replaced, and its content is downloaded again",
        false => "start Carrel: the newest backup is restored, and the next sync completes it",
    };
    if !magic.is_empty() && !magic.starts_with(b"SQLite format 3") {
        let found = format!("{shown} is damaged: it is not a database");
        return Check::problem(&id, "damaged", found, action);
    }
    // On a disk that cannot be written, a database is opened without its log.
    let opened = open(&file.path, Options::reader()).or_else(|_| open_immutable(&file.path));
    let checked = opened.and_then(|conn| Ok((schema(&conn)?, quick_check(&conn))));
    let (schema, damage) = match checked {
        Ok(checked) => checked,
        Err(e) => {
            let (cause, action) = match e.cause() {
                Cause::Corrupt => (Cause::Corrupt, action),
                cause => (cause, e.hint()),
            };
            return Check::problem(&id, name(cause), format!("{shown}: {e}"), action);
        }
    };
    if schema > file.schema {
        let found = format!(
            "{shown} was written by a newer release: schema {schema}, this release knows {}",
            file.schema
        );
        return Check::problem(&id, "newer_schema", found, "update Carrel; the file is unchanged");
    }
    match damage {
        Ok(()) => Check::ok(&id, format!("{shown} is valid, schema {schema}")),
        Err(e) if e.cause() == Cause::Corrupt => {
            Check::problem(&id, "damaged", format!("{shown} is damaged"), action)
        }
        Err(e) => Check::problem(&id, name(e.cause()), format!("{shown}: {e}"), e.hint()),
    }
}

/// Returns the number of the newest migration; 0 for a file without any.
fn schema(conn: &Connection) -> carrel_sqlite::Result<u32> {
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_migration'";
    if conn.query_row(sql, [], |r| r.get::<_, u32>(0))? == 0 {
        return Ok(0);
    }
    let sql = "SELECT coalesce(max(number), 0) FROM schema_migration";
    Ok(conn.query_row(sql, [], |r| r.get(0))?)
}

fn instances(environment: &Environment) -> Check {
    let id = "files.instances";
    if environment.is_running {
        return Check::ok(id, "this is the running app");
    }
    let is_locked = |path: &std::path::PathBuf| {
        let file = fs::File::options().read(true).write(true).open(path);
        file.is_ok_and(|file| matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)))
    };
    if environment.locks.iter().any(is_locked) {
        return Check::warning(
            id,
            "in_use",
            "Carrel is running and uses an account",
            "nothing, unless no window is visible: then end the process `carrel`",
        );
    }
    Check::ok(id, "no other Carrel uses the accounts")
}
