//! Decodes base64 of untrusted files within a limit.

use data_encoding::BASE64;

/// Maximum size of one embedded file in bytes.
pub(crate) const MAX_FILE_BYTES: usize = 32 << 20;

/// Returns the bytes of base64 with any line ends; `None` if it is damaged or too large.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() / 4 > MAX_FILE_BYTES / 3 + 3 {
        return None;
    }
    let mut digits: Vec<u8> =
        text.bytes().filter(|b| !b.is_ascii_whitespace() && *b != b'=').collect();
    while !digits.len().is_multiple_of(4) {
        digits.push(b'=');
    }
    BASE64.decode(&digits).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_ignored_and_damage_and_size_are_refused() {
        assert_eq!(decode("QUJD\r\nRA==").as_deref(), Some(&b"ABCD"[..]));
        assert_eq!(decode("QUJDRA").as_deref(), Some(&b"ABCD"[..]));
        assert_eq!(decode("***"), None);
        assert_eq!(decode(&"A".repeat(60 << 20)), None);
    }
}
