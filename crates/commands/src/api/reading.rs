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

/// One section, ready to be shown.
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

/// A learner's place in a section, story or recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ItemProgress {
    /// 0 to 10,000.
    pub percent: u16,
    pub done: bool,
    /// Where it was left, for example `p3.s2`, `b7`, `t61500`.
    pub pos: Option<String>,
    /// `pos` was written on this other device; empty if on this one. A newer place is offered, never forced.
    pub pos_device: String,
    pub pos_at_ms: i64,
    /// Not yet accepted by the server.
    pub waiting: bool,
}

/// A story to open: on its own (`story`), or inside a course (`course/story`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StoryPage {
    /// What progress is recorded under.
    pub item: ItemId,
    pub story: Story,
    pub progress: ItemProgress,
    /// Ids of this story's words that are saved for review.
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

/// A learner's place in something that is played: `kind` media, `item` the course or story and the recording's hash,
/// `how-rivers-work/<64 hex digits>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PlaceRef {
    pub kind: carrel_model::lattice::ItemKind,
    pub item: ItemId,
}

/// How far a learner came. Only what is given is written; progress never shrinks but for `restart`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RecordProgress {
    pub kind: carrel_model::lattice::ItemKind,
    pub item: ItemId,
    /// 0 to 10,000.
    #[serde(default)]
    #[ts(optional)]
    pub percent: Option<u16>,
    /// Finished now.
    #[serde(default)]
    pub done: bool,
    #[serde(default)]
    #[ts(optional)]
    pub pos: Option<String>,
    /// Start again from 0; what was finished stays finished.
    #[serde(default)]
    pub restart: bool,
}

/// "The learner is reading this now", every few seconds while the page is visible and awake. The core measures the time itself,
/// with a monotonic clock, and counts at most 15 s for each beat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StudyBeat {
    pub item: ItemId,
    /// False: stop counting (hidden, closed, idle).
    pub reading: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StudyBeatReply {
    /// Time spent on the item so far over all devices.
    pub time_spent_ms: i64,
}
