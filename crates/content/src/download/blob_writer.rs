//! Stores verified blobs. Queued small blobs share a transaction; large files are synced in parallel.
//! The row of a file is written after the file is synced: a file without a row, left by a killed
//! process, is verified again.
//!
//! Not here: where blobs are stored (`blobs::BlobStore`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use carrel_model::BlobHash;
use carrel_system::spawn;
use tokio::sync::oneshot;

use crate::{
    Result,
    blobs::{BlobOrigin, BlobStore},
    fetch::CompleteFile,
};

/// Largest number of small blobs in one transaction.
const MAX_BATCH: usize = 256;

/// Resolves when the blob is stored or storing it has failed.
pub type Stored = oneshot::Receiver<Result<()>>;

/// Stores blobs for the downloads of one account. Clones share one queue.
#[derive(Clone)]
pub struct BlobWriter {
    blobs: BlobStore,
    queue: Arc<Mutex<WriteQueue>>,
}

#[derive(Default)]
struct WriteQueue {
    waiting: Vec<(BlobHash, Bytes, oneshot::Sender<Result<()>>)>,
    /// A thread is writing; it checks the queue again before it ends.
    busy: bool,
}

impl BlobWriter {
    /// Creates a writer for this store.
    pub fn new(blobs: BlobStore) -> Self {
        Self { blobs, queue: Arc::default() }
    }

    /// Queues a verified small blob. The blob is stored even if the returned value is dropped.
    pub fn store_small(&self, hash: BlobHash, bytes: Bytes) -> Stored {
        let (sender, stored) = oneshot::channel();
        let mut queue = self.queue();
        queue.waiting.push((hash, bytes, sender));
        if !queue.busy {
            queue.busy = true;
            let this = self.clone();
            spawn(move || this.write());
        }
        stored
    }

    /// Stores a complete partial file. The blob is stored even if the returned value is dropped.
    pub fn store_large(file: CompleteFile) -> Stored {
        let (sender, stored) = oneshot::channel();
        spawn(move || {
            let _ = sender.send(file.finish());
        });
        stored
    }

    fn write(&self) {
        loop {
            let batch = {
                let mut queue = self.queue();
                if queue.waiting.is_empty() {
                    queue.busy = false;
                    return;
                }
                let count = queue.waiting.len().min(MAX_BATCH);
                queue.waiting.drain(..count).collect::<Vec<_>>()
            };
            let (blobs, senders): (Vec<_>, Vec<_>) =
                batch.into_iter().map(|(hash, bytes, sender)| ((hash, bytes), sender)).unzip();
            let written = self.blobs.put_verified(&blobs, BlobOrigin::Prefetched);
            for sender in senders {
                let _ = sender.send(written.clone());
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, WriteQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
