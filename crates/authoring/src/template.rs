//! Writes a new course or story, which is valid and explains its fields.
//!
//! JSON has no comments: names that start with `$` are ignored by the compiler, so the explanations are `$comment`
//! fields. Not here: the format (docs/PACKAGE.md).

use std::{fs, io, path::Path};

use carrel_model::language_tag::language_tag;
use carrel_package::suggest_slug;

/// What to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateKind {
    Course,
    Story,
}

/// Why no template was written.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("{0} is not empty; hint: give a new or an empty folder")]
    NotEmpty(String),
    #[error("{0} is a file; hint: give a new or an empty folder")]
    NotAFolder(String),
    #[error("{0:?} is not a language tag; hint: {1}")]
    Language(String, String),
    #[error("failed to write {0}: {1}")]
    Write(String, io::Error),
}

const COURSE: &str = r##"{
  "$comment": "Fields that start with $ are notes for authors. All fields: docs/PACKAGE.md.",
  "format": "carrel-course/1",
  "$id": "Never change the id after learners have the course: their progress refers to it.",
  "id": ID,
  "title": TITLE,
  "description": "One or two sentences for the library.",
  "lang": LANG,
  "$difficulty": "BEGINNER, INTERMEDIATE, ADVANCED or EXPERT",
  "difficulty": "BEGINNER",
  "category": "General",
  "tags": [],
  "hours": 1,
  "authors": ["Your name"],
  "$license": "CC0-1.0 gives up all rights; CC-BY-4.0 requires your name.",
  "license": "CC-BY-4.0",
  "vocabulary": "vocabulary.json",
  "lessons": [
    {
      "id": "first",
      "title": "The first lesson",
      "sections": [
        { "id": "read", "type": "TEXT", "title": "Read", "file": "first/read.md", "minutes": 5 },
        { "id": "check", "type": "QUIZ", "title": "Check yourself", "quiz": "first/check.json", "minutes": 5 }
      ]
    }
  ]
}
"##;

const READ: &str = r"<!-- Notes such as this one are not shown to learners. -->

## A heading

A paragraph with **strong** words, *emphasis*, and a word with a [card](word:card).

- A list
- with two entries

A formula in a line, $a^2 + b^2 = c^2$, and one by itself:

$$
\frac{a}{b}
$$

<!-- An image stands alone in its paragraph; the text in [ ] describes it for those who cannot see it:

![A river from above](../media/river.jpg)

A recording: ![Rain](../media/rain.mp3) with its text in ../media/rain.md -->

[To the questions](section:first/check)
";

const CHECK: &str = r##"{
  "format": "carrel-quiz/1",
  "id": "first-check",
  "title": "Check yourself",
  "$attempts": "0: no limit",
  "attempts": 0,
  "$pass": "percent of the points",
  "pass": 60,
  "questions": [
    { "id": "one", "kind": "single", "prompt": "What is **2 + 2**?",
      "choices": [
        { "id": "a", "text": "4", "correct": true },
        { "id": "b", "text": "5", "feedback": "Count again." } ],
      "explanation": "Two and two are four." },
    { "id": "two", "kind": "fill", "$blanks": "each ___ is one list of accepted answers",
      "prompt": "Three and three are ___.", "blanks": [["six", "6"]] }
  ]
}
"##;

const VOCABULARY: &str = r##"{
  "format": "carrel-vocabulary/1",
  "lang": LANG,
  "entries": [
    { "id": "card", "word": "card", "meaning": "A note with the meaning of a word.",
      "$translations": "by language tag", "translations": {} }
  ]
}
"##;

const STORY: &str = r##"{
  "$comment": "Fields that start with $ are notes for authors. All fields: docs/PACKAGE.md.",
  "format": "carrel-story/1",
  "$id": "Never change the id after learners have the story.",
  "id": ID,
  "title": TITLE,
  "lang": LANG,
  "$level": "1 (a few words on a page) to 5",
  "level": 1,
  "description": "One sentence for the library.",
  "authors": ["Your name"],
  "$license": "CC0-1.0 gives up all rights; CC-BY-4.0 requires your name.",
  "license": "CC-BY-4.0"
}
"##;

const STORY_TEXT: &str = r"# TITLE

<!-- Each page starts with a line ##. A page may have one image and one recording:

![A lamp by the sea](01.jpg)
![Narration](01.mp3)

-->

##

The first sentence of the first page. The second sentence.

##

The second page.
";

