//! What an engine implements besides the statements of `tx`: transactions, and operations on a whole database.

use std::path::Path;

use async_trait::async_trait;
use carrel_model::BlobHash;

use super::{Result, StoreError, tx::Tx};

/// Work to run in one transaction.
pub trait TxJob: Send {
    /// Runs in a transaction; false rolls it back. Never panics.
    fn run(&mut self, tx: &dyn Tx) -> bool;
    /// Called when the transaction has ended, even if the caller no longer waits. `Err`: it was not committed.
    fn finish(self: Box<Self>, result: Result<(), StoreError>);
}

/// An open database. An accepted job is finished even if the caller is cancelled.
#[async_trait]
pub trait Transactions: Send + Sync {
    /// Runs a job in a read transaction, which sees one state of the database.
    async fn read(&self, job: Box<dyn TxJob>);
    /// Runs a job in a transaction that is durable when `finish` is called.
    fn write(&self, job: Box<dyn TxJob>);
}

/// Options for opening a database.
#[derive(Debug, Clone, Copy)]
pub struct OpenOptions {
    /// Number of read connections; 0: chosen from the number of cores.
    pub readers: usize,
    /// Used in the names of copies made before a migration.
    pub now_ms: i64,
}

/// An opened database.
pub struct Opened {
    pub transactions: Box<dyn Transactions>,
    /// Random text on which all refresh tokens depend; empty until all sign-ins have been ended once.
    pub token_salt: String,
}

/// Content of a finished copy of a database.
#[derive(Debug, Clone)]
pub struct CopyMetadata {
    pub epoch: String,
    /// Blobs of the catalogue and their sizes in bytes.
    pub blobs: Vec<(BlobHash, u64)>,
}

/// A database engine. Folders are data folders of servers or folders of backups; the engine defines the names of its
/// files in them.
pub trait Engine: Send + Sync + 'static {
    /// Returns the name used in messages.
    fn name(&self) -> &'static str;
    /// Returns the name of the database file.
    fn file(&self) -> &'static str;
    /// Returns the names of the files beside it while the database is in use.
    fn side_files(&self) -> &'static [&'static str];
    /// Returns true if the folder has a database that is not empty.
    fn exists(&self, folder: &Path) -> bool;
    /// Opens the database of a data folder, and creates or migrates it. A new one gets an epoch and an id.
    fn open(&self, folder: &Path, options: OpenOptions) -> Result<Opened>;
    /// Copies one state of the database, which may be in use.
    fn copy(&self, folder: &Path, into: &Path) -> Result<()>;
    /// Reads the content of a finished copy. Writes nothing, not even to its folder.
    fn copy_metadata(&self, copy: &Path) -> Result<CopyMetadata>;
    /// Reads and verifies a whole finished copy. Writes nothing.
    fn check_copy(&self, copy: &Path) -> Result<()>;
    /// Prepares a copy in `folder` for use and syncs it to disk: migrates it and generates a new epoch, which is
    /// returned. `end_sign_ins` invalidates all sign-ins.
    fn prepare_restored(&self, folder: &Path, end_sign_ins: bool, now_ms: i64) -> Result<String>;
}
