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
    /// How long after that it is still shown if the server cannot be asked or fails.
    pub if_error: Duration,
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
        if_error: Duration::MAX,
    },
    Route {
        pattern: "/api/stories",
        strategy: Strategy::StaleWhileRevalidate,
        fresh: secs(10 * MIN),
        stale: secs(7 * DAY),
        if_error: Duration::MAX,
    },
    Route {
        pattern: "/api/search",
        strategy: Strategy::StaleWhileRevalidate,
        fresh: secs(10 * MIN),
        stale: secs(7 * DAY),
        if_error: Duration::MAX,
    },
    Route {
        pattern: "/api/courses/*",
        strategy: Strategy::StaleWhileRevalidate,
        fresh: secs(5 * MIN),
        stale: Duration::MAX,
        if_error: Duration::MAX,
    },
    Route {
        pattern: "/api/courses/*/manifest",
        strategy: Strategy::StaleWhileRevalidate,
        fresh: secs(5 * MIN),
        stale: Duration::MAX,
        if_error: Duration::MAX,
    },
    Route {
        pattern: "/api/stories/*",
        strategy: Strategy::StaleWhileRevalidate,
        fresh: secs(5 * MIN),
        stale: Duration::MAX,
        if_error: Duration::MAX,
    },
    Route {
        pattern: "/api/stories/*/manifest",
        strategy: Strategy::StaleWhileRevalidate,
        fresh: secs(5 * MIN),
        stale: Duration::MAX,
        if_error: Duration::MAX,
    },
    // By hash, in `BlobStore`: never stale.
    Route {
        pattern: "/api/blobs/*",
        strategy: Strategy::CacheFirst,
        fresh: Duration::MAX,
        stale: Duration::MAX,
        if_error: Duration::MAX,
    },
    Route {
        pattern: "/api/vocabulary",
        strategy: Strategy::StaleWhileRevalidate,
        fresh: secs(DAY),
        stale: secs(30 * DAY),
        if_error: Duration::MAX,
    },
    Route {
        pattern: "/api/leaderboards/*",
        strategy: Strategy::NetworkFirst { timeout: secs(3) },
        fresh: secs(MIN),
        stale: secs(DAY),
        if_error: secs(DAY),
    },
    Route {
        pattern: "/api/analytics/*",
        strategy: Strategy::NetworkFirst { timeout: secs(3) },
        fresh: secs(MIN),
        stale: secs(DAY),
        if_error: secs(DAY),
    },
];

impl Route {
    /// What no row fits: never kept.
    pub const OTHER: Self = Self {
        pattern: "*",
        strategy: Strategy::NetworkOnly,
        fresh: Duration::ZERO,
        stale: Duration::ZERO,
        if_error: Duration::ZERO,
    };

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
        ROUTES.iter().find(|r| fits(r.pattern)).copied().unwrap_or(Self::OTHER)
    }
}

/// The table as docs/CACHE.md shows it. A test holds the page to it.
pub fn as_markdown() -> String {
    let mut out = String::from(
        "| Path | Strategy | Fresh | Stale, asked for meanwhile | Stale, if the server fails |\n|---|---|---|---|---|\n",
    );
    for r in ROUTES.iter().chain([&Route::OTHER]) {
        let (strategy, kept) = match r.strategy {
            Strategy::CacheFirst => ("cache-first".to_owned(), true),
            Strategy::NetworkFirst { timeout } => {
                (format!("network-first, {}", span(timeout)), true)
            }
            Strategy::StaleWhileRevalidate => ("stale-while-revalidate".to_owned(), true),
            Strategy::NetworkOnly => ("network-only".to_owned(), false),
            Strategy::CacheOnly => ("cache-only".to_owned(), true),
        };
        let path =
            if r.pattern == "*" { "anything else".to_owned() } else { format!("`{}`", r.pattern) };
        let asked = matches!(r.strategy, Strategy::StaleWhileRevalidate);
        let cell = |used: bool, d| if used { span(d) } else { "-".to_owned() };
        let row =
            [path, strategy, cell(kept, r.fresh), cell(asked, r.stale), cell(kept, r.if_error)];
        out.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    out
}

fn span(d: Duration) -> String {
    match d.as_secs() {
        _ if d == Duration::MAX => "no limit".to_owned(),
        s if s >= DAY && s % DAY == 0 => format!("{} d", s / DAY),
        s if s >= MIN && s % MIN == 0 => format!("{} min", s / MIN),
        s => format!("{s} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `CARREL_WRITE=1` writes the table into the page instead.
    #[test]
    fn the_page_shows_this_table() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CACHE.md");
        let text = std::fs::read_to_string(page).unwrap().replace('\r', "");
        let (begin, end) = ("<!-- routes: from the code -->\n", "<!-- end of routes -->");
        let (before, rest) = text.split_once(begin).expect("the page has a place for the table");
        let (shown, after) = rest.split_once(end).expect("the place has an end");
        let table = as_markdown();
        if std::env::var_os("CARREL_WRITE").is_some() {
            std::fs::write(page, format!("{before}{begin}{table}{end}{after}")).unwrap();
        } else {
            assert_eq!(shown, table, "docs/CACHE.md; CARREL_WRITE=1 brings it up to date");
        }
    }

    #[test]
    fn every_path_has_its_row() {
        let network_first = |s| matches!(s, Strategy::NetworkFirst { .. });
        assert_eq!(Route::of("/api/courses?page=2").strategy, Strategy::StaleWhileRevalidate);
        // A page is shown at once from what is known.
        for page in ["/api/courses/rivers", "/api/courses/rivers/manifest"] {
            assert_eq!(Route::of(page).strategy, Strategy::StaleWhileRevalidate, "{page}");
        }
        assert!(network_first(Route::of("/api/leaderboards/week").strategy));
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
