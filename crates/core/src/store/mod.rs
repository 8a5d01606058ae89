//! `user.db`, the learner's work: one folder per account, one writer thread, read-only readers.
//!
//! There is one door for writes: `write(op, |tx| ...)` is one transaction that is on the disk (`synchronous=FULL`) when it returns, and
//! after which `Changes` are told. There is one door for reads: `read(|conn| ...)`, a snapshot.
//!
//! | File in the folder | What it is |
//! |---|---|
//! | `user.db` (`-wal`, `-shm`) | the rows |
//! | `user.lock` | held while open; says after a kill that it was open |
//! | `ballast` | 4 MiB that are given up when the disk is full, so that work can still be saved |
//! | `backups/` | `daily-<ms>.db` (3 kept), `before-NNNN-<ms>.db` (one before each migration) |
//! | `user.damaged-<ms>.db` | a damaged file, put aside, never deleted |
//!
//! Not here: what the rows mean (`learning`), when they are sent (`sync`), what can be fetched again (`cache`).

mod care;
pub mod outbox;
mod readers;
pub mod state;
mod tx;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use carrel_model::DeviceId;
use carrel_sqlite::Migration;
use rusqlite::Connection;

pub use care::Opened;
pub use tx::Tx;

use crate::{Changes, Clock, Error, Result};
use readers::Readers;
use writer::Writer;

/// The schema of `user.db`, in order. migrations/README.md has the rules.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "rows",
        sql: include_str!("../../../../migrations/user/0001_rows.sql"),
    },
    Migration {
        number: 2,
        name: "sync",
        sql: include_str!("../../../../migrations/user/0002_sync.sql"),
    },
    Migration {
        number: 3,
        name: "submitted_answers",
        sql: include_str!("../../../../migrations/user/0003_submitted_answers.sql"),
    },
];

/// What a store needs to know of the world.
#[derive(Clone)]
pub struct Options {
    pub device: DeviceId,
    /// Release of the app: after an update, rows that were too new are tried again.
    pub app_version: String,
    /// True: local changes wait for a server. False (the demo library): nothing waits.
    pub has_server: bool,
    pub clock: Arc<dyn Clock>,
    pub changes: Changes,
    /// The most pages (4 KiB) that the file may have; giving up the ballast adds 1,024. None: as the disk allows.
    pub page_limit: Option<u32>,
}

/// An open `user.db`. Closing it (or dropping the last handle) waits for the writer.
pub struct Store {
    writer: Writer,
    readers: Readers,
    dir: PathBuf,
    opened: Opened,
    options: Options,
}

impl Store {
    /// Opens or makes the file in `dir`, brings its schema up to date, and looks for damage if it was not closed well.
    ///
    /// Blocking: call it where blocking is fine. Errors: in use by another process, newer than this app, no space for a new file.
    pub fn open(dir: &Path, options: Options) -> Result<Self> {
        let (conn, lock, opened) = care::open(dir, &options)?;
        let readers = Readers::new(dir.join(care::FILE));
        let writer = Writer::start(conn, lock, dir, &options)?;
        Ok(Self { writer, readers, dir: dir.to_owned(), opened, options })
    }

    /// ONE transaction: everything or nothing, durable when this returns.
    ///
    /// `op` names it in logs. `f` may run twice: when the disk is full, the ballast is given up and it runs once more. Transactions that
    /// wait at the same moment share one commit, and so one fsync; each still stands or falls alone.
    pub async fn write<T: Send + 'static>(
        &self,
        op: &'static str,
        f: impl FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writer.write(op, f).await
    }

    /// Reads one snapshot. Never waits for the writer.
    pub async fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.readers.read(f).await
    }

    /// What had to be done to open the file.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }
    pub fn dir(&self) -> &Path {
        &self.dir
    }
    pub fn device(&self) -> DeviceId {
        self.options.device
    }
    pub fn changes(&self) -> &Changes {
        &self.options.changes
    }
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.options.clock
    }

    /// Once an hour or so: a backup if the last is a day old, and the ballast if it was given up and there is space again.
    pub async fn care(&self) -> Result<()> {
        let (dir, now_ms) = (self.dir.clone(), self.options.clock.now_ms());
        let done = tokio::task::spawn_blocking(move || {
            care::fill_ballast(&dir);
            care::backup_daily(&dir, now_ms)
        });
        done.await.map_err(|e| Error::Internal(e.to_string()))?.map(|_| ())
    }

    /// Puts the log into the file and closes it. Transactions that were called before are finished.
    pub async fn close(&self) {
        self.readers.close();
        self.writer.close().await;
    }
}

impl From<carrel_sqlite::Error> for Error {
    fn from(e: carrel_sqlite::Error) -> Self {
        let text = match e.hint() {
            "" => e.to_string(),
            hint => format!("{e}; hint: {hint}"),
        };
        match e.code() {
            carrel_model::ErrorCode::DiskFull => Self::DiskFull(text),
            carrel_model::ErrorCode::Corrupt => Self::Corrupt(text),
            carrel_model::ErrorCode::InvalidRequest => Self::Invalid(text),
            _ => Self::Storage(text),
        }
    }
}
