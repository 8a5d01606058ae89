//! Boxes: their names, positions and bodies.

use crate::{
    Edits,
    input::{u32_at, u64_at},
};

#[derive(Debug, Clone, Copy)]
pub(super) struct Mp4Box {
    pub name: [u8; 4],
    /// Positions in the file.
    pub at: u64,
    pub body: u64,
    pub end: u64,
}

impl Mp4Box {
    /// Turns the box into a free one without content. `body` are its bytes.
    pub fn discard(&self, body: &[u8], edits: &mut Edits) {
        let is_empty = matches!(&self.name, b"free" | b"skip") && body.iter().all(|b| *b == 0);
        if !is_empty {
            self.free(edits);
        }
    }

    /// Turns the box into a free one without content.
    pub fn free(&self, edits: &mut Edits) {
        let mut head = b"free".to_vec();
        if self.body - self.at == 16 {
            // The size of a large box follows its name.
            head.extend((self.end - self.at).to_be_bytes());
        }
        edits.overwrite(self.at + 4, head);
        edits.clear(self.body, self.end, b"");
    }
}

/// Parses the header of a box at `at`, in a container with `available` bytes from there on. `None` if it is invalid.
pub(super) fn header(bytes: &[u8], at: u64, available: u64) -> Option<Mp4Box> {
    let name = *bytes.get(4..8)?.first_chunk()?;
    let (size, len) = match u32_at(bytes, 0) {
        0 => (available, 8),
        1 => (u64_at(bytes.get(..16)?, 8), 16),
        size => (u64::from(size), 8),
    };
    let end = at.checked_add(size)?;
    (size >= len).then_some(Mp4Box { name, at, body: at + len, end })
}

/// Returns the boxes in `bytes`, which start at `base` in the file.
pub(super) fn boxes(bytes: &[u8], base: u64) -> impl Iterator<Item = (Mp4Box, &[u8])> {
    let mut at = 0usize;
    std::iter::from_fn(move || {
        let rest = bytes.get(at..)?;
        let start = base + at as u64;
        let found = header(rest, start, rest.len() as u64)?;
        let index = |position: u64| usize::try_from(position - start).ok();
        let body = rest.get(index(found.body)?..index(found.end)?)?;
        at += index(found.end)?;
        Some((found, body))
    })
}

/// Returns the first box with a name.
pub(super) fn child<'a>(bytes: &'a [u8], base: u64, name: &[u8; 4]) -> Option<(Mp4Box, &'a [u8])> {
    boxes(bytes, base).find(|(found, _)| found.name == *name)
}
