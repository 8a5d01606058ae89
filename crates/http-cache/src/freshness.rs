//! Computes how long a response is fresh, its age, and whether it may be used when stale, as a private cache (RFC 9111,
//! 4.2 and 5.2.2; RFC 5861). Pure functions of header fields and times.
//!
//! Decisions where the RFC allows a choice:
//! - `Date` is not compared with the device's clock, which may be wrong by hours, so that a response could be stale on
//!   arrival. The age at arrival is `Age` plus the duration of the request (4.2.3 allows `corrected_age_value` alone).
//!   `Expires` is compared with the server's own `Date`.
//! - The heuristic lifetime (4.2.2) is that of the route, never a fraction of the time since `Last-Modified`, so that
//!   it is the same on all devices.
//! - `s-maxage`, `public` and `proxy-revalidate` concern shared caches and are ignored.

use std::time::Duration;

use carrel_net::reply::date_ms;
use http::header;

use crate::{
    directives::{directives, seconds},
    stored_headers::StoredHeaders,
};

/// Rules for storing and using a response, from its header fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// `no-store`, or `Vary: *`.
    pub no_store: bool,
    /// Never used without revalidation, not even while fresh (5.2.2.4).
    pub no_cache: bool,
    /// Never used without revalidation once stale (5.2.2.2).
    pub must_revalidate: bool,
    /// Lifetime in seconds. `None`: the server did not state one, and the route's applies.
    pub lifetime_s: Option<u64>,
    /// `stale-while-revalidate` in seconds (RFC 5861, 3). Overrides the route's window.
    pub while_revalidate_s: Option<u64>,
    /// `stale-if-error` in seconds (RFC 5861, 4). Overrides the route's window.
    pub if_error_s: Option<u64>,
    /// Age in seconds when the response was sent (`Age`, 5.1).
    pub age_s: u64,
}

impl Policy {
    /// Parses the header fields. `arrived_ms`: the wall clock at arrival, for `Expires` without `Date` (RFC 9110,
    /// 6.6.1).
    pub fn of(headers: &StoredHeaders, arrived_ms: i64) -> Self {
        let mut policy = Self::default();
        let (mut understood, mut max_age) = (false, None);
        for (name, value) in directives(headers.get(header::CACHE_CONTROL)) {
            let given = || seconds(value.as_deref());
            match name.as_str() {
                "no-store" => policy.no_store = true,
                // With field names, the directive applies to those fields only (`StoredHeaders::of`).
                "no-cache" if value.is_none() => policy.no_cache = true,
                "must-revalidate" => policy.must_revalidate = true,
                // Only status 200 is stored, and the cache understands it (5.2.2.3).
                "must-understand" => understood = true,
                // Of several values the first applies; an invalid value means stale (4.2.1).
                "max-age" => max_age = max_age.or(Some(given().unwrap_or(0))),
                "stale-while-revalidate" => policy.while_revalidate_s = Some(given().unwrap_or(0)),
                "stale-if-error" => policy.if_error_s = Some(given().unwrap_or(0)),
                _ => {}
            }
        }
        policy.no_store &= !understood;
        policy.no_store |= headers.get(header::VARY).split(',').any(|p| p.trim() == "*");
        policy.lifetime_s = max_age.or_else(|| expires_s(headers, arrived_ms));
        policy.age_s = seconds(Some(headers.get(header::AGE))).unwrap_or(0);
        policy
    }

