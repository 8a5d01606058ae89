//! Opening `content.db` in any state. A usable file is compared with `records/` and corrected, unless
//! both are unchanged since the storage was closed. A file that is missing or confirmed to be damaged is recreated from `records/` and the blob files. If the
//! file cannot be opened, an in-memory database with the same contents replaces it.
//!
//! A file is renamed only if its damage is confirmed and no other process uses the folder.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File},
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use carrel_model::BlobHash;
use carrel_sqlite::{
    Cause, DatabaseError, Hooks, StorageError, confirm_damage, connect, in_memory, rename_damaged,
};
use carrel_system::Clock;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::{
    Error, Result,
    records::{
        DownloadRecord, Keys, Pack, Records, VersionRecord, has_new_limits, restore_blob,
        restore_version,
    },
    storage::{LOCK, MIGRATIONS, RESERVE_FILE},
};

const DATABASE: &str = "content.db";
/// Identifies the state of the file and of the records when the storage was closed. Deleted when it is opened.
const CLOSED: &str = "content.closed";
/// Name of the setting that means: every blob file has its row.
const COMPLETE: &str = "complete";

/// The database of one store.
pub(super) struct Index {
    dir: PathBuf,
    /// There is a shared store, whose blobs have no rows in this database.
    has_shared_store: bool,
    clock: Arc<dyn Clock>,
    /// Locked shared while the folder is in use; `None` if it is not locked.
    lock: Mutex<Option<File>>,
    /// Why the database is in memory; `None` while the file is open.
    degraded: Mutex<Option<Cause>>,
    /// True while `degraded` is set; read by code that deletes files.
    read_only: Arc<AtomicBool>,
    /// The open file has been compared with the records.
    is_compared: AtomicBool,
}

/// Why the file cannot be used.
struct IndexError {
    cause: Cause,
    text: String,
}

impl From<carrel_sqlite::Error> for IndexError {
    fn from(e: carrel_sqlite::Error) -> Self {
        Self { cause: e.cause(), text: e.to_string() }
    }
}
impl From<Error> for IndexError {
    fn from(e: Error) -> Self {
        let cause = match &e {
            Error::Corrupt(_) => Cause::Corrupt,
            Error::NoSpace { .. } => Cause::Full,
            e => e.cause().unwrap_or(Cause::Other),
        };
        Self { cause, text: e.to_string() }
    }
}
impl From<std::io::Error> for IndexError {
    fn from(e: std::io::Error) -> Self {
        Self { cause: Cause::of_io(&e), text: e.to_string() }
    }
}

impl Index {
    pub fn new(dir: &Path, has_shared_store: bool, clock: Arc<dyn Clock>) -> Self {
        let (lock, degraded, read_only) = (Mutex::new(None), Mutex::default(), Arc::default());
        let is_compared = AtomicBool::new(false);
        Self {
            dir: dir.to_owned(),
            has_shared_store,
            clock,
            lock,
            degraded,
            read_only,
            is_compared,
        }
    }

