//! Tests of untrusted zips: each is rejected when it is opened or when it reaches a limit, with its own code.

mod support;

use carrel_package::{Limits, Problem, find};
use support::{Entry, Tree, compile_with, course, deflated_zeros, zip};

fn problems_of_zip(bytes: &[u8], limits: &Limits) -> Vec<Problem> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.zip");
    std::fs::write(&path, bytes).unwrap();
    match find(&path, limits) {
        Err(problems) => problems,
        Ok(found) => panic!("{} packages", found.packages.len()),
    }
}

fn zip_with(extra: Vec<Entry>) -> Vec<u8> {
    let mut entries: Vec<Entry> = course().0.iter().map(|(n, b)| Entry::stored(n, b)).collect();
    entries.extend(extra);
    zip(&entries)
}

#[test]
fn zip_and_folder_compile_to_the_same_output() {
    let folder = tempfile::tempdir().unwrap();
    let (tree, limits) = (course(), Limits::default());
    tree.write(&folder.path().join("f"));
    std::fs::write(folder.path().join("top.zip"), tree.zip()).unwrap();
    let mut nested = Tree::default();
    for (name, bytes) in &tree.0 {
        nested.put(&format!("small-main/{name}"), bytes);
    }
    nested.put("__MACOSX/small-main/._course.json", "x").put("small-main/.DS_Store", "x");
    std::fs::write(folder.path().join("nested.zip"), nested.zip()).unwrap();
    let manifest_of = |name: &str| {
        compile_with(&folder.path().join(name), &limits)
            .unwrap_or_else(|p| panic!("{p:#?}"))
            .0
            .manifest
    };
    assert_eq!(manifest_of("f"), manifest_of("top.zip"));
    assert_eq!(manifest_of("f"), manifest_of("nested.zip"));
}

#[test]
fn hostile_names_are_refused_before_anything_is_unpacked() {
    let limits = Limits::default();
    for (name, code) in [
        ("../evil", "path-unsafe"),
        ("a/b/../../../evil", "path-unsafe"),
        ("/etc/evil", "path-unsafe"),
        ("C:/evil", "path-unsafe"),
        ("C:evil", "path-unsafe"),
        ("a\\..\\evil", "path-unsafe"),
        ("\\\\host\\share\\evil", "path-unsafe"),
        ("a/./../../evil", "path-unsafe"),
        ("//host/evil", "path-unsafe"),
        ("./media//square.png", "path-duplicate"),
        ("aux", "path-reserved"),
        ("media/com1.png", "path-reserved"),
        ("evil?", "path-name"),
        ("evil\u{0}.md", "path-name"),
        ("evil\n.md", "path-name"),
        ("evil. ", "path-name"),
        ("Course.json", "path-duplicate"),
        ("MEDIA/square.PNG", "path-duplicate"),
        ("course.json", "path-duplicate"),
        (&"long/".repeat(60), "path-long"),
    ] {
        let problems = problems_of_zip(&zip_with(vec![Entry::stored(name, b"x")]), &limits);
        assert!(problems.iter().any(|p| p.code == code), "{name:?}: {problems:#?}");
    }
    // One letter in two spellings: composed and decomposed.
    let composed_and_decomposed =
        zip_with(vec![Entry::stored("caf\u{e9}.md", b"x"), Entry::stored("cafe\u{301}.md", b"x")]);
    assert_eq!(problems_of_zip(&composed_and_decomposed, &limits)[0].code, "path-duplicate");
    // All problems of a zip are reported.
    let many = zip_with(vec![
        Entry::stored("../a", b"x"),
        Entry::stored("/b", b"x"),
        Entry::stored("nul", b"x"),
    ]);
    assert_eq!(problems_of_zip(&many, &limits).len(), 3);
}

#[test]
fn links_devices_encryption_and_unknown_methods_are_rejected() {
    let limits = Limits::default();
    let entry = |change: fn(&mut Entry)| {
        let mut entry = Entry::stored("x.md", b"/etc/passwd");
        change(&mut entry);
        zip_with(vec![entry])
    };
    for (bytes, code) in [
        (entry(|e| e.unix_mode = 0o120_777), "link"),
        (entry(|e| e.unix_mode = 0o020_644), "link"),
        (entry(|e| e.flags |= 1), "zip-encrypted"),
        (entry(|e| e.method = 12), "zip-method"),
        (entry(|e| e.method = 99), "zip-encrypted"),
        (entry(|e| e.crc ^= 1), "zip-broken"),
        (
            entry(|e| {
                e.method = 8;
                e.data = b"\xff\xff\xff".to_vec();
            }),
            "zip-broken",
        ),
    ] {
        let problems = problems_of_zip(&bytes, &limits);
        assert!(
            problems
                .iter()
                .all(|p| p.code == code || p.code == "zip-broken" && code == "zip-encrypted"),
            "{code}: {problems:#?}"
        );
    }
}

