//! Samples the memory of this process.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use crate::{Diagnostics, metrics::Metric};

/// Time between two samples.
const INTERVAL: Duration = Duration::from_secs(5);

/// Records the memory of this process every 5 s while `diagnostics` exists. The web view is a process of its own on
/// most systems and is not included.
pub async fn sample(diagnostics: Weak<Diagnostics>) {
    while let Some(current) = diagnostics.upgrade() {
        sample_once(&current);
        let clock = current.clock().clone();
        drop(current);
        clock.sleep(INTERVAL).await;
    }
}

fn sample_once(diagnostics: &Arc<Diagnostics>) {
    match memory_stats::memory_stats() {
        Some(memory) => {
            let mib = memory.physical_mem as f64 / (1024.0 * 1024.0);
            diagnostics.metrics.record(Metric::Memory, mib, "app");
        }
        None => diagnostics.metrics.set_unsupported(Metric::Memory),
    }
}

#[cfg(test)]
mod tests {
    use carrel_testkit::FakeClock;

    use super::*;

    #[tokio::test]
    async fn memory_is_sampled_every_five_seconds_until_nothing_reads_it() {
        let clock = FakeClock::noon();
        let diagnostics = Arc::new(Diagnostics::new(Arc::new(clock.clone())));
        let task = tokio::spawn(sample(Arc::downgrade(&diagnostics)));
        for _ in 0..3 {
            while clock.sleepers() == 0 {
                tokio::task::yield_now().await;
            }
            assert_eq!(clock.next_wake_in(), Some(5_000));
            clock.advance(5_000);
        }
        while clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        let memory = diagnostics.metrics.report().swap_remove(Metric::Memory as usize);
        let statistics = memory.statistics.expect("this system reports its memory");
        assert_eq!(statistics.count, 4);
        assert!(statistics.min > 1.0 && statistics.max < 4_000.0, "{statistics:?}");
        drop(diagnostics);
        clock.advance(5_000);
        task.await.expect("the task ends");
    }
}
