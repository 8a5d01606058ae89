//! Opening and closing with care: the lock, damage and its repair, migrations, backups, the ballast.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use carrel_model::lattice::{RowType, Validate};
use carrel_sqlite::rows::{self, Owner};
use rusqlite::Connection;

use super::{MIGRATIONS, Options, Tx, state};
use crate::{Error, Result, files::sync};

pub(super) const FILE: &str = "user.db";
const LOCK: &str = "user.lock";
const BALLAST: &str = "ballast";
const BACKUPS: &str = "backups";
const BALLAST_BYTES: usize = 4 * 1024 * 1024;
/// The ballast in pages of 4 KiB.
pub(super) const BALLAST_PAGES: u32 = 1024;
const KEPT: usize = 3;
const DAY_MS: i64 = 24 * 3_600_000;
const OPEN: &[u8] = b"open\n";
const CLOSED: &[u8] = b"closed\n";

/// What had to be done to open a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    /// The last run did not close it: a kill, a crash, a power cut. It was checked.
    pub unclean: bool,
    /// The damaged file, put aside.
    pub damaged: Option<PathBuf>,
    /// The backup that took its place.
    pub restored: Option<PathBuf>,
    /// Rows that could still be read from the damaged file; they are sent again.
    pub salvaged: u32,
}

pub(super) fn open(dir: &Path, options: &Options) -> Result<(Connection, File, Opened)> {
    fs::create_dir_all(dir)?;
    let mut lock = lock(dir)?;
    let mut state = Vec::new();
    lock.read_to_end(&mut state)?;
    let mut opened = Opened { unclean: state == OPEN, ..Opened::default() };
    let conn = match open_file(dir, options, &mut opened) {
        Err(Error::DiskFull(e)) if give_up_ballast(dir) => {
            tracing::warn!(error = %e, "the disk is full: the ballast was given up to open the file");
            open_file(dir, options, &mut opened)?
        }
        other => other?,
    };
    say(&mut lock, OPEN)?;
    fill_ballast(dir);
    if let Some(pages) = options.page_limit {
        limit_pages(&conn, pages)?;
    }
    Ok((conn, lock, opened))
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
        Err(TryLockError::WouldBlock) => Err(Error::Storage(format!(
            "{} is open in another Carrel; hint: close that one first",
            dir.display()
        ))),
        Err(TryLockError::Error(e)) => Err(e.into()),
    }
}

fn say(lock: &mut File, state: &[u8]) -> io::Result<()> {
    lock.seek(SeekFrom::Start(0))?;
    lock.set_len(0)?;
    lock.write_all(state)?;
    lock.sync_data()
}

fn open_file(dir: &Path, options: &Options, opened: &mut Opened) -> Result<Connection> {
    let path = dir.join(FILE);
    let now_ms = options.clock.now_ms();
    let mut conn = match open_checked(&path, opened.unclean) {
        Ok(conn) => conn,
        Err(Error::Corrupt(e)) => {
            tracing::error!(store.file = %path.display(), error = %e, "the learner's file is damaged: it is put aside");
            let aside = put_aside(dir, now_ms)?;
            opened.restored = restore_newest(dir, &path)?;
            opened.damaged = Some(aside);
            open_checked(&path, true)?
        }
        Err(e) => return Err(e),
    };
    carrel_sqlite::migrate(&mut conn, MIGRATIONS, Some(&dir.join(BACKUPS)), now_ms)?;
    let start = conn.unchecked_transaction()?;
    let mut tx = Tx::new(&start, options)?;
    if let Some(damaged) = &opened.damaged {
        opened.salvaged = salvage(&mut tx, damaged);
        tracing::warn!(store.salvaged = opened.salvaged, store.restored = ?opened.restored, "rows of the damaged file were read");
    }
    state::after_update(&mut tx, &options.app_version)?;
    tx.finish()?;
    start.commit()?;
    Ok(conn)
}

fn open_checked(path: &Path, check: bool) -> Result<Connection> {
    let conn = carrel_sqlite::open(path, carrel_sqlite::Options::default())?;
    if check {
        carrel_sqlite::quick_check(&conn)?;
    }
    Ok(conn)
}

/// Renames the file and its log; gives the new name.
fn put_aside(dir: &Path, now_ms: i64) -> Result<PathBuf> {
    let aside = dir.join(format!("user.damaged-{now_ms}.db"));
    for suffix in ["", "-wal", "-shm"] {
        let with = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        match fs::rename(with(&dir.join(FILE)), with(&aside)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e.into()),
            _ => {}
        }
    }
    Ok(aside)
}

