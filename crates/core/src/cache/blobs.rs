//! Blobs by hash: memory, `content.db` for small ones, `blobs/ab/<hash>` for the rest. Nothing enters without its hash being proved.
//!
//! Other processes may use the same files. A file comes into its place inside the transaction that writes its row; a removal takes the
//! rows first and names the files in the same transaction, then deletes them under the write lock. So a row never lacks its file, whoever
//! is killed when, and what a kill leaves behind is named (`doomed`) or found by the sweep (`storage`).
//!
//! Not here: which blobs go when space is short (`storage`).

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
};

use bytes::Bytes;
use carrel_model::{BlobHash, ErrorCode};
use rusqlite::{Connection, OptionalExtension, params};

use super::{ByteLru, Db, MediaKind, PartFile, Room};
use crate::{Clock, Error, Result, storage::Steps};

/// Up to this many bytes lie in the database: one read instead of an open, a stat and a read.
pub const INLINE: u64 = 32 * 1024;
const MEMORY: usize = 24 * 1024 * 1024;
/// A use is noted at most this often for one blob, and written with others.
const TOUCH_MS: i64 = 60_000;
const TOUCHES: usize = 256;
/// Files that are deleted under one hold of the write lock.
const BURIED_AT_ONCE: usize = 128;

/// The blobs of this device, shared by its learners.
#[derive(Clone)]
pub struct BlobStore {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    root: PathBuf,
    memory: ByteLru<BlobHash, Bytes>,
    clock: Arc<dyn Clock>,
    /// When a blob was last used, and whether the database knows.
    touched: Mutex<HashMap<BlobHash, (i64, bool)>>,
    room: OnceLock<Weak<dyn Room>>,
    steps: OnceLock<Steps>,
}

/// Where a blob's bytes are.
pub enum Place {
    Memory(Bytes),
    File { path: PathBuf, size: u64 },
}

impl Place {
    pub fn size(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { size, .. } => *size,
        }
    }
    /// Up to `len` bytes from `start`; fewer at the end.
    pub fn read_at(&self, start: u64, len: usize) -> Result<Bytes> {
        match self {
            Self::Memory(bytes) => {
                let start = usize::try_from(start).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes.slice(start..start.saturating_add(len).min(bytes.len())))
            }
            Self::File { path, .. } => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(start))?;
                let mut buffer = Vec::with_capacity(len.min(1 << 20));
                file.take(len as u64).read_to_end(&mut buffer)?;
                Ok(buffer.into())
            }
        }
    }
}

/// Why a blob comes: what was fetched ahead goes before what somebody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    Ahead,
    Asked,
}

/// A blob whose bytes were proved.
pub(super) struct Admitted {
    pub hash: BlobHash,
    pub size: u64,
    pub kind: MediaKind,
    pub came: Came,
}

/// A blob that a version needs and that is not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    pub hash: BlobHash,
    pub size: u64,
    pub kind: MediaKind,
    /// Bytes of it that lie in an unfinished file, as far as is known.
    pub begun: u64,
}

impl BlobStore {
    /// `root` holds the files; it is made if missing.
    pub fn new(db: Db, root: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        fs::create_dir_all(root)?;
        Ok(Self {
            inner: Arc::new(Inner {
                db,
                root: root.to_owned(),
                memory: ByteLru::new(MEMORY),
                clock,
                touched: Mutex::default(),
                room: OnceLock::new(),
                steps: OnceLock::new(),
            }),
        })
    }

    /// From now on space is watched over.
    pub(crate) fn set_room(&self, room: Weak<dyn Room>) {
        let _ = self.inner.room.set(room);
    }
    pub(crate) fn set_steps(&self, steps: Steps) {
        let _ = self.inner.steps.set(steps);
    }
    pub(crate) fn step(&self, name: &'static str) {
        if let Some(steps) = self.inner.steps.get() {
            steps(name);
        }
    }
    fn room(&self) -> Option<Arc<dyn Room>> {
        self.inner.room.get()?.upgrade()
    }
    /// Runs `write` again, once, if the disk was full and room could be made.
    pub(super) fn with_room<T>(
        &self,
        bytes: u64,
        mut write: impl FnMut() -> Result<T>,
    ) -> Result<T> {
        match (write(), self.room()) {
            (Err(Error::DiskFull(e)), Some(room)) => {
                tracing::warn!(error = %e, "the disk is full while content is written");
                let again = room.clone().after_full(bytes).and_then(|()| write());
                if again.as_ref().is_err_and(|e| e.code() == ErrorCode::DiskFull) {
                    room.still_full(bytes);
                }
                again
            }
            (result, _) => result,
        }
    }

