//! Callbacks of a database, for a journal, a reserve of disk space, or the repair of a damaged file.
//!
//! Not here: the implementations, which are in the crates that use this one.

use carrel_system::StorageError;
use rusqlite::Connection;

/// Callbacks of a database. They run while nothing else uses the write connection, and must not call the database.
pub trait Hooks: Send {
    /// Called after each commit, before the calls that share it return.
    fn committed(&mut self) {}

    /// Frees space after a transaction failed on a full disk. If it returns true, the transaction runs again.
    fn free_space(&mut self, _conn: &Connection) -> bool {
        false
    }

    /// Called after a statement reported damage, before the next one and while no read runs. Returns the connection to
    /// use from now on: the same one, or one to another file. If it returns an error, the database is closed.
    ///
    /// A file may be replaced only if [`crate::confirm_damage`] finds damage.
    fn repair(&mut self, conn: Connection) -> Result<Connection, StorageError> {
        Ok(conn)
    }

    /// Closes the connection. `is_suspect` is true if a statement reported damage and `repair` has not been called
    /// since.
    fn close(&mut self, conn: Connection, _is_suspect: bool) {
        close(&conn);
    }
}

/// Hooks that do nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHooks;
impl Hooks for NoHooks {}

/// Prepares a connection for closing: copies the contents of the log into the file.
pub fn close(conn: &Connection) {
    if let Err(e) = conn.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)") {
        tracing::debug!(error = %e, "the write-ahead log could not be checkpointed");
    }
}
