//! Assessments: a quiz, submissions of clients that do not sync rows, and a learner's results.
//!
//! Not here: grading (`attempts`), the score of an answer (`carrel-model`).

use std::collections::{BTreeMap, HashMap};

use carrel_model::{
    AttemptId, BlobHash, ErrorCode, ItemId, Slug, UserId,
    content::{Quiz, has_attempts_left, is_passed},
    lattice::{Attempt, Extra, Grade, Row, Validate},
    wire::ResultCode,
};
use carrel_overview::Today;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    DomainError, DomainResult,
    change_log::Author,
    courses::sees,
    rows::push,
    store::{Kind, Store, StoreError, tx::Tx},
    study::day_start,
};

/// Maximum number of attempts in the results of an assessment; the latest ones.
const MAX_RESULTS: u32 = 200;

/// A quiz as it is taken.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Assessment {
    /// `course/quiz` or `story/quiz`.
    id: ItemId,
    /// The version, which a submission names.
    quiz_hash: BlobHash,
    title: String,
    /// Percentage of the points needed to pass.
    pass: u8,
    /// Number of attempts that count; 0 for no limit.
    attempts: u32,
    /// Number of further attempts that will be graded; absent without a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts_left: Option<u32>,
    /// The compiled quiz with its solutions, by which apps grade without a network. With `attempt`: the questions of
    /// this attempt, in its order.
    #[schema(value_type = Object)]
    quiz: Quiz,
}

/// The result of a submitted attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssessmentResult {
    attempt: AttemptId,
    /// UTC, ms since 1970.
    started_ms: i64,
    /// UTC, ms since 1970.
    submitted_ms: i64,
    /// Points in thousandths; absent if the attempt was not graded: it was over the limit of the quiz.
    #[serde(skip_serializing_if = "Option::is_none")]
    points: Option<i64>,
    /// Maximum points in thousandths.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_points: Option<i64>,
    /// Share of the points in hundredths of a percent, 0 to 10,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<u16>,
    /// Absent if the attempt was not graded.
    #[serde(skip_serializing_if = "Option::is_none")]
    passed: Option<bool>,
}

/// A learner's results of an assessment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssessmentResults {
    /// `course/quiz` or `story/quiz`.
    id: ItemId,
    /// Number of attempts that count; 0 for no limit.
    attempts: u32,
    /// Number of further attempts that will be graded; absent without a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts_left: Option<u32>,
    /// The graded attempt with the greatest share of the points; of equal ones the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    best: Option<AssessmentResult>,
    /// The submitted attempts, the newest first, at most 200.
    items: Vec<AssessmentResult>,
}

/// The answers of an attempt, by a client that does not sync rows.
#[derive(Debug, Clone)]
pub struct Submission {
    pub quiz: ItemId,
    /// A repeated submission has the same.
    pub attempt: AttemptId,
    /// The version that was taken; `None`: the newest.
    pub quiz_hash: Option<BlobHash>,
    /// `None`: now.
    pub started_ms: Option<i64>,
    /// Offset of the learner's time zone from UTC, in minutes.
    pub off_min: i16,
    pub answers: BTreeMap<Slug, Value>,
}

/// Why a submission is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmissionRefusal {
    #[error("quizHash: this version was never published here")]
    UnknownVersion,
    #[error("attempt: it is an attempt at another quiz or version")]
    OtherQuiz,
    #[error("startedMs: is later than now")]
    StartsLater,
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Forbidden(String),
}

impl SubmissionRefusal {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownVersion | Self::StartsLater | Self::Invalid(_) => {
                ErrorCode::InvalidRequest
            }
            Self::OtherQuiz => ErrorCode::Conflict,
            Self::Forbidden(_) => ErrorCode::Forbidden,
        }
    }
}

/// Reads the id of a path: `course/quiz`, with a dot or `%2F` between.
pub fn item_of_path(id: &str) -> Option<ItemId> {
    let item = ItemId::new(id.replace('.', "/")).ok();
    item.filter(|item| item.as_str().split('/').count() == 2)
}

