//! Types of the commands for reviews: queue, answers, undo, cards, settings, forecast, training.
//!
//! A study day is a number: days since 1970-01-01 of the learner's zone and start of the day.
//!
//! Not here: the review list (`learning`).

use carrel_model::{CardKey, EventId, ItemId, lattice::ReviewKind};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::reading::WordView;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct QueueRequest {
    /// Maximum number of cards, 1 to 100.
    pub limit: u32,
}

/// The next cards of the present study day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ReviewQueue {
    pub day: i32,
    pub counts: ReviewCounts,
    pub cards: Vec<ReviewCard>,
}

/// The numbers of the present study day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ReviewCounts {
    /// Due cards that are left today, within the daily limit.
    pub due: u32,
    /// New cards that are left today, within the daily limit.
    pub new: u32,
    /// Cards that were answered "again" today.
    pub again_today: u32,
    /// Answers today that were not undone.
    pub done_today: u32,
    /// Due cards over the daily limit.
    pub backlog: u32,
    /// Days until the backlog is gone at the daily limit.
    pub backlog_days: u32,
    /// The next study day with due cards after today.
    pub next_due_day: Option<i32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ReviewCard {
    pub card: CardKey,
    /// Id of this showing, to be passed to `answer_card`.
    pub event: EventId,
    /// learn, review or again_today.
    pub kind: ReviewKind,
    /// The word to show, `root/word`.
    pub item: ItemId,
    /// None if the entry is not on this device.
    pub word: Option<WordView>,
    /// What each answer would do, in the order of ratings.
    pub buttons: Vec<ReviewButton>,
    /// None for a new card.
    pub due_day: Option<i32>,
    /// Probability of recall today, 0 to 1; 0 for a new card.
    pub retrievability: f64,
    pub lapses: u32,
    pub is_leech: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ReviewButton {
    /// 1 again, 2 hard, 3 good, 4 easy.
    pub rating: u8,
    /// Days until the card is due; 0: again today.
    pub days: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AnswerCard {
    /// The id of the showing from the queue. The same id a second time changes nothing.
    pub event: EventId,
    pub card: CardKey,
    pub item: ItemId,
    pub kind: ReviewKind,
    /// 1 again, 2 hard, 3 good, 4 easy.
    pub rating: u8,
    pub duration_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct UndoReview {
    /// Id of the answer.
    pub event: EventId,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RecentReviews {
    /// At most 20 answers of all devices that were not undone, newest first.
    pub reviews: Vec<RecentReview>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RecentReview {
    pub event: EventId,
    pub card: CardKey,
    pub item: ItemId,
    pub rating: u8,
    pub at_ms: i64,
    pub day: i32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CardRef {
    pub card: CardKey,
}

/// What is known about a card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CardView {
    pub card: CardKey,
    /// The words of courses and stories that were added or shown for this card.
    pub sources: Vec<ItemId>,
    /// None if no entry is on this device.
    pub word: Option<WordView>,
    /// False after the word was removed from the list.
    pub listed: bool,
    pub suspended: bool,
    pub known: bool,
    /// Not shown before this study day.
    pub buried_until: Option<i32>,
    pub leech_dismissed: bool,
    pub is_leech: bool,
    pub reviews: u32,
    pub lapses: u32,
    /// 0 to 1.
    pub mastery: f64,
    pub first_day: Option<i32>,
    pub last_day: Option<i32>,
    pub due_day: Option<i32>,
    /// Why it is due on that day; None for a new card.
    pub why: Option<DueReason>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DueReason {
    /// Days until the probability of recall is 90 %.
    pub stability: f64,
    /// 1 to 10.
    pub difficulty: f64,
    /// Probability of recall that the learner wants, 0.70 to 0.97.
    pub retention: f64,
    /// Interval before rounding and the choice of a day.
    pub exact_days: f64,
    /// The first and the last study day that could have been chosen.
    pub from_day: i32,
    pub to_day: i32,
    /// Limited by the longest interval.
    pub is_capped: bool,
    /// Easy days or absences made days of the window rarer.
    pub easy_day: bool,
    /// Id of the parameter set; empty for the default one.
    pub params: String,
}

/// Changes the fields that are present and keeps the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SetCardState {
    pub card: CardKey,
    #[serde(default)]
    #[ts(optional)]
    pub suspended: Option<bool>,
    #[serde(default)]
    #[ts(optional)]
    pub known: Option<bool>,
    /// A study day; 0 shows the card again.
    #[serde(default)]
    #[ts(optional)]
    pub buried_until: Option<i32>,
    #[serde(default)]
    #[ts(optional)]
    pub leech_dismissed: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ReviewSettings {
    /// Probability of recall on the due day, 0.70 to 0.97.
    pub retention: f64,
    /// 1 to 36500.
    pub max_interval_days: u32,
    /// Minutes after midnight at which a study day starts, 0 to 720.
    pub day_start_minutes: i32,
    pub new_per_day: u32,
    pub reviews_per_day: u32,
    /// Weights of the days of the week from Monday: 1 normal, 0.5 reduced, 0 none.
    pub easy_days: Vec<f64>,
    /// Days of the week from Monday that never count against a streak.
    pub rest_days: Vec<bool>,
    pub away: Vec<AwayDays>,
    /// Number of lapses at which a card is a leech; 0: never.
    pub leech_lapses: u32,
    /// Id of the chosen parameter set; empty for the default one.
    pub params: String,
    /// Only "again" and "good" are offered.
    pub two_buttons: bool,
    /// The sound of a word comes before its text.
    pub audio_first: bool,
}

/// Study days, both included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AwayDays {
    pub from_day: i32,
    pub to_day: i32,
}

/// Changes the fields that are present and keeps the others. Values out of range are limited.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
pub struct SetReviewSettings {
    #[ts(optional)]
    pub retention: Option<f64>,
    #[ts(optional)]
    pub max_interval_days: Option<u32>,
    #[ts(optional)]
    pub day_start_minutes: Option<i32>,
    #[ts(optional)]
    pub new_per_day: Option<u32>,
    #[ts(optional)]
    pub reviews_per_day: Option<u32>,
    #[ts(optional)]
    pub easy_days: Option<Vec<f64>>,
    #[ts(optional)]
    pub rest_days: Option<Vec<bool>>,
    #[ts(optional)]
    pub away: Option<Vec<AwayDays>>,
    #[ts(optional)]
    pub leech_lapses: Option<u32>,
    #[ts(optional)]
    pub params: Option<String>,
    #[ts(optional)]
    pub two_buttons: Option<bool>,
    #[ts(optional)]
    pub audio_first: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ForecastRequest {
    /// Number of days from today, 1 to 365.
    pub days: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ReviewForecast {
    /// Today.
    pub from_day: i32,
    /// Cards that become due on each day; the first number includes all that are due by now.
    pub due: Vec<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadCurve {
    /// Estimates at 80, 85, 90 and 95 % for the next 90 days.
    pub points: Vec<WorkloadPoint>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadPoint {
    pub retention: f64,
    pub reviews_per_day: f64,
    pub minutes_per_day: f64,
    /// Cards that are remembered at the end.
    pub remembered: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TrainingReport {
    /// Number of answers from which the parameters were trained.
    pub reviews: u32,
    /// The new set predicts better and is now the chosen one.
    pub is_better: bool,
    /// Mean log loss before and after; smaller is better.
    pub log_loss_before: f64,
    pub log_loss_after: f64,
    /// Id of the chosen set; empty for the default one.
    pub params: String,
}
