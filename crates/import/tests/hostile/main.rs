//! Broken and hostile files of all formats: each is refused with its code, or imported with the level of each item.

mod books;
mod decks;
mod questions;
#[path = "../support/mod.rs"]
mod support;

use carrel_import::{Format, Level, Options};
use support::import_as;

enum Expected {
    /// The code of the first problem of the file.
    Code(&'static str),
    /// The levels of the items.
    Items(&'static [Level]),
}
use Expected::{Code, Items};

type Row = (&'static str, Format, Vec<u8>, Expected);

fn check(rows: Vec<Row>) {
    let mut wrong = Vec::new();
    for (what, format, bytes, expected) in rows {
        let extension = match format {
            Format::Gift => "gift",
            Format::Aiken => "txt",
            Format::MoodleXml => "xml",
            Format::Anki => "apkg",
            Format::Epub => "epub",
        };
        let file = support::file(&format!("file.{extension}"), &bytes);
        let result = import_as(&file.path, format, &Options::default());
        let found = match &result {
            Ok(done) => {
                format!("{:?}", done.report.items.iter().map(|i| i.level).collect::<Vec<_>>())
            }
            Err(failure) => failure.problems[0].code.to_owned(),
        };
        let wanted = match expected {
            Code(code) => code.to_owned(),
            // Any levels, but the file must be imported.
            Items([]) if result.is_ok() => found.clone(),
            Items(levels) => format!("{levels:?}"),
        };
        if found != wanted {
            let detail = match &result {
                Ok(done) => done.report.to_text(),
                Err(failure) => format!("{:?}", failure.problems),
            };
            wrong.push(format!("{what} ({format:?}): {found}, not {wanted}\n{detail:.600}"));
        }
        if let Ok(done) = &result {
            let html = done.html();
            for part in ["<script", "javascript:", "onerror", "onclick", "<iframe", "root:x"] {
                assert!(!html.contains(part), "{what}: {part}");
            }
            for item in done.report.items.iter().filter(|item| item.level != Level::Exact) {
                assert!(!item.reasons.is_empty(), "{what}: {item:?}");
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn broken_and_hostile_question_files_are_reported() {
    check(questions::rows());
}

#[test]
fn broken_and_hostile_anki_packages_are_reported() {
    check(decks::rows());
}

#[test]
fn broken_and_hostile_books_are_reported() {
    check(books::rows());
}
