//! Tests of small Global Storybooks folders in the layouts in which they are published.

mod support;

use std::path::Path;

use carrel_model::content::{Dir, ManifestContent, Story, StoryMeta};
use carrel_package::{Compiler, Limits, MemorySink, Options, Problem, find};
use support::{Tree, png, wav};

fn text(title: &str, page: &str, lang: &str) -> String {
    format!(
        "# {title}\n\n##\n{page}\n\n##\n* License: [CC-BY]\n* Text: A &amp; B\n* Illustration: C\n* Language: {lang}\n"
    )
}

/// A compiled story, or the problems of its text.
type Outcome = Result<(StoryMeta, Story), Vec<Problem>>;

/// Compiles all texts. Returns the name and the outcome of each package.
fn compile_all(root: &Path) -> Vec<(String, Outcome)> {
    let mut compiler = Compiler::new(Options::default());
    let packages = find(root, &Limits::default()).unwrap_or_else(|p| panic!("{p:#?}")).packages;
    let story = |package| {
        let mut sink = MemorySink::default();
        let compiled = compiler.compile(package, &mut sink)?;
        assert_eq!(compiled.warnings, []);
        let ManifestContent::Story { meta, body } = compiled.manifest.content else { panic!() };
        let story = sink.json(body).unwrap();
        Ok((meta, story))
    };
    packages.iter().map(|p| p.name()).zip(packages.iter().map(story).collect::<Vec<_>>()).collect()
}

fn sentences(story: &Story) -> Vec<&str> {
    story.pages.iter().flat_map(|p| &p.sentences).map(|s| s.text.as_str()).collect()
}

#[test]
fn texts_are_found_in_all_published_layouts() {
    let folder = tempfile::tempdir().unwrap();
    let mut tree = Tree::default();
    tree.put("a/en/0240_our_cow.md", text("Our cow", "She is ours.", "en"))
        .put("a/sw/0240_ngombe.md", text("Ng&rsquo;ombe", "Ni wetu.", "sw"))
        .put("a/sw/README.md", "Story ID | Title\n")
        .put("a/README.md", "# Texts\n")
        .put("a/0240/01.jpg", png(40, 30))
        .put("a/0240/02.jpg", png(41, 30))
        .put("a/audio/sw/0240/mp3/02.mp3", wav(500))
        .put("b/text/0001/en__0001_tall.md", text("Tall", "He was tall.", "en"))
        .put("b/tw-akua/0001_tall.md", text("Tall", "One two.", "tw-akua"))
        .put("b/zh-hant/0001_tall.md", text("高", "很高。", "zh-hant"))
        .put("b/text/fr/0001_grand.md", text("Grand", "Il.", "fr"))
        .put("b/images/0001/01.png", png(42, 30))
        .put("b/images/0001/2.JPG", png(42, 30));
    tree.write(folder.path());
    let all = compile_all(folder.path());
    let found: Vec<_> = all
        .iter()
        .map(|(name, story)| {
            let (meta, story) = story.as_ref().unwrap_or_else(|p| panic!("{name}: {p:#?}"));
            let images = story.pages.iter().filter(|p| p.image.is_some()).count();
            let name = name.strip_prefix(folder.path().to_str().unwrap()).unwrap();
            (name, meta.id.as_str(), meta.lang.as_str(), images, meta.narrated)
        })
        .collect();
    assert_eq!(
        found,
        [
            ("/a/en/0240_our_cow.md", "gs-0240-en", "en", 2, false),
            ("/a/sw/0240_ngombe.md", "gs-0240-sw", "sw", 2, true),
            ("/b/text/0001/en__0001_tall.md", "gs-0001-en", "en", 2, false),
            ("/b/text/fr/0001_grand.md", "gs-0001-fr", "fr", 2, false),
            ("/b/tw-akua/0001_tall.md", "gs-0001-tw-akua", "tw-x-akua", 2, false),
            ("/b/zh-hant/0001_tall.md", "gs-0001-zh-hant", "zh-Hant", 2, false),
        ]
    );
}

#[test]
fn a_page_without_image_is_a_warning_and_front_matter_is_no_title() {
    let folder = tempfile::tempdir().unwrap();
    let mut tree = Tree::default();
    tree.put(
        "en/0240_cow.md",
        format!("---\ntitle: x\n---\n{}", text("Cow", "She is ours.", "en")),
    )
    .put("images/0240/01.jpg", png(40, 30));
    tree.write(folder.path());
    let found = find(folder.path(), &Limits::default()).unwrap();
    let mut sink = MemorySink::default();
    let compiled =
        Compiler::new(Options::default()).compile(&found.packages[0], &mut sink).unwrap();
    assert_eq!(compiled.manifest.title(), "Cow");
    let warnings: Vec<_> = compiled.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "en/0240_cow.md:1: warning[image-missing]: there is no image for page 2, but for other pages; \
          add images/0240/02.jpg"
        ]
    );
}

