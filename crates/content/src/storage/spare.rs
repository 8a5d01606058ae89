//! What lies beside content and can be fetched again (`cache.db`) keeps to the floor too. It comes in small pieces, often, so the disk is not
//! asked for each of them: what was free a moment ago, less what was taken since, is near enough.
//!
//! Not here: content itself, which is measured each time (`reserve`).

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use crate::{
    Result,
    storage::{Storage, WeakStorage},
};

/// What a look at the disk is good for, on the clock that stands still for nobody.
const GOOD_FOR_MS: i64 = 5_000;

/// Space above the floor on the disk of one folder.
pub struct Spare {
    storage: WeakStorage,
    dir: PathBuf,
    /// The folder lies within content's, on the same disk: what is promised to downloads is not free.
    beside: bool,
    seen: Mutex<Option<Seen>>,
}

struct Seen {
    at_ms: i64,
    left: u64,
}

impl Spare {
    /// Whether `bytes` may be written; they are counted as written then. Asks the disk once in 5 s at most.
    ///
    /// A disk that does not answer is no reason to keep nothing: then the write itself finds out.
    pub fn take(&self, bytes: u64) -> bool {
        let Some(storage) = self.storage.upgrade() else { return true };
        let now = storage.inner.clock.monotonic_ms();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = match seen.take().filter(|s| now.abs_diff(s.at_ms) < GOOD_FOR_MS as u64) {
            Some(known) => known,
            None => match self.look(&storage) {
                Ok(left) => Seen { at_ms: now, left },
                Err(e) => {
                    tracing::debug!(error = %e, "the disk does not say what is free");
                    return true;
                }
            },
        };
        let fits = known.left >= bytes;
        let left = if fits { known.left - bytes } else { known.left };
        *seen = Some(Seen { left, ..known });
        fits
    }

    fn look(&self, storage: &Storage) -> Result<u64> {
        let free = storage.inner.disk.free_bytes(&self.dir)?;
        let (floor, promised) = storage.inner.db.read_blocking(|conn| {
            let promised = if self.beside { storage.promised_at(conn)? } else { 0 };
            Ok((storage.limits_at(conn)?.floor(), promised))
        })?;
        Ok(free.saturating_sub(floor).saturating_sub(promised))
    }
}

impl Storage {
    /// Space for what is written in `dir` (which exists) without a promise. Does not keep the store open.
    pub fn spare(&self, dir: PathBuf) -> Spare {
        let beside = dir.starts_with(self.dir());
        Spare { storage: self.downgrade(), dir, beside, seen: Mutex::new(None) }
    }
}
