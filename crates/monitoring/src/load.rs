//! The load of the last minutes: number of requests, shares of errors, percentiles of their duration. Alerts judge this
//! window, because the histograms of Prometheus count from the start of the process.

use std::collections::VecDeque;

/// Length of a slot in ms.
const SLOT_MS: i64 = 5_000;
/// Number of slots: five minutes.
const SLOTS: usize = 60;
/// Upper bounds of the buckets in ms: each is 12.5 % above the one before, so a percentile is at most that much too high.
const BUCKETS: usize = 96;
const GROWTH: f64 = 1.125;

/// Figures of the requests of a window.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Load {
    pub requests: u64,
    /// Replies with a status of 500 and above, except 503 with which the server defers devices.
    pub errors: u64,
    pub p95_ms: f64,
    pub p99_ms: f64,
}

impl Load {
    /// Returns the share of failed requests, from 0 to 1.
    pub fn error_share(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.errors as f64 / self.requests as f64 }
    }
}

struct Slot {
    start_ms: i64,
    requests: u64,
    errors: u64,
    counts: [u32; BUCKETS],
}

/// Counts requests in slots of five seconds and forgets those older than five minutes.
#[derive(Default)]
pub struct LoadWindow {
    slots: VecDeque<Slot>,
}

impl LoadWindow {
    /// Counts a request that took `ms`.
    pub fn add(&mut self, ms: f64, is_error: bool, now_ms: i64) {
        let start_ms = now_ms.div_euclid(SLOT_MS) * SLOT_MS;
        // A clock that was set back continues in the newest slot.
        if self.slots.back().is_none_or(|slot| slot.start_ms < start_ms) {
            self.slots.push_back(Slot { start_ms, requests: 0, errors: 0, counts: [0; BUCKETS] });
            while self.slots.len() > SLOTS {
                self.slots.pop_front();
            }
        }
        let Some(slot) = self.slots.back_mut() else { return };
        slot.requests += 1;
        slot.errors += u64::from(is_error);
        slot.counts[bucket(ms)] += 1;
    }

    /// Returns the figures of the five minutes before `now_ms`.
    pub fn load(&self, now_ms: i64) -> Load {
        let oldest_ms = now_ms - SLOT_MS * SLOTS as i64;
        let slots = || self.slots.iter().filter(|slot| slot.start_ms > oldest_ms);
        let requests = slots().map(|slot| slot.requests).sum();
        let errors = slots().map(|slot| slot.errors).sum();
        let mut counts = [0_u64; BUCKETS];
        for slot in slots() {
            for (sum, count) in counts.iter_mut().zip(slot.counts) {
                *sum += u64::from(count);
            }
        }
        let percentile = |share: f64| {
            let rank = (requests as f64 * share).ceil().max(1.0) as u64;
            let mut seen = 0;
            let found = counts.iter().position(|count| {
                seen += count;
                seen >= rank
            });
            found.map_or(0.0, upper_ms)
        };
        Load { requests, errors, p95_ms: percentile(0.95), p99_ms: percentile(0.99) }
    }
}

/// Returns the upper bound of a bucket in ms.
fn upper_ms(bucket: usize) -> f64 {
    GROWTH.powi(i32::try_from(bucket).unwrap_or(i32::MAX))
}

fn bucket(ms: f64) -> usize {
    if ms <= 1.0 || ms.is_nan() {
        return 0;
    }
    // A bound belongs to its own bucket.
    ((ms.ln() / GROWTH.ln() - 1e-9).ceil() as usize).min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_window() {
        let mut window = LoadWindow::default();
        for n in 0..100 {
            window.add(if n < 96 { 10.0 } else { 3_000.0 }, n == 0, 1_000 + n);
        }
        let load = window.load(2_000);
        assert_eq!((load.requests, load.errors), (100, 1));
        assert_eq!(load.error_share(), 0.01);
        assert!((10.0..=11.3).contains(&load.p95_ms), "{load:?}");
        assert!((3_000.0..=3_375.0).contains(&load.p99_ms), "{load:?}");
        assert_eq!(window.load(2_000 + 5 * 60_000), Load::default(), "five minutes later");
    }

    #[test]
    fn a_window_has_a_bounded_size_and_survives_odd_times() {
        let mut window = LoadWindow::default();
        for ms in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            window.add(ms, false, 0);
        }
        for n in 0..10_000 {
            window.add(1.0, false, n * 10_000);
        }
        window.add(1.0, false, 5);
        assert_eq!(window.slots.len(), SLOTS);
        assert_eq!(
            window.load(99_990_000).requests,
            31,
            "one of each ten seconds, and the late one"
        );
    }

    #[test]
    fn a_bucket_contains_its_bound() {
        for n in 1..BUCKETS - 1 {
            assert_eq!(bucket(upper_ms(n)), n);
            assert_eq!(bucket(upper_ms(n) * 1.01), n + 1);
        }
        assert!(upper_ms(BUCKETS - 2) > 60_000.0, "a minute fits");
    }
}