    /// Where the files are.
    pub(crate) fn root(&self) -> &Path {
        &self.inner.root
    }
    /// The folder of the files whose hashes begin with this byte.
    pub(crate) fn folder(&self, first: u8) -> PathBuf {
        self.inner.root.join(format!("{first:02x}"))
    }
    pub(super) fn path(&self, hash: BlobHash) -> PathBuf {
        let hex = hash.to_hex();
        self.inner.root.join(&hex[..2]).join(hex)
    }
    pub(super) fn make_folder(&self, dir: &Path) -> Result<()> {
        Ok(fs::create_dir_all(dir)?)
    }

    /// Where the blob is, if it is here.
    pub fn locate(&self, hash: BlobHash) -> Result<Option<Place>> {
        if let Some(bytes) = self.inner.memory.get(&hash) {
            self.touch(hash);
            return Ok(Some(Place::Memory(bytes)));
        }
        let row = self.inner.db.with(|conn| {
            Ok(conn
                .prepare_cached(
                    "SELECT b.size, y.body FROM blob b LEFT JOIN blob_body y ON y.hash = b.hash WHERE b.hash = ?1",
                )?
                .query_row([hash.0], |r| Ok((r.get::<_, i64>("size")?, r.get::<_, Option<Vec<u8>>>("body")?)))
                .optional()?)
        })?;
        let place = match row {
            None => return Ok(None),
            Some((_, Some(body))) => {
                let bytes = Bytes::from(body);
                self.inner.memory.put(hash, bytes.clone(), bytes.len());
                Place::Memory(bytes)
            }
            Some((size, None)) => {
                let path = self.path(hash);
                if !is_file_of(&path, size) {
                    self.forget(hash)?;
                    return Ok(None);
                }
                Place::File { path, size: size.unsigned_abs() }
            }
        };
        self.touch(hash);
        Ok(Some(place))
    }

    /// Reads no body.
    pub fn has(&self, hash: BlobHash) -> Result<bool> {
        Ok(self.have_all(&[hash])?.contains(&hash))
    }

