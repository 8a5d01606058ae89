//! EPUB books become courses; every document of the spine is accounted for.

#![allow(clippy::print_stderr, reason = "reports that the test is skipped")]

mod support;

use std::path::PathBuf;

use carrel_import::{Level, Options};
use carrel_model::content::ManifestContent;
use support::epub::Book;
use support::{imported, png, try_import, wav};

const SMIL: &str = "<smil xmlns=\"http://www.w3.org/ns/SMIL\" version=\"3.0\"><body><seq>\
    <par><text src=\"c1.xhtml#h\"/><audio src=\"a.wav\" clipBegin=\"0s\" clipEnd=\"0.3s\"/></par>\
    <par><text src=\"c1.xhtml#s1\"/><audio src=\"a.wav\" clipBegin=\"0:00:00.3\" clipEnd=\"0:00:01.000\"/></par>\
    <par><text src=\"c1.xhtml#s2\"/><audio src=\"a.wav\" clipBegin=\"1s\" clipEnd=\"1900ms\"/></par>\
    </seq></body></smil>";

fn book() -> Book {
    Book::new()
        .chapter_with(
            "c1",
            "<h1 id=\"h\">One</h1><p><span id=\"s1\">First here.</span> <span id=\"s2\">Second there.</span></p>",
            "media-overlay=\"mo\"",
        )
        .chapter(
            "c2",
            "<h1>Two</h1><p>A note<a epub:type=\"noteref\" href=\"#f1\">1</a> and <a href=\"c1.xhtml\">back</a>.\
             <span epub:type=\"pagebreak\" title=\"7\">7</span></p><img src=\"img/p%201.png\" alt=\"A dot\"/>\
             <aside epub:type=\"footnote\" id=\"f1\"><p>The note.</p></aside><script>evil()</script>",
        )
        .nav("<li><a href=\"c1.xhtml\">Chapter I</a></li><li><a href=\"c2.xhtml\">Chapter II</a></li>")
        .item("mo", "c1.smil", "media-type=\"application/smil+xml\"", SMIL)
        .item("snd", "a.wav", "media-type=\"audio/wav\"", wav(2_000))
        .item("img", "img/p%201.png", "media-type=\"image/png\" properties=\"cover-image\"", Vec::new())
        .file("OEBPS/img/p 1.png", png())
}

#[test]
fn documents_are_sections_with_footnotes_links_and_read_along() {
    let mut book = book();
    book.files.retain(|(path, _)| path != "OEBPS/img/p%201.png");
    let done = imported("book.epub", book.bytes());
    let sections = done.sections();
    let titles: Vec<&str> = sections.iter().map(|(title, _)| title.as_str()).collect();
    assert_eq!(titles, ["Chapter I", "Chapter II"]);
    let html = done.html();
    for part in ["First here.", "data-section=", "footnote", "The note.", "A dot"] {
        assert!(html.contains(part), "{part}: {html}");
    }
    for part in ["evil", ">7<"] {
        assert!(!html.contains(part), "{part}: {html}");
    }
    let stories = done.stories();
    let page = &stories[0].pages[0];
    let times: Vec<_> =
        page.sentences.iter().map(|s| (s.text.as_str(), s.start_ms, s.end_ms)).collect();
    assert_eq!(
        times,
        [
            ("One", Some(0), Some(300)),
            ("First here.", Some(300), Some(1_000)),
            ("Second there.", Some(1_000), Some(1_900)),
        ]
    );
    assert!(page.narration.is_some());
    let levels: Vec<Level> = done.report.items.iter().map(|item| item.level).collect();
    assert_eq!(levels, [Level::Exact, Level::Changed], "{}", done.report.to_text());
    assert_eq!(done.report.source_version, "3.0");
}

