//! A database of a client: a writer thread with group commit, and concurrent readers.
//!
//! `write(op, |tx| ..)` is one transaction. Transactions that wait at the same time share one commit, and so one
//! fsync; each still succeeds or fails alone. `read(|conn| ..)` reads one snapshot and never waits for a write.
//! Neither blocks the calling thread. A database in memory has one connection for both.
//!
//! The variants named `*_blocking` are for code that may block: in a debug build they panic on a thread that serves
//! async tasks. No closure may use the database that runs it.
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

use carrel_system::{Cause, Panicked, StorageError, assert_may_block, blocking};
use disposable::Disposable;
pub use disposable::{connect, in_memory, rename_damaged};
pub use hooks::{Hooks, NoHooks, close};
pub use job::WriteTx;
use job::{ClosureJob, Job};
use readers::MAX_READERS;
use rusqlite::Connection;
use shared::Shared;
use tokio::sync::{Semaphore, oneshot};
use writer::Writer;

use crate::Migration;

/// The error type of a crate that uses a database.
pub trait DatabaseError: From<StorageError> + From<Panicked> {
    /// Returns the failure of a file or database behind this error, if there is one.
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

/// An open database, shared by its clones. Dropping the last one finishes queued calls and closes it.
///
/// `E` is the error type of the crate that uses it.
pub struct Database<E> {
    open: Arc<Open>,
    error: PhantomData<fn() -> E>,
}

struct Open {
    shared: Arc<Shared>,
    writer: Writer,
    /// One permit per read that may run.
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
    /// Takes over a connection. Reads open the same file; a database in memory is read with `conn` itself.
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

    /// Opens or creates a file whose content can be downloaded again. A file that is proven to be damaged, now or
    /// later, is renamed to `*.damaged` and recreated. If the file cannot be opened for another reason (full disk,
    /// permissions, another program, a newer version), it stays unchanged and this run uses a database in memory.
    pub fn open_disposable(
        path: &Path,
        migrations: &'static [Migration],
        now_ms: i64,
    ) -> Result<Self, StorageError> {
        let file = Disposable { path: path.to_owned(), migrations, now_ms };
        Ok(Self::new(file.open_or_memory()?, file))
    }

    /// Returns the same database for a crate with another error type.
    pub fn with_error<F>(&self) -> Database<F> {
        Database { open: self.open.clone(), error: PhantomData }
    }

    /// Returns the number of calls whose callers are waiting: queued, running, or with a result that was not received
    /// yet.
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
    /// Runs `f` in one transaction that holds the file's write lock from its beginning; it is committed completely or
    /// not at all when this returns. `op` names it in logs.
    ///
    /// `f` may run several times: if the disk is full, space is freed and it runs again. The transaction is committed
    /// even if the caller stops waiting.
    pub async fn write<T: Send + 'static>(
        &self,
        op: &'static str,
        f: impl FnMut(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let _pending = Pending::new(&self.open);
        let (reply, result) = oneshot::channel();
        let reply = move |result| drop(reply.send(result));
        self.open.writer.write(Box::new(ClosureJob::new(op, f, reply)))?;
        result.await.map_err(|_| commit::closed())?
    }

    /// Reads one snapshot. If `f` finds damage, the file is repaired and `f` runs once more.
    pub async fn read<T: Send + 'static>(
        &self,
        f: impl FnMut(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let open = self.open.clone();
        self.on_reader(move || read_with_retry(&open.shared, f)).await
    }

    /// Reads one snapshot. `f` runs once, also if it finds damage.
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
        let permit = self.open.permits.clone().acquire_owned().await;
        let permit = permit.map_err(|_| commit::closed())?;
        blocking(move || {
            let _permit = permit;
            f()
        })
        .await
    }

    /// Replaces the connection. `make` runs while the database is not used otherwise; on `Err` the old connection
    /// stays.
    pub async fn replace<T: Send + 'static>(
        &self,
        make: impl FnOnce() -> Result<(Connection, T), E> + Send + 'static,
    ) -> Result<T, E> {
        let open = self.open.clone();
        blocking(move || open.shared.replace(make)).await
    }
}

impl<E: DatabaseError> Database<E> {
    /// Runs [`Database::write`] on this thread, in a transaction of its own.
    pub fn write_blocking<T>(
        &self,
        op: &'static str,
        f: impl FnMut(&WriteTx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        assert_may_block();
        let mut result = None;
        let job: Box<dyn Job + '_> = Box::new(ClosureJob::new(op, f, |r| result = Some(r)));
        self.open.shared.commit(vec![job]);
        result.unwrap_or_else(|| Err(commit::closed().into()))
    }

    /// Runs [`Database::read`] on this thread.
    pub fn read_blocking<T>(&self, f: impl FnMut(&Connection) -> Result<T, E>) -> Result<T, E> {
        assert_may_block();
        read_with_retry(&self.open.shared, f)
    }

    /// Runs [`Database::replace`] on this thread. The thread is not checked, because this is part of opening.
    pub fn replace_blocking<T>(
        &self,
        make: impl FnOnce() -> Result<(Connection, T), E>,
    ) -> Result<T, E> {
        self.open.shared.replace(make)
    }

    /// Runs `f` on this thread with the connection that writes, outside any transaction, while no other call writes:
    /// for opening a file, and for statements that cannot run in a transaction.
    pub fn with_connection<T>(
        &self,
        f: impl FnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.open.shared.with_connection(f)
    }
}

fn read_with_retry<T, E: DatabaseError>(
    shared: &Shared,
    mut f: impl FnMut(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    match shared.read(&mut f) {
        Err(e) if e.is_corrupt() => {
            tracing::warn!(error = e.storage().map(|e| e.text.as_str()), "a read found damage");
            shared.read(&mut f)
        }
        other => other,
    }
}
