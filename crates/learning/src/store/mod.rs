//! `user.db`, the database of the learner's rows, in the folder of the account.
//!
//! All writes go through `write(op, |tx| ...)`: one transaction, durable (`synchronous=FULL`) when it returns;
//! `Changes` are published after the commit. All reads go through `read(|conn| ...)`, which reads one snapshot.
//!
//! | File in the folder | Content |
//! |---|---|
//! | `user.db` (`-wal`, `-shm`) | the rows |
//! | `user.lock` | locked while open; records how the last run ended |
//! | `ballast` | reserve of 4 MiB, released in pieces of 1 MiB when the disk is full, so that work can still be saved |
//! | `journal/` | local changes since the oldest daily backup, for the repair of `user.db` (`journal`) |
//! | `backups/` | `daily-<ms>.db` (3 kept), `before-NNNN-<ms>.db` (one before each migration) |
//! | `user.damaged-<ms>.db` | a damaged file, renamed, never deleted |
//! | `user.recovering.db`, `user.recovered-<ms>.db` | a repair in progress (`recovery`) |
//! | `repair-<ms>.json` | report of what a repair could not restore |
//!
//! A file that cannot be opened for writing (full disk, read-only folder, locked by another program) is opened
//! read-only, as a copy in memory. Each write first tries to reopen it for writing.
//!
//! Not here: the meaning of rows (the other modules of this crate), when they are sent (`carrel-sync`), data that can
//! be fetched again (`carrel-http-cache`).

mod backups;
pub(crate) mod card_changes;
pub mod checked;
mod hooks;
mod image;
mod journal;
mod lifecycle;
pub mod outbox;
mod recovery;
pub mod state;
pub(crate) mod study_day;
mod tx;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use carrel_model::DeviceId;
use carrel_sqlite::{
    Cause, Change, Changes, Database, DatabaseError, Migration, NoHooks, StorageError,
};
use carrel_system::{Clock, blocking, files::Reserve};
use hooks::UserHooks;
use journal::Journal;
pub use lifecycle::Opened;
use parking_lot::Mutex;
pub use recovery::Repair;
use rusqlite::Connection;
use tx::Effects;
pub use tx::Tx;

use crate::{Error, Result};

const FILE: &str = "user.db";
const RESERVE: Reserve = Reserve { name: "ballast", bytes: 4 * 1024 * 1024, piece: 1024 * 1024 };

/// Schema migrations of `user.db`, in order. Rules: migrations/README.md.
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
    Migration {
        number: 4,
        name: "study_days",
        sql: include_str!("../../../../migrations/user/0004_study_days.sql"),
    },
    Migration {
        number: 5,
        name: "words_of_cards",
        sql: include_str!("../../../../migrations/user/0005_words_of_cards.sql"),
    },
];

/// Configuration of a store.
#[derive(Clone)]
pub struct Options {
    /// Id of this device, stored in each register that it writes.
    pub device: DeviceId,
    /// Release of the app. When it changes, rows that the previous release could not read are read again.
    pub app_version: String,
    /// Whether local changes are put into the outbox. False for the demo library.
    pub has_server: bool,
    /// Wall and monotonic clock.
    pub clock: Arc<dyn Clock>,
    /// Receives the changes of each commit.
    pub changes: Changes,
    /// Maximum number of pages (4 KiB) of the file; each released piece of the reserve adds 256. `None` for no limit.
    pub page_limit: Option<u32>,
}

