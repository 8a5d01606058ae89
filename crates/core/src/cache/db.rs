//! One SQLite file behind a lock: `cache.db` and `content.db` are small, local and quick; work is elsewhere (`store`).
//!
//! Not here: what is in the files, and how `content.db` is rebuilt from what lies beside it (`storage`).

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use carrel_sqlite::{Cause, Migration, Options, Synchronous, confirm_damage};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::{Error, Result};

/// How long the opening of a file waits for another connection: somebody waits for the first window.
const OPEN_BUSY: Duration = Duration::from_secs(1);
const BUSY: Duration = Duration::from_secs(5);

/// A database of content. Clones share one connection.
///
/// Other processes may have the same file open: whoever reads and then writes does both inside [`Db::write`].
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

struct Inner {
    /// None after [`Db::close`].
    conn: Mutex<Option<Connection>>,
    /// A statement reported damage: the file is checked before the next one.
    suspect: AtomicBool,
    repair: OnceLock<Weak<dyn Repair>>,
    /// The file, and its schema, if this database repairs itself.
    file: Option<CacheFile>,
}

/// Checks a file after a statement reported damage.
pub(crate) trait Repair: Send + Sync {
    /// Gives the connection to go on with: the same one, or one to a new file.
    fn repair(&self, conn: Connection) -> Result<Connection>;
}

struct CacheFile {
    path: PathBuf,
    migrations: &'static [Migration],
    now_ms: i64,
}

impl Db {
    /// Opens or makes a file whose content can be fetched again. A file that is proven to be damaged is renamed to
    /// `*.damaged` and a new one is begun. If the file cannot be opened for another reason (a full disk, no permission,
    /// another program, a newer version), it is left as it is, and this run works with a database in memory.
    pub fn open(path: &Path, migrations: &'static [Migration], now_ms: i64) -> Result<Self> {
        let file = CacheFile { path: path.to_owned(), migrations, now_ms };
        let conn = match file.open() {
            Ok(conn) => conn,
            Err(e) => {
                tracing::warn!(cache.file = %path.display(), error = %e, "the cache cannot be opened: this run does without the file");
                in_memory(migrations, now_ms)?
            }
        };
        Ok(Self::with_file(conn, Some(file)))
    }

    pub(crate) fn new(conn: Connection) -> Self {
        Self::with_file(conn, None)
    }
    fn with_file(conn: Connection, file: Option<CacheFile>) -> Self {
        let inner = Inner {
            conn: Mutex::new(Some(conn)),
            suspect: AtomicBool::new(false),
            repair: OnceLock::new(),
            file,
        };
        Self { inner: Arc::new(inner) }
    }

    /// From now on damage is repaired by `repair`. The first one stays.
    pub(crate) fn set_repair(&self, repair: Weak<dyn Repair>) {
        let _ = self.inner.repair.set(repair);
    }

