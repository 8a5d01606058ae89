//! Problems in the Markdown of sections.

use crate::Case;

pub const CASES: &[Case] = &[
    (
        "empty text",
        |t| {
            t.put("one/read.md", "\n \n");
        },
        "empty",
        "one/read.md",
        1,
    ),
    (
        "invalid formula",
        |t| {
            t.edit("one/read.md", "$a^2$", "$\\frac{a}$");
        },
        "maths",
        "one/read.md",
        3,
    ),
    (
        "invalid formula block",
        |t| {
            t.edit("one/read.md", "\\frac{a}{b}", "\\nosuch{b}");
        },
        "maths",
        "one/read.md",
        13,
    ),
    (
        "unknown word",
        |t| {
            t.edit("one/read.md", "word:bend", "word:bent");
        },
        "word-unknown",
        "one/read.md",
        3,
    ),
    (
        "unknown section",
        |t| {
            t.edit("one/read.md", "section:one/check", "section:one/chek");
        },
        "section-unknown",
        "one/read.md",
        3,
    ),
    (
        "javascript link",
        |t| {
            t.edit("one/read.md", "section:one/check", "javascript:alert");
        },
        "link-scheme",
        "one/read.md",
        3,
    ),
    (
        "broken link",
        |t| {
            t.edit("one/read.md", "section:one/check", "two.md");
        },
        "link-broken",
        "one/read.md",
        3,
    ),
    (
        "footnote reference without footnote",
        |t| {
            t.edit("one/read.md", "# Why\n", "# Why\n\nx[^1] and [^2]\n\n[^2]: y\n");
        },
        "",
        "",
        0,
    ),
    (
        "image without alternative text",
        |t| {
            t.edit("one/read.md", "A blue square", "");
        },
        "alt-missing",
        "one/read.md",
        5,
    ),
    (
        "image inside a line of text",
        |t| {
            t.edit("one/read.md", "![A blue", "See ![A blue");
        },
        "media-inline",
        "one/read.md",
        5,
    ),
    (
        "missing image without alternative text",
        |t| {
            t.edit("one/read.md", "A blue square", "").remove("media/square.png");
        },
        "alt-missing",
        "one/read.md",
        5,
    ),
    (
        "missing image",
        |t| {
            t.remove("media/square.png");
        },
        "missing-file",
        "one/read.md",
        5,
    ),
    (
        "image with an external address",
        |t| {
            t.edit("one/read.md", "../media/square.png", "https://example.org/a.png");
        },
        "remote-media",
        "one/read.md",
        5,
    ),
    (
        "story not listed",
        |t| {
            t.edit("course.json", "[\"stories/tale\"]", "[]");
        },
        "story-unlisted",
        "one/read.md",
        17,
    ),
    (
        "media folder as story",
        |t| {
            t.edit("one/read.md", "../stories/tale", "../media");
        },
        "story-unlisted",
        "one/read.md",
        17,
    ),
    (
        "image path with a space",
        |t| {
            t.edit("one/read.md", "../media/square.png", "../media/my square.png");
        },
        "link-syntax",
        "one/read.md",
        5,
    ),
    (
        "image without closing bracket",
        |t| {
            t.edit("one/read.md", "square.png \"Blue\")", "square.png");
        },
        "link-syntax",
        "one/read.md",
        5,
    ),
    (
        "formula block without end",
        |t| {
            t.edit("one/read.md", "\\frac{a}{b}\n$$", "\\frac{a}{b}");
        },
        "maths-unclosed",
        "one/read.md",
        13,
    ),
];
