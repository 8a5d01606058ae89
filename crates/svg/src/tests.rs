use super::*;

fn wrap(inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<svg xmlns=\"{SVG}\" xmlns:xlink=\"{XLINK}\" viewBox=\"0 0 10 20\">\n{inside}\n</svg>"
    )
}

#[test]
fn hostile_parts_are_removed_and_reported_with_lines() {
    for inside in [
        "<script>alert(1)</script>",
        "<script href=\"x.js\"/>",
        "<rect onclick=\"alert(1)\"/>",
        "<rect ONLOAD=\"alert(1)\"/>",
        "<foreignObject><body xmlns=\"http://www.w3.org/1999/xhtml\">x</body></foreignObject>",
        "<image href=\"https://evil.example/a.png\"/>",
        "<image href=\"data:image/svg+xml;base64,AAAA\"/>",
        "<image xlink:href=\"../a.png\"/>",
        "<use href=\"https://evil.example/a.svg#x\"/>",
        "<use xlink:href=\"javascript:alert(1)\"/>",
        "<rect style=\"fill:url(https://evil.example/x)\"/>",
        "<rect fill=\"url( 'https://evil.example/x')\"/>",
        "<rect style=\"fill:u\\72l(https://evil.example)\"/>",
        "<style>@import url(https://evil.example/x.css);</style>",
        "<style>a { background: URL(//evil.example) }</style>",
        "<style>a { background: image-set(\"//evil.example/a.png\" 1x) }</style>",
        "<rect style=\"fill: -webkit-image-set('//evil.example' 1x)\"/>",
        "<rect style=\"fill: src('//evil.example')\"/>",
        "<rect style=\"background: Image ( '//evil.example' )\"/>",
        "<rect style=\"mask: cross-fade('//evil.example', red)\"/>",
        "<feTurbulence numOctaves=\"1000000\"/>",
        "<feGaussianBlur stdDeviation=\"1 1e9\"/>",
        "<set attributeName=\"href\" to=\"javascript:alert(1)\"/>",
        "<animate attributeName=\"xlink:href\" values=\"javascript:alert(1)\"/>",
        "<set attributeName=\"onload\" to=\"alert(1)\"/>",
        "<iframe xmlns=\"http://www.w3.org/1999/xhtml\" src=\"https://evil.example\"/>",
    ] {
        let drawing = clean(&wrap(inside)).unwrap();
        assert_eq!(drawing.removed.len(), 1, "{inside}: {drawing:?}");
        assert_eq!(drawing.removed[0].0, 3, "{inside}");
        let output = drawing.svg.to_lowercase();
        for bad in ["alert", "evil", "script", "foreign", "../", "svg+xml"] {
            assert!(!output.contains(bad), "{inside}: {output}");
        }
    }
    let link = clean(&wrap("<a href=\"javascript:alert(1)\"><rect width=\"1\"/></a>")).unwrap();
    assert!(link.svg.contains("<rect width=\"1\"/>") && !link.svg.contains("alert"));
    let entity = format!(
        "<!DOCTYPE svg [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><svg xmlns=\"{SVG}\" viewBox=\"0 0 1 1\"><text>&x;</text></svg>"
    );
    assert!(clean(&entity).map_or(true, |d| !d.svg.contains("root:")));
    let mut entities = String::from("<!DOCTYPE svg [<!ENTITY a0 \"ha\">");
    for n in 1..40 {
        entities.push_str(&format!(
            "<!ENTITY a{n} \"&a{};&a{};&a{};&a{};\">",
            n - 1,
            n - 1,
            n - 1,
            n - 1
        ));
    }
    let entities =
        format!("{entities}]><svg xmlns=\"{SVG}\" viewBox=\"0 0 1 1\"><text>&a39;</text></svg>");
    assert_eq!(clean(&entities).unwrap_err().1.code, "svg-broken");
    let deep = format!("{}{}", "<g>".repeat(400), "</g>".repeat(400));
    assert_eq!(clean(&wrap(&deep)).unwrap_err().1.code, "svg-broken");
}

