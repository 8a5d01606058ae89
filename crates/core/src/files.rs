//! Files that are whole or not there, and on the disk when a call says so, on every system.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
};

use crate::Result;

/// Either the old bytes or the new ones are there, never half of them. Readable by the owner alone.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let part = path.with_extension("part");
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&part, path)?;
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Waits until what was written to the file, by whomever, is on the disk. Windows wants to be able to write for that.
pub(crate) fn sync(path: &Path) -> Result<()> {
    Ok(File::options().write(true).open(path)?.sync_all()?)
}