#[test]
fn zip_bombs_are_refused_at_the_limit() {
    let bomb = deflated_zeros(8 << 20);
    assert!(bomb.len() < 20_000);
    let entry =
        |size: u32| Entry { data: bomb.clone(), method: 8, size, ..Entry::stored("bomb.md", b"") };
    let limits = Limits::default();
    // The header declares the true size.
    let declared = problems_of_zip(&zip_with(vec![entry(8 << 20)]), &limits);
    assert_eq!(
        (declared[0].code, declared[0].file.as_str()),
        ("zip-ratio", "bomb.md"),
        "{declared:#?}"
    );
    // The header declares a false size: bytes are counted while unpacking.
    let undeclared = problems_of_zip(&zip_with(vec![entry(10)]), &limits);
    assert_eq!(undeclared[0].code, "zip-ratio", "{undeclared:#?}");
    let small_limits = Limits { file_bytes: 2 << 20, ratio: u64::MAX, ..limits };
    assert_eq!(
        problems_of_zip(&zip_with(vec![entry(10)]), &small_limits)[0].code,
        "file-too-large"
    );
    assert_eq!(
        problems_of_zip(&zip_with(vec![entry(8 << 20)]), &small_limits)[0].code,
        "file-too-large"
    );
    let small_limits = Limits { total_bytes: 3 << 20, ratio: u64::MAX, ..limits };
    assert_eq!(problems_of_zip(&zip_with(vec![entry(10)]), &small_limits)[0].code, "too-large");
    assert_eq!(
        problems_of_zip(
            &zip_with(vec![entry(2 << 20), Entry { name: b"b2.md".to_vec(), ..entry(2 << 20) }]),
            &small_limits
        )[0]
        .code,
        "too-large"
    );
    // Many small files.
    let many: Vec<Entry> = (0..30).map(|n| Entry::stored(&format!("f{n}.md"), b"")).collect();
    assert_eq!(
        problems_of_zip(&zip_with(many), &Limits { files: 20, ..limits })[0].code,
        "too-many-files"
    );
    // A zip of zeros within all limits is accepted.
    let small = Entry {
        data: deflated_zeros(1 << 20),
        method: 8,
        size: 1 << 20,
        crc: 0xa738_ea1c,
        ..Entry::stored("zeros.md", b"")
    };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.zip"), zip_with(vec![small])).unwrap();
    compile_with(&folder.path().join("p.zip"), &limits).unwrap_or_else(|p| panic!("{p:#?}"));
}

#[test]
fn damaged_zips_are_reported() {
    let (valid, limits) = (course().zip(), Limits::default());
    for cut in [0, 3, 10, 100, valid.len() / 2, valid.len() - 23, valid.len() - 1] {
        let problems = problems_of_zip(&valid[..cut], &limits);
        assert!(problems.iter().all(|p| p.code == "zip-broken"), "{cut}: {problems:#?}");
    }
    let mut count = valid.clone();
    let end = valid.len() - 22;
    count[end + 8..end + 12].copy_from_slice(&[0xff, 0x01, 0xff, 0x01]);
    assert_eq!(problems_of_zip(&count, &limits)[0].code, "zip-broken");
    // Changed bytes never cause a panic.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.zip");
    let table = valid.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    for at in (table..valid.len()).step_by(7) {
        let mut damaged = valid.clone();
        damaged[at] ^= 0x55;
        std::fs::write(&path, &damaged).unwrap();
        let _ = find(&path, &limits);
    }
}

#[test]
fn other_files_are_reported_as_not_a_package() {
    let folder = tempfile::tempdir().unwrap();
    let error_code = |name: &str| {
        find(&folder.path().join(name), &Limits::default()).map(|p| p.packages.len()).unwrap_err()
            [0]
        .code
    };
    std::fs::write(folder.path().join("a.txt"), "hello").unwrap();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    std::fs::write(folder.path().join("no.zip"), zip(&[Entry::stored("readme.md", b"x")])).unwrap();
    std::fs::write(folder.path().join("text.zip"), "this is text").unwrap();
    assert_eq!(error_code("none"), "not-found");
    assert_eq!(error_code("a.txt"), "no-package");
    assert_eq!(error_code("empty"), "no-package");
    assert_eq!(error_code("no.zip"), "no-package");
    assert_eq!(error_code("text.zip"), "zip-broken");
}

#[test]
fn other_archives_and_misnamed_main_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("a.zip", b"Rar!\x1a\x07\x01\0");
    write("b.rar", b"Rar!\x1a\x07\x01\0");
    write("c.zip", b"");
    write("d.zip", b"<!DOCTYPE html><html>");
    write("e.zip", &zip(&[Entry::stored("imsmanifest.xml", b"<manifest/>")]));
    write("f.zip", &zip(&[Entry::stored("[Content_Types].xml", b"<Types/>")]));
    for (name, code, part) in [
        ("a.zip", "zip-broken", "the file is no zip, but a RAR archive"),
        ("b.rar", "no-package", "this is a RAR archive, not a folder or a zip"),
        ("c.zip", "zip-broken", "an empty file"),
        ("d.zip", "zip-broken", "a web page (HTML)"),
        ("e.zip", "no-package", "the zip is a SCORM or IMS package, which cannot be imported"),
        ("f.zip", "no-package", "the zip is an office document"),
    ] {
        let problems = find(&folder.path().join(name), &Limits::default()).unwrap_err();
        assert_eq!(problems[0].code, code, "{name}: {problems:#?}");
        assert!(problems[0].message.contains(part), "{name}: {problems:#?}");
    }
    let mut tree = Tree::default();
    tree.put("course.json.txt", &course().0["course.json"]);
    tree.write(&folder.path().join("misnamed"));
    let problems = support::compile(&folder.path().join("misnamed")).map(|_| ()).unwrap_err();
    let found: Vec<_> = problems.iter().map(|p| (p.code, p.message.as_str())).collect();
    assert_eq!(
        found,
        [("no-package", "the file \"course.json.txt\" must have the name \"course.json\"")]
    );
}

