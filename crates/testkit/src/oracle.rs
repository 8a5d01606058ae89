//! The expected state of one learner: after sync, every replica must contain exactly the acknowledged
//! writes.
//!
//! It does not use the code under test, except the joins of `carrel_model`: study time is summed by a
//! separate algorithm, progress is computed by the simulated learner.

use std::collections::{BTreeMap, BTreeSet};

use carrel_model::{
    AttemptId, BlobHash, DeviceId, Hlc, ItemId, Slug,
    content::{GivenAnswer, Quiz, grade},
    lattice::{Attempt, Join, Row, RowKey, RowType},
};

use crate::content;

pub type Rows = BTreeMap<RowKey, Row>;

/// The expected state of one learner.
#[derive(Default)]
pub struct Oracle {
    /// The join of all rows that local writes produced.
    rows: Rows,
    /// All values written to each last-writer-wins register (setting, enrolment, position).
    registers: BTreeMap<RowKey, BTreeSet<String>>,
    /// Study times: item, from, to (wall clock of the device, ms).
    spans: Vec<(ItemId, i64, i64)>,
    /// Greatest (generation, percent) after a step.
    percent: BTreeMap<RowKey, (u32, u16)>,
    /// The answers of all submissions of each attempt.
    submissions: BTreeMap<AttemptId, BTreeSet<BTreeMap<Slug, String>>>,
    /// Number of completed writes.
    acknowledged: u64,
}

impl Oracle {
    /// Records a completed write and the rows that it changed.
    pub fn record_write(&mut self, rows: impl IntoIterator<Item = Row>) {
        self.acknowledged += 1;
        for row in rows {
            let key = row.key();
            if let Row::Attempt(Attempt { id, answers: Some(answers), .. }) = &row {
                self.submissions.entry(*id).or_default().insert(answers.clone());
            }
            if let Some(value) = register(&row) {
                self.registers.entry(key.clone()).or_default().insert(value);
            }
            match self.rows.get_mut(&key) {
                Some(stored) => stored.join(&row),
                None => drop(self.rows.insert(key, row)),
            }
        }
    }
    /// Records a study time of `ms` that started at `from`.
    pub fn record_study(&mut self, item: &ItemId, from: i64, ms: i64) {
        if ms > 0 {
            self.spans.push((item.clone(), from, from + ms));
        }
    }
    /// Records a step, after which at least this progress is expected.
    pub fn record_step(&mut self, key: RowKey, generation: u32, percent: u16) {
        let known = self.percent.entry(key).or_default();
        *known = (*known).max((generation, percent));
    }

