//! What a database does in addition to its transactions, such as a journal, a reserve of disk space, or the repair of
//! a damaged file.
//!
//! Not here: the implementations, which are in the crates above.

use carrel_system::StorageError;
use rusqlite::Connection;

/// Called by the writer thread, while the connection is not used otherwise. No method may use the database itself.
pub trait Hooks: Send {
    /// Runs after each commit and before the calls that share it return.
    fn committed(&mut self) {}

    /// Frees space after a transaction found the disk full. If it returns true, the transaction runs again.
    fn free_space(&mut self, _conn: &Connection) -> bool {
        false
    }

    /// Runs before the next statement after a statement reported damage, while nothing is read. Returns the connection
    /// to use from then on: the same one, or one to another file. On `Err` the database is closed.
    ///
    /// Only damage that [`crate::confirm_damage`] finds justifies replacing a file.
    fn repair(&mut self, conn: Connection) -> Result<Connection, StorageError> {
        Ok(conn)
    }

    /// Closes the connection. `is_suspect`: a statement reported damage, and `repair` has not been called since.
    fn close(&mut self, conn: Connection, _is_suspect: bool) {
        close(&conn);
    }
}

/// Hooks that do nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHooks;
impl Hooks for NoHooks {}

/// Closes a connection after moving the log's contents into the file.
pub fn close(conn: &Connection) {
    if let Err(e) = conn.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)") {
        tracing::debug!(error = %e, "the write-ahead log could not be merged");
    }
}
