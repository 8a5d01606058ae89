//! Stories: pages with an image and a narration, sentences with times, words linked to vocabulary cards.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::block::{AudioRef, ImageRef};
use crate::{BlobHash, ItemId, Slug};

/// A compiled story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Story {
    /// Id of the story.
    pub id: Slug,
    /// Title for display.
    pub title: String,
    /// BCP 47 language tag.
    pub lang: String,
    /// Writing direction of the text.
    #[serde(default)]
    pub dir: super::Dir,
    /// Reading level, 1 to 5.
    pub level: u8,
    /// Pages in order.
    pub pages: Vec<Page>,
    /// Entries for the words that have a card.
    #[serde(default)]
    pub vocabulary: Vec<VocabularyEntry>,
    /// The quiz of the story.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub quiz: Option<StoryQuiz>,
    /// SPDX identifier or name of the licence.
    pub license: String,
    /// Sanitised HTML.
    #[serde(default)]
    pub credits: String,
}

/// The quiz of a story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StoryQuiz {
    /// `story/quiz`.
    pub id: ItemId,
    /// Hash of the compiled `Quiz`.
    pub body: BlobHash,
}

/// A page of a story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    /// Illustration of the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub image: Option<ImageRef>,
    /// Narration of the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub narration: Option<AudioRef>,
    /// Sentences in order.
    pub sentences: Vec<Sentence>,
    /// Set if the times of the sentences are estimated from the recording: percentage of the sentences that begin after
    /// a pause, 0 to 100. Otherwise an author wrote the times, or there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub timing_confidence: Option<u8>,
}

/// A sentence of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Sentence {
    /// Plain text, no markup.
    pub text: String,
    /// True if this sentence starts a paragraph.
    #[serde(default)]
    pub paragraph: bool,
    /// Start within the page's narration in milliseconds, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub start_ms: Option<u64>,
    /// End within the page's narration in milliseconds, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub end_ms: Option<u64>,
    /// Parts of the text that have a vocabulary card.
    #[serde(default)]
    pub words: Vec<WordSpan>,
}

/// A part of a sentence that opens a vocabulary card. Offsets are in UTF-16 code units, as in JavaScript.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct WordSpan {
    /// First code unit.
    pub start: u32,
    /// Code unit after the last one.
    pub end: u32,
    /// Id of a `VocabularyEntry` of this story.
    pub word: Slug,
}

/// A vocabulary card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct VocabularyEntry {
    /// Id of the word within the course or story.
    pub id: Slug,
    /// The word for display.
    pub word: String,
    /// Pronunciation as written by the author, usually IPA; may be empty.
    #[serde(default)]
    pub pronunciation: String,
    /// For example "noun"; may be empty.
    #[serde(default)]
    pub part_of_speech: String,
    /// Definition in the language of the content.
    pub meaning: String,
    /// Example sentence; may be empty.
    #[serde(default)]
    pub example: String,
    /// Translations by BCP 47 language tag.
    #[serde(default)]
    pub translations: std::collections::BTreeMap<String, String>,
    /// Difficulty, 1 to 5, as the level of a story; missing: that of its story or course.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub level: Option<u8>,
    /// Occurrences in a million words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub frequency: Option<u32>,
    /// Image for the card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub image: Option<ImageRef>,
    /// Recording of the word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub audio: Option<AudioRef>,
}
