//! Repair of a damaged or missing `user.db`. It may be interrupted at any step; the next start continues it.
//!
//! 1. `user.recovering.db` is built beside the damaged file by joining the newest valid backup, the readable rows of
//!    the damaged file (with and without its log), and the journal of local changes.
//! 2. It is synced and renamed to `user.recovered-<ms>.db`. Until then the damaged file is unchanged, and an
//!    interrupted attempt is restarted.
//! 3. The damaged file and its log are renamed to `user.damaged-<ms>.db`, and the new file is renamed to `user.db`. A
//!    start that finds a `user.recovered-<ms>.db` finishes this step first.
//!
//! What could not be restored is listed in `repair-<ms>.json`.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use carrel_model::lattice::{RowKey, RowType};
use carrel_system::files::{sync, sync_folder_of, write_atomic};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    store::{
        FILE, Failpoints, MIGRATIONS, Options, Tx, backups,
        backups::Backup,
        checked,
        checked::Found,
        image, journal,
        journal::{Contents, Operation},
        outbox, state, with_suffix,
    },
};

const BUILDING: &str = "user.recovering.db";
const PREPARED: &str = "user.recovered-";
const DAMAGED: &str = "user.damaged-";
const REPORT: &str = "repair-";

/// Report of a repair: what was restored, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Repair {
    /// Time of the repair in UTC milliseconds, or the next unused number; part of its file names.
    pub at_ms: i64,
    /// Time of the backup used as the base; `None` if the base was an empty file.
    pub backup_ms: Option<i64>,
    /// Number of rows found in the damaged file only.
    pub salvaged: u32,
    /// Number of rows found in the journal only.
    pub replayed: u32,
    /// Keys of rows that existed and could not be restored.
    pub lost: Vec<RowKey>,
    /// Number of recorded changes that could not be read; their keys are unknown.
    pub unreadable: u64,
    /// Time in UTC milliseconds since which changes may be missing whose keys are unknown; 0 for all time, `None` if
    /// there are none.
    pub unknown_since_ms: Option<i64>,
}

impl Repair {
    /// Returns true if every acknowledged change was restored.
    pub fn is_complete(&self) -> bool {
        self.lost.is_empty() && self.unreadable == 0 && self.unknown_since_ms.is_none()
    }
}

/// Returns true if there is a file that a missing `user.db` can be rebuilt from.
pub(super) fn can_rebuild(dir: &Path) -> bool {
    let log = fs::metadata(with_suffix(&dir.join(FILE), "-wal")).is_ok_and(|m| m.len() > 0);
    log || !backups::all(dir).is_empty() || journal::exists(dir) || !damaged_files(dir).is_empty()
}

/// Builds a new file and replaces the damaged one.
pub(super) fn repair(dir: &Path, options: &Options, failpoints: &Failpoints) -> Result<Repair> {
    failpoints.at("started");
    let building = dir.join(BUILDING);
    remove_database(&building)?;
    let at_ms = unused_number(dir, options.clock.now_ms());
    let repair = build(dir, options, at_ms, |base| {
        // A file built from an unusable backup is deleted first.
        remove_database(&building)?;
        if let Some(backup) = base {
            fs::copy(&backup.path, &building)?;
            sync(&building)?;
        }
        failpoints.at("base copied");
        Ok(carrel_sqlite::open(&building, carrel_sqlite::Options::default())?)
    })?;
    let (conn, repair) = repair;
    failpoints.at("joined");
    carrel_sqlite::quick_check(&conn)?;
    // Checkpoint the log, so that only one file has to be renamed.
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    conn.close().map_err(|(_, e)| e)?;
    sync(&building)?;
    failpoints.at("closed");
    write_atomic(&dir.join(format!("{REPORT}{at_ms}.json")), &serde_json::to_vec_pretty(&repair)?)?;
    failpoints.at("reported");
    fs::rename(&building, dir.join(format!("{PREPARED}{at_ms}.db")))?;
    sync_folder_of(&building)?;
    failpoints.at("prepared");
    finish(dir, failpoints)?;
    Ok(repair)
}

/// Renames a prepared file, of this or an interrupted run, to `user.db`.
pub(super) fn finish(dir: &Path, failpoints: &Failpoints) -> Result<()> {
    let Some((at_ms, prepared)) = numbered(dir, PREPARED).pop() else { return Ok(()) };
    let path = dir.join(FILE);
    let renamed = dir.join(format!("{DAMAGED}{at_ms}.db"));
    // Logs first: a log must never be beside a file that it does not belong to.
    for suffix in ["-wal", "-shm", ""] {
        rename_if_exists(&with_suffix(&path, suffix), &with_suffix(&renamed, suffix))?;
        failpoints.at("renamed");
    }
    fs::rename(&prepared, &path)?;
    sync_folder_of(&path)?;
    failpoints.at("replaced");
    Ok(())
}

