//! Writes a course as a package. Each question and each word is one line of its file, and each block of a text is a
//! range of lines, so that the lines of the compiler's problems lead back to the items of the report.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Map, Value, json};

use super::{Block, Course, Lesson, Quiz, Section, SectionContent, Story, Word};
use crate::error::{Refusal, Result};
use crate::report::Report;
use crate::text::escape::{escaped, plain_field};

/// Licence of a course whose file states none.
pub const UNKNOWN_LICENSE: &str = "unknown (imported)";

/// Name of the file with the report.
pub(crate) const SOURCE_FILE: &str = "source.json";
/// Name of the file with the words.
pub(crate) const VOCABULARY_FILE: &str = "vocabulary.json";

/// Number of the line of the first question or word of its file.
pub(crate) const FIRST_LINE: u32 = 2;

/// Returns the file of a section, relative to the package.
pub(crate) fn section_file(lesson: &Lesson, section: &Section) -> String {
    let extension = match section.content {
        SectionContent::Text(_) => "md",
        SectionContent::Quiz(_) => "json",
    };
    format!("{}--{}.{extension}", lesson.id, section.id)
}

/// Writes all files but the media. `broken` are the media that must not be used.
pub(crate) fn write(
    root: &Path,
    course: &Course,
    report: &Report,
    broken: &BTreeSet<String>,
) -> Result<()> {
    let mut lessons = Vec::new();
    for lesson in &course.lessons {
        let mut sections = Vec::new();
        for section in &lesson.sections {
            let file = section_file(lesson, section);
            let mut fields = Map::new();
            fields.insert("id".into(), json!(section.id));
            fields.insert("title".into(), json!(title(&section.title)));
            if let Some(lang) = &section.lang {
                fields.insert("lang".into(), json!(lang));
            }
            match &section.content {
                SectionContent::Text(blocks) => {
                    fs::write(root.join(&file), text(blocks, broken).0)?;
                    fields.insert("type".into(), json!("TEXT"));
                    fields.insert("file".into(), json!(file));
                    fields.insert("minutes".into(), json!(minutes(blocks)));
                }
                SectionContent::Quiz(quiz) => {
                    fs::write(root.join(&file), quiz_json(lesson, section, quiz, broken))?;
                    fields.insert("type".into(), json!("QUIZ"));
                    fields.insert("quiz".into(), json!(file));
                    fields.insert("minutes".into(), json!(quiz.questions.len().clamp(1, 600)));
                }
            }
            sections.push(Value::Object(fields));
        }
        lessons
            .push(json!({ "id": lesson.id, "title": title(&lesson.title), "sections": sections }));
    }
    let mut main = json!({
        "format": "carrel-course/1",
        "id": course.id,
        "title": title(&course.title),
        "description": plain_field(&course.description, 1_000),
        "lang": course.lang,
        "difficulty": "INTERMEDIATE",
        "category": plain_field(&course.category, 100),
        "authors": course.authors.iter().map(|a| plain_field(a, 200)).collect::<Vec<_>>(),
        "license": match course.license.trim() {
            "" => UNKNOWN_LICENSE.to_owned(),
            license => plain_field(license, 200),
        },
        "credits": course.credits,
        "lessons": lessons,
    });
    if let Some((path, alt)) = course.cover.as_ref().filter(|(path, _)| !broken.contains(path)) {
        let alt = if alt.trim().is_empty() { &course.title } else { alt };
        main["cover"] = json!({ "image": path, "alt": plain_field(alt, 500) });
    }
    if !course.words.is_empty() {
        fs::write(root.join(VOCABULARY_FILE), vocabulary(course, broken))?;
        main["vocabulary"] = json!(VOCABULARY_FILE);
    }
    if !course.stories.is_empty() {
        let folders: Vec<String> =
            course.stories.iter().map(|s| format!("stories/{}", s.id)).collect();
        main["stories"] = json!(folders);
        for story in &course.stories {
            write_story(root, course, story, broken)?;
        }
    }
    fs::write(root.join("course.json"), pretty(&main)?)?;
    fs::write(root.join(SOURCE_FILE), pretty(report)?)?;
    Ok(())
}

fn pretty(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string_pretty(value)
        .map_err(|e| Refusal::new("internal", e.to_string(), "report this error with the file"))
}

/// Returns a title that is not empty.
fn title(text: &str) -> String {
    match plain_field(text, 200) {
        text if text.is_empty() => "…".to_owned(),
        text => text,
    }
}

/// Returns the minutes for reading a text.
fn minutes(blocks: &[Block]) -> u64 {
    let letters: usize = blocks.iter().map(|block| block.plain.chars().count()).sum();
    (letters as u64 / 1_000).clamp(1, 600)
}

/// Returns the Markdown of a text, and the first line of each block.
pub(crate) fn text(blocks: &[Block], broken: &BTreeSet<String>) -> (String, Vec<u32>) {
    let (mut out, mut starts, mut line) = (String::new(), Vec::new(), 1);
    for block in blocks {
        if !out.is_empty() {
            out.push_str("\n\n");
            line += 2;
        }
        starts.push(line);
        let markdown = without_media(&block.markdown, broken);
        line += markdown.matches('\n').count() as u32;
        out.push_str(&markdown);
    }
    out.push('\n');
    (out, starts)
}

