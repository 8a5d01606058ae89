//! Checks by the header of an image whether the original may be shown. The UI decodes originals without
//! the limits of `decode`. Therefore an original is refused if its variants would be refused.
//!
//! Not here: the limits (`decode`), caching of results (`carrel_content::images`).

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read, Seek},
};

use crate::{
    ImageError, MAX_FILE_SIZE,
    decode::{METADATA_LIMIT, decode_cost, is_progressive, open},
};

/// Largest number of JPEG segments before the pixels; regular files have a few dozen at most.
const MAX_SEGMENTS: u32 = 4096;

/// Returns an error if the original, an image in memory, must not be shown.
pub fn check_bytes(bytes: &[u8]) -> Result<(), ImageError> {
    check(Cursor::new(bytes), is_progressive(bytes))
}

/// Returns an error if the original, an image in a file, must not be shown. Usually reads a few KiB.
pub fn check_file(file: File, is_jpeg: bool) -> Result<(), ImageError> {
    let mut file = BufReader::new(file);
    if !is_jpeg {
        return check(file, false);
    }
    if let Some(head) = jpeg_head(&mut file)? {
        return check_bytes(&head);
    }
    // With malformed segments, the decoder needs the whole file.
    let size = file.get_ref().metadata()?.len();
    if size > MAX_FILE_SIZE {
        return Err(ImageError::Decode(format!("file too large: {size} bytes")));
    }
    let mut whole = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut whole)?;
    check_bytes(&whole)
}

fn check(mut input: impl BufRead + Seek, progressive: bool) -> Result<(), ImageError> {
    let frame = match input.fill_buf()?.starts_with(b"GIF8") {
        true => first_frame(&mut input)?,
        false => (0, 0),
    };
    input.rewind()?;
    let (format, decoder) = open(input)?;
    decode_cost(format, &decoder, frame, progressive).map(|_| ())
}

/// Reads a JPEG up to its pixels (ITU T.81, B.1.1), without metadata segments. Returns `None` if the
/// segments are malformed.
fn jpeg_head(input: &mut (impl Read + Seek)) -> io::Result<Option<Vec<u8>>> {
    let mut head = vec![0; 2];
    let ended = |e: io::Error| match e.kind() {
        io::ErrorKind::UnexpectedEof => Ok(None),
        _ => Err(e),
    };
    if let Err(e) = input.read_exact(&mut head) {
        return ended(e);
    }
    for _ in 0..MAX_SEGMENTS {
        let mut start = [0; 4];
        if let Err(e) = input.read_exact(&mut start) {
            return ended(e);
        }
        let [0xff, marker @ 0xc0..=0xfe, high, low] = start else { return Ok(None) };
        let length = u16::from_be_bytes([high, low]);
        let Some(rest) = length.checked_sub(2) else { return Ok(None) };
        match marker {
            // Comments and application segments, except Adobe's (APP14), which has the colour transform.
            0xe0..=0xed | 0xef | 0xfe => {
                input.seek_relative(i64::from(rest))?;
            }
            _ => {
                head.extend_from_slice(&start);
                let at = head.len();
                head.resize(at + usize::from(rest), 0);
                if let Err(e) = input.read_exact(&mut head[at..]) {
                    return ended(e);
                }
            }
        }
        if marker == 0xda {
            return Ok(Some(head));
        }
    }
    Ok(None)
}

/// Returns whether a JPEG has its end marker (ITU T.81, B.1.1); without it, rows of the picture may be missing.
pub fn has_jpeg_end(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some([first, marker, rest @ ..]) = bytes.get(at..) {
        match (first, marker) {
            (0xff, 0xd9) => return true,
            // Stuffed bytes, restarts and other markers without a length.
            (0xff, 0x00 | 0x01 | 0xd0..=0xd8) => at += 2,
            (0xff, 0x02..=0xfe) => match rest {
                [high, low, ..] => at += 2 + usize::from(u16::from_be_bytes([*high, *low])),
                _ => return false,
            },
            _ => at += 1,
        }
    }
    false
}

/// Returns the right and bottom edges of the first frame of a GIF (GIF89a, 20); (0, 0) if there is
/// none. Browsers allocate memory for the frame, even if it exceeds the size in the header.
pub(super) fn first_frame(input: &mut (impl Read + Seek)) -> Result<(u32, u32), ImageError> {
    fn walk(input: &mut (impl Read + Seek)) -> io::Result<Option<(u32, u32)>> {
        let mut screen = [0; 13];
        input.read_exact(&mut screen)?;
        if screen[10] & 0x80 != 0 {
            input.seek_relative(3 << ((screen[10] & 7) + 1))?;
        }
        let mut skipped = 0;
        while skipped < METADATA_LIMIT {
            match byte(input)? {
                0x21 => {
                    byte(input)?;
                    loop {
                        let length = byte(input)?;
                        skipped += 1 + u64::from(length);
                        if length == 0 || skipped >= METADATA_LIMIT {
                            break;
                        }
                        input.seek_relative(i64::from(length))?;
                    }
                }
                0x2c => {
                    let mut sides = [0; 8];
                    input.read_exact(&mut sides)?;
                    let at = |n: usize| u32::from(u16::from_le_bytes([sides[n], sides[n + 1]]));
                    return Ok(Some((at(0) + at(4), at(2) + at(6))));
                }
                _ => return Ok(Some((0, 0))),
            }
        }
        Ok(None)
    }
    match walk(input) {
        Ok(Some(edges)) => Ok(edges),
        Ok(None) => Err(ImageError::Decode("no frame found".to_owned())),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok((0, 0)),
        Err(e) => Err(e.into()),
    }
}

fn byte(input: &mut impl Read) -> io::Result<u8> {
    let mut one = [0];
    input.read_exact(&mut one)?;
    Ok(one[0])
}
