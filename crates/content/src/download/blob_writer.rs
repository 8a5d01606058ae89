//! Proved bytes into their place. Small blobs that wait at the same moment share a transaction; large files are made durable side by side.
//! A row is written after its bytes are durable: what a kill leaves behind is resumed, and never believed.
//!
//! Not here: where the place is (`cache::BlobStore`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use carrel_model::BlobHash;
use carrel_system::spawn;
use tokio::sync::oneshot;

use crate::{
    Result,
    blobs::{BlobStore, Came},
    fetch::CompleteFile,
};

/// Small blobs in one transaction.
const AT_ONCE: usize = 256;

/// Resolves when the blob is in its place, or could not be put there.
pub type Stored = oneshot::Receiver<Result<()>>;

#[derive(Clone)]
pub struct BlobWriter {
    blobs: BlobStore,
    desk: Arc<Mutex<WriteQueue>>,
}

#[derive(Default)]
struct WriteQueue {
    waiting: Vec<(BlobHash, Bytes, oneshot::Sender<Result<()>>)>,
    /// Somebody is writing, and looks again before leaving.
    busy: bool,
}

impl BlobWriter {
    pub fn new(blobs: BlobStore) -> Self {
        Self { blobs, desk: Arc::default() }
    }

    /// Takes a small blob whose hash was proved. It is written even if nobody waits for it any more.
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

    /// Takes a file that is whole.
    pub fn large(file: CompleteFile) -> Stored {
        let (tell, kept) = oneshot::channel();
        spawn(move || {
            // Whoever asked may be gone: the file is in its place all the same.
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
            let written = self.blobs.put_proved(&blobs, Came::Ahead);
            for tell in tells {
                let _ = tell.send(written.clone());
            }
        }
    }

    fn desk(&self) -> MutexGuard<'_, WriteQueue> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
