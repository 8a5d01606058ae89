//! The traits that an engine implements besides those of `tx`: transactions, and operations on a whole database.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use carrel_model::BlobHash;

use super::{Result, StoreError, facts, tx::Tx};

/// How old the state that a read finds may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Freshness {
    /// As old as the replicas of the database may be by its settings.
    Delayed,
    /// A catalogue that is not older than this one.
    Catalogue(CatalogueState),
}

/// Identifies a state of the catalogue: its epoch, and its revisions in this epoch, which only increase.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogueState {
    pub epoch: String,
    /// Fact `CATALOGUE`; 0 if it is missing.
    pub revision: u64,
    /// Fact `LEARNER_COUNTS`; 0 if it is missing.
    pub learner_counts: u64,
}

impl CatalogueState {
    /// Names of the facts that it consists of.
    pub const FACTS: [&'static str; 3] = [facts::EPOCH, facts::CATALOGUE, facts::LEARNER_COUNTS];

    /// Returns the state with these values of facts; others are ignored.
    pub fn of<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut state = Self::default();
        for (name, value) in values {
            match name {
                facts::EPOCH => value.clone_into(&mut state.epoch),
                facts::CATALOGUE => state.revision = value.parse().unwrap_or(0),
                facts::LEARNER_COUNTS => state.learner_counts = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        state
    }
    /// Returns true if it contains every change that `other` contains. Revisions of different epochs cannot be
    /// compared.
    pub fn is_at_least(&self, other: &Self) -> bool {
        self.epoch == other.epoch
            && self.revision >= other.revision
            && self.learner_counts >= other.learner_counts
    }
}

/// Work to run in one transaction.
pub trait TxJob: Send {
    /// Called in a transaction, which is rolled back if the result is false. Does not panic. Only a job for
    /// `read_replica` is called again after a failure.
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
    /// Returns true if there are replicas, whether they can be used at present or not.
    fn has_replicas(&self) -> bool {
        false
    }
    /// Like `read`, on a replica of the database that is fresh enough, if there is one. If the job fails on a replica,
    /// it is run again as by `read`.
    async fn read_replica(&self, job: Box<dyn TxJob>, _freshness: Freshness) {
        self.read(job).await;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catalogues_of_different_epochs_are_never_compared() {
        let state = |epoch: &str, revision: u64, learner_counts: u64| CatalogueState {
            epoch: epoch.to_owned(),
            revision,
            learner_counts,
        };
        let wanted = state("a", 7, 3);
        for (found, expected) in [
            (state("a", 7, 3), true),
            (state("a", 8, 4), true),
            (state("a", 6, 9), false),
            (state("a", 9, 2), false),
            // After a failover or a restore, a larger revision may be one of lost changes.
            (state("b", 9, 9), false),
            (state("", 9, 9), false),
        ] {
            assert_eq!(found.is_at_least(&wanted), expected, "{found:?}");
        }
        let facts = [("learner_counts", "3"), ("epoch", "a"), ("catalogue", "7"), ("other", "1")];
        assert_eq!(CatalogueState::of(facts), wanted);
        assert_eq!(CatalogueState::of([("epoch", "a")]), state("a", 0, 0));
    }
}