/// Writes a template to `folder`, which must be empty or new. The id and, without `title`, the title are made from the
/// name of the folder. Returns the paths of the files inside the folder.
pub fn write(
    kind: TemplateKind,
    folder: &Path,
    title: Option<&str>,
    lang: &str,
) -> Result<Vec<&'static str>, TemplateError> {
    let display = folder.display().to_string();
    let lang = language_tag(lang).map_err(|hint| TemplateError::Language(lang.to_owned(), hint))?;
    let failed = |e| TemplateError::Write(display.clone(), e);
    if folder.is_file() {
        return Err(TemplateError::NotAFolder(display));
    }
    fs::create_dir_all(folder).map_err(failed)?;
    if fs::read_dir(folder).map_err(failed)?.next().is_some() {
        return Err(TemplateError::NotEmpty(display));
    }
    let name = folder.canonicalize().map_err(failed)?;
    let name = name.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let title = title.map(one_line).filter(|t| !t.is_empty()).unwrap_or_else(|| title_of(&name));
    let (files, default_id): (&[(&str, &str)], _) = match kind {
        TemplateKind::Course => (
            &[
                ("course.json", COURSE),
                ("vocabulary.json", VOCABULARY),
                ("first/read.md", READ),
                ("first/check.json", CHECK),
            ],
            "new-course",
        ),
        TemplateKind::Story => (&[("story.json", STORY), ("story.md", STORY_TEXT)], "new-story"),
    };
    let id = suggest_slug(&name).unwrap_or_else(|| default_id.to_owned());
    for (file, template) in files {
        let path = folder.join(file);
        let text = if file.ends_with(".json") {
            template
                .replace("LANG,", &format!("{},", json(&lang)))
                .replace("ID,", &format!("{},", json(&id)))
                .replace("TITLE,", &format!("{},", json(&title)))
        } else {
            template.replace("TITLE", &title)
        };
        let failed = |e| TemplateError::Write(path.display().to_string(), e);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        fs::write(&path, text).map_err(failed)?;
    }
    Ok(files.iter().map(|(file, _)| *file).collect())
}

fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn title_of(name: &str) -> String {
    let title = one_line(&name.replace(['-', '_'], " "));
    let mut letters = title.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => "New package".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use carrel_package::{Compiler, Limits, NullSink, Options, find};

    use super::*;

    #[test]
    fn templates_are_valid_without_warnings() {
        let root = tempfile::tempdir().unwrap();
        for (kind, name, title, lang, id, shown) in [
            (
                TemplateKind::Course,
                "How Rivers_work",
                None,
                "en",
                "how-rivers-work",
                "How Rivers work",
            ),
            (TemplateKind::Course, "2", Some("\"Two\" \\ < 3\n"), "pt-br", "2", "\"Two\" \\ < 3"),
            (TemplateKind::Story, "the-lamp", None, "sw", "the-lamp", "The lamp"),
            (TemplateKind::Story, "河", Some("河的故事"), "zh-Hant", "new-story", "河的故事"),
        ] {
            let folder = root.path().join(name);
            let files = write(kind, &folder, title, lang).unwrap();
            assert!(files.iter().all(|file| folder.join(file).is_file()));
            let packages = find(&folder, &Limits::default()).unwrap().packages;
            assert_eq!(packages.len(), 1);
            let compiled = Compiler::new(Options::default()).compile(&packages[0], &mut NullSink);
            let compiled = compiled.unwrap_or_else(|p| panic!("{name}: {p:#?}"));
            assert_eq!(compiled.warnings, [], "{name}");
            assert_eq!((compiled.manifest.id().as_str(), compiled.manifest.title()), (id, shown));
        }
    }

    #[test]
    fn nothing_is_overwritten() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("course.json"), "mine").unwrap();
        let error = write(TemplateKind::Course, root.path(), None, "en").unwrap_err();
        assert!(error.to_string().contains("is not empty"), "{error}");
        let file = root.path().join("course.json");
        let error = write(TemplateKind::Story, &file, None, "en").unwrap_err();
        assert!(error.to_string().contains("is a file"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
        let error =
            write(TemplateKind::Story, &root.path().join("a"), None, "english").unwrap_err();
        assert!(error.to_string().ends_with("hint: write \"en\""), "{error}");
        assert!(!root.path().join("a").exists());
        fs::create_dir(root.path().join("empty")).unwrap();
        assert!(write(TemplateKind::Story, &root.path().join("empty"), None, "en").is_ok());
    }
}
