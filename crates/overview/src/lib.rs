//! Figures of a learner's study: time by day, streak, finished items, and the last 30 days. Pure functions of the
//! learner's rows, equal on the device and on the server.
//!
//! Not here: reading the rows, and the progress of a single course (`carrel_model::derive`).

use std::collections::{BTreeMap, BTreeSet};

use carrel_model::{
    ItemId,
    derive::{time_by_day, time_studied},
    lattice::{Progress, Session, date_of_day, study_day},
};
use jiff::{ToSpan, civil::Date};

/// Number of days of `Overview::days`.
const OVERVIEW_DAYS: u32 = 28;
/// Number of days of `Summary`, up to today.
pub const SUMMARY_DAYS: u32 = 30;

/// Key of the register (namespace `REVIEW`) with the minutes after midnight at which a study day starts.
pub const DAY_START: &str = "dayStartMinutes";
/// A learner who studies after midnight still studies on the day before.
pub const DEFAULT_DAY_START_MIN: i32 = 4 * 60;
/// Later starts could make the study day differ from the UTC day by two.
pub const MAX_DAY_START_MIN: i32 = 12 * 60;

/// Returns the minutes after midnight at which a study day starts. `value`: the register `DAY_START`, if it is set.
pub fn day_start_min(value: Option<&str>) -> i32 {
    let minutes = value.and_then(|value| serde_json::from_str(value).ok());
    minutes.unwrap_or(DEFAULT_DAY_START_MIN).clamp(0, MAX_DAY_START_MIN)
}

/// The present study day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Today {
    /// Days since 1970-01-01.
    pub day: i32,
    /// Offset of the learner's time zone from UTC, in minutes.
    pub off_min: i16,
    /// Minutes after midnight at which a study day starts.
    pub day_start_min: i32,
}

impl Today {
    /// Returns the study day at a time (UTC, ms since 1970).
    pub fn at(at_ms: i64, off_min: i16, day_start_min: i32) -> Self {
        Self { day: study_day(at_ms, off_min.into(), day_start_min), off_min, day_start_min }
    }
    /// Returns the end of the study day (UTC, ms since 1970).
    pub fn end_ms(self) -> i64 {
        let shift_min = i64::from(self.off_min) - i64::from(self.day_start_min);
        (i64::from(self.day) + 1) * 86_400_000 - shift_min * 60_000
    }
}

/// The rows of a learner from which an overview is computed.
#[derive(Debug, Clone, Default)]
pub struct StudyRows {
    /// All sessions.
    pub sessions: Vec<Session>,
    /// The progress of all stories.
    pub stories: Vec<Progress>,
    /// Number of finished sections.
    pub sections_done: u32,
    /// Number of distinct quizzes with at least one submitted attempt.
    pub quizzes_taken: u32,
}

/// Study totals over all courses and stories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// The last 28 days up to today, oldest first, including days without study: (`2026-11-20`, ms).
    pub days: Vec<(String, i64)>,
    /// Number of consecutive days with study up to today, or up to yesterday if there is none today.
    pub streak_days: u32,
    /// Study time in milliseconds; overlaps of devices are counted once.
    pub total_ms: i64,
    /// Number of finished sections.
    pub sections_done: u32,
    /// Number of finished stories.
    pub stories_done: u32,
    /// Number of distinct quizzes with at least one submitted attempt.
    pub quizzes_taken: u32,
    /// Courses and stories with study time, most recent first.
    pub roots: Vec<RootTime>,
    /// The last `SUMMARY_DAYS` days.
    pub summary: Summary,
}

/// Study of the last `SUMMARY_DAYS` days, up to today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Number of days with study.
    pub active_days: u32,
    /// Study time in milliseconds.
    pub time_ms: i64,
    /// Stories that were studied for the first time.
    pub stories_started: u32,
    /// Stories that were finished for the first time. The day of the end is taken in the present time zone.
    pub stories_completed: u32,
    /// Mean progress of the stories that were studied, in hundredths of a percent; 0 without such a story.
    pub mean_completion: u16,
}

