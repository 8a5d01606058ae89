//! Compiled quizzes, and the learner's responses.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::block::{AudioRef, ImageRef};
use crate::Slug;

/// A compiled quiz.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Quiz {
    /// Id of the quiz within the course or story.
    pub id: Slug,
    /// Title for display.
    pub title: String,
    /// BCP 47 language tag.
    pub lang: String,
    /// Writing direction of the texts.
    #[serde(default)]
    pub dir: super::Dir,
    /// Number of attempts that count; 0 for no limit.
    #[serde(default)]
    pub attempts: u32,
    /// Percentage of the points needed to pass, 0 to 100.
    pub pass: u8,
    /// True if the choices are shuffled for each attempt.
    #[serde(default)]
    pub shuffle: bool,
    /// Questions in order.
    pub questions: Vec<Question>,
}

/// A question of a quiz.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// Id of the question within the quiz.
    pub id: Slug,
    /// Sanitised inline HTML; in a fill-in question each `<span data-blank="0">` is a blank.
    pub prompt: String,
    /// Points for a correct answer.
    pub points: u32,
    /// Image shown with the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub image: Option<ImageRef>,
    /// Recording played with the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub audio: Option<AudioRef>,
    /// Sanitised inline HTML, shown after the answer.
    #[serde(default)]
    pub explanation: String,
    /// Kind of the question, with its solution.
    #[serde(flatten)]
    pub kind: QuestionKind,
}

/// The question kinds, each with its solution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum QuestionKind {
    /// One choice is correct.
    Single {
        /// The choices in the author's order.
        choices: Vec<Choice>,
    },
    /// Several choices may be correct.
    Multiple {
        /// The choices in the author's order.
        choices: Vec<Choice>,
    },
    /// Blanks to fill in.
    Fill {
        /// Accepted spellings for each blank.
        blanks: Vec<Vec<String>>,
        /// True if answers are compared exactly (`text::fold_exact`), otherwise with `text::fold_answer`.
        #[serde(default)]
        exact: bool,
    },
    /// Items to put into order.
    Order {
        /// Inline HTML, in the correct order.
        items: Vec<String>,
    },
    /// Pairs to match.
    Match {
        /// Left and right side of each pair, inline HTML.
        pairs: Vec<(String, String)>,
    },
}

/// A choice of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Choice {
    /// Id of the choice within the question.
    pub id: Slug,
    /// Sanitised inline HTML.
    pub text: String,
    /// True if the choice is correct.
    #[serde(default)]
    pub correct: bool,
    /// Sanitised inline HTML, shown after the choice was chosen; may be empty.
    #[serde(default)]
    pub feedback: String,
}

/// A learner's answer to one question; stored in `Answer::value` as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Response {
    /// Answer to a single or multiple choice question.
    Choice {
        /// Ids of the chosen choices; one for single choice.
        chosen: Vec<Slug>,
    },
    /// Answer to a fill-in question.
    Fill {
        /// One text for each blank.
        texts: Vec<String>,
    },
    /// Answer to an ordering question.
    Order {
        /// Indices into `items`, in the learner's order.
        order: Vec<u32>,
    },
    /// Answer to a matching question.
    Match {
        /// For each left side in order, the index of the chosen right side, or `null` if none is chosen.
        right: Vec<Option<u32>>,
    },
}
