//! Detects the kind of a media file from its first bytes; the file name is ignored.
//!
//! Not here: decoding.

use std::{fs::File, io::Read, path::Path};

use crate::source::encoding;

/// The kind of a file, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// PNG, JPEG, GIF or WebP.
    Raster,
    Svg,
    Mp3,
    Ogg,
    Wav,
    Flac,
    Mp4,
    WebM,
    Other,
}

/// Returns the kind for the first bytes of a file.
fn kind_of(head: &[u8]) -> Kind {
    let starts = |magic: &[u8]| head.starts_with(magic);
    let at = |i: usize, magic: &[u8]| head.get(i..).is_some_and(|h| h.starts_with(magic));
    if starts(b"\x89PNG\r\n\x1a\n")
        || starts(b"\xff\xd8\xff")
        || starts(b"GIF87a")
        || starts(b"GIF89a")
        || starts(b"RIFF") && at(8, b"WEBP")
    {
        Kind::Raster
    } else if starts(b"RIFF") && at(8, b"WAVE") {
        Kind::Wav
    } else if starts(b"OggS") {
        Kind::Ogg
    } else if starts(b"fLaC") {
        Kind::Flac
    } else if at(4, b"ftyp") {
        Kind::Mp4
    } else if starts(b"\x1a\x45\xdf\xa3") {
        Kind::WebM
    } else if starts(b"ID3") || matches!(head, [0xff, b, ..] if b & 0xe6 == 0xe2) {
        // Layer III, MPEG 1, 2 or 2.5.
        Kind::Mp3
    } else {
        let text = encoding::decode_start(head);
        let text = text.trim_start();
        let drawing = text.starts_with("<svg")
            || (text.starts_with("<?xml") || text.starts_with("<!")) && text.contains("<svg");
        if drawing { Kind::Svg } else { Kind::Other }
    }
}

/// Returns the kind of a file on disk.
pub(crate) fn kind_on_disk(disk: &Path) -> Kind {
    let mut head = Vec::new();
    let read = File::open(disk).and_then(|f| f.take(4096).read_to_end(&mut head));
    if read.is_ok() { kind_of(&head) } else { Kind::Other }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_detected_by_content() {
        for (head, kind) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], Kind::Raster),
            (b"RIFF....WEBPVP8 ", Kind::Raster),
            (b"RIFF....WAVEfmt ", Kind::Wav),
            (b"\xff\xfb\x90\x00", Kind::Mp3),
            (b"ID3\x04", Kind::Mp3),
            (b"....ftypisom", Kind::Mp4),
            (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x -->\n<svg xmlns=''>", Kind::Svg),
            (b"<!DOCTYPE html><html>", Kind::Other),
            (b"{}", Kind::Other),
            (b"", Kind::Other),
        ] {
            assert_eq!(kind_of(head), kind, "{}", String::from_utf8_lossy(head));
        }
    }
}
