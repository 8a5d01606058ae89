//! Time comes in through here, so that tests can make it stand, jump and run backwards.

use std::{future::Future, pin::Pin, time::Duration};

/// Wall and monotonic time, and waiting.
pub trait Clock: Send + Sync + 'static {
    /// Wall clock: UTC, ms since 1970. May jump either way.
    fn now_ms(&self) -> i64;
    /// Milliseconds since some fixed moment. Never goes back; stands still while the machine sleeps.
    fn monotonic_ms(&self) -> i64;
    /// Resolves when `duration` of monotonic time has passed.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
    /// The learner's own calendar day at `now_ms`: `2026-11-20`.
    fn local_day(&self) -> String;
}

/// The machine's clocks.
#[derive(Debug, Clone)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clocks")]
    pub fn new() -> Self {
        Self { start: std::time::Instant::now() }
    }
}
impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clocks")]
    fn now_ms(&self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
    }
    fn monotonic_ms(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(duration))
    }
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clocks")]
    fn local_day(&self) -> String {
        jiff::Zoned::now().date().to_string()
    }
}