/// Study time of one course or story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootTime {
    /// Id of the course, or of the story.
    pub root: String,
    /// True if the root is a story: it has sessions or progress itself, which a course does not.
    pub is_story: bool,
    /// Study time in milliseconds.
    pub time_spent_ms: i64,
    /// End of the last session, in UTC milliseconds.
    pub last_ms: i64,
}

impl Overview {
    /// Computes the overview up to today.
    pub fn of(rows: &StudyRows, today: Today) -> Self {
        let StudyRows { sessions, stories, sections_done, quizzes_taken } = rows;
        let date = date_of_day(today.day);
        let by_day = time_by_day(sessions);
        let days = (0..OVERVIEW_DAYS).rev().map(|days_back| {
            let day = day_before(date, days_back);
            let active_ms = by_day.get(day.as_str()).copied().unwrap_or(0);
            (day, active_ms)
        });
        Self {
            days: days.collect(),
            streak_days: streak(date, &by_day),
            total_ms: time_studied(sessions),
            sections_done: *sections_done,
            stories_done: stories.iter().filter(|s| s.done_ms.is_some()).count() as u32,
            quizzes_taken: *quizzes_taken,
            summary: summary(sessions, stories, &by_day, today),
            roots: roots(sessions, stories),
        }
    }
}

fn summary(
    sessions: &[Session],
    stories: &[Progress],
    by_day: &BTreeMap<&str, i64>,
    today: Today,
) -> Summary {
    let first_day = today.day.saturating_sub_unsigned(SUMMARY_DAYS - 1);
    let (from, to) = (date_of_day(first_day).to_string(), date_of_day(today.day).to_string());
    let mut summary = Summary::default();
    for (_, ms) in by_day.range(from.as_str()..=to.as_str()).filter(|(_, ms)| **ms > 0) {
        summary.active_days += 1;
        summary.time_ms += ms;
    }
    let mut days: BTreeMap<&ItemId, (&str, &str)> = BTreeMap::new();
    for session in sessions {
        let day = session.day.as_str();
        let (first, last) = days.entry(&session.item).or_insert((day, day));
        (*first, *last) = ((*first).min(day), (*last).max(day));
    }
    let is_recent = |ms: i64| {
        let day = study_day(ms, today.off_min.into(), today.day_start_min);
        (first_day..=today.day).contains(&day)
    };
    let mut percents: Vec<u64> = Vec::new();
    for story in stories {
        summary.stories_completed += u32::from(story.done_ms.is_some_and(is_recent));
        if let Some((first, last)) = days.get(&story.item) {
            summary.stories_started += u32::from(*first >= from.as_str());
            if *last >= from.as_str() {
                percents.push(story.percent.into());
            }
        }
    }
    if let Some(mean) = percents.iter().sum::<u64>().checked_div(percents.len() as u64) {
        summary.mean_completion = u16::try_from(mean).unwrap_or(u16::MAX);
    }
    summary
}

/// Returns the date of an earlier day; the first possible date if there is no such day.
fn day_before(day: Date, days_back: u32) -> String {
    day.saturating_sub(i64::from(days_back).days()).to_string()
}

fn streak(today: Date, by_day: &BTreeMap<&str, i64>) -> u32 {
    let studied = |day: &str| by_day.get(day).is_some_and(|ms| *ms > 0);
    let mut days_back = u32::from(!studied(&today.to_string()));
    let mut days = 0;
    while studied(&day_before(today, days_back)) && (days as usize) < by_day.len() {
        days += 1;
        days_back += 1;
    }
    days
}

fn roots(sessions: &[Session], stories: &[Progress]) -> Vec<RootTime> {
    let mut by_root: BTreeMap<&str, Vec<&Session>> = BTreeMap::new();
    for s in sessions {
        by_root.entry(s.item.root()).or_default().push(s);
    }
    let stories: BTreeSet<&str> = stories.iter().map(|story| story.item.as_str()).collect();
    let mut roots: Vec<RootTime> = by_root
        .into_iter()
        .map(|(root, sessions)| RootTime {
            root: root.to_owned(),
            is_story: stories.contains(root) || sessions.iter().any(|s| s.item.as_str() == root),
            time_spent_ms: time_studied(sessions.iter().copied()),
            last_ms: sessions.iter().map(|s| s.started_ms + s.active_ms).max().unwrap_or(0),
        })
        .collect();
    roots.sort_by(|a, b| b.last_ms.cmp(&a.last_ms).then_with(|| a.root.cmp(&b.root)));
    roots
}

