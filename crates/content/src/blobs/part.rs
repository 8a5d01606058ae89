//! Partial files: `blobs/ab/<hash>.part`, locked by their writer and hashed while they are written.
//!
//! Not here: complete blobs (`store`).

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use carrel_model::BlobHash;

use crate::{
    Error, Result,
    blobs::{
        BlobStore, MAX_INLINE, MediaKind,
        partial::{PartEnd, PartWriter},
        store::{BlobOrigin, VerifiedBlob},
    },
};

/// A partial file, open for writing. If dropped before `finish`, the file is kept and resumed by the
/// next writer.
pub struct PartFile {
    store: BlobStore,
    hash: BlobHash,
    part_path: PathBuf,
    file: File,
    hasher: blake3::Hasher,
    len: u64,
    prefix: Vec<u8>,
    origin: BlobOrigin,
    /// Another writer has locked `<hash>.part`: this file has a different name, and is deleted if it
    /// is not finished.
    is_extra: bool,
    done: bool,
    progress: PartWriter,
    /// Declared after `file`: the lease is released after the file is closed.
    lease: HeldLease,
}

/// A saved position of a partial file.
pub struct PartPosition {
    len: u64,
    hasher: blake3::Hasher,
    prefix: Vec<u8>,
}

impl PartFile {
    pub(super) fn open(store: BlobStore, hash: BlobHash, origin: BlobOrigin) -> Result<Self> {
        let path = store.path(hash);
        if let Some(dir) = path.parent() {
            store.make_folder(dir)?;
        }
        if path.exists() {
            // A process was killed between the rename and the commit. The file is verified again, not
            // fetched again.
            store.rename_back(hash, &path, &path.with_extension("part"));
        }
        let (mut file, part_path, is_extra) =
            open_locked(&path, || store.inner.leases.wait_for_closing(hash))?;
        let lease = Leases::acquire(&store.inner.leases, hash);
        // The file is hashed again, because its end may be lost after a crash.
        let mut hasher = blake3::Hasher::new();
        let len = std::io::copy(&mut file, &mut hasher)?;
        let mut prefix = vec![0; 64.min(usize::try_from(len).unwrap_or(64))];
        file.seek(SeekFrom::Start(0))?;
        file.read_exact(&mut prefix)?;
        file.seek(SeekFrom::Start(len))?;
        let progress = store.partial_blobs().register(hash, part_path.clone(), len);
        let part = Self {
            store,
            hash,
            part_path,
            file,
            hasher,
            len,
            prefix,
            origin,
            is_extra,
            done: false,
            progress,
            lease,
        };
        part.record_len()?;
        Ok(part)
    }

    /// Returns the lease, for a writer that may be dropped in an async context.
    pub(crate) fn lease(&self) -> Lease {
        self.lease.0.clone()
    }
    /// Publishes the final size in bytes, which makes playback possible before the blob is complete.
    pub fn set_total(&self, total: u64) {
        self.progress.set_total(total);
    }

    /// Returns the number of bytes stored so far: the offset at which a transfer resumes.
    pub fn len(&self) -> u64 {
        self.len
    }
    /// Returns whether no bytes are stored yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// Discards the bytes stored so far.
    pub fn restart(&mut self) -> Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.hasher.reset();
        if self.len > 0 {
            self.progress.restart();
        }
        self.len = 0;
        self.prefix.clear();
        Ok(())
    }
    /// Returns the current position, as input of `rewind`.
    pub fn position(&self) -> PartPosition {
        PartPosition { len: self.len, hasher: self.hasher.clone(), prefix: self.prefix.clone() }
    }
    /// Discards the bytes appended since `position`.
    pub fn rewind(&mut self, position: PartPosition) -> Result<()> {
        if position.len == self.len {
            return Ok(());
        }
        self.file.set_len(position.len)?;
        self.file.seek(SeekFrom::Start(position.len))?;
        PartPosition { len: self.len, hasher: self.hasher, prefix: self.prefix } = position;
        self.progress.restart();
        self.progress.set_len(self.len);
        Ok(())
    }
    /// Compares `bytes` with the stored bytes from offset `at`; bytes beyond the end of the file are
    /// ignored.
    pub fn matches(&mut self, at: u64, bytes: &[u8]) -> Result<bool> {
        let stored_len = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let bytes = &bytes[..bytes.len().min(stored_len)];
        let mut found = vec![0; bytes.len()];
        self.file.seek(SeekFrom::Start(at))?;
        let read = self.file.read_exact(&mut found);
        self.file.seek(SeekFrom::Start(self.len))?;
        read?;
        Ok(found == bytes)
    }
    /// Deletes the file after its blob was stored from another file.
    pub fn discard(mut self) -> Result<()> {
        self.done = true;
        fs::remove_file(&self.part_path)?;
        if self.is_extra { Ok(()) } else { self.store.delete_part_row(self.hash) }
    }
    /// Appends `bytes`. After an error, for example a full disk, the file has its previous length,
    /// and the call can be repeated.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let (len, file) = (self.len, &mut self.file);
        self.store.with_space(bytes.len() as u64, || {
            file.write_all(bytes).or_else(|e| {
                file.set_len(len)?;
                file.seek(SeekFrom::Start(len))?;
                Err(e.into())
            })
        })?;
        let added = 64_usize.saturating_sub(self.prefix.len()).min(bytes.len());
        self.prefix.extend_from_slice(&bytes[..added]);
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
        self.progress.set_len(self.len);
        Ok(())
    }
    /// Returns whether the bytes match the hash.
    pub fn is_verified(&self) -> bool {
        self.hasher.finalize().as_bytes() == &self.hash.0
    }
    /// Verifies the hash, syncs the file and renames it to its final name.
    ///
    /// # Errors
    ///
    /// `Error::Corrupt` if the hash does not match; the file is then emptied.
    pub fn finish(mut self) -> Result<()> {
        if !self.is_verified() {
            self.restart()?;
            return Err(Error::Corrupt(format!(
                "blob {:?}: bytes do not match the hash",
                self.hash
            )));
        }
        let kind = MediaKind::of_prefix(&self.prefix);
        let verified = VerifiedBlob { hash: self.hash, size: self.len, kind, origin: self.origin };
        if self.len <= MAX_INLINE {
            // Small blobs are stored in the database.
            let body = fs::read(&self.part_path)?;
            self.store.store_verified(&verified, Some(&body), None)?;
            self.done = true;
            self.progress.set_end(PartEnd::Complete);
            fs::remove_file(&self.part_path)?;
            return Ok(());
        }
        self.store.with_space(self.len, || Ok(self.file.sync_all()?))?;
        self.store.store_verified(&verified, None, Some(&self.part_path))?;
        self.done = true;
        self.progress.set_end(PartEnd::Complete);
        Ok(())
    }

    fn record_len(&self) -> Result<()> {
        if self.is_extra { Ok(()) } else { self.store.record_part(self.hash, self.len) }
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        if self.is_extra || self.len == 0 {
            let _ = fs::remove_file(&self.part_path);
            if !self.is_extra {
                let _ = self.store.delete_part_row(self.hash);
            }
        } else if let Err(e) = self.record_len() {
            tracing::debug!(blob.hash = ?self.hash, error = %e, "cannot record the length of a partial file");
        }
    }
}

