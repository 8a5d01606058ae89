//! Data folders and other folders of files: what state they are in, who has them, and files that are written so that a kill leaves
//! nothing half.

use std::{
    fs, io as stdio,
    path::{Path, PathBuf},
};

use crate::{
    error::{Error, io},
    store::Engine,
};

/// Held by a server as long as it runs.
pub const LOCK: &str = "server.lock";

/// The folder in which a restore is prepared.
pub(crate) const STAGING: &str = "restoring";

/// Traces of a release that prepared the database beside its place.
pub(crate) const OLD_TRACES: [&str; 3] =
    ["server.db.part", "server.db.part-wal", "server.db.part-shm"];

/// Called before each step with its name. Tests return an error to end the restore there, as a kill would.
pub type Step<'a> = &'a mut dyn FnMut(&'static str) -> Result<(), Error>;

/// The folder must be a server's, and no restore into it may be unfinished.
pub(crate) fn require_server(engine: &dyn Engine, data_dir: &Path) -> Result<(), Error> {
    refuse_unfinished(engine, data_dir)?;
    if engine.exists(data_dir) { Ok(()) } else { Err(Error::NoServer(data_dir.to_owned())) }
}

/// True if a restore into the folder was interrupted.
pub fn is_unfinished(data_dir: &Path) -> bool {
    fs::read_dir(data_dir.join(STAGING)).is_ok_and(|mut found| found.next().is_some())
}

/// Refuses a folder into which a restore was interrupted. Also one of a release that prepared the database as `server.db.part`.
pub(crate) fn refuse_unfinished(engine: &dyn Engine, data_dir: &Path) -> Result<(), Error> {
    let is_old_trace = OLD_TRACES[..2].iter().any(|name| data_dir.join(name).exists())
        && !data_dir.join(engine.file()).exists();
    if is_unfinished(data_dir) || is_old_trace {
        return Err(Error::Unfinished(data_dir.to_owned()));
    }
    Ok(())
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