    pub fn rows(&self) -> &Rows {
        &self.rows
    }
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }
    /// Returns the length of the union of all study times, in milliseconds.
    pub fn time_ms(&self) -> i64 {
        let mut ends: Vec<(i64, i32)> =
            self.spans.iter().flat_map(|(_, from, to)| [(*from, 1), (*to, -1)]).collect();
        ends.sort_unstable();
        let (mut open, mut last, mut sum) = (0, 0, 0);
        for (at, step) in ends {
            if open > 0 {
                sum += at - last;
            }
            open += step;
            last = at;
        }
        sum
    }

    /// Returns the sum of all study times, in milliseconds.
    fn spent_ms(&self) -> i64 {
        self.spans.iter().map(|(_, from, to)| to - from).sum()
    }

    /// Compares a replica with the expected state. `exact`: registers must have the last value, because
    /// the clocks were correct; otherwise any value written to them, and the times of sessions, attempts
    /// and reviews may have been corrected.
    pub fn check(&self, name: &str, replica: &Rows, exact: bool) -> Result<(), String> {
        for (key, row) in &self.rows {
            let Some(actual) = replica.get(key) else {
                return Err(format!("{name} lacks {key:?}: {row:?}"));
            };
            if exact && actual != row {
                return Err(format!(
                    "{name} has a wrong {key:?}:\n  actual   {actual:?}\n  expected {row:?}"
                ));
            }
            if comparable(actual, exact) != comparable(row, exact) {
                return Err(format!(
                    "{name} has a wrong {key:?} (ignoring registers):\n  actual   {actual:?}\n  expected {row:?}"
                ));
            }
            if let Row::Attempt(Attempt { id, answers: Some(answers), .. }) = actual
                && !self.submissions.get(id).is_some_and(|known| known.contains(answers))
            {
                return Err(format!("{name} has unexpected answers of {key:?}: {answers:?}"));
            }
            if let Some(value) = register(actual)
                && !self.registers.get(key).is_some_and(|known| known.contains(&value))
            {
                return Err(format!("{name} has the unexpected value {value:?} of {key:?}"));
            }
        }
        for (key, row) in replica {
            if !self.rows.contains_key(key) && !self.is_derived(row) {
                return Err(format!("{name} has the unexpected row {row:?}"));
            }
        }
        for (key, (generation, percent)) in &self.percent {
            let shown = match replica.get(key) {
                Some(Row::Progress(p)) => (p.generation, p.percent),
                _ => (0, 0),
            };
            if shown != (*generation, *percent) {
                return Err(format!(
                    "{name} has {shown:?} of {key:?}, expected {generation} {percent}"
                ));
            }
        }
        let sessions =
            replica.values().filter_map(|r| if let Row::Session(s) = r { Some(s) } else { None });
        // Corrected sessions of several devices may overlap where the wrong times did not.
        let (time, expected) = match exact {
            true => (carrel_model::derive::time_studied(sessions), self.time_ms()),
            false => (sessions.map(|s| s.active_ms).sum(), self.spent_ms()),
        };
        if time != expected {
            return Err(format!("{name} has {time} ms of study time, expected {expected}"));
        }
        Ok(())
    }

    /// Returns whether the server created this row because of a row of the learner.
    fn is_derived(&self, row: &Row) -> bool {
        match row {
            Row::Grade(g) => {
                let attempt = RowKey { row_type: RowType::Attempt, key: g.attempt.to_string() };
                matches!(self.rows.get(&attempt), Some(Row::Attempt(a)) if a.submitted_ms.is_some())
            }
            Row::Decision(d) => {
                let request = RowKey::of(RowType::Kv, &["enrolment", d.course.as_str()]);
                self.registers.get(&request).is_some_and(|values| values.contains("true"))
            }
            _ => false,
        }
    }

    /// Checks that every submitted attempt has the grade of its answers (those of one submission, if
    /// several devices submitted it), and that every enrolment request has a decision.
    pub fn check_server_rows(
        &self,
        server: &Rows,
        quizzes: &[(ItemId, BlobHash, Quiz)],
    ) -> Result<(), String> {
        for row in server.values() {
            match row {
                Row::Attempt(a) if a.submitted_ms.is_some() => {
                    let Some((_, _, quiz)) =
                        quizzes.iter().find(|(_, hash, _)| *hash == a.quiz_hash)
                    else {
                        continue;
                    };
                    let submissions = self.submissions.get(&a.id);
                    let expected: Vec<(i64, i64)> = submissions
                        .into_iter()
                        .flatten()
                        .map(|answers| {
                            let responses: BTreeMap<_, GivenAnswer> = answers
                                .iter()
                                .filter_map(|(q, v)| Some((q, serde_json::from_str(v).ok()?)))
                                .collect();
                            let score = grade(quiz, |q| responses.get(q));
                            (score.points, score.max_points)
                        })
                        .collect();
                    let key = RowKey { row_type: RowType::Grade, key: a.id.to_string() };
                    match server.get(&key) {
                        Some(Row::Grade(g)) if expected.contains(&(g.points, g.max_points)) => {}
                        other => {
                            return Err(format!(
                                "attempt {}: expected one of {expected:?}, found {other:?}",
                                a.id
                            ));
                        }
                    }
                }
                // Requests for courses that are not in the catalogue have no decision.
                Row::Kv(kv)
                    if kv.ns == "enrolment" && kv.key == content::COURSE && kv.value == "true" =>
                {
                    let key = RowKey { row_type: RowType::Decision, key: kv.key.clone() };
                    if !server.contains_key(&key) {
                        return Err(format!("no decision on the enrolment in {}", kv.key));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Returns the value of the last-writer-wins part of a row.
fn register(row: &Row) -> Option<String> {
    match row {
        Row::Kv(kv) => Some(kv.value.clone()),
        Row::Progress(p) => p.pos.as_ref().map(|p| p.at.clone()),
        _ => None,
    }
}
/// Returns the row without its last-writer-wins part.
fn without_register(row: &Row) -> Row {
    let mut row = row.clone();
    match &mut row {
        Row::Kv(kv) => {
            kv.value.clear();
            (kv.hlc, kv.device) = (Hlc::ZERO, DeviceId::from_u128(0));
        }
        Row::Progress(p) => p.pos = None,
        _ => {}
    }
    row
}

/// Returns the row without its last-writer-wins part, and unless `exact` without what the correction of a
/// clock may change: times, study days, and which of two submissions is the earlier one.
fn comparable(row: &Row, exact: bool) -> Row {
    let mut row = without_register(row);
    if exact {
        return row;
    }
    match &mut row {
        Row::Session(s) => (s.started_ms, s.day) = (0, String::new()),
        Row::Review(r) => (r.at_ms, r.day) = (0, None),
        Row::Attempt(a) => {
            (a.started_ms, a.day, a.answers) = (0, None, None);
            a.submitted_ms = a.submitted_ms.map(|_| 0);
        }
        _ => {}
    }
    row
}

/// Checks that `after` contains all rows and data of `before`: joining a row of `before` changes
/// nothing. Ignores last-writer-wins parts, because their stamps may change, and unless `exact` the
/// times that the correction of a clock may change.
pub fn check_no_loss(name: &str, before: &Rows, after: &Rows, exact: bool) -> Result<(), String> {
    for (key, old) in before {
        let Some(new) = after.get(key) else {
            return Err(format!("{name} lacks {old:?}"));
        };
        let new = comparable(new, exact);
        let mut joined = new.clone();
        joined.join(&comparable(old, exact));
        if joined != new {
            return Err(format!(
                "{name} lost data of {key:?}:\n  before {old:?}\n  after  {new:?}"
            ));
        }
    }
    Ok(())
}

/// Returns an error with the first difference between two replicas.
pub fn compare(left: (&str, &Rows), right: (&str, &Rows)) -> Result<(), String> {
    for (key, row) in left.1 {
        match right.1.get(key) {
            Some(other) if other.hash() == row.hash() => {}
            other => {
                return Err(format!(
                    "{key:?} differs:\n  {:8} {row:?}\n  {:8} {other:?}",
                    left.0, right.0
                ));
            }
        }
    }
    match right.1.iter().find(|(key, _)| !left.1.contains_key(*key)) {
        Some((_, row)) => Err(format!("only {} has {row:?}", right.0)),
        None => Ok(()),
    }
}
