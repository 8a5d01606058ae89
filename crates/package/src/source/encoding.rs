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
mod tests;
