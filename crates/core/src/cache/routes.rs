//! The route table: which path is cached how. Data, in one place; docs/CACHE.md shows it.

use std::time::Duration;

/// How an answer is found. docs/CACHE.md has the exact meaning of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// What is here is used. Misses are fetched and kept.
    CacheFirst,
    /// The network is asked, and after `timeout` or on a fault what is here is used.
    NetworkFirst { timeout: Duration },
    /// What is here is used; if it is no longer fresh it is asked for again behind the learner's back.
    StaleWhileRevalidate,
    /// Never kept.
    NetworkOnly,
    /// Never fetched.
    CacheOnly,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Segments of the path; `*` stands for one segment.
    pub pattern: &'static str,
    pub strategy: Strategy,
    /// How long an answer is fresh if the server says nothing.
    pub fresh: Duration,
    /// How long after that it is still shown while it is asked for again; `Duration::MAX` for no limit.
    pub stale: Duration,
}

const MIN: u64 = 60;
const DAY: u64 = 86_400;
const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// First match wins; what matches nothing is network-only.
pub const ROUTES: &[Route] = &[
    Route {
        pattern: "/api/courses",
        strategy: Strategy::StaleWhileRevalidate,
        fresh: secs(10 * MIN),
        stale: secs(7 * DAY),
    },
    Route {
        pattern: "/api/stories",
        strategy: Strategy::StaleWhileRevalidate,
        fresh: secs(10 * MIN),
        stale: secs(7 * DAY),
    },
    Route {
        pattern: "/api/search",
        strategy: Strategy::StaleWhileRevalidate,
        fresh: secs(10 * MIN),
        stale: secs(7 * DAY),
    },
    Route {
        pattern: "/api/courses/*",
        strategy: Strategy::NetworkFirst { timeout: secs(2) },
        fresh: secs(5 * MIN),
        stale: Duration::MAX,
    },
    Route {
        pattern: "/api/courses/*/manifest",
        strategy: Strategy::NetworkFirst { timeout: secs(2) },
        fresh: secs(5 * MIN),
        stale: Duration::MAX,
    },
    Route {
        pattern: "/api/stories/*",
        strategy: Strategy::NetworkFirst { timeout: secs(2) },
        fresh: secs(5 * MIN),
        stale: Duration::MAX,
    },
    Route {
        pattern: "/api/stories/*/manifest",
        strategy: Strategy::NetworkFirst { timeout: secs(2) },
        fresh: secs(5 * MIN),
        stale: Duration::MAX,
    },
    // By hash, in `BlobStore`: never stale.
    Route {
        pattern: "/api/blobs/*",
        strategy: Strategy::CacheFirst,
        fresh: Duration::MAX,
        stale: Duration::MAX,
    },
    Route {
        pattern: "/api/vocabulary",
        strategy: Strategy::StaleWhileRevalidate,
        fresh: secs(DAY),
        stale: secs(30 * DAY),
    },
    Route {
        pattern: "/api/leaderboards/*",
        strategy: Strategy::NetworkFirst { timeout: secs(3) },
        fresh: secs(MIN),
        stale: secs(DAY),
    },
    Route {
        pattern: "/api/analytics/*",
        strategy: Strategy::NetworkFirst { timeout: secs(3) },
        fresh: secs(MIN),
        stale: secs(DAY),
    },
];

impl Route {
    /// The row for a path (a query string does not count).
    pub fn of(path: &str) -> Self {
        let path = path.split(['?', '#']).next().unwrap_or(path);
        let fits = |pattern: &str| {
            let mut a = pattern.split('/');
            let mut b = path.split('/');
            loop {
                match (a.next(), b.next()) {
                    (None, None) => return true,
                    (Some("*"), Some(s)) if !s.is_empty() => {}
                    (Some(p), Some(s)) if p == s => {}
                    _ => return false,
                }
            }
        };
        let other = Self {
            pattern: "*",
            strategy: Strategy::NetworkOnly,
            fresh: Duration::ZERO,
            stale: Duration::ZERO,
        };
        ROUTES.iter().find(|r| fits(r.pattern)).copied().unwrap_or(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_its_row() {
        let network_first = |s| matches!(s, Strategy::NetworkFirst { .. });
        assert_eq!(Route::of("/api/courses?page=2").strategy, Strategy::StaleWhileRevalidate);
        assert!(network_first(Route::of("/api/courses/rivers").strategy));
        assert!(network_first(Route::of("/api/courses/rivers/manifest").strategy));
        assert_eq!(Route::of("/api/blobs/abc").strategy, Strategy::CacheFirst);
        for never in [
            "/api/auth/login",
            "/api/meta",
            "/api/sync/push",
            "/api/courses/",
            "/api/courses/a/enrolment",
            "/",
        ] {
            assert_eq!(Route::of(never).strategy, Strategy::NetworkOnly, "{never}");
        }
    }
}
