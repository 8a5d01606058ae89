//! A backup is a folder: a compact copy of the database, the signing key, all blobs (hard links where that is possible: they never
//! change), and `backup.json`. It is made while the server runs. Restoring gives the database a new epoch, so that devices send what
//! the backup does not have.

use std::{
    fs, io as stdio,
    path::{Path, PathBuf},
};

use carrel_model::BlobHash;
use carrel_sqlite::Options;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use crate::{
    blobs::{self, BlobFolder},
    error::{Error, io},
    signing,
    store::sqlite,
};

const FORMAT: &str = "carrel-backup/1";
const FACTS: &str = "backup.json";
/// Held by a server as long as it runs.
pub const LOCK: &str = "server.lock";

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupFacts {
    pub format: String,
    pub version: String,
    /// The epoch of the database that was copied.
    pub epoch: String,
    pub created_ms: i64,
    pub blobs: u64,
    /// Bytes of all blobs.
    pub blob_bytes: u64,
}

/// Copies a data folder to `to`, which must not exist. The name appears only when the backup is complete.
pub fn backup(data_dir: &Path, to: &Path, now_ms: i64) -> Result<BackupFacts, Error> {
    if to.exists() {
        return Err(Error::Refused(format!("{to:?} exists already: name a new folder")));
    }
    let conn = carrel_sqlite::open(&data_dir.join(sqlite::FILE), Options::reader())?;
    let part = part_of(to);
    if part.exists() {
        fs::remove_dir_all(&part).map_err(io("remove", &part))?;
    }
    fs::create_dir_all(&part).map_err(io("create", &part))?;
    let copy = part.join(sqlite::FILE);
    carrel_sqlite::backup(&conn, &copy)?;
    copy_file(&data_dir.join(signing::FILE), &part.join(signing::FILE))?;
    // The list is taken from the copy: a blob that is imported meanwhile belongs to the next backup.
    let conn = carrel_sqlite::open(&copy, Options { create: false, ..Options::default() })?;
    let (from, into) = (BlobFolder::of(data_dir), BlobFolder::of(&part));
    let mut facts = BackupFacts {
        format: FORMAT.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        epoch: sqlite::fact(&conn, "epoch")?.unwrap_or_default(),
        created_ms: now_ms,
        blobs: 0,
        blob_bytes: 0,
    };
    for (hash, size) in blob_list(&conn)? {
        link_or_copy(&from.path(hash), &into.path(hash))?;
        facts.blobs += 1;
        facts.blob_bytes += size;
    }
    drop(conn);
    let text = serde_json::to_string_pretty(&facts).unwrap_or_default();
    fs::write(part.join(FACTS), text).map_err(io("write", part.join(FACTS)))?;
    fs::rename(&part, to).map_err(io("rename", &part))?;
    Ok(facts)
}

/// Checks a backup to the last byte and puts it into `data_dir` with a new epoch, which is returned. A database that is there is
/// refused, or with `replace` moved aside. No server may run on the folder.
pub fn restore(from: &Path, data_dir: &Path, replace: bool, now_ms: i64) -> Result<String, Error> {
    let facts = check(from)?;
    fs::create_dir_all(data_dir).map_err(io("create", data_dir))?;
    let _lock = lock(data_dir)?;
    let file = data_dir.join(sqlite::FILE);
    if file.exists() {
        if !replace {
            return Err(Error::Refused(format!(
                "{file:?} exists: restore into an empty folder, or say --replace (it is moved aside, not deleted)"
            )));
        }
        let aside = data_dir.join(format!("replaced-{now_ms}"));
        fs::create_dir_all(&aside).map_err(io("create", &aside))?;
        for name in [sqlite::FILE, "server.db-wal", "server.db-shm", signing::FILE] {
            let old = data_dir.join(name);
            if old.exists() {
                fs::rename(&old, aside.join(name)).map_err(io("move", &old))?;
            }
        }
    }
    let (source, into) = (BlobFolder::of(from), BlobFolder::of(data_dir));
    let copy = from.join(sqlite::FILE);
    for (hash, _) in blob_list(&open(&copy)?)? {
        link_or_copy(&source.path(hash), &into.path(hash))?;
    }
    copy_file(&from.join(signing::FILE), &data_dir.join(signing::FILE))?;
    // The database comes last, and with its new epoch: half a restore is no server.
    let part = data_dir.join("server.db.part");
    copy_file(&copy, &part)?;
    let conn = sqlite::open_file(&part, &data_dir.join("backups"), now_ms)?;
    let epoch = sqlite::set_epoch(&conn)?;
    conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    drop(conn);
    for side in ["server.db.part-wal", "server.db.part-shm"] {
        let _ = fs::remove_file(data_dir.join(side));
    }
    fs::rename(&part, &file).map_err(io("rename", &part))?;
    tracing::info!(backup.epoch = %facts.epoch, server.epoch = %epoch, "restored");
    Ok(epoch)
}

