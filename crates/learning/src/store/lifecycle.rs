//! Opening and closing `user.db`: the lock, the check after an unclean run, migrations, the reserve.
//!
//! Only damage that a second read confirms (`SQLITE_CORRUPT`, `SQLITE_NOTADB`, a failed check) causes a repair
//! (`recovery`). After any other failure all files are left unchanged, and the account is opened read-only
//! (`read_copy`) if possible.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
    time::UNIX_EPOCH,
};

use carrel_model::lattice::RowKey;
use carrel_sqlite::{Cause, DatabaseError};
use rusqlite::Connection;

use crate::{
    Error, Result,
    store::{
        FILE, Failpoints, MIGRATIONS, Options, RESERVE, Tx, backups, checked, checked::Found,
        image, journal, journal::Journal, recovery, recovery::Repair, state, with_suffix,
    },
};

const LOCK: &str = "user.lock";
/// Notes in the lock file have a fixed length, so that no additional disk space is needed to write one.
const NOTE_LENGTH: usize = 64;
const OPEN: &str = "open";
const CLOSED: &str = "closed";

/// What happened when the file was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    /// The last run did not close the file (after a kill, crash or power cut), or another program changed it since. The
    /// file was then checked.
    pub unclean: bool,
    /// The file was damaged or missing and was rebuilt, or some of its rows were unreadable.
    pub repair: Option<Repair>,
    /// The damaged file was renamed and kept.
    pub damaged_file_kept: bool,
}

/// A file that is open for writing.
pub(super) struct Live {
    pub conn: Connection,
    pub lock: File,
    pub journal: Journal,
    pub opened: Opened,
}

/// Opens or creates the file. A piece of the reserve is released for each attempt that fails on a full disk.
pub(super) fn open(dir: &Path, options: &Options, failpoints: &Failpoints) -> Result<Live> {
    fs::create_dir_all(dir)?;
    let mut lock = lock(dir)?;
    let last_run = read_last_run(dir, &mut lock)?;
    loop {
        match open_file(dir, options, failpoints, last_run, &mut lock) {
            Err(e) if e.is_full() && RESERVE.release_piece(dir) => {
                tracing::warn!(error = %e, "the disk is full: released a piece of the reserve to open the file");
            }
            Ok((conn, journal, opened)) => return Ok(Live { conn, lock, journal, opened }),
            Err(e) => return Err(e),
        }
    }
}

fn lock(dir: &Path) -> Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(dir.join(LOCK))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::busy(format!(
            "{} is open in another Carrel process; hint: close it first",
            dir.display()
        ))),
        Err(TryLockError::Error(e)) => Err(e.into()),
    }
}

/// How the last run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastRun {
    /// It closed the file, which is unchanged since.
    Clean,
    /// It did not close the file.
    NotClosed,
    /// It closed the file, and another program changed it since.
    Changed,
}

fn read_last_run(dir: &Path, lock: &mut File) -> io::Result<LastRun> {
    let mut note = String::new();
    lock.seek(SeekFrom::Start(0))?;
    // A note that is not UTF-8 means an unclean end.
    let _ = lock.read_to_string(&mut note);
    let path = dir.join(FILE);
    if !path.exists() {
        return Ok(LastRun::Clean);
    }
    let log = fs::metadata(with_suffix(&path, "-wal")).map_or(0, |m| m.len());
    let note = note.lines().next().unwrap_or_default().trim_end();
    Ok(match note.strip_prefix(CLOSED).map(str::trim) {
        // Older releases wrote a note without a fingerprint.
        Some(recorded) if log == 0 && (recorded.is_empty() || recorded == fingerprint(&path)?) => {
            LastRun::Clean
        }
        Some(_) => LastRun::Changed,
        None => LastRun::NotClosed,
    })
}

/// Returns size and time of modification, which differ after a file was replaced or restored by hand.
fn fingerprint(path: &Path) -> io::Result<String> {
    let found = fs::metadata(path)?;
    let changed = found.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(format!("{} {}", found.len(), changed.as_nanos()))
}

fn write_note(lock: &mut File, text: &str) -> io::Result<()> {
    let line = format!("{text:<width$}\n", width = NOTE_LENGTH - 1);
    lock.seek(SeekFrom::Start(0))?;
    lock.write_all(line.as_bytes())?;
    // The note of an older release may be longer.
    lock.set_len(line.len() as u64)?;
    lock.sync_data()
}

