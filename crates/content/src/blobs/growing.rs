//! Partial blobs: a writer publishes its progress, and readers read behind it.
//!
//! Bytes read here are not verified, because the hash is known only at the end. docs/adr/0006 lists
//! the media that may be played unverified.
//!
//! Not here: the file itself (`blobs`), fetching (`library`, `download`), responses to a player
//! (`media`).

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
pub struct Reach {
    /// Bytes that are in the file.
    pub len: u64,
    /// Final size in bytes; `None` until the writer has announced it.
    pub total: Option<u64>,
    /// How writing ended; `None` while the writer is active.
    pub end: Option<End>,
}

/// How the writing of a blob ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Verified and stored as a blob.
    Whole,
    /// The bytes did not match the hash and were discarded.
    Wrong,
    /// The writer was dropped; the partial file is kept for the next one.
    Left,
}

/// All blobs that are being written.
#[derive(Clone, Default)]
pub struct Growing {
    inner: Arc<GrowingInner>,
}

#[derive(Default)]
struct GrowingInner {
    open: Mutex<HashMap<BlobHash, (PathBuf, watch::Sender<Reach>)>>,
    begun: watch::Sender<u64>,
}

impl Growing {
    /// Registers `hash` as being written to `path` until the returned value is dropped. Of two
    /// writers of one blob, which write the same bytes, the first is followed.
    pub(super) fn begin(&self, hash: BlobHash, path: PathBuf, len: u64) -> Growth {
        let sender = watch::Sender::new(Reach { len, ..Reach::default() });
        let mut open = self.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = match open.entry(hash) {
            Entry::Occupied(_) => false,
            Entry::Vacant(slot) => {
                slot.insert((path, sender.clone()));
                true
            }
        };
        drop(open);
        self.inner.begun.send_modify(|n| *n += 1);
        Growth { all: mine.then(|| self.clone()), hash, sender }
    }

    /// Returns a reader of a blob that is being written; `None` if there is no writer.
    pub fn follow(&self, hash: BlobHash) -> Option<Follower> {
        let open = self.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (path, sender) = open.get(&hash)?;
        Some(Follower { path: path.clone(), reach: sender.subscribe() })
    }

    /// Changes whenever a writer begins, after which `follow` may succeed.
    pub fn begun(&self) -> watch::Receiver<u64> {
        self.inner.begun.subscribe()
    }
}

/// The writer's end of a partial blob.
pub(super) struct Growth {
    /// `None` if another writer of the same blob was registered first.
    all: Option<Growing>,
    hash: BlobHash,
    sender: watch::Sender<Reach>,
}

impl Growth {
    pub fn reached(&self, len: u64) {
        self.sender.send_modify(|reach| reach.len = len);
    }
    pub fn expects(&self, total: u64) {
        self.sender.send_modify(|reach| reach.total = Some(total));
    }
    /// Reports that the bytes written so far were discarded: current readers get `End::Wrong`, new
    /// readers start with the new bytes.
    pub fn begins_anew(&mut self) {
        self.ended(End::Wrong);
        let total = self.sender.borrow().total;
        self.sender = watch::Sender::new(Reach { total, ..Reach::default() });
        if let Some(all) = &self.all {
            let mut open = all.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, followed)) = open.get_mut(&self.hash) {
                *followed = self.sender.clone();
            }
            drop(open);
            all.inner.begun.send_modify(|n| *n += 1);
        }
    }
    pub fn ended(&self, end: End) {
        self.sender.send_modify(|reach| reach.end = Some(end));
    }
}

impl Drop for Growth {
    fn drop(&mut self) {
        if let Some(all) = &self.all {
            all.inner.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.hash);
        }
        self.sender.send_modify(|reach| reach.end = reach.end.or(Some(End::Left)));
    }
}

/// The reader's end of a partial blob.
#[derive(Clone)]
pub struct Follower {
    path: PathBuf,
    /// Watches the writer's progress.
    pub reach: watch::Receiver<Reach>,
}

impl Follower {
    /// Returns the current progress.
    pub fn now(&self) -> Reach {
        *self.reach.borrow()
    }
    /// Opens the partial file. The handle stays readable after the file gets its final name.
    pub fn open(&self) -> Result<File> {
        Ok(File::open(&self.path)?)
    }
}

/// Reads up to `len` bytes from `start`; fewer if they are not written yet.
pub fn read_part(file: &mut File, start: u64, len: usize) -> Result<Bytes> {
    file.seek(SeekFrom::Start(start))?;
    let mut buffer = Vec::with_capacity(len);
    file.take(len as u64).read_to_end(&mut buffer)?;
    Ok(buffer.into())
}

impl crate::blobs::BlobStore {
    /// Waits while another task writes this blob. Returns `true` if the blob is complete, and
    /// `false` if there is no writer or the writer gave up.
    pub async fn written_by_another(&self, hash: BlobHash) -> Result<bool> {
        while let Some(mut writer) = self.growing().follow(hash) {
            let ended = writer.reach.wait_for(|reach| reach.end.is_some()).await.map(|r| r.end);
            match ended {
                Ok(Some(End::Whole)) => return Ok(true),
                _ if self.growing().follow(hash).is_none() => break,
                // A writer that has ended is removed from the table shortly afterwards.
                _ => tokio::task::yield_now().await,
            }
        }
        let blobs = self.clone();
        blocking(move || blobs.has(hash)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_follow_one_writer_until_it_ends() {
        let all = Growing::default();
        let hash = BlobHash::of(b"x");
        let mut begun = all.begun();
        begun.mark_unchanged();
        assert!(all.follow(hash).is_none());
        let writer = all.begin(hash, "a".into(), 3);
        assert!(begun.has_changed().unwrap());
        let second = all.begin(hash, "b".into(), 0);
        let reader = all.follow(hash).unwrap();
        second.reached(99);
        writer.expects(10);
        writer.reached(7);
        assert_eq!(reader.now(), Reach { len: 7, total: Some(10), end: None });
        drop(second);
        assert!(all.follow(hash).is_some(), "the first writer still writes");
        drop(writer);
        assert_eq!(reader.now().end, Some(End::Left));
        assert!(all.follow(hash).is_none());
        let mut writer = all.begin(hash, "a".into(), 5);
        writer.expects(9);
        let reader = all.follow(hash).unwrap();
        writer.begins_anew();
        assert_eq!(reader.now().end, Some(End::Wrong), "readers of the old bytes are notified");
        let reader = all.follow(hash).unwrap();
        assert_eq!(reader.now(), Reach { len: 0, total: Some(9), end: None });
        writer.ended(End::Whole);
        drop(writer);
        assert_eq!(reader.now().end, Some(End::Whole));
    }
}
