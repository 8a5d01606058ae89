//! Quiz attempts: start, answer, submit. The answers of a submitted attempt cannot be changed.

use carrel_model::{
    AttemptId, BlobHash, ItemId, Slug,
    content::{GivenAnswer, Response, open_attempt},
    lattice::{Answer, Attempt, Grade, Validate},
};
use carrel_sqlite::rows::NEVER;
use rusqlite::Connection;

use crate::{
    Error, Learning, Result,
    store::{checked, outbox},
};

/// An attempt with its answers and grade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRecord {
    /// The attempt row.
    pub attempt: Attempt,
    /// Answers by question; of a submitted attempt, the submitted answers.
    pub answers: Vec<Answer>,
    /// The server's grade. Until it exists, a score computed on the device is provisional.
    pub grade: Option<Grade>,
    /// The attempt or one of its answers is in the outbox.
    pub waiting: bool,
}

impl Learning {
    /// Returns the open attempt at this version of the quiz (`quiz_hash`), or starts a new one. Which version is
    /// continued, and whether another attempt is allowed, is decided by the caller.
    pub async fn start_attempt(&self, quiz: &ItemId, quiz_hash: BlobHash) -> Result<AttemptRecord> {
        let quiz = quiz.clone();
        let id = AttemptId(self.ids.uuid_v7(self.store.clock().now_ms()));
        self.store
            .write("start_attempt", move |tx| {
                let clause = "WHERE quiz = ?1 AND quiz_hash = ?2 AND submitted_ms = ?3";
                let open = (quiz.as_str(), quiz_hash.0.as_slice(), NEVER);
                let found = checked::query::<Attempt>(tx.conn(), clause, open)?;
                if let Some(attempt) = open_attempt(&found) {
                    return record(tx.conn(), attempt.clone());
                }
                let now = tx.moment()?;
                let attempt = Attempt {
                    id,
                    quiz: quiz.clone(),
                    quiz_hash,
                    started_ms: now.at_ms,
                    day: Some(now.day),
                    off_min: Some(now.off_min),
                    submitted_ms: None,
                    answers: None,
                    extra: Default::default(),
                };
                tx.join(attempt.clone())?;
                record(tx.conn(), attempt)
            })
            .await
    }

    /// Stores the answer to one question, replacing an earlier one. Returns `Error::NotFound` for an unknown attempt,
    /// `Error::Invalid` for a submitted one.
    pub async fn save_answer(
        &self,
        attempt: AttemptId,
        question: &Slug,
        response: &Response,
    ) -> Result<Answer> {
        self.save_given_answer(attempt, question, &response.clone().into()).await
    }

    /// Like `save_answer`, with the number of hints that the learner has seen.
    pub async fn save_given_answer(
        &self,
        attempt: AttemptId,
        question: &Slug,
        given: &GivenAnswer,
    ) -> Result<Answer> {
        let (question, value) = (question.clone(), serde_json::to_string(given)?);
        self.store
            .write("save_answer", move |tx| {
                let of = find(tx, attempt)?;
                if !of.is_open() {
                    return Err(Error::Invalid(format!(
                        "attempt {attempt} is submitted and cannot be changed; hint: start a new attempt"
                    )));
                }
                let before: Option<Answer> = tx.find(&[attempt.to_string(), question.to_string()])?;
                let seq = match &before {
                    // An unchanged answer is not written again.
                    Some(b) if b.value == value => return Ok(b.clone()),
                    Some(b) => b.seq + 1,
                    None => 1,
                };
                let answer = Answer {
                    attempt,
                    question: question.clone(),
                    seq,
                    value: value.clone(),
                    extra: Default::default(),
                };
                tx.join(answer.clone())?;
                Ok(answer)
            })
            .await
    }

    /// Submits the attempt and freezes its answers. Idempotent.
    pub async fn submit_attempt(&self, attempt: AttemptId) -> Result<AttemptRecord> {
        self.submit_attempt_until(attempt, None).await
    }