/// The partial files that this process has open.
#[derive(Default)]
pub(super) struct Leases {
    open: Mutex<LeaseTable>,
    ended: Condvar,
}

#[derive(Default)]
struct LeaseTable {
    /// By lease number: the blob, and whether the writer was dropped and the file is being closed.
    open: HashMap<u64, (BlobHash, bool)>,
    next: u64,
}

/// Identifies one open partial file.
#[derive(Clone)]
pub(crate) struct Lease {
    all: Arc<Leases>,
    number: u64,
}

impl Lease {
    /// Marks the writer as dropped: the next `open_locked` waits until the file is closed.
    pub(crate) fn release(&self) {
        if let Some((_, is_released)) = self.all.table().open.get_mut(&self.number) {
            *is_released = true;
        }
    }
}

struct HeldLease(Lease);

impl Drop for HeldLease {
    fn drop(&mut self) {
        self.0.all.table().open.remove(&self.0.number);
        self.0.all.ended.notify_all();
    }
}

impl Leases {
    fn acquire(all: &Arc<Self>, hash: BlobHash) -> HeldLease {
        let mut table = all.table();
        table.next += 1;
        let number = table.next;
        table.open.insert(number, (hash, false));
        drop(table);
        HeldLease(Lease { all: all.clone(), number })
    }
    /// Waits until all files of this blob whose writers were dropped are closed. Blocking.
    fn wait_for_closing(&self, hash: BlobHash) {
        let is_closing = |table: &mut LeaseTable| table.open.values().any(|l| *l == (hash, true));
        drop(self.ended.wait_while(self.table(), is_closing));
    }
    fn table(&self) -> MutexGuard<'_, LeaseTable> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens and locks `<path>.part`, or a file with another name if that file is locked. `wait` blocks
/// until this process has closed files whose writers were dropped.
fn open_locked(path: &Path, wait: impl Fn()) -> Result<(File, PathBuf, bool)> {
    static NEXT_SUFFIX: AtomicU32 = AtomicU32::new(0);
    let name = path.with_extension("part");
    for _ in 0..4 {
        wait();
        let file = open(&name)?;
        match file.try_lock() {
            Ok(()) if is_same_file(&file, &name) => return Ok((file, name, false)),
            // The file was renamed between open and lock.
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => break,
            Err(TryLockError::Error(e)) => return Err(e.into()),
        }
    }
    let n = NEXT_SUFFIX.fetch_add(1, Ordering::Relaxed);
    let name = path.with_extension(format!("{}-{n}.part", std::process::id()));
    let file = open(&name)?;
    // An error is ignored: the lock only protects the file from the sweep.
    let _ = file.try_lock();
    Ok((file, name, true))
}

/// Deletes a partial file unless it is locked by a writer. Returns whether it does not exist any more.
pub(crate) fn discard_file(name: &Path) -> Result<bool> {
    match File::open(name) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(e) => Err(e.into()),
        Ok(file) => match file.try_lock() {
            Ok(()) if is_same_file(&file, name) => {
                fs::remove_file(name)?;
                Ok(true)
            }
            _ => Ok(false),
        },
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    if let Some(dir) = path.parent() {
        crate::permissions::share(path, dir);
    }
    Ok(file)
}

/// Returns whether the name still refers to the open file.
fn is_same_file(file: &File, name: &Path) -> bool {
    let same = || -> std::io::Result<bool> {
        Ok(same_file::Handle::from_file(file.try_clone()?)? == same_file::Handle::from_path(name)?)
    };
    same().unwrap_or(false)
}

#[cfg(test)]
mod tests;