    /// Returns why the database is in memory; `None` while the file is open.
    pub fn degraded(&self) -> Option<Cause> {
        *self.degraded.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Returns the flag that is true while the database is in memory.
    pub fn read_only(&self) -> Arc<AtomicBool> {
        self.read_only.clone()
    }
    fn set_degraded(&self, cause: Option<Cause>) {
        self.read_only.store(cause.is_some(), Ordering::Relaxed);
        *self.degraded.lock().unwrap_or_else(PoisonError::into_inner) = cause;
    }
    /// Releases the folder.
    pub fn unlock(&self) {
        self.lock().take();
    }

    /// Opens the file, or else an in-memory database. Fails only if both fail.
    pub fn open(&self) -> Result<Connection> {
        match self.open_file() {
            Ok(conn) => {
                self.set_degraded(None);
                Ok(conn)
            }
            Err(error) => self.open_in_memory(error),
        }
    }

    /// Opens the file again; `None` if that fails.
    pub fn reopen(&self) -> Option<Connection> {
        match self.open_file() {
            Ok(conn) => {
                self.set_degraded(None);
                Some(conn)
            }
            Err(error) => {
                tracing::debug!(error = error.text, cause = %error.cause, "cannot reopen content.db");
                self.set_degraded(Some(error.cause));
                None
            }
        }
    }

    fn open_in_memory(&self, error: IndexError) -> Result<Connection> {
        tracing::warn!(error = error.text, cause = %error.cause, "cannot open content.db; using an in-memory index");
        self.set_degraded(Some(error.cause));
        let mut conn = in_memory(MIGRATIONS, self.clock.now_ms())?;
        if let Err(error) = self.reconcile(&mut conn) {
            tracing::warn!(error = error.text, "cannot read the records of downloads");
        }
        Ok(conn)
    }

    fn open_file(&self) -> Result<Connection, IndexError> {
        self.lock_folder()?;
        match self.open_or_recreate() {
            // Frees space for the WAL index and a few pages. Recreated by `Storage::recheck`.
            Err(error) if error.cause == Cause::Full && self.delete_reserve_file() => {
                self.open_or_recreate()
            }
            other => other,
        }
    }

    fn open_or_recreate(&self) -> Result<Connection, IndexError> {
        let path = self.dir.join(DATABASE);
        let error = match self.open_existing(&path) {
            Ok(conn) => return Ok(conn),
            Err(error) => error,
        };
        if !self.is_damage_confirmed(&path, &error) {
            return Err(error);
        }
        self.rename_damaged_file(&path, &error.text)?;
        self.open_existing(&path)
    }

    fn open_existing(&self, path: &Path) -> Result<Connection, IndexError> {
        let is_unchanged = self.is_unchanged();
        let mut conn = connect(path, MIGRATIONS, self.clock.now_ms())?;
        if let Some(problem) = carrel_sqlite::schema_problem(&conn, MIGRATIONS)? {
            return Err(IndexError { cause: Cause::Corrupt, text: problem });
        }
        self.is_compared.store(!is_unchanged, Ordering::Relaxed);
        if !is_unchanged {
            self.reconcile(&mut conn)?;
        }
        Ok(conn)
    }

    /// Compares the open file with the records, unless that was done when it was opened.
    pub fn compare(&self, conn: &mut Connection) -> Result<()> {
        if !self.is_compared.swap(true, Ordering::Relaxed) {
            self.reconcile(conn).map_err(|e| StorageError::new(e.cause, e.text))?;
        }
        Ok(())
    }

    /// Records that the closed file matches the records, for the next start.
    pub fn mark_closed(&self) -> std::io::Result<()> {
        // Without the lock, the content was moved to another folder.
        let is_open = self.degraded().is_none() && self.lock().is_some();
        if let Some(state) = self.state().filter(|_| is_open) {
            make_shared(&self.dir, CLOSED)?.write_all(state.as_bytes())?;
        }
        Ok(())
    }

    /// Returns whether file and records are unchanged since the storage was closed.
    fn is_unchanged(&self) -> bool {
        let path = self.dir.join(CLOSED);
        let Ok(closed) = fs::read_to_string(&path) else { return false };
        // After a write, times and lengths may be the same on file systems with coarse times; so the file is used once.
        fs::remove_file(path).is_ok() && self.state().is_some_and(|state| state == closed)
    }

    /// Returns lengths and times of the file and of the records; `None` if the file has a log.
    fn state(&self) -> Option<String> {
        let log = fs::metadata(self.dir.join(format!("{DATABASE}-wal")));
        if log.map_or_else(|e| e.kind() != ErrorKind::NotFound, |log| log.len() > 0) {
            return None;
        }
        let mut state = MIGRATIONS.len().to_string();
        for path in
            [Path::new(DATABASE).to_owned()].into_iter().chain(Records::of(&self.dir).watched())
        {
            let (bytes, time) = match fs::metadata(self.dir.join(path)) {
                Ok(found) => (found.len(), Some(found.modified().ok()?)),
                Err(e) if e.kind() == ErrorKind::NotFound => (0, None),
                Err(_) => return None,
            };
            let _ = write!(state, " {bytes} {time:?}");
        }
        Some(state)
    }

    /// Returns whether the file is damaged, as opposed to a failed call.
    fn is_damage_confirmed(&self, path: &Path, error: &IndexError) -> bool {
        if !matches!(error.cause, Cause::Corrupt | Cause::Other) {
            return false;
        }
        match confirm_damage(path) {
            Ok(Some(_)) => return true,
            Ok(None) => {}
            Err(_) => return false,
        }
        // `confirm_damage` does not detect a changed byte in a text; therefore the schema and all
        // indices are compared, too.
        let options = carrel_sqlite::Options { create: false, ..Default::default() };
        let Ok(conn) = carrel_sqlite::open(path, options) else { return false };
        carrel_sqlite::schema_problem(&conn, MIGRATIONS).is_ok_and(|found| found.is_some())
            || carrel_sqlite::migrations_problem(&conn, MIGRATIONS)
                .is_ok_and(|found| found.is_some())
            || carrel_sqlite::integrity_check(&conn).is_err_and(|e| e.cause() == Cause::Corrupt)
    }

    /// Renames the damaged file, if no other process uses the folder.
    fn rename_damaged_file(&self, path: &Path, found: &str) -> Result<(), IndexError> {
        let mut lock = self.lock();
        let busy = || IndexError {
            cause: Cause::Busy,
            text: "content.db is corrupt and in use by another process".into(),
        };
        // A lock cannot be converted. Closing the file releases the shared lock; `unlock` fails in Wine.
        drop(lock.take().ok_or_else(busy)?);
        let exclusive = make_shared(&self.dir, LOCK)?;
        let renamed = match exclusive.try_lock() {
            Ok(()) => {
                tracing::error!(content.file = %path.display(), found, "content.db is corrupt; recreating it from records and blob files");
                rename_damaged(path)
                    .map_err(IndexError::from)
                    .and_then(|()| Ok(make_shared(&self.dir, DATABASE).map(drop)?))
            }
            Err(_) => Err(busy()),
        };
        drop(exclusive);
        let shared = make_shared(&self.dir, LOCK)?;
        // Fails if another process has begun to move the content.
        shared.try_lock_shared().map_err(|_| busy())?;
        *lock = Some(shared);
        renamed
    }

    /// Creates and locks the folder. Creates the database file, in a shared folder with the group's
    /// permissions, which SQLite would not set.
    fn lock_folder(&self) -> Result<(), IndexError> {
        fs::create_dir_all(&self.dir)?;
        let mut lock = self.lock();
        if lock.is_none() {
            let file = make_shared(&self.dir, LOCK)?;
            // Fails while another process moves the content.
            file.try_lock_shared()
                .map_err(|e| IndexError { cause: Cause::Busy, text: e.to_string() })?;
            *lock = Some(file);
        }
        fs::create_dir_all(self.dir.join("blobs"))?;
        crate::permissions::share(&self.dir.join("blobs"), &self.dir);
        make_shared(&self.dir, DATABASE)?;
        Ok(())
    }

    fn delete_reserve_file(&self) -> bool {
        fs::remove_file(self.dir.join(RESERVE_FILE)).is_ok()
    }

    /// Compares the database with the records and corrects differences.
    fn reconcile(&self, conn: &mut Connection) -> Result<(), IndexError> {
        let records = Records::of(&self.dir);
        let downloads = records.downloads()?;
        let keys = records.keys().unwrap_or_else(|e| {
            tracing::warn!(error = %e, "cannot read the record of keys");
            None
        });
        let differences = self.differences(conn, &downloads, keys.as_ref())?;
        if differences.is_empty() {
            return Ok(());
        }
        // Checked first, because a damaged index can hide rows.
        if !differences.downloads.is_empty() && conn.path().is_some_and(|path| !path.is_empty()) {
            carrel_sqlite::integrity_check(conn)?;
        }
        let now = self.clock.now_ms();
        let tx =
            conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(Error::from)?;
        if differences.is_new {
            set_complete(&tx, self.has_no_files())?;
        }
        if let (true, Some(keys)) = (differences.keys, &keys) {
            keys.restore(&tx)?;
        }
        for record in &differences.downloads {
            restore_download(&tx, record, &records, &self.dir, self.has_shared_store, now)?;
        }
        if differences.pins {
            tx.execute(&format!("UPDATE version SET pins = {PINS} WHERE pins <> {PINS}"), [])
                .map_err(Error::from)?;
        }
        tx.commit().map_err(Error::from)?;
        if !differences.downloads.is_empty() {
            tracing::warn!(
                download.count = differences.downloads.len(),
                "downloads restored from records"
            );
        }
        Ok(())
    }

    fn differences(
        &self,
        conn: &mut Connection,
        downloads: &[DownloadRecord],
        keys: Option<&Keys>,
    ) -> Result<Differences> {
        let tx = conn.transaction()?;
        let mut differences = Differences::default();
        let count: i64 = tx.query_row(
            "SELECT (SELECT count(*) FROM setting WHERE name = ?1) + (SELECT count(*) FROM blob)",
            [COMPLETE],
            |r| r.get(0),
        )?;
        differences.is_new = count == 0;
        if let Some(keys) = keys {
            let stored = Keys::of_rows(&tx)?;
            differences.keys = (keys.limits != stored.limits && !has_new_limits(&tx)?)
                || keys.signing.iter().any(|(server, key)| stored.signing.get(server) != Some(key))
                || keys.accepted.iter().any(|key| !stored.accepted.contains(key));
        }
        let mut is_whole = BTreeMap::new();
        for record in downloads {
            let key = [&record.account, &record.kind, &record.id, &record.scope];
            let dropped = tx
                .prepare_cached(
                    "SELECT 1 FROM dropped_download WHERE account = ?1 AND kind = ?2 AND id = ?3 AND scope = ?4",
                )?
                .exists(key)?;
            if !dropped && !self.matches_record(&tx, record, &mut is_whole)? {
                differences.downloads.push(record.clone());
            }
        }
        differences.pins =
            tx.prepare(&format!("SELECT 1 FROM version WHERE pins <> {PINS}"))?.exists([])?;
        tx.commit()?;
        Ok(differences)
    }

    /// Returns whether the rows match the record. `seen`: versions compared already, with digest and
    /// whether all blobs have rows.
    fn matches_record(
        &self,
        conn: &Connection,
        record: &DownloadRecord,
        seen: &mut BTreeMap<i64, (BlobHash, bool)>,
    ) -> Result<bool> {
        let row: Option<(bool, String, Option<i64>)> = conn
            .prepare_cached(
                "SELECT pinned, phase, ready FROM download WHERE account = ?1 AND kind = ?2 AND id = ?3 AND scope = ?4",
            )?
            .query_row([&record.account, &record.kind, &record.id, &record.scope], |r| {
                Ok((r.get(0)?, r.get(1)?, r.get(2)?))
            })
            .optional()?;
        let Some((pinned, phase, ready)) = row else { return Ok(false) };
        let known = crate::target::Phase::parse(&phase) != crate::target::Phase::Absent;
        if pinned != record.pinned || !known {
            return Ok(false);
        }
        let (Some(recorded), Some(version)) = (&record.ready, ready) else {
            // A ready version without a record gets its record from the sweep.
            return Ok(record.ready.is_none());
        };
        let (digest, is_whole) = match seen.get(&version) {
            Some(known) => *known,
            None => {
                let Some(found) = VersionRecord::of_row(conn, version)? else { return Ok(false) };
                let is_incomplete = conn
                    .prepare_cached(
                        "SELECT 1 FROM need n LEFT JOIN blob b ON b.hash = n.hash
                         WHERE n.version = ?1 AND (b.hash IS NULL
                           OR b.inline <> EXISTS (SELECT 1 FROM blob_body y WHERE y.hash = n.hash))",
                    )?
                    .exists([version])?;
                let found = (found.digest(), !is_incomplete);
                seen.insert(version, found);
                found
            }
        };
        Ok(digest == recorded.digest && (is_whole || self.has_shared_store || phase != "ready"))
    }

    fn has_no_files(&self) -> bool {
        fs::read_dir(self.dir.join("blobs")).is_ok_and(|mut files| files.next().is_none())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<File>> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Checks and repairs the database file after a statement reported damage.
pub(super) struct RepairIndex(pub Arc<Index>);

impl Hooks for RepairIndex {
    fn repair(&mut self, conn: Connection) -> Result<Connection, StorageError> {
        let index = &self.0;
        if index.degraded().is_some() {
            return Ok(conn);
        }
        let path = index.dir.join(DATABASE);
        let error =
            IndexError { cause: Cause::Corrupt, text: "a statement reported corruption".into() };
        if !index.is_damage_confirmed(&path, &error) {
            return Ok(conn);
        }
        drop(conn);
        index.open().map_err(|e| match e {
            Error::Storage(e) => e,
            e => StorageError::other(e.to_string()),
        })
    }
}

const PINS: &str = "(SELECT count(*) FROM download d WHERE d.pinned = 1 AND (d.wanted = version.version OR d.ready = version.version))";

#[derive(Default)]
struct Differences {
    /// The database has no blobs and no setting `COMPLETE`: it is new.
    is_new: bool,
    keys: bool,
    pins: bool,
    downloads: Vec<DownloadRecord>,
}
impl Differences {
    fn is_empty(&self) -> bool {
        !self.is_new && !self.keys && !self.pins && self.downloads.is_empty()
    }
}

pub(super) fn is_complete(conn: &Connection) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT 1 FROM setting WHERE name = ?1 AND value = 1")?
        .exists([COMPLETE])?)
}
pub(super) fn set_complete(tx: &Connection, complete: bool) -> Result<()> {
    tx.prepare_cached("INSERT OR REPLACE INTO setting (name, value) VALUES (?1, ?2)")?
        .execute(params![COMPLETE, i64::from(complete)])?;
    Ok(())
}

/// Restores a download and its version from its record, its pack and the blob files.
fn restore_download(
    tx: &Connection,
    record: &DownloadRecord,
    records: &Records,
    dir: &Path,
    has_shared_store: bool,
    now_ms: i64,
) -> Result<()> {
    let restored = match &record.ready {
        Some(ready) => {
            let pack = records
                .pack(ready.hash, &record.scope, &ready.signer)
                .filter(|pack| pack.version.is_authentic());
            match pack {
                Some(pack) => Some(restore_pack(tx, &pack, dir)?),
                // Without a pack, the version is used if its row exists.
                None => known_version(tx, record)?,
            }
        }
        None => None,
    };
    let (ready, is_whole) = match restored {
        Some((version, is_whole)) => (Some(version), is_whole || has_shared_store),
        None => (None, false),
    };
    let phase = if is_whole { "ready" } else { "queued" };
    tx.execute(
        "INSERT INTO download (account, kind, id, scope, phase, reason, bytes_done, bytes_total, wanted, ready, pinned,
                               requested_ms, used_ms, checked_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, '', 0, coalesce((SELECT bytes FROM version WHERE version = ?6), 0), NULL, ?6, ?7, ?8, ?9, 0)
         ON CONFLICT (account, kind, id, scope) DO UPDATE SET
           pinned = excluded.pinned, ready = coalesce(excluded.ready, ready), reason = '',
           wanted = CASE WHEN excluded.phase = 'ready' THEN NULL ELSE wanted END, phase = excluded.phase",
        params![
            record.account,
            record.kind,
            record.id,
            record.scope,
            phase,
            ready,
            record.pinned,
            record.requested_ms,
            now_ms
        ],
    )?;
    tx.execute(
        "UPDATE download SET bytes_done = bytes_total
         WHERE account = ?1 AND kind = ?2 AND id = ?3 AND scope = ?4 AND phase = 'ready'",
        [&record.account, &record.kind, &record.id, &record.scope],
    )?;
    if let Some(c) = &record.imported {
        tx.execute(
            "INSERT OR REPLACE INTO carried (account, kind, id, version, server, server_name, as_of_ms, taken_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                record.account,
                record.kind,
                record.id,
                c.version.0,
                c.server,
                c.server_name,
                c.as_of_ms,
                c.taken_ms
            ],
        )?;
    }
    Ok(())
}

