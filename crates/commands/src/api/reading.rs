//! Types of the reading commands: sections, stories, words, progress, study time.
//!
//! Not here: outlines of courses (`library`).

use carrel_model::{
    BlobHash, CardKey, ItemId,
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

/// A section with its text, media and progress.
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
    /// Hash of the compiled body, to which the offsets of notes refer.
    pub body_hash: BlobHash,
    /// The quiz of a section of type QUIZ or ASSESSMENT.
    pub quiz: Option<QuizRef>,
    /// The programs that learners have to write in this section.
    pub programs: Vec<ProgramExercise>,
    pub progress: ItemProgress,
    pub previous: Option<Neighbour>,
    pub next: Option<Neighbour>,
    pub freshness: Freshness,
}

/// A program that has to print a given output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ProgramExercise {
    /// Index of the block.
    pub block: u32,
    /// Id within the section.
    pub id: String,
    /// A program of the learner was right.
    pub passed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PassProgram {
    /// The section.
    pub item: ItemId,
    /// Id of the program within the section.
    pub program: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct QuizRef {
    /// `course/quiz`.
    pub quiz: ItemId,
    /// The compiled quiz.
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
    /// Name of the other device that wrote `pos`; empty if this device wrote it. The UI offers the position of another
    /// device and does not go to it automatically.
    pub pos_device: String,
    pub pos_at_ms: i64,
    /// The server has not accepted the progress yet.
    pub waiting: bool,
}

/// A story with the learner's progress: alone (`story`) or inside a course (`course/story`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StoryPage {
    /// Id under which progress is recorded.
    pub item: ItemId,
    pub story: Story,
    /// Hash of the compiled story, to which the offsets of notes refer.
    pub body_hash: BlobHash,
    /// Family of the story, see `ListRequest`; empty if it has none or is part of a course.
    pub family: String,
    pub progress: ItemProgress,
    /// Ids of this story's words that are on the review list.
    pub saved_words: Vec<String>,
    /// Indices of the pages whose sentence times the learner corrected.
    pub corrected_pages: Vec<u32>,
    pub freshness: Freshness,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SentenceTimesRequest {
    /// The narration of a page.
    pub recording: BlobHash,
    /// Start of each sentence in milliseconds, ascending; empty to delete the learner's times.
    pub starts: Vec<u64>,
}

/// Identifies the texts for which fonts are requested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FontsRequest {
    /// A course, section or story.
    pub item: ItemId,
    /// Language of the text, which decides between fonts with different forms of Han characters.
    pub lang: String,
}

/// Fonts that a course or story brings along.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FontList {
    pub files: Vec<FontFileView>,
}

/// A WOFF2 file, which the media server serves by its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FontFileView {
    pub hash: BlobHash,
    /// Value of CSS `unicode-range`.
    pub ranges: String,
    /// Value of CSS `font-weight`.
    pub weight: String,
    /// False for a font with forms of Han characters that differ from those of the text's language.
    pub suits: bool,
}

/// A word of a course's or story's vocabulary: `root/word`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct WordView {
    pub item: ItemId,
    /// Key of the word's card on the review list.
    pub card: CardKey,
    /// Language of the word.
    pub lang: String,
    pub entry: VocabularyEntry,
    pub saved: bool,
    /// Where the learner found it, if it was added from a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub found_in: Option<FoundIn>,
}

/// The sentence from which a word was added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FoundIn {
    pub sentence: String,
    /// The word as it is written in the sentence.
    pub form: String,
    /// Section, quiz or story; none if it is not known.
    pub source: Option<ItemId>,
    /// Name of the dictionary of the meaning; empty for a word of a course.
    pub dictionary: String,
}

/// Identifies a position. For a recording, `kind` is media and `item` is the course or story and the recording's hash:
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
    /// The item is finished now.
    #[serde(default)]
    pub done: bool,
    #[serde(default)]
    #[ts(optional)]
    pub pos: Option<String>,
    /// Restarts the item at 0; a finished item stays finished.
    #[serde(default)]
    pub restart: bool,
}

/// Reports that the learner is reading; sent every few seconds while the page is visible and the learner active. The
/// core measures the time itself with a monotonic clock, and counts at most 15 s per call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StudyHeartbeat {
    pub item: ItemId,
    /// False: stop counting, because the page is hidden or closed, or the learner is idle.
    pub reading: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StudyHeartbeatReply {
    /// Milliseconds spent on the item so far over all devices.
    pub time_spent_ms: i64,
}