    /// Returns the lifetime of the response, under a route with the lifetime `heuristic`.
    pub fn lifetime(&self, heuristic: Duration) -> Duration {
        self.lifetime_s.map_or(heuristic, Duration::from_secs)
    }
    /// Returns true if it may be used without a request (4.2). `age` is `None` if it is unknown.
    pub fn is_fresh(&self, age: Option<Duration>, heuristic: Duration) -> bool {
        age.is_some_and(|age| age < self.lifetime(heuristic))
    }
    /// Returns true if it may be used during its revalidation (RFC 5861, 3), under a route that allows `window`.
    pub fn while_revalidating(
        &self,
        age: Option<Duration>,
        heuristic: Duration,
        window: Duration,
    ) -> bool {
        let window = self.while_revalidate_s.map_or(window, Duration::from_secs);
        let end = self.lifetime(heuristic).saturating_add(window);
        self.allows_stale(self.is_fresh(age, heuristic)) && age.is_some_and(|age| age < end)
    }
    /// Returns true if it may be used because the network or the server failed (4.2.4; RFC 5861, 4), under a route that
    /// allows `window`. A response of unknown age may be used unless the server sent `stale-if-error`.
    pub fn on_error(&self, age: Option<Duration>, heuristic: Duration, window: Duration) -> bool {
        let end = |window| self.lifetime(heuristic).saturating_add(window);
        let in_time = match (age, self.if_error_s) {
            (Some(age), Some(s)) => age < end(Duration::from_secs(s)),
            (Some(age), None) => window == Duration::MAX || age < end(window),
            (None, limit) => limit.is_none(),
        };
        self.allows_stale(self.is_fresh(age, heuristic)) && in_time
    }
    /// Returns true if it may be used whatever its age: the server can forbid this.
    pub fn at_any_age(&self, age: Option<Duration>, heuristic: Duration) -> bool {
        self.allows_stale(self.is_fresh(age, heuristic))
    }
    fn allows_stale(&self, fresh: bool) -> bool {
        !self.no_cache && (fresh || !self.must_revalidate)
    }
}

/// Returns `Expires` minus `Date` in seconds; an invalid `Expires` counts as past (5.3).
fn expires_s(headers: &StoredHeaders, arrived_ms: i64) -> Option<u64> {
    let expires = headers.get(header::EXPIRES);
    if expires.is_empty() {
        return None;
    }
    let from = date_ms(headers.get(header::DATE)).unwrap_or(arrived_ms);
    let left_ms = date_ms(expires).map_or(0, |at| at - from);
    Some(u64::try_from(left_ms / 1000).unwrap_or(0))
}

/// A time, by the wall clock and the monotonic clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Arrival {
    /// Wall clock: UTC, ms since 1970.
    pub wall_ms: i64,
    /// Monotonic clock of the run in ms.
    pub mono_ms: i64,
    /// Id of the run of the app that the monotonic clock belongs to.
    pub run: [u8; 16],
}

