//! Records samples and reports them.

use std::{collections::BTreeMap, sync::Arc};

use carrel_system::Clock;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{
    Alert, DEFINITIONS, Level, Limit, Metric, Statistic, Statistics, Unit,
    alerts::{Alerts, Break},
    series::{Sample, Series},
};

/// Number of samples from which a mean or a percentile raises an alert.
const MIN_SAMPLES: u32 = 20;
/// Time between two comparisons of a metric with the limits of the hour.
const COMPARE_MS: i64 = 1_000;
/// Maximum number of different labels of all metrics; later ones become `OTHER`.
const MAX_LABELS: usize = 256;
/// Maximum length of a label in bytes.
const MAX_LABEL_BYTES: usize = 48;
/// Number of labels in the report of a metric.
const REPORTED_LABELS: usize = 5;
const OTHER: &str = "other";

/// The metrics of this run.
pub struct Tracker {
    clock: Arc<dyn Clock>,
    /// By metric.
    series: Vec<Mutex<Series>>,
    labels: Mutex<Labels>,
    alerts: Mutex<Alerts>,
}

#[derive(Default)]
struct Labels {
    names: Vec<Arc<str>>,
    numbers: BTreeMap<Arc<str>, u16>,
}

impl Labels {
    fn number(&mut self, label: &str) -> u16 {
        let label = if is_label(label) { label } else { OTHER };
        if let Some(number) = self.numbers.get(label) {
            return *number;
        }
        let is_full = self.names.len() >= MAX_LABELS - 1;
        let label = if is_full { OTHER } else { label };
        if let Some(number) = self.numbers.get(label) {
            return *number;
        }
        let (name, number): (Arc<str>, _) = (label.into(), self.names.len() as u16);
        self.names.push(name.clone());
        self.numbers.insert(name, number);
        number
    }
}

/// Returns true for the names of operations. Text of users has other characters, or is longer.
pub(crate) fn is_label(label: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    !label.is_empty() && label.len() <= MAX_LABEL_BYTES && label.bytes().all(is_allowed)
}

