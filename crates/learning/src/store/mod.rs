//! `user.db`, the learner's work: one folder per account, one `carrel_sqlite::Database`.
//!
//! There is one door for writes: `write(op, |tx| ...)` is one transaction that is on the disk (`synchronous=FULL`) when it returns, and
//! after which `Changes` are told. There is one door for reads: `read(|conn| ...)`, a snapshot.
//!
//! | File in the folder | What it is |
//! |---|---|
//! | `user.db` (`-wal`, `-shm`) | the rows |
//! | `user.lock` | held while open; notes how the last run ended |
//! | `ballast` | the reserve: 4 MiB, given up in pieces of 1 MiB when the disk is full, so that work can still be saved |
//! | `journal/` | the local changes since the oldest daily backup, to repair `user.db` from (`journal`) |
//! | `backups/` | `daily-<ms>.db` (3 kept), `before-NNNN-<ms>.db` (one before each migration) |
//! | `user.damaged-<ms>.db` | a damaged file, set aside, never deleted |
//! | `user.recovering.db`, `user.recovered-<ms>.db` | a repair under way (`recovery`) |
//! | `repair-<ms>.json` | what a repair could not bring back |
//!
//! A file that cannot be opened for writing (full disk, read-only folder, held by another program) is opened for reading:
//! a copy in memory. Each write tries to open it for writing again.
//!
//! Not here: what the rows mean (`learning`), when they are sent (`sync`), what can be fetched again (`cache`).

mod backups;
mod care;
pub mod checked;
mod hooks;
mod image;
mod journal;
pub mod outbox;
mod recovery;
pub mod state;
mod tx;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

pub use care::Opened;
use carrel_model::DeviceId;
use carrel_sqlite::{
    Cause, Change, Changes, Database, DatabaseError, Migration, NoHooks, StorageError,
};
use carrel_system::{Clock, blocking, files::Reserve};
use hooks::UserHooks;
use journal::Journal;
use parking_lot::Mutex;
pub use recovery::Repair;
use rusqlite::Connection;
use tx::Effects;
pub use tx::Tx;

use crate::{Error, Result};

const FILE: &str = "user.db";
const RESERVE: Reserve = Reserve { name: "ballast", bytes: 4 * 1024 * 1024, piece: 1024 * 1024 };

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

