//! Types of the exercises after a story.

use carrel_model::{
    ItemId, Slug,
    content::{Exercise, PartResult, Response},
};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The exercises of a story that were begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StoryExercises {
    /// False if no exercise can be derived from the story.
    pub available: bool,
    /// Newest first.
    pub runs: Vec<ExerciseRunSummary>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ExerciseRunSummary {
    pub started_ms: i64,
    pub answered: u32,
    pub count: u32,
    /// Points in thousandths.
    pub points: i64,
    /// Maximum points of the answered exercises, in thousandths.
    pub max_points: i64,
}

/// A run of exercises.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ExerciseRunView {
    pub run: String,
    pub exercises: Vec<Exercise>,
    pub answers: Vec<ExerciseAnswerView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ExerciseAnswerView {
    /// Id of the exercise's question.
    pub exercise: Slug,
    pub response: Response,
    /// Points in thousandths.
    pub points: i64,
    /// Maximum points in thousandths.
    pub max_points: i64,
    /// For a fill-in question, whether each blank is right; otherwise empty.
    pub blanks: Vec<bool>,
    /// For a fill-in question, the result of each blank; otherwise empty.
    pub parts: Vec<PartResult>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AnswerExercise {
    /// The story.
    pub item: ItemId,
    pub run: String,
    /// Id of the exercise's question.
    pub exercise: Slug,
    pub response: Response,
}
