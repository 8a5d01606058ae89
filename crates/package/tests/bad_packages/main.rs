//! Tests that each kind of invalid package is reported with its code, file and line, and that no blob is written. One
//! module per subject.

mod course_json;
mod files;
mod media;
mod quizzes;
mod stories;
#[path = "../support/mod.rs"]
mod support;
mod texts;
mod warnings;

use support::{Tree, compile_tree, course, story};

/// Name, change to the package, and code, file and line of a problem that must be reported.
type Case = (&'static str, fn(&mut Tree), &'static str, &'static str, u32);

/// Returns all cases with an error.
fn cases() -> impl Iterator<Item = &'static Case> {
    let subjects = [
        course_json::CASES,
        files::CASES,
        texts::CASES,
        media::CASES,
        quizzes::CASES,
        stories::CASES,
    ];
    subjects.into_iter().flatten()
}

#[test]
fn unmodified_course_is_valid() {
    let (compiled, _) = compile_tree(&course()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert!(compiled.warnings.is_empty(), "{:#?}", compiled.warnings);
    let (compiled, _) = compile_tree(&story()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert!(compiled.warnings.is_empty(), "{:#?}", compiled.warnings);
}

#[test]
fn each_problem_has_its_code_file_and_line() {
    assert!(cases().count() >= 40);
    let mut failures = Vec::new();
    for (name, change, code, file, line) in cases() {
        let mut tree = course();
        change(&mut tree);
        let result = compile_tree(&tree);
        if code.is_empty() {
            // Text that resembles a footnote reference, without a note, is plain text.
            assert!(result.is_ok(), "{name}: {:#?}", result.map(|_| ()).unwrap_err());
            continue;
        }
        let problems = match result {
            Ok(_) => {
                failures.push(format!("{name}: compiled without errors"));
                continue;
            }
            Err(problems) => problems,
        };
        let is_reported = problems.iter().any(|p| {
            p.is_error()
                && p.code == *code
                && p.line == *line
                && (file.is_empty() || p.file == *file)
        });
        if !is_reported {
            let list: Vec<_> = problems.iter().map(ToString::to_string).collect();
            failures.push(format!("{name}: no {file}:{line}: {code} in\n  {}", list.join("\n  ")));
        }
        for problem in &problems {
            assert!(
                !problem.message.contains('\n') && !problem.hint.contains('\n'),
                "{name}: {problem}"
            );
            let text = problem.to_string();
            assert!(!text.contains(env!("CARGO_MANIFEST_DIR")), "{name}: {problem}");
            for word in
                ["Borrowed(", "Inlined(", "Boxed(", "Owned(", "Some(", "None", "Ok(", "Err("]
            {
                assert!(!text.contains(word), "{name}: {problem}");
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn package_docs_list_every_code() {
    let page = include_str!("../../../../docs/PACKAGE.md");
    for (name, _, code, ..) in cases() {
        assert!(
            code.is_empty() || page.contains(&format!("`{code}`")),
            "{name}: {code} is not in docs/PACKAGE.md"
        );
    }
}

#[test]
fn all_problems_are_reported_sorted() {
    let mut tree = course();
    tree.edit("course.json", "\"lang\": \"en\"", "\"lang\": \"english language\"")
        .edit("course.json", "BEGINNER", "EASY")
        .edit("one/read.md", "word:bend", "word:none")
        .edit("one/read.md", "$a^2$", "$\\frac{1}$")
        .edit("one/check.json", "\"pass\": 60", "\"pass\": 600")
        .edit("stories/tale/story.md", "word:lamp", "word:none")
        .put("media/rain.vtt", "x")
        .remove("media/square.png");
    let problems = compile_tree(&tree).map(|_| ()).unwrap_err();
    let found: Vec<_> = problems.iter().map(|p| (p.file.as_str(), p.line, p.code)).collect();
    assert_eq!(
        found,
        [
            ("course.json", 6, "bad-lang"),
            ("course.json", 7, "bad-value"),
            ("media/rain.vtt", 1, "captions"),
            ("one/check.json", 5, "bad-value"),
            ("one/read.md", 3, "maths"),
            ("one/read.md", 3, "word-unknown"),
            ("one/read.md", 5, "missing-file"),
            ("stories/tale/story.md", 7, "word-unknown"),
        ]
    );
    assert_eq!(
        problems[0].to_string(),
        "course.json:6: error[bad-lang]: \"lang\" is \"english language\", which is not a language tag; write \"en\""
    );
}
