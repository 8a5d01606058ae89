//! The metrics, their units and their limits.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A measured quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    CourseLoad,
    LessonLoad,
    AssessmentLoad,
    ProgressRecord,
    LiveUpdate,
    DatabaseTime,
    CacheHits,
    RequestTime,
    RequestErrors,
    RenderTime,
    Memory,
    FirstContentfulPaint,
    LargestContentfulPaint,
    LayoutShift,
    InteractionDelay,
}

/// Unit of a metric's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum Unit {
    /// Milliseconds.
    Ms,
    /// Per cent. Each sample is 0 or 100, so that the mean is the share.
    Percent,
    /// Mebibytes.
    MiB,
    /// Without a unit: the layout shift score.
    Score,
}

/// The number that is compared with a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum Statistic {
    /// Every single value.
    Each,
    /// Mean of the last hour.
    Mean,
    /// 95th percentile of the last hour.
    P95,
    /// 99th percentile of the last hour.
    P99,
}

/// What it means that a limit is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    /// Slower than the target.
    Warning,
    /// Beyond the critical limit.
    Critical,
}

/// A limit of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Limit {
    pub level: Level,
    pub statistic: Statistic,
    pub value: f64,
    /// True: values below the limit break it. False: values above it.
    pub is_minimum: bool,
}

impl Limit {
    const fn most(level: Level, statistic: Statistic, value: f64) -> Self {
        Self { level, statistic, value, is_minimum: false }
    }
    const fn least(level: Level, statistic: Statistic, value: f64) -> Self {
        Self { level, statistic, value, is_minimum: true }
    }
    /// Returns true if `value` breaks the limit.
    pub fn is_broken_by(&self, value: f64) -> bool {
        if self.is_minimum { value < self.value } else { value > self.value }
    }
}

/// Name, unit and limits of a metric.
#[derive(Debug)]
pub struct Definition {
    pub metric: Metric,
    pub name: &'static str,
    pub unit: Unit,
    pub limits: &'static [Limit],
    /// The UI measures it and reports it with `report_metrics`.
    pub is_of_ui: bool,
}

use Level::{Critical, Warning};
use Statistic::{Each, Mean, P95, P99};

/// Limits of times of single actions: target and critical, in milliseconds.
macro_rules! each {
    ($target:literal, $critical:literal) => {
        &[Limit::most(Warning, Each, $target), Limit::most(Critical, Each, $critical)]
    };
}

const fn core(
    metric: Metric,
    name: &'static str,
    unit: Unit,
    limits: &'static [Limit],
) -> Definition {
    Definition { metric, name, unit, limits, is_of_ui: false }
}
const fn ui(
    metric: Metric,
    name: &'static str,
    unit: Unit,
    limits: &'static [Limit],
) -> Definition {
    Definition { metric, name, unit, limits, is_of_ui: true }
}

/// All metrics, in the order of [`Metric`].
pub const DEFINITIONS: &[Definition] = &[
    core(Metric::CourseLoad, "course.load", Unit::Ms, each!(2_000.0, 5_000.0)),
    core(Metric::LessonLoad, "lesson.load", Unit::Ms, each!(1_000.0, 3_000.0)),
    core(Metric::AssessmentLoad, "assessment.load", Unit::Ms, each!(1_500.0, 4_000.0)),
    core(Metric::ProgressRecord, "progress.record", Unit::Ms, each!(500.0, 2_000.0)),
    core(Metric::LiveUpdate, "live.update", Unit::Ms, each!(100.0, 500.0)),
    core(
        Metric::DatabaseTime,
        "database.time",
        Unit::Ms,
        &[Limit::most(Warning, P95, 100.0), Limit::most(Critical, P99, 500.0)],
    ),
    core(Metric::CacheHits, "cache.hits", Unit::Percent, &[Limit::least(Warning, Mean, 90.0)]),
    core(Metric::RequestTime, "request.time", Unit::Ms, &[Limit::most(Warning, Mean, 200.0)]),
    core(
        Metric::RequestErrors,
        "request.errors",
        Unit::Percent,
        &[Limit::most(Warning, Mean, 1.0)],
    ),
    ui(Metric::RenderTime, "render.time", Unit::Ms, &[Limit::most(Warning, P95, 16.0)]),
    core(Metric::Memory, "memory.app", Unit::MiB, &[Limit::most(Warning, Each, 100.0)]),
    ui(
        Metric::FirstContentfulPaint,
        "vitals.fcp",
        Unit::Ms,
        &[Limit::most(Warning, Each, 1_800.0)],
    ),
    ui(
        Metric::LargestContentfulPaint,
        "vitals.lcp",
        Unit::Ms,
        &[Limit::most(Warning, Each, 2_500.0)],
    ),
    ui(Metric::LayoutShift, "vitals.cls", Unit::Score, &[Limit::most(Warning, Each, 0.1)]),
    ui(Metric::InteractionDelay, "vitals.inp", Unit::Ms, &[Limit::most(Warning, Each, 100.0)]),
];

impl Metric {
    /// Returns the definition of this metric.
    pub fn definition(self) -> &'static Definition {
        &DEFINITIONS[self as usize]
    }
    /// Returns the metric of a name.
    pub fn named(name: &str) -> Option<Self> {
        DEFINITIONS.iter().find(|d| d.name == name).map(|d| d.metric)
    }
    /// Returns the metric that measures the time of a command of the UI.
    pub fn of_command(command: &str) -> Option<Self> {
        match command {
            "get_course" => Some(Self::CourseLoad),
            "open_section" | "open_story" => Some(Self::LessonLoad),
            "open_quiz" => Some(Self::AssessmentLoad),
            "record_progress" => Some(Self::ProgressRecord),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_in_the_order_of_the_metrics() {
        for (index, definition) in DEFINITIONS.iter().enumerate() {
            assert_eq!(definition.metric as usize, index, "{}", definition.name);
            assert_eq!(Metric::named(definition.name), Some(definition.metric));
        }
        assert_eq!(Metric::named("course"), None);
    }

    #[test]
    fn limits_are_those_of_the_requirements() {
        let limits = |metric: Metric| -> Vec<(Statistic, f64)> {
            metric.definition().limits.iter().map(|l| (l.statistic, l.value)).collect()
        };
        for (metric, target, critical) in [
            (Metric::CourseLoad, 2_000.0, 5_000.0),
            (Metric::LessonLoad, 1_000.0, 3_000.0),
            (Metric::AssessmentLoad, 1_500.0, 4_000.0),
            (Metric::ProgressRecord, 500.0, 2_000.0),
            (Metric::LiveUpdate, 100.0, 500.0),
        ] {
            assert_eq!(limits(metric), [(Each, target), (Each, critical)], "{metric:?}");
        }
        assert_eq!(limits(Metric::DatabaseTime), [(P95, 100.0), (P99, 500.0)]);
        assert_eq!(limits(Metric::CacheHits), [(Mean, 90.0)]);
        assert_eq!(limits(Metric::RequestTime), [(Mean, 200.0)]);
        assert_eq!(limits(Metric::RequestErrors), [(Mean, 1.0)]);
        assert_eq!(limits(Metric::RenderTime), [(P95, 16.0)]);
        for (metric, target) in [
            (Metric::FirstContentfulPaint, 1_800.0),
            (Metric::LargestContentfulPaint, 2_500.0),
            (Metric::LayoutShift, 0.1),
            (Metric::InteractionDelay, 100.0),
        ] {
            assert_eq!(limits(metric), [(Each, target)], "{metric:?}");
        }
    }
}
