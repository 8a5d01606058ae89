//! One thread that writes. Jobs that wait for it are committed together: one `fsync` for all, a savepoint for each, so that a job
//! that fails takes nothing of the others with it.
//!
//! Not here: what the jobs do.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
    thread::JoinHandle,
    time::Instant,
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::store::{Result, StoreError};

/// The most jobs that share a commit.
const TOGETHER: usize = 64;

/// The door to the writing thread. Dropping it lets the thread finish what it has and stop.
pub struct Writer {
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

trait Job: Send {
    /// Runs inside a savepoint; false: roll it back.
    fn run(&mut self, conn: &Connection) -> bool;
    /// Tells the caller. `Err`: the commit failed, whatever `run` said.
    fn finish(self: Box<Self>, committed: Result<(), String>);
}

struct Work<T, F> {
    name: &'static str,
    f: Option<F>,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
    slow_ms: u64,
}

impl<T: Send, F: FnOnce(&Connection) -> Result<T> + Send> Job for Work<T, F> {
    fn run(&mut self, conn: &Connection) -> bool {
        let Some(f) = self.f.take() else { return false };
        let start = crate::clock::stopwatch();
        let result = catch_unwind(AssertUnwindSafe(|| f(conn)))
            .unwrap_or_else(|_| Err(StoreError::NotCommitted(format!("{} panicked", self.name))));
        log_slow(self.name, start, self.slow_ms);
        let ok = result.is_ok();
        self.result = Some(result);
        ok
    }
    fn finish(mut self: Box<Self>, committed: Result<(), String>) {
        let result = match (self.result.take(), committed) {
            (Some(Ok(value)), Ok(())) => Ok(value),
            (Some(Err(e)), _) => Err(e),
            (_, Err(e)) => Err(StoreError::NotCommitted(e)),
            (None, Ok(())) => Err(StoreError::Closed),
        };
        // The caller may have gone away; the work is done all the same.
        let _ = self.reply.send(result);
    }
}

impl Writer {
    pub fn start(conn: Connection) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("carrel-writer".into())
            .spawn(move || write_all(conn, queue))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }
    /// Runs `f` in a transaction; the answer comes after the commit.
    pub async fn write<T: Send + 'static>(
        &self,
        name: &'static str,
        slow_ms: u64,
        f: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let work = Work { name, f: Some(f), result: None, reply, slow_ms };
        let jobs = self.jobs.as_ref().ok_or(StoreError::Closed)?;
        jobs.send(Box::new(work)).map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write_all(conn: Connection, queue: mpsc::Receiver<Box<dyn Job>>) {
    while let Ok(first) = queue.recv() {
        let mut jobs = vec![first];
        while jobs.len() < TOGETHER {
            match queue.try_recv() {
                Ok(job) => jobs.push(job),
                Err(_) => break,
            }
        }
        let committed = commit(&conn, &mut jobs).map_err(|e| {
            tracing::error!(error = %e, jobs = jobs.len(), "a commit failed");
            if !conn.is_autocommit() {
                let _ = conn.execute_batch("ROLLBACK");
            }
            e.to_string()
        });
        for job in jobs {
            job.finish(committed.clone());
        }
    }
    // Leaves one tidy file behind.
    let _ = conn.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)");
}

fn commit(conn: &Connection, jobs: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    let run = |sql: &str| conn.prepare_cached(sql)?.execute([]).map(|_| ());
    run("BEGIN IMMEDIATE")?;
    if let [alone] = jobs {
        // A savepoint keeps a copy of every page that is written after it.
        return run(if alone.run(conn) { "COMMIT" } else { "ROLLBACK" });
    }
    for job in jobs {
        run("SAVEPOINT job")?;
        if !job.run(conn) {
            run("ROLLBACK TO job")?;
        }
        run("RELEASE job")?;
    }
    run("COMMIT")
}

/// One line for a statement group that took long.
pub(super) fn log_slow(name: &'static str, start: Instant, slow_ms: u64) {
    let ms = start.elapsed().as_millis() as u64;
    if ms >= slow_ms {
        tracing::warn!(query.name = name, query.ms = ms, "slow query");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_job_that_fails_takes_nothing_with_it() {
        let conn = carrel_sqlite::open_in_memory().unwrap();
        conn.execute_batch("CREATE TABLE t (n INTEGER)").unwrap();
        let writer = Writer::start(conn).unwrap();
        let put = |n: i64, fail: u8| {
            writer.write("put", 1000, move |c| {
                c.execute("INSERT INTO t VALUES (?1)", [n])?;
                match fail {
                    0 => Ok(n),
                    1 => Err(StoreError::Closed),
                    _ => panic!("on purpose"),
                }
            })
        };
        let (a, b, c, d) = tokio::join!(put(1, 0), put(2, 1), put(3, 2), put(4, 0));
        assert!(a.is_ok() && b.is_err() && c.is_err() && d.is_ok());
        // And alone.
        assert!(put(8, 1).await.is_err());
        assert!(put(16, 2).await.is_err());
        let sum: i64 = writer
            .write("sum", 1000, |c| Ok(c.query_row("SELECT sum(n) FROM t", [], |r| r.get(0))?))
            .await
            .unwrap();
        assert_eq!(sum, 5);
    }
}
