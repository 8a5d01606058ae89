use super::*;

#[test]
fn only_the_rule_that_loads_an_address_is_removed() {
    for (text, kept, removed) in [
        (".a{fill:#0a0}", ".a{fill:#0a0;}", 0),
        ("@import url(\"https://x\");.a{fill:#0a0}", ".a{fill:#0a0;}", 1),
        ("@import 'x.css';\n@charset \"utf-8\";.a{fill:red}", ".a{fill:red;}", 1),
        (".a{fill:url(https://x);stroke:red}.b{fill:blue}", ".a{stroke:red;}.b{fill:blue;}", 1),
        (
            ".a{clip-path:url(\"#c\");content:\"\\201C\"}",
            ".a{clip-path:url(\"#c\");content:\"\\201C\";}",
            0,
        ),
        (".a{fill:u\\72l(x);stroke:red}", ".a{stroke:red;}", 1),
        ("/* } @import */.a{fill:red}/* open", ".a{fill:red;}", 0),
        (".a{content:\"/* } ; {\";fill:red}", ".a{content:\"/* } ; {\";fill:red;}", 0),
        ("@media print{.a{fill:url(x)}.b{fill:red}}", "@media print{.a{}.b{fill:red;}}", 1),
        ("@font-face{font-family:H;src:url(https://x/h.woff)}.a{fill:red}", ".a{fill:red;}", 1),
        ("@font-face{src:local(x),src(\"//x\")}.a{fill:red}", ".a{fill:red;}", 1),
        ("@page{margin:0}.a{fill:red}", ".a{fill:red;}", 1),
        (".a{fill:red", ".a{fill:red;}", 0),
        (".a{fill:\"red\n}.b{fill:url(x)}", ".a{}.b{}", 2),
        (".a{behavior:url(#x);-moz-binding:none;fill:red}", ".a{fill:red;}", 2),
        ("<!-- .a{fill:red} -->", ".a{fill:red;}", 0),
    ] {
        let css = sheet(text);
        assert_eq!(
            (css.text.as_str(), css.removed.len()),
            (kept, removed),
            "{text}: {:?}",
            css.removed
        );
        // A second pass changes nothing.
        assert_eq!(sheet(&css.text).text, css.text, "{text}");
    }
    let font = "@font-face{font-family:\"H\";src:url(data:font/woff2;base64,d09GMgABAA==) format(\"woff2\")}";
    assert_eq!((sheet(font).text.as_str(), sheet(font).removed.len()), (font, 0));
    let large = font.replace("d09GMgABAA==", &"A".repeat(MAX_FONTS + 1));
    assert_eq!(sheet(&format!("{large}.a{{fill:red}}")).text, ".a{fill:red;}");
    for bad in
        ["data:text/html;base64,AAAA", "data:font/woff2,AAAA", "data:font/woff2;base64,A<svg>"]
    {
        assert_eq!(sheet(&format!("@font-face{{src:url({bad})}}")).text, "", "{bad}");
    }
}

#[test]
fn only_the_declaration_that_loads_an_address_is_removed() {
    for (text, kept, removed) in [
        ("fill:url(#g); stroke:#123", "fill:url(#g); stroke:#123", 0),
        ("fill:url(https://x); stroke:#123", "stroke:#123;", 1),
        ("stroke:#123;mask:image('x')", "stroke:#123;", 1),
        ("fill:red}*{fill:url(x)", "", 1),
    ] {
        let css = declarations(text);
        assert_eq!((css.text.as_str(), css.removed.len()), (kept, removed), "{text}");
    }
}
