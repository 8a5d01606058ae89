//! Folders that go away with their owner.

use std::{fs, io, path::Path};

use tempfile::TempDir;

/// A folder of its own, in memory where the system has such a place (a simulation makes ten thousands of durable commits; what a
/// killed process leaves behind is the same there as on a disk), else where temporary files go.
pub fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() {
        tempfile::Builder::new().prefix("carrel-").tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    made.or_else(|_| tempfile::tempdir()).expect("a temporary folder")
}

/// Copies a folder with everything in it: a cloned disk.
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