/// Restores a version from its pack; returns its number and whether all its blobs have rows.
fn restore_pack(tx: &Connection, pack: &Pack, dir: &Path) -> Result<(i64, bool)> {
    let version = restore_version(tx, &pack.version)?;
    let mut is_whole = true;
    for (hash, size, kind) in &pack.version.needs {
        let row: Option<(bool, bool)> = tx
            .prepare_cached(
                "SELECT inline, EXISTS (SELECT 1 FROM blob_body y WHERE y.hash = b.hash) FROM blob b WHERE hash = ?1",
            )?
            .query_row([hash.0], |r| Ok((r.get(0)?, r.get(1)?)))
            .optional()?;
        if matches!(row, Some((inline, body)) if inline == body) {
            continue;
        }
        let hex = hash.to_hex();
        let file = fs::metadata(dir.join("blobs").join(&hex[..2]).join(&hex));
        let size = size.unsigned_abs();
        match (pack.bodies.get(hash), file) {
            (Some(body), _) => restore_blob(tx, (*hash, *kind), body.len() as u64, Some(body), 0)?,
            // Verified by the sweep.
            (None, Ok(m)) if m.len() == size => restore_blob(tx, (*hash, *kind), size, None, 0)?,
            _ => {
                tx.prepare_cached("DELETE FROM blob WHERE hash = ?1")?.execute([hash.0])?;
                is_whole = false;
            }
        }
    }
    Ok((version, is_whole))
}

fn known_version(tx: &Connection, record: &DownloadRecord) -> Result<Option<(i64, bool)>> {
    let Some(ready) = &record.ready else { return Ok(None) };
    let version: Option<i64> = tx
        .prepare_cached(
            "SELECT version FROM version WHERE hash = ?1 AND scope = ?2 AND signer = ?3",
        )?
        .query_row(params![ready.hash.0, record.scope, ready.signer], |r| r.get(0))
        .optional()?;
    let Some(version) = version else { return Ok(None) };
    let is_incomplete = tx
        .prepare_cached(
            "SELECT 1 FROM need n WHERE n.version = ?1 AND NOT EXISTS (SELECT 1 FROM blob b WHERE b.hash = n.hash)",
        )?
        .exists([version])?;
    Ok(Some((version, !is_incomplete)))
}

/// Opens or creates a file of the folder, with the group's permissions if the folder is shared.
fn make_shared(dir: &Path, name: &str) -> std::io::Result<File> {
    let path = dir.join(name);
    let file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
    crate::permissions::share(&path, dir);
    Ok(file)
}