/// Reads a whole backup: the database's integrity and every blob's hash.
pub fn check(from: &Path) -> Result<BackupFacts, Error> {
    let path = from.join(FACTS);
    let text = fs::read_to_string(&path).map_err(io("read", &path))?;
    let facts: BackupFacts = serde_json::from_str(&text)
        .map_err(|e| Error::Damaged { path: path.clone(), problem: e.to_string() })?;
    if facts.format != FORMAT {
        return Err(Error::Damaged {
            path,
            problem: format!("the format {:?} is not known here", facts.format),
        });
    }
    let conn = open(&from.join(sqlite::FILE))?;
    carrel_sqlite::integrity_check(&conn)?;
    let folder = BlobFolder::of(from);
    for (hash, _) in blob_list(&conn)? {
        let path = folder.path(hash);
        let mut hasher = blake3::Hasher::new();
        let read = fs::File::open(&path).and_then(|mut f| stdio::copy(&mut f, &mut hasher));
        read.map_err(io("read", &path))?;
        if hasher.finalize().as_bytes() != &hash.0 {
            return Err(Error::Damaged {
                path,
                problem: "the bytes do not have the hash of the name".into(),
            });
        }
    }
    Ok(facts)
}

fn open(copy: &Path) -> Result<Connection, Error> {
    Ok(carrel_sqlite::open(copy, Options { create: false, ..Options::default() })?)
}

/// Takes the folder for one process. The lock ends with the file.
pub(crate) fn lock(data_dir: &Path) -> Result<fs::File, Error> {
    let path = data_dir.join(LOCK);
    let file = fs::File::create(&path).map_err(io("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Error::Refused(format!(
            "a server runs on {data_dir:?}: stop it first, or name another folder"
        ))),
        Err(fs::TryLockError::Error(e)) => Err(io("lock", &path)(e)),
    }
}

fn blob_list(conn: &Connection) -> Result<Vec<(BlobHash, u64)>, Error> {
    let mut stmt = conn.prepare("SELECT hash, size FROM blob ORDER BY hash")?;
    let rows =
        stmt.query_map([], |r| Ok((BlobHash(r.get(0)?), r.get::<_, i64>(1)?.unsigned_abs())))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Blobs never change, so two names for one file are as good as two files.
pub(crate) fn link_or_copy(from: &Path, to: &Path) -> Result<(), Error> {
    if to.exists() {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(io("create", folder))?;
    }
    match fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == stdio::ErrorKind::NotFound => Err(io("read", from)(e)),
        Err(_) => copy_file(from, to),
    }
}

/// Copies bytes and mode, and waits until they are on the disk.
fn copy_file(from: &Path, to: &Path) -> Result<(), Error> {
    fs::copy(from, to).map_err(io("copy", from))?;
    fs::OpenOptions::new().write(true).open(to).and_then(|f| f.sync_all()).map_err(io("sync", to))
}

pub(crate) fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// The blobs folder of a backup has the layout of a data folder.
pub const BLOBS: &str = blobs::FOLDER;
