//! One way to open a database file, for both sides: write-ahead log, real durability, foreign keys, the SQL functions of `rows`.

use std::{fs::File, io::Read, path::Path, time::Duration};

use carrel_model::lattice::{Extra, Join};
use rusqlite::{Connection, OpenFlags, config::DbConfig, functions::FunctionFlags};

use crate::{Cause, Error, Result};

/// 3.7.0 to 3.51.2 can corrupt a write-ahead log that two connections write and checkpoint.
const OLDEST_SQLITE: i32 = 3_051_003;
/// Eleven row types, a few statements each, and room for those of the caller.
const STATEMENTS: usize = 192;

/// How hard a commit tries to survive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// A commit is on the disk when it returns: for what a person made.
    #[default]
    Full,
    /// The last commits may be missing after a power cut, the file stays sound: for what can be fetched again.
    Normal,
}

/// How a file is opened. The default is the careful one.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub synchronous: Synchronous,
    /// The file must exist, and this connection cannot write.
    pub read_only: bool,
    /// False: a missing file is an error and not a new database.
    pub create: bool,
    /// How long a statement waits for another connection.
    pub busy: Duration,
    /// Page cache of this connection, in KiB.
    pub cache_kib: u32,
    /// Give freed pages back with `PRAGMA incremental_vacuum`. It counts only when the file is made.
    pub incremental_vacuum: bool,
}
impl Default for Options {
    fn default() -> Self {
        Self {
            synchronous: Synchronous::Full,
            read_only: false,
            create: true,
            busy: Duration::from_secs(5),
            cache_kib: 4096,
            incremental_vacuum: false,
        }
    }
}
impl Options {
    /// For the readers beside one writer.
    pub fn reader() -> Self {
        Self { read_only: true, create: false, ..Self::default() }
    }
}

/// Opens a file. It makes the file (readable by its owner only) but not its folder. [`Error::cause`] tells why it failed.
pub fn open(path: &Path, options: Options) -> Result<Connection> {
    open_unprobed(path, options).map_err(|e| e.probed(path))
}

fn open_unprobed(path: &Path, options: Options) -> Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags |= if options.read_only {
        OpenFlags::SQLITE_OPEN_READ_ONLY
    } else {
        OpenFlags::SQLITE_OPEN_READ_WRITE
    };
    if options.create && !options.read_only {
        make_private(path)?;
    }
    let conn = Connection::open_with_flags(path, flags)?;
    prepare(&conn, options)?;
    if !options.read_only {
        if conn.is_readonly(rusqlite::MAIN_DB)? {
            // SQLite opens a file that it may only read without an error; the first write would report this.
            let source = std::io::ErrorKind::PermissionDenied.into();
            return Err(Error::Io { action: "write", path: path.to_owned(), source });
        }
        if options.incremental_vacuum {
            conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        }
        let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |r| r.get(0))?;
        if !mode.eq_ignore_ascii_case("wal") {
            return Err(Error::NoWal(mode));
        }
        // After one large transaction the log is cut back to this.
        conn.pragma_update(None, "journal_size_limit", 16 * 1024 * 1024)?;
    }
    Ok(conn)
}

/// Opens a file that nobody changes, for reading, without a lock and without any file beside it (a backup, a read-only disk).
/// What a write-ahead log holds is not seen.
pub fn open_immutable(path: &Path) -> Result<Connection> {
    let text = path.to_str().ok_or_else(|| Error::Io {
        action: "open",
        path: path.to_owned(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidInput, "the name is not Unicode"),
    })?;
    // https://www.sqlite.org/uri.html: these characters end the path or begin an escape.
    let escaped = text.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let slashes = if cfg!(windows) { escaped.replace('\\', "/") } else { escaped };
    let root = if cfg!(windows) && !slashes.starts_with('/') { "/" } else { "" };
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI;
    let conn = Connection::open_with_flags(format!("file:{root}{slashes}?immutable=1"), flags)?;
    prepare(&conn, Options::reader())?;
    Ok(conn)
}

/// A database without a file, with everything else as `open` makes it.
pub fn open_in_memory() -> Result<Connection> {
    let conn = Connection::open_in_memory()?;
    prepare(&conn, Options::default())?;
    Ok(conn)
}

