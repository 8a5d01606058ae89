//! Temporary folders.

use std::{fs, io, path::Path};

use tempfile::TempDir;

/// Creates a temporary folder, in memory if possible, because a simulation makes tens of thousands of
/// durable commits. A killed process leaves the same state as on a disk.
pub fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() {
        tempfile::Builder::new().prefix("carrel-").tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    dir.or_else(|_| tempfile::tempdir()).expect("a temporary folder is created")
}

/// Copies a folder with all its contents.
pub fn copy_dir(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
