//! A database that is called synchronously: `content.db`, until its callers use [`Database`].

use std::{
    marker::PhantomData,
    path::Path,
    sync::{Arc, OnceLock, Weak},
};

use carrel_system::StorageError;
use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use crate::database::{connect, in_memory, set_aside};
use crate::{
    Database, DatabaseError, Migration,
    database::{Disposable, Hooks, shared::Shared},
    storage_error,
};

/// A database of content. Clones share one connection.
///
/// Other processes may have the same file open: whoever reads and then writes does both inside [`Db::write`].
///
/// `E` is the error of the crate that uses it.
pub struct Db<E> {
    shared: Arc<Shared>,
    repair: SharedRepair,
    error: PhantomData<fn() -> E>,
}

type SharedRepair = Arc<OnceLock<Weak<dyn Repair>>>;

impl<E> Clone for Db<E> {
    fn clone(&self) -> Self {
        self.with_error()
    }
}

impl<E> Database<E> {
    /// The same database for code that calls it synchronously from async tasks.
    pub fn as_db(&self) -> Db<E> {
        Db::of(self.shared().clone())
    }
}

/// Checks a file after a statement reported damage.
pub trait Repair: Send + Sync {
    /// Gives the connection to go on with: the same one, or one to a new file.
    fn repair(&self, conn: Connection) -> Result<Connection, StorageError>;
}

struct RepairHooks(SharedRepair);

impl Hooks for RepairHooks {
    fn repair(&mut self, conn: Connection) -> Result<Connection, StorageError> {
        match self.0.get().and_then(Weak::upgrade) {
            Some(repair) => repair.repair(conn),
            None => Ok(conn),
        }
    }
}

impl<E> Db<E> {
    pub fn new(conn: Connection) -> Self {
        let repair = SharedRepair::default();
        let hooks = RepairHooks(repair.clone());
        Self { repair, ..Self::of(Arc::new(Shared::new(conn, Box::new(hooks)))) }
    }
    fn of(shared: Arc<Shared>) -> Self {
        Self { shared, repair: SharedRepair::default(), error: PhantomData }
    }

    /// Opens or makes a file as [`Database::open_disposable`] does.
    pub fn open(
        path: &Path,
        migrations: &'static [Migration],
        now_ms: i64,
    ) -> Result<Self, StorageError> {
        let file = Disposable { path: path.to_owned(), migrations, now_ms };
        Ok(Self::of(Arc::new(Shared::new(file.open_or_memory()?, Box::new(file)))))
    }

    /// The same database for a crate with another error.
    pub fn with_error<F>(&self) -> Db<F> {
        Db { shared: self.shared.clone(), repair: self.repair.clone(), error: PhantomData }
    }

    /// From now on damage is repaired by `repair`. The first one stays.
    pub fn set_repair(&self, repair: Weak<dyn Repair>) {
        let _ = self.repair.set(repair);
    }

    /// Takes the connection out. Every later call gets an error, so that nothing is written which a copy would miss.
    pub fn close(&self) -> Result<Connection, StorageError> {
        self.shared.take()
    }
}

impl<E: DatabaseError> Db<E> {
    /// Runs `f` with the connection. Keep it short: everybody waits.
    pub fn with<T>(&self, f: impl FnOnce(&mut Connection) -> Result<T, E>) -> Result<T, E> {
        self.shared.with_connection(f)
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
            Err(e) if e.is_corrupt() => attempt(),
            other => other,
        }
    }

    /// Runs `f` in one transaction that holds the file's write lock from its beginning: what `f` reads stays true until the
    /// commit, for other processes too. `Err` takes everything back.
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
        self.shared.replace(make)
    }
}
