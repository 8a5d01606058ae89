//! The one thread that writes. It takes what waits, runs it in one transaction with a savepoint for each, commits once, and
//! appends what was recorded to the journal before it is acknowledged.
//!
//! Not here: SQL of rows (`tx`), opening and backups (`care`).

use std::{
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
};

use carrel_sqlite::{DatabaseError, StorageError};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::{
    Error, Result,
    store::{
        Options, RESERVE, care,
        journal::Journal,
        tx::{Outcome, Tx},
    },
};

/// The most transactions that share a commit.
const GROUP: usize = 64;

/// A transaction that waits. `run` may be called again; `finish` is called once, after the commit or instead of it.
trait Job: Send {
    fn op(&self) -> &'static str;
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<()>;
    fn finish(self: Box<Self>, committed: Result<()>);
}

struct Typed<T, F> {
    op: &'static str,
    f: F,
    value: Option<T>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: FnMut(&mut Tx<'_>) -> Result<T> + Send> Job for Typed<T, F> {
    fn op(&self) -> &'static str {
        self.op
    }
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        self.value = None;
        // A fault in one transaction must not stop the thread that saves all others.
        let done = catch_unwind(AssertUnwindSafe(|| (self.f)(tx)));
        self.value = Some(done.map_err(|_| Error::Internal(format!("{} panicked", self.op)))??);
        Ok(())
    }
    fn finish(self: Box<Self>, committed: Result<()>) {
        let Self { value, reply, .. } = *self;
        let result =
            committed.and_then(|()| value.ok_or_else(|| Error::Internal("no value".into())));
        // If nobody waits for it any more, the work is saved all the same.
        let _ = reply.send(result);
    }
}

enum Message {
    Write(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

pub(super) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Message>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(
        conn: Connection,
        lock: File,
        journal: Arc<Mutex<Journal>>,
        suspect: Arc<AtomicBool>,
        dir: &Path,
        options: &Options,
    ) -> Result<Self> {
        let (queue, jobs) = mpsc::channel();
        let (dir, options) = (dir.to_owned(), options.clone());
        let room = Room { conn, lock, journal, suspect, dir, options };
        let thread = std::thread::Builder::new()
            .name("carrel-writer".into())
            .spawn(move || room.work(&jobs))?;
        Ok(Self { queue: Mutex::new(Some(queue)), thread: Mutex::new(Some(thread)) })
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        op: &'static str,
        f: impl FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Write(Box::new(Typed { op, f, value: None, reply })))?;
        answer.await.map_err(|_| Error::Storage(StorageError::other("the store was closed")))?
    }

