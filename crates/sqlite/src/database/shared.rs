//! The write connection and the read connections, for callers that may block.
//!
//! Not here: the async calls (`Database`).

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use carrel_system::StorageError;
use rusqlite::Connection;

use super::{
    commit::{BoxedJob, WriteConnection},
    hooks::Hooks,
    readers::{ConnectionSource, Readers, snapshot},
};
use crate::DatabaseError;

/// The connections of a database. Lock order: `write` before `readers`.
pub(crate) struct Shared {
    write: Mutex<WriteConnection>,
    readers: Readers,
    /// A statement reported damage: `Hooks::repair` is called before the next one.
    suspect: AtomicBool,
}

impl Shared {
    pub fn new(conn: Connection, hooks: Box<dyn Hooks>) -> Self {
        Self {
            readers: Readers::new(ConnectionSource::of(&conn)),
            write: Mutex::new(WriteConnection { conn: Some(conn), hooks }),
            suspect: AtomicBool::new(false),
        }
    }

    /// Runs the jobs and delivers their results.
    pub(super) fn commit(&self, mut group: Vec<BoxedJob<'_>>) {
        let ends = {
            let mut write = self.write();
            match self.repair(&mut write) {
                Ok(()) => write.commit(&mut group, &self.suspect),
                Err(e) => group.iter().map(|_| Err(e.clone())).collect(),
            }
        };
        // Called without the lock, because the destructor of a value may use the database.
        group.into_iter().zip(ends).for_each(|(job, ended)| job.finish(ended));
    }

    pub fn read<T, E: DatabaseError>(
        &self,
        f: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        if self.suspect.load(Ordering::Relaxed) {
            self.repair(&mut self.write())?;
        }
        let result = match self.readers.read(f) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(f)) => snapshot(self.write().conn()?, f),
            Err(e) => Err(e),
        };
        self.record_damage(&result);
        result
    }

    /// Runs `f` with the write connection, outside any transaction.
    pub fn with_connection<T, E: DatabaseError>(
        &self,
        f: impl FnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut write = self.write();
        self.repair(&mut write)?;
        let result = f(write.conn()?);
        self.record_damage(&result);
        result
    }

    pub fn replace<T, E: DatabaseError>(
        &self,
        make: impl FnOnce() -> Result<(Connection, T), E>,
    ) -> Result<T, E> {
        let mut write = self.write();
        write.conn()?;
        self.readers.pause(|source| {
            let (conn, value) = make()?;
            *source = ConnectionSource::of(&conn);
            write.conn = Some(conn);
            self.suspect.store(false, Ordering::Relaxed);
            Ok(value)
        })
    }

    /// Copies the log into the file as far as readers allow. Failures have no effect: a later checkpoint copies the same.
    pub fn checkpoint(&self) {
        if let Some(conn) = &self.write().conn {
            let _ = conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        }
    }

    pub fn close(&self) {
        let mut write = self.write();
        let is_suspect = self.suspect.load(Ordering::Relaxed);
        self.readers.close();
        write.close(is_suspect);
    }

    fn repair(&self, write: &mut WriteConnection) -> Result<(), StorageError> {
        if !self.suspect.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        self.readers.pause(|source| {
            let repaired = write.repair();
            *source = write.conn.as_ref().map_or(ConnectionSource::Closed, ConnectionSource::of);
            repaired
        })
    }

    fn record_damage<T, E: DatabaseError>(&self, result: &Result<T, E>) {
        if matches!(result, Err(e) if e.is_corrupt()) {
            self.suspect.store(true, Ordering::Relaxed);
        }
    }

    fn write(&self) -> MutexGuard<'_, WriteConnection> {
        self.write.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
