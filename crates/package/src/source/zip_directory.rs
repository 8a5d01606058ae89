//! Reads the central directory of an untrusted zip (PKWARE APPNOTE 4.3.12, 4.3.14, 4.3.16), including what the `zip`
//! crate does not return: names that occur twice, and names as they are stored.
//!
//! Not here: decoding names (`zip_names`), unpacking (`zip`).

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

use super::files::Limits;

/// Header ids of the Info-ZIP extra fields with path and comment in UTF-8 (APPNOTE 4.6.8, 4.6.9).
const UNICODE_PATH: u16 = 0x7075;
const UNICODE_COMMENT: u16 = 0x6375;

/// Maximum size of the directory in bytes. An entry can have up to 3 * 65,535 bytes of name, extra field and comment,
/// but the directory of a normal zip is much smaller.
const MAX_DIRECTORY_BYTES: u64 = 64 << 20;

pub(super) enum DirectoryError {
    Broken(String),
    TooMany(u64),
}

/// The names of one entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct DirectoryEntry {
    /// The name as stored, in any encoding.
    pub name: Vec<u8>,
    /// The name of the Unicode Path extra field, if the field belongs to `name`.
    pub unicode_path: Option<String>,
}

/// The central directory.
pub(super) struct Directory {
    pub entries: Vec<DirectoryEntry>,
    /// Positions in the file of the header ids of Unicode extra fields, ascending.
    unicode_fields: Vec<u64>,
}

/// Reads the directory. A zip with more entries than allowed is rejected before its directory is read into memory.
pub(super) fn read(file: &mut File, limits: &Limits) -> Result<Directory, DirectoryError> {
    let io = |e: io::Error| DirectoryError::Broken(e.to_string());
    let (count, table_start, size) = find_table(file)?;
    if count > limits.files {
        return Err(DirectoryError::TooMany(count));
    }
    let mut table = vec![0; usize::try_from(size).unwrap_or_default()];
    file.seek(SeekFrom::Start(table_start)).map_err(io)?;
    file.read_exact(&mut table).map_err(io)?;
    let mut directory = Directory { entries: Vec::new(), unicode_fields: Vec::new() };
    let mut at = 0;
    while let Some(header) = table.get(at..at + 46).filter(|h| h.starts_with(b"PK\x01\x02")) {
        let length = |i: usize| usize::from(u16_at(header, i));
        let (name, extra, comment) = (length(28), length(30), length(32));
        let Some(name_bytes) = table.get(at + 46..at + 46 + name) else { break };
        let extra_start = at + 46 + name;
        let extra_bytes = table.get(extra_start..extra_start + extra).unwrap_or_default();
        let unicode_path =
            directory.read_extra(name_bytes, extra_bytes, table_start + extra_start as u64);
        directory.entries.push(DirectoryEntry { name: name_bytes.to_vec(), unicode_path });
        if directory.entries.len() as u64 > limits.files {
            return Err(DirectoryError::TooMany(directory.entries.len() as u64));
        }
        at = extra_start + extra + comment;
    }
    if directory.entries.len() as u64 != count {
        return Err(DirectoryError::Broken(format!(
            "its central directory lists {} of {count} files",
            directory.entries.len()
        )));
    }
    file.rewind().map_err(io)?;
    Ok(directory)
}

