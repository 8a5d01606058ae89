//! Storage of content on this device: quota, eviction, reservations, usage figures, location.
//!
//! A [`Storage`] is one folder with `content.db`, `blobs/` and `records/`. Several processes may use
//! the same folder. The learner's work is stored elsewhere.
//!
//! | File | Content |
//! |---|---|
//! | `quota` | budget and floor. Pure |
//! | `reserve` | reservations for downloads |
//! | `free_space` | free-space check for `cache.db` |
//! | `evict` | eviction |
//! | `sweep` | comparison of files and rows after a start |
//! | `figures` | usage figures for the Storage screen |
//! | `content_location` | location of the content folder, and moving it |
//! | `index` | opening `content.db` in any state |
//! | `records` | writing the files from which `content.db` can be rebuilt |
//!
//! Not here: storing blobs (`blobs`), downloads (`download`).

mod content_location;
mod evict;
mod figures;
mod free_space;
mod index;
mod quota;
mod records;
mod reserve;
mod sweep;

use std::{
    any::Any,
    collections::HashSet,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use carrel_model::BlobHash;
use carrel_sqlite::{Cause, Change, Changes, Database, Migration, StorageError};
use carrel_system::{Clock, Disk};
pub use content_location::ContentLocation;
pub use figures::{CourseFigures, Figures, KindFigures, Removal, SharedFigures, folder_bytes};
pub use free_space::FreeSpace;
pub use quota::{DEFAULT_BUDGET, DEFAULT_FLOOR, Limits, Measured, Shortage};
pub use reserve::Reservation;
use rusqlite::Connection;
pub use sweep::SweepReport;

use self::index::{Index, RepairIndex};
pub use crate::blobs::Failpoints;
use crate::{
    Error, Limit, Result,
    blobs::{BlobStore, SpaceGuard},
    sql::signed,
};

/// The migrations of `content.db`, in order.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "content",
        sql: include_str!("../../../../migrations/content/0001_content.sql"),
    },
    Migration {
        number: 2,
        name: "records",
        sql: include_str!("../../../../migrations/content/0002_records.sql"),
    },
    Migration {
        number: 3,
        name: "manifests",
        sql: include_str!("../../../../migrations/content/0003_manifests.sql"),
    },
    Migration {
        number: 4,
        name: "search terms",
        sql: include_str!("../../../../migrations/content/0004_search_terms.sql"),
    },
    Migration {
        number: 5,
        name: "search rows",
        sql: include_str!("../../../../migrations/content/0005_search_rows.sql"),
    },
];

/// Lock file: locked shared by processes that use the folder, exclusively by a process that moves it.
const LOCK: &str = "content.lock";
/// Reserve file, deleted on a full disk, so that eviction can write its transactions.
const RESERVE_FILE: &str = "ballast";
const RESERVE_FILE_BYTES: usize = 1024 * 1024;
/// The budget is checked each time after this many bytes were stored.
const CHECK_BUDGET_AFTER: u64 = 8 * 1024 * 1024;
/// Smallest blob, in bytes, for which space is reserved before it is written.
const MIN_RESERVED: u64 = 1024 * 1024;

/// Options of a storage.
#[derive(Clone)]
pub struct StorageOptions {
    /// Folder of `content.db` and `blobs/`.
    pub dir: PathBuf,
    /// Largest budget that the organisation allows, in bytes.
    pub policy_budget: Option<u64>,
    /// Source of the free disk space.
    pub disk: Arc<dyn Disk>,
    /// Clock for use times and reservations.
    pub clock: Arc<dyn Clock>,
    /// Receives change events.
    pub changes: Changes,
    /// Failpoints, for tests.
    pub failpoints: Option<Failpoints>,
    /// A shared store, read-only.
    pub shared_store: Option<PathBuf>,
}

/// A weak reference to a storage.
pub struct WeakStorage(Weak<StorageInner>);

impl WeakStorage {
    /// Returns the storage if it is still open.
    pub fn upgrade(&self) -> Option<Storage> {
        self.0.upgrade().map(|inner| Storage { inner })
    }
}

/// The content of this device. Clones share state.
#[derive(Clone)]
pub struct Storage {
    inner: Arc<StorageInner>,
}