/// Returns the age of a response that was `initial_ms` old when it arrived. `None`: unknown, because the wall clock was
/// set back since an earlier run.
///
/// Within a run the greater of the two clocks' differences applies, because the monotonic clock stops during suspend.
/// If the wall clock was set forward, a response appears older than it is, which costs a request; it never appears
/// younger. `latest_ms` is the latest arrival of any stored response by the wall clock.
pub fn age(initial_ms: u64, arrival: Arrival, now: Arrival, latest_ms: i64) -> Option<Duration> {
    let wall = now.wall_ms - arrival.wall_ms;
    let resident_ms = if arrival.run == now.run {
        wall.max(now.mono_ms - arrival.mono_ms)
    } else if now.wall_ms < latest_ms {
        return None;
    } else {
        wall
    };
    let resident = u64::try_from(resident_ms).ok()?;
    Some(Duration::from_millis(initial_ms.saturating_add(resident)))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    const NOON: i64 = 1_795_176_000_000;

    fn policy(pairs: &[(&'static str, &str)]) -> Policy {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        Policy::of(&StoredHeaders::of(&headers), NOON)
    }

    #[test]
    fn policy_follows_the_rfcs() {
        let base = Policy::default();
        let for_s = |s| Policy { lifetime_s: Some(s), ..base };
        let cc = |v: &'static str| [("cache-control", v)];
        let noon = "Fri, 20 Nov 2026 12:00:00 GMT";
        let one = "Fri, 20 Nov 2026 13:00:00 GMT";
        let table: &[(&[(&'static str, &str)], Policy)] = &[
            (&[], base),
            (&cc("max-age=60"), for_s(60)),
            (&cc("private, Max-Age=\"60\""), for_s(60)),
            (&cc("max-age=60, max-age=5"), for_s(60)),
            (&cc("max-age=soon"), for_s(0)),
            (&cc("max-age=-5"), for_s(0)),
            (&cc("max-age=4294967297"), for_s(1 << 31)),
            (&cc("s-maxage=9, public"), base),
            (&cc("no-cache, max-age=60"), Policy { no_cache: true, ..for_s(60) }),
            (&cc("no-cache=\"set-cookie, max-age=1\", max-age=60"), for_s(60)),
            (
                &[("cache-control", "max-age=60"), ("cache-control", "no-store")],
                Policy { no_store: true, ..for_s(60) },
            ),
            (&cc("no-store, must-understand"), base),
            (
                &[("cache-control", "must-revalidate"), ("age", "7")],
                Policy { must_revalidate: true, age_s: 7, ..base },
            ),
            (
                &cc("stale-while-revalidate=30, stale-if-error=90"),
                Policy { while_revalidate_s: Some(30), if_error_s: Some(90), ..base },
            ),
            (&[("vary", "accept-encoding, *")], Policy { no_store: true, ..base }),
            (&[("age", "never")], base),
            (&[("expires", one), ("date", noon)], for_s(3600)),
            (&[("expires", one), ("date", noon), ("cache-control", "max-age=5")], for_s(5)),
            (&[("expires", one)], for_s(3600)),
            (&[("expires", "0")], for_s(0)),
            (&[("expires", noon), ("date", one)], for_s(0)),
        ];
        for (headers, expected) in table {
            assert_eq!(policy(headers), *expected, "{headers:?}");
        }
    }

    #[test]
    fn server_windows_override_route_windows() {
        let s = |n| Some(Duration::from_secs(n));
        let (ten, day) = (Duration::from_secs(10), Duration::from_secs(86_400));
        let plain = policy(&[]);
        assert!(
            plain.is_fresh(s(9), ten) && !plain.is_fresh(s(10), ten) && !plain.is_fresh(None, ten)
        );
        assert!(
            plain.while_revalidating(s(11), ten, day)
                && !plain.while_revalidating(s(86_410), ten, day)
        );
        assert!(
            !plain.while_revalidating(None, ten, day),
            "a response of unknown age is outside every window"
        );
        assert!(plain.on_error(None, ten, day) && plain.on_error(s(1 << 40), ten, Duration::MAX));
        let limited =
            policy(&[("cache-control", "max-age=10, stale-while-revalidate=5, stale-if-error=7")]);
        assert!(
            limited.while_revalidating(s(14), ten, day)
                && !limited.while_revalidating(s(15), ten, day)
        );
        assert!(
            limited.on_error(s(16), ten, Duration::MAX)
                && !limited.on_error(s(17), ten, Duration::MAX)
        );
        assert!(!limited.on_error(None, ten, Duration::MAX), "the server set a limit");
        let strict = policy(&[("cache-control", "max-age=10, must-revalidate")]);
        assert!(strict.on_error(s(9), ten, day), "a fresh response may be used");
        assert!(!strict.on_error(s(10), ten, day) && !strict.while_revalidating(s(10), ten, day));
        assert!(!policy(&[("cache-control", "no-cache")]).on_error(s(0), ten, Duration::MAX));
    }

    #[test]
    fn age_is_correct_or_unknown_after_clock_jumps() {
        let at = |wall_ms, mono_ms, run| Arrival { wall_ms, mono_ms, run: [run; 16] };
        let secs = |s| Some(Duration::from_secs(s));
        // Same run: if the wall clock was set back, the monotonic clock applies; if it was set forward, or after
        // suspend, the wall clock applies.
        assert_eq!(age(1_000, at(0, 0, 1), at(-9_000_000, 5_000, 1), 0), secs(6));
        assert_eq!(age(0, at(0, 0, 1), at(9_000_000, 5_000, 1), 0), secs(9_000));
        // Another run: the wall clock applies; unknown if it was set back.
        assert_eq!(age(0, at(1_000, 99_000, 1), at(4_000, 0, 2), 1_000), secs(3));
        assert_eq!(age(0, at(4_000, 0, 1), at(1_000, 0, 2), 4_000), None);
        assert_eq!(
            age(0, at(1_000, 0, 1), at(4_000, 0, 2), 9_000),
            None,
            "another response arrived at 9 s"
        );
    }
}
