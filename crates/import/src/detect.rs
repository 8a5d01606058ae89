//! Detects the format of a file by its content; the name decides between text formats that look alike.

use std::{fs::File, io::Read, path::Path};

use crate::text::encoding;

/// A format that can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    Gift,
    Aiken,
    MoodleXml,
    Anki,
    Epub,
}

impl Format {
    /// Returns the name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gift => "gift",
            Self::Aiken => "aiken",
            Self::MoodleXml => "moodle-xml",
            Self::Anki => "anki",
            Self::Epub => "epub",
        }
    }

    /// Returns true if files of the format state the language of their texts.
    pub fn states_language(self) -> bool {
        self == Self::Epub
    }
}

/// Number of bytes at the start of a text file that are read.
const HEAD: u64 = 64 << 10;

/// Returns the format of a file; `None` for a folder, a package, and everything else.
pub fn detect(path: &Path) -> Option<Format> {
    if !path.is_file() {
        return None;
    }
    let extension = path.extension()?.to_string_lossy().to_ascii_lowercase();
    let mut head = Vec::new();
    File::open(path).ok()?.take(HEAD).read_to_end(&mut head).ok()?;
    match extension.as_str() {
        "gift" => return Some(Format::Gift),
        "aiken" => return Some(Format::Aiken),
        "apkg" | "colpkg" => return Some(Format::Anki),
        "epub" => return Some(Format::Epub),
        // A renamed EPUB: its first entry is its media type, which is not compressed.
        "zip" => {
            let mark = b"mimetypeapplication/epub+zip";
            let is_book = head.get(30..).is_some_and(|rest| rest.starts_with(mark));
            return is_book.then_some(Format::Epub);
        }
        "txt" | "xml" => {}
        _ => return None,
    }
    // The end of the part may be in the middle of a letter.
    let text = match encoding::decode(&head, encoding::declared_encoding(&head).as_deref()) {
        Ok(decoded) => decoded.text,
        Err(_) => return None,
    };
    if extension == "xml" {
        let is_quiz = text.contains("<quiz>") || text.contains("<quiz ");
        return is_quiz.then_some(Format::MoodleXml);
    }
    let has_line = |test: &dyn Fn(&str) -> bool| text.lines().map(str::trim).any(test);
    let is_aiken = has_line(&|line| line.starts_with("ANSWER:"))
        && has_line(&|line| line.starts_with("A.") || line.starts_with("A)"));
    if is_aiken {
        return Some(Format::Aiken);
    }
    let is_gift = text.contains('{') && text.contains('}')
        || has_line(&|line| line.starts_with("$CATEGORY:") || line.starts_with("::"));
    is_gift.then_some(Format::Gift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_detected_by_name_and_content() {
        let folder = tempfile::tempdir().unwrap();
        let mut book = vec![0; 30];
        book[..2].copy_from_slice(b"PK");
        book.extend(b"mimetypeapplication/epub+zip");
        for (name, content, format) in [
            ("a.gift", &b""[..], Some(Format::Gift)),
            ("a.GIFT", b"x", Some(Format::Gift)),
            ("a.aiken", b"x", Some(Format::Aiken)),
            ("a.apkg", b"x", Some(Format::Anki)),
            ("a.colpkg", b"x", Some(Format::Anki)),
            ("a.epub", b"x", Some(Format::Epub)),
            ("a.zip", &book, Some(Format::Epub)),
            ("a.zip", b"PK\x03\x04", None),
            ("a.txt", b"Q\nA. x\nB. y\nANSWER: A\n", Some(Format::Aiken)),
            ("a.txt", b"::t::q {=a}\n", Some(Format::Gift)),
            ("a.txt", b"only text\n", None),
            ("a.xml", b"<?xml version=\"1.0\"?>\n<quiz>", Some(Format::MoodleXml)),
            ("a.xml", b"<html/>", None),
            ("a.md", b"{=a}", None),
            ("a", b"x", None),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            assert_eq!(detect(&path), format, "{name}");
        }
        assert_eq!(detect(folder.path()), None);
    }
}
