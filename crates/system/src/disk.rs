//! How much space the disk has: through a trait, so that a test can fill it.

use std::{io, path::Path};

pub trait Disk: Send + Sync + 'static {
    /// Bytes that this user may still write on the file system that holds `path` (which exists).
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
}

/// The machine's file systems.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        fs4::available_space(path)
    }
}
