//! A database of the client: a writer thread with group commit, and concurrent readers.
//!
//! `write(op, |tx| ..)` is one transaction. Transactions that are queued at the same time share one commit and one
//! fsync; each succeeds or fails separately. `read(|conn| ..)` reads one snapshot and never waits for a write. Neither
//! blocks the calling thread. A database in memory has one connection for both.
//!
//! The `*_blocking` variants are for code that may block: in debug builds they panic on a thread that runs async tasks.
//! A closure must not use the database that runs it.
//!
//! Not here: the schema, and how a file is opened and repaired (`disposable` for files that can be downloaded again).

mod commit;
mod disposable;
mod hooks;
mod job;
mod readers;
mod shared;
mod writer;

use std::{
    marker::PhantomData,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use carrel_system::{Cause, Panicked, SPAN_TARGET, StorageError, assert_may_block, blocking};
use disposable::Disposable;
pub use disposable::{connect, in_memory, rename_damaged};
pub use hooks::{Hooks, NoHooks, close};
pub use job::WriteTx;
use job::{ClosureJob, Job};
use readers::MAX_READERS;
use rusqlite::Connection;
use shared::Shared;
use tokio::sync::{Semaphore, oneshot};
use tracing::{Instrument, Span, field::Empty};
use writer::Writer;

use crate::Migration;

/// An error type for use with `Database`.
pub trait DatabaseError: From<StorageError> + From<Panicked> {
    /// Returns the failure of a file or database that caused this error, if there is one.
    fn storage(&self) -> Option<&StorageError>;

    /// Returns the cause of that failure.
    fn cause(&self) -> Option<Cause> {
        self.storage().map(|e| e.cause)
    }
    /// Returns true if the file is damaged.
    fn is_corrupt(&self) -> bool {
        self.cause() == Some(Cause::Corrupt)
    }
    /// Returns true if the disk is full.
    fn is_full(&self) -> bool {
        self.cause() == Some(Cause::Full)
    }
}

impl DatabaseError for StorageError {
    fn storage(&self) -> Option<&StorageError> {
        Some(self)
    }
}

/// An open database, shared by its clones. When the last clone is dropped, queued calls are finished and the database
/// is closed.
///
/// `E` is the error type of the calls.
pub struct Database<E> {
    open: Arc<Open>,
    error: PhantomData<fn() -> E>,
}

struct Open {
    shared: Arc<Shared>,
    writer: Writer,
    /// One permit for each read that may run.
    permits: Arc<Semaphore>,
    /// Number of calls whose callers are waiting.
    pending: AtomicUsize,
}

/// Counts a call while its caller is waiting.
struct Pending<'o>(&'o Open);

impl<'o> Pending<'o> {
    fn new(open: &'o Open) -> Self {
        open.pending.fetch_add(1, Ordering::Relaxed);
        Self(open)
    }
}
impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<E> Clone for Database<E> {
    fn clone(&self) -> Self {
        Self { open: self.open.clone(), error: PhantomData }
    }
}

impl<E> Database<E> {
    /// Uses `conn` for writes. Reads open further connections to the same file; a database in memory is read with
    /// `conn`.
    pub fn new(conn: Connection, hooks: impl Hooks + 'static) -> Self {
        let shared = Arc::new(Shared::new(conn, Box::new(hooks)));
        let open = Open {
            writer: Writer::new(shared.clone()),
            shared,
            permits: Arc::new(Semaphore::new(MAX_READERS)),
            pending: AtomicUsize::new(0),
        };
        Self { open: Arc::new(open), error: PhantomData }
    }

    /// Opens or creates a file whose content can be downloaded again. If damage of the file is confirmed, now or later,
    /// it is renamed to `*.damaged` and recreated. If the file cannot be opened for another reason (full disk,
    /// permissions, another program, a newer version), it is left unchanged, and a database in memory is used until the
    /// next start.
    pub fn open_disposable(
        path: &Path,
        migrations: &'static [Migration],
        now_ms: i64,
    ) -> Result<Self, StorageError> {
        let file = Disposable { path: path.to_owned(), migrations, now_ms };
        Ok(Self::new(file.open_or_memory()?, file))
    }

    /// Returns the same database with another error type.
    pub fn with_error<F>(&self) -> Database<F> {
        Database { open: self.open.clone(), error: PhantomData }
    }

    /// Returns the number of calls whose callers are waiting: queued, running, or with a result that is not yet
    /// received.
    pub fn pending(&self) -> usize {
        self.open.pending.load(Ordering::Relaxed)
    }

