//! Names of archives and containers that cannot be imported.
//!
//! Not here: zips (`zip`).

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
};

/// A format that cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OtherArchive {
    /// Name with an article.
    pub name: &'static str,
    pub hint: &'static str,
}

const UNPACK_HINT: &str = "unpack it, and pack the folder as a zip";

/// Returns the format of a file that is no zip.
pub(super) fn other_archive(file: &mut File) -> Option<OtherArchive> {
    let mut head = Vec::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(600).read_to_end(&mut head).ok()?;
    other_format(&head)
}

/// Returns the format for the first bytes of a file.
fn other_format(head: &[u8]) -> Option<OtherArchive> {
    let archive = |name| Some(OtherArchive { name, hint: UNPACK_HINT });
    if head.is_empty() {
        let hint = "pack the folder again, or copy the zip again";
        return Some(OtherArchive { name: "an empty file", hint });
    }
    for (magic, name) in [
        (&b"Rar!\x1a\x07"[..], "a RAR archive"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"\x1f\x8b", "a gzip archive (tar.gz)"),
        (b"BZh", "a bzip2 archive (tar.bz2)"),
        (b"\xfd7zXZ\0", "an xz archive (tar.xz)"),
        (b"\x28\xb5\x2f\xfd", "a Zstandard archive (tar.zst)"),
        (b"MSCF", "a CAB archive"),
    ] {
        if head.starts_with(magic) {
            return archive(name);
        }
    }
    if head.get(257..).is_some_and(|h| h.starts_with(b"ustar")) {
        return archive("a tar archive");
    }
    let text = String::from_utf8_lossy(head).to_lowercase();
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with("<!doctype html") || text.starts_with("<html") {
        let hint = "the download has failed: download the file again";
        return Some(OtherArchive { name: "a web page (HTML)", hint });
    }
    None
}

/// Returns the name of the format of a zip with these files, if it is one of another program.
pub(super) fn foreign_package<'a>(
    mut paths: impl Iterator<Item = &'a str>,
) -> Option<&'static str> {
    paths.find_map(|path| match path.rsplit('/').next().unwrap_or(path) {
        "[Content_Types].xml" => Some("an office document"),
        "content.xml" if path == "content.xml" => Some("an office document"),
        "imsmanifest.xml" => Some("a SCORM or IMS package"),
        "tincan.xml" => Some("an xAPI package"),
        "h5p.json" => Some("an H5P package"),
        "moodle_backup.xml" => Some("a Moodle backup"),
        "container.xml" => Some("an EPUB book"),
        _ => None,
    })
}

/// Returns the name of a compression method (APPNOTE 4.4.5).
pub(super) fn compression_method(method: u16) -> String {
    match method {
        9 => "Deflate64".to_owned(),
        12 => "bzip2".to_owned(),
        14 => "LZMA".to_owned(),
        93 => "Zstandard".to_owned(),
        95 => "xz".to_owned(),
        98 => "PPMd".to_owned(),
        other => format!("the method {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_named_by_their_first_bytes() {
        let tar = [&[b'a'; 257][..], b"ustar\0"].concat();
        for (head, name) in [
            (&b"Rar!\x1a\x07\x01\0"[..], "a RAR archive"),
            (b"7z\xbc\xaf\x27\x1c\0", "a 7z archive"),
            (b"\x1f\x8b\x08", "a gzip archive (tar.gz)"),
            (&tar, "a tar archive"),
            (b"", "an empty file"),
            (b"\xef\xbb\xbf <!DOCTYPE HTML>", "a web page (HTML)"),
        ] {
            assert_eq!(other_format(head).unwrap().name, name);
        }
        for head in [&b"PK\x03\x04"[..], b"hello", b"MZ"] {
            assert_eq!(other_format(head), None);
        }
    }
}
