//! Quiz attempts, their answers, and the server's grades.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{
    Canonical, Extra, Invalid, Join, Validate, check, check_len, check_time, review::check_day,
};
use crate::{AttemptId, BlobHash, ItemId, Slug};

/// A quiz attempt. Lattice: the immutable fields of the row with the greatest payload hash; the least
/// `(submitted_ms, answers)`. All attempts are kept; best, latest and mean are derived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Random id, the key of the row.
    pub id: AttemptId,
    /// `course/quiz` or `story/quiz`.
    pub quiz: ItemId,
    /// Hash of the compiled quiz at the start of the attempt.
    pub quiz_hash: BlobHash,
    /// UTC, ms since 1970.
    pub started_ms: i64,
    /// The learner's study day at the start: days since 1970-01-01. Absent in rows of sync version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub day: Option<i32>,
    /// Offset of the learner's time zone from UTC at the start, in minutes. Absent in rows of sync version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub off_min: Option<i16>,
    /// Time of submission (UTC, ms since 1970). If present, the answers are frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub submitted_ms: Option<i64>,
    /// The submitted answers: for each question the response as compact JSON text. After submission only these count,
    /// not the answer rows. Absent if not submitted, or if submitted by a release that did not write them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub answers: Option<BTreeMap<Slug, String>>,
    /// Fields unknown to this release.
    #[serde(flatten)]
    #[ts(skip)]
    #[cfg_attr(feature = "schema", schema(ignore))]
    pub extra: Extra,
}

impl Attempt {
    /// Maximum number of answers in a submission, and of answer rows that the server stores per attempt.
    pub const MAX_ANSWERS: usize = 1_000;
    /// Maximum size of the submitted answers as JSON in bytes, so that the row fits into one push.
    pub const MAX_ANSWERS_BYTES: usize = 256 * 1024;

    /// Returns true if the attempt is not submitted.
    pub fn is_open(&self) -> bool {
        self.submitted_ms.is_none()
    }
    /// Returns the submitted answers as compact JSON; an empty text if there are none.
    pub fn answers_text(&self) -> String {
        self.answers
            .as_ref()
            .map_or_else(String::new, |a| serde_json::to_string(a).unwrap_or_default())
    }
    /// Returns the key by which submissions are compared: the least wins.
    fn submission(&self) -> (i64, String) {
        (self.submitted_ms.unwrap_or(i64::MAX), self.answers_text())
    }
    /// Returns the hash of the fields that never change after the first write.
    pub fn payload_hash(&self) -> BlobHash {
        let mut c = Canonical::default();
        c.text(self.quiz.as_str()).bytes(&self.quiz_hash.0).int(self.started_ms);
        // Without these fields, the hash is that of sync version 1.
        if (self.day, self.off_min) != (None, None) {
            c.option_int(self.day.map(i64::from)).option_int(self.off_min.map(i64::from));
        }
        c.hash()
    }
    /// Returns the canonical bytes of all fields.
    pub fn canonical(&self) -> Canonical {
        let mut c = Canonical::default();
        c.bytes(self.id.0.as_bytes()).bytes(&self.payload_hash().0).option_int(self.submitted_ms);
        c.text(&self.answers_text()).text(&self.extra.to_text());
        c
    }
}
impl Join for Attempt {
    fn join(&mut self, other: &Self) {
        if other.payload_hash() > self.payload_hash() {
            self.quiz.clone_from(&other.quiz);
            self.quiz_hash = other.quiz_hash;
            self.started_ms = other.started_ms;
            (self.day, self.off_min) = (other.day, other.off_min);
        }
        if other.submission() < self.submission() {
            self.submitted_ms = other.submitted_ms;
            self.answers.clone_from(&other.answers);
        }
        self.extra.join(&other.extra);
    }
}
impl Validate for Attempt {
    fn validate(&self) -> Result<(), Invalid> {
        check_time(self.started_ms, "startedMs")?;
        let is_whole = self.day.is_some() == self.off_min.is_some();
        check(is_whole, "day", "is not together with offMin")?;
        check_day(self.day, self.off_min, self.started_ms)?;
        if let Some(ms) = self.submitted_ms {
            check_time(ms, "submittedMs")?;
        }
        if let Some(answers) = &self.answers {
            check(self.submitted_ms.is_some(), "answers", "are present without submittedMs")?;
            check(answers.len() <= Self::MAX_ANSWERS, "answers", "are more than 1000")?;
            for value in answers.values() {
                check_len(value, Answer::MAX_VALUE, "answers")?;
            }
            check_len(&self.answers_text(), Self::MAX_ANSWERS_BYTES, "answers")?;
        }
        self.extra.validate()
    }
}

