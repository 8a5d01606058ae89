//! Signing keys in hex, and their fingerprints for comparison by people.
//!
//! Not here: where keys are stored and which are trusted.

use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;

/// Decodes exactly `2 * N` lower-case hex digits.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

/// Returns the signing key of a secret, which is 32 bytes in hex; none if the text is malformed.
pub fn signing_key(secret: &str) -> Option<SigningKey> {
    from_hex(secret).map(|bytes| SigningKey::from_bytes(&bytes))
}

/// Returns the fingerprint of a public key (64 hex digits): twenty hex digits of its hash, in groups of four.
pub fn fingerprint(key: &str) -> String {
    let hash = blake3::derive_key("carrel 2026 fingerprint of a signing key", key.as_bytes());
    let digits = HEXLOWER.encode(&hash[..10]);
    (0..5).map(|i| &digits[i * 4..i * 4 + 4]).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lower_case_hex_of_the_expected_length_is_decoded() {
        assert_eq!(from_hex::<3>("00abff"), Some([0, 0xab, 0xff]));
        for bad in ["", "00", "0g0000", "AB0000", "00abff0", "00abff00"] {
            assert_eq!(from_hex::<3>(bad), None, "{bad}");
        }
    }

    #[test]
    fn fingerprint_is_short_and_depends_on_the_key() {
        let (a, b) = (fingerprint(&"0".repeat(64)), fingerprint(&"1".repeat(64)));
        assert_eq!(a.len(), 24);
        assert_ne!(a, b);
        // As in docs/BUNDLES.md; other programs must compute the same digits.
        assert_eq!(a, "ebc8 cde7 c556 544d 937f");
    }
}