struct StorageInner {
    dir: PathBuf,
    db: Database<Error>,
    blobs: BlobStore,
    policy_budget: Mutex<Option<u64>>,
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    changes: Changes,
    shortage: Mutex<Option<Shortage>>,
    /// Serialises eviction within this process; other processes are serialised by the database.
    evicting: Mutex<()>,
    unchecked_bytes: AtomicU64,
    kept_parts: Mutex<HashSet<BlobHash>>,
    index: Arc<Index>,
}

impl Storage {
    /// Opens or creates the folder. Blocking.
    ///
    /// If `content.db` cannot be opened (full disk, no permission, locked by another program, written by
    /// a newer release), the storage is in degraded mode: stored content can be read, nothing is
    /// changed, and [`Storage::recheck`] tries to open the file again.
    pub fn open(options: StorageOptions) -> Result<Self> {
        let has_shared_store = options.shared_store.is_some();
        let index = Arc::new(Index::new(&options.dir, has_shared_store, options.clock.clone()));
        let db = Database::new(index.open()?, RepairIndex(index.clone()));
        let blobs = BlobStore::new(db.clone(), &options.dir.join("blobs"), options.clock.clone());
        blobs.set_read_only(index.read_only());
        if let Some(shared_store) = &options.shared_store {
            blobs.set_shared_store(shared_store);
        }
        if let Some(failpoints) = options.failpoints {
            blobs.set_failpoints(failpoints);
        }
        let inner = Arc::new(StorageInner {
            dir: options.dir,
            db,
            blobs: blobs.clone(),
            policy_budget: Mutex::new(options.policy_budget),
            disk: options.disk,
            clock: options.clock,
            changes: options.changes,
            shortage: Mutex::new(None),
            evicting: Mutex::new(()),
            unchecked_bytes: AtomicU64::new(0),
            kept_parts: Mutex::default(),
            index,
        });
        let guard: Weak<StorageInner> = Arc::downgrade(&inner);
        blobs.set_space_guard(guard);
        let storage = Self { inner };
        if !storage.is_degraded() && !storage.write_reserve_file() {
            storage.set_full(RESERVE_FILE_BYTES as u64);
        }
        Ok(storage)
    }

    /// Closes the database, so that the next start is fast. Blocking. Later calls return errors.
    pub fn close(&self) {
        self.inner.db.close_blocking();
        if let Err(e) = self.inner.index.mark_closed() {
            tracing::info!(error = %e, "the next start compares all downloads with their records");
        }
    }

    /// Keeps the partial file of a blob that no version needs; the sweep deletes others.
    pub fn keep_part(&self, hash: BlobHash) {
        self.inner.kept_parts.lock().unwrap_or_else(PoisonError::into_inner).insert(hash);
    }
    /// Returns why the storage is in degraded mode; `None` if `content.db` is open.
    pub fn degraded(&self) -> Option<Cause> {
        self.inner.index.degraded()
    }
    /// Returns whether the storage is in degraded mode.
    pub fn is_degraded(&self) -> bool {
        self.degraded().is_some()
    }
    /// Checks that `content.db` is open.
    ///
    /// # Errors
    ///
    /// `Error::Storage` in degraded mode.
    pub fn require_index(&self) -> Result<()> {
        match self.degraded() {
            None => Ok(()),
            Some(cause) => {
                let text = format!("cannot open content.db: {cause}");
                let cause = if cause == Cause::Full { cause } else { Cause::Other };
                Err(StorageError::new(cause, text).into())
            }
        }
    }
    /// Leaves degraded mode if `content.db` can be opened. Returns whether it is open.
    fn reopen(&self) -> bool {
        let opened = self.inner.db.replace_blocking(|| {
            let conn = self.inner.index.reopen();
            conn.map(|conn| (conn, ()))
                .ok_or_else(|| StorageError::other("cannot open content.db").into())
        });
        opened.is_ok()
    }

    /// Returns whether this user may write to the folder. Creates the folder if it is missing.
    pub fn is_writable(dir: &Path) -> bool {
        fs::create_dir_all(dir).is_ok()
            && File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(dir.join(LOCK))
                .is_ok()
    }
    /// Returns a weak reference.
    pub fn downgrade(&self) -> WeakStorage {
        WeakStorage(Arc::downgrade(&self.inner))
    }
    /// Releases the lock on the folder.
    fn unlock(&self) {
        self.inner.index.unlock();
    }
    /// Runs the failpoint `name`.
    pub fn failpoint(&self, name: &'static str) {
        self.inner.blobs.failpoint(name);
    }

