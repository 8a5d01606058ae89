//! Free disk space behind a trait, so that tests can simulate a full disk.

use std::{io, path::Path};

/// Reports free disk space.
pub trait Disk: Send + Sync + 'static {
    /// Returns the bytes that this user may still write on the file system of `path`, which must exist.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
}

/// The file systems of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        fs4::available_space(path)
    }
}
