//! The server's grade of an attempt, from the rows alone. The score is `carrel_model::content::grade`, as on the device.

use std::collections::BTreeMap;

use carrel_model::{
    AttemptId, Slug,
    content::{Quiz, Response, grade},
    lattice::{Answer, Extra, Grade},
};

/// The next revision of the grade, or none if the score is what it was. An answer that cannot be read scores nothing.
pub fn regrade(
    quiz: &Quiz,
    attempt: AttemptId,
    answers: &[Answer],
    old: Option<&Grade>,
    now_ms: i64,
) -> Option<Grade> {
    let responses: BTreeMap<&Slug, Response> = answers
        .iter()
        .filter_map(|a| Some((&a.question, serde_json::from_str(&a.value).ok()?)))
        .collect();
    let score = grade(quiz, |question| responses.get(question));
    if old.is_some_and(|g| (g.points, g.max_points) == (score.points, score.max_points)) {
        return None;
    }
    Some(Grade {
        attempt,
        rev: old.map_or(1, |g| g.rev.saturating_add(1)),
        points: score.points,
        max_points: score.max_points,
        graded_ms: now_ms,
        extra: Extra::default(),
    })
}
