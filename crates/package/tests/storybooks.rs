//! Tests with a Global Storybooks folder, which is not in the repository: texts in 90 languages.

#![allow(clippy::print_stderr, reason = "reports that the test is skipped")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use carrel_model::{
    content::{Dir, ManifestContent, Story},
    text::language,
};
use carrel_package::{Compiler, Limits, MemorySink, Options, find};

/// Returns the folder `african-storybook` in `CARREL_CONTENT`, or else in `shared/content` beside the repository;
/// `None` if it does not exist.
fn content() -> Option<PathBuf> {
    let root = std::env::var_os("CARREL_CONTENT").map(PathBuf::from);
    let root = root.unwrap_or_else(|| {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/content")
    });
    let folder = root.join("african-storybook");
    folder.join("text").is_dir().then_some(folder)
}

#[test]
fn all_storybooks_are_compiled() {
    let Some(folder) = content() else {
        eprintln!("skipped: no african-storybook folder in CARREL_CONTENT");
        return;
    };
    let packages = find(&folder, &Limits::default()).unwrap().packages;
    let texts = walkdir::WalkDir::new(folder.join("text"))
        .into_iter()
        .filter_map(Result::ok)
        .filter(|e| e.path().extension().is_some_and(|x| x == "md"))
        .count();
    assert_eq!(packages.len(), texts);
    let mut compiler = Compiler::new(Options::default());
    let mut sink = MemorySink::default();
    let mut ids = BTreeSet::new();
    let (mut narrated, mut rtl, mut pages, mut sentences) = (0, 0, 0, 0);
    for package in &packages {
        let compiled = compiler
            .compile(package, &mut sink)
            .unwrap_or_else(|p| panic!("{}: {p:#?}", package.name()));
        assert_eq!(compiled.warnings, [], "{}", package.name());
        let ManifestContent::Story { meta, body } = &compiled.manifest.content else { panic!() };
        assert!(ids.insert(meta.id.clone()), "{}", meta.id);
        assert!(
            meta.credits.contains("Illustration:") && meta.license.starts_with("CC-BY"),
            "{}: {}",
            meta.id,
            meta.credits
        );
        assert!(
            (1..=5).contains(&meta.level) && !meta.title.is_empty() && !meta.authors.is_empty()
        );
        let story: Story = sink.json(*body).unwrap();
        assert!(
            story.pages.iter().all(|p| !p.sentences.iter().any(|s| s.text.contains("License"))),
            "{}",
            meta.id
        );
        assert!(
            meta.cover.image.is_some()
                && story.pages.iter().filter(|p| p.image.is_some()).count() * 10
                    >= story.pages.len() * 8,
            "{}",
            meta.id
        );
        narrated += usize::from(meta.narrated);
        rtl += usize::from(meta.dir == Dir::Rtl);
        pages += story.pages.len();
        sentences += story.pages.iter().map(|p| p.sentences.len()).sum::<usize>();
    }
    eprintln!(
        "{} stories, {narrated} narrated, {rtl} right to left, {pages} pages, {sentences} sentences, {} blobs",
        ids.len(),
        sink.blobs.len()
    );
    assert!(narrated >= 20 && rtl >= 40, "{narrated} {rtl}");
    // Images are shared by all translations.
    let images = sink.blobs.values().filter(|(t, _)| t.starts_with("image/")).count();
    assert!(images < 600, "{images}");

    let story = |id: &str| packages.iter().find(|p| p.name().contains(id)).unwrap();
    let compiled = compiler.compile(story("0001/en__"), &mut sink).unwrap();
    let ManifestContent::Story { meta, body } = compiled.manifest.content else { panic!() };
    assert_eq!(
        (meta.id.as_str(), meta.title.as_str(), meta.level, meta.page_count),
        ("gs-0001-en", "A very tall man", 1, 12)
    );
    assert_eq!(
        (meta.family.as_str(), meta.authors),
        ("gs-0001", vec!["Cornelius Gulere".to_owned()])
    );
    let english: Story = sink.json(body).unwrap();
    assert_eq!(english.pages[1].sentences[0].text, "His hoe was too short.");
    assert_eq!(english.pages[10].sentences.len(), 2);
    let compiled = compiler.compile(story("0001/ar__"), &mut sink).unwrap();
    let ManifestContent::Story { meta, body } = compiled.manifest.content else { panic!() };
    assert_eq!((meta.dir, meta.narrated, meta.level), (Dir::Rtl, true, 1));
    let arabic: Story = sink.json(body).unwrap();
    assert!(
        arabic.pages.iter().all(|p| p.narration.as_ref().is_some_and(|n| n.duration_ms > 300)),
        "every page has a narration"
    );
    assert_eq!(
        arabic.pages[3].image,
        english.pages[3].image.clone().map(|i| carrel_model::content::ImageRef {
            alt: arabic.pages[3].image.as_ref().unwrap().alt.clone(),
            ..i
        })
    );
    let compiled = compiler.compile(story("0001/zh__"), &mut sink).unwrap();
    let ManifestContent::Story { body, .. } = compiled.manifest.content else { panic!() };
    assert_eq!(sink.json::<Story>(body).unwrap().pages[10].sentences.len(), 2);
}