    /// Runs `f` with the connection. Keep it short: everybody waits.
    pub fn with<T>(&self, f: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T> {
        let mut slot = self.slot();
        if self.inner.suspect.swap(false, Ordering::Relaxed) {
            self.repair(&mut slot)?;
        }
        let result = f(open_one(&mut slot)?);
        if matches!(result, Err(Error::Corrupt(_))) {
            self.inner.suspect.store(true, Ordering::Relaxed);
        }
        result
    }

    /// Runs `f`, which may consist of several statements, on one state of the database. If damage is found, the file is
    /// repaired and `f` runs once more.
    pub fn read<T>(&self, f: impl Fn(&Connection) -> Result<T>) -> Result<T> {
        let attempt = || {
            self.with(|conn| {
                let tx = conn.transaction()?;
                let value = f(&tx)?;
                tx.commit()?;
                Ok(value)
            })
        };
        match attempt() {
            Err(Error::Corrupt(e)) => {
                tracing::warn!(error = %e, "a read found damage");
                attempt()
            }
            other => other,
        }
    }

    /// Runs `f` in one transaction that holds the file's write lock from its beginning: what `f` reads stays true until the commit,
    /// for other processes too. `Err` takes everything back.
    pub fn write<T>(&self, f: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        // A value whose commit failed is dropped after the lock is released: its destructor may use this database.
        let mut uncommitted = None;
        let result = self.with(|conn| {
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = f(&tx)?;
            match tx.commit() {
                Ok(()) => Ok(value),
                Err(e) => {
                    uncommitted = Some(value);
                    Err(e.into())
                }
            }
        });
        drop(uncommitted);
        result
    }

    /// Goes on with another connection; gives what `make` gives. `make` runs while nobody else uses the database. On `Err`
    /// the old connection stays.
    pub(crate) fn replace<T>(&self, make: impl FnOnce() -> Result<(Connection, T)>) -> Result<T> {
        let mut slot = self.slot();
        open_one(&mut slot)?;
        let (conn, value) = make()?;
        *slot = Some(conn);
        Ok(value)
    }

    /// Takes the connection out. Every later call gets an error, so that nothing is written which a copy would miss.
    pub(crate) fn close(&self) -> Result<Connection> {
        self.slot().take().ok_or_else(closed)
    }

    /// Continues in memory, empty, for the rest of this run.
    pub(crate) fn forget_file(&self) -> Result<()> {
        let Some(file) = &self.inner.file else { return Ok(()) };
        self.replace(|| Ok((in_memory(file.migrations, file.now_ms)?, ())))
    }

    fn repair(&self, slot: &mut Option<Connection>) -> Result<()> {
        let conn = slot.take().ok_or_else(closed)?;
        let repaired = match (&self.inner.file, self.inner.repair.get().and_then(Weak::upgrade)) {
            (Some(file), _) => file.repair(conn),
            (None, Some(repair)) => repair.repair(conn),
            (None, None) => Ok(conn),
        };
        *slot = Some(repaired?);
        Ok(())
    }

    fn slot(&self) -> MutexGuard<'_, Option<Connection>> {
        self.inner.conn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CacheFile {
    fn open(&self) -> carrel_sqlite::Result<Connection> {
        match connect(&self.path, self.migrations, self.now_ms) {
            Err(e) if e.cause() == Cause::Corrupt && is_damaged(&self.path)? => {
                set_aside(&self.path)?;
                connect(&self.path, self.migrations, self.now_ms)
            }
            other => other,
        }
    }
}
impl Repair for CacheFile {
    fn repair(&self, conn: Connection) -> Result<Connection> {
        match is_damaged(&self.path) {
            Ok(true) => {
                drop(conn);
                let renewed = set_aside(&self.path)
                    .and_then(|()| connect(&self.path, self.migrations, self.now_ms));
                renewed.or_else(|_| in_memory(self.migrations, self.now_ms))
            }
            _ => Ok(conn),
        }
    }
}

fn open_one(slot: &mut Option<Connection>) -> Result<&mut Connection> {
    slot.as_mut().ok_or_else(closed)
}
fn closed() -> Error {
    Error::Storage("this database was closed".into())
}

fn is_damaged(path: &Path) -> carrel_sqlite::Result<bool> {
    Ok(confirm_damage(path)?
        .inspect(
            |found| tracing::warn!(database.file = %path.display(), found, "a database is damaged"),
        )
        .is_some())
}

/// Opens the file and brings its schema up to date.
pub(crate) fn connect(
    path: &Path,
    migrations: &[Migration],
    now_ms: i64,
) -> carrel_sqlite::Result<Connection> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(|source| carrel_sqlite::Error::Io {
            action: "create",
            path: dir.to_owned(),
            source,
        })?;
    }
    let options = Options {
        synchronous: Synchronous::Normal,
        incremental_vacuum: true,
        busy: OPEN_BUSY,
        ..Options::default()
    };
    let mut conn = carrel_sqlite::open(path, options)?;
    carrel_sqlite::migrate(&mut conn, migrations, None, now_ms)?;
    conn.busy_timeout(BUSY)?;
    Ok(conn)
}

/// An empty database in memory with this schema.
pub(crate) fn in_memory(migrations: &[Migration], now_ms: i64) -> Result<Connection> {
    let mut conn = carrel_sqlite::open_in_memory()?;
    carrel_sqlite::migrate(&mut conn, migrations, None, now_ms)?;
    Ok(conn)
}

/// Renames the file with its log to `*.damaged`, in place of an older one of that name.
pub(crate) fn set_aside(path: &Path) -> carrel_sqlite::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut from = path.as_os_str().to_owned();
        from.push(suffix);
        let mut to = from.clone();
        to.push(".damaged");
        match std::fs::rename(&from, to) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(carrel_sqlite::Error::Io {
                    action: "rename",
                    path: from.into(),
                    source,
                });
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct UsesTheDatabase(Db);
    impl Drop for UsesTheDatabase {
        fn drop(&mut self) {
            let _ = self.0.with(|conn| Ok(conn.execute("DELETE FROM child", [])?));
        }
    }

    #[test]
    fn a_value_whose_commit_failed_may_use_the_database_in_its_destructor() {
        let conn = carrel_sqlite::open_in_memory().unwrap();
        conn.execute_batch(
            "CREATE TABLE parent (id INTEGER PRIMARY KEY) STRICT;
             CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED) STRICT;",
        )
        .unwrap();
        let db = Db::new(conn);
        let (done, ended) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let result = db.write(|tx| {
                tx.execute("INSERT INTO child (id) VALUES (7)", [])?;
                Ok(UsesTheDatabase(db.clone()))
            });
            let _ = done.send(result.is_err());
        });
        assert_eq!(ended.recv_timeout(Duration::from_secs(30)), Ok(true), "the commit fails");
    }
}
