//! A simulated disk of a given size, which is used by the files in one folder.

use std::{
    fs, io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use carrel_system::Disk;

/// A simulated disk. Clones share the size.
#[derive(Clone)]
pub struct FakeDisk {
    capacity: Arc<AtomicU64>,
    queries: Arc<AtomicU64>,
}

impl FakeDisk {
    pub fn new(capacity: u64) -> Self {
        Self { capacity: Arc::new(AtomicU64::new(capacity)), queries: Arc::default() }
    }
    /// Changes the size, which simulates files of other programs.
    pub fn set_capacity(&self, bytes: u64) {
        self.capacity.store(bytes, Ordering::SeqCst);
    }
    /// Returns how often the free space was queried.
    pub fn queries(&self) -> u64 {
        self.queries.load(Ordering::SeqCst)
    }
}

impl Disk for FakeDisk {
    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.queries.fetch_add(1, Ordering::SeqCst);
        Ok(self.capacity.load(Ordering::SeqCst).saturating_sub(length_of(path)))
    }
}

/// Returns the sum of the lengths of all files in a folder, independently of the code under test.
pub fn length_of(dir: &Path) -> u64 {
    let (mut sum, mut folders) = (0, vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(m) if m.is_dir() => folders.push(entry.path()),
                Ok(m) => sum += m.len(),
                Err(_) => {}
            }
        }
    }
    sum
}
