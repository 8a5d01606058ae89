//! The SQLite engine: one file, one writer thread and a few read connections. No statement runs on an async thread.
//!
//! Not here: the merge of rows (`carrel_sqlite::rows`), the rules (`carrel-domain`).

mod accounts;
mod analytics;
mod catalogue;
mod courses;
mod digest;
mod engine;
mod enrolment_tokens;
mod external;
mod jobs;
mod mail;
mod maintenance;
mod people;
mod rows;
mod search;
mod sessions;
mod study;
mod writer;

use std::{
    ops::Deref,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use carrel_model::ErrorCode;
use carrel_sqlite::Options;
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Reason, Result, StoreError, Transactions, TxJob, tx::FactTx};
use writer::Writer;

pub use digest::{TableDigest, digest};
pub use engine::{FILE, MIGRATIONS, SqliteEngine};

impl From<carrel_sqlite::Error> for StoreError {
    fn from(e: carrel_sqlite::Error) -> Self {
        let is_conflict = matches!(&e, carrel_sqlite::Error::Sqlite(e)
            if e.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation));
        let reason = Reason { message: e.to_string(), hint: e.hint() };
        match e.code() {
            _ if is_conflict => Self::Conflict(reason),
            ErrorCode::DiskFull => Self::Full(reason),
            ErrorCode::Unavailable => Self::Unavailable(reason),
            ErrorCode::Corrupt => Self::Corrupt(reason),
            _ => Self::Internal(reason),
        }
    }
}
impl From<rusqlite::Error> for StoreError {
    fn from(e: rusqlite::Error) -> Self {
        carrel_sqlite::Error::from(e).into()
    }
}

/// One transaction. Derefs to its connection.
pub(super) struct SqliteTx<'c>(pub &'c Connection);

impl Deref for SqliteTx<'_> {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        self.0
    }
}

impl FactTx for SqliteTx<'_> {
    fn fact(&self, name: &'static str) -> Result<Option<String>> {
        fact(self, name)
    }
    fn set_fact(&self, name: &'static str, value: &str) -> Result<()> {
        set_fact(self, name, value)
    }
    fn facts(&self, names: &[&'static str]) -> Result<Vec<Option<String>>> {
        names.iter().map(|name| fact(self, name)).collect()
    }
}

fn fact(conn: &Connection, name: &str) -> Result<Option<String>> {
    let mut stmt = conn.prepare_cached("SELECT value FROM server_fact WHERE name = ?1")?;
    Ok(stmt.query_row([name], |r| r.get("value")).optional()?)
}

fn set_fact(conn: &Connection, name: &str, value: &str) -> Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO server_fact (name, value) VALUES (?1, ?2)")?
        .execute([name, value])?;
    Ok(())
}

/// Transactions on an open database file.
struct SqliteTransactions {
    writer: Writer,
    readers: Arc<Readers>,
}

struct Readers {
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

/// A read connection that is returned to the pool when dropped, even after a panic or if the caller was cancelled. The
/// permit is released at the same time.
struct PooledConnection {
    conn: Option<Connection>,
    pool: Arc<Readers>,
    _permit: OwnedSemaphorePermit,
}
impl Drop for PooledConnection {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
        }
    }
}

impl SqliteTransactions {
    /// `conn`: the connection of the writer. `readers`: number of read connections; 0: chosen from the number of cores.
    fn new(conn: Connection, path: &Path, readers: usize) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(2, |n| n.get());
        let count = if readers == 0 { (cores * 2).clamp(2, 8) } else { readers };
        let idle = (0..count)
            .map(|_| carrel_sqlite::open(path, Options { cache_kib: 8192, ..Options::reader() }))
            .collect::<Result<Vec<_>, _>>()?;
        let writer = Writer::start(conn).map_err(|_| StoreError::closed())?;
        let readers =
            Arc::new(Readers { idle: Mutex::new(idle), permits: Arc::new(Semaphore::new(count)) });
        Ok(Self { writer, readers })
    }
}

#[async_trait]
impl Transactions for SqliteTransactions {
    async fn read(&self, mut job: Box<dyn TxJob>) {
        let Ok(permit) = Arc::clone(&self.readers.permits).acquire_owned().await else {
            return job.finish(Err(StoreError::closed()));
        };
        let conn = self.readers.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let pooled = PooledConnection { conn, pool: Arc::clone(&self.readers), _permit: permit };
        // If the task fails, the job was dropped, which closes the reply channel of the caller.
        let _ = tokio::task::spawn_blocking(move || {
            let ended = match pooled.conn.as_ref() {
                Some(conn) => snapshot(conn, job.as_mut()),
                None => Err(StoreError::closed()),
            };
            drop(pooled);
            job.finish(ended);
        })
        .await;
    }
    fn write(&self, job: Box<dyn TxJob>) {
        self.writer.write(job);
    }
}

/// Runs a job in a transaction that is rolled back at the end, so that the connection has no open transaction in the
/// pool.
fn snapshot(conn: &Connection, job: &mut dyn TxJob) -> Result<()> {
    let snapshot = conn.unchecked_transaction()?;
    job.run(&SqliteTx(&snapshot));
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use rusqlite::Connection;

    use super::{MIGRATIONS, search};

    /// Returns a database without rows.
    pub(crate) fn empty() -> Connection {
        let mut conn = carrel_sqlite::open_in_memory().unwrap();
        carrel_sqlite::migrate(&mut conn, MIGRATIONS, None, 0).unwrap();
        search::index_missing(&conn).unwrap();
        conn
    }

    /// Returns the query plan of a statement, one step in a line.
    pub(crate) fn plan(sql: &str) -> String {
        let conn = empty();
        let mut stmt = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = stmt.raw_query().mapped(|r| r.get::<_, String>("detail"));
        steps.map(Result::unwrap).collect::<Vec<_>>().join("\n")
    }
}
