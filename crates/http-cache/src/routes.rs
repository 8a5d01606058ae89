//! The route table: how each path is cached. docs/CACHE.md contains a copy that a test compares.

use std::time::Duration;

/// How `Cache::get` obtains a response. Exact definitions: docs/CACHE.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// The stored response is used; a missing one is fetched and stored.
    CacheFirst,
    /// The stored response is used; if it is stale, a request is also sent in the background.
    StaleWhileRevalidate,
    /// A request is sent, and its response is stored; if it fails, the stored response is used with its time.
    NetworkFirst,
    /// A request is sent, and nothing is stored.
    NetworkOnly,
}

/// A row of the route table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Segments of the path; `*` matches one segment.
    pub pattern: &'static str,
    /// How the responses are cached.
    pub strategy: Strategy,
    /// Lifetime of a response if the server does not state one.
    pub fresh: Duration,
    /// How long after `fresh` it may be used during its revalidation; `Duration::MAX` for no limit.
    pub stale: Duration,
    /// How long after `fresh` it may be used if the server cannot be reached or fails.
    pub if_error: Duration,
}

const MIN: u64 = 60;
const DAY: u64 = 86_400;
const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Figures of staff: what was read before is shown offline, with its time.
const fn staff(pattern: &'static str) -> Route {
    let (strategy, fresh, stale) = (Strategy::NetworkFirst, Duration::ZERO, Duration::ZERO);
    Route { pattern, strategy, fresh, stale, if_error: Duration::MAX }
}

/// The first match applies; a path without a match uses `Route::OTHER`.
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
    Route {
        pattern: "/api/dictionaries",
        strategy: Strategy::StaleWhileRevalidate,
        fresh: secs(10 * MIN),
        stale: secs(7 * DAY),
        if_error: Duration::MAX,
    },
    // Addressed by hash, so never stale. `carrel-content` stores blobs and counts them under this route.
    Route {
        pattern: "/api/blobs/*",
        strategy: Strategy::CacheFirst,
        fresh: Duration::MAX,
        stale: Duration::MAX,
        if_error: Duration::MAX,
    },
    staff("/api/v1/admin/classes"),
    staff("/api/v1/admin/courses"),
    staff("/api/v1/admin/courses/*"),
    staff("/api/v1/admin/courses/*/requests"),
    staff("/api/v1/admin/people"),
    staff("/api/v1/admin/roster-imports"),
    staff("/api/v1/admin/mail"),
    staff("/api/v1/admin/audit"),
    staff("/api/v1/admin/maintenance"),
    staff("/api/classes/*/report"),
    staff("/api/classes/*/devices"),
    staff("/api/courses/*/report"),
    staff("/api/reports/trends"),
    staff("/api/reports/engagement"),
];

impl Route {
    /// The row for every other path: nothing is stored.
    pub const OTHER: Self = Self {
        pattern: "*",
        strategy: Strategy::NetworkOnly,
        fresh: Duration::ZERO,
        stale: Duration::ZERO,
        if_error: Duration::ZERO,
    };
}

/// Returns the row of `routes` for a path, ignoring its query string.
pub(super) fn find(routes: &[Route], path: &str) -> Route {
    let path = path.split(['?', '#']).next().unwrap_or(path);
    let matches = |pattern: &str| {
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
    routes.iter().find(|r| matches(r.pattern)).copied().unwrap_or(Route::OTHER)
}

/// Formats the table as in docs/CACHE.md. A test compares the two.
#[cfg(test)]
fn as_markdown() -> String {
    let mut out = String::from(
        "| Path | Strategy | Fresh | Stale, used while requested again | Stale, if the server fails |\n\
         |---|---|---|---|---|\n",
    );
    for r in ROUTES.iter().chain([&Route::OTHER]) {
        let strategy = match r.strategy {
            Strategy::CacheFirst => "cache-first".to_owned(),
            Strategy::StaleWhileRevalidate => "stale-while-revalidate".to_owned(),
            Strategy::NetworkFirst => "network-first".to_owned(),
            Strategy::NetworkOnly => "network-only".to_owned(),
        };
        let stored = r.strategy != Strategy::NetworkOnly;
        let path = if r.pattern == "*" {
            "all other paths".to_owned()
        } else {
            format!("`{}`", r.pattern)
        };
        let revalidated = r.strategy == Strategy::StaleWhileRevalidate;
        let cell = |used: bool, d| if used { format_duration(d) } else { "-".to_owned() };
        let has_lifetime = stored && r.strategy != Strategy::NetworkFirst;
        let row = [
            path,
            strategy,
            cell(has_lifetime, r.fresh),
            cell(revalidated, r.stale),
            cell(stored, r.if_error),
        ];
        out.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    out
}

#[cfg(test)]
fn format_duration(d: Duration) -> String {
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

    /// With `CARREL_WRITE=1`, writes the table into the page.
    #[test]
    fn the_docs_contain_this_table() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CACHE.md");
        let text = std::fs::read_to_string(page).unwrap().replace('\r', "");
        let (begin, end) = ("<!-- routes: from the code -->\n", "<!-- end of routes -->");
        let (before, rest) = text.split_once(begin).expect("the start marker of the table");
        let (shown, after) = rest.split_once(end).expect("the end marker of the table");
        let table = as_markdown();
        if std::env::var_os("CARREL_WRITE").is_some() {
            std::fs::write(page, format!("{before}{begin}{table}{end}{after}")).unwrap();
        } else {
            assert_eq!(shown, table, "docs/CACHE.md; CARREL_WRITE=1 updates it");
        }
    }

    #[test]
    fn paths_match_their_routes() {
        let strategy = |path| find(ROUTES, path).strategy;
        for page in ["/api/courses?page=2", "/api/courses/rivers", "/api/courses/rivers/manifest"] {
            assert_eq!(strategy(page), Strategy::StaleWhileRevalidate, "{page}");
        }
        assert_eq!(strategy("/api/blobs/abc"), Strategy::CacheFirst);
        for figures in ["/api/v1/admin/people?q=a", "/api/courses/a/report", "/api/reports/trends"]
        {
            assert_eq!(strategy(figures), Strategy::NetworkFirst, "{figures}");
        }
        for never in [
            "/api/auth/login",
            "/api/meta",
            "/api/sync/push",
            "/api/courses/",
            "/api/courses/a/enrolment",
            "/api/v1/admin/courses/uploads/x",
            "/api/v1/admin/rosters/x",
            "/api/exports/x",
            "/",
        ] {
            assert_eq!(strategy(never), Strategy::NetworkOnly, "{never}");
        }
    }
}