    /// Returns the database `content.db`.
    pub fn db(&self) -> &Database<Error> {
        &self.inner.db
    }
    /// Returns the blob store.
    pub fn blobs(&self) -> &BlobStore {
        &self.inner.blobs
    }
    /// Returns the folder of `content.db` and `blobs/`.
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// Returns the limits of this device and of the organisation.
    pub fn limits(&self) -> Result<Limits> {
        self.inner.db.read_blocking(|conn| self.limits_at(conn))
    }
    fn limits_at(&self, conn: &Connection) -> Result<Limits> {
        let mut limits = Limits {
            policy: *self.inner.policy_budget.lock().unwrap_or_else(PoisonError::into_inner),
            ..Limits::default()
        };
        let mut stmt = conn.prepare_cached("SELECT name, value FROM setting")?;
        let mut rows = stmt.query([])?;
        while let Some(r) = rows.next()? {
            let value = Some(r.get::<_, i64>(1)?.unsigned_abs());
            match r.get::<_, String>(0)?.as_str() {
                "budget" => limits.budget = value,
                "floor" => limits.floor = value,
                _ => {}
            }
        }
        Ok(limits)
    }

    /// Sets the largest budget that the organisation allows, in bytes, and evicts blobs that exceed it.
    pub fn set_policy_budget(&self, budget: Option<u64>) -> Result<()> {
        *self.inner.policy_budget.lock().unwrap_or_else(PoisonError::into_inner) = budget;
        self.require_index()?;
        self.enforce_budget()?;
        self.inner.changes.publish_one(Change::Storage);
        Ok(())
    }

    /// Sets the limits in bytes (`None`: the default), and evicts blobs that exceed them.
    pub fn set_limits(&self, budget: Option<u64>, floor: Option<u64>) -> Result<()> {
        self.require_index()?;
        self.inner.db.write_blocking("storage.set_limits", |tx| {
            for (name, value) in [("budget", budget), ("floor", floor)] {
                match value {
                    Some(bytes) => tx.execute(
                        "INSERT OR REPLACE INTO setting (name, value) VALUES (?1, ?2)",
                        (name, signed(bytes)),
                    )?,
                    None => tx.execute("DELETE FROM setting WHERE name = ?1", [name])?,
                };
            }
            // If the record cannot be written, its older limits are not restored at the next start.
            crate::records::mark_new_limits(tx)
        })?;
        self.enforce_budget()?;
        if let Err(e) = self.write_keys() {
            tracing::warn!(error = %e, "cannot write the record of limits");
        }
        self.inner.changes.publish_one(Change::Storage);
        Ok(())
    }

    /// Returns the used, reserved and free bytes.
    pub fn measure(&self) -> Result<Measured> {
        self.inner.db.read_blocking(|conn| self.measure_at(conn))
    }

    /// Replaces the list of blobs of the account's current and next lesson, which are evicted last.
    pub fn set_near(&self, account: &str, hashes: &[BlobHash]) -> Result<()> {
        self.inner.db.write_blocking("storage.set_near", |tx| {
            tx.prepare_cached("DELETE FROM near WHERE account = ?1")?.execute([account])?;
            let mut insert =
                tx.prepare_cached("INSERT OR IGNORE INTO near (account, hash) VALUES (?1, ?2)")?;
            for hash in hashes {
                insert.execute((account, hash.0))?;
            }
            Ok(())
        })
    }

