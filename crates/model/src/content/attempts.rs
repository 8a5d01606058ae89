//! Determines which attempts count if a quiz limits their number, and which one a learner continues. Used by the server
//! for grading and by the device for display.
//!
//! All attempts at a quiz count together, whatever version of the quiz they were started at.

use std::collections::BTreeSet;

use super::quiz::Quiz;
use crate::{AttemptId, lattice::Attempt};

/// Returns the attempt that a learner continues: the last started of those that are not submitted, whatever version of
/// the quiz it was started at. It does not count until it is submitted. `attempts`: attempts at one quiz.
pub fn open_attempt<'a>(attempts: impl IntoIterator<Item = &'a Attempt>) -> Option<&'a Attempt> {
    attempts.into_iter().filter(|a| a.is_open()).max_by_key(|a| (a.started_ms, a.id))
}

impl Quiz {
    /// Returns the time (UTC, ms) at which an attempt that started at `started_ms` is over; `None` without a limit.
    pub fn deadline_ms(&self, started_ms: i64) -> Option<i64> {
        self.time_limit_s.map(|limit| started_ms.saturating_add(i64::from(limit) * 1000))
    }
}

/// The fields of a submitted attempt that are needed to apply the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submitted {
    /// Id of the attempt.
    pub id: AttemptId,
    /// Time of submission, in UTC milliseconds.
    pub submitted_ms: i64,
    /// True if the server has graded it.
    pub is_graded: bool,
}

/// Returns true if another attempt counts after `counted` attempts. A `limit` of 0 means no limit.
pub fn has_attempts_left(limit: u32, counted: usize) -> bool {
    limit == 0 || u32::try_from(counted).is_ok_and(|counted| counted < limit)
}

/// Returns the attempts at one quiz that count: all graded ones, then the earliest others by `(submitted_ms, id)` up to
/// the limit. The server will grade the same attempts, unless it receives one from another device first.
pub fn counted_attempts(limit: u32, submitted: &[Submitted]) -> BTreeSet<AttemptId> {
    let mut counted: BTreeSet<AttemptId> =
        submitted.iter().filter(|a| a.is_graded).map(|a| a.id).collect();
    let mut others: Vec<&Submitted> = submitted.iter().filter(|a| !a.is_graded).collect();
    others.sort_by_key(|a| (a.submitted_ms, a.id));
    for attempt in others {
        if !has_attempts_left(limit, counted.len()) {
            break;
        }
        counted.insert(attempt.id);
    }
    counted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(id: u128, submitted_ms: i64, is_graded: bool) -> Submitted {
        Submitted { id: AttemptId::from_u128(id), submitted_ms, is_graded }
    }
    fn counted(limit: u32, submitted: &[Submitted]) -> Vec<u128> {
        counted_attempts(limit, submitted).iter().map(|id| id.0.as_u128()).collect()
    }

    #[test]
    fn graded_attempts_count_and_then_the_earliest() {
        let (a, b, c, d) = (
            attempt(1, 40, false),
            attempt(2, 30, true),
            attempt(3, 10, false),
            attempt(4, 10, false),
        );
        let table: [(u32, &[Submitted], &[u128]); 8] = [
            (0, &[a, b, c, d], &[1, 2, 3, 4]),
            (1, &[a, b, c, d], &[2]),
            (2, &[a, b, c, d], &[2, 3]),
            (3, &[d, c, b, a], &[2, 3, 4]),
            (9, &[a, b, c, d], &[1, 2, 3, 4]),
            (1, &[a, c], &[3]),
            (1, &[], &[]),
            // A grade remains valid if the limit is lowered later.
            (1, &[attempt(5, 1, true), b, c], &[2, 5]),
        ];
        for (limit, submitted, expected) in table {
            assert_eq!(counted(limit, submitted), expected, "{limit} {submitted:?}");
        }
    }

    #[test]
    fn server_and_device_count_the_same_attempts() {
        // Grade the attempts in order, as the server does, which uses only the number of grades.
        for limit in 0..4 {
            for pattern in 0_u32..64 {
                let mut submitted: Vec<Submitted> = (0..6)
                    .map(|n| attempt(n, i64::from(pattern >> n & 3), pattern >> n & 1 == 1))
                    .collect();
                let counted = counted_attempts(limit, &submitted);
                submitted.sort_by_key(|a| (a.submitted_ms, a.id));
                for at in 0..submitted.len() {
                    let graded = submitted.iter().filter(|a| a.is_graded).count();
                    submitted[at].is_graded |= has_attempts_left(limit, graded);
                }
                let graded: BTreeSet<AttemptId> =
                    submitted.iter().filter(|a| a.is_graded).map(|a| a.id).collect();
                assert_eq!(counted, graded, "limit {limit}, pattern {pattern:06b}");
            }
        }
    }

    #[test]
    fn the_last_started_attempt_of_any_version_is_open() {
        let attempt = |id: u128, version: u8, started_ms: i64, submitted_ms: Option<i64>| Attempt {
            id: AttemptId::from_u128(id),
            quiz: "course/quiz".parse().unwrap(),
            quiz_hash: crate::BlobHash([version; 32]),
            started_ms,
            day: None,
            off_min: None,
            submitted_ms,
            answers: None,
            extra: Default::default(),
        };
        let (a, b, c) =
            (attempt(1, 1, 10, None), attempt(2, 2, 20, None), attempt(3, 3, 30, Some(40)));
        let open = |list: &[&Attempt]| open_attempt(list.iter().copied()).map(|a| a.id.0.as_u128());
        assert_eq!(open(&[]), None);
        assert_eq!(open(&[&c]), None);
        assert_eq!(open(&[&a, &c]), Some(1));
        assert_eq!(open(&[&b, &a, &c]), Some(2));
        assert_eq!(open(&[&a, &attempt(4, 1, 10, None)]), Some(4));
    }
}
