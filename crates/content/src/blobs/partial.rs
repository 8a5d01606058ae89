//! Partial blobs: a writer publishes its progress, and readers read the bytes written so far.
//!
//! These bytes are not verified, because the hash is checked at the end. docs/adr/0006 lists the
//! media that may be played unverified.
//!
//! Not here: the file (`part`), fetching (`fetch`), responses to a player (`media`).

use std::{
    collections::{HashMap, hash_map::Entry},
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use carrel_model::BlobHash;
use carrel_system::blocking;
use tokio::sync::watch;

use crate::Result;

/// Progress of a partial blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartProgress {
    /// Bytes in the file.
    pub len: u64,
    /// Final size in bytes; `None` until the writer has published it.
    pub total: Option<u64>,
    /// How writing ended; `None` while the writer is active.
    pub end: Option<PartEnd>,
}

/// How the writing of a blob ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartEnd {
    /// Verified and stored as a blob.
    Complete,
    /// The bytes did not match the hash and were discarded.
    Corrupt,
    /// The writer was dropped; the partial file is kept.
    Abandoned,
}

/// All blobs that are being written.
#[derive(Clone, Default)]
pub struct PartialBlobs {
    inner: Arc<PartialBlobsInner>,
}

#[derive(Default)]
struct PartialBlobsInner {
    open: Mutex<HashMap<BlobHash, (PathBuf, watch::Sender<PartProgress>)>>,
    registered: watch::Sender<u64>,
}

impl PartialBlobs {
    /// Registers a writer of `hash` to `path`, until the returned value is dropped. If two writers of
    /// one blob are active, readers follow the first.
    pub(super) fn register(&self, hash: BlobHash, path: PathBuf, len: u64) -> PartWriter {
        let sender = watch::Sender::new(PartProgress { len, ..PartProgress::default() });
        let mut open = self.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = match open.entry(hash) {
            Entry::Occupied(_) => false,
            Entry::Vacant(slot) => {
                slot.insert((path, sender.clone()));
                true
            }
        };
        drop(open);
        self.inner.registered.send_modify(|n| *n += 1);
        PartWriter { all: is_first.then(|| self.clone()), hash, sender }
    }

    /// Returns a reader of a blob that is being written; `None` if there is no writer.
    pub fn reader(&self, hash: BlobHash) -> Option<PartReader> {
        let open = self.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (path, sender) = open.get(&hash)?;
        Some(PartReader { path: path.clone(), progress: sender.subscribe() })
    }

    /// Changes whenever a writer is registered; `reader` may return `Some` then.
    pub fn registrations(&self) -> watch::Receiver<u64> {
        self.inner.registered.subscribe()
    }
}

/// The progress of a partial blob, held by its writer.
pub(super) struct PartWriter {
    /// `None` if another writer of the same blob was registered first.
    all: Option<PartialBlobs>,
    hash: BlobHash,
    sender: watch::Sender<PartProgress>,
}

impl PartWriter {
    pub fn set_len(&self, len: u64) {
        self.sender.send_modify(|progress| progress.len = len);
    }
    pub fn set_total(&self, total: u64) {
        self.sender.send_modify(|progress| progress.total = Some(total));
    }
    /// Reports that the bytes written so far were discarded: current readers get `PartEnd::Corrupt`,
    /// new readers get the new bytes.
    pub fn restart(&mut self) {
        self.set_end(PartEnd::Corrupt);
        let total = self.sender.borrow().total;
        self.sender = watch::Sender::new(PartProgress { total, ..PartProgress::default() });
        if let Some(all) = &self.all {
            let mut open = all.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, published)) = open.get_mut(&self.hash) {
                *published = self.sender.clone();
            }
            drop(open);
            all.inner.registered.send_modify(|n| *n += 1);
        }
    }
    pub fn set_end(&self, end: PartEnd) {
        self.sender.send_modify(|progress| progress.end = Some(end));
    }
}

impl Drop for PartWriter {
    fn drop(&mut self) {
        if let Some(all) = &self.all {
            all.inner.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.hash);
        }
        self.sender
            .send_modify(|progress| progress.end = progress.end.or(Some(PartEnd::Abandoned)));
    }
}

/// The progress of a partial blob, held by a reader.
#[derive(Clone)]
pub struct PartReader {
    path: PathBuf,
    /// Watches the writer's progress.
    pub progress: watch::Receiver<PartProgress>,
}

impl PartReader {
    /// Returns the current progress.
    pub fn current(&self) -> PartProgress {
        *self.progress.borrow()
    }
    /// Opens the partial file. The handle stays valid after the file is renamed to its final name.
    pub fn open(&self) -> Result<File> {
        Ok(File::open(&self.path)?)
    }
}

/// Reads up to `len` bytes from `start`; fewer if the file is shorter.
pub fn read_part(file: &mut File, start: u64, len: usize) -> Result<Bytes> {
    file.seek(SeekFrom::Start(start))?;
    let mut buffer = Vec::with_capacity(len);
    file.take(len as u64).read_to_end(&mut buffer)?;
    Ok(buffer.into())
}

impl crate::blobs::BlobStore {
    /// Waits while another task writes this blob. Returns whether the blob is stored.
    pub async fn wait_for_writer(&self, hash: BlobHash) -> Result<bool> {
        while let Some(mut writer) = self.partial_blobs().reader(hash) {
            let ended =
                writer.progress.wait_for(|progress| progress.end.is_some()).await.map(|r| r.end);
            match ended {
                Ok(Some(PartEnd::Complete)) => return Ok(true),
                _ if self.partial_blobs().reader(hash).is_none() => break,
                // A finished writer is removed from the table shortly after it reports its end.
                _ => tokio::task::yield_now().await,
            }
        }
        let blobs = self.clone();
        blocking(move || blobs.has(hash)).await
    }
}

#[cfg(test)]
mod tests;
