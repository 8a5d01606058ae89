//! Alerts of broken limits, which the user can dismiss.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{Level, Limit, Metric, series::WINDOW_MS};

/// A limit that was broken within the last hour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// For `dismiss_alert`: metric and level.
    pub id: String,
    /// Name of the metric.
    pub metric: String,
    pub limit: Limit,
    /// The farthest number from the limit, in the metric's unit.
    pub worst: f64,
    /// How often the limit was broken since the alert appeared.
    pub count: u32,
    /// Time of the first and the last break (UTC, ms).
    pub first_ms: i64,
    pub last_ms: i64,
    #[serde(skip)]
    #[ts(skip)]
    last_monotonic_ms: i64,
}

/// The alerts that are shown, and when others were dismissed.
#[derive(Debug, Default)]
pub struct Alerts {
    active: BTreeMap<(Metric, Level), Alert>,
    /// Number of the newest sample when the alert was dismissed.
    dismissed: BTreeMap<(Metric, Level), u64>,
}

/// A limit was broken.
#[derive(Debug, Clone, Copy)]
pub struct Break<'l> {
    pub metric: Metric,
    pub limit: &'l Limit,
    /// The number that breaks the limit.
    pub number: f64,
    /// Number of the last sample that is itself beyond the limit.
    pub sample: u64,
    /// Wall clock and monotonic time.
    pub now_ms: i64,
    pub monotonic_ms: i64,
}

impl Alerts {
    /// Raises an alert, or updates it if it is shown already. A dismissed alert is raised again only if a later sample is
    /// beyond the limit.
    pub fn raise(&mut self, broken: Break<'_>) {
        let Break { metric, limit, number, sample, now_ms, monotonic_ms } = broken;
        let key = (metric, limit.level);
        if self.dismissed.get(&key).is_some_and(|newest| sample <= *newest) {
            return;
        }
        let alert = self.active.entry(key).or_insert_with(|| Alert {
            id: id(key),
            metric: metric.definition().name.to_owned(),
            limit: *limit,
            worst: number,
            count: 0,
            first_ms: now_ms,
            last_ms: now_ms,
            last_monotonic_ms: monotonic_ms,
        });
        let is_worse = if limit.is_minimum { number < alert.worst } else { number > alert.worst };
        if is_worse {
            alert.worst = number;
        }
        alert.count = alert.count.saturating_add(1);
        (alert.last_ms, alert.last_monotonic_ms) = (now_ms, monotonic_ms);
    }

    /// Removes an alert until its limit is broken again. `newest` returns the number of a metric's newest sample.
    /// Returns false if there is no such alert.
    pub fn dismiss(&mut self, wanted: &str, newest: impl Fn(Metric) -> u64) -> bool {
        let Some(key) = self.active.keys().copied().find(|key| id(*key) == wanted) else {
            return false;
        };
        self.active.remove(&key);
        self.dismissed.insert(key, newest(key.0));
        true
    }

    /// Returns the alerts of the last hour: critical ones first, then the newest.
    pub fn list(&mut self, monotonic_ms: i64) -> Vec<Alert> {
        self.active.retain(|_, alert| alert.last_monotonic_ms > monotonic_ms - WINDOW_MS);
        let mut all: Vec<Alert> = self.active.values().cloned().collect();
        all.sort_by_key(|a| (std::cmp::Reverse(a.limit.level), std::cmp::Reverse(a.last_ms)));
        all
    }
}

fn id((metric, level): (Metric, Level)) -> String {
    let level = match level {
        Level::Warning => "warning",
        Level::Critical => "critical",
    };
    format!("{}:{level}", metric.definition().name)
}