#[test]
fn valid_drawing_is_unchanged_and_size_is_read() {
    let inside = "<defs><marker id=\"m\" refX=\"1\"><path d=\"M0 0\"/></marker><linearGradient id=\"g\"><stop offset=\"0\"/></linearGradient></defs>\
        <path d=\"M0 0 L1 1\" marker-end=\"url(#m)\" style=\"fill:url(#g); stroke:#123\" stroke-width=\"2\"/><text x=\"1\" xml:space=\"preserve\">a &lt; b &amp; \"c\"</text>\
        <use href=\"#m\"/><image href=\"data:image/png;base64,AAAA\" width=\"1\"/><style>.a { fill: url(\"#g\") }</style>";
    let drawing = clean(&wrap(inside)).unwrap();
    assert_eq!(drawing.removed, []);
    assert_eq!((drawing.width, drawing.height), (10, 20));
    for part in [
        "marker-end=\"url(#m)\"",
        "style=\"fill:url(#g); stroke:#123\"",
        "a &lt; b &amp; \"c\"",
        "data:image/png;base64,AAAA",
        "xml:space=\"preserve\"",
    ] {
        assert!(drawing.svg.contains(part), "{part}: {}", drawing.svg);
    }
    // A sanitised drawing is not changed by a second pass.
    assert_eq!(clean(&drawing.svg).unwrap().svg, drawing.svg);
    let size = |attributes: &str| {
        clean(&format!("<svg xmlns=\"{SVG}\" {attributes}/>")).map(|d| (d.width, d.height)).ok()
    };
    assert_eq!(size("width=\"30px\" height=\"40\""), Some((30, 40)));
    assert_eq!(size("width=\"1in\" height=\"25.4mm\""), Some((96, 96)));
    assert_eq!(size("width=\"100%\" viewBox=\"0,0,12.4 7\""), Some((12, 7)));
    assert_eq!(size("width=\"50\" viewBox=\"0 0 100 30\""), Some((50, 15)));
    for none in ["viewBox=\"0 0 0 0\"", "width=\"1e9\" height=\"1\""] {
        assert_eq!(size(none), None, "{none}");
    }
    assert_eq!(size("xmlns:x=\"y\" width=\"30px\" height=\"40\""), Some((30, 40)));
    let without_namespace = clean("<svg viewBox=\"0 0 1 1\"><rect/></svg>").unwrap();
    assert!(without_namespace.svg.contains("<rect/>"), "{}", without_namespace.svg);
    assert_eq!(clean("<svg width='0'><rect/></svg>").unwrap_err().1.code, "svg-size");
    for text in [
        "<svg><rect/></svg>",
        "<svg width='100%' height=\"100%\"><rect/></svg>",
        "<s:svg xmlns:s='http://www.w3.org/2000/svg' width='auto'><s:rect/></s:svg>",
    ] {
        let drawing = clean(text).unwrap();
        assert_eq!((drawing.width, drawing.height, drawing.states_size), (300, 150, false));
        assert!(drawing.svg.contains("viewBox=\"0 0 300 150\""), "{}", drawing.svg);
        assert!(!drawing.svg.contains('%') && !drawing.svg.contains("auto"), "{}", drawing.svg);
    }
    assert!(clean("<svg viewBox='0 0 4 3' width='100%'/>").unwrap().states_size);
    let size = |text: &str| clean(text).map(|d| (d.width, d.height, d.states_size)).unwrap();
    assert_eq!(size("<svg width='40'/>"), (40, 150, false));
    assert_eq!(size("<svg viewBox='1 2'/>"), (300, 150, false));
    assert_eq!(size("<svg width='10em' height='2ex'/>"), (160, 16, true));
    assert_eq!(clean("<html/>").unwrap_err().1.code, "svg-broken");
    assert_eq!(clean("<svg>\n\n<rect>\n</svg>").unwrap_err().0, 4);
}

