//! Types of the learning commands: review list and progress overview.
//!
//! Not here: reading and quizzes (`reading`, `quiz`).

use carrel_model::ItemId;
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

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct WordList {
    pub words: Vec<SavedWord>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SavedWord {
    pub item: ItemId,
    pub saved_ms: i64,
    /// None if the entry is not on this device.
    pub word: Option<WordView>,
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
