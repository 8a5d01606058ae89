//! Read-only connections. Each read uses one snapshot and never waits for a write.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError, RwLock},
};

use carrel_system::{Cause, StorageError};
use rusqlite::Connection;

use super::{commit::closed, job::catch_panic};
use crate::{DatabaseError, Options, storage_error};

/// Maximum number of open read connections. More would not be faster, because a read takes less than a millisecond.
pub(super) const MAX_READERS: usize = 4;

/// Where reads get their connections.
pub(super) enum ConnectionSource {
    /// Connections to this file are opened.
    File(PathBuf),
    /// A database in memory: reads use the write connection.
    Memory,
    Closed,
}

impl ConnectionSource {
    pub fn of(conn: &Connection) -> Self {
        match conn.path() {
            Some(path) if !path.is_empty() => Self::File(Path::new(path).to_owned()),
            _ => Self::Memory,
        }
    }
}

pub(super) struct Readers {
    /// Locked for reading while a read of the file runs.
    source: RwLock<ConnectionSource>,
    /// `None`: closed. A connection that is still in use is then dropped when its read ends.
    idle: Mutex<Option<Vec<Connection>>>,
}

impl Readers {
    pub fn new(source: ConnectionSource) -> Self {
        Self { source: RwLock::new(source), idle: Mutex::new(Some(Vec::new())) }
    }

    /// Runs `f` with a connection to the file, in one read transaction. Returns `f` if the write connection must be
    /// used: for a database in memory, or if no other connection can be opened.
    pub fn read<T, E: DatabaseError, F: FnOnce(&Connection) -> Result<T, E>>(
        &self,
        f: F,
    ) -> Result<Result<T, F>, E> {
        let source = self.source.read().unwrap_or_else(PoisonError::into_inner);
        let Some(conn) = self.connection(&source)? else { return Ok(Err(f)) };
        let result = snapshot(&conn, f);
        self.give_back(conn);
        result.map(Ok)
    }

    /// Returns a read connection; none if the write connection has to be used.
    fn connection(&self, source: &ConnectionSource) -> Result<Option<Connection>, StorageError> {
        let path = match source {
            ConnectionSource::File(path) => path,
            ConnectionSource::Memory => return Ok(None),
            ConnectionSource::Closed => return Err(closed()),
        };
        if let Some(conn) = self.idle().as_mut().map(Vec::pop).ok_or_else(closed)? {
            return Ok(Some(conn));
        }
        match crate::open(path, Options::reader()).map_err(StorageError::from) {
            Ok(conn) => Ok(Some(conn)),
            Err(e) if e.cause == Cause::Corrupt => Err(e),
            // For example if there is no free file descriptor.
            Err(e) => {
                tracing::debug!(error = %e, "no read connection could be opened: using the write connection");
                Ok(None)
            }
        }
    }

    fn give_back(&self, conn: Connection) {
        // A connection that cannot end its transaction must not be reused.
        if conn.is_autocommit()
            && let Some(idle) = self.idle().as_mut()
            && idle.len() < MAX_READERS
        {
            idle.push(conn);
        }
    }

    /// Waits for running reads, closes their connections, and runs `f`, which may change the source of later reads.
    pub fn pause<T>(&self, f: impl FnOnce(&mut ConnectionSource) -> T) -> T {
        let mut source = self.source.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(idle) = self.idle().as_mut() {
            idle.clear();
        }
        f(&mut source)
    }

    /// Rejects later reads; running reads are finished.
    pub fn close(&self) {
        self.idle().take();
    }

    fn idle(&self) -> MutexGuard<'_, Option<Vec<Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `f` in one read transaction.
pub(super) fn snapshot<T, E: DatabaseError>(
    conn: &Connection,
    f: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    let tx = conn.unchecked_transaction().map_err(|e| storage_error(&e))?;
    let result = catch_panic("read", || f(&tx));
    tx.finish().map_err(|e| storage_error(&e))?;
    result
}
