//! Compiled quizzes, and the learner's responses.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use ts_rs::TS;

use super::{
    block::{AudioRef, ImageRef},
    numeric::{AcceptedNumber, UnitPolicy},
    typed::TextRules,
};
use crate::{Slug, text::DecimalSign};

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
    /// True if the questions are shuffled for each attempt.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>", optional)]
    pub shuffle_questions: bool,
    /// Groups of questions of which each attempt has some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(as = "Option<Vec<Pool>>", optional)]
    pub pools: Vec<Pool>,
    /// Time for an attempt in seconds, from its start; `None` for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub time_limit_s: Option<u32>,
    /// When the learner may see which answers were right.
    #[serde(default, skip_serializing_if = "ReviewPolicy::is_default")]
    #[ts(as = "Option<ReviewPolicy>", optional)]
    pub review: ReviewPolicy,
    /// Questions in order.
    pub questions: Vec<Question>,
}

/// Questions of which each attempt has some. Questions in no pool are in every attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Pool {
    /// Number of questions that are drawn.
    pub draw: u32,
    /// Ids of the questions.
    pub questions: Vec<Slug>,
}

/// When the learner may see the right answers of a submitted attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ReviewPolicy {
    /// After the submission.
    #[default]
    Submitted,
    /// After the server has graded the attempt. Also the value for a policy of a later release.
    #[serde(other)]
    Graded,
}

impl ReviewPolicy {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A question of a quiz. A question of a kind that this release does not know, or with an unknown value in it, is read
/// as `QuestionKind::Unknown`: the others can be answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// Id of the question within the quiz.
    pub id: Slug,
    /// Sanitised inline HTML; in a fill-in or cloze question each `<span data-blank="0">` is a blank.
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
    /// Shown after the answer, by its result.
    #[serde(default, skip_serializing_if = "ResultFeedback::is_empty")]
    #[ts(as = "Option<ResultFeedback>", optional)]
    pub result_feedback: ResultFeedback,
    /// Sanitised inline HTML, shown one after the other if the learner asks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(as = "Option<Vec<String>>", optional)]
    pub hints: Vec<String>,
    /// Percentage of the scored points that each shown hint costs.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[ts(as = "Option<u8>", optional)]
    pub hint_penalty: u8,
    /// Kind of the question, with its solution.
    #[serde(flatten)]
    pub kind: QuestionKind,
}

impl<'de> Deserialize<'de> for Question {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields {
            id: Slug,
            prompt: String,
            points: u32,
            #[serde(default)]
            image: Option<ImageRef>,
            #[serde(default)]
            audio: Option<AudioRef>,
            #[serde(default)]
            explanation: String,
            #[serde(default)]
            result_feedback: ResultFeedback,
            #[serde(default)]
            hints: Vec<String>,
            #[serde(default)]
            hint_penalty: u8,
            #[serde(flatten)]
            kind: Map<String, Value>,
        }
        let fields = Fields::deserialize(deserializer)?;
        Ok(Self {
            id: fields.id,
            prompt: fields.prompt,
            points: fields.points,
            image: fields.image,
            audio: fields.audio,
            explanation: fields.explanation,
            result_feedback: fields.result_feedback,
            hints: fields.hints,
            hint_penalty: fields.hint_penalty,
            kind: serde_json::from_value(Value::Object(fields.kind))
                .unwrap_or(QuestionKind::Unknown),
        })
    }
}

/// What the learner is told about an answer with all, a part or none of the points: sanitised inline HTML, or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ResultFeedback {
    /// All points.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[ts(as = "Option<String>", optional)]
    pub right: String,
    /// A part of the points.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[ts(as = "Option<String>", optional)]
    pub partly: String,
    /// No points.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[ts(as = "Option<String>", optional)]
    pub wrong: String,
}

impl ResultFeedback {
    /// Returns true if nothing is said about any result.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
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
        /// What counts besides the accepted spellings, and what the learner is told.
        #[serde(default, skip_serializing_if = "TextRules::is_default")]
        #[ts(as = "Option<TextRules>", optional)]
        rules: TextRules,
    },
    /// A number, with or without a unit.
    Numeric {
        /// The accepted numbers; the first one is shown as the right answer.
        answers: Vec<AcceptedNumber>,
        /// Whether a unit is typed with the number.
        #[serde(default)]
        unit: UnitPolicy,
    },
    /// A text with blanks of several kinds.
    Cloze {
        /// The blanks in the order of their numbers.
        gaps: Vec<Gap>,
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
    /// Regions of the picture of the question; the right ones are chosen (`Response::Choice`).
    Hotspot {
        /// The regions in the author's order.
        regions: Vec<Region>,
    },
    /// A kind of a later release, or one with values of a later release. It cannot be answered here.
    #[serde(other)]
    Unknown,
}

/// A region of a picture. Positions and sizes are thousandths of the width or height of the picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Region {
    /// Id of the region within the question.
    pub id: Slug,
    /// Sanitised inline HTML: what a learner who cannot see the picture chooses by.
    pub label: String,
    /// Outline of the region within its rectangle.
    #[serde(default)]
    pub shape: RegionShape,
    /// Left side.
    pub x: u16,
    /// Upper side.
    pub y: u16,
    /// Width.
    pub width: u16,
    /// Height.
    pub height: u16,
    /// True if the region is right.
    #[serde(default)]
    pub correct: bool,
    /// Sanitised inline HTML, shown after the region was chosen; may be empty.
    #[serde(default)]
    pub feedback: String,
}

/// Outline of a region.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum RegionShape {
    /// The whole rectangle.
    #[default]
    Rectangle,
    /// The ellipse within the rectangle.
    Ellipse,
}

