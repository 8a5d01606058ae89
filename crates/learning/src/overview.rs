//! Totals for the Progress screen, computed from the rows on this device.

use std::collections::{BTreeMap, BTreeSet};

use carrel_model::{
    ItemId,
    derive::{time_by_day, time_studied},
    lattice::{Progress, Session, date_of_day},
};
use carrel_sqlite::rows::NEVER;
use jiff::{ToSpan, civil::Date};
use rusqlite::Connection;

use crate::{
    Error, Learning, Moment, Result,
    store::{checked, study_day},
};

const OVERVIEW_DAYS: i64 = 28;
/// Number of days of `Summary`, up to today.
pub const SUMMARY_DAYS: u32 = 30;

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

impl Learning {
    /// Computes the overview up to the present study day.
    pub async fn overview(&self) -> Result<Overview> {
        let clock = self.store.clock().clone();
        let overview = move |conn: &Connection| {
            let now = study_day::now(conn, clock.as_ref())?;
            overview(conn, &now)
        };
        self.store.read(overview).await
    }
}

fn overview(conn: &Connection, now: &Moment) -> Result<Overview> {
    let today = date_of_day(now.day);
    let sessions: Vec<Session> = checked::query(conn, "", [])?;
    let by_day = time_by_day(&sessions);
    let mut days = Vec::new();
    for days_back in (0..OVERVIEW_DAYS).rev() {
        let day = day_before(today, days_back)?;
        let active_ms = by_day.get(day.as_str()).copied().unwrap_or(0);
        days.push((day, active_ms));
    }
    let count = |sql: &str| -> Result<u32> {
        Ok(conn.prepare_cached(sql)?.query_row([NEVER], |r| r.get(0))?)
    };
    Ok(Overview {
        days,
        streak_days: streak(today, &by_day)?,
        total_ms: time_studied(&sessions),
        sections_done: count(
            "SELECT count(*) FROM progress WHERE kind = 'section' AND done_ms <> ?1",
        )?,
        stories_done: count(
            "SELECT count(*) FROM progress WHERE kind = 'story' AND done_ms <> ?1",
        )?,
        quizzes_taken: count("SELECT count(DISTINCT quiz) FROM attempt WHERE submitted_ms <> ?1")?,
        summary: summary(conn, &sessions, &by_day, now)?,
        roots: roots(conn, &sessions)?,
    })
}

fn summary(
    conn: &Connection,
    sessions: &[Session],
    by_day: &BTreeMap<&str, i64>,
    now: &Moment,
) -> Result<Summary> {
    let first_day = now.day.saturating_sub_unsigned(SUMMARY_DAYS - 1);
    let (from, to) = (date_of_day(first_day).to_string(), date_of_day(now.day).to_string());
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
    let start_min = study_day::day_start_min(conn)?;
    let is_recent = |ms: i64| {
        let day = carrel_model::lattice::study_day(ms, now.off_min.into(), start_min);
        (first_day..=now.day).contains(&day)
    };
    let mut percents: Vec<u64> = Vec::new();
    for story in checked::query::<Progress>(conn, "WHERE kind = 'story'", [])? {
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
    Ok(summary)
}

fn day_before(day: Date, days_back: i64) -> Result<String> {
    let day = day.checked_sub(days_back.days()).map_err(|e| Error::Internal(e.to_string()))?;
    Ok(day.to_string())
}

fn streak(today: Date, by_day: &BTreeMap<&str, i64>) -> Result<u32> {
    let studied = |day: &str| by_day.get(day).is_some_and(|ms| *ms > 0);
    let mut days_back = i64::from(!studied(&today.to_string()));
    let mut days = 0;
    while studied(&day_before(today, days_back)?) {
        days += 1;
        days_back += 1;
    }
    Ok(days)
}

fn roots(conn: &Connection, sessions: &[Session]) -> Result<Vec<RootTime>> {
    let mut by_root: BTreeMap<&str, Vec<&Session>> = BTreeMap::new();
    for s in sessions {
        by_root.entry(s.item.root()).or_default().push(s);
    }
    let mut stmt = conn.prepare_cached(
        "SELECT item FROM progress WHERE kind = 'story' AND instr(item, '/') = 0",
    )?;
    let stories: BTreeSet<String> =
        stmt.query_map([], |r| r.get("item"))?.collect::<rusqlite::Result<_>>()?;
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
    Ok(roots)
}
