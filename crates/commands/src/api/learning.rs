//! Types of the learning commands: review list and progress overview.
//!
//! Not here: reading and quizzes (`reading`, `quiz`).

use carrel_model::{CardKey, ItemId};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::reading::WordView;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SaveWord {
    /// `root/word`.
    pub word: ItemId,
    /// True: add the word to the review list. False: remove it.
    pub saved: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct WordList {
    /// The present study day.
    pub day: i32,
    pub words: Vec<SavedWord>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SavedWord {
    pub item: ItemId,
    pub saved_ms: i64,
    /// None if the entry is not on this device.
    pub word: Option<WordView>,
    pub card: CardKey,
    pub state: WordState,
}

/// What reviews know about a word, and what the learner set for it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct WordState {
    pub suspended: bool,
    pub known: bool,
    /// Not shown before this study day.
    pub buried_until: Option<i32>,
    pub is_leech: bool,
    /// Asked today, were there no daily limit. False for a new card.
    pub is_due: bool,
    /// Number of answers; 0 for a new card.
    pub reviews: u32,
    pub lapses: u32,
    /// 0 to 1.
    pub mastery: f64,
    /// None for a new card.
    pub due_day: Option<i32>,
}

/// Words that the learner could take up next, the best first; at most ten.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RecommendedWords {
    /// Level of the learner: the mean difficulty of the stories read above 50 %, 1 if there are none.
    pub level: f64,
    pub words: Vec<RecommendedWord>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RecommendedWord {
    pub word: WordView,
    /// Title of the story or course; empty for a word of the learner's own.
    pub title: String,
    /// Difficulty, 1 to 5.
    pub level: f64,
    /// 0 to 1.
    pub mastery: f64,
    pub urgency: WordUrgency,
    /// Days since the last answer; none if there is none.
    pub days_since: Option<i32>,
}

/// How long ago a word was last answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum WordUrgency {
    Never,
    /// 7 days ago or more.
    Week,
    /// 3 to 6 days ago.
    ThreeDays,
    Recent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum WordFileFormat {
    Csv,
    Json,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ExportWords {
    pub format: WordFileFormat,
    /// Path of a folder in `BundleFolderList`.
    pub folder: String,
}

/// Data of the Progress screen, derived from local rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ProgressOverview {
    /// The last 28 days, oldest first, including days without study.
    pub days: Vec<DayTime>,
    /// Number of consecutive days with study, up to today or yesterday.
    pub streak_days: u32,
    pub total_ms: i64,
    pub sections_done: u32,
    pub stories_done: u32,
    pub quizzes_taken: u32,
    pub courses: Vec<CourseProgress>,
    pub summary: StudySummary,
    /// Number of words on the review list: without an answer, then with a mastery below 0.2, 0.4, 0.6, 0.8 and from 0.8.
    pub mastery: Vec<u32>,
}

/// Study of the last days, up to today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StudySummary {
    /// Number of days.
    pub days: u32,
    /// Number of days with study.
    pub active_days: u32,
    pub time_ms: i64,
    /// Stories that were studied for the first time.
    pub stories_started: u32,
    /// Stories that were finished for the first time.
    pub stories_completed: u32,
    /// Mean progress of the stories that were studied. Hundredths of a percent, 0 to 10,000.
    pub mean_completion: u16,
    /// Words that were answered for the first time.
    pub words_learned: u32,
    /// Mean mastery of the words on the review list. Hundredths of a percent, 0 to 10,000.
    pub mean_mastery: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ProgressFormat {
    Csv,
    Json,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ExportProgress {
    pub format: ProgressFormat,
    /// Path of a folder in `BundleFolderList`.
    pub folder: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DayTime {
    /// `2026-11-20`.
    pub day: String,
    pub active_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CourseProgress {
    pub item: ItemId,
    pub title: String,
    pub is_story: bool,
    /// Hundredths of a percent, 0 to 10,000.
    pub percent: u16,
    pub time_spent_ms: i64,
}
