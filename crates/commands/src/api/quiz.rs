//! Types of the quiz commands: attempts, answers, scores.
//!
//! Not here: the compiled quiz (`carrel_model::content`).

use carrel_model::{
    AttemptId, BlobHash, ItemId, Slug,
    content::{PartResult, Quiz, Response, Score},
};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct OpenQuiz {
    /// `course/quiz` or `story/quiz`.
    pub quiz: ItemId,
    /// The compiled quiz.
    pub body: BlobHash,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct QuizView {
    /// The current version, with all questions.
    pub quiz: Quiz,
    /// Number of questions of an attempt: fewer than the quiz has if some are drawn from pools.
    pub question_count: u32,
    /// Oldest first.
    pub attempts: Vec<AttemptView>,
    /// The attempt that `start_attempt` continues, possibly at an earlier version of the quiz.
    pub open: Option<AttemptId>,
    /// Hundredths of a percent, 0 to 10,000.
    pub best: Option<u16>,
    /// None if the number of attempts is not limited.
    pub attempts_left: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AttemptView {
    pub id: AttemptId,
    /// The version of the quiz at the start of the attempt, with the questions of this attempt in their order. None if
    /// it is not on this device.
    pub quiz: Option<Quiz>,
    /// The attempt was started at an earlier version of the quiz.
    pub is_earlier_version: bool,
    pub started_ms: i64,
    pub submitted_ms: Option<i64>,
    /// Time left in ms, of an open attempt with a limit. The attempt is submitted when it is over.
    pub left_ms: Option<i64>,
    /// False for a submitted attempt whose right answers must not be shown before the server has graded it.
    pub may_review: bool,
    pub answers: Vec<AnswerView>,
    /// None until the attempt is submitted, or if neither the quiz nor a grade is on this device.
    pub score: Option<Score>,
    /// The score was computed on this device; the server has not graded the attempt yet.
    pub provisional: bool,
    /// False for an attempt submitted after all attempts of the quiz were used: the server does not grade it.
    pub counts: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AnswerView {
    pub question: Slug,
    pub response: Response,
    /// Number of hints seen.
    pub hints: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SaveAnswer {
    pub attempt: AttemptId,
    pub question: Slug,
    /// May be empty, to record the use of a hint.
    pub response: Response,
    /// Number of hints seen.
    #[serde(default)]
    #[ts(as = "Option<u32>", optional)]
    pub hints: u32,
}

/// Score of a saved answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SavedAnswer {
    /// Thousandths of a point.
    pub points: i64,
    pub max_points: i64,
    /// For a fill-in question, whether each blank is right; otherwise empty.
    pub blanks: Vec<bool>,
    /// For a fill-in, numeric or cloze question, the result of each blank, number or gap; otherwise empty.
    pub parts: Vec<PartResult>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AttemptRef {
    pub attempt: AttemptId,
}