/// An answer. Lattice: the greatest `(seq, value)` for each question of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Id of the attempt; part of the key.
    pub attempt: AttemptId,
    /// Id of the question; part of the key.
    pub question: Slug,
    /// Increased by one with each change of the answer.
    pub seq: u32,
    /// The response (`content::Response`) as compact JSON text.
    pub value: String,
    /// Fields unknown to this release.
    #[serde(flatten)]
    #[ts(skip)]
    #[cfg_attr(feature = "schema", schema(ignore))]
    pub extra: Extra,
}
impl Answer {
    /// Maximum size of one response in bytes.
    pub const MAX_VALUE: usize = 16 * 1024;

    /// Returns the canonical bytes of all fields.
    pub fn canonical(&self) -> Canonical {
        let mut c = Canonical::default();
        c.bytes(self.attempt.0.as_bytes())
            .text(self.question.as_str())
            .int(self.seq.into())
            .text(&self.value);
        c.text(&self.extra.to_text());
        c
    }
}
impl Join for Answer {
    fn join(&mut self, other: &Self) {
        if (other.seq, &other.value) > (self.seq, &self.value) {
            self.seq = other.seq;
            self.value.clone_from(&other.value);
        }
        self.extra.join(&other.extra);
    }
}
impl Validate for Answer {
    fn validate(&self) -> Result<(), Invalid> {
        check_len(&self.value, Self::MAX_VALUE, "value")?;
        check(self.seq <= 1_000_000, "seq", "is over 1000000")?;
        self.extra.validate()
    }
}

/// A grade, written only by the server. Lattice: the greatest `(rev, points, max_points, graded_ms)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Grade {
    /// Id of the attempt, the key of the row.
    pub attempt: AttemptId,
    /// Increased by one with each grading of the attempt.
    pub rev: u32,
    /// Points scored, in thousandths.
    pub points: i64,
    /// Maximum points, in thousandths.
    pub max_points: i64,
    /// UTC, ms since 1970.
    pub graded_ms: i64,
    /// Fields unknown to this release.
    #[serde(flatten)]
    #[ts(skip)]
    #[cfg_attr(feature = "schema", schema(ignore))]
    pub extra: Extra,
}
impl Grade {
    /// Returns the canonical bytes of all fields.
    pub fn canonical(&self) -> Canonical {
        let mut c = Canonical::default();
        c.bytes(self.attempt.0.as_bytes())
            .int(self.rev.into())
            .int(self.points)
            .int(self.max_points)
            .int(self.graded_ms);
        c.text(&self.extra.to_text());
        c
    }
}
impl Join for Grade {
    fn join(&mut self, other: &Self) {
        let order = |g: &Self| (g.rev, g.points, g.max_points, g.graded_ms);
        if order(other) > order(self) {
            (self.rev, self.points, self.max_points, self.graded_ms) = order(other);
        }
        self.extra.join(&other.extra);
    }
}
impl Validate for Grade {
    fn validate(&self) -> Result<(), Invalid> {
        check(
            self.max_points >= 0 && (0..=self.max_points).contains(&self.points),
            "points",
            "is not between 0 and maxPoints",
        )?;
        check_time(self.graded_ms, "gradedMs")?;
        self.extra.validate()
    }
}
