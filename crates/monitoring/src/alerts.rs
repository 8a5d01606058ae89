//! Rules of alerts, and which alerts begin, change and end with a reading.
//!
//! An alert is about one metric and has the highest severity whose limit is exceeded. It begins when a limit is exceeded
//! in two readings in a row, and ends after five minutes without one, so that a figure around a limit sends one message.
//! An alert that stays is repeated every four hours.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::load::Load;

/// Readings in a row that begin an alert.
const BEGIN_AFTER: u32 = 2;
/// Time without an exceeded limit that ends an alert, in ms.
const END_AFTER_MS: i64 = 5 * 60_000;
/// Time after which an alert that stays is sent again, in ms.
const REPEAT_AFTER_MS: i64 = 4 * 3_600_000;
/// Fewer requests say nothing about shares and percentiles.
const MIN_REQUESTS: u64 = 20;

/// How urgent an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

impl Severity {
    /// Returns the name, as in settings and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Values that the rules judge.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Reading {
    pub load: Load,
    /// Share of all cores, 0 to 1; `None` if unknown.
    pub cpu_share: Option<f64>,
    /// Share of the connections to the database that are used, 0 to 1; `None` without a pool.
    pub pool_share: Option<f64>,
    /// Mean duration of the transactions since the last reading, in ms; `None` if there was none.
    pub mean_query_ms: Option<f64>,
    /// Jobs whose last run failed, and jobs that are late.
    pub failing_jobs: usize,
    pub late_jobs: usize,
    pub is_disk_low: bool,
    pub is_database_down: bool,
}

/// A limit of a metric.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    pub metric: &'static str,
    pub severity: Severity,
    /// The alert begins above this value.
    pub threshold: f64,
    /// Unit of value and threshold: `ms`, `%`, or empty for a count.
    pub unit: &'static str,
    value: fn(&Reading) -> Option<f64>,
}

const fn rule(
    metric: &'static str,
    severity: Severity,
    threshold: f64,
    unit: &'static str,
    value: fn(&Reading) -> Option<f64>,
) -> Rule {
    Rule { metric, severity, threshold, unit, value }
}

/// All rules. Those of latency, errors and CPU are the levels of the product's first specification; those of the pool are
/// its limits for the pool (docs/OPERATIONS.md).
pub const RULES: &[Rule] = &[
    rule("latency_p99", Severity::Critical, 2_000.0, "ms", |r| busy(r).map(|load| load.p99_ms)),
    rule("latency_p95", Severity::Warning, 1_000.0, "ms", |r| busy(r).map(|load| load.p95_ms)),
    rule("latency_p95", Severity::Info, 800.0, "ms", |r| busy(r).map(|load| load.p95_ms)),
    rule("errors", Severity::Critical, 5.0, "%", errors),
    rule("errors", Severity::Warning, 2.0, "%", errors),
    rule("errors", Severity::Info, 1.0, "%", errors),
    rule("cpu", Severity::Critical, 90.0, "%", |r| r.cpu_share.map(|share| share * 100.0)),
    rule("cpu", Severity::Warning, 70.0, "%", |r| r.cpu_share.map(|share| share * 100.0)),
    rule("database_pool", Severity::Warning, 80.0, "%", |r| {
        r.pool_share.map(|share| share * 100.0)
    }),
    rule("database_query", Severity::Warning, 1_000.0, "ms", |r| r.mean_query_ms),
    rule("database", Severity::Critical, 0.0, "", |r| {
        Some(f64::from(u8::from(r.is_database_down)))
    }),
    rule("disk", Severity::Critical, 0.0, "", |r| Some(f64::from(u8::from(r.is_disk_low)))),
    rule("failing_jobs", Severity::Warning, 0.0, "", |r| Some(r.failing_jobs as f64)),
    rule("late_jobs", Severity::Warning, 0.0, "", |r| Some(r.late_jobs as f64)),
];

fn busy(reading: &Reading) -> Option<Load> {
    Some(reading.load).filter(|load| load.requests >= MIN_REQUESTS)
}

fn errors(reading: &Reading) -> Option<f64> {
    busy(reading).map(|load| load.error_share() * 100.0)
}

