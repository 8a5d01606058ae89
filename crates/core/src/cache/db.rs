//! One SQLite file behind a lock: `cache.db` and `content.db` are small, local and quick; work is elsewhere (`store`).

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use carrel_sqlite::{Migration, Options, Synchronous};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::Result;

/// A database that can be made anew: opened with `synchronous=NORMAL`; a file that is damaged or not ours is set aside.
///
/// Other processes may have the same file open: whoever reads and then writes does both inside [`Db::write`].
#[derive(Clone)]
pub struct Db {
    conn: Arc<Mutex<Connection>>,
}

impl Db {
    /// Opens or makes the file. A file that cannot be used is renamed to `*.damaged` and a new one is begun: all of it can be fetched again.
    pub fn open(path: &Path, migrations: &[Migration], now_ms: i64) -> Result<Self> {
        Ok(Self { conn: Arc::new(Mutex::new(connect(path, migrations, now_ms)?)) })
    }

    /// Runs `f` with the connection. Keep it short: everybody waits.
    pub fn with<T>(&self, f: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T> {
        let mut conn = self.conn.lock().unwrap_or_else(PoisonError::into_inner);
        f(&mut conn)
    }

    /// Runs `f` in one transaction that holds the file's write lock from its beginning: what `f` reads stays true until the commit,
    /// for other processes too. `Err` takes everything back.
    pub fn write<T>(&self, f: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        self.with(|conn| {
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = f(&tx)?;
            tx.commit()?;
            Ok(value)
        })
    }
}

fn connect(path: &Path, migrations: &[Migration], now_ms: i64) -> Result<Connection> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    match try_open(path, migrations, now_ms) {
        Ok(conn) => Ok(conn),
        Err(carrel_sqlite::Error::NewerFile { file, app }) => Err(crate::Error::Storage(format!(
            "{} has schema {file}, this version knows {app}",
            path.display()
        ))),
        Err(e) => {
            tracing::warn!(cache.file = %path.display(), error = %e, "the cache is damaged and is made anew");
            for suffix in ["", "-wal", "-shm"] {
                let mut from = path.as_os_str().to_owned();
                from.push(suffix);
                let mut to = from.clone();
                to.push(".damaged");
                let _ = std::fs::rename(from, to);
            }
            Ok(try_open(path, migrations, now_ms)?)
        }
    }
}

fn try_open(
    path: &Path,
    migrations: &[Migration],
    now_ms: i64,
) -> carrel_sqlite::Result<Connection> {
    let mut conn = carrel_sqlite::open(
        path,
        Options {
            synchronous: Synchronous::Normal,
            incremental_vacuum: true,
            ..Options::default()
        },
    )?;
    carrel_sqlite::migrate(&mut conn, migrations, None, now_ms)?;
    Ok(conn)
}
