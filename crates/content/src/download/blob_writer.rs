//! Stores verified blobs. Small blobs that wait at the same time share a transaction; large files
//! are synced in parallel. A row is written after its bytes are durable, so that a file left by a
//! killed process is resumed and never trusted.
//!
//! Not here: where blobs are stored (`blobs::BlobStore`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use carrel_model::BlobHash;
use carrel_system::spawn;
use tokio::sync::oneshot;

use crate::{
    Result,
    blobs::{BlobStore, BlobOrigin},
    fetch::CompleteFile,
};

/// Small blobs in one transaction.
const AT_ONCE: usize = 256;

/// Resolves when the blob is stored, or could not be stored.
pub type Stored = oneshot::Receiver<Result<()>>;

/// Stores blobs for the downloads of one account. Clones share one queue.
#[derive(Clone)]
pub struct BlobWriter {
    blobs: BlobStore,
    desk: Arc<Mutex<WriteQueue>>,
}

#[derive(Default)]
struct WriteQueue {
    waiting: Vec<(BlobHash, Bytes, oneshot::Sender<Result<()>>)>,
    /// A writer is active; it checks the queue again before it stops.
    busy: bool,
}

impl BlobWriter {
    /// Creates a writer for this store.
    pub fn new(blobs: BlobStore) -> Self {
        Self { blobs, desk: Arc::default() }
    }

    /// Queues a verified small blob. It is written even if the returned value is dropped.
    pub fn small(&self, hash: BlobHash, bytes: Bytes) -> Stored {
        let (tell, kept) = oneshot::channel();
        let mut desk = self.desk();
        desk.waiting.push((hash, bytes, tell));
        if !desk.busy {
            desk.busy = true;
            let this = self.clone();
            spawn(move || this.write());
        }
        kept
    }

    /// Stores a complete file.
    pub fn large(file: CompleteFile) -> Stored {
        let (tell, kept) = oneshot::channel();
        spawn(move || {
            // The caller may be gone; the file is stored nevertheless.
            let _ = tell.send(file.finish());
        });
        kept
    }

    fn write(&self) {
        loop {
            let batch = {
                let mut desk = self.desk();
                if desk.waiting.is_empty() {
                    desk.busy = false;
                    return;
                }
                let most = desk.waiting.len().min(AT_ONCE);
                desk.waiting.drain(..most).collect::<Vec<_>>()
            };
            let (blobs, tells): (Vec<_>, Vec<_>) =
                batch.into_iter().map(|(hash, bytes, tell)| ((hash, bytes), tell)).unzip();
            let written = self.blobs.put_verified(&blobs, BlobOrigin::Prefetched);
            for tell in tells {
                let _ = tell.send(written.clone());
            }
        }
    }

    fn desk(&self) -> MutexGuard<'_, WriteQueue> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
