//! Opens database files with the same settings for client and server: write-ahead log, durable commits, foreign keys,
//! and the SQL function of `rows`.
//!
//! Not here: migrations (`migrate`), threads and pools (`database`).

use std::{fs::File, io::Read, path::Path, time::Duration};

use carrel_model::lattice::{Extra, Join, Row, Validate};
use rusqlite::{Connection, OpenFlags, config::DbConfig, functions::FunctionFlags};

use crate::{Cause, Error, Result, rows::payload_hash, trace};

/// SQLite 3.7.0 to 3.51.2 can corrupt a database if two connections write and checkpoint its write-ahead log.
const MIN_SQLITE_VERSION: i32 = 3_051_003;
/// Capacity of the statement cache: a few statements for each of eleven row types, plus those of the caller.
const STATEMENT_CACHE_SIZE: usize = 192;

/// Durability of a commit after a power failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// A commit is on the disk when it returns. For data that users created.
    #[default]
    Full,
    /// The last commits may be lost after a power failure, but the file stays valid. For data that can be downloaded
    /// again.
    Normal,
}

/// Options for opening a file. The defaults are for data that users created.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub synchronous: Synchronous,
    /// The file must exist, and the connection cannot write.
    pub read_only: bool,
    /// Whether a missing file is created; if not, it is an error.
    pub create: bool,
    /// How long a statement waits for another connection.
    pub busy: Duration,
    /// Page cache of this connection, in KiB.
    pub cache_kib: u32,
    /// Enables `PRAGMA incremental_vacuum`. Effective only when the file is created.
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
    /// Returns the options of read connections.
    pub fn reader() -> Self {
        Self { read_only: true, create: false, ..Self::default() }
    }
}

/// Opens a file. Creates the file (readable by its owner only), but not its folder. [`Error::cause`] returns why it
/// failed.
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
    let mut conn = Connection::open_with_flags(path, flags)?;
    prepare(&mut conn, options)?;
    if !options.read_only {
        if conn.is_readonly(rusqlite::MAIN_DB)? {
            // SQLite opens a file without write permission successfully, and would report the error at the first write.
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
        // After a large transaction the log is truncated to this size.
        conn.pragma_update(None, "journal_size_limit", 16 * 1024 * 1024)?;
    }
    Ok(conn)
}

/// Opens a file that no one changes (a backup, a file on a read-only disk) for reading, without a lock and without
/// creating a file beside it. The contents of a write-ahead log are ignored.
pub fn open_immutable(path: &Path) -> Result<Connection> {
    let text = path.to_str().ok_or_else(|| Error::Io {
        action: "open",
        path: path.to_owned(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidInput, "the name is not Unicode"),
    })?;
    // https://www.sqlite.org/uri.html: these characters end the path or start an escape.
    let escaped = text.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let slashes = if cfg!(windows) { escaped.replace('\\', "/") } else { escaped };
    let root = if cfg!(windows) && !slashes.starts_with('/') { "/" } else { "" };
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI;
    let mut conn = Connection::open_with_flags(format!("file:{root}{slashes}?immutable=1"), flags)?;
    prepare(&mut conn, Options::reader())?;
    Ok(conn)
}

/// Opens a database in memory, with all other settings as in `open`.
pub fn open_in_memory() -> Result<Connection> {
    let mut conn = Connection::open_in_memory()?;
    prepare(&mut conn, Options::default())?;
    Ok(conn)
}

/// Creates the file, readable by its owner only because learning records are private. SQLite gives the log and its
/// index the same mode.
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

fn prepare(conn: &mut Connection, options: Options) -> Result<()> {
    if rusqlite::version_number() < MIN_SQLITE_VERSION {
        return Err(Error::OldSqlite { found: rusqlite::version() });
    }
    conn.busy_timeout(options.busy)?;
    conn.set_prepared_statement_cache_capacity(STATEMENT_CACHE_SIZE);
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // A misspelt column name is an error instead of a string.
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
        // On macOS fsync alone leaves the data in the drive's cache.
        conn.pragma_update(None, "fullfsync", true)?;
        conn.pragma_update(None, "checkpoint_fullfsync", true)?;
    }
    trace::statements(conn)?;
    functions(conn)
}

/// `carrel_join_extra(a, b)`: the stored form of `Extra::join`. `carrel_payload_hash(json)`: the hash of the payload of
/// a row as JSON; NULL for an invalid row.
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
    conn.create_scalar_function("carrel_payload_hash", 1, flags, |ctx| {
        let json = ctx.get_raw(0).as_str();
        let json = json.map_err(|e| rusqlite::Error::UserFunctionError(Box::new(e)))?;
        let row = Row::from_json(json).ok().filter(|row| row.validate().is_ok());
        Ok(row.and_then(|row| payload_hash(&row)).map(|hash| hash.0.to_vec()))
    })?;
    Ok(())
}

/// The first bytes of every SQLite database.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// Size of a database's header in bytes.
const HEADER_BYTES: u64 = 100;

/// Checks on a new connection whether a file that was reported as damaged is damaged: its header, then its pages.
/// Returns the damage found, `None` for a valid, missing or empty file, or an error if the check is not possible now.
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
        return Ok(Some("the header is not that of a SQLite database".into()));
    }
    let options = Options { create: false, ..Options::default() };
    match open(path, options).and_then(|conn| quick_check(&conn)) {
        Ok(()) => Ok(None),
        Err(e) if e.cause() == Cause::Corrupt => Ok(Some(e.to_string())),
        Err(e) => Err(e),
    }
}

/// Checks for damage. Reads the whole file, but does not compare indices with tables. `Error::Damaged` describes the
/// damage.
pub fn quick_check(conn: &Connection) -> Result<()> {
    check(conn, "PRAGMA quick_check")
}

/// Checks like `quick_check`, and also compares indices with tables and finds broken references. Slower.
pub fn integrity_check(conn: &Connection) -> Result<()> {
    check(conn, "PRAGMA integrity_check")?;
    match broken_references(conn)? {
        found if found.is_empty() => Ok(()),
        found => Err(Error::Damaged(found)),
    }
}

/// Returns the broken foreign keys, one line per table.
pub(crate) fn broken_references(conn: &Connection) -> Result<Vec<String>> {
    let mut found =
        conn.prepare("SELECT DISTINCT \"table\", parent FROM pragma_foreign_key_check")?;
    let lines = found.query_map([], |r| {
        Ok(format!(
            "rows of {} reference missing rows of {}",
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
