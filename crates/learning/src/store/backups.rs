//! Backups of `user.db`: one a day (three are kept), and one before each migration.

use std::{
    fs,
    path::{Path, PathBuf},
};

use parking_lot::Mutex;

use crate::{
    Error, Result,
    store::{FILE, RESERVE, journal, journal::Journal},
};

const FOLDER: &str = "backups";
const DAILY: &str = "daily-";
const BEFORE: &str = "before-";
const MAX_DAILY: usize = 3;
const DAY_MS: i64 = 24 * 3_600_000;

/// A backup, found by its file name. It is verified only when it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backup {
    pub at_ms: i64,
    pub path: PathBuf,
}

pub(super) fn folder(dir: &Path) -> PathBuf {
    dir.join(FOLDER)
}

/// Returns all backups, newest first.
pub(super) fn all(dir: &Path) -> Vec<Backup> {
    let mut found = named(dir, DAILY);
    found.extend(named(dir, BEFORE));
    found.sort_by_key(|b| std::cmp::Reverse(b.at_ms));
    found
}

/// Makes `daily-<ms>.db` if there is none of the last day or the journal is incomplete, and keeps the newest three.
/// Returns true if a backup was made.
pub(super) fn make_daily(dir: &Path, now_ms: i64, journal: &Mutex<Journal>) -> Result<bool> {
    let needed = journal.lock().needs_backup();
    // After a clock jump the time of the last backup may be in the future, so the absolute difference is compared.
    let recent = named(dir, DAILY).iter().any(|b| (now_ms - b.at_ms).abs() < DAY_MS);
    if recent && !needed {
        return Ok(false);
    }
    let bytes = fs::metadata(dir.join(FILE))?.len();
    let free = fs4::available_space(dir)?;
    if free < 2 * bytes + RESERVE.bytes {
        return Err(Error::full(format!(
            "no space for a backup of {bytes} bytes: {free} bytes are free"
        )));
    }
    // The new segment is started before the copy, so that changes during the copy are in the segment.
    journal.lock().rotate(now_ms)?;
    let made = copy(dir, now_ms);
    if made.is_err() {
        journal.lock().set_incomplete();
    }
    made?;
    let mut daily = named(dir, DAILY);
    daily.sort_by_key(|b| std::cmp::Reverse(b.at_ms));
    for old in daily.iter().skip(MAX_DAILY) {
        fs::remove_file(&old.path)?;
    }
    if let Some(oldest) = daily.get(MAX_DAILY - 1) {
        journal::prune(dir, oldest.at_ms);
    }
    Ok(true)
}

/// Deletes the files of interrupted backups. Must not be called while a backup is being made.
pub(super) fn remove_unfinished(dir: &Path) {
    let Ok(files) = fs::read_dir(folder(dir)) else { return };
    for path in files.flatten().map(|f| f.path()) {
        if path.extension().is_some_and(|e| e == "part")
            && let Err(e) = fs::remove_file(&path)
        {
            tracing::warn!(store.backup = %path.display(), error = %e, "an unfinished backup could not be deleted");
        }
    }
}

fn copy(dir: &Path, now_ms: i64) -> Result<()> {
    let conn = carrel_sqlite::open(&dir.join(FILE), carrel_sqlite::Options::reader())?;
    Ok(carrel_sqlite::backup(&conn, &folder(dir).join(format!("{DAILY}{now_ms}.db")))?)
}

fn named(dir: &Path, prefix: &str) -> Vec<Backup> {
    let Ok(files) = fs::read_dir(folder(dir)) else { return Vec::new() };
    let named = files.flatten().filter_map(|f| {
        let name = f.file_name().into_string().ok()?;
        let at_ms = name.strip_prefix(prefix)?.strip_suffix(".db")?.rsplit('-').next()?;
        Some(Backup { at_ms: at_ms.parse().ok()?, path: f.path() })
    });
    named.collect()
}
