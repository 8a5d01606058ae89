//! Types of the reading commands: sections, stories, words, progress, study time.
//!
//! Not here: outlines of courses (`library`).

use carrel_model::{
    BlobHash, ItemId,
    content::{SectionBody, SectionType, Story, VocabularyEntry},
};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::library::Freshness;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ItemRef {
    pub item: ItemId,
}

/// A section, ready to be displayed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SectionPage {
    pub item: ItemId,
    #[serde(rename = "type")]
    pub section_type: SectionType,
    pub title: String,
    pub minutes: u32,
    pub course_title: String,
    pub lesson_title: String,
    /// From 1.
    pub lesson_number: u32,
    pub lesson_count: u32,
    pub body: SectionBody,
    /// The quiz of a QUIZ or ASSESSMENT: `course/quiz` and the compiled blob.
    pub quiz: Option<QuizRef>,
    pub progress: ItemProgress,
    pub previous: Option<Neighbour>,
    pub next: Option<Neighbour>,
    pub freshness: Freshness,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct QuizRef {
    pub quiz: ItemId,
    pub body: BlobHash,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Neighbour {
    pub item: ItemId,
    pub title: String,
    pub lesson_title: String,
}

/// A learner's progress in a section, story or recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ItemProgress {
    /// Hundredths of a percent, 0 to 10,000.
    pub percent: u16,
    pub done: bool,
    /// Last position, for example `p3.s2`, `b7`, `t61500`.
    pub pos: Option<String>,
    /// Name of the other device that wrote `pos`; empty if it was this one. The UI offers a newer position and does
    /// not jump to it.
    pub pos_device: String,
    pub pos_at_ms: i64,
    /// Not yet accepted by the server.
    pub waiting: bool,
}

/// A story, opened on its own (`story`) or inside a course (`course/story`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StoryPage {
    /// Id under which progress is recorded.
    pub item: ItemId,
    pub story: Story,
    pub progress: ItemProgress,
    /// Ids of this story's words that are on the review list.
    pub saved_words: Vec<String>,
    pub freshness: Freshness,
}

/// A word of a course's or story's vocabulary: `root/word`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct WordView {
    pub item: ItemId,
    /// Language of the word.
    pub lang: String,
    pub entry: VocabularyEntry,
    pub saved: bool,
}

/// Identifies a position in a recording: `kind` is media, `item` the course or story and the recording's hash,
/// `how-rivers-work/<64 hex digits>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PositionRef {
    pub kind: carrel_model::lattice::ItemKind,
    pub item: ItemId,
}

/// Records progress. Only fields that are present are written; progress never decreases, except with `restart`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RecordProgress {
    pub kind: carrel_model::lattice::ItemKind,
    pub item: ItemId,
    /// Hundredths of a percent, 0 to 10,000.
    #[serde(default)]
    #[ts(optional)]
    pub percent: Option<u16>,
    /// Finished now.
    #[serde(default)]
    pub done: bool,
    #[serde(default)]
    #[ts(optional)]
    pub pos: Option<String>,
    /// Start again from 0; a finished item stays finished.
    #[serde(default)]
    pub restart: bool,
}

/// Reports that the learner is reading; sent every few seconds while the page is visible and the learner active. The
/// core measures the time itself with a monotonic clock, and counts at most 15 s per call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StudyHeartbeat {
    pub item: ItemId,
    /// False: stop counting (page hidden or closed, learner idle).
    pub reading: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StudyHeartbeatReply {
    /// Milliseconds spent on the item so far over all devices.
    pub time_spent_ms: i64,
}