/// Test hook that is called at each step of a repair with the name of the step, to inspect the files that a crash would
/// leave.
#[derive(Clone, Default)]
pub struct Failpoints(Option<Arc<dyn Fn(&'static str) + Send + Sync>>);

impl Failpoints {
    /// Creates a hook that calls `call` with each step's name.
    pub fn new(call: impl Fn(&'static str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(call)))
    }
    fn at(&self, step: &'static str) {
        if let Some(call) = &self.0 {
            call(step);
        }
    }
}

/// An open `user.db`.
pub struct Store {
    mode: Mutex<Arc<Mode>>,
    /// At most one attempt at a time to reopen a read-only file for writing.
    reopening: tokio::sync::Mutex<()>,
    repair_read: AtomicBool,
    dir: PathBuf,
    options: Arc<Options>,
    failpoints: Failpoints,
}

enum Mode {
    Live {
        db: Database<Error>,
        journal: Arc<Mutex<Journal>>,
        /// Effects of the transactions in the current commit.
        effects: Arc<Mutex<Effects>>,
        opened: Opened,
    },
    /// `db` is a copy in memory; `why` is the reason why the file cannot be written.
    ReadOnly {
        db: Database<Error>,
        why: Error,
        opened: Opened,
    },
    Closed,
}

impl Store {
    /// Opens or creates the file in `dir`, migrates its schema, and repairs it if it is damaged. A file that cannot be
    /// opened for writing is opened read-only if possible: see [`Store::read_only`]. Blocking.
    ///
    /// # Errors
    /// The file has a newer schema than this app, or no data could be read.
    pub fn open(dir: &Path, options: Options) -> Result<Self> {
        Self::open_with_failpoints(dir, options, Failpoints::default())
    }

    /// Like [`Store::open`], and calls `failpoints` at each step of a repair.
    pub fn open_with_failpoints(
        dir: &Path,
        options: Options,
        failpoints: Failpoints,
    ) -> Result<Self> {
        let options = Arc::new(options);
        let mode = match open_live(dir, &options, &failpoints) {
            Ok(live) => live,
            Err(why) => open_copy(dir, &options, why)?,
        };
        Ok(Self {
            mode: Mutex::new(Arc::new(mode)),
            reopening: tokio::sync::Mutex::default(),
            repair_read: AtomicBool::new(false),
            dir: dir.to_owned(),
            options,
            failpoints,
        })
    }

    /// Runs one transaction: all or nothing, durable when this returns.
    ///
    /// `op` is the name of the transaction in logs. `f` may run several times: when the disk is full, a piece of the
    /// reserve is released and `f` runs again. Transactions that are queued at the same time share one commit, and so
    /// one fsync; each succeeds or fails on its own. A read-only store is first reopened for writing; if that fails,
    /// its error is returned.
    pub async fn write<T: Send + 'static>(
        &self,
        op: &'static str,
        f: impl FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.reopen().await?;
        match &*self.mode() {
            Mode::Live { db, effects, .. } => {
                let (options, effects) = (self.options.clone(), effects.clone());
                let mut f = f;
                let written = db.write(op, move |transaction| {
                    let mut tx = Tx::new(transaction, &options)?;
                    let value = f(&mut tx)?;
                    let (own, effects) = (tx.finish()?, effects.clone());
                    transaction.after_commit(move || effects.lock().extend(own));
                    Ok(value)
                });
                written.await
            }
            Mode::ReadOnly { why, .. } => Err(why.clone()),
            Mode::Closed => Err(closed()),
        }
    }

    /// Reads one snapshot. Never waits for the writer.
    pub async fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        match &*self.mode() {
            Mode::Live { db, .. } | Mode::ReadOnly { db, .. } => db.read_once(f).await,
            Mode::Closed => Err(closed()),
        }
    }

    /// Returns what happened when the file was opened.
    pub fn opened(&self) -> Opened {
        match &*self.mode() {
            Mode::Live { opened, .. } | Mode::ReadOnly { opened, .. } => opened.clone(),
            Mode::Closed => Opened::default(),
        }
    }
    /// Returns why the store is read-only; `None` if it can be written.
    pub fn read_only(&self) -> Option<Error> {
        match &*self.mode() {
            Mode::ReadOnly { why, .. } => Some(why.clone()),
            _ => None,
        }
    }
    /// Returns the report of the last repair if it could not restore everything; `None` after `forget_repair`.
    pub fn last_repair(&self) -> Option<Repair> {
        if self.repair_read.load(Ordering::Relaxed) {
            return None;
        }
        let report = recovery::last_report(&self.dir).or_else(|| self.opened().repair);
        report.filter(|repair| !repair.is_complete())
    }
    /// Marks the repair report as read by the user.
    pub fn forget_repair(&self) -> Result<()> {
        self.repair_read.store(true, Ordering::Relaxed);
        recovery::mark_reports_read(&self.dir)
    }
    /// Returns the folder of the account.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
    /// Returns the id of this device.
    pub fn device(&self) -> DeviceId {
        self.options.device
    }
    /// Returns the channel that receives the changes of each commit.
    pub fn changes(&self) -> &Changes {
        &self.options.changes
    }
    /// Returns the clock of this store.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.options.clock
    }

    /// Makes a backup if the last one is a day old, and refills the reserve if there is space. To be called about once
    /// an hour.
    pub async fn maintain(&self) -> Result<()> {
        self.reopen().await?;
        let mode = self.mode();
        let Mode::Live { journal, .. } = &*mode else { return Ok(()) };
        let (dir, now_ms, journal) =
            (self.dir.clone(), self.options.clock.now_ms(), journal.clone());
        blocking(move || {
            RESERVE.fill(&dir);
            backups::make_daily(&dir, now_ms, &journal).map(|_| ())
        })
        .await
    }

    /// Checkpoints the write-ahead log and closes the file. Transactions queued earlier are finished first.
    pub async fn close(&self) {
        let _guard = self.reopening.lock().await;
        let mode = std::mem::replace(&mut *self.mode.lock(), Arc::new(Mode::Closed));
        match &*mode {
            Mode::Live { db, .. } | Mode::ReadOnly { db, .. } => db.close().await,
            Mode::Closed => {}
        }
    }

    fn mode(&self) -> Arc<Mode> {
        self.mode.lock().clone()
    }

    /// If the file is open read-only, tries to open it for writing.
    async fn reopen(&self) -> Result<()> {
        if !matches!(&*self.mode(), Mode::ReadOnly { .. }) {
            return Ok(());
        }
        let _guard = self.reopening.lock().await;
        if !matches!(&*self.mode(), Mode::ReadOnly { .. }) {
            return Ok(());
        }
        let (dir, options, failpoints) =
            (self.dir.clone(), self.options.clone(), self.failpoints.clone());
        let live = blocking(move || open_live(&dir, &options, &failpoints)).await?;
        *self.mode.lock() = Arc::new(live);
        tracing::info!("user.db can be written again");
        self.options.changes.publish_one(Change::Account);
        Ok(())
    }
}

