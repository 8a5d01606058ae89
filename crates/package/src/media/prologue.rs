//! The start of a drawing: its encoding, and what precedes its first element.
//!
//! Not here: the drawing itself (`carrel-svg`), other texts (`source::encoding`).

use crate::source::encoding::{self, EncodingError};

/// Decodes a drawing: UTF-8, UTF-16 with or without a byte order mark, or the ISO 8859-1 or Windows-1252 that its XML
/// declaration states.
pub(crate) fn decode(bytes: Vec<u8>) -> Result<String, EncodingError> {
    match bytes.as_slice() {
        [b'<', 0, ..] => encoding::decode([b"\xff\xfe", bytes.as_slice()].concat()),
        [0, b'<', ..] => encoding::decode([b"\xfe\xff", bytes.as_slice()].concat()),
        _ if states_latin(&bytes) && std::str::from_utf8(&bytes).is_err() => {
            let text: String = bytes.iter().map(|b| latin(*b)).collect();
            encoding::decode(text.into_bytes())
        }
        _ => encoding::decode(bytes),
    }
}

/// Returns whether the XML declaration states ISO 8859-1 or Windows-1252.
fn states_latin(bytes: &[u8]) -> bool {
    let head = String::from_utf8_lossy(bytes.get(..200).unwrap_or(bytes)).to_ascii_lowercase();
    let declaration = head.trim_start().split("?>").next().unwrap_or_default();
    declaration.starts_with("<?xml")
        && ["iso-8859-1", "iso_8859-1", "latin1", "windows-1252", "us-ascii"]
            .iter()
            .any(|name| declaration.contains(name))
}

/// Decodes a byte of Windows-1252, which contains ISO 8859-1 (WHATWG Encoding).
fn latin(byte: u8) -> char {
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

/// Returns whether the first element of an XML file, whose first bytes are `head`, is `svg`.
pub(crate) fn is_drawing(head: &[u8]) -> bool {
    let starts_like_xml = match head {
        [0xef, 0xbb, 0xbf, ..] | [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, b'<', ..] => true,
        _ => head.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'<'),
    };
    starts_like_xml
        && first_element(&encoding::decode_start(head))
            .is_some_and(|name| name.rsplit(':').next() == Some("svg"))
}

/// Returns the name of the first element, after the XML declaration, comments and the document type.
fn first_element(text: &str) -> Option<&str> {
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    loop {
        let skipped = if let Some(comment) = rest.strip_prefix("<!--") {
            comment.split_once("-->")?.1
        } else if let Some(instruction) = rest.strip_prefix("<?") {
            instruction.split_once("?>")?.1
        } else if rest.starts_with("<!") {
            after_document_type(rest)?
        } else {
            let name = rest.strip_prefix('<')?;
            let end = name.find(|c: char| c.is_whitespace() || c == '>' || c == '/')?;
            return Some(&name[..end]);
        };
        rest = skipped.trim_start();
    }
}

/// Returns the text after `<!DOCTYPE ... [ ... ]>`.
fn after_document_type(text: &str) -> Option<&str> {
    let mut quote = None;
    let mut depth = 0;
    let mut at = 2;
    while let Some(c) = text[at..].chars().next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            // Comments may contain quotes.
            (None, '<') if text[at..].starts_with("<!--") => {
                at += text[at..].find("-->")?;
                continue;
            }
            (None, '[') => depth += 1,
            (None, ']') => depth -= 1,
            (None, '>') if depth == 0 => return Some(&text[at + 1..]),
            _ => {}
        }
        at += c.len_utf8();
    }
    None
}

#[cfg(test)]
mod tests;
