//! Font packages on disk, and the fonts of a manifest.

use std::{collections::HashMap, fs, path::Path};

use carrel_fonts::{PackError, Packs, WithFonts, with_fonts};
use carrel_model::{
    BlobHash, Slug,
    content::{
        Cover, Dir, FontPack, MANIFEST_FORMAT, Manifest, ManifestBlob, ManifestContent, StoryMeta,
    },
};
use carrel_testkit::{
    font_package::{write_font_package, write_font_packages},
    scratch::scratch,
};
use tempfile::TempDir;

/// The blobs of a manifest.
type Blobs = HashMap<BlobHash, Vec<u8>>;

/// Returns a story with the given compiled texts.
fn story(title: &str, lang: &str, texts: &[(&str, String)]) -> (Manifest, Blobs) {
    let mut stored = Blobs::new();
    let mut blobs = Vec::new();
    for (media_type, text) in texts {
        let hash = BlobHash::of(text.as_bytes());
        stored.insert(hash, text.clone().into_bytes());
        blobs.push(ManifestBlob {
            hash,
            size: text.len() as u64,
            media_type: (*media_type).to_owned(),
        });
    }
    blobs.sort();
    let meta = StoryMeta {
        id: Slug::new("s").unwrap(),
        title: title.into(),
        description: String::new(),
        lang: lang.into(),
        dir: Dir::Ltr,
        level: 1,
        category: String::new(),
        tags: Vec::new(),
        authors: Vec::new(),
        license: "CC0-1.0".into(),
        credits: String::new(),
        cover: Cover::from_title(title),
        family: String::new(),
        page_count: 1,
        narrated: false,
        total_bytes: 0,
    };
    let content = ManifestContent::Story { meta, body: blobs[0].hash };
    (Manifest { format: MANIFEST_FORMAT.into(), content, blobs, fonts: Vec::new() }, stored)
}

fn add(manifest: &Manifest, blobs: &Blobs, packs: &Packs) -> WithFonts {
    with_fonts(manifest, packs, |hash| Ok::<_, PackError>(blobs[&hash].clone())).unwrap()
}

/// Installs packages below `node_modules` to a new folder, from which their files are read later.
fn install(node_modules: &Path) -> Result<(TempDir, Packs), PackError> {
    let installed = scratch();
    Packs::install(&[node_modules.to_owned()], installed.path())?;
    let packs = Packs::installed(installed.path())?;
    Ok((installed, packs))
}

fn names(fonts: &[FontPack]) -> Vec<(&str, &str, Vec<&str>)> {
    let ranges = |font: &FontPack| {
        font.files.iter().map(|f| f.ranges.clone().leak() as &str).collect::<Vec<_>>()
    };
    fonts.iter().map(|font| (font.family.as_str(), font.lang.as_str(), ranges(font))).collect()
}

const DEVANAGARI: &str = "U+0900-097F,U+200C-200D,U+25CC";
const KANA: &str = "U+20,U+3001-3002,U+3041-307f";
const KANJI: &str = "U+5ddd,U+6cb3,U+2113";

