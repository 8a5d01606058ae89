//! Types of the library commands: lists, course pages, enrolment, search.
//!
//! Not here: the text of sections and stories (`reading`).

use carrel_model::{
    ItemId, Slug,
    content::{Difficulty, SectionType, StoryInCourse},
    lattice::DecisionStatus,
    wire::{CourseSummary, StorySummary},
};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::download::DownloadState;

/// Filters of the library. Empty fields are ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
pub struct ListRequest {
    #[ts(optional)]
    pub q: Option<String>,
    #[ts(optional)]
    pub difficulty: Option<Difficulty>,
    /// Stories only.
    #[ts(optional)]
    pub level: Option<u8>,
    #[ts(optional)]
    pub category: Option<String>,
    #[ts(optional)]
    pub lang: Option<String>,
    /// Languages to which the list is limited, in the learner's order; empty: all. `pt` includes `pt-BR`.
    #[ts(optional)]
    pub langs: Option<Vec<String>>,
    /// Stories only: all languages of one story.
    #[ts(optional)]
    pub family: Option<String>,
    /// Stories only: one entry for all languages of a story.
    #[ts(optional)]
    pub grouped: Option<bool>,
    /// Only these courses or stories.
    #[ts(optional)]
    pub ids: Option<Vec<Slug>>,
    /// Only content on this device.
    pub on_device: bool,
    /// From 1.
    #[ts(optional)]
    pub page: Option<u32>,
    /// 1 to 200; default 50.
    #[ts(optional)]
    pub page_size: Option<u32>,
}

/// Age of the data in a reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Freshness {
    /// When the server last confirmed the data (UTC, ms since 1970); 0: unknown.
    pub as_of_ms: i64,
    /// The data is older than its maximum age: the UI shows `as_of_ms`.
    pub stale: bool,
    /// The server cannot be reached.
    pub offline: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CourseList {
    pub items: Vec<CourseCard>,
    pub total: u64,
    pub page: u32,
    pub page_size: u32,
    pub freshness: Freshness,
    /// Categories and languages that occur, for the filter controls.
    pub categories: Vec<String>,
    pub languages: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CourseCard {
    pub course: CourseSummary,
    /// Hundredths of a percent, 0 to 10,000.
    pub percent: u16,
    pub completed: bool,
    pub download: DownloadState,
    pub enrolment: Option<DecisionStatus>,
    /// The server does not offer the course any more; it is still on this device.
    pub withdrawn: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StoryList {
    pub items: Vec<StoryCard>,
    pub total: u64,
    pub page: u32,
    pub page_size: u32,
    pub freshness: Freshness,
    pub languages: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StoryCard {
    pub story: StorySummary,
    /// Hundredths of a percent, 0 to 10,000.
    pub percent: u16,
    pub done: bool,
    pub download: DownloadState,
    /// The languages of this story in the library, sorted; empty if there is only one.
    pub languages: Vec<String>,
}

/// Where to continue reading: the latest position on any device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ContinueReply {
    pub card: Option<ContinueCard>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ContinueCard {
    /// The section or story to open.
    pub item: ItemId,
    pub is_story: bool,
    /// Title of the section or story.
    pub title: String,
    /// Title of the course; empty for a story.
    pub course_title: String,
    /// From 1; 0 for a story.
    pub lesson_number: u32,
    pub lesson_count: u32,
    /// Of the course or story, in hundredths of a percent, 0 to 10,000.
    pub percent: u16,
    pub cover: carrel_model::content::Cover,
    /// When the item was last read (UTC, ms).
    pub at_ms: i64,
    /// Name of the device on which it was read; empty for this device.
    pub from_device: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CourseRef {
    pub course: Slug,
}

/// A course's page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CourseView {
    pub course: CourseSummary,
    pub lessons: Vec<LessonView>,
    pub stories: Vec<StoryInCourse>,
    /// Hundredths of a percent, 0 to 10,000.
    pub percent: u16,
    pub done: u32,
    pub total: u32,
    /// Number of unfinished sections of a course that was complete before: an update added them.
    pub new_sections: u32,
    /// Milliseconds over all devices; overlapping periods count once.
    pub time_spent_ms: i64,
    pub enrolment: Option<DecisionStatus>,
    pub enrolment_reason: String,
    /// The server does not offer the course any more; it is still on this device.
    pub withdrawn: bool,
    pub download: DownloadState,
    /// The section to continue with.
    pub continue_at: Option<ItemId>,
    pub freshness: Freshness,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LessonView {
    pub id: Slug,
    pub title: String,
    pub summary: String,
    /// Hundredths of a percent, 0 to 10,000.
    pub percent: u16,
    pub sections: Vec<SectionView>,
    /// Download of this lesson alone; absent if only the whole course was requested.
    pub download: DownloadState,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SectionView {
    pub item: ItemId,
    #[serde(rename = "type")]
    pub section_type: SectionType,
    pub title: String,
    pub minutes: u32,
    /// Hundredths of a percent, 0 to 10,000.
    pub percent: u16,
    pub done: bool,
    /// The server has not accepted its progress yet.
    pub waiting: bool,
    /// Best score of its quiz in hundredths of a percent, 0 to 10,000.
    pub best_score: Option<u16>,
}

/// The code of a course or class, as typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EnterCode {
    pub code: String,
}

/// The courses of a code that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EnteredCode {
    pub courses: Vec<Slug>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EnrolmentView {
    pub enrolment: Option<DecisionStatus>,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SearchRequest {
    pub q: String,
    /// Courses only; stories have no difficulty.
    #[ts(optional)]
    pub difficulty: Option<Difficulty>,
    #[ts(optional)]
    pub category: Option<String>,
    #[ts(optional)]
    pub lang: Option<String>,
    /// Longest course in hours. A story counts as shorter than an hour.
    #[ts(optional)]
    pub max_hours: Option<u32>,
    /// Only courses and stories on this device.
    #[ts(optional)]
    pub on_device: Option<bool>,
    /// Only courses and stories that are finished, or that are not.
    #[ts(optional)]
    pub finished: Option<bool>,
    /// From 1.
    #[ts(optional)]
    pub page: Option<u32>,
    /// 1 to 200; default 50.
    #[ts(optional)]
    pub page_size: Option<u32>,
}

impl SearchRequest {
    /// Returns true if results are limited to some courses and stories.
    pub fn is_filtered(&self) -> bool {
        self.difficulty.is_some()
            || self.category.is_some()
            || self.lang.is_some()
            || self.max_hours.is_some()
            || self.on_device == Some(true)
            || self.finished.is_some()
    }
}

/// Matches in the stored catalogue, then in local content. In each, the courses and stories that were used recently
/// come first, then the best match. A search on the server has the order of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SearchReply {
    pub hits: Vec<SearchHit>,
    /// Number of all matches.
    pub total: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SearchHit {
    pub kind: SearchKind,
    /// Id of the course, section or story.
    pub item: ItemId,
    pub title: String,
    /// Title of the course that contains it; empty for a course or story.
    pub course_title: String,
    /// Plain text around the match, with U+0002 and U+0003 around each matched part.
    pub snippet: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum SearchKind {
    Course,
    Section,
    Story,
}
