//! The writer thread. Queued jobs are committed together, with one `fsync` for all. Each job has a savepoint, so that a
//! failed job does not affect the others.

use std::{
    sync::{Mutex, PoisonError, mpsc},
    thread::JoinHandle,
};

use rusqlite::Connection;

use super::SqliteTx;
use crate::{StoreError, TxJob};

/// Maximum number of jobs in one commit.
const MAX_BATCH: usize = 64;

/// The queue of the writer thread. Dropping it waits for the queued jobs.
pub struct Writer {
    jobs: Mutex<Option<mpsc::Sender<Box<dyn TxJob>>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub fn start(conn: Connection) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("carrel-writer".into())
            .spawn(move || write_all(conn, queue))?;
        Ok(Self { jobs: Mutex::new(Some(jobs)), thread: Some(thread) })
    }
    pub fn write(&self, job: Box<dyn TxJob>) {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        match jobs.as_ref().map(|jobs| jobs.send(job)) {
            Some(Ok(())) => {}
            Some(Err(mpsc::SendError(job))) => job.finish(Err(StoreError::closed())),
            None => {}
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        *self.jobs.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write_all(conn: Connection, queue: mpsc::Receiver<Box<dyn TxJob>>) {
    while let Ok(first) = queue.recv() {
        let mut jobs = vec![first];
        while jobs.len() < MAX_BATCH {
            match queue.try_recv() {
                Ok(job) => jobs.push(job),
                Err(_) => break,
            }
        }
        let committed = commit(&conn, &mut jobs).map_err(|e| {
            tracing::error!(error = %e, jobs = jobs.len(), "commit failed");
            if !conn.is_autocommit() {
                let _ = conn.execute_batch("ROLLBACK");
            }
            match StoreError::from(e) {
                full @ StoreError::Full(_) => full,
                e => StoreError::Unavailable(format!("not committed: {e}").into()),
            }
        });
        for job in jobs {
            job.finish(committed.clone());
        }
    }
    // Empties the write-ahead log.
    let _ = conn.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)");
}

fn commit(conn: &Connection, jobs: &mut [Box<dyn TxJob>]) -> rusqlite::Result<()> {
    let run = |sql: &str| conn.prepare_cached(sql)?.execute([]).map(|_| ());
    let tx = SqliteTx(conn);
    run("BEGIN IMMEDIATE")?;
    if let [job] = jobs {
        // A single job needs no savepoint, which would copy every page before its first change.
        return run(if job.run(&tx) { "COMMIT" } else { "ROLLBACK" });
    }
    for job in jobs {
        run("SAVEPOINT job")?;
        if !job.run(&tx) {
            run("ROLLBACK TO job")?;
        }
        run("RELEASE job")?;
    }
    run("COMMIT")
}
