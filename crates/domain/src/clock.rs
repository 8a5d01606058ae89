//! The wall clock as a trait, so that tests can set the time; also the stopwatch for logged durations.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// Maximum time by which the stamp of a row may be ahead of the server's clock.
pub const MAX_AHEAD_MS: i64 = 5 * 60_000;

/// The plausible times of a server, in UTC ms: from 2025-01-01, before the first release, to 50 years later. Without a
/// battery, a computer starts at 1970 or 2000 until its clock is set.
const PLAUSIBLE_MS: std::ops::Range<i64> = 1_735_689_600_000..3_313_612_800_000;

/// Returns false while the clock was obviously never set. Expiry times and stamps written then would be wrong as soon
/// as it is set.
pub fn is_plausible(now_ms: i64) -> bool {
    PLAUSIBLE_MS.contains(&now_ms)
}

/// Source of the current time.
pub trait Clock: Send + Sync + 'static {
    /// Returns the UTC time in milliseconds since 1970.
    fn now_ms(&self) -> i64;
}

/// The system clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the only use of the system clock")]
    fn now_ms(&self) -> i64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
    }
}

/// Returns the current instant, for durations that are only logged.
#[expect(clippy::disallowed_methods, reason = "the duration is only logged")]
pub fn stopwatch() -> std::time::Instant {
    std::time::Instant::now()
}

/// A clock for tests: its time changes only when it is set, forwards or backwards.
#[derive(Debug)]
pub struct FakeClock(AtomicI64);

impl FakeClock {
    pub fn new(now_ms: i64) -> Self {
        Self(AtomicI64::new(now_ms))
    }
    pub fn set(&self, now_ms: i64) {
        self.0.store(now_ms, Ordering::SeqCst);
    }
    pub fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}
impl Clock for FakeClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}