    /// Returns the current shortage of space; `None` if there is none. In degraded mode, returns a
    /// shortage with the cause.
    pub fn shortage(&self) -> Option<Shortage> {
        if let Some(cause) = self.degraded() {
            let bytes = RESERVE_FILE_BYTES as u64;
            let limit = if cause == Cause::Full { Limit::Disk } else { Limit::Index };
            return Some(Shortage {
                wanted: bytes,
                missing: bytes,
                limit,
                evict: 0,
                exceeds_capacity: false,
            });
        }
        *self.inner.shortage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks whether there is space again, and returns whether downloads may resume. Writes the reserve
    /// file. In degraded mode, tries to open `content.db`.
    pub fn recheck(&self) -> Result<bool> {
        if self.is_degraded() {
            if !self.reopen() {
                return Ok(false);
            }
            tracing::info!("content.db reopened");
            let full = !self.write_reserve_file();
            self.set_shortage(None);
            if full {
                self.set_full(RESERVE_FILE_BYTES as u64);
            }
            for change in [Change::Storage, Change::Downloads] {
                self.inner.changes.publish_one(change);
            }
            return Ok(true);
        }
        let Some(short) = self.shortage() else { return Ok(false) };
        let fits = self.inner.db.read_blocking(|conn| {
            let waits = conn
                .prepare_cached(
                    "SELECT 1 FROM download WHERE phase = 'paused' AND reason = 'disk_full'",
                )?
                .exists([])?;
            // If no download is waiting for space, the shortage ends when no limit is exceeded.
            let wanted = if waits { short.wanted } else { 0 };
            Ok(self.limits_at(conn)?.shortage(self.measure_at(conn)?, wanted).is_none())
        })?;
        let fits = fits && self.write_reserve_file();
        if fits {
            self.set_shortage(None);
        }
        Ok(fits)
    }

    /// Records that a write other than that of a blob failed on a full disk.
    pub fn report_full(&self) {
        if self.shortage().is_none() {
            self.set_full(RESERVE_FILE_BYTES as u64);
        }
    }
    /// Records that a write of `bytes` failed, regardless of the reported free space.
    fn set_full(&self, bytes: u64) {
        self.set_shortage(Some(Shortage {
            wanted: bytes,
            missing: bytes,
            limit: Limit::Disk,
            evict: 0,
            exceeds_capacity: false,
        }));
    }
    fn set_shortage(&self, shortage: Option<Shortage>) {
        let mut current = self.inner.shortage.lock().unwrap_or_else(PoisonError::into_inner);
        let is_changed = current.map(|s| s.limit) != shortage.map(|s| s.limit);
        *current = shortage;
        drop(current);
        if is_changed {
            self.inner.changes.publish_one(Change::Storage);
        }
    }

    /// Evicts blobs that exceed the budget or the floor; returns the bytes freed.
    pub fn enforce_budget(&self) -> Result<u64> {
        if self.is_degraded() {
            return Ok(0);
        }
        let short = self.inner.db.read_blocking(|conn| {
            let now = self.measure_at(conn)?;
            Ok(self.limits_at(conn)?.shortage(now, 0))
        })?;
        match short {
            Some(short) => self.evict(short.evict),
            None => Ok(0),
        }
    }

    /// Writes the reserve file. Returns `false` if there is no space for it.
    fn write_reserve_file(&self) -> bool {
        let path = self.inner.dir.join(RESERVE_FILE);
        if fs::metadata(&path).is_ok_and(|m| m.len() == RESERVE_FILE_BYTES as u64) {
            return true;
        }
        // Not compressible: on a compressing file system, deleting a file of zeros frees no space.
        let mut bytes = vec![0; RESERVE_FILE_BYTES];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        if let Err(e) = fs::write(&path, &bytes) {
            tracing::debug!(error = %e, "cannot write the reserve file");
            let _ = fs::remove_file(&path);
            return Cause::of_io(&e) != Cause::Full;
        }
        true
    }
    fn delete_reserve_file(&self) -> bool {
        fs::remove_file(self.inner.dir.join(RESERVE_FILE)).is_ok()
    }
}

impl SpaceGuard for StorageInner {
    fn before_write(self: Arc<Self>, bytes: u64) -> Result<Box<dyn Any + Send>> {
        let storage = Storage { inner: self };
        if bytes >= MIN_RESERVED {
            return Ok(Box::new(storage.reserve(bytes)?));
        }
        let shortage = || {
            storage.inner.db.read_blocking(|conn| {
                Ok(storage.limits_at(conn)?.shortage(storage.measure_at(conn)?, bytes))
            })
        };
        if let Some(short) = shortage()? {
            if !short.exceeds_capacity {
                storage.evict(short.evict)?;
            }
            if let Some(short) = shortage()? {
                return Err(Error::NoSpace { missing: short.missing, limit: short.limit });
            }
        }
        Ok(Box::new(()))
    }
    fn on_disk_full(self: Arc<Self>, bytes: u64) -> Result<()> {
        Storage { inner: self }.free_for_retry(bytes)
    }
    fn on_retry_failed(self: Arc<Self>, bytes: u64) {
        Storage { inner: self }.set_full(bytes);
    }
    fn after_write(self: Arc<Self>, bytes: u64) {
        if self.unchecked_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes < CHECK_BUDGET_AFTER {
            return;
        }
        self.unchecked_bytes.store(0, Ordering::Relaxed);
        if let Err(e) = (Storage { inner: self }).enforce_budget() {
            tracing::warn!(error = %e, "cannot evict content over the budget");
        }
    }
}
