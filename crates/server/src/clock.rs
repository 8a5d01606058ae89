//! The wall clock, as a trait: tests turn it by hand. Also the stopwatch for the log and random ids: nothing else in this crate asks
//! the system for time or randomness.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// UTC, milliseconds since 1970.
    fn now_ms(&self) -> i64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks for the time of day")]
    fn now_ms(&self) -> i64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
    }
}

/// The start of something whose duration goes into the log; nothing is decided by it.
#[expect(clippy::disallowed_methods, reason = "durations for the log alone; no test owns them")]
pub fn stopwatch() -> std::time::Instant {
    std::time::Instant::now()
}

/// A random id or secret of the server's own.
#[expect(
    clippy::disallowed_methods,
    reason = "the server's ids are never replayed: histories come from devices"
)]
pub fn new_id() -> uuid::Uuid {
    uuid::Uuid::new_v4()
}

/// A clock that stands still until it is turned; it may be turned back.
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