    /// Like `submit_attempt`. `deadline_ms`: the time at which the attempt is over (UTC, ms), if it has a limit; a
    /// later submission counts as made then.
    pub async fn submit_attempt_until(
        &self,
        attempt: AttemptId,
        deadline_ms: Option<i64>,
    ) -> Result<AttemptRecord> {
        self.store
            .write("submit_attempt", move |tx| {
                let mut of = find(tx, attempt)?;
                if of.is_open() {
                    let found = answers_of(tx.conn(), attempt)?;
                    let now_ms = tx.moment()?.at_ms;
                    let end_ms = deadline_ms.filter(|deadline| now_ms > *deadline);
                    // If two devices submit an attempt whose time is over, the one with more answers submits first,
                    // and so its submission counts.
                    let missing = Attempt::MAX_ANSWERS.saturating_sub(found.len()) as i64;
                    let at_ms = end_ms.map_or(now_ms, |end| end.saturating_add(missing));
                    // If the clock was set back, the attempt must not end before it started.
                    of.submitted_ms = Some(at_ms.max(of.started_ms));
                    of.answers = Some(found.into_iter().map(|a| (a.question, a.value)).collect());
                    if of.validate().is_err() {
                        // Too long for one row: the server grades the answer rows instead.
                        of.answers = None;
                    }
                    tx.join(of.clone())?;
                }
                record(tx.conn(), of)
            })
            .await
    }

    /// Returns one attempt, or `Error::NotFound`.
    pub async fn attempt(&self, attempt: AttemptId) -> Result<AttemptRecord> {
        self.store
            .read(move |conn| {
                let id = attempt.0.as_bytes().as_slice();
                let found = checked::query::<Attempt>(conn, "WHERE id = ?1", [id])?.pop();
                record(conn, found.ok_or_else(|| Error::NotFound(format!("attempt {attempt}")))?)
            })
            .await
    }

    /// Returns all attempts at a quiz, oldest first, with answers and grades.
    pub async fn attempts(&self, quiz: &ItemId) -> Result<Vec<AttemptRecord>> {
        let quiz = quiz.clone();
        self.store
            .read(move |conn| {
                let found: Vec<Attempt> = checked::query(
                    conn,
                    "WHERE quiz = ?1 ORDER BY started_ms, id",
                    [quiz.as_str()],
                )?;
                found.into_iter().map(|a| record(conn, a)).collect()
            })
            .await
    }

    /// Returns all attempts that are not submitted, oldest first.
    pub async fn open_attempts(&self) -> Result<Vec<Attempt>> {
        self.store
            .read(move |conn| {
                checked::query(conn, "WHERE submitted_ms = ?1 ORDER BY started_ms, id", [NEVER])
            })
            .await
    }

    /// Returns all submitted attempts below a course or story, oldest first.
    pub async fn attempts_under(&self, root: &str) -> Result<Vec<AttemptRecord>> {
        let root = root.to_owned();
        self.store
            .read(move |conn| {
                let clause = "WHERE quiz > ?1 || '/' AND quiz < ?1 || '0' AND submitted_ms <> ?2 \
                              ORDER BY started_ms, id";
                let found: Vec<Attempt> = checked::query(conn, clause, (root, NEVER))?;
                found.into_iter().map(|a| record(conn, a)).collect()
            })
            .await
    }
}

fn find(tx: &crate::store::Tx<'_>, attempt: AttemptId) -> Result<Attempt> {
    tx.find(&[attempt.to_string()])?.ok_or_else(|| Error::NotFound(format!("attempt {attempt}")))
}

fn answers_of(conn: &Connection, attempt: AttemptId) -> Result<Vec<Answer>> {
    let id = attempt.0.as_bytes().as_slice();
    checked::query(conn, "WHERE attempt = ?1 ORDER BY question", [id])
}

fn record(conn: &Connection, attempt: Attempt) -> Result<AttemptRecord> {
    let id = attempt.id.0.as_bytes().as_slice();
    let mut answers = answers_of(conn, attempt.id)?;
    let grade = checked::query::<Grade>(conn, "WHERE attempt = ?1", [id])?.pop();
    let waits = |row: carrel_model::lattice::Row| outbox::is_waiting(conn, &row.key());
    let mut waiting = waits(attempt.clone().into())?;
    for answer in &answers {
        waiting = waiting || waits(answer.clone().into())?;
    }
    if let Some(submitted) = &attempt.answers {
        // Answers that another device recorded before it pulled the submission are ignored.
        answers = submitted
            .iter()
            .map(|(question, value)| {
                let row = answers.iter().find(|a| a.question == *question);
                Answer {
                    attempt: attempt.id,
                    question: question.clone(),
                    seq: row.map_or(0, |a| a.seq),
                    value: value.clone(),
                    extra: row.map_or_else(Default::default, |a| a.extra.clone()),
                }
            })
            .collect();
    }
    Ok(AttemptRecord { attempt, answers, grade, waiting })
}
