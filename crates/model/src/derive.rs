//! Displayed values, derived from joined rows and the current manifest. Derived values are never synced (R3).

use std::collections::{BTreeMap, BTreeSet};

use crate::{ItemId, content::CourseOutline, lattice::Session};

/// Number of finished sections and of all sections of a course or lesson.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Completion {
    /// Finished sections.
    pub done: u32,
    /// All sections.
    pub total: u32,
}

impl Completion {
    /// Returns hundredths of a percent, rounded down: 10,000 only if all sections are finished.
    pub fn percent(self) -> u16 {
        if self.total == 0 {
            0
        } else {
            (u64::from(self.done) * 10_000 / u64::from(self.total)) as u16
        }
    }
    /// Returns true if there is at least one section and all are finished.
    pub fn is_complete(self) -> bool {
        self.total > 0 && self.done == self.total
    }
}

/// Returns the completion of each lesson in order, and of the whole course. Finished sections that the course no longer
/// contains are not counted.
pub fn course_completion(
    course: &crate::Slug,
    outline: &CourseOutline,
    done: &BTreeSet<ItemId>,
) -> (Vec<Completion>, Completion) {
    let mut all = Completion::default();
    let lessons = outline
        .lessons
        .iter()
        .map(|lesson| {
            let count = lesson
                .sections
                .iter()
                .filter(|s| done.contains(&ItemId::section(course, &lesson.id, &s.id)))
                .count();
            let completion = Completion { done: count as u32, total: lesson.sections.len() as u32 };
            all.done += completion.done;
            all.total += completion.total;
            completion
        })
        .collect();
    (lessons, all)
}

/// Returns the milliseconds studied: the length of the union of the intervals `[started, started + active)`, so that
/// overlapping time counts once.
pub fn time_studied<'a>(sessions: impl IntoIterator<Item = &'a Session>) -> i64 {
    let mut spans: Vec<(i64, i64)> = sessions
        .into_iter()
        .map(|s| (s.started_ms, s.started_ms.saturating_add(s.active_ms)))
        .filter(|(a, b)| b > a)
        .collect();
    spans.sort_unstable();
    let mut total = 0;
    let mut end = i64::MIN;
    for (from, to) in spans {
        let from = from.max(end);
        if to > from {
            total += to - from;
            end = to;
        }
    }
    total
}

/// Returns the milliseconds studied on each of the learner's calendar days.
pub fn time_by_day<'a>(sessions: impl IntoIterator<Item = &'a Session>) -> BTreeMap<&'a str, i64> {
    let mut days: BTreeMap<&str, Vec<&Session>> = BTreeMap::new();
    for s in sessions {
        days.entry(s.day.as_str()).or_default().push(s);
    }
    days.into_iter().map(|(day, sessions)| (day, time_studied(sessions))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DeviceId, SessionId, lattice::Extra};

    fn session(id: u128, started_ms: i64, active_ms: i64) -> Session {
        Session {
            id: SessionId::from_u128(id),
            item: ItemId::new("course/lesson/section").unwrap(),
            device: DeviceId::from_u128(id),
            started_ms,
            day: "2026-11-20".into(),
            off_min: None,
            active_ms,
            extra: Extra::default(),
        }
    }

    #[test]
    fn overlapping_sessions_count_once() {
        let table: [(&[(i64, i64)], i64); 6] = [
            (&[], 0),
            (&[(0, 10)], 10),
            (&[(0, 10), (10, 5)], 15),
            (&[(0, 10), (5, 10)], 15),
            (&[(0, 100), (10, 5), (50, 10)], 100),
            (&[(50, 10), (0, 10), (55, 0)], 20),
        ];
        for (spans, expected) in table {
            let rows: Vec<_> =
                spans.iter().enumerate().map(|(i, (s, a))| session(i as u128, *s, *a)).collect();
            assert_eq!(time_studied(&rows), expected, "{spans:?}");
        }
    }
}
