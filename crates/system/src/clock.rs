//! A trait for clocks, so that tests control the time.

use std::{future::Future, pin::Pin, time::Duration};

/// Wall-clock time, monotonic time and timers.
pub trait Clock: Send + Sync + 'static {
    /// Returns the wall clock: UTC, ms since 1970. May jump forwards or backwards.
    fn now_ms(&self) -> i64;
    /// Returns the milliseconds since a fixed moment. Never decreases. On most systems the time of a suspend is not
    /// counted.
    fn monotonic_ms(&self) -> i64;
    /// Returns the microseconds since the same moment, as exactly as the clock can tell.
    fn monotonic_us(&self) -> i64 {
        self.monotonic_ms().saturating_mul(1000)
    }
    /// Resolves when `duration` of monotonic time has passed.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
    /// Returns the offset of the learner's time zone from UTC at a moment (UTC, ms), in minutes.
    fn zone_offset_min(&self, at_ms: i64) -> i32;
}

/// The clocks of the operating system.
#[derive(Debug, Clone)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl SystemClock {
    /// Creates a clock whose monotonic time starts at 0.
    #[expect(clippy::disallowed_methods, reason = "only place that reads the system clocks")]
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
    #[expect(clippy::disallowed_methods, reason = "only place that reads the system clocks")]
    fn now_ms(&self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
    }
    fn monotonic_ms(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
    fn monotonic_us(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_micros()).unwrap_or(i64::MAX)
    }
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(duration))
    }
    fn zone_offset_min(&self, at_ms: i64) -> i32 {
        let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
        jiff::tz::TimeZone::system().to_offset(at).seconds().div_euclid(60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHILD: &str = "CARREL_CLOCK_CHILD";

    /// A process reads its time zone once, so each zone is tested in its own process.
    #[test]
    fn the_offset_is_that_of_the_system_time_zone() {
        let clock = SystemClock::new();
        if std::env::var_os(CHILD).is_some() {
            #[expect(clippy::print_stdout, reason = "the parent process reads it")]
            {
                println!("offset={}", clock.zone_offset_min(clock.now_ms()));
            }
            return;
        }
        let program = std::env::current_exe().expect("the path of this program");
        // (zone, minutes ahead of UTC). None of the zones has daylight saving time.
        let zones = [
            ("Pacific/Kiritimati", 14 * 60),
            (":Pacific/Kiritimati", 14 * 60),
            ("Pacific/Pago_Pago", -11 * 60),
            ("Asia/Kathmandu", 5 * 60 + 45),
            ("America/Phoenix", -7 * 60),
            ("XYZ-13", 13 * 60),
            ("UTC", 0),
        ];
        for (zone, minutes) in zones {
            let mut child = std::process::Command::new(&program);
            child.args([
                "--exact",
                "clock::tests::the_offset_is_that_of_the_system_time_zone",
                "--nocapture",
            ]);
            let out = child.env(CHILD, "1").env("TZ", zone).output().expect("the child process");
            let text = String::from_utf8_lossy(&out.stdout).into_owned();
            let found = text.lines().find_map(|l| l.split_once("offset=")?.1.trim().parse().ok());
            assert_eq!(found, Some(minutes), "{zone}: {text}");
        }
    }

    #[test]
    fn time_zones_are_bundled() {
        // Windows, and Linux without tzdata, have only the bundled zones.
        let built_in = jiff::tz::TimeZoneDatabase::bundled();
        for zone in ["Pacific/Kiritimati", "Asia/Kathmandu", "Africa/Nairobi", "America/La_Paz"] {
            assert!(built_in.get(zone).is_ok(), "{zone}");
        }
    }
}