/// Returns the prepared file that is not yet renamed to `user.db`.
pub(super) fn prepared(dir: &Path) -> Option<PathBuf> {
    numbered(dir, PREPARED).pop().map(|(_, path)| path)
}

/// Repairs into memory, for a disk that cannot be written: the data can be read until the file is repaired.
pub(super) fn repair_in_memory(dir: &Path, options: &Options) -> Result<(Connection, Repair)> {
    build(dir, options, options.clock.now_ms(), |base| {
        image::open(match base {
            Some(backup) => image::read(&backup.path, true)?,
            None => Vec::new(),
        })
    })
}

/// Returns the report of the last repair that is not marked as read.
pub(super) fn last_report(dir: &Path) -> Option<Repair> {
    let (_, path) = numbered_as(dir, REPORT, ".json").pop()?;
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
/// Writes the report of a check of a file that was not replaced.
pub(super) fn report(dir: &Path, repair: &Repair) -> Result<()> {
    let name = format!("{REPORT}{}.json", repair.at_ms);
    Ok(write_atomic(&dir.join(name), &serde_json::to_vec_pretty(repair)?)?)
}
/// Marks the reports as read by renaming them.
pub(super) fn mark_reports_read(dir: &Path) -> Result<()> {
    for (at_ms, path) in numbered_as(dir, REPORT, ".json") {
        fs::rename(path, dir.join(format!("read-{REPORT}{at_ms}.json")))?;
    }
    Ok(())
}

/// Joins all known rows into a database based on the newest usable backup.
fn build(
    dir: &Path,
    options: &Options,
    at_ms: i64,
    mut open: impl FnMut(Option<&Backup>) -> Result<Connection>,
) -> Result<(Connection, Repair)> {
    let sources = sources(dir)?;
    let journal = journal::read(dir);
    let mut repair = Repair { at_ms, ..Repair::default() };
    let (base, mut conn) = open_base(dir, options, &mut open)?;
    repair.backup_ms = base.as_ref().map(|b| b.at_ms);
    let transaction = conn.transaction()?;
    state::repair_state(&transaction)?;
    let mut tx = Tx::new(&transaction, options)?;
    let mut known = BTreeSet::new();
    checked::move_unreadable_rows(tx.conn(), tx.now_ms())?;
    for source in &sources {
        repair.salvaged += salvage(&mut tx, source, &mut known);
    }
    repair.replayed = replay(&mut tx, &journal, true)?;
    known.extend(waiting_keys(tx.conn()));
    // Rows that the server received after the backup are pulled again.
    tx.state().pulled = 0;
    state::after_update(&mut tx, &options.app_version)?;
    for key in known {
        if checked::find(tx.conn(), &key)? == Found::Missing {
            outbox::remove(tx.conn(), &key)?;
            repair.lost.push(key);
        }
    }
    repair.unreadable = journal.gaps.iter().map(|g| g.entries).sum();
    repair.unknown_since_ms = unknown_since(dir, base.as_ref(), &journal);
    if repair.unreadable == 0 && repair.unknown_since_ms.is_none() && !repair.lost.is_empty() {
        // Backup and journal contain all changes of this device; the other keys in the damaged file are of pulled rows,
        // or invalid.
        tracing::info!(
            store.keys = ?repair.lost,
            "ignored keys of the damaged file that were not recorded on this device"
        );
        repair.lost.clear();
    }
    tx.finish()?;
    transaction.commit()?;
    tracing::warn!(store.backup = ?repair.backup_ms, store.salvaged = repair.salvaged, store.replayed = repair.replayed,
        store.lost = repair.lost.len(), store.unreadable = repair.unreadable, "user.db was rebuilt");
    Ok((conn, repair))
}

/// Opens the newest valid backup with a known schema; otherwise an empty database.
fn open_base(
    dir: &Path,
    options: &Options,
    open: &mut impl FnMut(Option<&Backup>) -> Result<Connection>,
) -> Result<(Option<Backup>, Connection)> {
    let now_ms = options.clock.now_ms();
    for backup in backups::all(dir) {
        let sound = image::read(&backup.path, true)
            .map_err(Error::from)
            .and_then(|bytes| {
                if bytes.is_empty() { Err(Error::corrupt("empty")) } else { image::open(bytes) }
            })
            .and_then(|mut copy| {
                image::quick_check(&copy)?;
                Ok(carrel_sqlite::migrate(&mut copy, MIGRATIONS, None, now_ms)?)
            });
        if let Err(e) = sound {
            tracing::warn!(store.backup = %backup.path.display(), error = %e, "a backup cannot be used");
            continue;
        }
        let mut conn = open(Some(&backup))?;
        carrel_sqlite::migrate(&mut conn, MIGRATIONS, None, now_ms)?;
        return Ok((Some(backup), conn));
    }
    let mut conn = open(None)?;
    carrel_sqlite::migrate(&mut conn, MIGRATIONS, None, now_ms)?;
    Ok((None, conn))
}

/// Imports the rows of the newest valid backup that the file does not have. Returns true if backup and journal contain
/// all changes of this device.
pub(super) fn restore_missing(tx: &mut Tx<'_>, dir: &Path, journal: &Contents) -> Result<bool> {
    for backup in backups::all(dir) {
        let opened = image::read(&backup.path, true).map_err(Error::from).and_then(|bytes| {
            let copy = image::open_damaged(bytes)?;
            image::quick_check(&copy)?;
            Ok(copy)
        });
        let Ok(copy) = opened else { continue };
        for row_type in RowType::ALL {
            checked::each_of_earlier_schema(&copy, *row_type, "", |row| {
                if checked::find(tx.conn(), &row.key())? != Found::Missing {
                    return Ok(());
                }
                match if row.is_server_only() { tx.apply_remote(row) } else { tx.import(row) } {
                    Ok(_) | Err(Error::Invalid(_)) => Ok(()),
                    Err(e) => Err(e),
                }
            })?;
        }
        return Ok(unknown_since(dir, Some(&backup), journal).is_none());
    }
    Ok(false)
}

/// Returns copies in memory of the files that may contain readable rows: the damaged file (if there is none, the newest
/// renamed one), with its log and without, because a wrong or damaged log hides rows of the file.
fn sources(dir: &Path) -> Result<Vec<Connection>> {
    let path = dir.join(FILE);
    let missing = fs::metadata(&path).map_or(0, |m| m.len()) == 0;
    let mut files = vec![path];
    if missing {
        files.extend(damaged_files(dir).pop());
    }
    let mut found = Vec::new();
    for file in files {
        for with_log in [true, false] {
            // A read error is returned: it may be temporary and must not exclude the file from the repair.
            let bytes = image::read(&file, with_log)?;
            let Ok(conn) = image::open_damaged(bytes) else { continue };
            let newest = "SELECT max(number) FROM schema_migration";
            let schema: u32 = conn.query_row(newest, [], |r| r.get(0)).unwrap_or(0);
            if schema > MIGRATIONS.len() as u32 {
                let app = MIGRATIONS.len() as u32;
                return Err(carrel_sqlite::Error::NewerFile { file: schema, app }.into());
            }
            found.push(conn);
        }
    }
    Ok(found)
}

/// Joins the readable rows of a damaged file and collects all keys found in it; returns the number of rows that were
/// new.
fn salvage(tx: &mut Tx<'_>, source: &Connection, known: &mut BTreeSet<RowKey>) -> u32 {
    if let Ok(state) = state::load(source) {
        let hlc = tx.state().hlc.observe(state.hlc);
        tx.state().hlc = hlc;
    }
    let mut saved = 0;
    for row_type in RowType::ALL {
        // Read from both ends, because a scan stops at the first damaged page.
        for order in ["", " DESC"] {
            let clause = checked::order_by(*row_type, order);
            let read = checked::each_of_earlier_schema(source, *row_type, &clause, |row| {
                known.insert(row.key());
                let result =
                    if row.is_server_only() { tx.apply_remote(row) } else { tx.import(row) };
                match result {
                    Ok(is_new) => saved += u32::from(is_new),
                    Err(Error::Invalid(_)) => {}
                    Err(e) => return Err(e),
                }
                Ok(())
            });
            match read {
                Ok(()) => break,
                Err(e) => {
                    tracing::warn!(
                        store.table = row_type.as_str(),
                        error = %e,
                        "a table of the damaged file was read only in part"
                    )
                }
            }
        }
    }
    known.extend(waiting_keys(source));
    known.extend(indexed_keys(source));
    saved
}

fn waiting_keys(conn: &Connection) -> Vec<RowKey> {
    let mut keys = Vec::new();
    for table in ["outbox", "receipt", "quarantine"] {
        keys.extend(
            text_keys(conn, &format!("SELECT row_type, key FROM {table}")).into_iter().filter_map(
                |(row_type, key)| Some(RowKey { row_type: RowType::parse(&row_type)?, key }),
            ),
        );
    }
    keys
}

/// Returns the keys in indices. Their rows may be unreadable.
fn indexed_keys(conn: &Connection) -> Vec<RowKey> {
    let progress = text_keys(conn, "SELECT kind, item FROM progress INDEXED BY progress_item");
    let mut keys: Vec<RowKey> = progress
        .into_iter()
        .map(|(kind, item)| RowKey::of(RowType::Progress, &[kind, item]))
        .collect();
    for (row_type, table, index, column) in [
        (RowType::Session, "study_session", "study_session_item", "item"),
        (RowType::Attempt, "attempt", "attempt_quiz", "quiz"),
        (RowType::Review, "review", "review_word", "word"),
    ] {
        let sql = format!("SELECT lower(hex(id)), {column} FROM {table} INDEXED BY {index}");
        for (id, _) in text_keys(conn, &sql) {
            if let Ok(id) = id.parse::<uuid::Uuid>() {
                keys.push(RowKey { row_type, key: id.to_string() });
            }
        }
    }
    keys.retain(checked::is_valid_key);
    keys
}

/// Returns the pairs of texts that a statement returns up to the first read error.
fn text_keys(conn: &Connection, sql: &str) -> Vec<(String, String)> {
    let Ok(mut stmt) = conn.prepare(sql) else { return Vec::new() };
    let Ok(rows) = stmt.query_map([], |r| Ok((r.get(0)?, r.get(1)?))) else { return Vec::new() };
    rows.map_while(|r| r.ok()).collect()
}

/// Joins the journal and returns the number of rows that changed. `exact`: the file is older than all entries, and
/// replaced rows are replaced again. Otherwise the file may contain later changes, and rows are only joined.
pub(super) fn replay(tx: &mut Tx<'_>, journal: &Contents, exact: bool) -> Result<u32> {
    let mut replaced: BTreeSet<(usize, RowKey)> = BTreeSet::new();
    if !exact {
        let replacing = |(_, e): &(usize, &journal::Entry)| e.operation == Operation::Replace;
        let entries = journal.entries.iter().enumerate();
        replaced.extend(entries.filter(replacing).map(|(at, e)| (at, e.row.key())));
    }
    let mut changed_rows = 0;
    for (at, entry) in journal.entries.iter().enumerate() {
        let key = entry.row.key();
        if !exact && replaced.iter().any(|(later, of)| *later > at && *of == key) {
            continue;
        }
        if exact && entry.operation == Operation::Replace {
            tx.replace(&entry.row)?;
            tx.mark_dirty(&key)?;
            continue;
        }
        match tx.import(entry.row.clone()) {
            Ok(changed) => changed_rows += u32::from(changed),
            Err(Error::Invalid(_)) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(changed_rows)
}

/// Returns the time since which there may be changes that are in neither the backup nor the journal.
fn unknown_since(dir: &Path, base: Option<&Backup>, journal: &Contents) -> Option<i64> {
    match base {
        Some(base) if journal::covers(dir, base.at_ms) => None,
        Some(base) => Some(base.at_ms),
        // The journal was started with the file.
        None if journal.first == Some(0) => None,
        None => Some(0),
    }
}

fn damaged_files(dir: &Path) -> Vec<PathBuf> {
    numbered(dir, DAMAGED).into_iter().map(|(_, path)| path).collect()
}
fn numbered(dir: &Path, prefix: &str) -> Vec<(i64, PathBuf)> {
    numbered_as(dir, prefix, ".db")
}
/// Returns the files named `<prefix><number><suffix>`, greatest number last.
fn numbered_as(dir: &Path, prefix: &str, suffix: &str) -> Vec<(i64, PathBuf)> {
    let Ok(files) = fs::read_dir(dir) else { return Vec::new() };
    let named = files.flatten().filter_map(|f| {
        let name = f.file_name().into_string().ok()?;
        let number = name.strip_prefix(prefix)?.strip_suffix(suffix)?.parse().ok()?;
        Some((number, f.path()))
    });
    let mut found: Vec<(i64, PathBuf)> = named.collect();
    found.sort();
    found
}
/// Returns a number that no earlier damaged file or report uses.
fn unused_number(dir: &Path, now_ms: i64) -> i64 {
    let taken = |n: i64| {
        ["", "-wal", "-shm"]
            .iter()
            .any(|suffix| dir.join(format!("{DAMAGED}{n}.db{suffix}")).exists())
            || dir.join(format!("{REPORT}{n}.json")).exists()
    };
    (now_ms..).find(|n| !taken(*n)).unwrap_or(now_ms)
}

fn remove_database(path: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        match fs::remove_file(with_suffix(path, suffix)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}
fn rename_if_exists(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}
