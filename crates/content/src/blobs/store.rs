//! Blob store: small blobs in `content.db`, large blobs in `blobs/ab/<hash>`, recently used bodies
//! also in memory. Each blob is verified against its hash before it is stored.
//!
//! Several processes may use the same files. A file is renamed to its final name inside the
//! transaction that writes its row. A removal deletes the rows and marks the files for deletion in
//! one transaction, then deletes the files under the write lock. Therefore each committed row has its
//! file, even if a process is killed at any point. Leftover files are listed in `doomed` or found by
//! the sweep (`storage`).
//!
//! Not here: the order of eviction (`storage`).

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use carrel_http_cache::ByteLru;
use carrel_model::{BlobHash, ErrorCode};
use carrel_sqlite::{Database, DatabaseError};
use carrel_system::Clock;
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    Error, Result,
    blobs::{
        Failpoints, MediaKind, PartFile, PartialBlobs, SpaceGuard, part::Leases,
        shared_store::SharedStore,
    },
    records::Records,
    sql::hash_at,
};

/// Largest blob, in bytes, that is stored in the database, where it costs one read and no file access.
pub const MAX_INLINE: u64 = 32 * 1024;
const MEMORY_BUDGET: usize = 24 * 1024 * 1024;
/// Shortest time between two recorded uses of one blob.
pub(super) const MIN_TOUCH_MS: i64 = 60_000;
/// Number of recorded uses after which they are written to the database.
pub(super) const MAX_TOUCHES: usize = 256;
/// Largest number of files deleted in one write transaction.
pub(super) const MAX_DELETE_BATCH: usize = 128;

/// The blobs of this device, shared by its users.
#[derive(Clone)]
pub struct BlobStore {
    pub(super) inner: Arc<BlobStoreInner>,
}

pub(super) struct BlobStoreInner {
    pub(super) db: Database<Error>,
    pub(super) root: PathBuf,
    pub(super) memory: ByteLru<BlobHash, Bytes>,
    pub(super) partial_blobs: PartialBlobs,
    pub(super) leases: Arc<Leases>,
    pub(super) clock: Arc<dyn Clock>,
    /// Last use of each blob (UTC, ms), and whether it is in the database.
    pub(super) touched: Mutex<HashMap<BlobHash, (i64, bool)>>,
    pub(super) space_guard: OnceLock<Weak<dyn SpaceGuard>>,
    pub(super) failpoints: OnceLock<Failpoints>,
    /// The shared store of this machine, read-only.
    pub(super) shared_store: OnceLock<SharedStore>,
    /// Records, from which small bodies missing in the database are restored.
    pub(super) records: Option<Records>,
    /// True while an in-memory database replaces `content.db`; no file is deleted then.
    pub(super) read_only: OnceLock<Arc<AtomicBool>>,
}

/// Where the bytes of a blob are stored.
pub enum BlobLocation {
    /// The whole blob in memory.
    Memory(Bytes),
    /// In a file.
    File {
        /// Path of the file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
}

impl BlobLocation {
    /// Returns the size in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { size, .. } => *size,
        }
    }
    /// Returns whether the file was removed after it was located.
    fn is_gone(&self) -> bool {
        matches!(self, Self::File { path, .. } if !path.exists())
    }
    /// Reads up to `len` bytes from `start`; fewer at the end of the blob.
    pub fn read_at(&self, start: u64, len: usize) -> Result<Bytes> {
        match self {
            Self::Memory(bytes) => {
                let start = usize::try_from(start).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes.slice(start..start.saturating_add(len).min(bytes.len())))
            }
            Self::File { path, size } => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(start))?;
                // Allocated in full, because a growing buffer is copied repeatedly.
                let left = usize::try_from(size.saturating_sub(start)).unwrap_or(usize::MAX);
                let mut buffer = Vec::new();
                buffer.try_reserve_exact(len.min(left)).map_err(std::io::Error::other)?;
                file.take(len as u64).read_to_end(&mut buffer)?;
                Ok(buffer.into())
            }
        }
    }
}

/// Origin of a blob; prefetched blobs are evicted before requested ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobOrigin {
    /// Prefetched.
    Prefetched,
    /// Requested by a user or a download.
    Requested,
}

