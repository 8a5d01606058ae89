//! Tests that the encoding and the line endings of text files change neither the compiled package nor the lines of
//! problems.

mod support;

use support::{Tree, compile_tree, course};

const DRAWING: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 10 20\">\n<script>\nx\n</script>\n\
     <g>\n<foreignObject/><path d=\"M0 0h5\"/></g>\n</svg>\n";

/// How an editor saved a text.
type Encode = fn(&str) -> Vec<u8>;

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(bytes).collect()
}

const ENCODINGS: [(&str, Encode); 7] = [
    ("UTF-8 and CRLF", |t| t.replace('\n', "\r\n").into_bytes()),
    ("UTF-8 and CR", |t| t.replace('\n', "\r").into_bytes()),
    ("UTF-8 with a byte order mark", |t| format!("\u{feff}{t}").into_bytes()),
    ("UTF-8 with a byte order mark and CR", |t| {
        format!("\u{feff}{t}").replace('\n', "\r").into_bytes()
    }),
    ("UTF-16LE", |t| utf16(t, u16::to_le_bytes)),
    ("UTF-16BE", |t| utf16(t, u16::to_be_bytes)),
    ("UTF-16LE and CRLF", |t| utf16(&t.replace('\n', "\r\n"), u16::to_le_bytes)),
];

/// Returns the tree with all text files encoded.
fn encoded(tree: &Tree, encode: Encode) -> Tree {
    let mut out = tree.clone();
    for (path, bytes) in &tree.0 {
        if ["json", "md", "vtt", "svg"].iter().any(|e| path.ends_with(e)) {
            out.put(path, encode(std::str::from_utf8(bytes).unwrap()));
        }
    }
    out
}

fn with_drawing() -> Tree {
    let mut tree = course();
    tree.put("media/leaf.svg", DRAWING);
    tree.edit("one/read.md", "![Rain]", "![A leaf, é 😀](../media/leaf.svg)\n\n![Rain]");
    tree
}

#[test]
fn encodings_compile_to_the_same_package() {
    let (expected, sink) = compile_tree(&with_drawing()).unwrap_or_else(|p| panic!("{p:#?}"));
    let lines: Vec<_> =
        expected.warnings.iter().map(|w| (w.code, w.file.as_str(), w.line)).collect();
    assert_eq!(lines, [("svg-removed", "media/leaf.svg", 2), ("svg-removed", "media/leaf.svg", 6)]);
    for (name, encode) in ENCODINGS {
        let (compiled, encoded_sink) = compile_tree(&encoded(&with_drawing(), encode))
            .unwrap_or_else(|p| panic!("{name}: {p:#?}"));
        assert_eq!(compiled.manifest, expected.manifest, "{name}");
        assert_eq!(compiled.warnings, expected.warnings, "{name}");
        assert_eq!(encoded_sink.blobs, sink.blobs, "{name}");
    }
}

#[test]
fn problems_have_the_same_lines_in_all_encodings() {
    let mut tree = with_drawing();
    tree.edit("course.json", "BEGINNER", "EASY")
        .edit("one/read.md", "word:bend", "word:none")
        .edit("one/read.md", "\\frac{a}{b}", "\\nosuch{b}")
        .edit("one/check.json", "\"pass\": 60", "\"pass\": 600")
        .edit("vocabulary.json", "\"meaning\": \"A light.\"", "\"mean\": 1")
        .edit("stories/tale/story.md", "word:lamp", "word:none")
        .edit("stories/tale/01.vtt", "00:01.000", "00:01,000")
        .put("media/rain.md", "\n\nRain ![x](x.png)\n")
        .edit("media/leaf.svg", "</g>", "");
    let problems = compile_tree(&tree).map(|_| ()).unwrap_err();
    let lines: Vec<_> = problems.iter().map(|p| (p.file.as_str(), p.line, p.code)).collect();
    assert_eq!(
        lines,
        [
            ("course.json", 7, "bad-value"),
            ("media/leaf.svg", 7, "svg-broken"),
            ("media/rain.md", 3, "media-inline"),
            ("one/check.json", 5, "bad-value"),
            ("one/read.md", 3, "word-unknown"),
            ("one/read.md", 15, "maths"),
            ("stories/tale/01.vtt", 6, "captions"),
            ("stories/tale/story.md", 7, "word-unknown"),
            ("vocabulary.json", 4, "missing-field"),
        ]
    );
    for (name, encode) in ENCODINGS {
        assert_eq!(
            compile_tree(&encoded(&tree, encode)).map(|_| ()).unwrap_err(),
            problems,
            "{name}"
        );
    }
}
