//! Figures of the connections of a process: how many are in use, how often a transaction waited for one, and the mean
//! duration of its statements.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use deadpool_postgres::Pool;

/// Part of the connections, in percent, above which a warning is logged.
const MAX_USE_PERCENT: usize = 80;
/// Mean duration of a statement above which a warning is logged.
const MAX_MEAN: Duration = Duration::from_secs(1);

/// Counts of one interval.
#[derive(Debug, Default)]
pub(crate) struct PoolCounts {
    statements: AtomicU64,
    micros: AtomicU64,
    waits: AtomicU64,
}

impl PoolCounts {
    pub(crate) fn statement(&self, duration: Duration) {
        self.statements.fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }
    /// Counts a transaction that is about to wait, if no connection is free and none may be opened.
    pub(crate) fn acquire(&self, pool: &Pool) {
        let status = pool.status();
        if status.available == 0 && status.size >= status.max_size {
            self.waits.fetch_add(1, Ordering::Relaxed);
        }
    }
    /// Returns the figures since the last call.
    pub(crate) fn report(&self, pool: &Pool) -> PoolReport {
        let status = pool.status();
        let statements = self.statements.swap(0, Ordering::Relaxed);
        let micros = self.micros.swap(0, Ordering::Relaxed);
        PoolReport {
            active: status.size.saturating_sub(status.available),
            idle: status.available,
            total: status.size,
            max: status.max_size,
            waiting: status.waiting,
            waits: self.waits.swap(0, Ordering::Relaxed),
            statements,
            mean: Duration::from_micros(micros.checked_div(statements).unwrap_or(0)),
        }
    }
}

/// The figures of one interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PoolReport {
    pub(crate) active: usize,
    pub(crate) idle: usize,
    pub(crate) total: usize,
    pub(crate) max: usize,
    /// Number of transactions that wait now.
    pub(crate) waiting: usize,
    /// Number of transactions that had to wait.
    pub(crate) waits: u64,
    pub(crate) statements: u64,
    /// Mean duration of a statement, with the time on the network.
    pub(crate) mean: Duration,
}

impl PoolReport {
    fn warnings(&self) -> Vec<&'static str> {
        let is_used_up = self.active * 100 > self.max * MAX_USE_PERCENT;
        let is_slow = self.mean > MAX_MEAN;
        [
            (is_used_up, "more than 80 % of the database connections are in use"),
            (is_slow, "the database is slow: a statement takes more than 1 s on average"),
        ]
        .into_iter()
        .filter_map(|(is_given, text)| is_given.then_some(text))
        .collect()
    }
    /// Logs the figures of the connections to `database`, unless nothing happened.
    pub(crate) fn log(&self, database: &str) {
        if self.statements > 0 || self.active > 0 {
            let Self { active, idle, total, max, waiting, waits, statements, mean } = *self;
            tracing::info!(
                database,
                pool.active = active,
                pool.idle = idle,
                pool.total = total,
                pool.max = max,
                pool.waiting = waiting,
                pool.waits = waits,
                query.count = statements,
                query.mean_ms = mean.as_secs_f64() * 1_000.0,
                "database connections"
            );
        }
        for warning in self.warnings() {
            tracing::warn!(
                database,
                pool.active = self.active,
                pool.max = self.max,
                pool.waiting = self.waiting,
                query.mean_ms = self.mean.as_secs_f64() * 1_000.0,
                "{warning}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> Pool {
        let config = tokio_postgres::Config::new();
        let manager = deadpool_postgres::Manager::new(config, tokio_postgres::NoTls);
        Pool::builder(manager).max_size(10).build().unwrap()
    }

    #[test]
    fn a_report_has_the_mean_of_its_interval() {
        let (counts, pool) = (PoolCounts::default(), pool());
        for ms in [1, 2, 6] {
            counts.statement(Duration::from_millis(ms));
        }
        counts.acquire(&pool);
        let report = counts.report(&pool);
        assert_eq!((report.statements, report.mean, report.max), (3, Duration::from_millis(3), 10));
        // A connection may be opened, so nobody waits.
        assert_eq!((report.waits, report.active, report.idle, report.total), (0, 0, 0, 0));
        let next = counts.report(&pool);
        assert_eq!((next.statements, next.mean), (0, Duration::ZERO));
    }

    #[test]
    fn a_warning_is_given_above_its_threshold() {
        let quiet = PoolCounts::default().report(&pool());
        let warnings = |active: usize, mean_ms: u64| {
            let report = PoolReport { active, mean: Duration::from_millis(mean_ms), ..quiet };
            let found = report.warnings();
            ["connections", "slow"].map(|word| found.iter().any(|text| text.contains(word)))
        };
        assert_eq!(warnings(8, 1_000), [false, false]);
        assert_eq!(warnings(9, 1_000), [true, false]);
        assert_eq!(warnings(8, 1_001), [false, true]);
    }
}