/// Copies the newest backup that is sound to `path`. Restoring an old one is always safe: what the server has comes back by itself.
fn restore_newest(dir: &Path, path: &Path) -> Result<Option<PathBuf>> {
    let mut backups = backups(dir, "daily-");
    backups.extend(backups_before(dir));
    backups.sort_by_key(|(ms, _)| std::cmp::Reverse(*ms));
    for (_, backup) in backups {
        let sound = carrel_sqlite::open(&backup, carrel_sqlite::Options::reader())
            .and_then(|conn| carrel_sqlite::quick_check(&conn));
        match sound {
            Ok(()) => {
                fs::copy(&backup, path)?;
                sync(path)?;
                return Ok(Some(backup));
            }
            Err(e) => {
                tracing::warn!(store.backup = %backup.display(), error = %e, "a backup is of no use")
            }
        }
    }
    Ok(None)
}

/// Joins what can still be read of a damaged file; the count of rows that said something new.
fn salvage(tx: &mut Tx<'_>, damaged: &Path) -> u32 {
    let reader = carrel_sqlite::Options { read_only: false, create: false, ..Default::default() };
    let Ok(conn) = carrel_sqlite::open(damaged, reader) else { return 0 };
    let mut saved = 0;
    for row_type in RowType::ALL {
        let read = rows::each(&conn, Owner::Client, *row_type, |row| {
            if row.validate().is_ok() {
                let news = if row.is_server_only() { tx.apply_remote(row) } else { tx.join(row) };
                saved += u32::from(matches!(news, Ok(true)));
            }
            Ok::<_, carrel_sqlite::Error>(())
        });
        if let Err(e) = read {
            tracing::warn!(store.table = row_type.as_str(), error = %e, "the damaged file could not be read to its end");
        }
    }
    saved
}

/// The end of a good run: the log goes into the file, the mark says so.
pub(super) fn close(conn: Connection, lock: &mut File) {
    if let Err(e) = conn.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)") {
        tracing::debug!(error = %e, "the log stays beside the file");
    }
    drop(conn);
    if let Err(e) = say(lock, CLOSED) {
        tracing::warn!(error = %e, "the end of the run could not be noted: the next start checks the file");
    }
    let _ = lock.unlock();
}

/// `daily-<ms>.db` if there is none of the last day; keeps the newest three. True if one was made.
pub(super) fn backup_daily(dir: &Path, now_ms: i64) -> Result<bool> {
    let made = backups(dir, "daily-");
    // A clock that jumped may have left one in the future: then too a day counts.
    if made.iter().any(|(ms, _)| (now_ms - ms).abs() < DAY_MS) {
        return Ok(false);
    }
    let conn = carrel_sqlite::open(&dir.join(FILE), carrel_sqlite::Options::reader())?;
    carrel_sqlite::backup(&conn, &dir.join(BACKUPS).join(format!("daily-{now_ms}.db")))?;
    let mut made = backups(dir, "daily-");
    made.sort_by_key(|(ms, _)| std::cmp::Reverse(*ms));
    for (_, old) in made.into_iter().skip(KEPT) {
        fs::remove_file(old)?;
    }
    Ok(true)
}

fn backups(dir: &Path, prefix: &str) -> Vec<(i64, PathBuf)> {
    let Ok(files) = fs::read_dir(dir.join(BACKUPS)) else { return Vec::new() };
    let named = files.flatten().filter_map(|f| {
        let name = f.file_name().into_string().ok()?;
        Some((
            name.strip_prefix(prefix)?.strip_suffix(".db")?.rsplit('-').next()?.parse().ok()?,
            f.path(),
        ))
    });
    named.collect()
}
fn backups_before(dir: &Path) -> Vec<(i64, PathBuf)> {
    backups(dir, "before-")
}

/// Writes the ballast if it is missing. Without space for it there is none: nothing else depends on it.
pub(super) fn fill_ballast(dir: &Path) {
    let path = dir.join(BALLAST);
    if fs::metadata(&path).is_ok_and(|m| m.len() == BALLAST_BYTES as u64) {
        return;
    }
    // Not zeros: a file system that compresses would give nothing back.
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_le_bytes()
    })
    .take(BALLAST_BYTES / 8)
    .flatten()
    .collect();
    let written =
        File::create(&path).and_then(|mut f| f.write_all(&bytes).and_then(|()| f.sync_all()));
    if let Err(e) = written {
        tracing::warn!(error = %e, "no space for the ballast");
        let _ = fs::remove_file(&path);
    }
}

/// True if there was one: there is a little space now.
pub(super) fn give_up_ballast(dir: &Path) -> bool {
    fs::remove_file(dir.join(BALLAST)).is_ok()
}

pub(super) fn limit_pages(conn: &Connection, pages: u32) -> Result<()> {
    Ok(conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?)
}
