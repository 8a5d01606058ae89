//! The frame at the start of every file: eight magic bytes, the length of the header, the header's hash, the header.
//!
//! Not here: the contents of the header (`course`, `work`).

use std::io::Read;

use carrel_model::BlobHash;
use serde::Deserialize;

use crate::{COURSE_FORMAT, DICTIONARY_FORMAT, Fault, Result, WORK_FORMAT};

/// Not text, so that the conversion of line ends or the removal of the eighth bit by a program is detected.
pub const MAGIC: [u8; 8] = *b"\x89CRL\r\n\x1a\n";
/// Number of bytes before the header: magic, length (big-endian), hash.
pub const PREFIX_BYTES: usize = 8 + 4 + 32;
/// Maximum size of a header in bytes; headers are read into memory. A manifest of 10,000 blobs has about 1.3 MB.
pub const MAX_HEADER_BYTES: u32 = 64 * 1024 * 1024;

pub(crate) enum Format {
    Course,
    Work,
    Dictionary,
}

/// Returns the start of a file: the prefix, followed by `header`.
pub fn frame(header: &[u8]) -> Result<Vec<u8>> {
    let len = u32::try_from(header.len()).unwrap_or(u32::MAX);
    if len > MAX_HEADER_BYTES {
        return Err(Fault::HeaderTooLarge { bytes: len.into(), limit: MAX_HEADER_BYTES.into() });
    }
    let hash = BlobHash::of(header).0;
    Ok([&MAGIC[..], &len.to_be_bytes(), &hash, header].concat())
}

/// Reads and verifies the header of a file of `len` bytes.
pub(crate) fn read(from: &mut impl Read, len: u64) -> Result<Vec<u8>> {
    if len == 0 {
        return Err(Fault::Empty);
    }
    let mut start = Vec::with_capacity(PREFIX_BYTES);
    from.by_ref().take(PREFIX_BYTES as u64).read_to_end(&mut start)?;
    if !MAGIC.starts_with(&start[..start.len().min(8)]) {
        // The magic bytes with the eighth bit removed, with converted line ends, or converted from Latin-1 to UTF-8.
        let is_converted = start.get(1..4) == Some(b"CRL") || start.starts_with(b"\xc2\x89CRL");
        return Err(if is_converted { Fault::ConvertedAsText } else { Fault::NotCarrel });
    }
    let short = |need: u64| Fault::Truncated { have: len, need };
    if start.len() < PREFIX_BYTES {
        return Err(short(PREFIX_BYTES as u64));
    }
    let bytes = u32::from_be_bytes([start[8], start[9], start[10], start[11]]);
    if bytes > MAX_HEADER_BYTES {
        return Err(Fault::HeaderTooLarge { bytes: bytes.into(), limit: MAX_HEADER_BYTES.into() });
    }
    let need = PREFIX_BYTES as u64 + u64::from(bytes);
    if len < need {
        return Err(short(need));
    }
    let mut header = Vec::with_capacity(bytes as usize);
    from.by_ref().take(bytes.into()).read_to_end(&mut header)?;
    if header.len() < bytes as usize {
        return Err(Fault::Truncated { have: PREFIX_BYTES as u64 + header.len() as u64, need });
    }
    if BlobHash::of(&header).0 != start[12..PREFIX_BYTES] {
        return Err(Fault::HeaderDamaged);
    }
    Ok(header)
}

/// Returns the format named in the header. It is read before all other fields, so that a newer format is reported as
/// newer and not as damaged.
pub(crate) fn format_of(header: &[u8]) -> Result<Format> {
    #[derive(Deserialize)]
    struct Header {
        format: String,
    }
    let Header { format } =
        serde_json::from_slice(header).map_err(|e| Fault::HeaderUnreadable(e.to_string()))?;
    match format.as_str() {
        COURSE_FORMAT => Ok(Format::Course),
        WORK_FORMAT => Ok(Format::Work),
        DICTIONARY_FORMAT => Ok(Format::Dictionary),
        _ => Err(Fault::Newer(format.chars().take(60).collect())),
    }
}
