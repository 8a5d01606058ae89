//! One file at a time: how far it came, and how it is stopped.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use carrel_sqlite::{Change, Changes};
use carrel_system::Clock;
use tokio_util::sync::CancellationToken;

use crate::{Error, Result, cable::Refusal};

/// Listeners hear of it at most this often.
const TELL_EVERY_MS: i64 = 250;

/// How far the file that is under way came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Travelled {
    pub bytes_done: u64,
    pub bytes_total: u64,
}

/// The files that come and go. `Core` has one.
pub struct Cable {
    changes: Changes,
    clock: Arc<dyn Clock>,
    now: Mutex<Option<Arc<Journey>>>,
}

/// A file under way.
pub(super) struct Journey {
    changes: Changes,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
    done: AtomicU64,
    total: AtomicU64,
    told_ms: AtomicI64,
}

/// Ends the journey when dropped.
pub(super) struct UnderWay<'c> {
    cable: &'c Cable,
    pub(super) journey: Arc<Journey>,
}

impl Cable {
    pub(crate) fn new(changes: Changes, clock: Arc<dyn Clock>) -> Self {
        Self { changes, clock, now: Mutex::default() }
    }
    /// What is under way; none if nothing is.
    pub fn travelled(&self) -> Option<Travelled> {
        self.now().as_ref().map(|j| Travelled {
            bytes_done: j.done.load(Ordering::Relaxed),
            bytes_total: j.total.load(Ordering::Relaxed),
        })
    }
    /// Stops what is under way: it ends with `Cancelled`, and leaves nothing half done.
    pub fn stop(&self) {
        if let Some(journey) = self.now().as_ref() {
            journey.stop.cancel();
        }
    }
    /// `Refusal::Busy` if another one is under way.
    pub(super) fn begin(&self) -> Result<UnderWay<'_>> {
        let mut now = self.now();
        if now.is_some() {
            return Err(Refusal::Busy.into());
        }
        let journey = Arc::new(Journey {
            changes: self.changes.clone(),
            clock: self.clock.clone(),
            stop: CancellationToken::new(),
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
            told_ms: AtomicI64::new(i64::MIN),
        });
        *now = Some(journey.clone());
        Ok(UnderWay { cable: self, journey })
    }
    fn now(&self) -> MutexGuard<'_, Option<Arc<Journey>>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        // Whoever waits for it no longer does: what still runs on its thread ends too.
        self.journey.stop.cancel();
        *self.cable.now() = None;
        self.cable.changes.tell_one(Change::Cable);
    }
}

impl Journey {
    /// `Cancelled` if it was stopped.
    pub(super) fn check(&self) -> Result<()> {
        if self.stop.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }
    pub(super) fn expect(&self, bytes: u64) {
        self.total.store(bytes, Ordering::Relaxed);
    }
    /// Bytes moved on.
    pub(super) fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
        let now = self.clock.monotonic_ms();
        let last = self.told_ms.load(Ordering::Relaxed);
        if now >= last.saturating_add(TELL_EVERY_MS) {
            self.told_ms.store(now, Ordering::Relaxed);
            self.changes.tell_one(Change::Cable);
        }
    }
}
