//! Decodes the text files of a package (Markdown, JSON, captions, SVG): UTF-8 with or without a byte order mark, UTF-16
//! with one. All line endings (CR, LF, CRLF) become LF, so that every reader counts the same lines.
//!
//! Other encodings are not guessed, because a wrong guess would change letters without a message.
//!
//! Not here: reading files (`compile::context`), names of files (`paths`, `zip_names`).

/// What to do about a file in another encoding.
pub(crate) const SAVE_HINT: &str = "save it again as UTF-8 (Notepad: Save as, Encoding UTF-8; \
     TextEdit: Format, Make Plain Text, then save as Unicode (UTF-8); LibreOffice: Save as, Text - Choose Encoding)";

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why the bytes are not a text, and the line of the first wrong byte.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EncodingError {
    pub line: u32,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ByteOrder {
    Little,
    Big,
}

/// Returns the text without byte order marks at its start, with LF at the end of each line. Other characters, such as
/// U+2028 and U+0085, are not changed.
pub(crate) fn decode(bytes: Vec<u8>) -> Result<String, EncodingError> {
    if bytes.starts_with(b"\xff\xfe\0\0") || bytes.starts_with(b"\0\0\xfe\xff") {
        return error(1, "the file is UTF-32");
    }
    let text = match byte_order(&bytes) {
        Some(order) => decode_utf16(&bytes[2..], order)?,
        None => decode_utf8(bytes)?,
    };
    if let Some(at) = text.find('\0') {
        return error(line_at(&text.as_bytes()[..at]), "the file contains a NUL character");
    }
    let text = text.trim_start_matches('\u{feff}');
    Ok(if text.contains('\r') {
        text.replace("\r\n", "\n").replace('\r', "\n")
    } else {
        text.to_owned()
    })
}

/// Decodes the start of a file to detect its kind: never fails, and ignores characters that are cut off.
pub(crate) fn decode_start(head: &[u8]) -> String {
    let text = match byte_order(head) {
        Some(order) => String::from_utf16_lossy(&units(&head[2..], order)),
        // Without its NUL characters, a Latin text in UTF-16 without a byte order mark is readable.
        None => String::from_utf8_lossy(head).replace('\0', ""),
    };
    text.trim_start_matches('\u{feff}').to_owned()
}

fn error<T>(line: u32, message: impl Into<String>) -> Result<T, EncodingError> {
    Err(EncodingError { line, message: message.into() })
}

fn byte_order(bytes: &[u8]) -> Option<ByteOrder> {
    match bytes {
        [0xff, 0xfe, ..] => Some(ByteOrder::Little),
        [0xfe, 0xff, ..] => Some(ByteOrder::Big),
        _ => None,
    }
}

fn units(bytes: &[u8], order: ByteOrder) -> Vec<u16> {
    let unit = |pair: &[u8]| match order {
        ByteOrder::Little => u16::from_le_bytes([pair[0], pair[1]]),
        ByteOrder::Big => u16::from_be_bytes([pair[0], pair[1]]),
    };
    bytes.chunks_exact(2).map(unit).collect()
}

fn decode_utf16(bytes: &[u8], order: ByteOrder) -> Result<String, EncodingError> {
    let mut text = String::with_capacity(bytes.len() / 2);
    for unit in char::decode_utf16(units(bytes, order)) {
        match unit {
            Ok(c) => text.push(c),
            Err(_) => {
                let line = line_at(text.as_bytes());
                return error(line, "the file is damaged UTF-16: it contains half a character");
            }
        }
    }
    if bytes.len() % 2 == 1 {
        let line = line_at(text.as_bytes());
        return error(line, "the file is damaged UTF-16: its last character is incomplete");
    }
    Ok(text)
}

fn decode_utf8(bytes: Vec<u8>) -> Result<String, EncodingError> {
    if is_unmarked_utf16(&bytes) {
        return error(1, "the file is UTF-16 without a byte order mark");
    }
    String::from_utf8(bytes).or_else(|e| {
        let at = e.utf8_error().valid_up_to();
        let bytes = e.as_bytes();
        let message = match bytes.get(at) {
            _ if bytes.starts_with(UTF8_MARK) || e.utf8_error().error_len().is_none() => {
                "the file is damaged UTF-8".to_owned()
            }
            Some(byte) => format!("the file is not UTF-8: the byte 0x{byte:02X} is not allowed"),
            None => "the file is not UTF-8".to_owned(),
        };
        error(line_at(&bytes[..at]), message)
    })
}

/// Returns true if NUL bytes are at even positions only, or at odd positions only, as in UTF-16 texts that contain
/// spaces, line ends or Latin letters. A few NUL bytes in a plain ASCII text are not UTF-16.
fn is_unmarked_utf16(bytes: &[u8]) -> bool {
    let zeros = |parity: usize| bytes.iter().skip(parity).step_by(2).filter(|b| **b == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let is_ascii = |b: &u8| *b == 0 || b.is_ascii_graphic() || b.is_ascii_whitespace();
    let is_plain = (even + odd) * 4 < bytes.len() && bytes.iter().all(is_ascii);
    bytes.len().is_multiple_of(2) && (even == 0) != (odd == 0) && !is_plain
}

/// Returns the line that follows `before`.
fn line_at(before: &[u8]) -> u32 {
    let ends = before.iter().enumerate().filter(|(i, b)| match b {
        b'\n' => true,
        b'\r' => before.get(i + 1) != Some(&b'\n'),
        _ => false,
    });
    1 + ends.count() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, order: ByteOrder) -> Vec<u8> {
        let bytes = |unit: u16| match order {
            ByteOrder::Little => unit.to_le_bytes(),
            ByteOrder::Big => unit.to_be_bytes(),
        };
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn texts_are_decoded_with_lf_at_the_end_of_each_line() {
        let text = "# é 😀\n\nU+2028 \u{2028} U+0085 \u{85} FF \u{c} VT \u{b}\n";
        for ending in ["\n", "\r\n", "\r"] {
            let written = text.replace('\n', ending);
            for (mark, bytes) in [
                ("", written.clone().into_bytes()),
                ("UTF-8", [UTF8_MARK, written.as_bytes()].concat()),
                ("twice", [UTF8_MARK, UTF8_MARK, written.as_bytes()].concat()),
                ("LE", utf16(&format!("\u{feff}{written}"), ByteOrder::Little)),
                ("BE", utf16(&format!("\u{feff}{written}"), ByteOrder::Big)),
            ] {
                assert_eq!(decode(bytes.clone()).as_deref(), Ok(text), "{mark} {ending:?}");
                assert!(decode_start(&bytes).starts_with("# é 😀"), "{mark}");
            }
        }
        assert_eq!(decode(b"a\r\r\n\n\rb".to_vec()).as_deref(), Ok("a\n\n\n\nb"));
        assert_eq!(decode("a\u{feff}b".into()).as_deref(), Ok("a\u{feff}b"), "not at the start");
        for empty in [&b""[..], UTF8_MARK, b"\xff\xfe", b"\xfe\xff"] {
            assert_eq!(decode(empty.to_vec()).as_deref(), Ok(""));
        }
    }

    #[test]
    fn other_encodings_are_reported_with_their_line() {
        let le = |text: &str| utf16(text, ByteOrder::Little);
        let be = |text: &str| utf16(text, ByteOrder::Big);
        for (bytes, line, part) in [
            (le("# Title\n\nHello\n"), 1, "UTF-16 without a byte order mark"),
            (be("# Title\n\nHello\n"), 1, "UTF-16 without a byte order mark"),
            (le("Привет\nмир"), 1, "UTF-16 without a byte order mark"),
            (be("你好，世界\n"), 1, "UTF-16 without a byte order mark"),
            (b"\xff\xfe\0\0a\0\0\0".to_vec(), 1, "UTF-32"),
            (b"\0\0\xfe\xff\0\0\0a".to_vec(), 1, "UTF-32"),
            (b"a\nb\0\0c".to_vec(), 2, "NUL"),
            (b"one\ntwo\0 three.".to_vec(), 2, "NUL"),
            (le("\u{feff}a\nb\0"), 2, "NUL"),
            (b"\xff\xfea\0\n\0\0\xd8".to_vec(), 2, "half a character"),
            (b"\xff\xfea\0\n\0b".to_vec(), 2, "last character"),
            (b"a\nb\r\nc\rcaf\xe9\n".to_vec(), 4, "0xE9"),
            (b"\x93quoted\x94".to_vec(), 1, "0x93"),
            (b"\x82\xb1\x82\xf1".to_vec(), 1, "0x82"),
            (b"a\n\xe6\x97".to_vec(), 2, "damaged UTF-8"),
            (b"\xef\xbb\xbfa\n\xff".to_vec(), 2, "damaged UTF-8"),
        ] {
            let error = decode(bytes.clone()).unwrap_err();
            assert!(error.message.contains(part), "{bytes:x?}: {error:?}");
            assert_eq!(error.line, line, "{bytes:x?}: {error:?}");
        }
    }
}