/// A blob whose hash was verified.
pub(super) struct VerifiedBlob {
    pub hash: BlobHash,
    pub size: u64,
    pub kind: MediaKind,
    pub origin: BlobOrigin,
}

/// A blob that a version needs and that is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingBlob {
    /// Hash of the blob.
    pub hash: BlobHash,
    /// Size in bytes, from the manifest.
    pub size: u64,
    /// Media kind, from the manifest.
    pub kind: MediaKind,
    /// Recorded length of its partial file, in bytes.
    pub partial_bytes: u64,
}

impl BlobStore {
    /// Creates a store whose files are under `root`.
    pub fn new(db: Database<Error>, root: &Path, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner: Arc::new(BlobStoreInner {
                records: root.parent().map(Records::of),
                read_only: OnceLock::new(),
                db,
                root: root.to_owned(),
                memory: ByteLru::new(MEMORY_BUDGET),
                partial_blobs: PartialBlobs::default(),
                leases: Arc::default(),
                clock,
                touched: Mutex::default(),
                space_guard: OnceLock::new(),
                failpoints: OnceLock::new(),
                shared_store: OnceLock::new(),
            }),
        }
    }

    /// Sets the flag that prevents the deletion of files.
    pub(crate) fn set_read_only(&self, read_only: Arc<AtomicBool>) {
        let _ = self.inner.read_only.set(read_only);
    }
    pub(super) fn is_read_only(&self) -> bool {
        self.inner.read_only.get().is_some_and(|read_only| read_only.load(Ordering::Relaxed))
    }

    pub(super) fn db(&self) -> &Database<Error> {
        &self.inner.db
    }
    /// Returns the blobs that are being written.
    pub fn partial_blobs(&self) -> &PartialBlobs {
        &self.inner.partial_blobs
    }
    /// Returns the length of the partial file in bytes; 0 if there is none.
    pub fn partial_len(&self, hash: BlobHash) -> u64 {
        fs::metadata(self.path(hash).with_extension("part")).map_or(0, |m| m.len())
    }

    /// Sets the quota guard.
    pub(crate) fn set_space_guard(&self, guard: Weak<dyn SpaceGuard>) {
        let _ = self.inner.space_guard.set(guard);
    }
    /// Sets the shared store in `dir`; its blobs count as stored on this device.
    pub(crate) fn set_shared_store(&self, dir: &Path) {
        let _ = self.inner.shared_store.set(SharedStore::new(dir));
    }
    /// Returns the folder of the shared store and the bytes of its blobs; none for the bytes if its database cannot be
    /// read. Blocking.
    pub(crate) fn shared_store(&self) -> Option<(&Path, Option<u64>)> {
        let store = self.inner.shared_store.get()?;
        Some((store.dir(), store.bytes()))
    }
    pub(crate) fn set_failpoints(&self, failpoints: Failpoints) {
        let _ = self.inner.failpoints.set(failpoints);
    }
    pub(crate) fn failpoint(&self, name: &'static str) {
        if let Some(failpoints) = self.inner.failpoints.get() {
            failpoints(name);
        }
    }
    pub(crate) fn space_guard(&self) -> Option<Arc<dyn SpaceGuard>> {
        self.inner.space_guard.get()?.upgrade()
    }
    /// Runs `write`; if the disk is full, frees space and retries once.
    pub(crate) fn with_space<T>(
        &self,
        bytes: u64,
        mut write: impl FnMut() -> Result<T>,
    ) -> Result<T> {
        match (write(), self.space_guard()) {
            (Err(e), Some(guard)) if e.is_full() => {
                tracing::warn!(error = %e, "disk full while writing content");
                let retried = guard.clone().on_disk_full(bytes).and_then(|()| write());
                if retried.as_ref().is_err_and(|e| e.code() == ErrorCode::DiskFull) {
                    guard.on_retry_failed(bytes);
                }
                retried
            }
            (result, _) => result,
        }
    }

    /// Returns the folder of the files whose hashes start with this byte.
    pub(crate) fn folder(&self, first: u8) -> PathBuf {
        self.inner.root.join(format!("{first:02x}"))
    }
    pub(super) fn path(&self, hash: BlobHash) -> PathBuf {
        let hex = hash.to_hex();
        self.inner.root.join(&hex[..2]).join(hex)
    }
    pub(super) fn make_folder(&self, dir: &Path) -> Result<()> {
        if !dir.is_dir() {
            fs::create_dir_all(dir)?;
            crate::permissions::share(dir, &self.inner.root);
        }
        Ok(())
    }

    /// Returns where the blob is stored; `None` if it is not on this device.
    pub fn locate(&self, hash: BlobHash) -> Result<Option<BlobLocation>> {
        if let Some(bytes) = self.inner.memory.get(&hash) {
            self.touch(hash);
            return Ok(Some(BlobLocation::Memory(bytes)));
        }
        let row = self.inner.db.read_blocking(|conn| {
            Ok(conn
                .prepare_cached(
                    "SELECT b.size, b.inline, y.body FROM blob b LEFT JOIN blob_body y ON y.hash = b.hash WHERE b.hash = ?1",
                )?
                .query_row([hash.0], |r| {
                    Ok((r.get::<_, i64>("size")?, r.get::<_, bool>("inline")?, r.get::<_, Option<Vec<u8>>>("body")?))
                })
                .optional()?)
        })?;
        let path = self.path(hash);
        let location = match row {
            None => {
                return Ok(self
                    .inner
                    .shared_store
                    .get()
                    .and_then(|shared_store| shared_store.locate(hash)));
            }
            Some((size, _, None)) if has_file_of_size(&path, size) => {
                BlobLocation::File { path, size: size.unsigned_abs() }
            }
            Some((_, inline, body)) => {
                let valid = body.filter(|body| BlobHash::of(body) == hash);
                let found = match valid {
                    None if inline => self.restore_body(hash)?,
                    found => found,
                };
                let Some(body) = found else {
                    self.remove(hash)?;
                    return Ok(None);
                };
                let bytes = Bytes::from(body);
                self.inner.memory.put(hash, bytes.clone(), bytes.len());
                BlobLocation::Memory(bytes)
            }
        };
        self.touch(hash);
        Ok(Some(location))
    }

    /// Restores a small body that is damaged or missing in the database from a pack.
    pub(super) fn restore_body(&self, hash: BlobHash) -> Result<Option<Vec<u8>>> {
        let Some(records) = &self.inner.records else { return Ok(None) };
        let versions = self.inner.db.read_blocking(|conn| {
            Ok(conn
                .prepare_cached(
                    "SELECT v.hash, v.scope, v.signer FROM need n JOIN version v ON v.version = n.version WHERE n.hash = ?1",
                )?
                .query_map([hash.0], |r| Ok((hash_at(r, 0)?, r.get(1)?, r.get(2)?)))?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })?;
        let Some(body) = records.body(hash, &versions) else { return Ok(None) };
        tracing::warn!(blob.hash = ?hash, "restoring a corrupt small blob from its pack");
        let written = self.inner.db.write_blocking("store.restore_body", |tx| {
            tx.prepare_cached("UPDATE blob SET size = ?2, inline = 1 WHERE hash = ?1")?
                .execute(params![hash.0, body.len() as i64])?;
            tx.prepare_cached("INSERT OR REPLACE INTO blob_body (hash, body) VALUES (?1, ?2)")?
                .execute(params![hash.0, body])?;
            Ok(())
        });
        if let Err(e) = written {
            tracing::debug!(error = %e, "cannot store the restored blob");
        }
        Ok(Some(body))
    }

    /// Returns whether the blob is in memory. Does not count as a use.
    pub fn is_in_memory(&self, hash: BlobHash) -> bool {
        self.inner.memory.contains(&hash)
    }

    /// Returns whether the blob is on this device, without reading it.
    pub fn has(&self, hash: BlobHash) -> Result<bool> {
        Ok(self.find_stored(&[hash])?.contains(&hash))
    }

    /// Returns those of `hashes` that are on this device, in one statement, without reading bodies.
    pub fn find_stored(&self, hashes: &[BlobHash]) -> Result<HashSet<BlobHash>> {
        let list = serde_json::to_string(hashes)?;
        let stored = self.inner.db.read_blocking(|conn| {
            Ok(conn
                .prepare_cached(
                    "SELECT b.hash, b.size, b.inline FROM json_each(?1) j JOIN blob b ON b.hash = unhex(j.value)",
                )?
                .query_map([&list], |r| Ok((hash_at(r, 0)?, r.get::<_, i64>(1)?, r.get::<_, bool>(2)?)))?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })?;
        let mut stored = self.retain_with_files(stored)?;
        if let Some(shared_store) = self.inner.shared_store.get() {
            let others: Vec<_> = hashes.iter().filter(|h| !stored.contains(h)).copied().collect();
            stored.extend(shared_store.find_stored(&others));
        }
        Ok(stored)
    }

    /// Returns the blobs of a version that are not on this device, smallest first. `version` is a row
    /// number of the table `version`.
    pub fn missing(&self, version: i64) -> Result<Vec<MissingBlob>> {
        let files = self.inner.db.read_blocking(|conn| {
            Ok(conn
                .prepare_cached(
                    "SELECT b.hash, b.size, b.inline FROM need n JOIN blob b ON b.hash = n.hash WHERE n.version = ?1 AND b.inline = 0",
                )?
                .query_map([version], |r| Ok((hash_at(r, 0)?, r.get::<_, i64>(1)?, r.get::<_, bool>(2)?)))?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })?;
        self.retain_with_files(files)?;
        let mut missing: Vec<MissingBlob> = self.inner.db.read_blocking(|conn| {
            Ok(conn
                .prepare_cached(
                    "SELECT n.hash, n.size, n.kind, coalesce(p.bytes, 0)
                     FROM need n LEFT JOIN part p ON p.hash = n.hash
                     WHERE n.version = ?1 AND NOT EXISTS (SELECT 1 FROM blob b WHERE b.hash = n.hash)
                     ORDER BY n.size, n.hash",
                )?
                .query_map([version], |r| {
                    Ok(MissingBlob {
                        hash: hash_at(r, 0)?,
                        size: r.get::<_, i64>(1)?.unsigned_abs(),
                        kind: MediaKind::of_number(r.get(2)?),
                        partial_bytes: r.get::<_, i64>(3)?.min(r.get(1)?).unsigned_abs(),
                    })
                })?
                .collect::<rusqlite::Result<_>>()?)
        })?;
        if let Some(shared_store) = self.inner.shared_store.get() {
            let shared =
                shared_store.find_stored(&missing.iter().map(|m| m.hash).collect::<Vec<_>>());
            missing.retain(|m| !shared.contains(&m.hash));
        }
        Ok(missing)
    }

    /// Returns the size in bytes according to a stored manifest; `None` if no stored manifest lists
    /// the blob.
    pub fn needed_size(&self, hash: BlobHash) -> Result<Option<u64>> {
        self.inner.db.read_blocking(|conn| {
            let size: Option<i64> = conn
                .prepare_cached("SELECT size FROM need WHERE hash = ?1 LIMIT 1")?
                .query_row([hash.0], |r| r.get(0))
                .optional()?;
            Ok(size.map(i64::unsigned_abs))
        })
    }

    /// Removes rows whose files were deleted or changed outside this store, and returns the others.
    fn retain_with_files(&self, rows: Vec<(BlobHash, i64, bool)>) -> Result<HashSet<BlobHash>> {
        let mut stored = HashSet::with_capacity(rows.len());
        for (hash, size, inline) in rows {
            if inline || has_file_of_size(&self.path(hash), size) {
                stored.insert(hash);
            } else {
                self.remove(hash)?;
            }
        }
        Ok(stored)
    }

    /// Reads a whole blob; `None` if it is not on this device. For bodies of sections, quizzes and
    /// stories; audio and video are read in pieces with `BlobLocation::read_at`.
    pub fn get(&self, hash: BlobHash) -> Result<Option<Bytes>> {
        let Some(location) = self.locate(hash)? else { return Ok(None) };
        let bytes =
            match location.read_at(0, usize::try_from(location.size()).unwrap_or(usize::MAX)) {
                Ok(bytes) => bytes,
                // Removed by another process after `locate`.
                Err(_) if location.is_gone() => return Ok(None),
                Err(e) => return Err(e),
            };
        self.inner.memory.put(hash, bytes.clone(), bytes.len());
        Ok(Some(bytes))
    }

    /// Stores a requested blob.
    ///
    /// # Errors
    ///
    /// `Error::Corrupt` if the bytes do not match the hash.
    pub fn put(&self, hash: BlobHash, bytes: &Bytes) -> Result<()> {
        self.put_with_origin(hash, bytes, BlobOrigin::Requested)?;
        self.inner.memory.put(hash, bytes.clone(), bytes.len());
        Ok(())
    }

    /// Verifies a blob and keeps it in memory only. Returns `false` if it does not match its hash or
    /// exceeds the memory budget.
    pub fn hold_in_memory(&self, hash: BlobHash, bytes: &Bytes) -> bool {
        if BlobHash::of(bytes) == hash {
            self.inner.memory.put(hash, bytes.clone(), bytes.len());
        }
        self.inner.memory.get(&hash).is_some()
    }

    /// Stores a blob of the given origin.
    ///
    /// # Errors
    ///
    /// `Error::Corrupt` if the bytes do not match the hash.
    pub fn put_with_origin(&self, hash: BlobHash, bytes: &Bytes, origin: BlobOrigin) -> Result<()> {
        if BlobHash::of(bytes) != hash {
            return Err(Error::Corrupt(format!("blob {hash:?}: bytes do not match the hash")));
        }
        let size = bytes.len() as u64;
        // A download has reserved its space already.
        let _reservation = match (origin, self.space_guard()) {
            (BlobOrigin::Requested, Some(guard)) => Some(guard.before_write(size)?),
            _ => None,
        };
        if size > MAX_INLINE {
            let mut part = self.part_with_origin(hash, origin)?;
            part.restart()?;
            part.write(bytes)?;
            return part.finish();
        }
        let kind = MediaKind::of_prefix(&bytes[..bytes.len().min(64)]);
        self.store_verified(&VerifiedBlob { hash, size, kind, origin }, Some(bytes), None)
    }

    /// Stores small blobs, verified by the caller, in one transaction. Fails if a blob is larger than
    /// `MAX_INLINE`.
    pub(crate) fn put_verified(
        &self,
        blobs: &[(BlobHash, Bytes)],
        origin: BlobOrigin,
    ) -> Result<()> {
        let now = self.inner.clock.now_ms();
        let bytes = blobs.iter().map(|(_, b)| b.len() as u64).sum();
        self.with_space(bytes, || {
            self.inner.db.write_blocking("store.put_verified", |tx| {
                for (hash, bytes) in blobs {
                    let size = bytes.len() as u64;
                    if size > MAX_INLINE {
                        return Err(Error::Internal(format!(
                            "blob {hash:?} exceeds the inline size"
                        )));
                    }
                    let kind = MediaKind::of_prefix(&bytes[..bytes.len().min(64)]);
                    insert_blob(
                        tx,
                        &VerifiedBlob { hash: *hash, size, kind, origin },
                        Some(bytes),
                        now,
                    )?;
                }
                Ok(())
            })
        })?;
        if let Some(guard) = self.space_guard() {
            guard.after_write(bytes);
        }
        Ok(())
    }

    /// Opens the partial file of a prefetched large blob, positioned at its end.
    pub fn part(&self, hash: BlobHash) -> Result<PartFile> {
        self.part_with_origin(hash, BlobOrigin::Prefetched)
    }
    /// Opens the partial file of a large blob of the given origin, positioned at its end.
    pub fn part_with_origin(&self, hash: BlobHash, origin: BlobOrigin) -> Result<PartFile> {
        self.with_space(1, || PartFile::open(self.clone(), hash, origin))
    }

    /// In one transaction: writes the row, writes the body or renames the file to its final name, and
    /// deletes the rows of `part` and `doomed`.
    pub(super) fn store_verified(
        &self,
        blob: &VerifiedBlob,
        body: Option<&[u8]>,
        file: Option<&Path>,
    ) -> Result<()> {
        let now = self.inner.clock.now_ms();
        let path = self.path(blob.hash);
        let stored = self.with_space(blob.size, || {
            // The transaction runs again if its commit failed.
            let mut is_renamed = false;
            self.inner
                .db
                .write_blocking("store.store_verified", |tx| {
                    insert_blob(tx, blob, body, now)?;
                    // The last step before the commit; if the commit fails, the file is renamed back.
                    if let Some(file) = file.filter(|_| !is_renamed) {
                        fs::rename(file, &path)?;
                        is_renamed = true;
                        self.failpoint("renamed");
                    }
                    Ok(())
                })
                .inspect_err(|_| {
                    if let Some(file) = file {
                        self.rename_back(blob.hash, &path, file);
                    }
                })
        });
        self.failpoint("admitted");
        if stored.is_ok()
            && let Some(guard) = self.space_guard()
        {
            guard.after_write(blob.size);
        }
        stored
    }

    /// Renames a file without a row back to its partial name, so that it is resumed. The commit failed
    /// or the writer was killed. Does nothing if another process has committed the row.
    pub(super) fn rename_back(&self, hash: BlobHash, path: &Path, part: &Path) {
        let renamed = self.inner.db.write_blocking("store.rename_back", |tx| {
            if !part.exists() && !has_row(tx, hash)? {
                fs::rename(path, part)?;
            }
            Ok(())
        });
        if let Err(e) = renamed {
            tracing::debug!(blob.hash = ?hash, error = %e, "cannot rename a blob file without a row");
        }
    }

    pub(super) fn record_part(&self, hash: BlobHash, bytes: u64) -> Result<()> {
        self.inner.db.write_blocking("store.record_part", |conn| {
            conn.prepare_cached(
                "INSERT INTO part (hash, bytes) VALUES (?1, ?2) ON CONFLICT (hash) DO UPDATE SET bytes = excluded.bytes",
            )?
            .execute(params![hash.0, i64::try_from(bytes).unwrap_or(i64::MAX)])?;
            Ok(())
        })
    }
    pub(super) fn delete_part_row(&self, hash: BlobHash) -> Result<()> {
        self.inner.db.write_blocking("store.delete_part_row", |conn| {
            conn.prepare_cached("DELETE FROM part WHERE hash = ?1")?.execute([hash.0])?;
            Ok(())
        })
    }
}

/// Inserts the row and the small body, and deletes the rows of `part` and `doomed`. Must be called
/// within a write transaction.
fn insert_blob(
    tx: &Connection,
    blob: &VerifiedBlob,
    body: Option<&[u8]>,
    now_ms: i64,
) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO blob (hash, size, inline, kind, origin, used_ms, proved_ms)
         VALUES (?1, ?2, ?3, coalesce((SELECT kind FROM need WHERE hash = ?1 LIMIT 1), ?4), ?5, ?6, ?6)
         ON CONFLICT (hash) DO UPDATE SET
           origin = max(origin, excluded.origin), used_ms = max(used_ms, excluded.used_ms), proved_ms = excluded.proved_ms",
    )?
    .execute(params![
        blob.hash.0,
        i64::try_from(blob.size).unwrap_or(i64::MAX),
        body.is_some(),
        blob.kind.number(),
        blob.origin == BlobOrigin::Requested,
        now_ms
    ])?;
    if let Some(body) = body {
        tx.prepare_cached("INSERT OR IGNORE INTO blob_body (hash, body) VALUES (?1, ?2)")?
            .execute(params![blob.hash.0, body])?;
    }
    tx.prepare_cached("DELETE FROM part WHERE hash = ?1")?.execute([blob.hash.0])?;
    tx.prepare_cached("DELETE FROM doomed WHERE hash = ?1")?.execute([blob.hash.0])?;
    Ok(())
}

fn has_row(conn: &Connection, hash: BlobHash) -> Result<bool> {
    Ok(conn.prepare_cached("SELECT 1 FROM blob WHERE hash = ?1")?.exists([hash.0])?)
}

fn has_file_of_size(path: &Path, size: i64) -> bool {
    fs::metadata(path).is_ok_and(|m| m.len() == size.unsigned_abs())
}
