//! Bytes on their way into a partial file, gathered into larger writes. What is gathered is written also when the transfer is dropped.

use bytes::{Bytes, BytesMut};

use crate::{Result, blobs::PartFile};

/// Pieces are written together until they are this long (bytes) ...
const GATHER: usize = 64 * 1024;
/// ... or this old.
const GATHER_MS: i64 = 1_000;

pub(super) struct Writer<'a> {
    part: &'a mut PartFile,
    gathered: BytesMut,
    since_ms: i64,
}

impl<'a> Writer<'a> {
    pub(super) fn new(part: &'a mut PartFile, now_ms: i64) -> Self {
        Self { part, gathered: BytesMut::new(), since_ms: now_ms }
    }
    /// Bytes of the file, with those that are gathered.
    pub(super) fn len(&self) -> u64 {
        self.part.len() + self.gathered.len() as u64
    }
    /// True if the bytes of the file from `at` on are these, as far as they are present.
    pub(super) fn agrees(&mut self, at: u64, bytes: &[u8]) -> Result<bool> {
        self.part.agrees(at, bytes)
    }
    pub(super) fn write(&mut self, piece: &Bytes, now_ms: i64) -> Result<()> {
        if self.gathered.is_empty() && piece.len() >= GATHER {
            self.since_ms = now_ms;
            return self.part.write(piece);
        }
        self.gathered.extend_from_slice(piece);
        if self.gathered.len() >= GATHER || now_ms - self.since_ms >= GATHER_MS {
            self.since_ms = now_ms;
            self.flush()?;
        }
        Ok(())
    }
    pub(super) fn flush(&mut self) -> Result<()> {
        // Taken first: what could not be written is not written again when this is dropped.
        let gathered = self.gathered.split();
        if gathered.is_empty() { Ok(()) } else { self.part.write(&gathered) }
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        if let Err(e) = self.flush() {
            tracing::debug!(error = %e, "the last bytes of a transfer were not kept");
        }
    }
}
