//! Detects the kind of a media file from its content; the file name is ignored.
//!
//! Not here: decoding.

use std::{
    fs::File,
    io::{Read, Seek},
    path::Path,
};

use carrel_recording::Container;

use super::{
    formats::{OtherFormat, other_format, text_format},
    prologue,
};

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// PNG, JPEG, GIF or WebP.
    Raster,
    Svg,
    /// Sound, or sound and film.
    Recording(Container),
    /// A known format that cannot be published.
    OtherFormat(OtherFormat),
    Other,
}

/// Number of bytes in which the first element of a drawing is searched: comments and definitions may precede it.
const PROLOGUE: u64 = 256 << 10;

/// Returns the kind of a file.
fn kind_of(file: &mut (impl Read + Seek)) -> std::io::Result<Kind> {
    let mut head = Vec::new();
    file.rewind()?;
    (&mut *file).take(PROLOGUE).read_to_end(&mut head)?;
    if head.is_empty() {
        return Ok(Kind::Other);
    }
    let starts = |magic: &[u8]| head.starts_with(magic);
    if starts(b"\x89PNG\r\n\x1a\n")
        || starts(b"\xff\xd8\xff")
        || starts(b"GIF87a")
        || starts(b"GIF89a")
        || starts(b"RIFF") && head.get(8..12) == Some(b"WEBP")
    {
        return Ok(Kind::Raster);
    }
    if prologue::is_drawing(&head) {
        return Ok(Kind::Svg);
    }
    if let Some(format) = other_format(&head) {
        return Ok(Kind::OtherFormat(format));
    }
    Ok(match carrel_recording::detect(file)? {
        Some(Container::Unsupported(format)) => Kind::OtherFormat(format.into()),
        Some(container) => Kind::Recording(container),
        None => text_format(&head).map_or(Kind::Other, Kind::OtherFormat),
    })
}

/// Returns the kind of a file on disk.
pub(crate) fn kind_on_disk(disk: &Path) -> Kind {
    let kind = File::open(disk).and_then(|mut file| kind_of(&mut file));
    kind.unwrap_or(Kind::Other)
}

/// Returns the kind of a file in memory.
#[cfg(test)]
fn kind_of_bytes(bytes: &[u8]) -> Kind {
    kind_of(&mut std::io::Cursor::new(bytes)).unwrap_or(Kind::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_detected_by_content() {
        let mp3: Vec<u8> = [vec![0xff, 0xfb, 0x90, 0], vec![0; 413]].concat().repeat(3);
        let comment = format!("<!-- {} --><svg viewBox='0 0 1 1'/>", "x".repeat(9_000));
        let utf16: Vec<u8> =
            "\u{feff}<svg xmlns=''>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (bytes, kind) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], Kind::Raster),
            (b"RIFF....WEBPVP8 ", Kind::Raster),
            (b"RIFF....WAVEfmt ", Kind::Recording(Container::Wav)),
            (&mp3, Kind::Recording(Container::Mp3)),
            (b"ID3\x04\0\0\0\0\0\0", Kind::Recording(Container::Mp3)),
            (b"\0\0\0\x14ftypisom....", Kind::Recording(Container::Mp4)),
            (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x -->\n<svg xmlns=''>", Kind::Svg),
            (b"<svg:svg xmlns:svg='http://www.w3.org/2000/svg'/>", Kind::Svg),
            (comment.as_bytes(), Kind::Svg),
            (&utf16, Kind::Svg),
            (b"\x01\x02{}", Kind::Other),
            (b"", Kind::Other),
        ] {
            assert_eq!(kind_of_bytes(bytes), kind, "{}", String::from_utf8_lossy(bytes));
        }
        for (bytes, name) in [
            (&b"<!DOCTYPE html><html><svg>"[..], "a web page (HTML)"),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC picture"),
            (b"FORM\0\0\0\0AIFFCOMM", "an AIFF recording"),
            (b"{\"error\": \"not found\"}", "a text file"),
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a",
                "a pointer of Git LFS and not the file itself",
            ),
            (&[0; 64], "a file of zero bytes"),
            (b"Rar!\x1a\x07\x01\0", "a RAR archive"),
            (b"P6\n64 48\n255\n", "a PNM picture (pbm, pgm, ppm)"),
            (b"\x0b\x77\x7b\x7e\x1e\x40", "an AC-3 recording"),
        ] {
            let Kind::OtherFormat(format) = kind_of_bytes(bytes) else { panic!("{name}") };
            assert_eq!(format.name, name);
        }
    }
}
