//! A few read-only connections. Each read is one snapshot, so that two statements in it agree.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::{Error, Result};

/// More would not be faster: a read takes less than a millisecond.
const MOST: usize = 4;

pub(super) struct Readers {
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
}

struct Shared {
    path: PathBuf,
    /// None: closed. What a read that still runs gives back is dropped.
    idle: Mutex<Option<Vec<Connection>>>,
    /// Damage was seen: the next start looks for it.
    suspect: Arc<AtomicBool>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, suspect: Arc<AtomicBool>) -> Self {
        Self::with(path, suspect, Vec::new(), MOST)
    }
    /// Reads of a copy in memory, one at a time.
    pub(super) fn of_copy(conn: Connection) -> Self {
        Self::with(PathBuf::new(), Arc::default(), vec![conn], 1)
    }
    fn with(path: PathBuf, suspect: Arc<AtomicBool>, idle: Vec<Connection>, most: usize) -> Self {
        let shared = Arc::new(Shared { path, idle: Mutex::new(Some(idle)), suspect });
        Self { shared, places: Arc::new(Semaphore::new(most)) }
    }

    /// No more reads; those that run end as they are.
    pub(super) fn close(&self) {
        self.places.close();
        self.shared.idle().take();
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let closed = |_| Error::Storage("the store is closed".into());
        let place = self.places.clone().acquire_owned().await.map_err(closed)?;
        let shared = self.shared.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            let idle = shared.idle().as_mut().and_then(Vec::pop);
            let conn = match idle {
                Some(conn) => conn,
                None => carrel_sqlite::open(&shared.path, carrel_sqlite::Options::reader())?,
            };
            let result = snapshot(&conn, f);
            if matches!(result, Err(Error::Corrupt(_))) {
                shared.suspect.store(true, Ordering::Relaxed);
            }
            // One that cannot end its transaction is of no use to the next.
            if conn.is_autocommit()
                && let Some(idle) = shared.idle().as_mut()
            {
                idle.push(conn);
            }
            result
        });
        done.await.map_err(|e| Error::Internal(format!("a read ended badly: {e}")))?
    }
}

impl Shared {
    fn idle(&self) -> std::sync::MutexGuard<'_, Option<Vec<Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn snapshot<T>(conn: &Connection, f: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    let tx = conn.unchecked_transaction()?;
    // A fault in one read must not take the connection from the next (a copy in memory has only one).
    let result = catch_unwind(AssertUnwindSafe(|| f(&tx)))
        .unwrap_or_else(|_| Err(Error::Internal("a read panicked".into())));
    tx.finish()?;
    result
}
