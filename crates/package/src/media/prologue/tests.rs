use super::*;

#[test]
fn drawings_are_detected_by_their_first_element() {
    let long = format!("<?xml version='1.0'?>\n<!-- {} -->\n<svg/>", "<p>".repeat(20_000));
    let entities = "<!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\" \"x.dtd\" [\n<!-- it's -->\
                        <!ENTITY ns_svg \"http://www.w3.org/2000/svg>\">\n]>\n<svg xmlns=\"&ns_svg;\"/>";
    for text in [
        "<svg/>",
        "\n <svg>",
        "\u{feff}<svg >",
        "<svg:svg/>",
        "<?xml version='1.0'?><svg\n/>",
        &long,
        entities,
    ] {
        assert!(is_drawing(text.as_bytes()), "{text:.60}");
        for unit in [u16::to_le_bytes, u16::to_be_bytes] {
            let marked: Vec<u8> = format!("\u{feff}{}", text.trim_start_matches('\u{feff}'))
                .encode_utf16()
                .flat_map(unit)
                .collect();
            assert!(is_drawing(&marked), "UTF-16: {text:.60}");
        }
    }
    for text in [
        "",
        "svg",
        "<html><svg/>",
        "<!-- <svg/> -->",
        "<svgx/>",
        "{\"a\": \"<svg/>\"}",
        "<!DOCTYPE svg [",
    ] {
        assert!(!is_drawing(text.as_bytes()), "{text}");
    }
}

#[test]
fn encodings_are_decoded() {
    let text = "<?xml version='1.0' encoding='ISO-8859-1'?><svg><text>é–</text></svg>";
    let latin: Vec<u8> = text
        .chars()
        .map(|c| match c {
            '–' => 0x96,
            c => u8::try_from(u32::from(c)).unwrap(),
        })
        .collect();
    assert_eq!(decode(latin).as_deref(), Ok(text));
    assert_eq!(
        decode(text.as_bytes().to_vec()).as_deref(),
        Ok(text),
        "UTF-8 with a wrong declaration"
    );
    let utf16: Vec<u8> = "<svg>é</svg>".encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(decode(utf16).as_deref(), Ok("<svg>é</svg>"), "without a byte order mark");
    assert!(decode(b"<svg>\xe9</svg>".to_vec()).is_err());
}
