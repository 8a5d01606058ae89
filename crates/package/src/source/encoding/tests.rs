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
