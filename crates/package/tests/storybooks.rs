//! Tests with a Global Storybooks folder, which is not in the repository: texts in 90 languages.

#![allow(clippy::print_stderr, reason = "reports that the test is skipped")]

use std::{collections::BTreeSet, path::PathBuf};

use carrel_model::content::{Dir, ManifestContent, Story};
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
