//! Questions of other programs in one form. The parsers (`gift`, `aiken`, `moodle`) return it, `lower` maps it to the
//! kinds of quizzes.

pub(crate) mod bank;
pub(crate) mod lower;

use serde::Serialize;

use crate::remark::Remark;

/// Stands in a prompt for the place of the answer; `text::encoding` removes it from files.
pub(crate) const GAP: char = '\u{fdd8}';

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TextFormat {
    /// HTML whose line ends are shown; plain text if it has no tags.
    #[default]
    Moodle,
    Html,
    Markdown,
    Plain,
}

/// A text with its format.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Text {
    pub format: TextFormat,
    pub text: String,
}

impl Text {
    /// Creates a text.
    pub fn new(format: TextFormat, text: impl Into<String>) -> Self {
        Self { format, text: text.into() }
    }
    /// Returns true if there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }
}

/// A choice or a typed answer.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Answer {
    /// Share of the points in percent; negative for a deduction.
    pub weight: f64,
    pub text: Text,
    pub feedback: Text,
}

/// The numbers that an answer accepts.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Number {
    /// A value with the accepted difference.
    Value { value: f64, tolerance: f64 },
    /// All numbers from the first to the second.
    Range { low: f64, high: f64 },
    /// Any other answer.
    Any,
}

/// A numeric answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NumericAnswer {
    pub weight: f64,
    pub number: Number,
    pub feedback: Text,
}

/// A pair to match; `left` is empty for a right side that belongs to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pair {
    pub left: Text,
    pub right: Text,
}

/// A part of a cloze text.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClozeGap {
    /// Typed text.
    Short { points: f64, answers: Vec<Answer>, case: bool },
    /// A typed number.
    Numerical { points: f64, answers: Vec<NumericAnswer> },
    /// A choice.
    Choice { points: f64, single: bool, answers: Vec<Answer> },
}

/// What the learner does.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A text without an answer.
    Description,
    /// A free text.
    Essay,
    TrueFalse {
        answer: bool,
        right: Text,
        wrong: Text,
    },
    /// Choices; `single` if only one can be chosen.
    Choice {
        single: bool,
        answers: Vec<Answer>,
        shuffle: bool,
    },
    /// Typed text; `case` if capital letters count.
    Short {
        answers: Vec<Answer>,
        case: bool,
    },
    Numerical {
        answers: Vec<NumericAnswer>,
        units: Vec<String>,
        /// For each unit, the factor by which a number in the first unit is multiplied.
        multipliers: Vec<f64>,
        /// True if a number without a unit is not right.
        unit_required: bool,
    },
    Match {
        pairs: Vec<Pair>,
    },
    Order {
        items: Vec<Text>,
    },
    /// A text with gaps; the prompt has one [`GAP`] for each.
    Cloze {
        gaps: Vec<ClozeGap>,
    },
    /// A kind of another program that has no text form here.
    Unsupported {
        name: String,
    },
}

impl Kind {
    /// Returns the name of the kind in Moodle.
    pub fn name(&self) -> &str {
        match self {
            Self::Description => "description",
            Self::Essay => "essay",
            Self::TrueFalse { .. } => "truefalse",
            Self::Choice { .. } => "multichoice",
            Self::Short { .. } => "shortanswer",
            Self::Numerical { .. } => "numerical",
            Self::Match { .. } => "match",
            Self::Order { .. } => "ordering",
            Self::Cloze { .. } => "cloze",
            Self::Unsupported { name } => name,
        }
    }
}

/// A file inside of the question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EmbeddedFile {
    pub name: String,
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

/// Feedback to answers with all, a part or none of the points.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ByResult {
    pub right: Text,
    pub partly: Text,
    pub wrong: Text,
}

impl ByResult {
    /// Returns true if there is nothing to read.
    pub fn is_empty(&self) -> bool {
        [&self.right, &self.partly, &self.wrong].into_iter().all(Text::is_empty)
    }
}

/// A question of another program.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Question {
    /// Line of the file, from 1.
    pub line: u32,
    /// Id that the file states; may be empty.
    pub id: String,
    pub title: Option<String>,
    pub tags: Vec<String>,
    /// The names from the top category to that of the question.
    pub category: Vec<String>,
    /// The text of the question; [`GAP`] is the place of the answer.
    #[serde(serialize_with = "with_gaps")]
    pub prompt: Text,
    pub kind: Kind,
    /// Shown after the answer.
    pub feedback: Text,
    pub by_result: ByResult,
    pub points: f64,
    pub files: Vec<EmbeddedFile>,
    /// Shown one after the other on request.
    pub hints: Vec<Text>,
    /// Part of the points that a wrong try costs, 0 to 1.
    pub penalty: f64,
    /// Parts of the question that are not in this form, such as damaged files.
    pub dropped: Vec<Remark>,
}

impl Question {
    /// Creates a question of one point.
    pub fn new(line: u32, prompt: Text, kind: Kind) -> Self {
        Self {
            line,
            id: String::new(),
            title: None,
            tags: Vec::new(),
            category: Vec::new(),
            prompt,
            kind,
            feedback: Text::default(),
            by_result: ByResult::default(),
            points: 1.0,
            files: Vec::new(),
            hints: Vec::new(),
            penalty: 0.0,
            dropped: Vec::new(),
        }
    }
}

/// A part of a file that is no question, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// Line of the file, from 1.
    pub line: u32,
    /// The start of the part.
    pub text: String,
    pub reason: Remark,
}

/// The questions of a file.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Bank {
    pub questions: Vec<Question>,
    pub rejected: Vec<Rejected>,
}

fn with_gaps<S: serde::Serializer>(text: &Text, serializer: S) -> Result<S::Ok, S::Error> {
    Text::new(text.format, text.text.replace(GAP, "_____")).serialize(serializer)
}