/// Returns the number of entries, and position and size of the table.
fn find_table(file: &mut File) -> Result<(u64, u64, u64), DirectoryError> {
    let io = |e: io::Error| DirectoryError::Broken(e.to_string());
    let length = file.seek(SeekFrom::End(0)).map_err(io)?;
    let tail_length = length.min(22 + 65_535);
    let mut tail = vec![0; usize::try_from(tail_length).unwrap_or_default()];
    file.seek(SeekFrom::Start(length - tail_length)).map_err(io)?;
    file.read_exact(&mut tail).map_err(io)?;
    let end =
        (0..tail.len().saturating_sub(21)).rev().find(|i| tail[*i..].starts_with(b"PK\x05\x06"));
    let end =
        end.ok_or_else(|| DirectoryError::Broken("its central directory is missing".into()))?;
    let (mut count, mut size) = (u64::from(u16_at(&tail, end + 10)), u32_at(&tail, end + 12));
    let mut table_end = length - tail_length + end as u64;
    let locator = end.checked_sub(20).filter(|i| tail[*i..].starts_with(b"PK\x06\x07"));
    if let Some(locator) = locator {
        let u64_at = |b: &[u8], i: usize| u32_at(b, i) | u32_at(b, i + 4) << 32;
        let at = u64_at(&tail, locator + 8);
        let mut record = [0; 56];
        file.seek(SeekFrom::Start(at)).map_err(io)?;
        file.read_exact(&mut record).map_err(io)?;
        if record.starts_with(b"PK\x06\x06") {
            (count, size, table_end) = (u64_at(&record, 32), u64_at(&record, 40), at);
        }
    }
    if size > MAX_DIRECTORY_BYTES || size > table_end {
        return Err(DirectoryError::Broken("its central directory has an invalid size".into()));
    }
    Ok((count, table_end - size, size))
}

impl Directory {
    /// Reads the extra fields of one entry, which start at `position` in the file, and returns the name of its Unicode
    /// Path. A field whose checksum is not that of `name` belongs to an earlier name and is ignored, as the
    /// specification demands.
    fn read_extra(&mut self, name: &[u8], extra: &[u8], position: u64) -> Option<String> {
        let mut path = None;
        let mut at = 0;
        while let Some(header) = extra.get(at..at + 4) {
            let (id, size) = (u16_at(header, 0), usize::from(u16_at(header, 2)));
            if matches!(id, UNICODE_PATH | UNICODE_COMMENT) {
                self.unicode_fields.push(position + at as u64);
            }
            let data = extra.get(at + 4..at + 4 + size).unwrap_or_default();
            // Version, checksum of the name, path.
            if id == UNICODE_PATH
                && let [1, crc @ ..] = data
                && let Some((crc, text)) = crc.split_at_checked(4)
                && u32_at(crc, 0) == u64::from(crc32fast::hash(name))
            {
                path = String::from_utf8(text.to_vec()).ok();
            }
            at += 4 + size;
        }
        path
    }
    /// Returns the file without its Unicode extra fields. The `zip` crate refuses an archive with an outdated field,
    /// and returns the path of the field as the stored name.
    pub fn without_unicode_fields(&self, file: File) -> MaskedFile {
        MaskedFile { file, position: 0, masks: self.unicode_fields.clone() }
    }
}

/// A file in which the two bytes at some positions read as 0xFFFF, which is the id of no extra field.
pub(super) struct MaskedFile {
    file: File,
    position: u64,
    /// Ascending.
    masks: Vec<u64>,
}

impl Read for MaskedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        let (start, end) = (self.position, self.position + n as u64);
        let first = self.masks.partition_point(|mask| mask + 2 <= start);
        for mask in self.masks[first..].iter().take_while(|mask| **mask < end) {
            for byte in (*mask..mask + 2).filter(|byte| (start..end).contains(byte)) {
                buffer[(byte - start) as usize] = 0xff;
            }
        }
        self.position = end;
        Ok(n)
    }
}

impl Seek for MaskedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = self.file.seek(to)?;
        Ok(self.position)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn masked_bytes_are_replaced_in_reads_of_any_size() {
        for size in 1..8 {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(b"0123456789").unwrap();
            file.rewind().unwrap();
            let mut masked = MaskedFile { file, position: 0, masks: vec![1, 5, 9] };
            let mut out = Vec::new();
            let mut buffer = vec![0; size];
            loop {
                let n = masked.read(&mut buffer).unwrap();
                if n == 0 {
                    break;
                }
                out.extend_from_slice(&buffer[..n]);
            }
            assert_eq!(out, b"0\xff\xff34\xff\xff78\xff", "{size}");
            masked.seek(SeekFrom::Start(2)).unwrap();
            let n = masked.read(&mut buffer).unwrap();
            assert_eq!(buffer[..n], b"\xff34\xff\xff78\xff"[..n]);
        }
    }
}