    /// Which of these are here: one statement, no bodies read.
    pub fn have_all(&self, hashes: &[BlobHash]) -> Result<HashSet<BlobHash>> {
        let list = serde_json::to_string(hashes)?;
        let here = self.inner.db.with(|conn| {
            Ok(conn
                .prepare_cached(
                    "SELECT b.hash, b.size, b.inline FROM json_each(?1) j JOIN blob b ON b.hash = unhex(j.value)",
                )?
                .query_map([list], |r| Ok((hash_at(r, 0)?, r.get::<_, i64>(1)?, r.get::<_, bool>(2)?)))?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })?;
        self.only_with_files(here)
    }

    /// What of a version (`queue::set_wanted`) is not here, small ones first: two statements, however many blobs.
    pub fn missing(&self, version: i64) -> Result<Vec<Missing>> {
        let files = self.inner.db.with(|conn| {
            Ok(conn
                .prepare_cached(
                    "SELECT b.hash, b.size, b.inline FROM need n JOIN blob b ON b.hash = n.hash WHERE n.version = ?1 AND b.inline = 0",
                )?
                .query_map([version], |r| Ok((hash_at(r, 0)?, r.get::<_, i64>(1)?, r.get::<_, bool>(2)?)))?
                .collect::<rusqlite::Result<Vec<_>>>()?)
        })?;
        self.only_with_files(files)?;
        self.inner.db.with(|conn| {
            Ok(conn
                .prepare_cached(
                    "SELECT n.hash, n.size, n.kind, coalesce(p.bytes, 0)
                     FROM need n LEFT JOIN part p ON p.hash = n.hash
                     WHERE n.version = ?1 AND NOT EXISTS (SELECT 1 FROM blob b WHERE b.hash = n.hash)
                     ORDER BY n.size, n.hash",
                )?
                .query_map([version], |r| {
                    Ok(Missing {
                        hash: hash_at(r, 0)?,
                        size: r.get::<_, i64>(1)?.unsigned_abs(),
                        kind: MediaKind::of_number(r.get(2)?),
                        begun: r.get::<_, i64>(3)?.min(r.get(1)?).unsigned_abs(),
                    })
                })?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Somebody may have deleted files behind our back: those are not here.
    fn only_with_files(&self, rows: Vec<(BlobHash, i64, bool)>) -> Result<HashSet<BlobHash>> {
        let mut here = HashSet::with_capacity(rows.len());
        for (hash, size, inline) in rows {
            if inline || is_file_of(&self.path(hash), size) {
                here.insert(hash);
            } else {
                self.forget(hash)?;
            }
        }
        Ok(here)
    }

    /// The whole blob, if it is here. For section bodies, quizzes and stories; media is read in pieces from its `Place`.
    pub fn get(&self, hash: BlobHash) -> Result<Option<Bytes>> {
        let Some(place) = self.locate(hash)? else { return Ok(None) };
        let bytes = place.read_at(0, usize::try_from(place.size()).unwrap_or(usize::MAX))?;
        self.inner.memory.put(hash, bytes.clone(), bytes.len());
        Ok(Some(bytes))
    }

    /// Takes a whole blob in, that somebody asked for, after proving its hash.
    pub fn put(&self, hash: BlobHash, bytes: &Bytes) -> Result<()> {
        self.put_from(hash, bytes, Came::Asked)?;
        self.inner.memory.put(hash, bytes.clone(), bytes.len());
        Ok(())
    }

    /// Keeps a proved blob in memory alone, as long as it is used; false if it is too long for that or not what it says.
    pub fn hold(&self, hash: BlobHash, bytes: &Bytes) -> bool {
        if BlobHash::of(bytes) == hash {
            self.inner.memory.put(hash, bytes.clone(), bytes.len());
        }
        self.inner.memory.get(&hash).is_some()
    }

    /// Takes a whole blob in after proving its hash.
    pub fn put_from(&self, hash: BlobHash, bytes: &Bytes, came: Came) -> Result<()> {
        if BlobHash::of(bytes) != hash {
            return Err(Error::Corrupt(format!("blob {hash:?} came with other bytes")));
        }
        let size = bytes.len() as u64;
        // A download has its promise already.
        let _promise = match (came, self.room()) {
            (Came::Asked, Some(room)) => Some(room.before(size)?),
            _ => None,
        };
        if size > INLINE {
            let mut part = self.part_from(hash, came)?;
            part.restart()?;
            part.write(bytes)?;
            return part.finish();
        }
        let kind = MediaKind::of_head(&bytes[..bytes.len().min(64)]);
        self.admit(&Admitted { hash, size, kind, came }, Some(bytes), None)
    }

    /// Takes small blobs in, all in one transaction. The caller proved their hashes; one that is not small is refused.
    pub(crate) fn put_proved(&self, blobs: &[(BlobHash, Bytes)], came: Came) -> Result<()> {
        let now = self.inner.clock.now_ms();
        let bytes = blobs.iter().map(|(_, b)| b.len() as u64).sum();
        self.with_room(bytes, || {
            self.inner.db.write(|tx| {
                for (hash, bytes) in blobs {
                    let size = bytes.len() as u64;
                    if size > INLINE {
                        return Err(Error::Internal(format!("blob {hash:?} is not small")));
                    }
                    let kind = MediaKind::of_head(&bytes[..bytes.len().min(64)]);
                    enter(tx, &Admitted { hash: *hash, size, kind, came }, Some(bytes), now)?;
                }
                Ok(())
            })
        })?;
        if let Some(room) = self.room() {
            room.after(bytes);
        }
        Ok(())
    }

    /// The unfinished file of a large blob that is fetched ahead, as far as it came.
    pub fn part(&self, hash: BlobHash) -> Result<PartFile> {
        self.part_from(hash, Came::Ahead)
    }
    pub fn part_from(&self, hash: BlobHash, came: Came) -> Result<PartFile> {
        self.with_room(1, || PartFile::open(self.clone(), hash, came))
    }

    /// Proves the blob's bytes on disk against its hash. A damaged one is removed, so that it is fetched again. `false`: not here or damaged.
    pub fn prove(&self, hash: BlobHash) -> Result<bool> {
        let stored: Option<Option<Vec<u8>>> = self.inner.db.with(|conn| {
            Ok(conn
                .prepare_cached(
                    "SELECT y.body FROM blob b LEFT JOIN blob_body y ON y.hash = b.hash WHERE b.hash = ?1",
                )?
                .query_row([hash.0], |r| r.get("body"))
                .optional()?)
        })?;
        let found = match stored {
            None => return Ok(false),
            Some(Some(body)) => BlobHash::of(&body),
            Some(None) => {
                let mut hasher = blake3::Hasher::new();
                match File::open(self.path(hash)) {
                    Ok(mut file) => std::io::copy(&mut file, &mut hasher)?,
                    Err(_) => 0,
                };
                BlobHash(*hasher.finalize().as_bytes())
            }
        };
        if found != hash {
            tracing::warn!(blob.hash = ?hash, "a blob is damaged and is removed");
            self.forget(hash)?;
            return Ok(false);
        }
        let now = self.inner.clock.now_ms();
        self.inner.db.with(|conn| {
            conn.prepare_cached("UPDATE blob SET proved_ms = ?2 WHERE hash = ?1")?
                .execute(params![hash.0, now])?;
            Ok(())
        })?;
        Ok(true)
    }

    /// Takes the blob off this device.
    pub fn forget(&self, hash: BlobHash) -> Result<()> {
        self.forget_memory([hash]);
        self.inner.db.write(|tx| doom(tx, hash))?;
        self.bury().map(|_| ())
    }
    pub(crate) fn forget_memory(&self, hashes: impl IntoIterator<Item = BlobHash>) {
        for hash in hashes {
            self.inner.memory.remove(&hash);
        }
    }

    /// Deletes the files whose rows are gone; gives how many. Safe to repeat, and done again at the next start if it was cut short.
    pub(crate) fn bury(&self) -> Result<usize> {
        let (mut after, mut buried) = (Vec::new(), 0);
        loop {
            // Under the write lock, because whoever fetches the blob again puts its file into the same place.
            let batch = self.inner.db.write(|tx| {
                let doomed = tx
                    .prepare_cached("SELECT hash FROM doomed WHERE hash > ?1 ORDER BY hash LIMIT ?2")?
                    .query_map(params![after, BURIED_AT_ONCE as i64], |r| hash_at(r, 0))?
                    .collect::<rusqlite::Result<Vec<_>>>()?;
                if !doomed.is_empty() {
                    self.step("doomed");
                }
                for hash in &doomed {
                    match fs::remove_file(self.path(*hash)) {
                        // In use on a system that does not delete such files: the next start tries again.
                        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                            tracing::debug!(blob.hash = ?hash, error = %e, "a file could not be deleted");
                        }
                        _ => {
                            tx.prepare_cached("DELETE FROM doomed WHERE hash = ?1")?.execute([hash.0])?;
                        }
                    }
                    self.step("unlinked");
                }
                Ok(doomed)
            })?;
            buried += batch.len();
            match batch.last() {
                Some(last) if batch.len() == BURIED_AT_ONCE => after = last.0.to_vec(),
                _ => return Ok(buried),
            }
        }
    }

    /// One transaction: the row, the body or the file in its place, no longer unfinished, no longer doomed.
    pub(super) fn admit(
        &self,
        blob: &Admitted,
        body: Option<&[u8]>,
        file: Option<&Path>,
    ) -> Result<()> {
        let now = self.inner.clock.now_ms();
        let path = self.path(blob.hash);
        let admitted = self.with_room(blob.size, || {
            self.inner
                .db
                .write(|tx| {
                    enter(tx, blob, body, now)?;
                    // The last step before the commit.
                    if let Some(file) = file {
                        fs::rename(file, &path)?;
                        self.step("renamed");
                    }
                    Ok(())
                })
                .inspect_err(|_| {
                    if let Some(file) = file {
                        self.take_back(blob.hash, &path, file);
                    }
                })
        });
        self.step("admitted");
        if admitted.is_ok()
            && let Some(room) = self.room()
        {
            room.after(blob.size);
        }
        admitted
    }

    /// The commit failed after the file was moved: back to its old name, so that it is resumed, unless another process has its row by now.
    fn take_back(&self, hash: BlobHash, path: &Path, part: &Path) {
        let back = self.inner.db.write(|tx| {
            if !part.exists() && !is_here(tx, hash)? {
                fs::rename(path, part)?;
            }
            Ok(())
        });
        if let Err(e) = back {
            tracing::debug!(blob.hash = ?hash, error = %e, "a file without a row stays for the sweep");
        }
    }

    pub(super) fn note_part(&self, hash: BlobHash, bytes: u64) -> Result<()> {
        self.inner.db.with(|conn| {
            conn.prepare_cached(
                "INSERT INTO part (hash, bytes) VALUES (?1, ?2) ON CONFLICT (hash) DO UPDATE SET bytes = excluded.bytes",
            )?
            .execute(params![hash.0, i64::try_from(bytes).unwrap_or(i64::MAX)])?;
            Ok(())
        })
    }
    pub(super) fn forget_part(&self, hash: BlobHash) -> Result<()> {
        self.inner.db.with(|conn| {
            conn.prepare_cached("DELETE FROM part WHERE hash = ?1")?.execute([hash.0])?;
            Ok(())
        })
    }

    /// Throws an unfinished file away, unless somebody writes it now; true if it is gone.
    pub(crate) fn discard_part(&self, hash: BlobHash) -> Result<bool> {
        let gone = super::part::discard_file(&self.path(hash).with_extension("part"))?;
        if gone {
            self.forget_part(hash)?;
        }
        Ok(gone)
    }

    /// Notes a use in memory; many are written at once.
    fn touch(&self, hash: BlobHash) {
        let now = self.inner.clock.now_ms();
        let mut touched = self.inner.touched.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = touched.entry(hash).or_insert((i64::MIN, true));
        if now.saturating_sub(entry.0).unsigned_abs() < TOUCH_MS.unsigned_abs() {
            return;
        }
        *entry = (now, false);
        if touched.len() < TOUCHES {
            return;
        }
        drop(touched);
        if let Err(e) = self.write_touches() {
            tracing::debug!(error = %e, "what was used is not noted");
        }
    }

    /// Writes the uses that were noted: before anything is chosen by them.
    pub(crate) fn write_touches(&self) -> Result<()> {
        let touched =
            std::mem::take(&mut *self.inner.touched.lock().unwrap_or_else(PoisonError::into_inner));
        self.inner.db.write(|tx| {
            let mut update = tx.prepare_cached(
                "UPDATE blob SET used_ms = max(used_ms, ?2), origin = 1 WHERE hash = ?1",
            )?;
            for (hash, (used_ms, known)) in touched {
                if !known {
                    update.execute(params![hash.0, used_ms])?;
                }
            }
            Ok(())
        })
    }
}

/// Inside a write transaction: the row and a small body; no longer unfinished, no longer doomed.
fn enter(tx: &Connection, blob: &Admitted, body: Option<&[u8]>, now_ms: i64) -> Result<()> {
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
        blob.came == Came::Asked,
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

/// Inside a write transaction: takes the row (and a small body) away and names the file for [`BlobStore::bury`].
pub(crate) fn doom(tx: &Connection, hash: BlobHash) -> Result<()> {
    let inline = tx
        .prepare_cached("DELETE FROM blob WHERE hash = ?1 RETURNING inline")?
        .query_row([hash.0], |r| r.get::<_, bool>(0))
        .optional()?;
    if inline == Some(false) {
        tx.prepare_cached("INSERT OR IGNORE INTO doomed (hash) VALUES (?1)")?.execute([hash.0])?;
    }
    Ok(())
}

pub(crate) fn hash_at(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<BlobHash> {
    row.get(column).map(BlobHash)
}

fn is_here(conn: &Connection, hash: BlobHash) -> Result<bool> {
    Ok(conn.prepare_cached("SELECT 1 FROM blob WHERE hash = ?1")?.exists([hash.0])?)
}

fn is_file_of(path: &Path, size: i64) -> bool {
    fs::metadata(path).is_ok_and(|m| m.len() == size.unsigned_abs())
}
