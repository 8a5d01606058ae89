//! Progress of a download: bytes, smoothed rate, remaining time.
//!
//! Not here: the progress in the database (`queue`).

use std::sync::{Mutex, PoisonError};

/// Shortest time between two progress events of one download.
const EMIT_EVERY_MS: i64 = 250;
/// Shortest time between two updates of the state in the database.
const RECORD_EVERY_MS: i64 = 2_000;
/// Time constant of the smoothed rate: the weight of bytes of this age is 1/e of that of new ones.
const SMOOTHING_MS: f64 = 4_000.0;
/// Shortest time before a rate is reported; an earlier rate would be inaccurate.
const MIN_MEASURED_MS: i64 = 1_000;

/// Progress of a running download.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Bytes stored.
    pub done: u64,
    /// Bytes of the whole download.
    pub total: u64,
    /// Bytes per second; `None` while unknown.
    pub rate: Option<u64>,
    /// Estimated remaining time in milliseconds.
    pub left_ms: Option<u64>,
}

/// Actions that are due after bytes were received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Due {
    /// Emit a progress event.
    pub emit: bool,
    /// Update the state in the database.
    pub record: bool,
}

/// Measures the progress of one download.
pub struct Meter {
    inner: Mutex<MeterState>,
}

struct MeterState {
    done: i64,
    total: i64,
    started_ms: i64,
    /// Time of the last update of `bytes` and `millis`.
    seen_ms: i64,
    /// Bytes received since `seen_ms`.
    pending: u64,
    /// Bytes and milliseconds, both weighted by age.
    bytes: f64,
    millis: f64,
    emitted_ms: i64,
    recorded_ms: i64,
}

impl Meter {
    /// Creates a meter; times are milliseconds of the monotonic clock.
    pub fn new(now_ms: i64) -> Self {
        let inner = MeterState {
            done: 0,
            total: 0,
            started_ms: now_ms,
            seen_ms: now_ms,
            pending: 0,
            bytes: 0.0,
            millis: 0.0,
            emitted_ms: i64::MIN,
            recorded_ms: now_ms,
        };
        Self { inner: Mutex::new(inner) }
    }

    /// Sets the bytes stored and the total.
    pub fn set(&self, done: u64, total: u64) {
        let mut m = self.inner();
        (m.done, m.total) = (signed(done), signed(total));
    }

    /// Counts bytes received from the network.
    pub fn received(&self, bytes: usize, now_ms: i64) -> Due {
        let mut m = self.inner();
        m.done += signed(bytes as u64);
        m.pending += bytes as u64;
        m.advance(now_ms);
        let due = Due {
            emit: now_ms >= m.emitted_ms.saturating_add(EMIT_EVERY_MS),
            record: now_ms >= m.recorded_ms.saturating_add(RECORD_EVERY_MS),
        };
        if due.emit {
            m.emitted_ms = now_ms;
        }
        if due.record {
            m.recorded_ms = now_ms;
        }
        due
    }

    /// Corrects the number of stored bytes without affecting the rate: positive for bytes found on
    /// this device, negative for discarded bytes.
    pub fn correct(&self, by: i64) {
        let mut m = self.inner();
        m.done += by;
    }

    /// Returns the current progress.
    pub fn progress(&self, now_ms: i64) -> Progress {
        let mut m = self.inner();
        m.advance(now_ms);
        let done = m.done.clamp(0, m.total);
        let is_measured = now_ms - m.started_ms >= MIN_MEASURED_MS && m.millis > 0.0;
        let rate = is_measured.then(|| (m.bytes / m.millis * 1_000.0) as u64);
        let left_ms = rate
            .filter(|r| *r > 0)
            .map(|r| (m.total - done).unsigned_abs().saturating_mul(1_000) / r);
        Progress { done: done.unsigned_abs(), total: m.total.unsigned_abs(), rate, left_ms }
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, MeterState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MeterState {
    /// Updates the weighted sums. Both decay with time, so the rate falls while nothing is received.
    fn advance(&mut self, now_ms: i64) {
        let passed = (now_ms - self.seen_ms) as f64;
        if passed <= 0.0 {
            return;
        }
        let decay = (-passed / SMOOTHING_MS).exp();
        self.bytes = self.bytes * decay + self.pending as f64;
        self.millis = self.millis * decay + passed;
        self.pending = 0;
        self.seen_ms = now_ms;
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