    pub(super) async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        if self.send(Message::Close(reply)).is_ok() {
            let _ = closed.await;
        }
        self.end();
    }

    fn send(&self, message: Message) -> Result<()> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = queue.as_ref().map(|q| q.send(message));
        sent.and_then(std::result::Result::ok)
            .ok_or_else(|| Error::Storage(StorageError::other("the store is closed")))
    }

    fn end(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
        {
            // It ends as soon as the queue is empty, so that whoever opens the file next finds it free.
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the thread owns.
struct Room {
    conn: Connection,
    lock: File,
    journal: Arc<Mutex<Journal>>,
    /// Damage was seen: the next start looks for it.
    suspect: Arc<AtomicBool>,
    dir: PathBuf,
    options: Options,
}

impl Room {
    fn work(mut self, jobs: &mpsc::Receiver<Message>) {
        let mut closed = None;
        'open: while let Ok(first) = jobs.recv() {
            let mut group = Vec::new();
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Write(job) => group.push(job),
                    Message::Close(reply) => {
                        self.commit(group);
                        closed = Some(reply);
                        break 'open;
                    }
                }
                next = if group.len() < GROUP { jobs.try_recv().ok() } else { None };
            }
            self.commit(group);
        }
        let suspect = self.suspect.load(Ordering::Relaxed);
        care::close(self.conn, &mut self.lock, &self.dir, suspect);
        drop(self.lock);
        if let Some(reply) = closed {
            let _ = reply.send(());
        }
    }

    fn commit(&mut self, mut group: Vec<Box<dyn Job>>) {
        if group.is_empty() {
            return;
        }
        let first = self.transaction(&mut group);
        if first.as_ref().is_err_and(|e| e.is_full()) {
            // What is in the log goes into the file, so that its space is used again.
            let _ = self.conn.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()));
            // One by one: a large one that still does not fit must not take a small one down with it.
            for job in group {
                let mut alone = [job];
                let result = loop {
                    match self.transaction(&mut alone) {
                        Err(e) if e.is_full() && self.make_room() => {}
                        done => break done.and_then(|mut r| r.pop().unwrap_or(Ok(()))),
                    }
                };
                let [job] = alone;
                finish(job, result);
            }
            return;
        }
        match first {
            Ok(results) => {
                group.into_iter().zip(results).for_each(|(job, result)| finish(job, result))
            }
            Err(e) => {
                if e.is_corrupt() {
                    self.suspect.store(true, Ordering::Relaxed);
                }
                group.into_iter().for_each(|job| finish(job, Err(e.clone())));
            }
        }
    }

    /// Runs the jobs, commits those that went well. `Err`: the commit itself failed, and with it all.
    fn transaction(&mut self, group: &mut [Box<dyn Job>]) -> Result<Vec<Result<()>>> {
        let attempt = self.try_transaction(group);
        if !self.conn.is_autocommit()
            && let Err(e) = self.conn.execute_batch("ROLLBACK")
        {
            tracing::error!(error = %e, "a transaction could not be rolled back");
        }
        let (results, outcome) = attempt?;
        if !outcome.recorded.is_empty() {
            let now_ms = self.options.clock.now_ms();
            let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
            journal.append(now_ms, &outcome.recorded);
        }
        self.options.changes.tell(outcome.changes);
        Ok(results)
    }

    fn try_transaction(
        &mut self,
        group: &mut [Box<dyn Job>],
    ) -> Result<(Vec<Result<()>>, Outcome)> {
        let run = |sql: &str| self.conn.prepare_cached(sql)?.execute([]).map(|_| ());
        run("BEGIN IMMEDIATE")?;
        // One alone needs no savepoint: the transaction is its own.
        let alone = group.len() == 1;
        let mut results = Vec::with_capacity(group.len());
        let mut all = Outcome::default();
        for job in group {
            if !alone {
                run("SAVEPOINT job")?;
            }
            let mut tx = Tx::new(&self.conn, &self.options)?;
            let result = job.run(&mut tx).and_then(|()| tx.finish());
            match result {
                Ok(outcome) => {
                    if !alone {
                        run("RELEASE job")?;
                    }
                    all.changes.extend(outcome.changes);
                    all.recorded.extend(outcome.recorded);
                    results.push(Ok(()));
                }
                // The whole group is taken back and runs again one by one, after a piece of the reserve was given up.
                Err(e) if e.is_full() => return Err(e),
                Err(e) => {
                    // SQLite itself rolls everything back after some faults: then there is no savepoint any more.
                    if self.conn.is_autocommit() {
                        return Err(e);
                    }
                    if alone {
                        run("ROLLBACK")?;
                        return Ok((vec![Err(e)], all));
                    }
                    run("ROLLBACK TO job")?;
                    run("RELEASE job")?;
                    results.push(Err(e));
                }
            }
        }
        run("COMMIT")?;
        Ok((results, all))
    }

    /// Gives up a piece of the reserve; false if there was none.
    fn make_room(&mut self) -> bool {
        if RESERVE.give_up_piece(&self.dir) {
            tracing::warn!(
                "the disk is full: a piece of the reserve was given up so that work can be saved"
            );
            if let Some(pages) = &mut self.options.page_limit {
                *pages += (RESERVE.piece / 4096) as u32;
                let _ = care::limit_pages(&self.conn, *pages);
            }
            return true;
        }
        false
    }
}

fn finish(job: Box<dyn Job>, result: Result<()>) {
    if let Err(e) = &result {
        tracing::debug!(store.op = job.op(), error = %e, "a transaction was not saved");
    }
    job.finish(result);
}