/// Returns a drawing of `levels` groups, each of which refers `times` times to the previous one.
fn repeated(levels: usize, times: usize, show: impl Fn(usize) -> String) -> String {
    let mut out = String::from("<g id=\"p0\"><rect width=\"1\" height=\"1\"/></g>");
    for level in 1..=levels {
        out.push_str(&format!("<g id=\"p{level}\">{}</g>", show(level - 1).repeat(times)));
    }
    wrap(&out)
}

#[test]
fn drawings_with_excessive_references_are_rejected() {
    let inside = |part: &str, n: usize| match part {
        "use" => format!("<use href=\"#p{n}\"/>"),
        "xlink" => format!("<use xlink:href=\"#p{n}\"/>"),
        "style" => format!("<rect style=\"mask: url( '#p{n}' )\"/>"),
        attribute => format!("<rect {attribute}=\"url(#p{n})\"/>"),
    };
    for part in ["use", "xlink", "style", "fill", "mask", "clip-path", "filter"] {
        for (levels, times) in [(11, 10), (20, 2), (2, 1_000), (60, 2)] {
            let text = repeated(levels, times, |n| inside(part, n));
            let error = clean(&text).unwrap_err();
            assert_eq!(error.1.code, "svg-too-complex", "{part} {levels} {times}");
        }
        // A few repetitions are accepted.
        let drawing = clean(&repeated(3, 10, |n| inside(part, n))).unwrap();
        assert_eq!(drawing.removed, [], "{part}");
    }
    let points = "1 1 ".repeat(20_000);
    for (what, text) in [
        ("itself", "<use id=\"a\" href=\"#a\"/>".to_owned()),
        ("its parent", "<g id=\"a\"><g><use href=\"#a\"/></g></g>".to_owned()),
        (
            "a cycle",
            "<g id=\"a\"><use href=\"#b\"/></g><g id=\"b\"><use href=\"#a\"/></g>".to_owned(),
        ),
        ("a pattern in itself", "<pattern id=\"a\"><rect fill=\"url(#a)\"/></pattern>".to_owned()),
        ("a mask in itself", "<mask id=\"a\" mask=\"url(#a)\"/>".to_owned()),
        (
            "a marker at every point",
            format!(
                "<marker id=\"m\">{}</marker><polyline points=\"{points}\" marker-mid=\"url(#m)\"/>",
                "<rect/>".repeat(20)
            ),
        ),
        (
            "a mask of every element",
            format!(
                "<style>* {{ mask: url(#m) }}</style><mask id=\"m\">{}</mask>",
                "<rect/>".repeat(600)
            ),
        ),
        (
            "an element with many attributes",
            format!("<rect {}/>", (0..2_000).map(|n| format!("a{n} = '1' ")).collect::<String>()),
        ),
        ("many CDATA sections", format!("<text>{}</text>", "<![CDATA[x]]>".repeat(3_000))),
        (
            "a long chain of references",
            (0..400).map(|n| format!("<g id=\"a{n}\"><use href=\"#a{}\"/></g>", n + 1)).collect(),
        ),
    ] {
        let error = clean(&wrap(&text)).unwrap_err();
        assert_eq!(error.1.code, "svg-too-complex", "{what}");
    }
    // A reference to an animation's parent and names with brackets are neither repetitions nor addresses.
    let valid = "<path id=\"a\" data-name=\"Image (2)\"><animateMotion><mpath href=\"#a\"/></animateMotion><set href=\"#a\"/></path>";
    assert_eq!(clean(&wrap(valid)).unwrap().removed, []);
}

