//! A trait for free disk space, so that tests can simulate a full disk.

use std::{io, path::Path};

/// Reports free disk space.
pub trait Disk: Send + Sync + 'static {
    /// Returns the number of bytes that this user can write to the file system of `path`, which must exist.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
}

/// The file systems of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        fs4::available_space(path)
    }
}
