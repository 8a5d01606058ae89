//! Decodes the text files of other programs: UTF-8, UTF-16, what an XML declaration states, else Windows-1252.
//!
//! A package must be Unicode (`carrel_package`); files of other programs are often not, and their authors cannot always
//! save them again. A guess is reported.

use crate::error::{Refusal, Result};
use crate::remark::{Remark, RemarkCode};

/// Maximum size of a text file in bytes.
pub(crate) const MAX_TEXT_BYTES: u64 = 64 << 20;

/// A decoded text with LF at the end of each line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub text: String,
    /// Why letters may be wrong: the encoding was guessed, or bytes were replaced.
    pub note: Option<Remark>,
}

/// Decodes a text. `declared` is the encoding that the format states, such as that of an XML declaration.
pub(crate) fn decode(bytes: &[u8], declared: Option<&str>) -> Result<Decoded> {
    if bytes.len() as u64 > MAX_TEXT_BYTES {
        return Err(Refusal::limit(format!(
            "the text has {} bytes; {MAX_TEXT_BYTES} are allowed",
            bytes.len()
        )));
    }
    let (text, note) = decode_bytes(bytes, declared)?;
    let text = text.trim_start_matches('\u{feff}');
    // Noncharacters mark places inside of this crate, and NUL is in no text.
    let text: String = text
        .replace("\r\n", "\n")
        .replace('\r', "\n")
        .chars()
        .filter(|c| *c != '\0' && !('\u{fdd0}'..='\u{fdef}').contains(c))
        .collect();
    Ok(Decoded { text, note })
}

fn decode_bytes(bytes: &[u8], declared: Option<&str>) -> Result<(String, Option<Remark>)> {
    let utf16 = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = rest.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        let text = String::from_utf16_lossy(&units);
        let is_damaged = text.contains('\u{fffd}') || rest.len() % 2 == 1;
        (text, is_damaged.then(|| Remark::from(RemarkCode::Utf16Damaged)))
    };
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => {
            return Err(Refusal::broken("the text is UTF-32"));
        }
        [0xff, 0xfe, rest @ ..] => return Ok(utf16(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => return Ok(utf16(rest, u16::from_be_bytes)),
        // Markup in UTF-16 without a byte order mark starts with `<`.
        [b'<', 0, ..] => return Ok(utf16(bytes, u16::from_le_bytes)),
        [0, b'<', ..] => return Ok(utf16(bytes, u16::from_be_bytes)),
        _ => {}
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok((text.to_owned(), None));
    }
    let label = declared.unwrap_or_default().to_ascii_lowercase();
    let is_latin = matches!(
        label.as_str(),
        "iso-8859-1" | "iso8859-1" | "latin1" | "latin-1" | "windows-1252" | "cp1252" | "us-ascii"
    );
    let text: String = bytes.iter().map(|byte| windows_1252(*byte)).collect();
    if is_latin {
        return Ok((text, None));
    }
    if text.contains('\0') {
        return Err(Refusal::broken("the file is not a text"));
    }
    let note = match label.as_str() {
        "" => RemarkCode::NotUtf8.into(),
        label => RemarkCode::OtherEncoding.with("encoding", label),
    };
    Ok((text, Some(note)))
}

/// Returns the encoding that an XML declaration or a `meta` element at the start of a file states.
pub(crate) fn declared_encoding(bytes: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]).to_ascii_lowercase();
    let after = |key: &str| {
        let rest = head.split_once(key)?.1.trim_start().strip_prefix('=')?;
        let value = rest.trim_start().trim_start_matches(['"', '\'']);
        let end = value.find(['"', '\'', ' ', ';', '>', '?', '/'])?;
        Some(value[..end].to_owned()).filter(|v| !v.is_empty())
    };
    let xml = if head.trim_start_matches('\u{feff}').starts_with("<?xml") {
        head.split("?>").next().filter(|d| d.contains("encoding")).and_then(|_| after("encoding"))
    } else {
        None
    };
    xml.or_else(|| after("charset"))
}

/// Returns the character of a byte of Windows-1252; the five bytes without one are those of ISO 8859-1.
fn windows_1252(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}',
        'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => HIGH[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> (String, bool) {
        let decoded = decode(bytes, None).unwrap();
        (decoded.text, decoded.note.is_some())
    }

    #[test]
    fn encodings_are_recognised_and_guesses_are_noted() {
        assert_eq!(text("é\r\nb\rc\n".as_bytes()), ("é\nb\nc\n".into(), false));
        assert_eq!(text(b"\xef\xbb\xbfa"), ("a".into(), false));
        assert_eq!(text(b"\xff\xfea\0\n\0"), ("a\n".into(), false));
        assert_eq!(text(b"\xfe\xff\0a"), ("a".into(), false));
        assert_eq!(text(b"<\0a\0"), ("<a".into(), false));
        assert_eq!(text(b"caf\xe9 \x93x\x94 \x80"), ("café “x” €".into(), true));
        assert_eq!(text("a\u{fdd8}b".as_bytes()).0, "ab");
        let declared = decode(b"\xe9", Some("ISO-8859-1")).unwrap();
        assert_eq!((declared.text.as_str(), declared.note), ("é", None));
        assert!(decode(b"\xff\xfe\0\0", None).is_err());
        assert!(decode(b"\x80\0\0\xff", None).is_err());
    }

    #[test]
    fn declarations_are_read() {
        for (head, encoding) in [
            ("<?xml version=\"1.0\" encoding='ISO-8859-1'?><a/>", Some("iso-8859-1")),
            ("<?xml version=\"1.0\"?><a encoding=\"x\"/>", None),
            ("<html><meta charset=\"windows-1252\">", Some("windows-1252")),
            ("<meta content=\"text/html; charset=latin1\"/>", Some("latin1")),
            ("plain", None),
        ] {
            assert_eq!(declared_encoding(head.as_bytes()).as_deref(), encoding, "{head}");
        }
    }
}
