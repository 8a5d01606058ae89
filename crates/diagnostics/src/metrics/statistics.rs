//! Statistics of the values of one metric.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::Statistic;

/// Statistics of a non-empty list of values.
///
/// Percentiles are by nearest rank: the p-th percentile is the smallest value that at least p per cent of the values do
/// not exceed. It is always one of the values. The median is the 50th percentile.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    pub count: u32,
    pub mean: f64,
    pub median: f64,
    pub p95: f64,
    pub p99: f64,
    pub min: f64,
    pub max: f64,
}

impl Statistics {
    /// Returns the statistics; none for an empty list. `values` are sorted by the call.
    pub fn of(values: &mut [f64]) -> Option<Self> {
        values.sort_unstable_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let sum: f64 = values.iter().sum();
        Some(Self {
            count: u32::try_from(values.len()).unwrap_or(u32::MAX),
            // Rounding must not place the mean outside the values.
            mean: (sum / values.len() as f64).clamp(min, max),
            median: percentile(values, 50),
            p95: percentile(values, 95),
            p99: percentile(values, 99),
            min,
            max,
        })
    }

    /// Returns the number that is compared with a limit. For `Each` it is the 95th percentile, so that one slow action
    /// among many does not mark the whole hour.
    pub fn get(&self, statistic: Statistic) -> f64 {
        match statistic {
            Statistic::Each | Statistic::P95 => self.p95,
            Statistic::Mean => self.mean,
            Statistic::P99 => self.p99,
        }
    }
}

/// Returns the percentile of sorted values by nearest rank; 0 if there are none.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let mut hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        let of = Statistics::of(&mut hundred).unwrap();
        assert_eq!((of.median, of.p95, of.p99, of.min, of.max), (50.0, 95.0, 99.0, 1.0, 100.0));
        assert_eq!((of.count, of.mean), (100, 50.5));
        let of = Statistics::of(&mut [7.0, 3.0]).unwrap();
        assert_eq!((of.median, of.p95, of.p99, of.mean), (3.0, 7.0, 7.0, 5.0));
        let of = Statistics::of(&mut [4.0]).unwrap();
        assert_eq!((of.median, of.p95, of.p99, of.min, of.max), (4.0, 4.0, 4.0, 4.0, 4.0));
        assert_eq!(Statistics::of(&mut []), None);
    }

    /// The definition in words, without sorting: the smallest value that at least `percent` of all do not exceed.
    fn naive(values: &[f64], percent: f64) -> f64 {
        let reached = |v: f64| {
            let count = values.iter().filter(|x| **x <= v).count();
            count as f64 * 100.0 >= percent * values.len() as f64
        };
        values.iter().copied().filter(|v| reached(*v)).fold(f64::INFINITY, f64::min)
    }

    proptest! {
        #[test]
        fn statistics_equal_their_definition(
            values in prop::collection::vec(0.0..10_000.0f64, 1..400),
            repeats in 1usize..4,
        ) {
            let values: Vec<f64> = values.iter().map(|v| v.round()).cycle().take(values.len() * repeats).collect();
            let of = Statistics::of(&mut values.clone()).unwrap();
            prop_assert_eq!(of.count as usize, values.len());
            prop_assert_eq!(of.median, naive(&values, 50.0));
            prop_assert_eq!(of.p95, naive(&values, 95.0));
            prop_assert_eq!(of.p99, naive(&values, 99.0));
            prop_assert_eq!(of.min, values.iter().copied().fold(f64::INFINITY, f64::min));
            prop_assert_eq!(of.max, values.iter().copied().fold(0.0, f64::max));
            let mut sum = 0.0;
            for v in &values { sum += v; }
            prop_assert!((of.mean - sum / values.len() as f64).abs() < 1e-6);
        }
    }
}
