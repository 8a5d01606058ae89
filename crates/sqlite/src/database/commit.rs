//! The write connection. Transactions that are queued at the same time share one commit.
//!
//! Not here: the queue and its thread (`writer`).

use std::sync::atomic::{AtomicBool, Ordering};

use carrel_system::{Cause, StorageError};
use rusqlite::Connection;

use super::{
    hooks::Hooks,
    job::{AfterCommit, Job, WriteTx},
};
use crate::storage_error;

/// A transaction that may borrow from its caller.
pub(super) type BoxedJob<'j> = Box<dyn Job + 'j>;

/// The connection with the hooks of its database.
pub(super) struct WriteConnection {
    /// `None`: closed.
    pub conn: Option<Connection>,
    pub hooks: Box<dyn Hooks>,
}

impl WriteConnection {
    pub fn conn(&mut self) -> Result<&mut Connection, StorageError> {
        self.conn.as_mut().ok_or_else(closed)
    }

    pub fn repair(&mut self) -> Result<(), StorageError> {
        let conn = self.conn.take().ok_or_else(closed)?;
        self.conn = Some(self.hooks.repair(conn)?);
        Ok(())
    }

    pub fn close(&mut self, is_suspect: bool) {
        if let Some(conn) = self.conn.take() {
            self.hooks.close(conn, is_suspect);
        }
    }

    /// Runs the jobs in one transaction, with a savepoint for each. If the disk is full, checkpoints the log and runs
    /// each job in a separate transaction, repeated while space can be freed. Returns an error for each job whose
    /// transaction was not committed; sets `suspect` if damage was reported.
    pub fn commit(
        &mut self,
        group: &mut [BoxedJob<'_>],
        suspect: &AtomicBool,
    ) -> Vec<Result<(), StorageError>> {
        let ended = self.transaction(group, suspect);
        if !ended.as_ref().is_err_and(|e| e.cause == Cause::Full) {
            return group.iter().map(|_| ended.clone()).collect();
        }
        if let Some(conn) = &self.conn {
            // Copies the contents of the log into the file, so that the space of the log is reused.
            let _ = conn.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()));
        }
        // Separately, so that a large transaction for which there is no space does not prevent a small one.
        let alone = group.iter_mut().map(|job| {
            let job = std::slice::from_mut(job);
            loop {
                match self.transaction(job, suspect) {
                    Err(e) if e.cause == Cause::Full && self.free_space() => {}
                    ended => break ended,
                }
            }
        });
        alone.collect()
    }

    fn free_space(&mut self) -> bool {
        self.conn.as_ref().is_some_and(|conn| self.hooks.free_space(conn))
    }

    /// Returns an error if the commit failed. A job that failed was rolled back, which is not an error here.
    fn transaction(
        &mut self,
        group: &mut [BoxedJob<'_>],
        suspect: &AtomicBool,
    ) -> Result<(), StorageError> {
        let conn = self.conn.as_ref().ok_or_else(closed)?;
        let attempt = try_transaction(conn, group, suspect);
        if !conn.is_autocommit()
            && let Err(e) = conn.execute_batch("ROLLBACK")
        {
            tracing::error!(error = %e, "a transaction could not be rolled back");
        }
        match attempt {
            Ok(Some(after)) => {
                after.into_iter().for_each(|call| call());
                self.hooks.committed();
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(e) => {
                record_damage(&e, suspect);
                Err(e)
            }
        }
    }
}

/// Returns `None` if there was nothing to commit.
fn try_transaction(
    conn: &Connection,
    group: &mut [BoxedJob<'_>],
    suspect: &AtomicBool,
) -> Result<Option<Vec<AfterCommit>>, StorageError> {
    let run = |sql: &str| {
        let done = conn.prepare_cached(sql).and_then(|mut stmt| stmt.execute([]));
        done.map(|_| ()).map_err(|e| storage_error(&e))
    };
    run("BEGIN IMMEDIATE")?;
    // A single job needs no savepoint: the whole transaction is rolled back if it fails.
    let alone = group.len() == 1;
    let mut after = Vec::new();
    for job in group {
        if !alone {
            run("SAVEPOINT job")?;
        }
        let tx = WriteTx::new(conn);
        match job.run(&tx) {
            Ok(()) => {
                if !alone {
                    run("RELEASE job")?;
                }
                after.extend(tx.into_after());
            }
            // The whole group is rolled back, and its jobs run again separately.
            Err(e) if e.cause == Cause::Full => return Err(e),
            Err(e) => {
                record_damage(&e, suspect);
                // After some errors SQLite rolls back the whole transaction, and the savepoint no longer exists.
                if conn.is_autocommit() {
                    return Err(e);
                }
                if alone {
                    run("ROLLBACK")?;
                    return Ok(None);
                }
                run("ROLLBACK TO job")?;
                run("RELEASE job")?;
            }
        }
    }
    run("COMMIT")?;
    Ok(Some(after))
}

fn record_damage(e: &StorageError, suspect: &AtomicBool) {
    if e.cause == Cause::Corrupt {
        suspect.store(true, Ordering::Relaxed);
    }
}

pub(super) fn closed() -> StorageError {
    StorageError::other("the database is closed")
}
