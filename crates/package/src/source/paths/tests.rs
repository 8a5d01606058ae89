use super::*;

#[test]
fn unsafe_names_are_rejected() {
    for (path, code) in [
        ("../x", "path-unsafe"),
        ("a/../../x", "path-unsafe"),
        ("/etc/passwd", "path-unsafe"),
        ("C:/x", "path-unsafe"),
        ("c:x", "path-unsafe"),
        ("a\\b", "path-unsafe"),
        ("\\\\host\\x", "path-unsafe"),
        ("a//b", "path-unsafe"),
        ("./a", "path-unsafe"),
        ("a/CON", "path-reserved"),
        ("nul.txt", "path-reserved"),
        ("lpt1.md", "path-reserved"),
        ("COM¹", "path-reserved"),
        ("ab:c", "path-name"),
        ("what?.md", "path-name"),
        ("a\u{7}", "path-name"),
        ("a.", "path-name"),
        ("a /b", "path-name"),
        (&"x/".repeat(130), "path-long"),
    ] {
        assert_eq!(check(path).unwrap_err().code, code, "{path}");
    }
    for path in ["a", "a/b.c", "é/日本.md", "console.md", "com10.x", "a..b", ".hidden"] {
        assert_eq!(check(path), Ok(()), "{path}");
    }
}

#[test]
fn names_above_a_package_need_not_be_portable() {
    for (folder, path, code) in [
        ("Course: 1 ", "Course: 1 /a.md", None),
        ("what?/aux", "what?/aux/a.md", None),
        ("a", "a/b?.md", Some("path-name")),
        ("", "b?.md", Some("path-name")),
        ("..", "../a.md", Some("path-unsafe")),
        ("C:", "C:/a.md", Some("path-unsafe")),
    ] {
        assert_eq!(check_below(folder, path).err().map(|e| e.code), code, "{folder} {path}");
    }
    for (paths, folder) in [
        (&["a/b/c.md", "a/b/d/e.md"][..], "a/b"),
        (&["a/b.md", "ab/c.md"], ""),
        (&["a/b/c.md", "a/d.md"], "a"),
        (&["a.md", "b/c.md"], ""),
        (&[], ""),
    ] {
        assert_eq!(common_folder(paths.iter().copied()), folder, "{paths:?}");
    }
}

#[test]
fn empty_parts_of_paths_are_removed() {
    for (path, expected) in [
        ("./a.md", "a.md"),
        ("a//b.md", "a/b.md"),
        ("./a/./b/", "a/b"),
        ("/a.md", "/a.md"),
        ("//host/a", "/host/a"),
        ("../a", "../a"),
        (".", ""),
        (".hidden/a", ".hidden/a"),
    ] {
        assert_eq!(without_empty_parts(path), expected);
    }
}

#[test]
fn files_of_operating_systems_are_recognised() {
    for path in [
        ".DS_Store",
        "a/._b.png",
        "__MACOSX/a/._b?.png",
        ".fseventsd/x",
        ".Trashes",
        ".AppleDouble/a",
        "k/Icon\r",
        "Icon\u{f00d}",
        "a/thumbs.db",
        "Thumbs.db",
        "Desktop.ini",
        "$RECYCLE.BIN/S-1-5/x.md",
        "System Volume Information/x",
        "@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg",
        "lost+found",
        "a/~$read.docx",
        "a.png:Zone.Identifier",
    ] {
        assert!(is_os_metadata(path), "{path:?}");
    }
    for path in
        ["a.md", "../a", "./a", "icon", "Icons/a.png", "thumbs/a", "a~$b", "eadir", "macosx"]
    {
        assert!(!is_os_metadata(path), "{path:?}");
    }
}

#[test]
fn names_are_compared_by_composition_and_case() {
    for (a, b) in [
        ("caf\u{e9}.png", "cafe\u{301}.png"),
        ("A/B.PNG", "a/b.png"),
        ("ÉCOLE", "e\u{301}cole"),
        ("ΟΔΟΣ", "οδος"),
        ("\u{1e9b}\u{323}", "\u{1e9b}\u{323}"),
    ] {
        assert_eq!(case_folded(a), case_folded(b), "{a} {b}");
    }
    for (a, b) in [
        ("x².png", "x2.png"),
        ("ﬁ.md", "f.md"),
        ("①.png", "1.png"),
        ("ａ.png", "a.png"),
        ("ｶ.png", "カ.png"),
        ("ı.png", "i.png"),
        ("e.png", "é.png"),
    ] {
        assert_ne!(case_folded(a), case_folded(b), "{a} {b}");
    }
}

#[test]
fn links_cannot_leave_the_package() {
    assert_eq!(resolve("a/b", "../media/x.jpg").as_deref(), Some("a/media/x.jpg"));
    assert_eq!(resolve("", "./x").as_deref(), Some("x"));
    assert_eq!(resolve("a", "../../x"), None);
    assert_eq!(resolve("a", "/x"), None);
    assert_eq!(resolve("a", "b\\x"), None);
    assert_eq!(resolve("", "cafe\u{301}").as_deref(), Some("café"));
    assert_eq!(percent_decoded("a%20b%zz%+f%"), "a b%zz%+f%");
    assert_eq!(percent_decoded("%ff%20"), "%ff%20", "not UTF-8");
    assert_eq!(
        (with_extension("m/r.mp3", "vtt"), extension("M/R.MP3")),
        ("m/r.vtt".into(), "mp3".into())
    );
}