fn open_file(
    dir: &Path,
    options: &Options,
    failpoints: &Failpoints,
    last_run: LastRun,
    lock: &mut File,
) -> Result<(Connection, Journal, Opened)> {
    let clean = last_run == LastRun::Clean;
    backups::remove_unfinished(dir);
    recovery::finish(dir, failpoints)?;
    let path = dir.join(FILE);
    let new_file = is_empty(&path)? && !recovery::can_rebuild(dir);
    let mut opened = Opened { unclean: !clean, ..Opened::default() };
    let mut conn = match open_checked(dir, clean, new_file)? {
        FileState::Sound(conn) => conn,
        FileState::Damaged(problem) => {
            tracing::error!(
                store.file = %path.display(),
                error = problem,
                "user.db is damaged: repairing it"
            );
            opened.damaged_file_kept = !is_empty(&path)?;
            opened.repair = Some(recovery::repair(dir, options, failpoints)?);
            carrel_sqlite::open(&path, carrel_sqlite::Options::default())?
        }
    };
    let now_ms = options.clock.now_ms();
    migrate(&mut conn, dir, now_ms)?;
    let start = conn.unchecked_transaction()?;
    if !clean {
        state::repair_state(&start)?;
    }
    let mut tx = Tx::new(&start, options)?;
    let mut unreadable = None;
    if !clean && !new_file && opened.repair.is_none() {
        unreadable = restore_rows(&mut tx, dir)?;
    }
    if last_run == LastRun::Changed {
        // The cursor may be of another file.
        tx.state().pulled = 0;
    }
    state::after_update(&mut tx, &options.app_version)?;
    tx.state().run += 1;
    tx.finish()?;
    start.commit()?;
    if let Some(repair) = &unreadable
        && let Err(e) = recovery::report(dir, repair)
    {
        tracing::warn!(error = %e, "the report of unreadable rows could not be written");
    }
    opened.repair = opened.repair.take().or(unreadable);
    // If this fails, the log beside the file indicates an unclean end.
    if let Err(e) = write_note(lock, OPEN) {
        tracing::warn!(error = %e, "the lock file could not be updated at start-up");
    }
    RESERVE.fill(dir);
    if let Some(pages) = options.page_limit {
        limit_pages(&conn, pages)?;
    }
    let journal = Journal::open(dir, now_ms, new_file);
    Ok((conn, journal, opened))
}

fn is_empty(path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(found) => Ok(found.len() == 0),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(e) => Err(e),
    }
}

enum FileState {
    Sound(Connection),
    Damaged(String),
}

/// Opens the file. After an unclean run, or if it does not open as a database, a copy in memory is checked first:
/// SQLite would checkpoint the log into a damaged file, and delete the log of an empty one.
fn open_checked(dir: &Path, clean: bool, new_file: bool) -> Result<FileState> {
    let path = dir.join(FILE);
    let open = || carrel_sqlite::open(&path, carrel_sqlite::Options::default());
    if new_file {
        return Ok(FileState::Sound(open()?));
    }
    if is_empty(&path)? {
        return Ok(FileState::Damaged("the file is missing or empty".into()));
    }
    if clean {
        match open() {
            Err(e) if e.cause() == Cause::Corrupt => {}
            Ok(conn) if image::schema_is_damaged(&conn)? => {}
            other => return Ok(FileState::Sound(other?)),
        }
    }
    let found = match check(&path) {
        // Read again: the cause may be a temporary read error.
        Err(e) if e.is_corrupt() => check(&path),
        found => found,
    };
    match found {
        Ok(CheckResult::Sound) => Ok(FileState::Sound(open()?)),
        Ok(CheckResult::IndicesDiffer) => {
            tracing::warn!("indices do not match their tables: recreating them");
            let conn = open()?;
            conn.execute_batch("REINDEX")?;
            Ok(FileState::Sound(conn))
        }
        Err(e) if e.is_corrupt() => Ok(FileState::Damaged(e.to_string())),
        Err(e) => Err(e),
    }
}

enum CheckResult {
    Sound,
    /// Only the indices are damaged.
    IndicesDiffer,
}

/// Checks a copy of the file and its log. Returns `Cause::Corrupt` if it is damaged.
fn check(path: &Path) -> Result<CheckResult> {
    let copy = image::open(image::read(path, true)?)?;
    image::quick_check(&copy)?;
    match carrel_sqlite::integrity_check(&copy) {
        Err(e) if e.cause() == Cause::Corrupt => {
            // In memory, only the stored data can cause a failure.
            copy.execute_batch("REINDEX").map_err(|e| Error::corrupt(e.to_string()))?;
            carrel_sqlite::integrity_check(&copy)?;
            Ok(CheckResult::IndicesDiffer)
        }
        done => Ok(done.map(|()| CheckResult::Sound)?),
    }
}

/// Migrates the schema. If the backup before it cannot be written, migrates without one: a migration is one
/// transaction, and there are daily backups and the journal.
fn migrate(conn: &mut Connection, dir: &Path, now_ms: i64) -> Result<()> {
    match carrel_sqlite::migrate(conn, MIGRATIONS, Some(&backups::folder(dir)), now_ms) {
        Err(e) if matches!(e.cause(), Cause::Full | Cause::Denied) => {
            tracing::warn!(error = %e, "no backup can be made before the migration");
            carrel_sqlite::migrate(conn, MIGRATIONS, None, now_ms)?;
            Ok(())
        }
        done => Ok(done.map(|_| ())?),
    }
}