impl Tracker {
    /// Creates a tracker without samples.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let series = DEFINITIONS.iter().map(|_| Mutex::default()).collect();
        Self { clock, series, labels: Mutex::default(), alerts: Mutex::default() }
    }

    /// Records a value. `context` names the operation, such as `get_course`: lower-case letters, digits, `.`, `_` and
    /// `-`; anything else is recorded as `other`. A value that is negative or not finite is ignored.
    pub fn record(&self, metric: Metric, value: f64, context: &str) {
        if !value.is_finite() || value < 0.0 {
            return;
        }
        let label = self.labels.lock().number(context);
        let at_ms = self.clock.monotonic_ms();
        let limits = metric.definition().limits;
        let mut series = self.series[metric as usize].lock();
        series.push(Sample { at_ms, value, label });
        let number = series.recorded;
        let mut of_hour = false;
        for (index, limit) in limits.iter().enumerate() {
            if !limit.is_broken_by(value) {
                continue;
            }
            series.last_broken[index] = number;
            if limit.statistic == Statistic::Each {
                self.raise(metric, limit, value, number, at_ms);
            } else {
                of_hour = true;
            }
        }
        let is_due = series.compared_ms.is_none_or(|last| at_ms - last >= COMPARE_MS);
        if of_hour && is_due {
            series.compared_ms = Some(at_ms);
            self.compare(metric, &series, at_ms);
        }
    }

    /// Returns how many values of these metrics `take_new` would return.
    pub fn count_new(&self, metrics: &[Metric]) -> usize {
        metrics.iter().map(|metric| self.series[*metric as usize].lock().count_new()).sum()
    }

    /// Returns the values of a metric since the last call.
    pub fn take_new(&self, metric: Metric) -> Vec<f64> {
        self.series[metric as usize].lock().take_new()
    }

    /// Stores that this system cannot measure `metric`, until it is measured.
    pub fn set_unsupported(&self, metric: Metric) {
        self.series[metric as usize].lock().is_unsupported = true;
    }

    fn raise(&self, metric: Metric, limit: &Limit, number: f64, sample: u64, monotonic_ms: i64) {
        let now_ms = self.clock.now_ms();
        self.alerts.lock().raise(Break { metric, limit, number, sample, now_ms, monotonic_ms });
    }

    /// Compares the mean and the percentiles of the hour with their limits.
    fn compare(&self, metric: Metric, series: &Series, at_ms: i64) {
        let mut values: Vec<f64> = series.window(at_ms).map(|s| s.value).collect();
        let Some(statistics) = Statistics::of(&mut values) else { return };
        if statistics.count < MIN_SAMPLES {
            return;
        }
        for (index, limit) in metric.definition().limits.iter().enumerate() {
            let number = statistics.get(limit.statistic);
            if limit.statistic != Statistic::Each && limit.is_broken_by(number) {
                self.raise(metric, limit, number, series.last_broken[index], at_ms);
            }
        }
    }

    /// Returns the alerts of the last hour, critical ones first.
    pub fn alerts(&self) -> Vec<Alert> {
        self.alerts.lock().list(self.clock.monotonic_ms())
    }

    /// Removes an alert until its limit is broken again. Returns false if there is no such alert.
    pub fn dismiss(&self, alert: &str) -> bool {
        // The numbers are read first: `record` locks the alerts while it holds a series.
        let newest: Vec<u64> = self.series.iter().map(|s| s.lock().recorded).collect();
        self.alerts.lock().dismiss(alert, |metric| newest[metric as usize])
    }

    /// Returns the report of the last hour, one entry per metric.
    pub fn report(&self) -> Vec<MetricReport> {
        DEFINITIONS.iter().map(|d| self.report_of(d.metric)).collect()
    }

    fn report_of(&self, metric: Metric) -> MetricReport {
        let (definition, now_ms) = (metric.definition(), self.clock.monotonic_ms());
        let (samples, is_unsupported, is_cut) = {
            let series = self.series[metric as usize].lock();
            let samples: Vec<Sample> = series.window(now_ms).copied().collect();
            (samples, series.is_unsupported, series.is_cut(now_ms))
        };
        let mut values: Vec<f64> = samples.iter().map(|s| s.value).collect();
        let statistics = Statistics::of(&mut values);
        let limits: Vec<LimitReport> = definition
            .limits
            .iter()
            .map(|limit| LimitReport {
                limit: *limit,
                is_broken: statistics.is_some_and(|s| limit.is_broken_by(s.get(limit.statistic))),
                beyond: count(samples.iter().filter(|s| limit.is_broken_by(s.value)).count()),
            })
            .collect();
        let broken = limits.iter().filter(|l| l.is_broken).map(|l| l.limit.level).max();
        let state = match (statistics, broken) {
            (None, _) if is_unsupported => MetricState::Unsupported,
            (None, _) => MetricState::Empty,
            (Some(_), None) => MetricState::Good,
            (Some(_), Some(Level::Warning)) => MetricState::Warning,
            (Some(_), Some(Level::Critical)) => MetricState::Critical,
        };
        MetricReport {
            name: definition.name.to_owned(),
            unit: definition.unit,
            state,
            statistics,
            latest: samples.last().map(|s| s.value),
            limits,
            contexts: self.contexts(&samples),
            since_ms: samples.first().map(|s| now_ms - s.at_ms),
            is_cut,
        }
    }

    /// Returns the labels with the greatest values.
    fn contexts(&self, samples: &[Sample]) -> Vec<ContextReport> {
        let mut by_label: BTreeMap<u16, (u32, f64, f64)> = BTreeMap::new();
        for sample in samples {
            let (count, sum, max) = by_label.entry(sample.label).or_default();
            *count += 1;
            *sum += sample.value;
            *max = max.max(sample.value);
        }
        let labels = self.labels.lock();
        let name = |label: u16| labels.names.get(usize::from(label)).map_or(OTHER, |name| name);
        let mut all: Vec<ContextReport> = by_label
            .into_iter()
            .map(|(label, (count, sum, max))| ContextReport {
                context: name(label).to_owned(),
                count,
                mean: sum / f64::from(count),
                max,
            })
            .collect();
        all.sort_by(|a, b| b.max.total_cmp(&a.max));
        all.truncate(REPORTED_LABELS);
        all
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// State of a metric in the last hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum MetricState {
    /// Within all limits.
    Good,
    /// Beyond the target.
    Warning,
    /// Beyond the critical limit.
    Critical,
    /// Nothing was measured.
    Empty,
    /// This system cannot measure it.
    Unsupported,
}

