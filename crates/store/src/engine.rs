//! The traits that an engine implements besides those of `tx`: transactions, and operations on a whole database.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use carrel_model::BlobHash;

use super::{Result, StoreError, tx::Tx};

/// Work to run in one transaction.
pub trait TxJob: Send {
    /// Called in a transaction, which is rolled back if the result is false. Does not panic.
    fn run(&mut self, tx: &dyn Tx) -> bool;
    /// Called after the end of the transaction, even if the caller was cancelled. `Err`: the transaction was not
    /// committed.
    fn finish(self: Box<Self>, result: Result<(), StoreError>);
}

/// An open database. A job that was started is finished even if the caller is cancelled.
#[async_trait]
pub trait Transactions: Send + Sync {
    /// Runs a job in a read transaction on one state of the database.
    async fn read(&self, job: Box<dyn TxJob>);
    /// Runs a job in a transaction that is durable when `finish` is called.
    fn write(&self, job: Box<dyn TxJob>);
    /// Returns how many connections of a pool are used; `None` without a pool.
    fn pool(&self) -> Option<PoolUse> {
        None
    }
}

/// Connections of this process to a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    pub active: usize,
    pub idle: usize,
    pub max: usize,
    /// Number of transactions that wait for a connection.
    pub waiting: usize,
}

/// Options for opening a database.
#[derive(Debug, Clone, Copy)]
pub struct OpenOptions {
    /// Number of read connections; 0: chosen from the number of cores.
    pub readers: usize,
    /// Used in the names of copies made before a migration.
    pub now_ms: i64,
}

/// What arrives from the other processes that have the database open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    Message(String),
    /// Messages may have been lost: receiving has just begun, or goes on after an interruption.
    Gap,
}

/// Called for each message, in the order of each sender. Must not block.
pub type Receive = Box<dyn Fn(Received) + Send + Sync>;

/// Messages between the processes that have one database open. They are hints: what they report is in the database.
pub trait Messages: Send + Sync {
    /// Sends a line of text to the other processes. Does not block. The message is lost if the database cannot be
    /// reached. Dropping the database waits until it was sent.
    fn send(&self, message: String);
    /// Receives the messages of the other processes until the database is closed. Called at most once.
    fn receive(&self, receive: Receive);
}

/// A limit: `events` at once, which refill evenly over a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burst {
    /// Identifies the limit.
    pub name: &'static str,
    pub events: u32,
    pub window_ms: i64,
}

impl Burst {
    /// Returns the time in which one event refills.
    pub fn interval_ms(self) -> i64 {
        (self.window_ms / i64::from(self.events.max(1))).max(1)
    }
}

/// Whether an event was counted, and the time until the burst of its key is full again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    Yes { full_in_ms: i64 },
    No { full_in_ms: i64 },
}

/// Counts of events by key that the processes of a database share.
#[async_trait]
pub trait SharedLimits: Send + Sync {
    /// Counts an event, unless the burst of the key is used up.
    async fn take(&self, burst: Burst, key: &str, now_ms: i64) -> Result<Counted>;
    /// Removes a counted event. Does not block.
    fn refund(&self, burst: Burst, key: &str);
}

/// An opened database.
pub struct Opened {
    pub transactions: Box<dyn Transactions>,
    /// `None` if only one process uses the database.
    pub messages: Option<Box<dyn Messages>>,
    /// `None` if only one process uses the database.
    pub limits: Option<Arc<dyn SharedLimits>>,
    /// Random text from which the key of refresh tokens is derived; empty unless a restore has ended all sign-ins.
    pub token_salt: String,
}

/// Epoch and blobs of a finished copy of a database.
#[derive(Debug, Clone)]
pub struct CopyMetadata {
    pub epoch: String,
    /// Blobs of the catalogue and their sizes in bytes.
    pub blobs: Vec<(BlobHash, u64)>,
}

/// A database engine. Its files are in data folders and backups; the engine defines their names. The database of a data
/// folder may also be elsewhere.
pub trait Engine: Send + Sync + 'static {
    /// Returns the name used in messages.
    fn name(&self) -> &'static str;
    /// Returns the name of the database file, in a data folder or in a copy.
    fn file(&self) -> &'static str;
    /// Returns true if the database is a file in the data folder.
    fn is_in_folder(&self) -> bool {
        true
    }
    /// Returns true if several servers may use the database and the data folder at the same time.
    fn is_shared(&self) -> bool {
        false
    }
    /// Returns the names of the files that exist beside the database while it is in use.
    fn side_files(&self) -> &'static [&'static str];
    /// Returns the engine for the database of a tenant, in the tenant's own data folder. Tenants of a shared database
    /// have their rows in the same tables.
    fn for_tenant(&self, name: &str) -> Arc<dyn Engine>;
    /// Returns true if the data folder has a database that is not empty.
    fn exists(&self, folder: &Path) -> Result<bool>;
    /// Opens the database of a data folder, after creating or migrating it if necessary. A new database gets an epoch
    /// and a server id.
    fn open(&self, folder: &Path, options: OpenOptions) -> Result<Opened>;
    /// Copies a consistent state of the database, which may be in use.
    fn copy(&self, folder: &Path, into: &Path) -> Result<()>;
    /// Reads the metadata of a finished copy. Creates no files in its folder.
    fn copy_metadata(&self, copy: &Path) -> Result<CopyMetadata>;
    /// Verifies a whole finished copy. Creates no files in its folder.
    fn check_copy(&self, copy: &Path) -> Result<()>;
    /// Prepares a copy in `folder` for use and syncs it to disk: migrates it and generates a new epoch, which is
    /// returned. `end_sign_ins` invalidates all sign-ins.
    fn prepare_restored(&self, folder: &Path, end_sign_ins: bool, now_ms: i64) -> Result<String>;
    /// Replaces the database of a data folder by a copy: all of it, or nothing if it fails. An engine whose database is a
    /// file of the folder moves the file.
    fn load(&self, copy: &Path, folder: &Path) -> Result<()>;
}