/// The scripts of the collection: letters, and the languages that are written in them. All others are in Latin script.
const SCRIPTS: &[(&str, &[std::ops::RangeInclusive<u32>], &str)] = &[
    ("Arabic", &[0x620..=0x6FF, 0x750..=0x77F, 0xFB50..=0xFEFC], "ar ckb fa prs ps ur"),
    ("Bengali", &[0x980..=0x9FF], "bn"),
    ("Cyrillic", &[0x400..=0x52F], "ru sr uk"),
    ("Devanagari", &[0x900..=0x97F], "hi ne"),
    ("Ethiopic", &[0x1200..=0x139F], "am ti"),
    ("Greek", &[0x370..=0x3FF, 0x1F00..=0x1FFF], "el"),
    ("Gujarati", &[0xA80..=0xAFF], "gu"),
    ("Gurmukhi", &[0xA00..=0xA7F], "pa"),
    ("Hangul", &[0xAC00..=0xD7A3], "ko"),
    // Japanese: Han characters and kana together.
    ("Han", &[0x3400..=0x9FFF, 0x3041..=0x30FF], "ja yue zh"),
    ("Myanmar", &[0x1000..=0x109F], "mnw my rki"),
    ("Odia", &[0xB00..=0xB7F], "or"),
    ("Tibetan", &[0xF00..=0xFFF], "adx bo khg"),
];

/// Returns the script of most letters.
fn script_of(text: &str) -> &'static str {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for c in text.chars().filter(|c| c.is_alphabetic()) {
        let of_c = SCRIPTS
            .iter()
            .find(|(_, ranges, _)| ranges.iter().any(|range| range.contains(&u32::from(c))));
        *counts.entry(of_c.map_or("Latin", |(name, ..)| name)).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map_or("none", |(name, _)| name)
}

/// Returns the number of recordings of a text.
fn recordings(folder: &std::path::Path, number: &str, lang: &str) -> usize {
    let entries = std::fs::read_dir(folder.join("audio").join(number).join(lang));
    let names = entries.into_iter().flatten().filter_map(Result::ok);
    names.filter(|e| e.path().extension().is_some_and(|x| x == "mp3")).count()
}

#[test]
fn every_storybook_has_the_direction_script_and_narration_of_its_language() {
    let Some(folder) = content() else {
        eprintln!("skipped: no african-storybook folder in CARREL_CONTENT");
        return;
    };
    let packages = find(&folder, &Limits::default()).unwrap().packages;
    let mut compiler = Compiler::new(Options::default());
    let mut sink = MemorySink::default();
    let (mut books, mut langs, mut scripts) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    let (mut narrated_pages, mut files) = (0, 0);
    for package in &packages {
        let compiled = compiler.compile(package, &mut sink).unwrap();
        let ManifestContent::Story { meta, body } = &compiled.manifest.content else { panic!() };
        let story: Story = sink.json(*body).unwrap();
        let (id, tag) = (&meta.id, meta.lang.as_str());
        let text: String =
            story.pages.iter().flat_map(|p| &p.sentences).map(|s| format!("{} ", s.text)).collect();
        let script = script_of(&text);
        let is_in =
            |tags: &str| tags.split(' ').any(|of| language::primary(of) == language::primary(tag));
        let expected =
            SCRIPTS.iter().find(|(_, _, tags)| is_in(tags)).map_or("Latin", |(name, ..)| name);
        assert_eq!(script, expected, "{id}: {text}");
        assert_eq!(script_of(&meta.title), expected, "{id}: {}", meta.title);
        assert_eq!(story.dir == Dir::Rtl, script == "Arabic", "{id}");
        assert_eq!(meta.dir, story.dir, "{id}");
        assert!(
            story.pages.len() >= 5 && story.pages.iter().all(|p| !p.sentences.is_empty()),
            "{id}"
        );

        // Each recording of the collection is the narration of a page, and is a recording with a length.
        let number = id.as_str().split('-').nth(1).unwrap().to_owned();
        let name = package.name();
        let file = name.rsplit('/').next().unwrap_or_default();
        let of_story = match file.split("__").next().unwrap_or_default() {
            // Norwegian recordings belong to the Bokmål text.
            "nb" => recordings(&folder, &number, "no"),
            lang => recordings(&folder, &number, lang),
        };
        let with_narration =
            story.pages.iter().filter_map(|p| p.narration.as_ref()).collect::<Vec<_>>();
        assert_eq!(with_narration.is_empty(), !meta.narrated, "{id}");
        for narration in &with_narration {
            let (kind, bytes) = &sink.blobs[&narration.blob.hash];
            assert!(kind.starts_with("audio/") && bytes.len() > 1_000, "{id}: {kind}");
            assert!((300..120_000).contains(&narration.duration_ms), "{id}: {narration:?}");
        }
        assert_eq!(with_narration.len(), of_story, "{id}: {of_story} recordings");
        narrated_pages += with_narration.len();
        files += of_story;
        books.insert(number);
        langs.insert(tag.to_owned());
        *scripts.entry(script).or_insert(0) += 1;
    }
    eprintln!(
        "{} books, {} languages, {scripts:?}, {narrated_pages} pages with narration of {files} recordings",
        books.len(),
        langs.len()
    );
    assert_eq!(books.len(), 14);
    assert!(langs.len() >= 115 && scripts.len() >= 14, "{} {scripts:?}", langs.len());
}