fn closed() -> Error {
    Error::Storage(StorageError::other("the store is closed"))
}

fn open_live(dir: &Path, options: &Arc<Options>, failpoints: &Failpoints) -> Result<Mode> {
    let lifecycle::Live { conn, lock, journal, opened } =
        lifecycle::open(dir, options, failpoints)?;
    let (journal, effects) = (Arc::new(Mutex::new(journal)), Arc::default());
    let hooks = UserHooks {
        lock,
        journal: journal.clone(),
        effects: Arc::clone(&effects),
        was_damaged: false,
        dir: dir.to_owned(),
        options: options.clone(),
        page_limit: options.page_limit,
    };
    Ok(Mode::Live { db: Database::new(conn, hooks), journal, effects, opened })
}

/// Opens the file read-only. `why` is the reason why it cannot be written; it is returned if the file cannot be read
/// either.
fn open_copy(dir: &Path, options: &Options, why: Error) -> Result<Mode> {
    let copied = match why.cause() {
        Some(Cause::Full | Cause::Denied | Cause::Corrupt | Cause::TooManyFiles | Cause::Other) => {
            lifecycle::read_copy(dir, options, false)
        }
        // If another Carrel has the file open, SQLite can read a consistent snapshot; another program may have locked
        // it exclusively.
        Some(Cause::Busy) => lifecycle::read_copy(dir, options, true)
            .or_else(|_| lifecycle::read_copy(dir, options, false)),
        _ => return Err(why),
    };
    match copied {
        Ok((conn, opened)) => {
            tracing::error!(store.dir = %dir.display(), error = %why, "user.db is open read-only");
            Ok(Mode::ReadOnly { db: Database::new(conn, NoHooks), why, opened })
        }
        Err(e) => {
            tracing::error!(store.dir = %dir.display(), error = %e, "user.db cannot be read either");
            Err(why)
        }
    }
}

/// Appends a suffix to a path, such as `-wal`.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Returns the query plan of a statement on an empty `user.db`, one step per line.
#[cfg(test)]
pub(crate) fn query_plan(sql: &str) -> String {
    let mut conn = carrel_sqlite::open_in_memory().unwrap();
    carrel_sqlite::migrate(&mut conn, MIGRATIONS, None, 0).unwrap();
    let mut stmt = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let parameters = rusqlite::params_from_iter(vec!["x"; stmt.parameter_count()]);
    let steps = stmt.query_map(parameters, |row| row.get::<_, String>(3)).unwrap();
    steps.collect::<rusqlite::Result<Vec<_>>>().unwrap().join("\n")
}
