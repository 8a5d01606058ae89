//! Tests of the names in zips of different systems: encodings, separators, and files that operating systems add.

mod support;

use carrel_package::{Compiled, Limits, Problem};
use support::{Entry, Tree, compile_with, course, png, zip};

/// A course with an image, whose link is `link`.
fn course_with(link: &str) -> Tree {
    let mut tree = course();
    tree.edit("one/read.md", "../media/square.png", link);
    tree.remove("media/square.png");
    tree
}

fn compile_zip(entries: &[Entry]) -> Result<Compiled, Vec<Problem>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.zip");
    std::fs::write(&path, zip(entries)).unwrap();
    compile_with(&path, &Limits::default()).map(|(compiled, _)| compiled)
}

/// Compiles a course whose link to an image is `link`, with the image as `image`.
fn compile_image(link: &str, image: Entry) -> Result<Compiled, Vec<Problem>> {
    let mut entries: Vec<Entry> =
        course_with(link).0.iter().map(|(n, b)| Entry::stored(n, b)).collect();
    entries.push(image);
    compile_zip(&entries)
}

fn image(name: &[u8]) -> Entry {
    Entry::named(name, &png(60, 40))
}

#[test]
fn names_are_found_in_every_encoding_that_a_zip_states() {
    let flagged = Entry::stored("media/rivière.png", &png(60, 40));
    let japanese = || image(b"media/\x8aG.png");
    for (what, link, entry) in [
        ("UTF-8 with the flag", "../media/rivière.png", flagged),
        ("UTF-8 without the flag", "../media/rivière.png", image("media/rivière.png".as_bytes())),
        ("decomposed", "../media/rivière.png", image("media/rivie\u{300}re.png".as_bytes())),
        ("link decomposed", "../media/rivie\u{300}re.png", image("media/rivière.png".as_bytes())),
        ("code page 437", "../media/rivière.png", image(b"media/rivi\x8are.png")),
        (
            "Unicode Path",
            "../media/絵.png",
            japanese().with_unicode_path(b"media/\x8aG.png", "media/絵.png"),
        ),
        (
            "outdated Unicode Path",
            "../media/leaf.png",
            image(b"media/leaf.png").with_unicode_path(b"media/old.png", "media/old.png"),
        ),
        ("backslashes", "../media/rivière.png", image("media\\rivière.png".as_bytes())),
    ] {
        let compiled = compile_image(link, entry);
        assert!(compiled.is_ok(), "{what}: {:#?}", compiled.map(|_| ()));
    }
}

#[test]
fn names_in_a_local_code_page_are_reported_once() {
    for (what, name) in [
        ("866", &b"media/\xaa\xa0\xe0\xe2\xa0.png"[..]),
        ("932", b"media/\x8aG.png"),
        ("1252", b"media/rivi\xe8re.png"),
        ("flagged as UTF-8", b"media/\xff.png"),
    ] {
        let flags = if what.contains("UTF-8") { 0x800 } else { 0 };
        let second = image(&[name, &b"2"[..]].concat());
        let entries: Vec<Entry> = course()
            .0
            .iter()
            .map(|(n, b)| Entry::stored(n, b))
            .chain([Entry { flags, ..image(name) }, second])
            .collect();
        let problems = compile_zip(&entries).map(|_| ()).unwrap_err();
        assert_eq!(problems.len(), 1, "{what}: {problems:#?}");
        let text = problems[0].to_string();
        assert!(text.contains("error[zip-names]: 2 names in the zip are not UTF-8"), "{text}");
        assert!(text.contains("pack the folder again with names in UTF-8"), "{text}");
    }
    // A name that was guessed wrongly is explained where it is missing.
    let problems =
        compile_image("../media/а.png", image(b"media/\xa0.png")).map(|_| ()).unwrap_err();
    let missing = problems.iter().find(|p| p.code == "missing-file").unwrap();
    assert!(missing.hint.contains("the names in the zip are not UTF-8"), "{missing}");
}

#[test]
fn a_zip_with_backslashes_is_the_same_package() {
    let entries: Vec<Entry> = course()
        .0
        .iter()
        .map(|(n, b)| Entry::named(format!("k\\{}", n.replace('/', "\\")).as_bytes(), b))
        .chain([Entry::named(b"k\\", b""), Entry::named(b"k\\media\\", b"")])
        .collect();
    let compiled = compile_zip(&entries).unwrap_or_else(|p| panic!("{p:#?}"));
    assert_eq!(compiled.manifest, support::compile_tree(&course()).unwrap().0.manifest);
}

#[test]
fn files_of_operating_systems_are_passed_over() {
    let names = [
        "Icon\r",
        "media/Icon\r",
        "media/Icon\u{f00d}",
        "__MACOSX/._a?b.png",
        "__MACOSX/a:b/..",
        ".DS_Store",
        "media/.DS_Store",
        "._course.json",
        "$RECYCLE.BIN/desktop.ini",
        "Thumbs.db",
        "media/@eaDir/square.png/SYNO?THUMB",
        ".fseventsd/fseventsd-uuid",
        ".Trashes/x?",
        ".AppleDouble/a:b",
        "media/square.png:Zone.Identifier",
        "one/~$read.md",
        "aux.DS_Store/.DS_Store",
    ];
    let long = format!("__MACOSX/._{}.png", "m".repeat(236));
    let mut entries: Vec<Entry> = course().0.iter().map(|(n, b)| Entry::stored(n, b)).collect();
    entries.extend(names.iter().copied().chain([long.as_str()]).map(|n| Entry::stored(n, b"x")));
    // Twice the same name, a name in a code page, a link, an encrypted file.
    entries.push(Entry::stored(".DS_Store", b"x"));
    entries.push(Entry::named(b"__MACOSX/._\xaa\xa0\xe0.png", b"x"));
    entries.push(Entry { unix_mode: 0o120_777, ..Entry::stored("__MACOSX/link", b"/etc") });
    entries.push(Entry { flags: 1, ..Entry::stored(".hidden/secret", b"x") });
    let compiled = compile_zip(&entries).unwrap_or_else(|p| panic!("{p:#?}"));
    let expected = support::compile_tree(&course()).unwrap().0;
    assert_eq!(compiled, expected);

    #[cfg(unix)]
    {
        let folder = tempfile::tempdir().unwrap();
        let mut tree = course();
        names.iter().filter(|n| !n.contains("..")).for_each(|n| {
            tree.put(n, "x");
        });
        tree.write(folder.path());
        let (compiled, _) = support::compile(folder.path()).unwrap_or_else(|p| panic!("{p:#?}"));
        assert_eq!(compiled, expected);
    }
}

#[test]
fn names_that_differ_in_compatibility_characters_are_different() {
    let mut tree = course();
    tree.edit(
        "one/read.md",
        "![Rain]",
        "![2](../media/x².png)\n\n![2](../media/x2.png)\n\n![Rain]",
    );
    tree.put("media/x².png", png(60, 41)).put("media/x2.png", png(60, 42));
    assert!(support::compile_tree(&tree).is_ok());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.zip");
    std::fs::write(&path, tree.zip()).unwrap();
    assert!(compile_with(&path, &Limits::default()).is_ok());
    tree.put("media/X2.png", png(60, 43));
    std::fs::write(&path, tree.zip()).unwrap();
    let problems = compile_with(&path, &Limits::default()).map(|_| ()).unwrap_err();
    assert_eq!(problems.iter().map(|p| p.code).collect::<Vec<_>>(), ["path-duplicate"]);
}
