//! The converted course in memory, in the terms of packages (docs/PACKAGE.md): `write` writes it to a folder, `repair`
//! replaces what the compiler refuses.
//!
//! Each part knows the item of the report that it came from, so that a problem of the compiler is reported there.

pub(crate) mod media;
pub(crate) mod repair;
pub(crate) mod write;

use serde_json::Value;

use crate::report::Report;

/// Index of an item in the report.
pub(crate) type ItemIndex = usize;

/// A course to write.
#[derive(Debug, Default)]
pub(crate) struct Course {
    pub id: String,
    pub title: String,
    /// BCP 47 tag.
    pub lang: String,
    pub description: String,
    pub authors: Vec<String>,
    /// Licence that the file states; may be empty.
    pub license: String,
    /// Markdown.
    pub credits: String,
    pub category: String,
    /// Path of the image of the cover, and its alternative text.
    pub cover: Option<(String, String)>,
    pub lessons: Vec<Lesson>,
    pub words: Vec<Word>,
    pub stories: Vec<Story>,
}

#[derive(Debug, Default)]
pub(crate) struct Lesson {
    pub id: String,
    pub title: String,
    pub sections: Vec<Section>,
}

#[derive(Debug)]
pub(crate) struct Section {
    pub id: String,
    pub title: String,
    pub lang: Option<String>,
    pub content: SectionContent,
}

#[derive(Debug)]
pub(crate) enum SectionContent {
    Text(Vec<Block>),
    Quiz(Quiz),
}

/// A part of a text.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub markdown: String,
    /// The same as plain text, if the compiler refuses the Markdown.
    pub plain: String,
    pub item: ItemIndex,
}

#[derive(Debug, Default)]
pub(crate) struct Quiz {
    pub shuffle: bool,
    pub questions: Vec<WrittenQuestion>,
}

/// A question as it is written to the quiz file.
#[derive(Debug)]
pub(crate) struct WrittenQuestion {
    pub json: Value,
    /// The question with its formulas as text, if the compiler refuses a formula.
    pub without_formulas: Option<Value>,
    /// The question as a text, if the compiler refuses the question.
    pub text: Block,
}

/// An entry of the vocabulary.
#[derive(Debug, Default)]
pub(crate) struct Word {
    pub id: String,
    pub word: String,
    pub pronunciation: String,
    pub part_of_speech: String,
    pub meaning: String,
    pub example: String,
    /// Paths of media.
    pub image: Option<String>,
    pub audio: Option<String>,
    pub item: ItemIndex,
}

/// A story inside of the course, for text with narration.
#[derive(Debug, Default)]
pub(crate) struct Story {
    pub id: String,
    pub title: String,
    pub pages: Vec<StoryPage>,
    pub item: ItemIndex,
}

#[derive(Debug, Default)]
pub(crate) struct StoryPage {
    /// Paths of media, and the alternative text of the image.
    pub image: Option<(String, String)>,
    pub narration: Option<String>,
    /// Plain text.
    pub paragraphs: Vec<String>,
    /// Start and end of each sentence in milliseconds; empty if they are not known.
    pub cues: Vec<(u64, u64)>,
}

/// A course with the report of its import.
pub(crate) struct Draft {
    pub course: Course,
    pub report: Report,
}
