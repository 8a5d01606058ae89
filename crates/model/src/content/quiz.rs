//! Quizzes as they are compiled, and what a learner answers.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::block::{AudioRef, ImageRef};
use crate::Slug;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Quiz {
    pub id: Slug,
    pub title: String,
    pub lang: String,
    #[serde(default)]
    pub dir: super::Dir,
    /// How many attempts count; 0 for no limit.
    #[serde(default)]
    pub attempts: u32,
    /// Percent of the points that passes, 0 to 100.
    pub pass: u8,
    /// Show choices in another order for each attempt.
    #[serde(default)]
    pub shuffle: bool,
    pub questions: Vec<Question>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    pub id: Slug,
    /// Sanitised inline HTML; in a fill-in question each `<span data-blank="0">` is a gap.
    pub prompt: String,
    pub points: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub image: Option<ImageRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub audio: Option<AudioRef>,
    /// Shown after the answer. Sanitised inline HTML.
    #[serde(default)]
    pub explanation: String,
    #[serde(flatten)]
    pub kind: QuestionKind,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum QuestionKind {
    Single {
        choices: Vec<Choice>,
    },
    Multiple {
        choices: Vec<Choice>,
    },
    /// Accepted spellings for each blank.
    Fill {
        blanks: Vec<Vec<String>>,
        #[serde(default)]
        exact: bool,
    },
    /// Items in the right order (inline HTML).
    Order {
        items: Vec<String>,
    },
    /// Pairs that belong together (inline HTML).
    Match {
        pairs: Vec<(String, String)>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Choice {
    pub id: Slug,
    /// Sanitised inline HTML.
    pub text: String,
    #[serde(default)]
    pub correct: bool,
    #[serde(default)]
    pub feedback: String,
}

/// A learner's answer to one question; stored in `Answer::value` as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Response {
    /// One id for single choice, any number for multiple choice.
    Choice { chosen: Vec<Slug> },
    /// One text for each blank.
    Fill { texts: Vec<String> },
    /// Indices into `items`, in the learner's order.
    Order { order: Vec<u32> },
    /// For each left side, in order, the index of the chosen right side; none if left open.
    Match { right: Vec<Option<u32>> },
}