/// A blank of a cloze text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// Part of the points of the question, relative to the other gaps.
    pub weight: u32,
    /// `Single`, `Fill` with one blank, or `Numeric`.
    #[serde(flatten)]
    pub kind: QuestionKind,
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

/// A learner's answer to one question.
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
    /// Answer to a numeric question.
    Number {
        /// The typed number with its unit.
        text: String,
        /// Language tag of the learner, which decides how the text is read.
        #[serde(default)]
        lang: String,
        /// The decimal sign that the learner stated for a text with two readings.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        decimal: Option<DecimalSign>,
    },
    /// Answer to a cloze question.
    Cloze {
        /// The answer to each gap, or `null` if it is empty.
        gaps: Vec<Option<Response>>,
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

/// A response with the number of hints that the learner has seen; stored in `Answer::value` as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct GivenAnswer {
    /// The response; may be empty.
    #[serde(flatten)]
    pub response: Response,
    /// Number of hints shown before the answer. Earlier releases do not read it.
    #[serde(default, skip_serializing_if = "is_none_seen")]
    #[ts(as = "Option<u32>", optional)]
    pub hints: u32,
}

impl From<Response> for GivenAnswer {
    fn from(response: Response) -> Self {
        Self { response, hints: 0 }
    }
}

fn is_zero(percent: &u8) -> bool {
    *percent == 0
}

fn is_none_seen(hints: &u32) -> bool {
    *hints == 0
}

impl Response {
    /// Returns true if the response contains nothing that can be graded.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Choice { chosen } => chosen.is_empty(),
            Self::Fill { texts } => texts.iter().all(|text| text.trim().is_empty()),
            Self::Number { text, .. } => text.trim().is_empty(),
            Self::Cloze { gaps } => gaps.iter().flatten().all(Self::is_empty),
            Self::Order { order } => order.is_empty(),
            Self::Match { right } => right.iter().all(Option::is_none),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIZ: &str = r#"{ "id": "q", "title": "T", "lang": "en", "pass": 60, "attempts": 3, "adaptive": true,
        "questions": [
        { "id": "a", "kind": "single", "prompt": "A", "points": 1, "level": 3,
          "choices": [{ "id": "x", "text": "X", "correct": true }] },
        { "id": "b", "kind": "drawing", "prompt": "B", "points": 2, "canvas": { "width": 3 } },
        { "id": "c", "kind": "numeric", "prompt": "C", "points": 1, "answers": [{ "value": "5", "unit": "m" }],
          "unit": "guessed" },
        { "id": "d", "kind": "fill", "prompt": "D", "points": 1, "blanks": [["x"]] } ] }"#;

    #[test]
    fn a_question_of_a_later_release_leaves_the_others_readable() {
        let quiz: Quiz = serde_json::from_str(QUIZ).unwrap();
        let unknown: Vec<bool> =
            quiz.questions.iter().map(|q| q.kind == QuestionKind::Unknown).collect();
        assert_eq!(unknown, [false, true, true, false]);
        assert_eq!((quiz.questions[1].prompt.as_str(), quiz.questions[1].points), ("B", 2));
        let json = serde_json::to_value(&quiz).unwrap();
        assert_eq!(json["questions"][1]["kind"], "unknown");
        assert_eq!(serde_json::from_value::<Quiz>(json).unwrap(), quiz);
    }

    #[test]
    fn a_quiz_of_an_earlier_release_keeps_its_bytes() {
        // Blobs are verified by their hash; a compiler must not write fields that the author did not use.
        let question = concat!(
            r#"{"id":"d","prompt":"D","points":1,"explanation":"","#,
            r#""kind":"fill","blanks":[["x"]],"exact":false}"#
        );
        let parsed: Question = serde_json::from_str(question).unwrap();
        assert_eq!(serde_json::to_string(&parsed).unwrap(), question);
    }

    #[test]
    fn hints_are_stored_with_the_response_as_earlier_releases_read_it() {
        let response = Response::Choice { chosen: vec![Slug::new("a").unwrap()] };
        let json = |hints| {
            serde_json::to_string(&GivenAnswer { response: response.clone(), hints }).unwrap()
        };
        assert_eq!(json(0), r#"{"kind":"choice","chosen":["a"]}"#);
        assert_eq!(json(2), r#"{"kind":"choice","chosen":["a"],"hints":2}"#);
        assert_eq!(serde_json::from_str::<Response>(&json(2)).unwrap(), response);
        assert_eq!(serde_json::from_str::<GivenAnswer>(&json(0)).unwrap(), response.clone().into());
        assert_eq!(serde_json::from_str::<GivenAnswer>(&json(2)).unwrap().hints, 2);
    }

    #[test]
    fn empty_responses_are_recognised() {
        let number = |text: &str| Response::Number {
            text: text.to_owned(),
            lang: "en".to_owned(),
            decimal: None,
        };
        for (response, is_empty) in [
            (Response::Choice { chosen: vec![] }, true),
            (Response::Fill { texts: vec![" ".into(), String::new()] }, true),
            (Response::Fill { texts: vec![" ".into(), "x".into()] }, false),
            (number(" "), true),
            (number("0"), false),
            (Response::Cloze { gaps: vec![None, Some(number(""))] }, true),
            (Response::Cloze { gaps: vec![None, Some(number("1"))] }, false),
            (Response::Match { right: vec![None] }, true),
            (Response::Order { order: vec![0] }, false),
        ] {
            assert_eq!(response.is_empty(), is_empty, "{response:?}");
        }
    }
}
