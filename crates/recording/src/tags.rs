//! Tags before and after a recording: ID3v2 (id3.org), ID3v1, APE, Lyrics3. A tag may state a wrong size.

use std::io;

use crate::input::Input;

/// Returns the position after all ID3v2 tags at the start of the file, and whether there is one.
pub(crate) fn start(input: &mut Input<'_>) -> io::Result<(u64, bool)> {
    let mut at = 0;
    let mut found = false;
    loop {
        match input.bytes(at, 10)? {
            [b'I', b'D', b'3', major, _, flags, size @ ..] if *major < 0xff && size.len() == 4 => {
                found = true;
                let mut next = at + 10;
                if size.iter().all(|b| b & 0x80 == 0) {
                    next += size.iter().fold(0, |n, b| n << 7 | u64::from(*b));
                    next += if flags & 0x10 != 0 { 10 } else { 0 };
                }
                // A size beyond the end is wrong: only the header of the tag is skipped.
                at = if next < input.len { next } else { at + 10 };
            }
            [b'A', b'P', b'E', b'T', b'A', b'G', b'E', b'X', ..] => {
                let Some(header) = input.array::<16>(at)? else { return Ok((at, found)) };
                let size =
                    u64::from(u32::from_le_bytes([header[12], header[13], header[14], header[15]]));
                found = true;
                at = if at + 32 + size < input.len { at + 32 + size } else { at + 32 };
            }
            _ => return Ok((at, found)),
        }
    }
}

/// Returns the position of the first tag at the end of the file, or the size of the file.
pub(crate) fn end(input: &mut Input<'_>, start: u64) -> io::Result<u64> {
    let mut end = input.len;
    loop {
        let has = |input: &mut Input<'_>, back: u64, magic: &[u8]| -> io::Result<bool> {
            let Some(at) = end.checked_sub(back).filter(|at| *at >= start) else {
                return Ok(false);
            };
            Ok(input.bytes(at, magic.len())? == magic)
        };
        let mut next = end;
        if has(input, 128, b"TAG")? {
            next = end - 128;
            // The extended tag is in front of the tag.
            if next >= start + 227 && input.bytes(next - 227, 4)? == b"TAG+" {
                next -= 227;
            }
        } else if has(input, 32, b"APETAGEX")? {
            let footer = input.array::<32>(end - 32)?.unwrap_or([0; 32]);
            let number = |at: usize| {
                u64::from(u32::from_le_bytes([
                    footer[at],
                    footer[at + 1],
                    footer[at + 2],
                    footer[at + 3],
                ]))
            };
            // The size contains the footer, but not the header.
            let header = if number(20) & 0x8000_0000 != 0 { 32 } else { 0 };
            let size = number(12).max(32) + header;
            next = end.checked_sub(size).filter(|at| *at >= start).unwrap_or(end - 32);
        } else if has(input, 9, b"LYRICS200")? {
            let digits = input.array::<6>(end.saturating_sub(15))?.unwrap_or_default();
            let size = digits.iter().fold(0, |n, d| n * 10 + u64::from(d.wrapping_sub(b'0') % 10));
            next = end.checked_sub(size + 15).filter(|at| *at >= start).unwrap_or(end - 9);
        } else if has(input, 10, b"3DI")? {
            let footer = input.array::<10>(end - 10)?.unwrap_or_default();
            let size = footer[6..].iter().fold(0, |n, b| n << 7 | u64::from(b & 0x7f));
            next = end.checked_sub(size + 20).filter(|at| *at >= start).unwrap_or(end - 10);
        }
        if next >= end {
            return Ok(end);
        }
        end = next;
    }
}
