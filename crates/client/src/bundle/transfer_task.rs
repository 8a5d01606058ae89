//! The running export or import: its progress and cancellation. At most one runs at a time.
//!
//! Not here: what is transferred (`export`, `import_courses`, `import_work`).

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use carrel_sqlite::{Change, Changes};
use carrel_system::Clock;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{Error, ImportError, Result};

/// Minimum interval between two progress reports.
const REPORT_INTERVAL_MS: i64 = 250;

/// Progress of the running export or import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferProgress {
    pub bytes_done: u64,
    pub bytes_total: u64,
}

/// The exports and imports of a client, of which at most one runs at a time.
pub struct Transfers {
    changes: Changes,
    clock: Arc<dyn Clock>,
    running: Mutex<Option<Arc<TransferTask>>>,
}

/// The running export or import.
pub(super) struct TransferTask {
    changes: Changes,
    clock: Arc<dyn Clock>,
    cancelled: CancellationToken,
    done: AtomicU64,
    total: AtomicU64,
    reported_ms: AtomicI64,
}

/// Cancels the task when dropped; the next task can then start.
pub(super) struct RunningTransfer<'t> {
    transfers: &'t Transfers,
    pub(super) task: Arc<TransferTask>,
}

impl Transfers {
    pub(crate) fn new(changes: Changes, clock: Arc<dyn Clock>) -> Self {
        Self { changes, clock, running: Mutex::default() }
    }
    /// Returns the progress of the running task; none if no task runs.
    pub fn progress(&self) -> Option<TransferProgress> {
        self.running.lock().as_ref().map(|task| TransferProgress {
            bytes_done: task.done.load(Ordering::Relaxed),
            bytes_total: task.total.load(Ordering::Relaxed),
        })
    }
    /// Cancels the running task. It fails with `Error::Cancelled` and leaves no incomplete file or course.
    pub fn cancel(&self) {
        if let Some(task) = self.running.lock().as_ref() {
            task.cancelled.cancel();
        }
    }
    /// Starts a task. Returns `ImportError::Busy` if another task runs.
    pub(super) fn begin(&self) -> Result<RunningTransfer<'_>> {
        let mut running = self.running.lock();
        if running.is_some() {
            return Err(ImportError::Busy.into());
        }
        let task = Arc::new(TransferTask {
            changes: self.changes.clone(),
            clock: self.clock.clone(),
            cancelled: CancellationToken::new(),
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
            reported_ms: AtomicI64::new(i64::MIN),
        });
        *running = Some(task.clone());
        Ok(RunningTransfer { transfers: self, task })
    }
}

impl Drop for RunningTransfer<'_> {
    fn drop(&mut self) {
        // If the future that started the task was dropped, its blocking thread may still run and has to stop.
        self.task.cancelled.cancel();
        *self.transfers.running.lock() = None;
        self.transfers.changes.publish_one(Change::Transfer);
    }
}

impl TransferTask {
    /// Returns `Error::Cancelled` if the task was cancelled.
    pub(super) fn check(&self) -> Result<()> {
        if self.cancelled.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }
    /// Sets the number of bytes to transfer.
    pub(super) fn set_total(&self, bytes: u64) {
        self.total.store(bytes, Ordering::Relaxed);
    }
    /// Adds to the number of bytes transferred.
    pub(super) fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
        let now = self.clock.monotonic_ms();
        let last = self.reported_ms.load(Ordering::Relaxed);
        if now >= last.saturating_add(REPORT_INTERVAL_MS) {
            self.reported_ms.store(now, Ordering::Relaxed);
            self.changes.publish_one(Change::Transfer);
        }
    }
}