#[test]
fn installed_packs_have_only_the_files_of_their_script() {
    let (source, installed) = (scratch(), scratch());
    write_font_packages(source.path()).unwrap();
    // Another font is ignored.
    write_font_package(source.path(), "roboto", "Roboto", &[("latin", "U+0-FF")]).unwrap();
    let folder = installed.path().join("fonts");
    assert!(Packs::installed(&folder).unwrap().is_empty(), "no folder");
    for _ in 0..2 {
        let packs = Packs::install(&[source.path().to_owned()], &folder).unwrap();
        let sizes: Vec<_> = packs.iter().map(|p| (p.script.name, p.size().0)).collect();
        assert_eq!(sizes, [("Devanagari", 1), ("Japanese", 3)]);
    }
    let files: Vec<_> = fs::read_dir(folder.join("noto-sans-devanagari/files"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(files, ["noto-sans-devanagari-devanagari-wght-normal.woff2"]);
    // A copy that was interrupted.
    fs::rename(folder.join("noto-sans-jp"), folder.join("noto-sans-jp.part")).unwrap();
    let packs = Packs::installed(&folder).unwrap();
    assert_eq!(packs.iter().map(|p| p.script.font).collect::<Vec<_>>(), ["noto-sans-devanagari"]);
    // The folder of one package, and that of a copy, can be installed too.
    let one = source.path().join("@fontsource-variable/noto-sans-jp");
    Packs::install(&[one, folder.join("noto-sans-devanagari")], &installed.path().join("more"))
        .unwrap();
}

#[test]
fn unusable_packages_are_refused() {
    let refused = |change: &dyn Fn(&Path)| {
        let source = scratch();
        write_font_packages(source.path()).unwrap();
        change(&source.path().join("@fontsource-variable/noto-sans-jp"));
        install(source.path()).expect_err("refused").to_string()
    };
    let replace = |folder: &Path, file: &str, from: &str, to: &str| {
        let text = fs::read_to_string(folder.join(file)).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(folder.join(file), text.replace(from, to)).unwrap();
    };
    for (change, reason) in [
        (
            &(|f: &Path| replace(f, "metadata.json", "OFL-1.1", "UFL-1.0")) as &dyn Fn(&Path),
            "licence is \"UFL-1.0\"",
        ),
        (&|f| replace(f, "metadata.json", "wght", "wdth"), "not a variable font"),
        (&|f| replace(f, "metadata.json", "\"900\"", "\"bold;\""), "invalid weights"),
        (&|f| replace(f, "unicode.json", "U+20,", "U+2?;}"), "invalid ranges"),
        (&|f| replace(f, "unicode.json", "[", "("), "lists no subset"),
        (&|f| fs::remove_file(f.join("LICENSE")).unwrap(), "licence text is missing"),
        (&|f| fs::remove_file(f.join("files/noto-sans-jp-1-wght-normal.woff2")).unwrap(), "read"),
        (
            &|f| fs::write(f.join("files/noto-sans-jp-1-wght-normal.woff2"), "<html>").unwrap(),
            "not a WOFF2 file",
        ),
    ] {
        let problem = refused(change);
        assert!(problem.contains(reason), "{reason}: {problem}");
    }
    let empty = scratch();
    let none = install(empty.path()).expect_err("refused").to_string();
    assert!(none.contains("contains no font package"), "{none}");
}

#[test]
fn a_manifest_lists_the_files_that_its_texts_need() {
    let source = scratch();
    write_font_packages(source.path()).unwrap();
    let (_installed, packs) = install(source.path()).unwrap();
    let body = |text: &str| ("application/json", format!("{{\"title\":\"{text}\"}}"));
    for (title, lang, texts, expected) in [
        ("River", "en", vec![body("Water")], vec![]),
        ("नदी", "hi", vec![body("पानी")], vec![("Noto Sans Devanagari", "", vec![DEVANAGARI])]),
        // Of the Japanese font only files with characters of the text.
        ("River", "ja", vec![body("かわ")], vec![("Noto Sans JP", "ja", vec![KANA])]),
        ("川", "ja", vec![body("かわ、河")], vec![("Noto Sans JP", "ja", vec![KANA, KANJI])]),
        // Han characters of a Chinese text do not get Japanese forms; no Chinese font is installed.
        ("河", "zh", vec![body("河")], vec![]),
        // The language of a section; captions.
        (
            "River",
            "en",
            vec![
                ("application/json", "{\"lang\":\"ja\",\"blocks\":\"河\"}".to_owned()),
                ("text/vtt", "WEBVTT\n\n00:00.000 --> 00:01.000\nनदी".to_owned()),
                ("image/svg+xml", "<svg>かわ</svg>".to_owned()),
            ],
            vec![
                ("Noto Sans Devanagari", "", vec![DEVANAGARI]),
                ("Noto Sans JP", "ja", vec![KANJI]),
            ],
        ),
    ] {
        let (manifest, blobs) = story(title, lang, &texts);
        let found = add(&manifest, &blobs, &packs);
        assert_eq!(names(&found.manifest.fonts), expected, "{title} {lang}");
        let listed = &found.manifest.blobs;
        assert!(listed.is_sorted_by(|a, b| a.hash < b.hash), "{title}: {listed:?}");
        for hash in found.manifest.fonts.iter().flat_map(FontPack::blobs) {
            let entry = listed.iter().find(|b| b.hash == hash).expect("every file is a blob");
            let new = found.blobs.iter().find(|b| b.entry.hash == hash).expect("with its content");
            assert_eq!((&new.entry, BlobHash::of(&new.bytes)), (entry, hash));
            assert_eq!(new.bytes.len() as u64, entry.size);
        }
        let ManifestContent::Story { meta, .. } = &found.manifest.content else { unreachable!() };
        let total = if expected.is_empty() { 0 } else { found.manifest.total_bytes() };
        assert_eq!(meta.total_bytes, total, "{title}");
        // Adding fonts again changes nothing.
        assert_eq!(add(&found.manifest, &blobs, &packs).manifest, found.manifest);
    }
}

#[test]
fn fonts_that_are_not_installed_are_kept_and_old_ones_are_replaced() {
    let source = scratch();
    write_font_packages(source.path()).unwrap();
    let (_installed, packs) = install(source.path()).unwrap();
    let (manifest, blobs) = story("नदी", "hi", &[("application/json", "\"かわ\"".to_owned())]);
    let both = add(&manifest, &blobs, &packs).manifest;
    assert_eq!(both.fonts.len(), 2);
    assert_eq!(add(&both, &blobs, &Packs::default()).manifest, both, "without packs, all are kept");

    // A new release of one font, on a server without the other.
    let other = scratch();
    write_font_package(
        other.path(),
        "noto-sans-devanagari",
        "Noto Sans Devanagari",
        &[("devanagari", "U+0900-097F")],
    )
    .unwrap();
    let file = "@fontsource-variable/noto-sans-devanagari/files/noto-sans-devanagari-devanagari-wght-normal.woff2";
    fs::write(other.path().join(file), "wOF2 newer").unwrap();
    let (_newer, newer) = install(other.path()).unwrap();
    let updated = add(&both, &blobs, &newer).manifest;
    assert_eq!(
        names(&updated.fonts),
        [("Noto Sans Devanagari", "", vec!["U+0900-097F"]), ("Noto Sans JP", "ja", vec![KANA])]
    );
    let hashes = |m: &Manifest| m.blobs.iter().map(|b| b.hash).collect::<Vec<_>>();
    assert!(hashes(&updated).contains(&BlobHash::of(b"wOF2 newer")));
    assert!(!hashes(&updated).contains(&both.fonts[0].files[0].hash), "the old file is not listed");
    assert_eq!(hashes(&updated).len(), hashes(&both).len());
}
