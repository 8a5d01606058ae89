//! The server's grade of an attempt, from the rows alone. The score is `carrel_model::content::grade`, as on the device.

use std::collections::BTreeMap;

use carrel_model::{
    AttemptId, Slug,
    content::{Question, Quiz, Response, grade, grade_question},
    lattice::{Extra, Grade},
};

/// For so long after the first grade of an attempt that was submitted without its answers, answers to further questions count: they may
/// have been sent in another batch. A question that was graded stays as it is.
pub const OPEN_MS: i64 = 24 * 3_600_000;

/// Points and the most points, in thousandths, of the answers that were submitted with an attempt. An answer that cannot be read scores
/// nothing.
pub fn score(quiz: &Quiz, answers: &BTreeMap<Slug, String>) -> (i64, i64) {
    let responses: BTreeMap<&Slug, Response> = answers
        .iter()
        .filter_map(|(question, value)| Some((question, serde_json::from_str(value).ok()?)))
        .collect();
    let score = grade(quiz, |question| responses.get(question));
    (score.points, score.max_points)
}

/// Thousandths of a point for one answer; nothing for one that cannot be read.
pub fn score_one(question: &Question, value: &str) -> i64 {
    serde_json::from_str(value).map_or(0, |response| grade_question(question, &response))
}

/// The most points of a quiz, in thousandths.
pub fn max_points(quiz: &Quiz) -> i64 {
    quiz.questions.iter().map(|q| i64::from(q.points) * 1000).sum()
}

/// The next revision of the grade, or none if the score is what it was.
pub fn next(
    attempt: AttemptId,
    (points, max_points): (i64, i64),
    old: Option<&Grade>,
    now_ms: i64,
) -> Option<Grade> {
    if old.is_some_and(|g| (g.points, g.max_points) == (points, max_points)) {
        return None;
    }
    Some(Grade {
        attempt,
        rev: old.map_or(1, |g| g.rev.saturating_add(1)),
        points,
        max_points,
        graded_ms: now_ms,
        extra: Extra::default(),
    })
}
