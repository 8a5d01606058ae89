//! How old an answer is and how long it is fresh: RFC 9111, sections 4.2 and 5.2, as far as a private client needs them.
//!
//! One deliberate difference: `Date` is not compared with this device's clock. Clocks on school laptops are often wrong by hours, and an
//! answer would be born stale; the age at arrival is the `Age` header alone (RFC 9111, 4.2.3 lets a cache choose that).

use std::time::Duration;

use http::{HeaderMap, header};

/// What an answer's headers say about keeping it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub storable: bool,
    /// Seconds of freshness; `None` if the server said nothing.
    pub fresh_s: Option<u64>,
    /// Seconds old at arrival.
    pub age_s: u64,
    /// Never use it stale without asking, even if the route would.
    pub must_revalidate: bool,
}

impl Policy {
    pub fn of(headers: &HeaderMap) -> Self {
        let mut policy = Self { storable: true, fresh_s: None, age_s: 0, must_revalidate: false };
        let texts = |name| headers.get_all(name).into_iter().filter_map(|v| v.to_str().ok());
        for part in texts(header::CACHE_CONTROL).flat_map(|v| v.split(',')) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "no-store" => policy.storable = false,
                // Kept for offline use, but not fresh for a moment.
                "no-cache" => policy.fresh_s = Some(0),
                // A number that cannot be read counts as stale (RFC 9111, 4.2.1).
                "max-age" if policy.fresh_s != Some(0) => {
                    policy.fresh_s = Some(value.parse().unwrap_or(0))
                }
                "must-revalidate" => policy.must_revalidate = true,
                _ => {}
            }
        }
        if texts(header::VARY).any(|v| v.split(',').any(|p| p.trim() == "*")) {
            policy.storable = false;
        }
        policy.age_s = texts(header::AGE).next().and_then(|v| v.trim().parse().ok()).unwrap_or(0);
        policy
    }
}

/// When an answer arrived, by both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    pub wall_ms: i64,
    pub mono_ms: i64,
    /// The run of the app whose monotonic clock this was.
    pub run: [u8; 16],
}

/// How old an answer is now. `None`: the wall clock ran backwards since an earlier run, nobody knows.
pub fn age(initial_age_s: u64, arrival: Arrival, now: Arrival) -> Option<Duration> {
    let resident_ms = if arrival.run == now.run {
        now.mono_ms - arrival.mono_ms
    } else {
        now.wall_ms - arrival.wall_ms
    };
    let resident = u64::try_from(resident_ms).ok()?;
    Some(Duration::from_secs(initial_age_s) + Duration::from_millis(resident))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(pairs: &[(&'static str, &str)]) -> Policy {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        Policy::of(&headers)
    }

    #[test]
    fn headers_as_the_rfc_reads_them() {
        let base = Policy { storable: true, fresh_s: None, age_s: 0, must_revalidate: false };
        let table: &[(&[(&'static str, &str)], Policy)] = &[
            (&[], base),
            (&[("cache-control", "max-age=60")], Policy { fresh_s: Some(60), ..base }),
            (&[("cache-control", "private, Max-Age=\"60\"")], Policy { fresh_s: Some(60), ..base }),
            (&[("cache-control", "max-age=soon")], Policy { fresh_s: Some(0), ..base }),
            (&[("cache-control", "no-cache, max-age=60")], Policy { fresh_s: Some(0), ..base }),
            (
                &[("cache-control", "max-age=60"), ("cache-control", "no-store")],
                Policy { fresh_s: Some(60), storable: false, ..base },
            ),
            (
                &[("cache-control", "must-revalidate"), ("age", "7")],
                Policy { must_revalidate: true, age_s: 7, ..base },
            ),
            (&[("vary", "accept-encoding, *")], Policy { storable: false, ..base }),
            (&[("age", "never")], base),
        ];
        for (headers, expected) in table {
            assert_eq!(policy(headers), *expected, "{headers:?}");
        }
    }

    #[test]
    fn age_survives_clock_jumps() {
        let at = |wall_ms, mono_ms, run| Arrival { wall_ms, mono_ms, run: [run; 16] };
        let secs = |s| Some(Duration::from_secs(s));
        // Same run: only the monotonic clock counts, whatever the wall clock does.
        assert_eq!(age(1, at(0, 0, 1), at(-9_000_000, 5_000, 1)), secs(6));
        assert_eq!(age(0, at(0, 0, 1), at(9_000_000, 5_000, 1)), secs(5));
        // Another run: the wall clock, and nobody knows if it ran backwards.
        assert_eq!(age(0, at(1_000, 99_000, 1), at(4_000, 0, 2)), secs(3));
        assert_eq!(age(0, at(4_000, 0, 1), at(1_000, 0, 2)), None);
    }
}