/// The newest version of a quiz.
struct Newest {
    hash: BlobHash,
    quiz: Quiz,
}

/// Returns the newest version of a quiz; `None` if the learner may not see its course, or if there is none.
fn newest(tx: &dyn Tx, user: UserId, id: &ItemId) -> DomainResult<Option<Newest>> {
    tx.usn(user)?.ok_or(DomainError::NoAccount(user))?;
    let Ok(root) = Slug::new(id.root()) else { return Ok(None) };
    let is_course = tx.published(Kind::Course, &root)?.is_some();
    let is_seen = match is_course {
        true => sees(tx, Some(user), &root)?,
        false => tx.published(Kind::Story, &root)?.is_some(),
    };
    let Some((hash, body)) = tx.newest_quiz(id)?.filter(|_| is_seen) else { return Ok(None) };
    Ok(Some(Newest { hash, quiz: parsed(&body)? }))
}

fn parsed(body: &str) -> DomainResult<Quiz> {
    Ok(serde_json::from_str(body).map_err(|e| StoreError::unreadable("quiz", e))?)
}

/// Returns the number of attempts that will still be graded; `None` without a limit.
fn attempts_left(tx: &dyn Tx, user: UserId, id: &ItemId, limit: u32) -> DomainResult<Option<u32>> {
    if limit == 0 {
        return Ok(None);
    }
    let counted = tx.count_graded(user, id, limit)?;
    let left = limit.saturating_sub(u32::try_from(counted).unwrap_or(u32::MAX));
    debug_assert_eq!(left > 0, has_attempts_left(limit, counted));
    Ok(Some(left))
}

/// Returns the result of an attempt; `None` if it was not submitted.
fn result(attempt: &Attempt, grade: Option<&Grade>, pass: u8) -> Option<AssessmentResult> {
    let share = |grade: &Grade| {
        let percent = grade.points.saturating_mul(10_000) / grade.max_points.max(1);
        u16::try_from(percent.clamp(0, 10_000)).unwrap_or_default()
    };
    Some(AssessmentResult {
        attempt: attempt.id,
        started_ms: attempt.started_ms,
        submitted_ms: attempt.submitted_ms?,
        points: grade.map(|grade| grade.points),
        max_points: grade.map(|grade| grade.max_points),
        percent: grade.map(share),
        passed: grade.map(|grade| is_passed(grade.points, grade.max_points, pass)),
    })
}

/// Returns the stored result of an attempt; `None` if it is not stored or was not submitted.
fn stored_result(
    tx: &dyn Tx,
    user: UserId,
    attempt: &Attempt,
    pass: u8,
) -> DomainResult<Option<AssessmentResult>> {
    let Some(Row::Attempt(stored)) = tx.row(user, &Row::Attempt(attempt.clone()).key())? else {
        return Ok(None);
    };
    let key = Row::Grade(Grade {
        attempt: attempt.id,
        rev: 0,
        points: 0,
        max_points: 0,
        graded_ms: 0,
        extra: Extra::default(),
    })
    .key();
    let grade = match tx.row(user, &key)? {
        Some(Row::Grade(grade)) => Some(grade),
        _ => None,
    };
    Ok(result(&stored, grade.as_ref(), pass))
}

impl Store {
    /// Returns an assessment; `None` if it does not exist for the learner. `attempt`: with the questions of this attempt.
    pub async fn assessment(
        &self,
        user: UserId,
        id: ItemId,
        attempt: Option<AttemptId>,
    ) -> DomainResult<Option<Assessment>> {
        self.read("assessment", move |tx| {
            let Some(Newest { hash, quiz }) = newest(tx, user, &id)? else { return Ok(None) };
            Ok(Some(Assessment {
                quiz_hash: hash,
                title: quiz.title.clone(),
                pass: quiz.pass,
                attempts: quiz.attempts,
                attempts_left: attempts_left(tx, user, &id, quiz.attempts)?,
                quiz: match attempt {
                    Some(attempt) => quiz.for_attempt(attempt),
                    None => quiz,
                },
                id,
            }))
        })
        .await
    }

