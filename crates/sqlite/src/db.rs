//! One SQLite file behind a lock: `cache.db` and `content.db` are small, local and quick; work is elsewhere (`store`).
//!
//! Not here: what is in the files, and how `content.db` is rebuilt from what lies beside it (`storage`).

use std::{
    marker::PhantomData,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use carrel_system::{Cause, StorageError};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::{Migration, Options, Synchronous, confirm_damage, storage_error};

/// The error of a crate that uses a database.
pub trait DatabaseError: From<StorageError> {
    /// The failure of a file or a database behind this error, if there is one.
    fn storage(&self) -> Option<&StorageError>;

    /// The cause of that failure.
    fn cause(&self) -> Option<Cause> {
        self.storage().map(|e| e.cause)
    }
    /// True if the file is damaged.
    fn is_corrupt(&self) -> bool {
        self.cause() == Some(Cause::Corrupt)
    }
    /// True if the disk is full.
    fn is_full(&self) -> bool {
        self.cause() == Some(Cause::Full)
    }
}

impl DatabaseError for StorageError {
    fn storage(&self) -> Option<&StorageError> {
        Some(self)
    }
}

/// How long the opening of a file waits for another connection: somebody waits for the first window.
const OPEN_BUSY: Duration = Duration::from_secs(1);
const BUSY: Duration = Duration::from_secs(5);

/// A database of content. Clones share one connection.
///
/// Other processes may have the same file open: whoever reads and then writes does both inside [`Db::write`].
///
/// `E` is the error of the crate that uses it.
pub struct Db<E> {
    inner: Arc<DbInner>,
    error: PhantomData<fn() -> E>,
}

impl<E> Clone for Db<E> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), error: PhantomData }
    }
}

struct DbInner {
    /// None after [`Db::close`].
    conn: Mutex<Option<Connection>>,
    /// A statement reported damage: the file is checked before the next one.
    suspect: AtomicBool,
    repair: OnceLock<Weak<dyn Repair>>,
    /// The file, and its schema, if this database repairs itself.
    file: Option<CacheFile>,
}

/// Checks a file after a statement reported damage.
pub trait Repair: Send + Sync {
    /// Gives the connection to go on with: the same one, or one to a new file.
    fn repair(&self, conn: Connection) -> Result<Connection, StorageError>;
}

struct CacheFile {
    path: PathBuf,
    migrations: &'static [Migration],
    now_ms: i64,
}