/// Replaces the lines of media that must not be used by their alternative text.
fn without_media(markdown: &str, broken: &BTreeSet<String>) -> String {
    if broken.is_empty() || !markdown.contains("](<") {
        return markdown.to_owned();
    }
    let lines: Vec<String> = markdown
        .lines()
        .map(|line| {
            let Some((before, rest)) = line.split_once("![") else { return line.to_owned() };
            let Some((alt, target)) = rest.split_once("](<") else { return line.to_owned() };
            let path = target.split('>').next().unwrap_or_default();
            if broken.contains(path.trim_start_matches("../")) {
                format!("{before}({alt})")
            } else {
                line.to_owned()
            }
        })
        .collect();
    lines.join("\n")
}

fn quiz_json(lesson: &Lesson, section: &Section, quiz: &Quiz, broken: &BTreeSet<String>) -> String {
    let head = json!({
        "format": "carrel-quiz/1",
        "id": quiz_id(lesson, section),
        "title": title(&section.title),
        "shuffle": quiz.shuffle,
    });
    let lines = quiz.questions.iter().map(|q| without_fields(&q.json, broken).to_string());
    with_lines(&head, "questions", lines)
}

/// Returns the id of a quiz; ids of quizzes are unique in a course.
fn quiz_id(lesson: &Lesson, section: &Section) -> String {
    crate::ids::id_of(&section.id, &format!("{}/{}", lesson.id, section.id))
}

fn vocabulary(course: &Course, broken: &BTreeSet<String>) -> String {
    let head = json!({ "format": "carrel-vocabulary/1", "lang": course.lang });
    let lines = course.words.iter().map(|word| word_json(word, broken).to_string());
    with_lines(&head, "entries", lines)
}

fn word_json(word: &Word, broken: &BTreeSet<String>) -> Value {
    let mut fields = json!({ "id": word.id, "word": word.word, "meaning": word.meaning });
    for (key, text) in [
        ("pronunciation", &word.pronunciation),
        ("partOfSpeech", &word.part_of_speech),
        ("example", &word.example),
    ] {
        if !text.is_empty() {
            fields[key] = json!(text);
        }
    }
    if let Some(image) = &word.image {
        fields["image"] = json!(image);
        fields["alt"] = json!(plain_field(&word.word, 300));
    }
    if let Some(audio) = &word.audio {
        fields["audio"] = json!(audio);
    }
    without_fields(&fields, broken)
}

/// Removes the media of a question or word that must not be used.
fn without_fields(value: &Value, broken: &BTreeSet<String>) -> Value {
    let mut value = value.clone();
    if let Value::Object(fields) = &mut value {
        for key in ["image", "audio"] {
            let is_broken =
                fields.get(key).and_then(Value::as_str).is_some_and(|path| broken.contains(path));
            if is_broken {
                fields.remove(key);
                if key == "image" {
                    fields.remove("alt");
                }
            }
        }
    }
    value
}

/// Returns a JSON document whose first line has all fields but the list, followed by one line for each entry.
fn with_lines(head: &Value, key: &str, lines: impl Iterator<Item = String>) -> String {
    let head = head.to_string();
    let lines: Vec<String> = lines.collect();
    format!("{},\"{key}\":[\n{}\n]}}\n", &head[..head.len() - 1], lines.join(",\n"))
}

fn write_story(
    root: &Path,
    course: &Course,
    story: &Story,
    broken: &BTreeSet<String>,
) -> Result<()> {
    let folder = root.join("stories").join(&story.id);
    fs::create_dir_all(&folder)?;
    let license = if course.license.trim().is_empty() { UNKNOWN_LICENSE } else { &course.license };
    let main = json!({
        "format": "carrel-story/1",
        "id": story.id,
        "title": title(&story.title),
        "lang": course.lang,
        "level": 3,
        "authors": course.authors.iter().map(|a| plain_field(a, 200)).collect::<Vec<_>>(),
        "license": plain_field(license, 200),
    });
    fs::write(folder.join("story.json"), pretty(&main)?)?;
    let mut text = format!("# {}\n", escaped(&title(&story.title)));
    for (number, page) in story.pages.iter().enumerate() {
        text.push_str("\n##\n");
        if let Some((path, alt)) = page.image.as_ref().filter(|(path, _)| !broken.contains(path)) {
            let alt = if alt.trim().is_empty() { "decorative" } else { alt };
            text.push_str(&format!("![{}](<../../{path}>)\n\n", escaped(&plain_field(alt, 500))));
        }
        if let Some(path) = page.narration.as_ref().filter(|path| !broken.contains(*path)) {
            // The times belong to the file beside the recording, and a recording may be on several pages.
            let extension = path.rsplit('.').next().unwrap_or("bin");
            let name = format!("{:03}.{extension}", number + 1);
            fs::copy(root.join(path), folder.join(&name))?;
            text.push_str(&format!("![Narration](<{name}>)\n\n"));
            if !page.cues.is_empty() {
                let cues = folder.join(format!("{:03}.vtt", number + 1));
                fs::write(cues, vtt(&page.cues))?;
            }
        }
        for paragraph in &page.paragraphs {
            text.push_str(&format!("{}\n\n", escaped(paragraph).replace('\n', " ")));
        }
    }
    fs::write(folder.join("story.md"), text)?;
    Ok(())
}

fn vtt(cues: &[(u64, u64)]) -> String {
    let time = |ms: u64| {
        let (h, m, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
        format!("{h:02}:{m:02}:{s:02}.{:03}", ms % 1000)
    };
    let mut out = String::from("WEBVTT\n");
    for (start, end) in cues {
        out.push_str(&format!("\n{} --> {}\n-\n", time(*start), time(*end)));
    }
    out
}
