//! A small course and a small story, written as packages.
//!
//! Not here: invalid packages (`carrel-package`).

use std::{fs, io, path::Path};

use carrel_model::{ItemId, Slug};
use serde_json::json;

/// The id of the course.
pub const COURSE: &str = "rivers";
/// The id of the story.
pub const STORY: &str = "lamp";
/// The lessons, each with the same sections.
pub const LESSONS: [&str; 3] = ["source", "bend", "mouth"];
/// The sections of each lesson: text, text with media, activity, quiz.
pub const SECTIONS: [&str; 4] = ["read", "hear", "try", "check"];
/// The vocabulary of the course.
pub const WORDS: [&str; 6] = ["meander", "delta", "spring", "silt", "ford", "eddy"];
/// The questions of each quiz.
pub const QUESTIONS: [&str; 3] = ["fast", "both", "name"];

pub fn course() -> Slug {
    Slug::new(COURSE).expect("a valid slug")
}
pub fn story() -> Slug {
    Slug::new(STORY).expect("a valid slug")
}
/// Returns `course/lesson/section` for all sections, in order.
pub fn sections() -> Vec<ItemId> {
    let of = |lesson: &&str| SECTIONS.map(|s| item(&format!("{COURSE}/{lesson}/{s}")));
    LESSONS.iter().flat_map(of).collect()
}
/// Returns `course/word` for all words.
pub fn words() -> Vec<ItemId> {
    WORDS.iter().map(|w| item(&format!("{COURSE}/{w}"))).collect()
}
/// Parses an item id. Panics if it is invalid.
pub fn item(text: &str) -> ItemId {
    ItemId::new(text).expect("a valid item id")
}

/// Writes both packages below `dir`, each in a folder named by its id.
pub fn write_library(dir: &Path) -> io::Result<()> {
    write_course(&dir.join(COURSE), COURSE, "Rivers")?;
    write_story(&dir.join(STORY), STORY, "The Lamp")
}

/// Writes a course with three lessons of four sections: text, audio and image, activity, quiz.
pub fn write_course(dir: &Path, id: &str, title: &str) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let lessons = LESSONS.map(|lesson| {
        json!({ "id": lesson, "title": format!("The {lesson}"), "sections": [
            { "id": "read", "type": "TEXT", "title": "Read", "file": format!("{lesson}/read.md"), "minutes": 3 },
            { "id": "hear", "type": "TEXT", "title": "Hear", "file": format!("{lesson}/hear.md") },
            { "id": "try", "type": "ACTIVITY", "title": "Try", "file": format!("{lesson}/try.md") },
            { "id": "check", "type": "QUIZ", "title": "Check", "quiz": format!("{lesson}/check.json") },
        ] })
    });
    let course = json!({
        "format": "carrel-course/1", "id": id, "title": title, "description": "How water finds its way.", "lang": "en",
        "difficulty": "BEGINNER", "category": "Geography", "license": "CC0-1.0", "vocabulary": "vocabulary.json", "lessons": lessons,
        "cover": { "color": "#28505a", "ornament": "waves" },
    });
    write_json(&dir.join("course.json"), &course)?;
    let entries =
        WORDS.map(|w| json!({ "id": w, "word": w, "meaning": format!("What a {w} is.") }));
    write_json(
        &dir.join("vocabulary.json"),
        &json!({ "format": "carrel-vocabulary/1", "lang": "en", "entries": entries }),
    )?;
    for lesson in LESSONS {
        let folder = dir.join(lesson);
        fs::create_dir_all(&folder)?;
        let text = format!(
            "# The {lesson}\n\nWater runs downhill. A [meander](word:meander) bends.\n\n$$ v = \\frac{{d}}{{t}} $$\n"
        );
        fs::write(folder.join("read.md"), text)?;
        fs::write(
            folder.join("hear.md"),
            "Listen.\n\n![A stream](stream.wav)\n\n![A map of the stream](map.png)\n",
        )?;
        fs::write(folder.join("stream.wav"), wav(lesson.len() as u8))?;
        fs::write(folder.join("stream.md"), "Water over stones.\n")?;
        fs::write(folder.join("map.png"), PNG)?;
        fs::write(folder.join("try.md"), "Pour water on sand and watch.\n")?;
        write_json(&folder.join("check.json"), &quiz(&format!("{lesson}-check")))?;
    }
    Ok(())
}

/// Writes a story of three pages.
pub fn write_story(dir: &Path, id: &str, title: &str) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let story = json!({
        "format": "carrel-story/1", "id": id, "title": title, "lang": "en", "level": 1, "license": "CC0-1.0",
        "cover": { "color": "#5b2f55", "ornament": "star" },
    });
    write_json(&dir.join("story.json"), &story)?;
    let pages = [
        "She climbs. The stairs are old.",
        "The lamp is out. She lights it.",
        "A boat turns to the light.",
    ];
    let mut text = format!("# {title}\n");
    for page in pages {
        text.push_str(&format!("\n##\n\n{page}\n"));
    }
    fs::write(dir.join("story.md"), text)
}

fn quiz(id: &str) -> serde_json::Value {
    json!({ "format": "carrel-quiz/1", "id": id, "title": "Check yourself", "attempts": 0, "pass": 60, "questions": [
        { "id": "fast", "kind": "single", "prompt": "Where is the water fastest?", "choices": [
            { "id": "out", "text": "Outside", "correct": true }, { "id": "in", "text": "Inside" } ] },
        { "id": "both", "kind": "multiple", "prompt": "Which are true?", "points": 2, "choices": [
            { "id": "a", "text": "One", "correct": true }, { "id": "b", "text": "Two", "correct": true }, { "id": "c", "text": "Three" } ] },
        { "id": "name", "kind": "fill", "prompt": "A cut-off bend is an ___ lake.", "blanks": [["oxbow", "ox-bow"]] },
    ] })
}

fn write_json(path: &Path, value: &serde_json::Value) -> io::Result<()> {
    fs::write(path, serde_json::to_vec_pretty(value)?)
}

/// Returns a WAV file with half a second of a tone: 8 kHz, 16 bit, mono.
fn wav(pitch: u8) -> Vec<u8> {
    const SAMPLES: u32 = 4_000;
    let mut bytes = Vec::with_capacity(44 + SAMPLES as usize * 2);
    bytes.extend_from_slice(b"RIFF");
    bytes.extend_from_slice(&(36 + SAMPLES * 2).to_le_bytes());
    bytes.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    bytes.extend_from_slice(&8_000_u32.to_le_bytes());
    bytes.extend_from_slice(&16_000_u32.to_le_bytes());
    bytes.extend_from_slice(b"\x02\0\x10\0data");
    bytes.extend_from_slice(&(SAMPLES * 2).to_le_bytes());
    for n in 0..SAMPLES {
        let high = n / u32::from(pitch.max(1)) % 2 == 0;
        bytes.extend_from_slice(&(if high { 900_i16 } else { -900 }).to_le_bytes());
    }
    bytes
}

/// A PNG of one grey pixel.
const PNG: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52,
    0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x00, 0x00, 0x00, 0x3a, 0x7e, 0x9b,
    0x55, 0x00, 0x00, 0x00, 0x0a, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0x68, 0x00, 0x00, 0x00,
    0x82, 0x00, 0x81, 0xda, 0x45, 0x08, 0x3b, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae,
    0x42, 0x60, 0x82,
];
