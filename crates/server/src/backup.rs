//! Backup of a running server into a folder: a compact copy of the database, the signing key, all blobs (hard links
//! where possible, since blobs are immutable) and `backup.json`.
//!
//! Not here: restoring a backup (`restore`).

use std::{fs, io as stdio, path::Path};

use serde::{Deserialize, Serialize};

use crate::{
    blob_place,
    blobs::{self, BlobFolder},
    error::{Error, io},
    folders::{Failpoint, copy_file, finish_part, new_part, require_server, write_synced},
    key_file,
    store::Engine,
};

const FORMAT: &str = "carrel-backup/1";
const METADATA_FILE: &str = "backup.json";

/// Metadata of a backup, stored as `backup.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupMetadata {
    pub format: String,
    pub version: String,
    /// Epoch of the copied database.
    pub epoch: String,
    pub created_ms: i64,
    pub blobs: u64,
    /// Total size of all blobs, in bytes.
    pub blob_bytes: u64,
}

/// Copies a data folder to `to`, which must not exist. The backup gets this name when it is complete and synced to
/// disk.
pub fn backup(
    engine: &dyn Engine,
    data_dir: &Path,
    to: &Path,
    now_ms: i64,
) -> Result<BackupMetadata, Error> {
    backup_with_failpoints(engine, data_dir, to, now_ms, &mut |_| Ok(()))
}

/// Like `backup`, but calls `failpoint` before each step. Tests return an error from it to simulate a kill at that
/// point.
pub fn backup_with_failpoints(
    engine: &dyn Engine,
    data_dir: &Path,
    to: &Path,
    now_ms: i64,
    failpoint: Failpoint<'_>,
) -> Result<BackupMetadata, Error> {
    if to.exists() {
        return Err(Error::Refused(format!("{to:?} already exists; hint: name a new folder")));
    }
    require_server(engine, data_dir)?;
    failpoint("create the folder")?;
    let part = new_part(to)?;
    failpoint("copy the database")?;
    engine.copy(data_dir, &part)?;
    failpoint("copy the key")?;
    copy_file(&data_dir.join(key_file::FILE), &part.join(key_file::FILE))?;
    // The list is read from the copy; the next backup contains blobs imported after the copy was made.
    let copied = engine.copy_metadata(&part)?;
    let (from, into) = (blob_place::of_folder(data_dir)?, BlobFolder::of(&part));
    let mut metadata = BackupMetadata {
        format: FORMAT.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        epoch: copied.epoch,
        created_ms: now_ms,
        blobs: 0,
        blob_bytes: 0,
    };
    for (hash, size) in copied.blobs {
        failpoint("copy a blob")?;
        let path = into.path(hash);
        from.copy_to(hash, &path).map_err(io("write", path))?;
        metadata.blobs += 1;
        metadata.blob_bytes += size;
    }
    let text = serde_json::to_string_pretty(&metadata).unwrap_or_default();
    failpoint("write the metadata")?;
    write_synced(&part.join(METADATA_FILE), &text)?;
    failpoint("rename the folder")?;
    finish_part(&part, to)?;
    Ok(metadata)
}

/// Verifies a whole backup: the integrity of the database, the key and the hash of every blob. Creates no files, not
/// even beside the database.
pub fn check(engine: &dyn Engine, from: &Path) -> Result<BackupMetadata, Error> {
    let metadata = read_metadata(from)?;
    key_file::read(from)?;
    engine.check_copy(from)?;
    let folder = BlobFolder::of(from);
    for (hash, _) in engine.copy_metadata(from)?.blobs {
        let path = folder.path(hash);
        let mut hasher = blake3::Hasher::new();
        let read = fs::File::open(&path).and_then(|mut f| stdio::copy(&mut f, &mut hasher));
        read.map_err(io("read", &path))?;
        if hasher.finalize().as_bytes() != &hash.0 {
            return Err(Error::Damaged {
                path,
                problem: "the content does not match the hash in the file name".into(),
            });
        }
    }
    Ok(metadata)
}

/// Reads `backup.json`.
pub(crate) fn read_metadata(from: &Path) -> Result<BackupMetadata, Error> {
    let path = from.join(METADATA_FILE);
    let text = fs::read_to_string(&path).map_err(io("read", &path))?;
    let metadata: BackupMetadata = serde_json::from_str(&text)
        .map_err(|e| Error::Damaged { path: path.clone(), problem: e.to_string() })?;
    if metadata.format != FORMAT {
        return Err(Error::Damaged {
            path,
            problem: format!("unknown format {:?}", metadata.format),
        });
    }
    Ok(metadata)
}

/// Name of the blobs folder, which has the same layout as in a data folder.
pub const BLOBS: &str = blobs::FOLDER;
