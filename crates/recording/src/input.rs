//! Reads a file at any position, through one buffer.

use std::io::{self, Read, Seek, SeekFrom};

use crate::error::{RecordingError, broken};

const BLOCK: usize = 64 << 10;

pub(crate) trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

pub(crate) struct Input<'a> {
    file: &'a mut dyn ReadSeek,
    /// Size of the file in bytes.
    pub len: u64,
    block: Vec<u8>,
    block_at: u64,
}

impl<'a> Input<'a> {
    pub fn new(file: &'a mut impl ReadSeek) -> io::Result<Self> {
        let len = file.seek(SeekFrom::End(0))?;
        Ok(Self { file, len, block: Vec::new(), block_at: 0 })
    }

    /// Returns up to `count` bytes at a position, at most 64 KiB; fewer at the end of the file.
    pub fn bytes(&mut self, at: u64, count: usize) -> io::Result<&[u8]> {
        let count = count.min(BLOCK);
        let end = at.saturating_add(count as u64).min(self.len);
        let block_end = self.block_at + self.block.len() as u64;
        if at < self.block_at || end > block_end {
            self.block.clear();
            self.block_at = at;
            if at < self.len {
                self.file.seek(SeekFrom::Start(at))?;
                (&mut *self.file).take(BLOCK as u64).read_to_end(&mut self.block)?;
            }
        }
        let start = usize::try_from(at - self.block_at).unwrap_or(usize::MAX).min(self.block.len());
        Ok(&self.block[start..(start + count).min(self.block.len())])
    }

    /// Returns the `N` bytes at a position; `None` if the file ends before.
    pub fn array<const N: usize>(&mut self, at: u64) -> io::Result<Option<[u8; N]>> {
        Ok(self.bytes(at, N)?.try_into().ok())
    }

    /// Returns `count` bytes at a position. Fails if there are fewer, or if `count` is greater than `limit`.
    pub fn vec(&mut self, at: u64, count: u64, limit: u64) -> Result<Vec<u8>, RecordingError> {
        if count > limit {
            return Err(broken("its header is too large"));
        }
        if at.saturating_add(count) > self.len {
            return Err(broken("it is truncated"));
        }
        self.file.seek(SeekFrom::Start(at))?;
        let mut out = Vec::with_capacity(usize::try_from(count).unwrap_or_default());
        (&mut *self.file).take(count).read_to_end(&mut out)?;
        Ok(out)
    }

    /// Returns the first position of `wanted` between two positions.
    pub fn find(&mut self, from: u64, to: u64, wanted: &[u8]) -> io::Result<Option<u64>> {
        let mut at = from;
        while at < to {
            let block = self.bytes(at, BLOCK)?;
            if let Some(found) = block.windows(wanted.len()).position(|w| w == wanted) {
                let found = at + found as u64;
                return Ok((found < to).then_some(found));
            }
            if block.len() < BLOCK {
                break;
            }
            at += (BLOCK - wanted.len() + 1) as u64;
        }
        Ok(None)
    }

    /// Returns whether all bytes between two positions are zero.
    pub fn is_zero(&mut self, from: u64, to: u64) -> io::Result<bool> {
        let mut at = from;
        while at < to.min(self.len) {
            let count = usize::try_from(to - at).unwrap_or(BLOCK).min(BLOCK);
            let block = self.bytes(at, count)?;
            if block.iter().any(|b| *b != 0) {
                return Ok(false);
            }
            at += block.len().max(1) as u64;
        }
        Ok(true)
    }
}

/// Returns the big-endian number at an index; 0 beyond the end.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    match bytes.get(at..).and_then(|b| b.first_chunk()) {
        Some(b) => u32::from_be_bytes(*b),
        None => 0,
    }
}

/// Returns the big-endian number at an index; 0 beyond the end.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) << 32 | u64::from(u32_at(bytes, at + 4))
}
