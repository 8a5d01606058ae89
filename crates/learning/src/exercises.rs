//! Exercises after a story: which runs were begun, and their answers. A run and each of its answers is a register, so
//! that two devices that continue a run keep the answers of both.
//!
//! Not here: the exercises and their grading (`carrel_model::content`).

use std::collections::BTreeMap;

use carrel_model::{
    ItemId, Slug,
    content::Response,
    lattice::{EXERCISE, EXERCISE_SEPARATOR as SEPARATOR, Kv},
};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use crate::{Error, Learning, Result, store::checked};

/// The exercises of a story that were begun at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct ExerciseRun {
    /// Id of the run; later runs have greater ids.
    pub id: String,
    /// Determines the exercises.
    pub seed: u32,
    /// Number of exercises.
    pub count: u32,
    /// Time of the start in UTC, ms since 1970.
    pub started_ms: i64,
    /// The answers by exercise. The first one counts.
    pub answers: BTreeMap<Slug, ExerciseAnswer>,
}

impl ExerciseRun {
    /// Returns true if there is an answer to each exercise.
    pub fn is_done(&self) -> bool {
        self.answers.len() >= self.count as usize
    }
}

/// An answer to an exercise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExerciseAnswer {
    /// What the learner answered.
    pub response: Response,
    /// Points in thousandths.
    pub points: i64,
    /// Maximum points in thousandths; 0 if the exercise has no points.
    pub max_points: i64,
}

/// Value of the register of a run.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start {
    seed: u32,
    count: u32,
    started_ms: i64,
}

impl Learning {
    /// Returns the runs of a story's exercises, oldest first.
    pub async fn exercise_runs(&self, story: &ItemId) -> Result<Vec<ExerciseRun>> {
        let story = story.clone();
        self.store.read(move |conn| runs(conn, &story)).await
    }

    /// Starts a run with a random seed, or returns the last run if some of its exercises have no answer. `count`
    /// returns the number of exercises of a seed.
    pub async fn start_exercises(
        &self,
        story: &ItemId,
        count: impl FnOnce(u32) -> u32,
    ) -> Result<ExerciseRun> {
        let story = story.clone();
        let id = self.ids.uuid_v7(self.store.clock().now_ms()).to_string();
        let mut seed = [0; 4];
        self.ids.fill(&mut seed);
        let seed = u32::from_le_bytes(seed);
        let count = count(seed);
        self.store
            .write("start_exercises", move |tx| {
                let last = runs(tx.conn(), &story)?.pop();
                if let Some(open) = last.filter(|run| !run.is_done()) {
                    return Ok(open);
                }
                let started_ms = tx.moment()?.at_ms;
                let start = serde_json::to_value(Start { seed, count, started_ms })?;
                tx.set_register(EXERCISE, &format!("{story}{SEPARATOR}{id}"), &start)?;
                let id = id.clone();
                Ok(ExerciseRun { id, seed, count, started_ms, answers: BTreeMap::new() })
            })
            .await
    }

    /// Stores the answer to an exercise, unless there is one already. Returns the stored answer.
    ///
    /// # Errors
    ///
    /// `Error::NotFound` for an unknown run.
    pub async fn answer_exercise(
        &self,
        story: &ItemId,
        run: &str,
        exercise: &Slug,
        answer: ExerciseAnswer,
    ) -> Result<ExerciseAnswer> {
        let (story, run, exercise) = (story.clone(), run.to_owned(), exercise.clone());
        self.store
            .write("answer_exercise", move |tx| {
                let known = runs(tx.conn(), &story)?.into_iter().find(|known| known.id == run);
                let missing = || Error::NotFound(format!("exercises {run} of {story}"));
                if let Some(first) = known.ok_or_else(missing)?.answers.remove(&exercise) {
                    return Ok(first);
                }
                let key = format!("{story}{SEPARATOR}{run}/{exercise}");
                tx.set_register(EXERCISE, &key, &serde_json::to_value(&answer)?)?;
                Ok(answer.clone())
            })
            .await
    }
}

fn runs(conn: &Connection, story: &ItemId) -> Result<Vec<ExerciseRun>> {
    let prefix = format!("{story}{SEPARATOR}");
    // The keys with the prefix: those from it up to the same text with the next character at its end.
    let end = format!("{story}{}", char::from(SEPARATOR as u8 + 1));
    let clause = "WHERE ns = ?1 AND key >= ?2 AND key < ?3 ORDER BY key";
    let rows = checked::query::<Kv>(conn, clause, (EXERCISE, prefix.as_str(), end.as_str()))?;
    let mut found: Vec<ExerciseRun> = Vec::new();
    // A run is followed by its answers. Values of a later release that cannot be read are left out.
    for row in &rows {
        let Some(rest) = row.key.strip_prefix(&prefix) else { continue };
        match rest.split_once('/') {
            None => {
                let Ok(start) = serde_json::from_str::<Start>(&row.value) else { continue };
                found.push(ExerciseRun {
                    id: rest.to_owned(),
                    seed: start.seed,
                    count: start.count,
                    started_ms: start.started_ms,
                    answers: BTreeMap::new(),
                });
            }
            Some((id, exercise)) => {
                let Some(run) = found.last_mut().filter(|run| run.id == id) else { continue };
                let Ok(exercise) = Slug::new(exercise) else { continue };
                if let Ok(answer) = serde_json::from_str(&row.value) {
                    run.answers.insert(exercise, answer);
                }
            }
        }
    }
    Ok(found)
}
