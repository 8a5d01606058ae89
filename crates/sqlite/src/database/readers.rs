//! Read-only connections. Each read is one snapshot, and none waits for a write.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError, RwLock},
};

use carrel_system::{Cause, StorageError};
use rusqlite::Connection;

use super::{commit::closed, job::caught};
use crate::{DatabaseError, Options, storage_error};

/// The most connections that are kept open. More would not be faster: a read takes less than a millisecond.
pub(super) const MAX_READERS: usize = 4;

/// Where reads get their connections.
pub(super) enum Source {
    /// They open this file.
    File(PathBuf),
    /// A database in memory: they use the connection that writes.
    Memory,
    Closed,
}

impl Source {
    pub fn of(conn: &Connection) -> Self {
        match conn.path() {
            Some(path) if !path.is_empty() => Self::File(Path::new(path).to_owned()),
            _ => Self::Memory,
        }
    }
}

pub(super) struct Readers {
    /// Each read of a file holds it for reading while it runs.
    source: RwLock<Source>,
    /// None: closed. The connection of a read that still runs then is dropped at its end.
    idle: Mutex<Option<Vec<Connection>>>,
}

impl Readers {
    pub fn new(source: Source) -> Self {
        Self { source: RwLock::new(source), idle: Mutex::new(Some(Vec::new())) }
    }

    /// Runs `f` with a connection to the file, in one read transaction. Gives `f` back if the connection that writes has to
    /// be used: for a database in memory, and if no other connection can be had.
    pub fn read<T, E: DatabaseError, F: FnOnce(&Connection) -> Result<T, E>>(
        &self,
        f: F,
    ) -> Result<Result<T, F>, E> {
        let source = self.source.read().unwrap_or_else(PoisonError::into_inner);
        let path = match &*source {
            Source::File(path) => path,
            Source::Memory => return Ok(Err(f)),
            Source::Closed => return Err(closed().into()),
        };
        let idle = self.idle().as_mut().map(Vec::pop).ok_or_else(closed)?;
        let conn = match idle {
            Some(conn) => conn,
            None => match crate::open(path, Options::reader()).map_err(StorageError::from) {
                Ok(conn) => conn,
                Err(e) if e.cause == Cause::Corrupt => return Err(e.into()),
                // For example without a free file descriptor.
                Err(e) => {
                    tracing::debug!(error = %e, "no connection for a read: that of the writer is used");
                    return Ok(Err(f));
                }
            },
        };
        let result = snapshot(&conn, f);
        // One that cannot end its transaction is of no use to the next.
        if conn.is_autocommit()
            && let Some(idle) = self.idle().as_mut()
            && idle.len() < MAX_READERS
        {
            idle.push(conn);
        }
        result.map(Ok)
    }

    /// Waits for the reads that run, closes all connections, and runs `f`, which may change what is read from now on.
    pub fn pause<T>(&self, f: impl FnOnce(&mut Source) -> T) -> T {
        let mut source = self.source.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(idle) = self.idle().as_mut() {
            idle.clear();
        }
        f(&mut source)
    }

    /// No read begins any more; those that run end as they are.
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
    let result = caught("read", || f(&tx));
    tx.finish().map_err(|e| storage_error(&e))?;
    result
}
