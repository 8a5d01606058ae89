//! A few read-only connections. Each read is one snapshot, so that two statements in it agree.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use carrel_sqlite::{DatabaseError, StorageError};
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
        let closed = |_| Error::Storage(StorageError::other("the store is closed"));
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
            if matches!(&result, Err(e) if e.is_corrupt()) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_read_that_ends_after_the_closing_keeps_no_connection() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("user.db");
        drop(carrel_sqlite::open(&path, carrel_sqlite::Options::default()).unwrap());
        let readers = Arc::new(Readers::new(path, Arc::default()));
        let (running, is_running) = tokio::sync::oneshot::channel();
        let (finish, may_finish) = std::sync::mpsc::channel();
        let read = tokio::spawn({
            let readers = readers.clone();
            async move {
                let read = readers.read(move |conn| {
                    let _ = running.send(());
                    let _ = may_finish.recv();
                    Ok(conn.query_row("SELECT 7", [], |r| r.get::<_, i64>(0))?)
                });
                read.await
            }
        });
        is_running.await.unwrap();
        readers.close();
        finish.send(()).unwrap();
        assert_eq!(read.await.unwrap().unwrap(), 7, "what runs ends as it is");
        assert!(readers.shared.idle().is_none(), "its connection is closed");
        assert!(readers.read(|_| Ok(())).await.is_err(), "and no other read begins");
    }
}