/// An exceeded limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    pub metric: &'static str,
    #[serde(serialize_with = "by_name")]
    pub severity: Severity,
    pub value: f64,
    pub threshold: f64,
    pub unit: &'static str,
    /// When it began, in ms since 1970 (UTC).
    pub since_ms: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde requires")]
fn by_name<S: serde::Serializer>(severity: &Severity, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(severity.as_str())
}

/// Why a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Begins,
    /// Another severity.
    Changes,
    /// Unchanged for four hours.
    Stays,
    Ends,
}

/// A message about an alert.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Notice {
    pub alert: Alert,
    pub change: Change,
    /// In ms since 1970 (UTC).
    pub at_ms: i64,
}

#[derive(Debug, Default)]
struct Watched {
    exceeded: u32,
    last_exceeded_ms: i64,
    sent_ms: i64,
    alert: Option<Alert>,
}

/// Which alerts there are now. Can be used from any thread.
#[derive(Debug, Default)]
pub struct AlertState(Mutex<BTreeMap<&'static str, Watched>>);

impl AlertState {
    /// Judges a reading and returns the messages to send.
    pub fn judge(&self, reading: &Reading, now_ms: i64) -> Vec<Notice> {
        let mut metrics: Vec<&'static str> = RULES.iter().map(|rule| rule.metric).collect();
        metrics.dedup();
        let mut watched = self.0.lock();
        let judge = |metric| watched.entry(metric).or_default().judge(metric, reading, now_ms);
        metrics.into_iter().filter_map(judge).collect()
    }

    /// Returns the present alerts, by metric.
    pub fn alerts(&self) -> Vec<Alert> {
        self.0.lock().values().filter_map(|watched| watched.alert).collect()
    }
}

impl Watched {
    fn judge(&mut self, metric: &'static str, reading: &Reading, now_ms: i64) -> Option<Notice> {
        let exceeded = RULES
            .iter()
            .filter(|rule| rule.metric == metric)
            .filter_map(|rule| Some((rule, (rule.value)(reading)?)))
            .filter(|(rule, value)| *value > rule.threshold)
            .max_by_key(|(rule, _)| rule.severity);
        let notice = |alert, change| Some(Notice { alert, change, at_ms: now_ms });
        let Some((rule, value)) = exceeded else {
            self.exceeded = 0;
            let is_over = now_ms - self.last_exceeded_ms >= END_AFTER_MS;
            let ended = self.alert.take_if(|_| is_over)?;
            return notice(ended, Change::Ends);
        };
        self.exceeded += 1;
        self.last_exceeded_ms = now_ms;
        let alert = |since_ms| Alert {
            metric,
            severity: rule.severity,
            value,
            threshold: rule.threshold,
            unit: rule.unit,
            since_ms,
        };
        let Some(present) = self.alert else {
            if self.exceeded < BEGIN_AFTER {
                return None;
            }
            self.sent_ms = now_ms;
            let begun = *self.alert.insert(alert(now_ms));
            return notice(begun, Change::Begins);
        };
        // A lower severity is a message only after it has lasted as long as the end of an alert.
        let change = match rule.severity.cmp(&present.severity) {
            std::cmp::Ordering::Greater => Change::Changes,
            std::cmp::Ordering::Less if now_ms - self.sent_ms >= END_AFTER_MS => Change::Changes,
            _ if now_ms - self.sent_ms >= REPEAT_AFTER_MS => Change::Stays,
            _ => return None,
        };
        self.sent_ms = now_ms;
        let changed = *self.alert.insert(alert(present.since_ms));
        notice(changed, change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn load(p95_ms: f64, p99_ms: f64, errors: u64) -> Reading {
        Reading { load: Load { requests: 100, errors, p95_ms, p99_ms }, ..Reading::default() }
    }

    fn kinds(notices: &[Notice]) -> Vec<(&'static str, &'static str, Change)> {
        notices.iter().map(|n| (n.alert.metric, n.alert.severity.as_str(), n.change)).collect()
    }

    #[test]
    fn the_levels_are_those_of_the_specification() {
        for (reading, expected) in [
            (load(800.0, 2_000.0, 1), vec![]),
            (load(801.0, 900.0, 0), vec![("latency_p95", "info")]),
            (load(1_001.0, 1_900.0, 0), vec![("latency_p95", "warning")]),
            (load(500.0, 2_001.0, 0), vec![("latency_p99", "critical")]),
            (load(1.0, 1.0, 2), vec![("errors", "info")]),
            (load(1.0, 1.0, 3), vec![("errors", "warning")]),
            (load(1.0, 1.0, 6), vec![("errors", "critical")]),
            (Reading { cpu_share: Some(0.71), ..Reading::default() }, vec![("cpu", "warning")]),
            (Reading { cpu_share: Some(0.91), ..Reading::default() }, vec![("cpu", "critical")]),
            (
                Reading { pool_share: Some(0.81), ..Reading::default() },
                vec![("database_pool", "warning")],
            ),
            (
                Reading { is_database_down: true, ..Reading::default() },
                vec![("database", "critical")],
            ),
            (Reading { failing_jobs: 1, ..Reading::default() }, vec![("failing_jobs", "warning")]),
        ] {
            let state = AlertState::default();
            assert!(state.judge(&reading, 0).is_empty(), "one reading is not enough: {reading:?}");
            let notices = state.judge(&reading, MINUTE);
            let found: Vec<_> =
                notices.iter().map(|n| (n.alert.metric, n.alert.severity.as_str())).collect();
            assert_eq!(found, expected, "{reading:?}");
        }
    }

    #[test]
    fn an_alert_is_sent_once_and_ends_after_five_quiet_minutes() {
        let (state, mut sent) = (AlertState::default(), Vec::new());
        // A figure that exceeds its limit in two of three minutes for half an hour.
        for minute in 0..30 {
            let p95 = if minute % 3 == 2 { 10.0 } else { 1_500.0 };
            sent.extend(state.judge(&load(p95, 1_600.0, 0), minute * MINUTE));
        }
        assert_eq!(kinds(&sent), [("latency_p95", "warning", Change::Begins)]);
        assert_eq!(state.alerts().len(), 1);
        let quiet: Vec<_> = (30..40)
            .flat_map(|minute| state.judge(&load(10.0, 10.0, 0), minute * MINUTE))
            .collect();
        assert_eq!(kinds(&quiet), [("latency_p95", "warning", Change::Ends)]);
        assert_eq!(quiet[0].at_ms, 33 * MINUTE, "five minutes after minute 28");
        assert!(state.alerts().is_empty());
    }

    #[test]
    fn a_higher_severity_is_sent_at_once_and_a_lower_one_after_five_minutes() {
        let state = AlertState::default();
        let at = |minute: i64, errors: u64| {
            kinds(&state.judge(&load(1.0, 1.0, errors), minute * MINUTE))
        };
        assert_eq!(at(0, 3), []);
        assert_eq!(at(1, 3), [("errors", "warning", Change::Begins)]);
        assert_eq!(at(2, 9), [("errors", "critical", Change::Changes)]);
        assert_eq!(at(3, 3), []);
        assert_eq!(at(4, 9), [], "critical again: already sent");
        assert_eq!(at(7, 3), [("errors", "warning", Change::Changes)]);
        let began = state.alerts()[0].since_ms;
        assert_eq!(began, MINUTE, "it is still the same alert");
    }

    #[test]
    fn an_alert_that_stays_is_repeated_every_four_hours() {
        let state = AlertState::default();
        let day = (0..24 * 60).flat_map(|minute| state.judge(&load(1.0, 1.0, 9), minute * MINUTE));
        let changes: Vec<_> = day.map(|notice| notice.change).collect();
        assert_eq!(changes[0], Change::Begins);
        assert_eq!(changes[1..], [Change::Stays; 5]);
    }

    #[test]
    fn few_requests_say_nothing() {
        let state = AlertState::default();
        let one = Load { requests: 19, errors: 19, p95_ms: 9_000.0, p99_ms: 9_000.0 };
        for minute in 0..10 {
            let reading = Reading { load: one, ..Reading::default() };
            assert!(state.judge(&reading, minute * MINUTE).is_empty());
        }
    }
}
