//! A few read-only connections. Each read is one snapshot, so that two statements in it agree.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
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
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        let shared = Arc::new(Shared { path, idle: Mutex::new(Vec::new()) });
        Self { shared, places: Arc::new(Semaphore::new(MOST)) }
    }

    /// No more reads; those that run end as they are.
    pub(super) fn close(&self) {
        self.places.close();
        self.shared.idle().clear();
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
            let idle = shared.idle().pop();
            let conn = match idle {
                Some(conn) => conn,
                None => carrel_sqlite::open(&shared.path, carrel_sqlite::Options::reader())?,
            };
            let result = snapshot(&conn, f);
            // One that cannot end its transaction is of no use to the next.
            if conn.is_autocommit() {
                shared.idle().push(conn);
            }
            result
        });
        done.await.map_err(|e| Error::Internal(format!("a read ended badly: {e}")))?
    }
}

impl Shared {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn snapshot<T>(conn: &Connection, f: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    let tx = conn.unchecked_transaction()?;
    let result = f(&tx);
    tx.finish()?;
    result
}
