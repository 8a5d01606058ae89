//! A queued transaction, and the handle that is passed to its closure.
//!
//! Not here: how transactions are grouped and committed (`commit`).

use std::{
    cell::RefCell,
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind},
};

use carrel_system::{Panicked, StorageError};
use rusqlite::Connection;

use crate::DatabaseError;

/// A function to run after a commit.
pub(super) type AfterCommit = Box<dyn FnOnce() + Send>;

/// The transaction that is passed to the closure of [`super::Database::write`]. Dereferences to the connection.
pub struct WriteTx<'c> {
    conn: &'c Connection,
    after: RefCell<Vec<AfterCommit>>,
}

impl<'c> WriteTx<'c> {
    pub(super) fn new(conn: &'c Connection) -> Self {
        Self { conn, after: RefCell::default() }
    }
    pub fn conn(&self) -> &'c Connection {
        self.conn
    }
    /// Runs `f` after the commit, before the call returns. `f` does not run if this transaction is not committed, and
    /// must not use the database.
    pub fn after_commit(&self, f: impl FnOnce() + Send + 'static) {
        self.after.borrow_mut().push(Box::new(f));
    }
    pub(super) fn into_after(self) -> Vec<AfterCommit> {
        self.after.into_inner()
    }
}

impl Deref for WriteTx<'_> {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        self.conn
    }
}

/// A transaction. `run` may be called again; `finish` is called once, after the commit or after the last failure.
pub(super) trait Job {
    fn run(&mut self, tx: &WriteTx<'_>) -> Result<(), StorageError>;
    /// Passes the result to the caller. `committed` is an error if the transaction was not committed.
    fn finish(self: Box<Self>, committed: Result<(), StorageError>);
}

/// A job that runs a closure and sends its result to `reply`.
pub(super) struct ClosureJob<T, E, F, R> {
    op: &'static str,
    f: F,
    result: Option<Result<T, E>>,
    /// Results of earlier runs. Dropped only in `finish`, because a destructor may use the database.
    discarded: Vec<Result<T, E>>,
    reply: R,
}

impl<T, E, F, R> ClosureJob<T, E, F, R>
where
    E: DatabaseError,
    F: FnMut(&WriteTx<'_>) -> Result<T, E>,
    R: FnOnce(Result<T, E>),
{
    pub fn new(op: &'static str, f: F, reply: R) -> Self {
        Self { op, f, result: None, discarded: Vec::new(), reply }
    }
}

impl<T, E, F, R> Job for ClosureJob<T, E, F, R>
where
    E: DatabaseError,
    F: FnMut(&WriteTx<'_>) -> Result<T, E>,
    R: FnOnce(Result<T, E>),
{
    fn run(&mut self, tx: &WriteTx<'_>) -> Result<(), StorageError> {
        self.discarded.extend(self.result.take());
        let result = catch_panic(self.op, || (self.f)(tx));
        let outcome = match &result {
            Ok(_) => Ok(()),
            Err(e) => Err(e.storage().cloned().unwrap_or_else(|| StorageError::other(self.op))),
        };
        self.result = Some(result);
        outcome
    }

    fn finish(self: Box<Self>, committed: Result<(), StorageError>) {
        let Self { op, result, reply, discarded, f } = *self;
        let result = match (committed, result) {
            (Ok(()), Some(result)) => result,
            // The closure's own error is more specific than that of the transaction.
            (Err(_), Some(Err(e))) => Err(e),
            (Err(e), uncommitted) => {
                drop(uncommitted);
                Err(e.into())
            }
            (Ok(()), None) => Err(StorageError::other(format!("{op} did not run")).into()),
        };
        if let Err(e) = &result {
            let error = e.storage().map(ToString::to_string).unwrap_or_default();
            tracing::debug!(database.op = op, error, "a transaction was not committed");
        }
        drop((discarded, f));
        reply(result);
    }
}

/// Runs `f` and converts a panic to an error, because it must not end the thread that commits for all callers.
pub(super) fn catch_panic<T, E: DatabaseError>(
    op: &str,
    f: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|payload| {
        let text = payload
            .downcast_ref::<&str>()
            .map(|s| (*s).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        Err(Panicked(format!("{op}: {text}")).into())
    })
}