impl<E: DatabaseError + std::fmt::Display> Db<E> {
    /// Opens or makes a file whose content can be fetched again. A file that is proven to be damaged is renamed to
    /// `*.damaged` and a new one is begun. If the file cannot be opened for another reason (a full disk, no permission,
    /// another program, a newer version), it is left as it is, and this run works with a database in memory.
    pub fn open(
        path: &Path,
        migrations: &'static [Migration],
        now_ms: i64,
    ) -> Result<Self, StorageError> {
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

    pub fn new(conn: Connection) -> Self {
        Self::with_file(conn, None)
    }
    fn with_file(conn: Connection, file: Option<CacheFile>) -> Self {
        let inner = DbInner {
            conn: Mutex::new(Some(conn)),
            suspect: AtomicBool::new(false),
            repair: OnceLock::new(),
            file,
        };
        Self { inner: Arc::new(inner), error: PhantomData }
    }

    /// The same database for a crate with another error.
    pub fn with_error<F>(&self) -> Db<F> {
        Db { inner: self.inner.clone(), error: PhantomData }
    }

    /// From now on damage is repaired by `repair`. The first one stays.
    pub fn set_repair(&self, repair: Weak<dyn Repair>) {
        let _ = self.inner.repair.set(repair);
    }

    /// Runs `f` with the connection. Keep it short: everybody waits.
    pub fn with<T>(&self, f: impl FnOnce(&mut Connection) -> Result<T, E>) -> Result<T, E> {
        let mut slot = self.slot();
        if self.inner.suspect.swap(false, Ordering::Relaxed) {
            self.repair(&mut slot)?;
        }
        let result = f(open_one(&mut slot)?);
        if matches!(&result, Err(e) if e.is_corrupt()) {
            self.inner.suspect.store(true, Ordering::Relaxed);
        }
        result
    }

    /// Runs `f`, which may consist of several statements, on one state of the database. If damage is found, the file is
    /// repaired and `f` runs once more.
    pub fn read<T>(&self, f: impl Fn(&Connection) -> Result<T, E>) -> Result<T, E> {
        let attempt = || -> Result<T, E> {
            self.with(|conn| {
                let tx = conn.transaction().map_err(|e| storage_error(&e))?;
                let value = f(&tx)?;
                tx.commit().map_err(|e| storage_error(&e))?;
                Ok(value)
            })
        };
        match attempt() {
            Err(e) if e.is_corrupt() => {
                tracing::warn!(error = %e, "a read found damage");
                attempt()
            }
            other => other,
        }
    }

    /// Runs `f` in one transaction that holds the file's write lock from its beginning: what `f` reads stays true until the commit,
    /// for other processes too. `Err` takes everything back.
    pub fn write<T>(&self, f: impl FnOnce(&Transaction<'_>) -> Result<T, E>) -> Result<T, E> {
        // A value whose commit failed is dropped after the lock is released: its destructor may use this database.
        let mut uncommitted = None;
        let result = self.with(|conn| {
            let tx = conn
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .map_err(|e| storage_error(&e))?;
            let value = f(&tx)?;
            match tx.commit() {
                Ok(()) => Ok(value),
                Err(e) => {
                    uncommitted = Some(value);
                    Err(storage_error(&e).into())
                }
            }
        });
        drop(uncommitted);
        result
    }

    /// Goes on with another connection; gives what `make` gives. `make` runs while nobody else uses the database. On `Err`
    /// the old connection stays.
    pub fn replace<T>(&self, make: impl FnOnce() -> Result<(Connection, T), E>) -> Result<T, E> {
        let mut slot = self.slot();
        open_one(&mut slot)?;
        let (conn, value) = make()?;
        *slot = Some(conn);
        Ok(value)
    }

    /// Takes the connection out. Every later call gets an error, so that nothing is written which a copy would miss.
    pub fn close(&self) -> Result<Connection, StorageError> {
        self.slot().take().ok_or_else(closed)
    }

    /// Continues in memory, empty, for the rest of this run.
    pub fn forget_file(&self) -> Result<(), StorageError> {
        let Some(file) = &self.inner.file else { return Ok(()) };
        *self.slot() = Some(in_memory(file.migrations, file.now_ms)?);
        Ok(())
    }

    fn repair(&self, slot: &mut Option<Connection>) -> Result<(), StorageError> {
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
    fn open(&self) -> crate::Result<Connection> {
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
    fn repair(&self, conn: Connection) -> Result<Connection, StorageError> {
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

fn open_one(slot: &mut Option<Connection>) -> Result<&mut Connection, StorageError> {
    slot.as_mut().ok_or_else(closed)
}
fn closed() -> StorageError {
    StorageError::other("this database was closed")
}

fn is_damaged(path: &Path) -> crate::Result<bool> {
    Ok(confirm_damage(path)?
        .inspect(
            |found| tracing::warn!(database.file = %path.display(), found, "a database is damaged"),
        )
        .is_some())
}

/// Opens the file and brings its schema up to date.
pub fn connect(path: &Path, migrations: &[Migration], now_ms: i64) -> crate::Result<Connection> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(|source| crate::Error::Io {
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
    let mut conn = crate::open(path, options)?;
    crate::migrate(&mut conn, migrations, None, now_ms)?;
    conn.busy_timeout(BUSY)?;
    Ok(conn)
}

/// An empty database in memory with this schema.
pub fn in_memory(migrations: &[Migration], now_ms: i64) -> Result<Connection, StorageError> {
    let mut conn = crate::open_in_memory()?;
    crate::migrate(&mut conn, migrations, None, now_ms)?;
    Ok(conn)
}

/// Renames the file with its log to `*.damaged`, in place of an older one of that name.
pub fn set_aside(path: &Path) -> crate::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut from = path.as_os_str().to_owned();
        from.push(suffix);
        let mut to = from.clone();
        to.push(".damaged");
        match std::fs::rename(&from, to) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(crate::Error::Io { action: "rename", path: from.into(), source });
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct UsesTheDatabase(Db<StorageError>);
    impl Drop for UsesTheDatabase {
        fn drop(&mut self) {
            let _ = self
                .0
                .with(|conn| conn.execute("DELETE FROM child", []).map_err(|e| storage_error(&e)));
        }
    }

    #[test]
    fn a_value_whose_commit_failed_may_use_the_database_in_its_destructor() {
        let conn = crate::open_in_memory().unwrap();
        conn.execute_batch(
            "CREATE TABLE parent (id INTEGER PRIMARY KEY) STRICT;
             CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED) STRICT;",
        )
        .unwrap();
        let db = Db::<StorageError>::new(conn);
        let (done, ended) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let result = db.write(|tx| {
                tx.execute("INSERT INTO child (id) VALUES (7)", [])
                    .map_err(|e| storage_error(&e))?;
                Ok::<_, StorageError>(UsesTheDatabase(db.clone()))
            });
            let _ = done.send(result.is_err());
        });
        assert_eq!(ended.recv_timeout(Duration::from_secs(30)), Ok(true), "the commit fails");
    }
}
