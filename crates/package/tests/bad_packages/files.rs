//! Problems in the names and the encoding of files.

use crate::Case;

pub const CASES: &[Case] = &[
    (
        "not UTF-8",
        |t| {
            t.put("one/read.md", b"# A\n\n\xff\xfe\xfd\n");
        },
        "not-utf8",
        "one/read.md",
        3,
    ),
    (
        "UTF-16 without a byte order mark",
        |t| {
            t.put("one/check.json", b"{\0\"\0\n\0\"\0}\0");
        },
        "not-utf8",
        "one/check.json",
        1,
    ),
    (
        "NUL character",
        |t| {
            t.edit("one/read.md", "print(1)", "print(\0)");
        },
        "not-utf8",
        "one/read.md",
        10,
    ),
    (
        "path in another case",
        |t| {
            t.edit("course.json", "one/read.md", "one/Read.md");
        },
        "name-case",
        "course.json",
        23,
    ),
    (
        "path outside the package",
        |t| {
            t.edit("course.json", "one/read.md", "../../etc/passwd");
        },
        "outside-package",
        "course.json",
        23,
    ),
    (
        "absolute path",
        |t| {
            t.edit("course.json", "one/read.md", "/etc/passwd");
        },
        "outside-package",
        "course.json",
        23,
    ),
    (
        "backslash",
        |t| {
            t.edit("course.json", "one/read.md", "one\\\\read.md");
        },
        "path-unsafe",
        "course.json",
        23,
    ),
    (
        "reserved name",
        |t| {
            t.put("media/aux.txt", "x");
        },
        "path-reserved",
        "media/aux.txt",
        1,
    ),
    (
        "path too long",
        |t| {
            t.put(&format!("media/{}/{}", "a".repeat(120), "b".repeat(130)), "x");
        },
        "path-long",
        "",
        1,
    ),
];
