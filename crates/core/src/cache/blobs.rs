//! Blobs by hash: memory, `content.db` for small ones, `blobs/ab/<hash>` for the rest. Nothing enters without its hash being proved.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use carrel_model::BlobHash;
use rusqlite::{OptionalExtension, params};

use super::{ByteLru, Db};
use crate::{Clock, Error, Result};

/// Up to this many bytes lie in the database: one read instead of an open, a stat and a read.
pub const INLINE: u64 = 32 * 1024;
const MEMORY: usize = 24 * 1024 * 1024;

/// The blobs of this device, shared by its learners.
#[derive(Clone)]
pub struct BlobStore {
    db: Db,
    root: Arc<Path>,
    memory: Arc<ByteLru<BlobHash, Bytes>>,
    clock: Arc<dyn Clock>,
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

impl BlobStore {
    /// `root` holds the files; it is made if missing.
    pub fn new(db: Db, root: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        fs::create_dir_all(root)?;
        Ok(Self { db, root: root.into(), memory: Arc::new(ByteLru::new(MEMORY)), clock })
    }

    fn path(&self, hash: BlobHash) -> PathBuf {
        let hex = hash.to_hex();
        self.root.join(&hex[..2]).join(hex)
    }

    /// Where the blob is, if it is here.
    pub fn locate(&self, hash: BlobHash) -> Result<Option<Place>> {
        if let Some(bytes) = self.memory.get(&hash) {
            return Ok(Some(Place::Memory(bytes)));
        }
        let row = self.db.with(|conn| {
            Ok(conn
                .prepare_cached("SELECT size, body FROM blob WHERE hash = ?1")?
                .query_row([hash.0], |r| {
                    Ok((r.get::<_, i64>("size")?, r.get::<_, Option<Vec<u8>>>("body")?))
                })
                .optional()?)
        })?;
        match row {
            None => Ok(None),
            Some((_, Some(body))) => {
                let bytes = Bytes::from(body);
                self.memory.put(hash, bytes.clone(), bytes.len());
                Ok(Some(Place::Memory(bytes)))
            }
            Some((size, None)) => {
                let path = self.path(hash);
                // Somebody may have deleted the file behind our back: then it is not here.
                match fs::metadata(&path) {
                    Ok(m) if m.len() == size.unsigned_abs() => {
                        Ok(Some(Place::File { path, size: m.len() }))
                    }
                    _ => {
                        self.forget(hash)?;
                        Ok(None)
                    }
                }
            }
        }
    }

    pub fn has(&self, hash: BlobHash) -> Result<bool> {
        Ok(self.locate(hash)?.is_some())
    }

    /// The whole blob, if it is here. For section bodies, quizzes and stories; media is read in pieces from its `Place`.
    pub fn get(&self, hash: BlobHash) -> Result<Option<Bytes>> {
        let Some(place) = self.locate(hash)? else { return Ok(None) };
        let bytes = place.read_at(0, usize::try_from(place.size()).unwrap_or(usize::MAX))?;
        self.memory.put(hash, bytes.clone(), bytes.len());
        Ok(Some(bytes))
    }

    /// Takes a whole blob in after proving its hash.
    pub fn put(&self, hash: BlobHash, bytes: &Bytes) -> Result<()> {
        if BlobHash::of(bytes) != hash {
            return Err(Error::Corrupt(format!("blob {hash:?} came with other bytes")));
        }
        if bytes.len() as u64 > INLINE {
            let mut part = self.part(hash)?;
            part.restart()?;
            part.write(bytes)?;
            return part.finish();
        }
        self.note(hash, bytes.len() as u64, Some(bytes))?;
        self.memory.put(hash, bytes.clone(), bytes.len());
        Ok(())
    }

    /// The unfinished file of a large blob, as far as it came.
    pub fn part(&self, hash: BlobHash) -> Result<PartFile> {
        let path = self.path(hash);
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        let part_path = path.with_extension("part");
        let mut file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&part_path)?;
        // What is here already is hashed again: a crash may have left a file whose end never reached the disk.
        let mut hasher = blake3::Hasher::new();
        let len = std::io::copy(&mut file, &mut hasher)?;
        Ok(PartFile { store: self.clone(), hash, path, part_path, file, hasher, len })
    }

    /// Proves the blob's bytes on disk against its hash. A damaged one is removed, so that it is fetched again. `false`: not here or damaged.
    pub fn prove(&self, hash: BlobHash) -> Result<bool> {
        let stored: Option<Option<Vec<u8>>> = self.db.with(|conn| {
            Ok(conn
                .prepare_cached("SELECT body FROM blob WHERE hash = ?1")?
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
        }
        Ok(found == hash)
    }

    /// Takes the blob off this device.
    pub fn forget(&self, hash: BlobHash) -> Result<()> {
        self.memory.remove(&hash);
        self.db.with(|conn| {
            conn.prepare_cached("DELETE FROM blob WHERE hash = ?1")?.execute([hash.0])?;
            Ok(())
        })?;
        match fs::remove_file(self.path(hash)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.into()),
            _ => Ok(()),
        }
    }

    fn note(&self, hash: BlobHash, size: u64, body: Option<&[u8]>) -> Result<()> {
        let now = self.clock.now_ms();
        self.db.with(|conn| {
            conn.prepare_cached(
                "INSERT OR REPLACE INTO blob (hash, size, body, used_ms) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                hash.0,
                i64::try_from(size).unwrap_or(i64::MAX),
                body,
                now
            ])?;
            Ok(())
        })
    }
}

/// A blob that is being written. Dropped unfinished, it stays for the next try.
pub struct PartFile {
    store: BlobStore,
    hash: BlobHash,
    path: PathBuf,
    part_path: PathBuf,
    file: File,
    hasher: blake3::Hasher,
    len: u64,
}

impl PartFile {
    /// Bytes that are here already: where to resume.
    pub fn len(&self) -> u64 {
        self.len
    }
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// Throws away what is here.
    pub fn restart(&mut self) -> Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.hasher.reset();
        self.len = 0;
        Ok(())
    }
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }
    /// Proves the hash, makes it durable and puts it in its place. A wrong hash empties the file.
    pub fn finish(mut self) -> Result<()> {
        if self.hasher.finalize().as_bytes() != &self.hash.0 {
            self.restart()?;
            return Err(Error::Corrupt(format!("blob {:?} came with other bytes", self.hash)));
        }
        self.file.sync_all()?;
        if self.len <= INLINE {
            // A small blob that came in pieces belongs into the database like the others.
            let body = fs::read(&self.part_path)?;
            self.store.note(self.hash, self.len, Some(&body))?;
            fs::remove_file(&self.part_path)?;
            return Ok(());
        }
        fs::rename(&self.part_path, &self.path)?;
        self.store.note(self.hash, self.len, None)
    }
}