/// Called at each step of a repair with the step's name: tests look there at what a kill would leave.
#[derive(Clone, Default)]
pub struct Steps(Option<Arc<dyn Fn(&'static str) + Send + Sync>>);

impl Steps {
    pub fn new(call: impl Fn(&'static str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(call)))
    }
    fn at(&self, step: &'static str) {
        if let Some(call) = &self.0 {
            call(step);
        }
    }
}

/// An open `user.db`. Closing it (or dropping the last handle) waits for the writer.
pub struct Store {
    mode: Mutex<Arc<Mode>>,
    /// One attempt at a time to open a read-only one for writing.
    reopening: tokio::sync::Mutex<()>,
    repair_read: AtomicBool,
    dir: PathBuf,
    options: Arc<Options>,
    steps: Steps,
}

enum Mode {
    Live {
        db: Database<Error>,
        journal: Arc<Mutex<Journal>>,
        /// What the transactions of the commit that is under way did.
        effects: Arc<Mutex<Effects>>,
        opened: Opened,
    },
    /// A copy in memory, and why it cannot be written.
    ReadOnly {
        db: Database<Error>,
        why: Error,
        opened: Opened,
    },
    Closed,
}

impl Store {
    /// Opens or makes the file in `dir`, brings its schema up to date, and repairs it if it is damaged. A file that cannot
    /// be opened for writing is opened for reading if possible: see [`Store::read_only`].
    ///
    /// Blocking: call it where blocking is fine. Errors: newer than this app, no data that could be read.
    pub fn open(dir: &Path, options: Options) -> Result<Self> {
        Self::open_with_steps(dir, options, Steps::default())
    }

    /// The same, with a call at each step of a repair.
    pub fn open_with_steps(dir: &Path, options: Options, steps: Steps) -> Result<Self> {
        let options = Arc::new(options);
        let mode = match open_live(dir, &options, &steps) {
            Ok(live) => live,
            Err(why) => open_copy(dir, &options, why)?,
        };
        Ok(Self {
            mode: Mutex::new(Arc::new(mode)),
            reopening: tokio::sync::Mutex::default(),
            repair_read: AtomicBool::new(false),
            dir: dir.to_owned(),
            options,
            steps,
        })
    }

    /// ONE transaction: everything or nothing, durable when this returns.
    ///
    /// `op` names it in logs. `f` may run several times: when the disk is full, a piece of the reserve is given up and it
    /// runs once more. Transactions that wait at the same moment share one commit, and so one fsync; each still stands or
    /// falls alone. If the file is open for reading only, it is tried to open it for writing first; the error is then why
    /// that is not possible.
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
                    let (mine, effects) = (tx.finish()?, effects.clone());
                    transaction.after_commit(move || effects.lock().extend(mine));
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

    /// What had to be done to open the file.
    pub fn opened(&self) -> Opened {
        match &*self.mode() {
            Mode::Live { opened, .. } | Mode::ReadOnly { opened, .. } => opened.clone(),
            Mode::Closed => Opened::default(),
        }
    }
    /// Why nothing can be written now; none if it can.
    pub fn read_only(&self) -> Option<Error> {
        match &*self.mode() {
            Mode::ReadOnly { why, .. } => Some(why.clone()),
            _ => None,
        }
    }
    /// What the last repair could not bring back, until `forget_repair`.
    pub fn last_repair(&self) -> Option<Repair> {
        if self.repair_read.load(Ordering::Relaxed) {
            return None;
        }
        let noted = recovery::last_report(&self.dir).or_else(|| self.opened().repair);
        noted.filter(|repair| !repair.is_complete())
    }
    /// The learner has read it.
    pub fn forget_repair(&self) -> Result<()> {
        self.repair_read.store(true, Ordering::Relaxed);
        recovery::forget_reports(&self.dir)
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

    /// Once an hour or so: a backup if the last is a day old, and the reserve if it was given up and there is space again.
    pub async fn care(&self) -> Result<()> {
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

    /// Puts the log into the file and closes it. Transactions that were called before are finished.
    pub async fn close(&self) {
        let _one = self.reopening.lock().await;
        let mode = std::mem::replace(&mut *self.mode.lock(), Arc::new(Mode::Closed));
        match &*mode {
            Mode::Live { db, .. } | Mode::ReadOnly { db, .. } => db.close().await,
            Mode::Closed => {}
        }
    }

    fn mode(&self) -> Arc<Mode> {
        self.mode.lock().clone()
    }

    /// If the file is open for reading only: tries to open it for writing.
    async fn reopen(&self) -> Result<()> {
        if !matches!(&*self.mode(), Mode::ReadOnly { .. }) {
            return Ok(());
        }
        let _one = self.reopening.lock().await;
        if !matches!(&*self.mode(), Mode::ReadOnly { .. }) {
            return Ok(());
        }
        let (dir, options, steps) = (self.dir.clone(), self.options.clone(), self.steps.clone());
        let live = blocking(move || open_live(&dir, &options, &steps)).await?;
        *self.mode.lock() = Arc::new(live);
        tracing::info!("the learner's file can be written again");
        self.options.changes.tell_one(Change::Account);
        Ok(())
    }
}

fn closed() -> Error {
    Error::Storage(StorageError::other("the store is closed"))
}

fn open_live(dir: &Path, options: &Arc<Options>, steps: &Steps) -> Result<Mode> {
    let care::Live { conn, lock, journal, opened } = care::open(dir, options, steps)?;
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

/// For reading; `why` it cannot be written. Gives that error back if it cannot be read either.
fn open_copy(dir: &Path, options: &Options, why: Error) -> Result<Mode> {
    let copied = match why.cause() {
        Some(Cause::Full | Cause::Denied | Cause::Corrupt | Cause::TooManyFiles | Cause::Other) => {
            care::read_copy(dir, options, false)
        }
        // A Carrel that runs gives a consistent state; another program may hold the file for itself.
        Some(Cause::Busy) => {
            care::read_copy(dir, options, true).or_else(|_| care::read_copy(dir, options, false))
        }
        _ => return Err(why),
    };
    match copied {
        Ok((conn, opened)) => {
            tracing::error!(store.dir = %dir.display(), error = %why, "the learner's file is open for reading only");
            Ok(Mode::ReadOnly { db: Database::new(conn, NoHooks), why, opened })
        }
        Err(e) => {
            tracing::error!(store.dir = %dir.display(), error = %e, "the learner's file cannot be read either");
            Err(why)
        }
    }
}

/// The path with an ending that is added: `user.db-wal`.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
