//! Moves a server, or a tenant, to another data folder, which may have another engine: a backup and a restore with the
//! same epoch, whose tables are compared afterwards. The old folder is kept, and no command uses it any more.

use std::{
    fs,
    path::{Path, PathBuf},
};

use carrel_bundle::OFFERED_FOLDER;
use carrel_store::sqlite::{TableDigest, digest};

use crate::{
    backup, blob_place,
    config::Config,
    error::{Error, io},
    folders::{MOVED, copy_file, lock, write_synced},
    fonts, restore,
};

/// What was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    pub tables: usize,
    /// Rows of all tables.
    pub rows: u64,
    pub blobs: u64,
}

/// Moves the data of `from` to the folder and engine of `to`.
///
/// # Errors
/// `Refused` if a server is running on one of the folders, or `to` already has a server; `Damaged` if the moved tables
/// are not equal. Then `from` is unchanged, and can be used or moved again.
pub fn relocate(from: &Config, to: &Config) -> Result<Moved, Error> {
    relocate_with(from, to, false)
}

/// Like `relocate`; with `replace`, what the database and folder of `to` have is copied aside and replaced.
pub(crate) fn relocate_with(from: &Config, to: &Config, replace: bool) -> Result<Moved, Error> {
    let now_ms = from.clock.now_ms();
    let _lock = lock(&from.data_dir, false)?;
    fs::create_dir_all(&to.data_dir).map_err(io("create", &to.data_dir))?;
    let work = tempfile::tempdir_in(&to.data_dir).map_err(io("create", &to.data_dir))?;
    let (copied, copied_again) = (work.path().join("copy"), work.path().join("again"));
    let metadata = backup::backup(from.engine.as_ref(), &from.data_dir, &copied, now_ms)?;
    // Blobs in an object store stay there.
    if blob_place::is_remote(&from.data_dir) {
        let name = blob_place::MARKER;
        copy_file(&from.data_dir.join(name), &to.data_dir.join(name))?;
    }
    let options = restore::Options { keep_epoch: true, replace, ..restore::Options::default() };
    restore::restore(to.engine.as_ref(), &copied, &to.data_dir, options, now_ms)?;
    for name in [fonts::FOLDER, OFFERED_FOLDER] {
        copy_folder(&from.data_dir.join(name), &to.data_dir.join(name))?;
    }
    fs::create_dir_all(&copied_again).map_err(io("create", &copied_again))?;
    to.engine.copy(&to.data_dir, &copied_again)?;
    let (before, after) = (digest(&copied)?, digest(&copied_again)?);
    if before != after {
        let different: Vec<&str> = before
            .iter()
            .filter(|(name, digest)| after.get(*name) != Some(*digest))
            .map(|(name, _)| name.as_str())
            .collect();
        return Err(Error::Damaged {
            path: to.data_dir.clone(),
            problem: format!("the moved tables differ from the old ones: {}", different.join(", ")),
        });
    }
    let place = to.data_dir.display().to_string();
    write_synced(&from.data_dir.join(MOVED), &place)?;
    let rows = before.values().map(|TableDigest { rows, .. }| rows).sum();
    Ok(Moved { tables: before.len(), rows, blobs: metadata.blobs })
}

/// Copies the files of a folder and its folders, if it exists.
fn copy_folder(from: &Path, to: &Path) -> Result<(), Error> {
    if !from.exists() {
        return Ok(());
    }
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.map_err(|e| Error::Refused(format!("read {from:?}: {e}")))?;
        let rest: PathBuf = entry.path().strip_prefix(from).unwrap_or(entry.path()).into();
        let target = to.join(rest);
        if entry.file_type().is_dir() {
            fs::create_dir_all(&target).map_err(io("create", &target))?;
        } else {
            copy_file(entry.path(), &target)?;
        }
    }
    Ok(())
}