/// After an unclean run, removes unreadable rows from the tables and joins the journal, which contains changes that a
/// damaged log may have lost. Returns a report if something cannot be restored.
fn restore_rows(tx: &mut Tx<'_>, dir: &Path) -> Result<Option<Repair>> {
    let damaged = checked::move_unreadable_rows(tx.conn(), tx.now_ms())?;
    let journal = journal::read(dir);
    let replayed = recovery::replay(tx, &journal, false)?;
    if !damaged.is_empty() || replayed > 0 {
        tracing::warn!(
            store.damaged = damaged.len(),
            store.replayed = replayed,
            "rows were restored from the journal"
        );
        tx.state().pulled = 0;
    }
    let mut repair = Repair { at_ms: tx.wall_ms(), replayed, ..Repair::default() };
    // The true key of a row whose key is damaged is unknown, so all rows that are missing are restored.
    let is_damaged_key =
        |key: &Option<RowKey>| key.as_ref().is_none_or(|k| !checked::is_valid_key(k));
    let has_damaged_keys = damaged.iter().any(|row| is_damaged_key(&row.key));
    let is_restored = has_damaged_keys && recovery::restore_missing(tx, dir, &journal)?;
    for row in damaged {
        if is_restored && is_damaged_key(&row.key) {
            continue;
        }
        match row.key {
            Some(key) if checked::find(tx.conn(), &key)? == Found::Missing => repair.lost.push(key),
            Some(_) => {}
            None => repair.unreadable += 1,
        }
    }
    Ok((!repair.is_complete()).then_some(repair))
}

/// Opens a copy of the database in memory, for a file that cannot be opened for writing. Writes nothing. `busy`:
/// another Carrel has the file open, and the copy is made by SQLite so that it is consistent.
pub(super) fn read_copy(dir: &Path, options: &Options, busy: bool) -> Result<(Connection, Opened)> {
    let path = recovery::prepared(dir).unwrap_or_else(|| dir.join(FILE));
    if is_empty(&path)? && !recovery::can_rebuild(dir) {
        return Err(Error::NotFound(format!("{} has no data yet", dir.display())));
    }
    let copied = if busy { copy_of_open_file(&path) } else { copy_of_closed_file(&path) };
    let (mut conn, repair) = match copied {
        Ok(conn) => (conn, None),
        Err(e) if e.is_corrupt() && !busy => {
            let (conn, repair) = recovery::repair_in_memory(dir, options)?;
            (conn, Some(repair))
        }
        Err(e) => return Err(e),
    };
    carrel_sqlite::migrate(&mut conn, MIGRATIONS, None, options.clock.now_ms())?;
    if repair.is_none() {
        let transaction = conn.unchecked_transaction()?;
        let mut tx = Tx::new(&transaction, options)?;
        recovery::replay(&mut tx, &journal::read(dir), false)?;
        tx.finish()?;
        transaction.commit()?;
    }
    conn.pragma_update(None, "query_only", true)?;
    Ok((conn, Opened { unclean: true, repair, damaged_file_kept: false }))
}

fn copy_of_closed_file(path: &Path) -> Result<Connection> {
    let bytes = image::read(path, true)?;
    if bytes.is_empty() {
        return Err(Error::corrupt("the file is missing or empty"));
    }
    let conn = image::open(bytes)?;
    image::quick_check(&conn)?;
    Ok(conn)
}

fn copy_of_open_file(path: &Path) -> Result<Connection> {
    let from = carrel_sqlite::open(path, carrel_sqlite::Options::reader())?;
    let mut to = carrel_sqlite::open_in_memory()?;
    rusqlite::backup::Backup::new(&from, &mut to)?.step(-1)?;
    Ok(to)
}

/// Checkpoints the log and records a clean end. `suspect`: damage was reported, and the next start must check the file.
pub(super) fn close(conn: Connection, lock: &mut File, dir: &Path, suspect: bool) {
    carrel_sqlite::database::close(&conn);
    drop(conn);
    let written = match fingerprint(&dir.join(FILE)) {
        Ok(fingerprint) if !suspect => write_note(lock, &format!("{CLOSED} {fingerprint}")),
        Ok(_) => Ok(()),
        Err(e) => Err(e),
    };
    if let Err(e) = written {
        tracing::warn!(error = %e, "the lock file could not be updated at exit: the next start checks the file");
    }
    let _ = lock.unlock();
}

pub(super) fn limit_pages(conn: &Connection, pages: u32) -> Result<()> {
    Ok(conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?)
}
