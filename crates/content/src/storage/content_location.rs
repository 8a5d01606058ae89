//! The location of the content folder, and moving the folder: blobs are copied and verified, then the
//! location file is replaced, then the old folder is emptied. Until the location file is replaced, the
//! old folder is in use. An interrupted move continues at the next start.
//!
//! Files in the folders that do not belong to the store are not changed.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Component, Path, PathBuf},
};

use carrel_model::BlobHash;
use carrel_sqlite::Options;
use carrel_system::files::{sync, write_atomic};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    records::Records,
    sql::hash_at,
    storage::{LOCK, RESERVE_FILE, Storage},
};

const DATABASE: &str = "content.db";
const BLOBS: &str = "blobs";

/// Contents of the location file: the folder in use, the target and the source of a move.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct LocationFile {
    dir: Option<PathBuf>,
    to: Option<PathBuf>,
    from: Option<PathBuf>,
}

/// The stored location of the content folder.
#[derive(Debug, Clone)]
pub struct ContentLocation {
    file: PathBuf,
    default_dir: PathBuf,
}

impl ContentLocation {
    /// Creates a location that is stored in `file`. `default_dir`: the folder in use without this file.
    pub fn new(file: PathBuf, default_dir: PathBuf) -> Self {
        Self { file, default_dir }
    }

    fn read(&self) -> LocationFile {
        let text = fs::read(&self.file).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }
    fn write(&self, location: &LocationFile) -> Result<()> {
        if let Some(dir) = self.file.parent() {
            fs::create_dir_all(dir)?;
        }
        Ok(write_atomic(&self.file, &serde_json::to_vec(location)?)?)
    }

    /// Returns the folder in use.
    pub fn current(&self) -> PathBuf {
        self.read().dir.unwrap_or_else(|| self.default_dir.clone())
    }
    /// Returns the target of a move, from `begin` until `switch` or `cancel`.
    pub fn pending(&self) -> Option<PathBuf> {
        self.read().to
    }

    /// Starts a move. The folder may contain other files, but no other store.
    ///
    /// # Errors
    ///
    /// `Error::Invalid` if the folder is not suitable, `Error::NoSpace` if the content does not fit. The
    /// location is not changed then.
    pub fn begin(&self, storage: &Storage, to: &Path) -> Result<()> {
        storage.require_index()?;
        let invalid = |what: &str| Err(Error::Invalid(format!("{}: {what}", to.display())));
        if !to.is_absolute() || to.components().any(|c| c == Component::ParentDir) {
            return invalid("the path must be absolute and must not contain `..`");
        }
        let (current, target) = (resolve(&self.current()), resolve(to));
        if target.starts_with(&current) || current.starts_with(&target) {
            return invalid("the folder overlaps the current content folder");
        }
        let location = self.read();
        let is_resumed = location.to.as_deref() == Some(to);
        if !is_resumed && (to.join(DATABASE).exists() || to.join(BLOBS).exists()) {
            return invalid("the folder contains other content");
        }
        let is_new = !to.exists();
        if !Storage::is_writable(to) {
            return invalid("the folder is not writable");
        }
        let measured = storage.measure()?;
        let needed = measured.used.saturating_add(storage.limits()?.floor());
        let free = storage.inner.disk.free_bytes(to)?;
        if !is_resumed && free < needed {
            fs::remove_file(to.join(LOCK))?;
            if is_new {
                fs::remove_dir(to)?;
            }
            return Err(Error::NoSpace { missing: needed - free, limit: crate::Limit::Disk });
        }
        self.write(&LocationFile { to: Some(to.to_owned()), ..location })
    }

    /// Cancels a move before the switch and deletes the copies.
    pub fn cancel(&self) -> Result<()> {
        let location = self.read();
        if let Some(to) = &location.to {
            delete_store(to, &|_| {})?;
        }
        self.write(&LocationFile { to: None, ..location })
    }

    /// Copies the blob files while the store is in use, and returns the bytes copied. Existing copies
    /// are kept.
    pub fn copy_blobs(&self, storage: &Storage) -> Result<u64> {
        let Some(to) = self.pending() else { return Ok(0) };
        let rows = storage.inner.db.read_blocking(file_rows)?;
        copy_files(storage, rows, &to)
    }

