//! Async access to a partial file. Calls run on threads for blocking calls. Small pieces are buffered;
//! the buffer is also written on drop.

use std::ops::{Deref, DerefMut};

use bytes::{Bytes, BytesMut};
use carrel_model::BlobHash;
use carrel_system::{blocking, run_or_spawn};

use crate::{
    Error, Result,
    blobs::{BlobOrigin, BlobStore, Lease, PartFile, PartPosition},
};

/// Largest number of buffered bytes.
const MAX_BUFFER: usize = 512 * 1024;
/// Smallest number of buffered bytes that `pause` writes.
const FLUSH_SIZE: usize = 64 * 1024;
/// Longest time, in milliseconds, that bytes stay in the buffer.
const MAX_BUFFER_MS: i64 = 1_000;

pub(super) struct BufferedWriter {
    /// `None` while a call is running.
    part: Option<OwnedPart>,
    /// Length of the file in bytes.
    written: u64,
    buffer: BytesMut,
    /// Time of the last write (monotonic).
    since_ms: Option<i64>,
    lease: Lease,
}

impl BufferedWriter {
    /// Opens the partial file and hashes its bytes.
    pub(super) async fn open(
        blobs: &BlobStore,
        hash: BlobHash,
        origin: BlobOrigin,
    ) -> Result<Self> {
        let blobs = blobs.clone();
        let part = blocking(move || blobs.part_with_origin(hash, origin)).await?;
        Ok(Self {
            written: part.len(),
            lease: part.lease(),
            part: Some(OwnedPart::new(part)),
            buffer: BytesMut::new(),
            since_ms: None,
        })
    }

    /// Returns the length of the file in bytes, including buffered bytes.
    pub(super) fn len(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Publishes the final size in bytes, which allows playback before the blob is complete.
    pub(super) fn set_total(&self, total: u64) {
        if let Some(part) = &self.part {
            part.set_total(total);
        }
    }
    /// Returns whether all bytes are written and match the hash.
    pub(super) fn is_verified(&self) -> bool {
        self.buffer.is_empty() && self.part.as_ref().is_some_and(|part| part.is_verified())
    }
    /// Returns the current position; `None` if the file is empty. Must be called with an empty buffer.
    pub(super) fn position(&self) -> Option<PartPosition> {
        self.part.as_ref().filter(|part| !part.is_empty()).map(|part| part.position())
    }
    /// Returns to an earlier position, or empties the file.
    pub(super) async fn rewind(&mut self, position: Option<PartPosition>) -> Result<()> {
        self.buffer.clear();
        self.run(|part| match position {
            Some(position) => part.rewind(position),
            None => part.restart(),
        })
        .await
    }
    /// Compares `bytes` with the written bytes from offset `at`; bytes beyond the end are ignored.
    pub(super) async fn matches(&mut self, at: u64, bytes: Bytes) -> Result<bool> {
        self.run(move |part| part.matches(at, &bytes)).await
    }
    /// Appends a piece; call `pause` before waiting for the next one.
    pub(super) async fn write(&mut self, piece: Bytes, now_ms: i64) -> Result<()> {
        self.since_ms.get_or_insert(now_ms);
        if self.buffer.is_empty() && piece.len() >= MAX_BUFFER {
            self.since_ms = Some(now_ms);
            return self.run(move |part| part.write(&piece)).await;
        }
        self.buffer.extend_from_slice(&piece);
        if self.buffer.len() >= MAX_BUFFER { self.flush_at(now_ms).await } else { Ok(()) }
    }
    /// Writes the buffer if it is large or old enough. Called when no more bytes are available.
    pub(super) async fn pause(&mut self, now_ms: i64) -> Result<()> {
        let is_old = self.since_ms.is_some_and(|since_ms| now_ms - since_ms >= MAX_BUFFER_MS);
        if self.buffer.len() >= FLUSH_SIZE || is_old { self.flush_at(now_ms).await } else { Ok(()) }
    }
    async fn flush_at(&mut self, now_ms: i64) -> Result<()> {
        self.since_ms = Some(now_ms);
        self.flush().await
    }
    pub(super) async fn flush(&mut self) -> Result<()> {
        // Emptied first, so that bytes whose write failed are not written again on drop.
        let buffer = self.buffer.split().freeze();
        if buffer.is_empty() {
            return Ok(());
        }
        self.run(move |part| part.write(&buffer)).await
    }
    /// Returns the file, for use on a thread that may block.
    pub(super) fn into_part(mut self) -> Result<PartFile> {
        self.part.take().and_then(OwnedPart::into_inner).ok_or(Error::Cancelled)
    }

    async fn run<T: Send + 'static>(
        &mut self,
        f: impl FnOnce(&mut PartFile) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut part = self.part.take().ok_or(Error::Cancelled)?;
        let (part, result) = blocking(move || {
            let result = f(&mut part);
            Ok::<_, Error>((part, result))
        })
        .await?;
        self.written = part.len();
        self.part = Some(part);
        result
    }
}

impl Drop for BufferedWriter {
    fn drop(&mut self) {
        // From now on, opening the file waits until it is closed.
        self.lease.release();
        let (part, buffer) = (self.part.take(), self.buffer.split());
        let Some(mut part) = part else { return };
        if buffer.is_empty() {
            return;
        }
        run_or_spawn(move || {
            if let Err(e) = part.write(&buffer) {
                tracing::debug!(error = %e, "cannot write the last bytes of a transfer");
            }
        });
    }
}

/// A partial file that is closed on a thread for blocking calls.
struct OwnedPart(Option<Box<PartFile>>);

impl OwnedPart {
    fn new(part: PartFile) -> Self {
        Self(Some(Box::new(part)))
    }
    fn into_inner(mut self) -> Option<PartFile> {
        self.0.take().map(|part| *part)
    }
}
impl Deref for OwnedPart {
    type Target = PartFile;
    fn deref(&self) -> &PartFile {
        self.0.as_deref().expect("taken only by value")
    }
}
impl DerefMut for OwnedPart {
    fn deref_mut(&mut self) -> &mut PartFile {
        self.0.as_deref_mut().expect("taken only by value")
    }
}
impl Drop for OwnedPart {
    fn drop(&mut self) {
        if let Some(part) = self.0.take() {
            run_or_spawn(move || drop(part));
        }
    }
}