/// A metric in the last hour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct MetricReport {
    /// For example `course.load`.
    pub name: String,
    pub unit: Unit,
    pub state: MetricState,
    /// None if nothing was measured.
    pub statistics: Option<Statistics>,
    pub latest: Option<f64>,
    pub limits: Vec<LimitReport>,
    /// The operations with the greatest values.
    pub contexts: Vec<ContextReport>,
    /// Age of the oldest sample in milliseconds.
    pub since_ms: Option<i64>,
    /// There were more samples in the hour than are kept; the newest are reported.
    pub is_cut: bool,
}

/// A limit and how the last hour compares with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LimitReport {
    pub limit: Limit,
    pub is_broken: bool,
    /// Number of values beyond the limit.
    pub beyond: u32,
}

/// The values of one operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ContextReport {
    pub context: String,
    pub count: u32,
    pub mean: f64,
    pub max: f64,
}

#[cfg(test)]
mod tests {
    use carrel_testkit::FakeClock;

    use super::*;
    use crate::metrics::{MAX_SAMPLES, WINDOW_MS};

    fn tracker() -> (Tracker, FakeClock) {
        let clock = FakeClock::noon();
        (Tracker::new(Arc::new(clock.clone())), clock)
    }
    fn of(tracker: &Tracker, metric: Metric) -> MetricReport {
        tracker.report().swap_remove(metric as usize)
    }
    fn ids(tracker: &Tracker) -> Vec<String> {
        tracker.alerts().into_iter().map(|a| a.id).collect()
    }

    #[test]
    fn the_report_covers_the_last_hour() {
        let (tracker, clock) = tracker();
        tracker.record(Metric::CourseLoad, 4_000.0, "get_course");
        clock.advance(WINDOW_MS / 2);
        tracker.record(Metric::CourseLoad, 100.0, "get_course");
        assert_eq!(of(&tracker, Metric::CourseLoad).statistics.unwrap().count, 2);
        clock.advance(WINDOW_MS / 2);
        let report = of(&tracker, Metric::CourseLoad);
        assert_eq!(report.statistics.unwrap().count, 1);
        assert_eq!((report.state, report.since_ms), (MetricState::Good, Some(WINDOW_MS / 2)));
        // A jump of the wall clock changes nothing.
        clock.jump(100 * WINDOW_MS);
        assert_eq!(of(&tracker, Metric::CourseLoad).statistics.unwrap().count, 1);
        clock.advance(WINDOW_MS / 2);
        assert_eq!(of(&tracker, Metric::CourseLoad).state, MetricState::Empty);
    }

    #[test]
    fn a_million_samples_use_a_limited_ring() {
        let (tracker, _) = tracker();
        for n in 0..1_000_000u32 {
            tracker.record(Metric::DatabaseTime, f64::from(n % 7), "db.read");
        }
        let report = of(&tracker, Metric::DatabaseTime);
        assert_eq!(report.statistics.unwrap().count as usize, MAX_SAMPLES);
        assert!(report.is_cut);
        assert!(!of(&tracker, Metric::CourseLoad).is_cut);
    }

    #[test]
    fn a_slow_action_raises_a_warning_and_a_very_slow_one_an_alert() {
        let (tracker, _) = tracker();
        tracker.record(Metric::LessonLoad, 1_000.0, "open_section");
        assert!(ids(&tracker).is_empty(), "the target itself is met");
        tracker.record(Metric::LessonLoad, 1_000.1, "open_section");
        assert_eq!(ids(&tracker), ["lesson.load:warning"]);
        tracker.record(Metric::LessonLoad, 3_500.0, "open_section");
        assert_eq!(ids(&tracker), ["lesson.load:critical", "lesson.load:warning"]);
        let warning = tracker.alerts().swap_remove(1);
        assert_eq!((warning.count, warning.worst), (2, 3_500.0));
        assert_eq!(of(&tracker, Metric::LessonLoad).state, MetricState::Critical);
    }