    /// Finishes queued calls and closes the database; later calls return an error. Running reads are finished.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        self.open.writer.close(move || _ = done.send(()));
        let _ = closed.await;
    }

    pub fn close_blocking(&self) {
        assert_may_block();
        let (done, closed) = std::sync::mpsc::channel();
        self.open.writer.close(move || _ = done.send(()));
        let _ = closed.recv();
    }
}

impl<E: DatabaseError + Send + 'static> Database<E> {
    /// Runs `f` in one transaction that has the write lock of the file from its start. When this returns, the
    /// transaction is committed or rolled back. `op` is its name in logs.
    ///
    /// `f` may run several times: if the disk is full, space is freed and `f` runs again. The transaction is committed
    /// even if the returned future is dropped.
    pub async fn write<T: Send + 'static>(
        &self,
        op: &'static str,
        f: impl FnMut(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let _pending = Pending::new(&self.open);
        let (reply, result) = oneshot::channel();
        let reply = move |result| drop(reply.send(result));
        let write = async {
            self.open.writer.write(Box::new(ClosureJob::new(op, f, reply)))?;
            result.await.map_err(|_| commit::closed())?
        };
        measured(write_span(op), write).await
    }

    /// Reads one snapshot. If `f` reports damage, `f` runs again after the repair.
    pub async fn read<T: Send + 'static>(
        &self,
        f: impl FnMut(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let open = self.open.clone();
        self.on_reader(move || read_with_retry(&open.shared, f)).await
    }

    /// Reads one snapshot. `f` runs once, also if it reports damage.
    pub async fn read_once<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let open = self.open.clone();
        self.on_reader(move || open.shared.read(f)).await
    }

    async fn on_reader<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let _pending = Pending::new(&self.open);
        let read = async {
            let permit = self.open.permits.clone().acquire_owned().await;
            let permit = permit.map_err(|_| commit::closed())?;
            blocking(move || {
                let _permit = permit;
                f()
            })
            .await
        };
        measured(read_span(), read).await
    }

    /// Replaces the connection. While `make` runs, nothing else uses the database; if it returns an error, the
    /// connection is not replaced.
    pub async fn replace<T: Send + 'static>(
        &self,
        make: impl FnOnce() -> Result<(Connection, T), E> + Send + 'static,
    ) -> Result<T, E> {
        let open = self.open.clone();
        blocking(move || open.shared.replace(make)).await
    }
}

impl<E: DatabaseError> Database<E> {
    /// Runs [`Database::write`] on this thread, in a separate transaction and commit.
    pub fn write_blocking<T>(
        &self,
        op: &'static str,
        f: impl FnMut(&WriteTx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        assert_may_block();
        let span = write_span(op);
        let mut result = None;
        let job: Box<dyn Job + '_> = Box::new(ClosureJob::new(op, f, |r| result = Some(r)));
        self.open.shared.commit(vec![job]);
        let result = result.unwrap_or_else(|| Err(commit::closed().into()));
        ended(&span, &result);
        result
    }

    /// Runs [`Database::read`] on this thread.
    pub fn read_blocking<T>(&self, f: impl FnMut(&Connection) -> Result<T, E>) -> Result<T, E> {
        assert_may_block();
        let span = read_span();
        let result = read_with_retry(&self.open.shared, f);
        ended(&span, &result);
        result
    }

    /// Runs [`Database::replace`] on this thread. Does not check whether the thread may block, because it is part of
    /// opening a database.
    pub fn replace_blocking<T>(
        &self,
        make: impl FnOnce() -> Result<(Connection, T), E>,
    ) -> Result<T, E> {
        self.open.shared.replace(make)
    }

    /// Runs `f` on this thread with the write connection, outside any transaction and while no other call writes. For
    /// opening a file, and for statements that cannot run in a transaction.
    pub fn with_connection<T>(
        &self,
        f: impl FnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.open.shared.with_connection(f)
    }
}

/// Spans of a call, from the caller's view: waiting for other calls is included.
fn write_span(op: &'static str) -> Span {
    tracing::info_span!(target: SPAN_TARGET, "db.write", label = op, failed = Empty)
}
fn read_span() -> Span {
    tracing::info_span!(target: SPAN_TARGET, "db.read", label = "read", failed = Empty)
}
fn ended<T, E>(span: &Span, result: &Result<T, E>) {
    if result.is_err() {
        span.record("failed", true);
    }
}
async fn measured<T, E>(span: Span, call: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let result = call.instrument(span.clone()).await;
    ended(&span, &result);
    result
}

fn read_with_retry<T, E: DatabaseError>(
    shared: &Shared,
    mut f: impl FnMut(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    match shared.read(&mut f) {
        Err(e) if e.is_corrupt() => {
            tracing::warn!(error = e.storage().map(|e| e.text.as_str()), "a read reported damage");
            shared.read(&mut f)
        }
        other => other,
    }
}
