use super::*;

fn decoded(name: &[u8]) -> (String, NameEncoding) {
    decode(&DirectoryEntry { name: name.to_vec(), unicode_path: None })
}

#[test]
fn names_in_utf8_are_read_with_and_without_the_flag() {
    assert_eq!(CP437.chars().count(), 128);
    for name in ["a/b.md", "me\u{301}dia/rivière.png", "图.png", "Привет.md", "😀.png"] {
        assert_eq!(decoded(name.as_bytes()), (name.to_owned(), NameEncoding::Utf8));
    }
    assert_eq!(decoded(b"media\\a.png"), ("media/a.png".to_owned(), NameEncoding::Utf8));
    assert_eq!(decoded(b"media\\"), ("media/".to_owned(), NameEncoding::Utf8));
    let entry =
        DirectoryEntry { name: b"\x8aG.png".to_vec(), unicode_path: Some("絵.png".to_owned()) };
    assert_eq!(decode(&entry), ("絵.png".to_owned(), NameEncoding::Utf8));
}

#[test]
fn a_code_page_is_used_for_plausible_latin_names_only() {
    for (bytes, name) in [
        (&b"rivi\x8are.png"[..], "rivière.png"),
        (b"\x82t\x82.png", "été.png"),
        (b"M\x81ller/Stra\xe1e.md", "Müller/Straße.md"),
        (b"\x99lm\x81hle.jpg", "Ölmühle.jpg"),
        (b"ni\xa4o \x85 la plage.md", "niño à la plage.md"),
        (b"cr\x82\x82e.md", "créée.md"),
        (b"m\x82dia\\a.png", "média/a.png"),
    ] {
        assert_eq!(decoded(bytes), (name.to_owned(), NameEncoding::CodePage), "{name}");
    }
    for (bytes, what) in [
        (&b"\xaa\xa0\xe0\xe2\xa0.png"[..], "карта in 866"),
        (b"\x83\xa4\xa5.md", "Где in 866"),
        (b"\x81\x80\x87\x80.md", "БАЗА in 866"),
        (b"\xea\xe0\xf0\xf2\xe0.png", "карта in 1251"),
        (b"\x8aG.png", "絵 in 932"),
        (b"\x90}1.png", "図1 in 932"),
        (b"\x95\\.md", "表 in 932"),
        (b"\x8aG/\x90\xec.png", "絵/川 in 932"),
        (b"\xc4\xe3\xba\xc3.md", "你好 in GBK"),
        (b"\xa7A\xa6n.md", "你好 in Big5"),
        (b"\xc7\xd1\xb1\xdb.md", "한글 in EUC-KR"),
        (b"rivi\xe8re.png", "rivière in 1252"),
        (b"caf\xc3.png", "cut UTF-8"),
    ] {
        assert_eq!(decoded(bytes).1, NameEncoding::Unknown, "{what}");
    }
}
