//! The slowest kinds of transactions of this process, with what an administrator can do about them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::query_kind::QueryKind;

/// A mean above this is reported, in ms.
const MEAN_LIMIT_MS: f64 = 100.0;

/// Figures of all transactions of one name since the start of the process.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SlowTransaction {
    pub name: &'static str,
    /// `educational`, `analytics`, `user` or `system`.
    pub kind: &'static str,
    pub count: u64,
    /// How many took longer than the limit of slow transactions.
    pub slow: u64,
    pub mean_ms: f64,
    pub max_ms: f64,
    /// What may help.
    pub recommendation: &'static str,
}

#[derive(Default)]
struct Counted {
    count: u64,
    slow: u64,
    total_ms: f64,
    max_ms: f64,
}

/// Counts transactions by name. Names are constants of the program, so their number is bounded.
#[derive(Default)]
pub struct SlowTransactions(BTreeMap<&'static str, Counted>);

impl SlowTransactions {
    pub fn add(&mut self, name: &'static str, ms: f64, is_slow: bool) {
        let counted = self.0.entry(name).or_default();
        counted.count += 1;
        counted.slow += u64::from(is_slow);
        counted.total_ms += ms;
        counted.max_ms = counted.max_ms.max(ms);
    }

    /// Returns those that were slow at least once, the largest total time first.
    pub fn report(&self) -> Vec<SlowTransaction> {
        let mut found: Vec<_> = self.0.iter().filter(|(_, counted)| counted.slow > 0).collect();
        found.sort_by(|a, b| b.1.total_ms.total_cmp(&a.1.total_ms));
        found.into_iter().map(|(name, counted)| counted.report(name)).collect()
    }
}

impl Counted {
    fn report(&self, name: &'static str) -> SlowTransaction {
        let kind = QueryKind::of(name);
        let mean_ms = if self.count == 0 { 0.0 } else { self.total_ms / self.count as f64 };
        let recommendation = match kind {
            _ if mean_ms < MEAN_LIMIT_MS => {
                "Most are fast: compare the times of the slow ones with backups, imports and other load."
            }
            QueryKind::Analytics => {
                "Run exports outside of lessons, and check that the job of the figures keeps up."
            }
            QueryKind::System => "Check the disk: these transactions read or write many rows.",
            QueryKind::Educational | QueryKind::User => {
                "Run `carrel-server jobs run check-indices`, and see its report for missing or unused indices."
            }
        };
        SlowTransaction {
            name,
            kind: kind.as_str(),
            count: self.count,
            slow: self.slow,
            mean_ms,
            max_ms: self.max_ms,
            recommendation,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_total_comes_first_and_fast_ones_are_left_out() {
        let mut slow = SlowTransactions::default();
        slow.add("push", 1.0, false);
        slow.add("search", 400.0, true);
        slow.add("search", 200.0, true);
        slow.add("class_report", 2_500.0, true);
        let report = slow.report();
        let names: Vec<_> = report.iter().map(|s| (s.name, s.kind, s.count, s.slow)).collect();
        assert_eq!(names, [("class_report", "analytics", 1, 1), ("search", "educational", 2, 2)]);
        assert_eq!((report[1].mean_ms, report[1].max_ms), (300.0, 400.0));
        assert!(report[1].recommendation.contains("check-indices"));
    }
}