/// The learner's work is private: SQLite gives the log and the index of the log the mode of the file.
fn make_private(path: &Path) -> Result<()> {
    let mut file = std::fs::OpenOptions::new();
    file.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    match file.open(path) {
        Ok(_) => Ok(()),
        Err(source) => Err(Error::Io { action: "create", path: path.to_owned(), source }),
    }
}

fn prepare(conn: &Connection, options: Options) -> Result<()> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(Error::OldSqlite { found: rusqlite::version() });
    }
    conn.busy_timeout(options.busy)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // A misspelt column is an error and not a text.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "cache_size", -i64::from(options.cache_kib))?;
    conn.pragma_update(
        None,
        "synchronous",
        match options.synchronous {
            Synchronous::Full => "FULL",
            Synchronous::Normal => "NORMAL",
        },
    )?;
    if cfg!(target_vendor = "apple") && options.synchronous == Synchronous::Full {
        // There fsync alone leaves the data in the drive's cache.
        conn.pragma_update(None, "fullfsync", true)?;
        conn.pragma_update(None, "checkpoint_fullfsync", true)?;
    }
    functions(conn)
}

/// `carrel_join_extra(a, b)`: the stored form of `Extra::join`.
fn functions(conn: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_DIRECTONLY;
    conn.create_scalar_function("carrel_join_extra", 2, flags, |ctx| {
        let text = |i| {
            ctx.get_raw(i).as_str().map_err(|e| rusqlite::Error::UserFunctionError(Box::new(e)))
        };
        let mut joined = Extra::from_text(text(0)?);
        joined.join(&Extra::from_text(text(1)?));
        Ok(joined.to_text())
    })?;
    Ok(())
}

/// What every SQLite database begins with.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// Bytes of a database's header.
const HEADER_BYTES: u64 = 100;

/// Checks on a fresh connection whether a file that was reported as damaged is damaged: its header, then its pages. Gives
/// what was found, and `None` for a sound, a missing or an empty file. `Err`: it cannot be told now, so nothing is proven.
pub fn confirm_damage(path: &Path) -> Result<Option<String>> {
    let mut header = Vec::new();
    let read = File::open(path).and_then(|f| f.take(HEADER_BYTES).read_to_end(&mut header));
    match read {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::Io { action: "read", path: path.to_owned(), source }),
        Ok(0) => return Ok(None),
        Ok(_) => {}
    }
    if header.len() as u64 != HEADER_BYTES || !header.starts_with(MAGIC) {
        return Ok(Some("the header is not a database's".into()));
    }
    let options = Options { create: false, ..Options::default() };
    match open(path, options).and_then(|conn| quick_check(&conn)) {
        Ok(()) => Ok(None),
        Err(e) if e.cause() == Cause::Corrupt => Ok(Some(e.to_string())),
        Err(e) => Err(e),
    }
}

/// Looks for damage; reads the whole file, but not every index. `Error::Damaged` names what was found.
pub fn quick_check(conn: &Connection) -> Result<()> {
    check(conn, "PRAGMA quick_check")
}

/// Like `quick_check`, and compares indices with tables and looks for broken references. Slower.
pub fn integrity_check(conn: &Connection) -> Result<()> {
    check(conn, "PRAGMA integrity_check")?;
    match broken_references(conn)? {
        found if found.is_empty() => Ok(()),
        found => Err(Error::Damaged(found)),
    }
}

/// Rows whose foreign key points nowhere, one line for each table.
pub(crate) fn broken_references(conn: &Connection) -> Result<Vec<String>> {
    let mut found =
        conn.prepare("SELECT DISTINCT \"table\", parent FROM pragma_foreign_key_check")?;
    let lines = found.query_map([], |r| {
        Ok(format!(
            "rows of {} name rows of {} that do not exist",
            r.get::<_, String>(0)?,
            r.get::<_, String>(1)?
        ))
    })?;
    Ok(lines.collect::<rusqlite::Result<_>>()?)
}

fn check(conn: &Connection, sql: &str) -> Result<()> {
    let mut stmt = conn.prepare(sql)?;
    let lines: Vec<String> = stmt.query_map([], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?;
    if lines == ["ok"] { Ok(()) } else { Err(Error::Damaged(lines)) }
}
