//! Data folders and target folders: state, lock, and writes that leave no partial result when the process is killed.

use std::{
    fs, io as stdio,
    path::{Path, PathBuf},
};

use crate::{
    error::{Error, io},
    store::Engine,
};

/// Lock file held by a running server.
pub const LOCK: &str = "server.lock";

/// File with the path of the folder to which the server was moved.
pub(crate) const MOVED: &str = "moved";

/// Folder in which a restore is prepared.
pub(crate) const STAGING: &str = "restoring";

/// Files left by a release that prepared a restored database in the data folder itself.
pub(crate) const OLD_RELEASE_FILES: [&str; 3] =
    ["server.db.part", "server.db.part-wal", "server.db.part-shm"];

/// Called before each step with its name. Tests return an error from it to simulate a kill at that point.
pub type Failpoint<'a> = &'a mut dyn FnMut(&'static str) -> Result<(), Error>;

/// Returns an error unless the folder belongs to a server and no restore into it is unfinished.
pub(crate) fn require_server(engine: &dyn Engine, data_dir: &Path) -> Result<(), Error> {
    refuse_moved(data_dir)?;
    refuse_unfinished(engine, data_dir)?;
    if engine.exists(data_dir)? { Ok(()) } else { Err(Error::NoServer(data_dir.to_owned())) }
}

/// Returns true if a restore into the folder was interrupted.
pub fn is_unfinished(data_dir: &Path) -> bool {
    fs::read_dir(data_dir.join(STAGING)).is_ok_and(|mut found| found.next().is_some())
}

/// Returns an error if the server was moved to another folder: what is stored here would be missing there.
pub(crate) fn refuse_moved(data_dir: &Path) -> Result<(), Error> {
    match fs::read_to_string(data_dir.join(MOVED)) {
        Ok(place) => Err(Error::Refused(format!(
            "the server of {data_dir:?} was moved to {place}; hint: use that folder, or delete the file {MOVED:?} to use \
             the old state"
        ))),
        Err(_) => Ok(()),
    }
}

/// Returns an error if a restore into the folder was interrupted, including a restore by a release that prepared the
/// database as `server.db.part`.
pub(crate) fn refuse_unfinished(engine: &dyn Engine, data_dir: &Path) -> Result<(), Error> {
    let is_old_interruption =
        OLD_RELEASE_FILES[..2].iter().any(|name| data_dir.join(name).exists())
            && !data_dir.join(engine.file()).exists();
    if is_unfinished(data_dir) || is_old_interruption {
        return Err(Error::Unfinished(data_dir.to_owned()));
    }
    Ok(())
}

/// Locks the folder for a running server, or for several of them if `is_shared`. Dropping the file releases the lock.
pub(crate) fn lock(data_dir: &Path, is_shared: bool) -> Result<fs::File, Error> {
    let path = data_dir.join(LOCK);
    let file = fs::File::create(&path).map_err(io("create", &path))?;
    match if is_shared { file.try_lock_shared() } else { file.try_lock() } {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Error::Refused(format!(
            "a server is running on {data_dir:?}; hint: stop it first, or name another folder"
        ))),
        Err(fs::TryLockError::Error(e)) => Err(io("lock", &path)(e)),
    }
}

/// Copies content and mode, and syncs the copy to disk.
pub(crate) fn copy_file(from: &Path, to: &Path) -> Result<(), Error> {
    fs::copy(from, to).map_err(io("copy", from))?;
    fs::OpenOptions::new().write(true).open(to).and_then(|f| f.sync_all()).map_err(io("sync", to))
}

/// Writes a small file and syncs it and its folder to disk.
pub(crate) fn write_synced(path: &Path, text: &str) -> Result<(), Error> {
    let written = fs::File::create(path).and_then(|mut f| {
        stdio::Write::write_all(&mut f, text.as_bytes()).and_then(|()| f.sync_all())
    });
    written.map_err(io("write", path))?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Removes a file, if it exists.
pub(crate) fn remove_file(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != stdio::ErrorKind::NotFound => Err(io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Syncs the entries of a folder to disk. Windows has no such call and needs none.
pub(crate) fn sync_dir(folder: &Path) -> Result<(), Error> {
    if cfg!(unix) {
        fs::File::open(folder).and_then(|f| f.sync_all()).map_err(io("sync", folder))?;
    }
    Ok(())
}

/// Marks a folder created by `new_part`: only such a folder, or an empty one, is ever deleted.
const PART_MARKER: &str = ".carrel-part";

/// Creates the folder `to` with the suffix `.part`, which `finish_part` renames. Deletes such a folder left by an
/// interrupted run; returns an error if it has other content.
pub(crate) fn new_part(to: &Path) -> Result<PathBuf, Error> {
    let mut name = to.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    if part.exists() {
        let is_empty = fs::read_dir(&part).is_ok_and(|mut found| found.next().is_none());
        if !is_empty && !part.join(PART_MARKER).is_file() {
            return Err(Error::Refused(format!(
                "{part:?} already exists; hint: move it, or name another folder"
            )));
        }
        fs::remove_dir_all(&part).map_err(io("remove", &part))?;
    }
    fs::create_dir_all(&part).map_err(io("create", &part))?;
    fs::write(part.join(PART_MARKER), "").map_err(io("write", &part))?;
    Ok(part)
}

/// Renames a filled folder to `to` after its entries are synced to disk.
pub(crate) fn finish_part(part: &Path, to: &Path) -> Result<(), Error> {
    let marker = part.join(PART_MARKER);
    fs::remove_file(&marker).map_err(io("remove", &marker))?;
    sync_dir(part)?;
    fs::rename(part, to).map_err(io("rename", part))?;
    to.parent().filter(|f| !f.as_os_str().is_empty()).map_or(Ok(()), sync_dir)
}
