//! Free-space check for other files that can be fetched again (`cache.db`). They are written often and
//! in small pieces. Therefore the disk is not queried each time; the last result, less the bytes
//! written since, is used.
//!
//! Not here: space for blobs (`reserve`).

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use crate::{
    Result,
    storage::{Storage, WeakStorage},
};

/// How long the result of a query is used, in milliseconds.
const MAX_AGE_MS: i64 = 5_000;

/// Space above the floor on the disk of one folder.
pub struct FreeSpace {
    storage: WeakStorage,
    dir: PathBuf,
    /// The folder is inside the content folder: space reserved for content is not free.
    is_same_disk: bool,
    last: Mutex<Option<Sample>>,
}

struct Sample {
    at_ms: i64,
    left: u64,
}

impl FreeSpace {
    /// Returns whether `bytes` may be written, and counts them as written if so. Queries the disk at most
    /// once in 5 s, unless a query fails; then the result is `true`, and a full disk is detected by the
    /// write itself.
    pub fn take(&self, bytes: u64) -> bool {
        let Some(storage) = self.storage.upgrade() else { return true };
        let now = storage.inner.clock.monotonic_ms();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let sample = match last.take().filter(|s| now.abs_diff(s.at_ms) < MAX_AGE_MS as u64) {
            Some(sample) => sample,
            None => match self.query(&storage) {
                Ok(left) => Sample { at_ms: now, left },
                Err(e) => {
                    tracing::debug!(error = %e, "cannot query the free disk space");
                    return true;
                }
            },
        };
        let fits = sample.left >= bytes;
        let left = if fits { sample.left - bytes } else { sample.left };
        *last = Some(Sample { left, ..sample });
        fits
    }

    fn query(&self, storage: &Storage) -> Result<u64> {
        let free = storage.inner.disk.free_bytes(&self.dir)?;
        let (floor, reserved) = storage.inner.db.read_blocking(|conn| {
            let reserved = if self.is_same_disk { storage.reserved_at(conn)? } else { 0 };
            Ok((storage.limits_at(conn)?.floor(), reserved))
        })?;
        Ok(free.saturating_sub(floor).saturating_sub(reserved))
    }
}

impl Storage {
    /// Returns the check for files in `dir`, which must exist. It does not keep the storage open.
    pub fn free_space(&self, dir: PathBuf) -> FreeSpace {
        let is_same_disk = dir.starts_with(self.dir());
        FreeSpace { storage: self.downgrade(), dir, is_same_disk, last: Mutex::new(None) }
    }
}