    /// Stores a submission as a push of its attempt, which devices pull, and returns its result. A submission of an
    /// attempt that was submitted before changes nothing. `None` if the assessment does not exist for the learner.
    pub async fn submit_assessment(
        &self,
        author: Author,
        submission: Submission,
        now_ms: i64,
    ) -> DomainResult<Option<AssessmentResult>> {
        let quota = self.quota();
        self.write_with_events("submit_assessment", move |tx, events| {
            let user = author.user;
            let Some(Newest { hash, quiz }) = newest(tx, user, &submission.quiz)? else {
                return Ok(None);
            };
            let (hash, pass) = match submission.quiz_hash {
                Some(taken) if taken != hash => match tx.quiz(taken, &submission.quiz)? {
                    Some(body) => (taken, parsed(&body)?.pass),
                    None => return Err(SubmissionRefusal::UnknownVersion.into()),
                },
                _ => (hash, quiz.pass),
            };
            if let Some((quiz, stored)) = tx.quiz_of_attempt(user, submission.attempt)?
                && (quiz != submission.quiz || stored != hash)
            {
                return Err(SubmissionRefusal::OtherQuiz.into());
            }
            let started_ms = submission.started_ms.unwrap_or(now_ms);
            if started_ms > now_ms {
                return Err(SubmissionRefusal::StartsLater.into());
            }
            let today = Today::at(started_ms, submission.off_min, day_start(tx, user)?);
            let answers = submission.answers.into_iter();
            let attempt = Attempt {
                id: submission.attempt,
                quiz: submission.quiz,
                quiz_hash: hash,
                started_ms,
                day: Some(today.day),
                off_min: Some(submission.off_min),
                submitted_ms: Some(now_ms),
                answers: Some(answers.map(|(id, value)| (id, value.to_string())).collect()),
                extra: Extra::default(),
            };
            if let Some(found) = stored_result(tx, user, &attempt, pass)? {
                return Ok(Some(found));
            }
            attempt.validate().map_err(|e| SubmissionRefusal::Invalid(e.to_string()))?;
            let (pushed, _) = push(tx, user, &[attempt.clone().into()], false, quota, now_ms)?;
            if let Some((_, (code, reason))) = pushed.refused.first() {
                let refusal = match code {
                    ResultCode::Forbidden => SubmissionRefusal::Forbidden(reason.clone()),
                    _ => SubmissionRefusal::Invalid(reason.clone()),
                };
                return Err(refusal.into());
            }
            events.extend(pushed.event(author));
            stored_result(tx, user, &attempt, pass)
        })
        .await
    }

    /// Returns a learner's results of an assessment; `None` if it does not exist for the learner.
    pub async fn assessment_results(
        &self,
        user: UserId,
        id: ItemId,
    ) -> DomainResult<Option<AssessmentResults>> {
        self.read("assessment_results", move |tx| {
            let Some(Newest { quiz, .. }) = newest(tx, user, &id)? else { return Ok(None) };
            let attempts = tx.attempts_at(user, &id, MAX_RESULTS)?;
            let grades: HashMap<AttemptId, Grade> =
                tx.grades_at(user, &id)?.into_iter().map(|grade| (grade.attempt, grade)).collect();
            let results = attempts.iter().filter_map(|a| result(a, grades.get(&a.id), quiz.pass));
            let mut items: Vec<AssessmentResult> = results.collect();
            items.sort_by_key(|result| std::cmp::Reverse((result.submitted_ms, result.attempt)));
            let graded = items.iter().filter(|result| result.percent.is_some());
            let best = graded.max_by_key(|result| {
                (result.percent, std::cmp::Reverse((result.submitted_ms, result.attempt)))
            });
            Ok(Some(AssessmentResults {
                attempts: quiz.attempts,
                attempts_left: attempts_left(tx, user, &id, quiz.attempts)?,
                best: best.cloned(),
                items,
                id,
            }))
        })
        .await
    }
}