#[test]
fn zips_beside_packages_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    course().write(&folder.path().join("rivers"));
    std::fs::write(folder.path().join("rivers/media/inside.zip"), course().zip()).unwrap();
    // The copy of a package in the same folder is not opened.
    std::fs::write(folder.path().join("rivers.zip"), course().zip()).unwrap();
    std::fs::create_dir(folder.path().join("more")).unwrap();
    std::fs::write(folder.path().join("more/lakes.ZIP"), course().zip()).unwrap();
    let found = find(folder.path(), &Limits::default()).unwrap();
    assert_eq!(found.packages.len(), 1);
    assert_eq!(found.archives, [folder.path().join("more/lakes.ZIP")]);
    let found = find(&folder.path().join("more"), &Limits::default()).unwrap();
    assert_eq!((found.packages.len(), found.archives.len()), (0, 1));
}

#[test]
fn names_of_the_folder_above_a_package_are_not_checked() {
    let folder = tempfile::tempdir().unwrap();
    let entries: Vec<Entry> =
        course().0.iter().map(|(n, b)| Entry::stored(&format!("./Course: 1 //{n}"), b)).collect();
    std::fs::write(folder.path().join("p.zip"), zip(&entries)).unwrap();
    let compiled = compile_with(&folder.path().join("p.zip"), &Limits::default());
    assert!(compiled.is_ok(), "{:#?}", compiled.map(|_| ()));
    course().write(&folder.path().join("library/What is it?"));
    let compiled = compile_with(&folder.path().join("library"), &Limits::default());
    assert_eq!(compiled.is_ok(), cfg!(unix), "{:#?}", compiled.map(|_| ()));
}

#[test]
fn a_package_with_errors_states_its_id() {
    let folder = tempfile::tempdir().unwrap();
    let mut tree = course();
    tree.edit("course.json", "\"difficulty\": \"BEGINNER\",", "");
    tree.write(folder.path());
    let found = find(folder.path(), &Limits::default()).unwrap();
    let declared = found.packages[0].declared();
    assert_eq!(declared.id.as_deref(), Some("small"));
    assert_eq!(declared.title.as_deref(), Some("A Small Course"));
    assert!(support::compile(folder.path()).is_err());
    // A separator at the end of the path is not repeated in the messages.
    let with_separator = format!("{}/", folder.path().display());
    let found = find(with_separator.as_ref(), &Limits::default()).unwrap();
    assert_eq!(found.packages[0].root(), folder.path().display().to_string());
    tree.put("course.json", "{ \"id\": 5, \"title\": ");
    tree.write(folder.path());
    let found = find(folder.path(), &Limits::default()).unwrap();
    assert_eq!(found.packages[0].declared().id, None);
}

#[cfg(unix)]
#[test]
fn a_link_in_a_folder_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    course().write(folder.path());
    std::os::unix::fs::symlink("/etc", folder.path().join("media/etc")).unwrap();
    let problems = support::compile(folder.path()).map(|_| ()).unwrap_err();
    assert_eq!(
        problems.iter().map(|p| (p.code, p.file.as_str())).collect::<Vec<_>>(),
        [("link", "media/etc")]
    );
}

#[test]
fn a_folder_may_contain_packages_with_different_ids() {
    let folder = tempfile::tempdir().unwrap();
    course().write(&folder.path().join("courses/one"));
    support::story().write(&folder.path().join("stories/tale"));
    course().write(&folder.path().join("courses/two"));
    let packages = find(folder.path(), &Limits::default()).unwrap().packages;
    assert_eq!(packages.iter().map(|p| p.is_course()).collect::<Vec<_>>(), [true, true, false]);
    let mut compiler = carrel_package::Compiler::new(carrel_package::Options::default());
    let mut sink = carrel_package::MemorySink::default();
    assert!(compiler.compile(&packages[0], &mut sink).is_ok());
    let problems = compiler.compile(&packages[1], &mut sink).unwrap_err();
    assert_eq!((problems[0].code, problems[0].file.as_str()), ("duplicate-id", "course.json"));
    assert!(compiler.compile(&packages[2], &mut sink).is_ok());
    // Compiling the same package again is not a duplicate.
    assert!(compiler.compile(&packages[0], &mut sink).is_ok());
}