#[test]
fn entities_are_decoded_and_inline_markup_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let page = "Ninampenda ng&rsquo;ombe *Pendo* &amp; &quot;ndama&quot;&nbsp;.\n- Come_here_now! &#233; &#x1F600; \
         **x** AT&T 3 * 4 &unknown;\n# no heading\n\n&nbsp;\n\n1. One.";
    let mut tree = Tree::default();
    tree.put("sw/0240_ngombe.md", text("Ng&rsquo;ombe &ldquo;wetu&rdquo;", page, "sw"));
    tree.write(folder.path());
    let all = compile_all(folder.path());
    let (meta, story) = all[0].1.as_ref().unwrap();
    assert_eq!(meta.title, "Ng’ombe “wetu”");
    assert_eq!(meta.authors, ["A & B"]);
    assert!(meta.credits.contains("Text: A &amp; B<"), "{}", meta.credits);
    assert_eq!(
        sentences(story),
        [
            "Ng’ombe “wetu”",
            "Ninampenda ng’ombe Pendo & \"ndama\"\u{a0}. - Come_here_now!",
            "é 😀 x AT&T 3 * 4 &unknown; # no heading",
            "1.",
            "One."
        ]
    );
}

#[test]
fn the_second_text_of_a_number_is_reported_with_its_file() {
    for files in [
        ["text/0001/sw__0001_one.md", "text/0001/sw__0001_two.md"],
        ["sw/0001_one.md", "sw/0001_two.md"],
        ["sw/0001_one.md", "text/0001/sw__0001_two.md"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut tree = Tree::default();
        files.iter().for_each(|file| {
            tree.put(file, text("T", "One.", "sw"));
        });
        tree.put("sw/0002_three.md", text("T", "One.", "sw"));
        tree.write(folder.path());
        let all = compile_all(folder.path());
        let problems: Vec<_> = all.iter().filter_map(|(_, r)| r.as_ref().err()).flatten().collect();
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert_eq!((problems[0].code, problems[0].file.as_str()), ("duplicate-id", files[1]));
        assert!(problems[0].message.ends_with(&format!(
            "also used by {}/{}",
            folder.path().display(),
            files[0]
        )));
        assert_eq!(all.iter().filter(|(_, r)| r.is_ok()).count(), 2);
    }
}

#[test]
fn a_large_collection_is_compiled_with_a_result_for_each_text() {
    let folder = tempfile::tempdir().unwrap();
    let mut tree = Tree::default();
    for number in 0..30 {
        for lang in ["en", "sw"] {
            let licence = if number == 7 { "Unknown" } else { "License" };
            let text = text("T", "One. Two.", lang).replace("License", licence);
            tree.put(&format!("{lang}/{number:04}_title.md"), text);
        }
    }
    tree.write(folder.path());
    let all = compile_all(folder.path());
    assert_eq!(all.len(), 60);
    let failed: Vec<_> = all.iter().filter(|(_, r)| r.is_err()).map(|(name, _)| name).collect();
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert!(failed.iter().all(|name| name.contains("/0007_")), "{failed:?}");
}

#[test]
fn letters_decide_the_direction_if_the_language_is_usually_written_in_the_other_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut tree = Tree::default();
    tree.put("a/text/0008/aeb__0008_cnuwwe.md", text("Cnuwwe?", "Ène qàġid nɍanni.", "aeb"))
        .put("a/text/0008/ar__0008_maza.md", text("ماذا؟", "أنا أغني.", "ar"))
        .put("a/text/0008/ha-ne__0008_me.md", text("مي؟", "إنا واڨا.", "ha-ne"))
        .put("a/text/0008/en__0008_what.md", text("What?", "I sing.", "en"));
    tree.write(folder.path());
    let all = compile_all(folder.path());
    let found: Vec<_> = all
        .iter()
        .map(|(name, story)| {
            let (meta, story) = story.as_ref().unwrap_or_else(|p| panic!("{name}: {p:#?}"));
            (meta.id.as_str(), meta.lang.as_str(), meta.dir, story.lang.as_str(), story.dir)
        })
        .collect();
    assert_eq!(
        found,
        [
            ("gs-0008-aeb", "aeb-Latn", Dir::Ltr, "aeb-Latn", Dir::Ltr),
            ("gs-0008-ar", "ar", Dir::Rtl, "ar", Dir::Rtl),
            ("gs-0008-en", "en", Dir::Ltr, "en", Dir::Ltr),
            ("gs-0008-ha-ne", "ha-Arab-NE", Dir::Rtl, "ha-Arab-NE", Dir::Rtl),
        ]
    );
}
