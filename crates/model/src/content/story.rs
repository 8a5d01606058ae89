//! Stories: pages with a picture and a narration, sentences with times, words that open a card.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::block::{AudioRef, ImageRef};
use crate::{BlobHash, ItemId, Slug};

/// A compiled story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Story {
    pub id: Slug,
    pub title: String,
    pub lang: String,
    #[serde(default)]
    pub dir: super::Dir,
    pub level: u8,
    pub pages: Vec<Page>,
    #[serde(default)]
    pub vocabulary: Vec<VocabularyEntry>,
    /// Exercises: `story/quiz` and the compiled `Quiz`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub quiz: Option<StoryQuiz>,
    pub license: String,
    /// Sanitised HTML.
    #[serde(default)]
    pub credits: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StoryQuiz {
    pub id: ItemId,
    pub body: BlobHash,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub image: Option<ImageRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub narration: Option<AudioRef>,
    pub sentences: Vec<Sentence>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Sentence {
    /// Plain text, no markup.
    pub text: String,
    /// True if a new paragraph begins here.
    #[serde(default)]
    pub paragraph: bool,
    /// Where it lies in the page's narration, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub start_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub end_ms: Option<u64>,
    #[serde(default)]
    pub words: Vec<WordSpan>,
}

/// A part of a sentence that opens a vocabulary card. Offsets are in UTF-16 code units, as JavaScript counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct WordSpan {
    pub start: u32,
    pub end: u32,
    /// The id of a `VocabularyEntry` of this story.
    pub word: Slug,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct VocabularyEntry {
    pub id: Slug,
    pub word: String,
    #[serde(default)]
    pub pronunciation: String,
    #[serde(default)]
    pub part_of_speech: String,
    pub meaning: String,
    #[serde(default)]
    pub example: String,
    /// Language tag to translation.
    #[serde(default)]
    pub translations: std::collections::BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub image: Option<ImageRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub audio: Option<AudioRef>,
}