#[test]
fn epub_2_books_have_their_outline_from_the_ncx() {
    let mut book = Book::new().chapter("a", "<p>x</p>").chapter("b", "<p>y</p>").chapter("c", "<p>z</p>").item(
        "ncx",
        "toc.ncx",
        "media-type=\"application/x-dtbncx+xml\"",
        "<?xml version=\"1.0\"?><!DOCTYPE ncx PUBLIC \"-//NISO//DTD ncx 2005-1//EN\" \"x.dtd\"><ncx><navMap>\
         <navPoint><navLabel><text>Part 1</text></navLabel><content src=\"a.xhtml\"/>\
         <navPoint><navLabel><text>A</text></navLabel><content src=\"a.xhtml#x\"/></navPoint>\
         <navPoint><navLabel><text>B</text></navLabel><content src=\"b.xhtml\"/></navPoint></navPoint>\
         <navPoint><navLabel><text>Part 2</text></navLabel><content src=\"c.xhtml\"/>\
         <navPoint><navLabel><text>C</text></navLabel><content src=\"c.xhtml\"/></navPoint></navPoint></navMap></ncx>",
    );
    book.version = "2.0";
    book.spine_attributes = "toc=\"ncx\"".into();
    let done = imported("b.epub", book.bytes());
    let ManifestContent::Course { outline, .. } = &done.content else { panic!() };
    let outline: Vec<(&str, usize)> =
        outline.lessons.iter().map(|l| (l.title.as_str(), l.sections.len())).collect();
    assert_eq!(outline, [("Part 1", 2), ("Part 2", 1)]);
}

/// Returns a book with a document of two paragraphs, and the clips of its overlay: id and recording of each.
fn narrated(clips: &[(&str, &str)], body: &str) -> Vec<u8> {
    let pars: String = clips
        .iter()
        .map(|(id, audio)| {
            format!(
                "<par><text src=\"a.xhtml#{id}\"/><audio src=\"{audio}\" clipBegin=\"0s\" clipEnd=\"1s\"/></par>"
            )
        })
        .collect();
    Book::new()
        .chapter_with("a", body, "media-overlay=\"mo\"")
        .item(
            "mo",
            "a.smil",
            "media-type=\"application/smil+xml\"",
            format!("<smil><body>{pars}</body></smil>"),
        )
        .item("s1", "1.wav", "media-type=\"audio/wav\"", wav(1_000))
        .item("s2", "2.wav", "media-type=\"audio/wav\"", wav(1_200))
        .bytes()
}

#[test]
fn a_document_with_a_recording_for_each_paragraph_is_a_story_of_several_pages() {
    let done = imported(
        "b.epub",
        narrated(&[("p1", "1.wav"), ("p2", "2.wav")], "<p id=\"p1\">One.</p><p id=\"p2\">Two.</p>"),
    );
    let story = &done.stories()[0];
    let pages: Vec<(&str, Option<u64>)> =
        story.pages.iter().map(|p| (p.sentences[0].text.as_str(), p.sentences[0].end_ms)).collect();
    assert_eq!(pages, [("One.", Some(1_000)), ("Two.", Some(1_000))]);
    assert_eq!(done.report.count(Level::Exact), 1, "{}", done.report.to_text());
    // Two recordings of one paragraph would show its text twice.
    let done = imported(
        "b.epub",
        narrated(
            &[("s1", "1.wav"), ("s2", "2.wav")],
            "<p><span id=\"s1\">One.</span> <span id=\"s2\">Two.</span></p>",
        ),
    );
    assert_eq!(done.stories().len(), 0);
    assert!(
        done.report.items[0].reasons[0].contains("several recordings"),
        "{}",
        done.report.to_text()
    );
}

#[test]
fn notes_of_a_list_and_of_another_document_are_footnotes_of_the_text() {
    let done = imported(
        "b.epub",
        Book::new()
            .chapter(
                "a",
                "<p>x<a epub:type=\"noteref\" href=\"notes.xhtml#n1\">1</a> \
                 y<sup><a role=\"doc-noteref\" href=\"#n2\">2</a></sup></p>\
                 <section epub:type=\"endnotes\"><ol><li id=\"n2\"><p>Second note.</p></li></ol></section>",
            )
            .chapter("notes", "<h1>Notes</h1><div role=\"doc-endnote\" id=\"n1\"><p>First note.</p></div>")
            .bytes(),
    );
    let sections = done.sections();
    let first = serde_json::to_string(&sections[0].1.blocks).unwrap();
    for text in ["First note.", "Second note."] {
        assert_eq!(first.matches(text).count(), 1, "{first}");
    }
    assert!(!serde_json::to_string(&sections[1].1.blocks).unwrap().contains("First note."));
}

#[test]
fn only_a_statement_that_allows_copies_is_a_licence() {
    for (rights, license) in [
        ("Licensed under Creative Commons BY 4.0", "Licensed under Creative Commons BY 4.0"),
        ("Public domain in the USA.", "Public domain in the USA."),
        ("Copyright 2020. All rights reserved.", carrel_import::UNKNOWN_LICENSE),
        ("", carrel_import::UNKNOWN_LICENSE),
    ] {
        let mut book = Book::new().chapter("a", "<p>x</p>");
        book.metadata.push_str(&format!("<dc:rights>{rights}</dc:rights>"));
        let done = imported("b.epub", book.bytes());
        let ManifestContent::Course { meta, .. } = &done.content else { panic!() };
        assert_eq!(meta.license, license);
        assert!(meta.credits.contains(rights));
    }
}

