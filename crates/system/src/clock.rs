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
    /// Returns the local calendar day at `now_ms`, such as `2026-11-20`.
    fn local_day(&self) -> String;
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
    #[expect(clippy::disallowed_methods, reason = "only place that reads the system clocks")]
    fn local_day(&self) -> String {
        jiff::Zoned::now().date().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHILD: &str = "CARREL_CLOCK_CHILD";

    /// A process reads its time zone once, so each zone is tested in its own process.
    #[test]
    fn local_day_uses_the_system_time_zone() {
        let clock = SystemClock::new();
        if std::env::var_os(CHILD).is_some() {
            #[expect(clippy::print_stdout, reason = "the parent process reads it")]
            {
                println!("day={}", clock.local_day());
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
            let day = |now_ms: i64| {
                let at = jiff::Timestamp::from_millisecond(now_ms + minutes * 60_000)
                    .expect("a timestamp");
                at.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
            };
            let before = day(clock.now_ms());
            let mut child = std::process::Command::new(&program);
            child.args([
                "--exact",
                "clock::tests::local_day_uses_the_system_time_zone",
                "--nocapture",
            ]);
            let out = child.env(CHILD, "1").env("TZ", zone).output().expect("the child process");
            let text = String::from_utf8_lossy(&out.stdout).into_owned();
            let found = text.lines().find_map(|l| Some(l.split_once("day=")?.1.trim().to_owned()));
            let after = day(clock.now_ms());
            let found = found.unwrap_or_else(|| panic!("{zone}: {text}"));
            assert!(found == before || found == after, "{zone}: {found}, not {before}");
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
