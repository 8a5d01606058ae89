//! What an engine has to offer besides the statements of `tx`: transactions, and the whole database as one thing.

use std::path::Path;

use async_trait::async_trait;
use carrel_model::BlobHash;

use super::{Result, StoreError, tx::Tx};

/// One piece of work for a transaction.
pub trait TxJob: Send {
    /// Runs inside a transaction. False: roll it back. Never panics.
    fn run(&mut self, tx: &dyn Tx) -> bool;
    /// Is called when the transaction has ended, also if nobody waits for the result any more. `Err`: it was not committed.
    fn finish(self: Box<Self>, ended: Result<(), StoreError>);
}

/// An open database. A job that was taken is finished, whatever becomes of the caller.
#[async_trait]
pub trait Transactions: Send + Sync {
    /// Runs a job in a transaction that sees one state of the database and writes nothing.
    async fn read(&self, job: Box<dyn TxJob>);
    /// Runs a job in a transaction that is durable when `finish` is called.
    fn write(&self, job: Box<dyn TxJob>);
}

/// How to open a database.
#[derive(Debug, Clone, Copy)]
pub struct OpenOptions {
    /// Reading connections; 0 chooses by the number of cores.
    pub readers: usize,
    /// For the names of copies that are made before a migration.
    pub now_ms: i64,
}

/// A database that was opened.
pub struct Opened {
    pub transactions: Box<dyn Transactions>,
    /// The random text that all refresh tokens depend on; empty until all sign-ins were ended once.
    pub token_salt: String,
}

/// What a finished copy of a database contains.
#[derive(Debug, Clone)]
pub struct CopyFacts {
    pub epoch: String,
    /// Blobs of the catalogue and their sizes.
    pub blobs: Vec<(BlobHash, u64)>,
}

/// A kind of database. Folders are data folders of servers, or folders of backups; copies are files with names of the engine's own.
pub trait Engine: Send + Sync + 'static {
    /// For messages.
    fn name(&self) -> &'static str;
    /// The file of a finished copy of a database.
    fn file(&self) -> &'static str;
    /// Files that are beside it while the database is in use.
    fn side_files(&self) -> &'static [&'static str];
    /// True if the folder has a database that is not empty.
    fn exists(&self, folder: &Path) -> bool;
    /// Opens the database of a data folder, makes or migrates it, and gives a new one its epoch and its id.
    fn open(&self, folder: &Path, options: OpenOptions) -> Result<Opened>;
    /// Copies the database as it is at one moment; it may be in use.
    fn copy(&self, folder: &Path, into: &Path) -> Result<()>;
    /// Reads what a finished copy contains. Writes nothing, also not to its folder.
    fn copy_facts(&self, copy: &Path) -> Result<CopyFacts>;
    /// Reads the whole of a finished copy and checks it. Writes nothing.
    fn check_copy(&self, copy: &Path) -> Result<()>;
    /// Makes a copy that was put into `folder` ready for use, on disk to the last byte: migrates it and draws a new epoch, which is
    /// returned. `end_sign_ins`: no sign-in is valid any more.
    fn prepare_restored(&self, folder: &Path, end_sign_ins: bool, now_ms: i64) -> Result<String>;
}