    #[test]
    fn a_dismissed_alert_returns_only_if_it_happens_again() {
        let (tracker, clock) = tracker();
        tracker.record(Metric::CourseLoad, 2_500.0, "get_course");
        assert!(tracker.dismiss("course.load:warning"));
        assert!(!tracker.dismiss("course.load:warning"), "already dismissed");
        assert!(!tracker.dismiss("course.load"), "not an id");
        tracker.record(Metric::CourseLoad, 10.0, "get_course");
        assert!(ids(&tracker).is_empty());
        tracker.record(Metric::CourseLoad, 2_500.0, "get_course");
        let alert = tracker.alerts().remove(0);
        assert_eq!(alert.count, 1, "counted from the dismissal");
        clock.advance(WINDOW_MS);
        assert!(ids(&tracker).is_empty(), "older than an hour");
    }

    #[test]
    fn a_dismissed_share_returns_only_with_a_new_failure() {
        let (tracker, clock) = tracker();
        for n in 0..100 {
            tracker.record(Metric::RequestErrors, if n < 3 { 100.0 } else { 0.0 }, "get");
            clock.advance(1_100);
        }
        assert!(ids(&tracker).is_empty(), "the failures were among the first 20 requests");
        tracker.record(Metric::RequestErrors, 100.0, "get");
        assert_eq!(ids(&tracker), ["request.errors:warning"]);
        assert!(tracker.dismiss("request.errors:warning"));
        for _ in 0..10 {
            clock.advance(1_100);
            tracker.record(Metric::RequestErrors, 0.0, "get");
        }
        assert!(ids(&tracker).is_empty(), "the share is still high, but nothing failed since");
        clock.advance(1_100);
        tracker.record(Metric::RequestErrors, 100.0, "get");
        assert_eq!(ids(&tracker), ["request.errors:warning"]);
    }

    #[test]
    fn a_dismissed_percentile_returns_only_if_its_own_limit_is_broken() {
        let (tracker, clock) = tracker();
        let record = |ms: f64| {
            clock.advance(1_100);
            tracker.record(Metric::DatabaseTime, ms, "db.write");
        };
        (0..20).for_each(|_| record(600.0));
        assert!(tracker.dismiss("database.time:critical"));
        record(200.0);
        assert_eq!(
            ids(&tracker),
            ["database.time:warning"],
            "slow, but not beyond the critical limit"
        );
        record(600.0);
        assert_eq!(ids(&tracker), ["database.time:critical", "database.time:warning"]);
    }

    #[test]
    fn percentiles_and_minima_raise_alerts_from_twenty_samples() {
        let (tracker, clock) = tracker();
        for n in 0..20 {
            assert!(ids(&tracker).is_empty(), "{n} samples");
            clock.advance(1_000);
            tracker.record(Metric::DatabaseTime, 600.0, "db.write");
            tracker.record(Metric::CacheHits, 0.0, "cache");
        }
        let mut all = ids(&tracker);
        all.sort();
        assert_eq!(all, ["cache.hits:warning", "database.time:critical", "database.time:warning"]);
    }

    #[test]
    fn labels_are_names_of_operations_and_limited() {
        let (tracker, _) = tracker();
        for label in ["Amina Diallo", "", "réponse", "a/b", &"x".repeat(49)] {
            tracker.record(Metric::RequestTime, 900.0, label);
        }
        tracker.record(Metric::RequestTime, 5.0, "get");
        let contexts = of(&tracker, Metric::RequestTime).contexts;
        let names: Vec<&str> = contexts.iter().map(|c| c.context.as_str()).collect();
        assert_eq!(names, ["other", "get"]);
        assert_eq!(contexts[0].count, 5);
        for n in 0..1_000 {
            tracker.record(Metric::RequestTime, 1.0, &format!("label-{n}"));
        }
        assert!(tracker.labels.lock().names.len() <= MAX_LABELS);
    }

    #[test]
    fn values_that_are_no_measurement_are_ignored() {
        let (tracker, _) = tracker();
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0] {
            tracker.record(Metric::LayoutShift, value, "page");
        }
        assert_eq!(of(&tracker, Metric::LayoutShift).state, MetricState::Empty);
        tracker.set_unsupported(Metric::LayoutShift);
        assert_eq!(of(&tracker, Metric::LayoutShift).state, MetricState::Unsupported);
        tracker.record(Metric::LayoutShift, 0.0, "page");
        assert_eq!(of(&tracker, Metric::LayoutShift).state, MetricState::Good);
    }
}
