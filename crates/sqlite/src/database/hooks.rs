//! What one database does beside its transactions, for example a journal, a reserve of disk space, or the repair of a
//! damaged file.

use carrel_system::StorageError;
use rusqlite::Connection;

/// Called by the thread that writes, while nobody else uses the connection. No method may use the database itself.
pub trait Hooks: Send {
    /// Runs after each commit and before the calls that share it return.
    fn committed(&mut self) {}

    /// Frees space after a transaction found the disk full. True: the transaction runs again.
    fn free_space(&mut self, _conn: &Connection) -> bool {
        false
    }

    /// Runs before the next statement after a statement reported damage, while nothing is read. Gives the connection to
    /// go on with: the same one, or one to another file. On `Err` the database is closed.
    ///
    /// Only damage that [`crate::confirm_damage`] finds may set a file aside.
    fn repair(&mut self, conn: Connection) -> Result<Connection, StorageError> {
        Ok(conn)
    }

    /// Closes the connection. `is_suspect`: a statement reported damage, and `repair` was not called since.
    fn close(&mut self, conn: Connection, _is_suspect: bool) {
        close(&conn);
    }
}

/// The hooks of a database that needs none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHooks;
impl Hooks for NoHooks {}

/// Moves the log into the file.
pub fn close(conn: &Connection) {
    if let Err(e) = conn.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)") {
        tracing::debug!(error = %e, "the log stays beside the file");
    }
}