#[test]
fn every_document_of_the_spine_has_an_item() {
    let mut book =
        Book::new().chapter("a", "<p>x").chapter("empty", "").chapter("gone", "<p>y</p>");
    book.files.retain(|(path, _)| path != "OEBPS/gone.xhtml");
    book.spine.push("nowhere".into());
    let book = book.item("pdf", "x.pdf", "media-type=\"application/pdf\"", "%PDF").file("x", "");
    let mut book = book;
    book.spine.push("pdf".into());
    let done = imported("b.epub", book.bytes());
    let levels: Vec<Level> = done.report.items.iter().map(|item| item.level).collect();
    assert_eq!(
        levels,
        [Level::Exact, Level::Changed, Level::Refused, Level::Refused, Level::Refused]
    );
    assert_eq!(done.sections().len(), 1);
}

#[test]
fn long_documents_are_split_at_their_headings() {
    let text = "<p>Some words about rivers and lakes.</p>".repeat(400);
    let body =
        format!("<h1>Start</h1>{text}<h2>Alpha</h2>{text}<h2>Beta</h2>{text}<h2>Gamma</h2>{text}");
    let done = imported("b.epub", Book::new().chapter("a", &body).bytes());
    let titles: Vec<String> = done.sections().into_iter().map(|(title, _)| title).collect();
    assert_eq!(titles, ["Start", "Alpha", "Beta", "Gamma"]);
}

#[test]
fn obfuscated_fonts_do_not_make_a_book_protected() {
    let encryption = |algorithm: &str| {
        format!(
            "<encryption xmlns=\"urn:oasis:names:tc:opendocument:xmlns:container\" \
             xmlns:enc=\"http://www.w3.org/2001/04/xmlenc#\"><enc:EncryptedData><enc:EncryptionMethod \
             Algorithm=\"{algorithm}\"/></enc:EncryptedData></encryption>"
        )
    };
    for (algorithm, is_readable) in [
        ("http://www.idpf.org/2008/embedding", true),
        ("http://ns.adobe.com/pdf/enc#RC", true),
        ("http://www.w3.org/2001/04/xmlenc#aes256-cbc", false),
    ] {
        let book = Book::new()
            .chapter("a", "<p>x</p>")
            .file("META-INF/encryption.xml", encryption(algorithm));
        let file = support::file("b.epub", book.bytes());
        let result = try_import(&file.path, &Options::default());
        assert_eq!(result.is_ok(), is_readable, "{algorithm}");
        if let Err(failure) = result {
            assert_eq!(failure.problems[0].code, "import-protected");
        }
    }
}

/// Returns the EPUB files in `CARREL_CONTENT`, or else in `shared/content` beside the repository.
fn samples() -> Vec<PathBuf> {
    let root = std::env::var_os("CARREL_CONTENT").map(PathBuf::from);
    let root = root.unwrap_or_else(|| {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/content")
    });
    let mut found = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "epub") {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn sample_books_have_all_their_chapters() {
    let books = samples();
    if books.is_empty() {
        eprintln!("skipped: no EPUB file in CARREL_CONTENT");
    }
    for path in books {
        let done = try_import(&path, &Options::default())
            .unwrap_or_else(|failure| panic!("{path:?}: {:?}", failure.problems));
        assert_eq!(done.report.count(Level::Refused), 0, "{}", done.report.to_text());
    }
}

#[test]
fn a_new_edition_with_other_titles_has_the_same_ids() {
    let ids = |title: &str| {
        let mut book = Book::new()
            .chapter("a", &format!("<h1>{title}</h1><p>{title}</p>"))
            .nav(&format!("<li><a href=\"a.xhtml\">{title}</a></li>"));
        book.metadata = book.metadata.replace("The Book", title);
        let done = imported(&format!("{title}.epub"), book.bytes());
        let ManifestContent::Course { outline, meta } = done.content else { panic!() };
        let lesson = &outline.lessons[0];
        (meta.id, lesson.id.clone(), lesson.sections[0].id.clone())
    };
    assert_eq!(ids("First edition"), ids("Second edition"));
}