#[test]
fn drawings_of_editors_are_kept() {
    let kept = |inside: &str, parts: &[&str]| {
        let drawing = clean(&wrap(inside)).unwrap();
        assert_eq!(drawing.removed, [], "{inside}");
        for part in parts {
            assert!(drawing.svg.contains(part), "{part}: {}", drawing.svg);
        }
        drawing.svg
    };
    // drawio: the second element of the switch is shown.
    kept(
        "<switch><foreignObject><div xmlns=\"http://www.w3.org/1999/xhtml\">River</div></foreignObject>\
         <text x=\"60\">River</text></switch>",
        &["<switch><text x=\"60\">River</text></switch>"],
    );
    // excalidraw: an embedded font.
    let font = "@font-face{font-family:\"Hand\";src:url(data:font/woff2;base64,d09GMgABAAAAAA==)}";
    kept(&format!("<style>{font} .a{{fill:#0a0}}</style>"), &["data:font/woff2", ".a{fill:#0a0;}"]);
    // Inkscape and Illustrator: data of the editor.
    let out = kept(
        "<metadata>Place</metadata><i:pgf xmlns:i=\"http://ns.adobe.com/AdobeIllustrator/10.0/\">Place</i:pgf>\
         <!-- Place --><rect xmlns:s=\"x\" s:docname=\"Place\" class=\"b\"/>",
        &["class=\"b\""],
    );
    assert!(!out.contains("Place"), "{out}");
    let entities = format!(
        "<!DOCTYPE svg [<!ENTITY ns_svg \"{SVG}\">]><svg xmlns=\"&ns_svg;\" content=\"Place\" viewBox=\"0 0 1 1\"><rect/></svg>"
    );
    let drawing = clean(&entities).unwrap();
    assert!(drawing.svg.contains("<rect/>") && !drawing.svg.contains("Place"), "{}", drawing.svg);
    let prefixed = format!("<s:svg xmlns:s=\"{SVG}\" viewBox=\"0 0 1 1\"><s:rect/></s:svg>");
    assert!(clean(&prefixed).unwrap().svg.contains("<rect/>"));
    // Text that is lost is quoted.
    let lost = clean(&wrap(
        "<foreignObject><p xmlns=\"http://www.w3.org/1999/xhtml\">A  river</p></foreignObject>",
    ));
    assert_eq!(lost.unwrap().removed[0].1, "<foreignObject> with the text \"A river\"");
    // One bad rule or declaration.
    let partly = clean(&wrap(
        "<style>@import url(//x);.a{fill:#0a0}</style><rect style=\"fill:url(//x);stroke:red\"/>",
    ));
    let partly = partly.unwrap();
    assert!(partly.svg.contains(".a{fill:#0a0;}") && partly.svg.contains("style=\"stroke:red;\""));
    assert_eq!(partly.removed.len(), 2);
}

#[test]
fn embedded_photos_lose_their_metadata() {
    let mut photo = b"\xff\xd8\xff\xe1\0\x0eExif\0\0Place!\xff\xda\0\x02pixels".to_vec();
    photo.extend(b"\xff\xd9");
    let image =
        format!("<image href=\"data:image/jpg;base64,{}\"/>", data_encoding::BASE64.encode(&photo));
    let drawing = clean(&wrap(&image)).unwrap();
    let data = drawing.svg.split("base64,").nth(1).unwrap().split('"').next().unwrap();
    let out = data_encoding::BASE64.decode(data.as_bytes()).unwrap();
    assert_eq!(out, b"\xff\xd8\xff\xda\0\x02pixels\xff\xd9");
}

#[test]
fn removed_parts_are_counted_in_one_pass() {
    let many = clean(&wrap(&"<script/>\n".repeat(50_000))).unwrap();
    assert_eq!((many.removed.len(), many.removed[1_999].0), (2_000, 2_002));
}

#[test]
fn undeclared_prefixes_and_white_space_before_the_declaration_are_corrected() {
    for text in [
        "<svg viewBox='0 0 1 1'><g id='a'/><use xlink:href='#a'/></svg>",
        "<!-- svg --><svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1 1'><rect inkscape:label='x' a:b=''/></svg>",
        "\n\n<?xml version='1.0'?>\n<svg viewBox='0 0 1 1'/>",
    ] {
        let drawing = clean(text).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        assert!(!drawing.svg.contains("urn:unknown"), "{}", drawing.svg);
    }
    let (line, error) = clean("<!-- <svg --><svg:svg x:y=''/>").unwrap_err();
    assert_eq!((line, error.code), (1, "svg-broken"));
    let many: String = (0..20).map(|n| format!(" p{n}:x=''")).collect();
    assert_eq!(clean(&format!("<svg{many}/>")).unwrap_err().1.code, "svg-broken");
}
