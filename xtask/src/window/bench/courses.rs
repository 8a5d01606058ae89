//! Generates a library of 1,000 small courses as packages (docs/PACKAGE.md).

use std::path::Path;

use serde_json::{Value, json};

use crate::sh::{self, Result};

/// Number of courses in the library.
pub const COUNT: usize = 1_000;
/// Id of the course with enough sections for the measurement of finished sections.
pub const LONG_COURSE: &str = "one-hundred-twenty-pages";
/// Lessons of [`LONG_COURSE`], and sections per lesson.
const LONG_COURSE_SIZE: (usize, usize) = (12, 10);

const SUBJECTS: &[&str] = &[
    "Rivers",
    "Fractions",
    "Poems",
    "Volcanoes",
    "Bridges",
    "Grammar",
    "Insects",
    "Maps",
    "Rhythm",
    "Light",
    "Trade",
    "Cells",
    "Stars",
    "Letters",
    "Engines",
    "Soil",
    "Rights",
    "Angles",
];
const TITLE_PREFIXES: &[&str] = &[
    "An Introduction to",
    "A Short History of",
    "Working with",
    "The Language of",
    "Looking at",
    "How to Draw",
    "Measuring",
    "Stories about",
    "Questions on",
];
const CATEGORIES: &[&str] = &["Geography", "Mathematics", "Language", "Science", "History"];
const LEVELS: &[&str] = &["BEGINNER", "INTERMEDIATE", "ADVANCED"];
const PARAGRAPH: &str = "A section has a few sentences in each paragraph, with *emphasis* on some of the \
    words, and a list with two items. All sections of the library contain this text.\n";

/// Writes [`COUNT`] courses to `folder`, one of them [`LONG_COURSE`].
pub fn write(folder: &Path) -> Result {
    for n in 1..COUNT {
        let title = format!(
            "{} {} {}",
            TITLE_PREFIXES[n % TITLE_PREFIXES.len()],
            SUBJECTS[n / TITLE_PREFIXES.len() % SUBJECTS.len()],
            n / (TITLE_PREFIXES.len() * SUBJECTS.len()) + 1
        );
        course(&folder.join(format!("course-{n}")), &format!("course-{n}"), &title, n, (2, 2))?;
    }
    course(
        &folder.join(LONG_COURSE),
        LONG_COURSE,
        "One Hundred and Twenty Pages",
        0,
        LONG_COURSE_SIZE,
    )
}

fn course(
    folder: &Path,
    id: &str,
    title: &str,
    n: usize,
    (lessons, sections): (usize, usize),
) -> Result {
    let section = |lesson: usize, section: usize| -> Value {
        json!({
            "id": format!("part-{section}"), "type": "TEXT", "minutes": 3,
            "title": format!("Page {section} of lesson {lesson}"),
            "file": format!("{lesson}-{section}.md"),
        })
    };
    let lesson = |lesson: usize| -> Value {
        let sections: Vec<Value> = (1..=sections).map(|n| section(lesson, n)).collect();
        json!({ "id": format!("lesson-{lesson}"), "title": format!("Lesson {lesson}"), "sections": sections })
    };
    let course = json!({
        "format": "carrel-course/1", "id": id, "title": title, "lang": "en", "license": "CC0-1.0",
        "description": "A course of a large library.",
        "difficulty": LEVELS[n % LEVELS.len()], "category": CATEGORIES[n % CATEGORIES.len()], "hours": 1,
        "lessons": (1..=lessons).map(lesson).collect::<Vec<_>>(),
    });
    sh::write_if_changed(&folder.join("course.json"), &course.to_string())?;
    for lesson in 1..=lessons {
        for section in 1..=sections {
            let text = format!(
                "{title}, lesson {lesson}.\n\n{PARAGRAPH}\n## A list of items\n\n- item of lesson {lesson}\n- item of page {section}\n\n{}",
                format!("{PARAGRAPH}\n").repeat(4)
            );
            sh::write_if_changed(&folder.join(format!("{lesson}-{section}.md")), &text)?;
        }
    }
    Ok(())
}