#[cfg(test)]
mod tests {
    use carrel_model::{
        DeviceId, SessionId,
        lattice::{Extra, ItemKind},
    };

    use super::*;

    /// 2026-11-20T12:00:00Z.
    const NOON: i64 = 1_795_176_000_000;
    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;

    #[test]
    fn a_study_day_ends_when_the_next_begins() {
        for (off_min, day_start_min) in [(0, 0), (0, 240), (330, 240), (-720, 720), (840, 0)] {
            let today = Today::at(NOON, off_min, day_start_min);
            let end = today.end_ms();
            assert_eq!(Today::at(end - 1, off_min, day_start_min), today);
            assert_eq!(Today::at(end, off_min, day_start_min).day, today.day + 1);
        }
    }

    /// A session of one hour, this number of days before today.
    fn session(id: u128, item: &str, days_back: i64) -> Session {
        let today = Today::at(NOON, 0, 240);
        Session {
            id: SessionId::from_u128(id),
            item: ItemId::new(item).unwrap(),
            device: DeviceId::from_u128(1),
            started_ms: NOON - days_back * DAY,
            day: date_of_day(today.day - i32::try_from(days_back).unwrap()).to_string(),
            off_min: None,
            active_ms: HOUR,
            extra: Extra::default(),
        }
    }

    fn story(item: &str, percent: u16, done_ms: Option<i64>) -> Progress {
        let (kind, item) = (ItemKind::Story, ItemId::new(item).unwrap());
        let (generation, pos, extra) = (0, None, Extra::default());
        Progress { kind, item, generation, percent, done_ms, pos, extra }
    }

    #[test]
    fn figures_follow_from_the_rows() {
        let rows = StudyRows {
            sessions: vec![
                session(1, "rivers/one/read", 1),
                session(2, "the-flood", 2),
                session(3, "the-flood", 3),
                session(4, "old-story", 40),
            ],
            stories: vec![
                story("the-flood", 5_000, None),
                story("old-story", 10_000, Some(NOON - 40 * DAY)),
                story("heard", 10_000, Some(NOON - 29 * DAY)),
            ],
            sections_done: 4,
            quizzes_taken: 2,
        };
        let overview = Overview::of(&rows, Today::at(NOON, 0, 240));
        assert_eq!((overview.total_ms, overview.streak_days), (4 * HOUR, 3));
        assert_eq!((overview.days.len(), overview.days[26].1, overview.days[27].1), (28, HOUR, 0));
        assert_eq!(
            (overview.sections_done, overview.stories_done, overview.quizzes_taken),
            (4, 2, 2)
        );
        let summary = Summary {
            active_days: 3,
            time_ms: 3 * HOUR,
            stories_started: 1,
            stories_completed: 1,
            mean_completion: 5_000,
        };
        assert_eq!(overview.summary, summary);
        let roots: Vec<_> = overview.roots.iter().map(|r| (r.root.as_str(), r.is_story)).collect();
        assert_eq!(roots, [("rivers", false), ("the-flood", true), ("old-story", true)]);
        assert_eq!(overview.roots[1].time_spent_ms, 2 * HOUR);
    }

    #[test]
    fn nothing_studied_gives_zeros() {
        for now in [NOON, i64::MIN, i64::MAX] {
            let overview = Overview::of(&StudyRows::default(), Today::at(now, -720, 0));
            assert_eq!((overview.streak_days, overview.total_ms), (0, 0));
            assert_eq!((overview.summary, overview.days.len()), (Summary::default(), 28));
        }
    }

    #[test]
    fn the_start_of_the_day_is_within_its_range() {
        let table =
            [(None, 240), (Some("0"), 0), (Some("1000"), 720), (Some("-1"), 0), (Some("x"), 240)];
        for (value, expected) in table {
            assert_eq!(day_start_min(value), expected, "{value:?}");
        }
    }
}
