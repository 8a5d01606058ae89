//! The parts of a file that are removed or replaced.

use std::io::{self, Read, Seek, SeekFrom, Write};

/// Changes of a file. Without changes the file is published as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits(Vec<Edit>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Edit {
    at: u64,
    len: u64,
    /// The first bytes of the replacement.
    bytes: Vec<u8>,
    /// Number of zeros after them.
    zeros: u64,
}

impl Edits {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes `from..to`.
    pub(crate) fn remove(&mut self, from: u64, to: u64) {
        self.push(from, to, Vec::new(), 0);
    }
    /// Replaces as many bytes as `bytes` has.
    pub(crate) fn overwrite(&mut self, at: u64, bytes: Vec<u8>) {
        self.push(at, at + bytes.len() as u64, bytes, 0);
    }
    /// Replaces `from..to` by `bytes` and zeros, without a change of its length.
    pub(crate) fn clear(&mut self, from: u64, to: u64, bytes: &[u8]) {
        let zeros = to.saturating_sub(from).saturating_sub(bytes.len() as u64);
        self.push(from, to, bytes.to_vec(), zeros);
    }
    /// Removes everything before, between and after the `kept` ranges, which are in order.
    pub(crate) fn keep_only(&mut self, kept: &[(u64, u64)], len: u64) {
        let mut at = 0;
        for (from, to) in kept {
            self.remove(at, *from);
            at = *to;
        }
        self.remove(at, len);
    }
    fn push(&mut self, from: u64, to: u64, bytes: Vec<u8>, zeros: u64) {
        if to > from {
            self.0.push(Edit { at: from, len: to - from, bytes, zeros });
        }
    }

    /// Writes the changed file.
    pub fn apply(&self, input: &mut (impl Read + Seek), out: &mut impl Write) -> io::Result<()> {
        let mut list: Vec<&Edit> = self.0.iter().collect();
        // Of two changes that start together, the longer contains the other.
        list.sort_by_key(|e| (e.at, std::cmp::Reverse(e.len)));
        input.seek(SeekFrom::Start(0))?;
        let mut at = 0;
        for edit in list {
            // A change inside another one is part of it.
            let Some(kept) = edit.at.checked_sub(at) else { continue };
            io::copy(&mut input.take(kept), out)?;
            out.write_all(&edit.bytes)?;
            io::copy(&mut io::repeat(0).take(edit.zeros), out)?;
            at = edit.at + edit.len;
            input.seek(SeekFrom::Start(at))?;
        }
        io::copy(input, out)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_removed_and_replaced_in_order() {
        let mut edits = Edits::default();
        edits.remove(8, 10);
        edits.clear(2, 5, b"x");
        edits.overwrite(3, b"inside".to_vec()[..1].to_vec());
        edits.overwrite(0, b"A".to_vec());
        edits.remove(10, 10);
        let mut out = Vec::new();
        edits.apply(&mut io::Cursor::new(b"abcdefghij"), &mut out).unwrap();
        assert_eq!(out, b"Abx\0\0fgh");
        let mut edits = Edits::default();
        edits.keep_only(&[(1, 3), (5, 6)], 10);
        let mut out = Vec::new();
        edits.apply(&mut io::Cursor::new(b"abcdefghij"), &mut out).unwrap();
        assert_eq!(out, b"bcf");
        edits = Edits::default();
        edits.keep_only(&[(0, 10)], 10);
        assert!(edits.is_empty());
    }
}