    /// Completes the move: closes the store, copies new blobs, the records and the database, and replaces
    /// the location file. Clones of the closed store return errors.
    ///
    /// # Errors
    ///
    /// `Error::Invalid` if another process uses the store.
    pub fn switch(&self, storage: &Storage) -> Result<PathBuf> {
        let Some(to) = self.pending() else {
            return Err(Error::Internal("no move is pending".into()));
        };
        storage.require_index()?;
        storage.unlock();
        let lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(storage.dir().join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Invalid(
                    "the content folder is in use by another process".into(),
                ));
            }
            Err(TryLockError::Error(e)) => return Err(e.into()),
        }
        storage.inner.blobs.write_touches()?;
        storage.inner.db.close_blocking();
        let conn = carrel_sqlite::open(&storage.dir().join(DATABASE), Options::reader())?;
        storage.failpoint("closed");
        copy_files(storage, file_rows(&conn)?, &to)?;
        copy_records(&storage.records(), storage.dir(), &to)?;
        storage.failpoint("records");
        carrel_sqlite::backup(&conn, &to.join(DATABASE))?;
        drop(conn);
        storage.failpoint("snapshot");
        let from = self.current();
        self.write(&LocationFile { dir: Some(to.clone()), to: None, from: Some(from) })?;
        storage.failpoint("switched");
        Ok(to)
    }

    /// Deletes the store in the folder that content was moved from, if it still exists.
    pub fn empty_old_folder(&self, failpoint: &dyn Fn(&'static str)) -> Result<()> {
        let location = self.read();
        if let Some(from) = &location.from {
            delete_store(from, failpoint)?;
            self.write(&LocationFile { from: None, ..location })?;
        }
        Ok(())
    }
}

/// Resolves links in the part of the path that exists.
fn resolve(path: &Path) -> PathBuf {
    let known = |from: &Path| {
        let rest = path.strip_prefix(from).ok()?;
        Some(fs::canonicalize(from).ok()?.join(rest))
    };
    path.ancestors().find_map(known).unwrap_or_else(|| path.to_owned())
}

/// Returns the blobs stored in files, and their sizes.
fn file_rows(conn: &Connection) -> Result<Vec<(BlobHash, u64)>> {
    Ok(conn
        .prepare_cached("SELECT hash, size FROM blob WHERE inline = 0")?
        .query_map([], |r| Ok((hash_at(r, 0)?, r.get::<_, i64>(1)?.unsigned_abs())))?
        .collect::<rusqlite::Result<_>>()?)
}

/// Replaces the records in the new folder by copies of the current ones.
fn copy_records(records: &Records, from: &Path, to: &Path) -> Result<()> {
    Records::of(to).remove_all()?;
    let mut folders = std::collections::BTreeSet::new();
    for name in records.files()? {
        let target = to.join(&name);
        if let Some(folder) = target.parent()
            && folders.insert(folder.to_owned())
        {
            fs::create_dir_all(folder)?;
        }
        fs::copy(from.join(&name), &target)?;
        sync(&target)?;
    }
    #[cfg(unix)]
    for folder in folders {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Copies and verifies the blob files that are missing in `to`; returns the bytes copied.
fn copy_files(storage: &Storage, rows: Vec<(BlobHash, u64)>, to: &Path) -> Result<u64> {
    let mut copied = 0;
    for (hash, size) in rows {
        let hex = hash.to_hex();
        let folder = to.join(BLOBS).join(&hex[..2]);
        let (source, target) =
            (storage.dir().join(BLOBS).join(&hex[..2]).join(&hex), folder.join(&hex));
        if fs::metadata(&target).is_ok_and(|m| m.len() == size) {
            continue;
        }
        fs::create_dir_all(&folder)?;
        let new = target.with_extension("moving");
        match fs::copy(&source, &new) {
            // Removed in the meantime; the sweep detects rows without a file.
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e.into()),
            Ok(_) => {}
        }
        let mut file = File::open(&new)?;
        let mut hasher = blake3::Hasher::new();
        io::copy(&mut file, &mut hasher)?;
        if hasher.finalize().as_bytes() != &hash.0 {
            tracing::warn!(blob.hash = ?hash, "the copy of a blob is corrupt");
            fs::remove_file(&new)?;
            continue;
        }
        drop(file);
        sync(&new)?;
        fs::rename(&new, &target)?;
        copied += size;
        storage.failpoint("copied");
    }
    Ok(copied)
}

/// Deletes the files of a store, and the folders that are empty afterwards.
fn delete_store(dir: &Path, failpoint: &dyn Fn(&'static str)) -> Result<()> {
    let remove = |path: PathBuf| match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    };
    // Records first, then the database: a folder without both is not a store.
    Records::of(dir).remove_all()?;
    failpoint("deleted");
    for name in [DATABASE, "content.db-wal", "content.db-shm", RESERVE_FILE] {
        remove(dir.join(name))?;
    }
    failpoint("deleted");
    for first in 0..=u8::MAX {
        let folder = dir.join(BLOBS).join(format!("{first:02x}"));
        let Ok(files) = fs::read_dir(&folder) else { continue };
        for file in files.flatten() {
            let name = file.file_name().into_string().unwrap_or_default();
            if name.get(..64).is_some_and(|hex| hex.parse::<BlobHash>().is_ok()) {
                remove(file.path())?;
            }
        }
        let _ = fs::remove_dir(&folder);
        failpoint("deleted");
    }
    let _ = fs::remove_dir(dir.join(BLOBS));
    remove(dir.join(LOCK))?;
    let _ = fs::remove_dir(dir);
    Ok(())
}
