//! A backup is a folder: a compact copy of the database, the signing key, all blobs (hard links where that is possible: they never
//! change), and `backup.json`. It is made while the server runs.
//!
//! Not here: putting one into a data folder (`restore`).

use std::{
    fs, io as stdio,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    blobs::{self, BlobFolder, BlobStore},
    error::{Error, io},
    restore, signing,
    store::Engine,
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

/// Copies a data folder to `to`, which must not exist. The name appears only when the backup is complete and on the disk.
pub fn backup(
    engine: &dyn Engine,
    data_dir: &Path,
    to: &Path,
    now_ms: i64,
) -> Result<BackupFacts, Error> {
    backup_in_steps(engine, data_dir, to, now_ms, &mut |_| Ok(()))
}

/// `backup`, with a function that is called before each step. Tests return an error to end it there, as a kill would.
pub fn backup_in_steps(
    engine: &dyn Engine,
    data_dir: &Path,
    to: &Path,
    now_ms: i64,
    step: restore::Step<'_>,
) -> Result<BackupFacts, Error> {
    if to.exists() {
        return Err(Error::Refused(format!("{to:?} exists already: name a new folder")));
    }
    require_server(engine, data_dir)?;
    step("create the folder")?;
    let part = new_part(to)?;
    step("copy the database")?;
    engine.copy(data_dir, &part)?;
    step("copy the key")?;
    copy_file(&data_dir.join(signing::FILE), &part.join(signing::FILE))?;
    // The list is taken from the copy: a blob that is imported meanwhile belongs to the next backup.
    let copied = engine.copy_facts(&part)?;
    let (from, into) = (BlobFolder::of(data_dir), BlobFolder::of(&part));
    let mut facts = BackupFacts {
        format: FORMAT.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        epoch: copied.epoch,
        created_ms: now_ms,
        blobs: 0,
        blob_bytes: 0,
    };
    for (hash, size) in copied.blobs {
        step("copy a blob")?;
        from.copy_to(hash, &into.path(hash)).map_err(io("copy", from.path(hash)))?;
        facts.blobs += 1;
        facts.blob_bytes += size;
    }
    let text = serde_json::to_string_pretty(&facts).unwrap_or_default();
    step("write the facts")?;
    write_synced(&part.join(FACTS), &text)?;
    step("name the folder")?;
    finish_part(&part, to)?;
    Ok(facts)
}

/// Reads a whole backup: the database's integrity, the key and every blob's hash. Writes nothing, also not to the database's folder.
pub fn check(engine: &dyn Engine, from: &Path) -> Result<BackupFacts, Error> {
    let facts = facts(from)?;
    signing::read(from)?;
    engine.check_copy(from)?;
    let folder = BlobFolder::of(from);
    for (hash, _) in engine.copy_facts(from)?.blobs {
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

/// Reads what a backup says about itself.
pub(crate) fn facts(from: &Path) -> Result<BackupFacts, Error> {
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
    Ok(facts)
}

/// The folder must be a server's, and no restore into it may be unfinished.
pub(crate) fn require_server(engine: &dyn Engine, data_dir: &Path) -> Result<(), Error> {
    restore::refuse_unfinished(engine, data_dir)?;
    if engine.exists(data_dir) { Ok(()) } else { Err(Error::NoServer(data_dir.to_owned())) }
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

/// Copies bytes and mode, and waits until they are on the disk.
pub(crate) fn copy_file(from: &Path, to: &Path) -> Result<(), Error> {
    fs::copy(from, to).map_err(io("copy", from))?;
    fs::OpenOptions::new().write(true).open(to).and_then(|f| f.sync_all()).map_err(io("sync", to))
}

/// Writes a small file and waits until it is on the disk.
pub(crate) fn write_synced(path: &Path, text: &str) -> Result<(), Error> {
    let written = fs::File::create(path).and_then(|mut f| {
        stdio::Write::write_all(&mut f, text.as_bytes()).and_then(|()| f.sync_all())
    });
    written.map_err(io("write", path))?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Waits until the names in a folder are on the disk. Windows has no such call and needs none.
pub(crate) fn sync_dir(folder: &Path) -> Result<(), Error> {
    if cfg!(unix) {
        fs::File::open(folder).and_then(|f| f.sync_all()).map_err(io("sync", folder))?;
    }
    Ok(())
}

/// Marks a folder that was made by `new_part`: only such a folder is ever deleted.
const PART_MARK: &str = ".carrel-part";

/// A new folder beside `to`, to be filled and then renamed. What an interrupted run left there is deleted, anything else refused.
pub(crate) fn new_part(to: &Path) -> Result<PathBuf, Error> {
    let mut name = to.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    if part.exists() {
        let is_empty = fs::read_dir(&part).is_ok_and(|mut found| found.next().is_none());
        if !is_empty && !part.join(PART_MARK).is_file() {
            return Err(Error::Refused(format!(
                "{part:?} is in the way: move it, or name another folder"
            )));
        }
        fs::remove_dir_all(&part).map_err(io("remove", &part))?;
    }
    fs::create_dir_all(&part).map_err(io("create", &part))?;
    fs::write(part.join(PART_MARK), "").map_err(io("write", &part))?;
    Ok(part)
}

/// Gives a filled folder its name, when its names are on the disk.
pub(crate) fn finish_part(part: &Path, to: &Path) -> Result<(), Error> {
    let mark = part.join(PART_MARK);
    fs::remove_file(&mark).map_err(io("remove", &mark))?;
    sync_dir(part)?;
    fs::rename(part, to).map_err(io("rename", part))?;
    to.parent().filter(|f| !f.as_os_str().is_empty()).map_or(Ok(()), sync_dir)
}

/// The blobs folder of a backup has the layout of a data folder.
pub const BLOBS: &str = blobs::FOLDER;
