//! What is asked for: a path, under a route, with request header fields. The fields decide which of several stored answers fits (`Vary`,
//! RFC 9111, 4.1), and their `Cache-Control` says what the asker wants (5.2.1).
//!
//! Not here: tokens and encodings. They are added below the cache; the cache knows whose file it is instead.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{
    Route,
    directives::{directives, seconds},
};

/// One question to the cache.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Begins with `/api/`.
    pub path: String,
    pub route: Route,
    /// Sent with the request as they are.
    pub headers: HeaderMap,
}

impl Ask {
    /// `GET path` by the route table.
    pub fn of(path: &str) -> Self {
        Self::by(Route::of(path), path)
    }
    pub fn by(route: Route, path: &str) -> Self {
        Self { path: path.to_owned(), route, headers: HeaderMap::new() }
    }
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.append(name, value);
        }
        self
    }
    pub(super) fn wishes(&self) -> Wishes {
        if self.headers.is_empty() { Wishes::default() } else { Wishes::of(&self.headers) }
    }
    /// Two askers with the same key may share one request.
    pub(super) fn key(&self) -> String {
        let mut lines: Vec<String> = self
            .headers
            .iter()
            .map(|(n, v)| format!("{n}: {}", String::from_utf8_lossy(v.as_bytes())))
            .collect();
        lines.sort();
        lines.insert(0, self.path.clone());
        lines.join("\n")
    }
}

/// The request directives that are understood. `max-stale` is not: how stale an answer may be is the route's and the server's to say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    /// Nothing of this is kept (5.2.1.5).
    pub no_store: bool,
    /// Not without the server's word (5.2.1.4).
    pub no_cache: bool,
    /// From here or not at all (5.2.1.7).
    pub only_if_cached: bool,
    /// Not older than this (5.2.1.1).
    pub max_age: Option<Duration>,
    /// Fresh for at least this long (5.2.1.3).
    pub min_fresh: Option<Duration>,
}

impl Wishes {
    fn of(headers: &HeaderMap) -> Self {
        let mut wishes = Self::default();
        for line in headers.get_all(header::CACHE_CONTROL) {
            for (name, value) in directives(line.to_str().unwrap_or_default()) {
                let given = || Some(Duration::from_secs(seconds(value.as_deref()).unwrap_or(0)));
                match name.as_str() {
                    "no-store" => wishes.no_store = true,
                    "no-cache" => wishes.no_cache = true,
                    "only-if-cached" => wishes.only_if_cached = true,
                    "max-age" => wishes.max_age = given(),
                    "min-fresh" => wishes.min_fresh = given(),
                    _ => {}
                }
            }
        }
        wishes
    }
    /// A fresh answer of this age, fresh for `lifetime` in all, is good enough.
    pub fn content_with(&self, age: Duration, lifetime: Duration) -> bool {
        !self.no_cache
            && self.max_age.is_none_or(|most| age <= most)
            && self.min_fresh.is_none_or(|least| age.saturating_add(least) <= lifetime)
    }
}

/// Who asks: what stands for the fields that are not sent by the asker.
#[derive(Debug, Clone, Default)]
pub(super) struct Asker {
    /// The account on this device. Stands for `Authorization` and `Cookie`: tokens change, the learner does not.
    pub account: String,
    /// The learner's language, sent as `Accept-Language`; empty: none.
    pub language: String,
}

impl Asker {
    /// The value that the request field `name` (lower case) has in this question, as it is compared.
    fn value(&self, name: &str, asked: &HeaderMap) -> String {
        match name {
            "authorization" | "cookie" => return self.account.clone(),
            // Bodies are kept decoded, and every request for them accepts the same.
            "accept-encoding" | "accept" => return String::new(),
            _ => {}
        }
        let lines: Vec<&str> = asked.get_all(name).iter().filter_map(|v| v.to_str().ok()).collect();
        let text = if lines.is_empty() && name == "accept-language" {
            self.language.clone()
        } else {
            lines.join(",")
        };
        // White space and case say nothing in lists of languages and the like (RFC 9110, 5.6.1).
        text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase()
    }

    /// `name: value` lines of the fields that `vary` names, as they are in this question.
    pub fn selecting(&self, vary: &str, asked: &HeaderMap) -> String {
        let mut names: Vec<String> = vary
            .split(',')
            .map(|n| n.trim().to_ascii_lowercase())
            .filter(|n| !n.is_empty())
            .collect();
        names.sort();
        names.dedup();
        names.iter().map(|n| format!("{n}: {}\n", self.value(n, asked))).collect()
    }

    /// An answer that was stored under `selecting` fits this question (RFC 9111, 4.1).
    pub fn fits(&self, selecting: &str, asked: &HeaderMap) -> bool {
        selecting.lines().all(|line| {
            line.split_once(": ").is_some_and(|(name, value)| self.value(name, asked) == value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_answers_fit_by_the_fields_that_vary_named() {
        let asker = Asker { account: "asha".into(), language: "fr, en;q=0.8".into() };
        let plain = HeaderMap::new();
        let stored = asker.selecting("Accept-Language, authorization,accept-encoding", &plain);
        assert_eq!(
            stored,
            "accept-encoding: \naccept-language: fr,en;q=0.8\nauthorization: asha\n"
        );
        assert!(asker.fits(&stored, &plain));
        assert!(
            asker.fits(
                &stored,
                &Ask::of("/").header(header::ACCEPT_LANGUAGE, "FR,en;q=0.8").headers
            )
        );
        assert!(!asker.fits(&stored, &Ask::of("/").header(header::ACCEPT_LANGUAGE, "en").headers));
        let other = Asker { account: "noor".into(), ..asker.clone() };
        assert!(!other.fits(&stored, &plain), "another learner");
        assert!(other.fits("", &plain), "without Vary it fits everybody who opens this file");
    }

    #[test]
    fn wishes_are_read() {
        let wishes = |text| Ask::of("/").header(header::CACHE_CONTROL, text).wishes();
        let s = Duration::from_secs;
        assert!(wishes("no-cache, No-Store").no_cache && wishes("no-store").no_store);
        assert!(
            !wishes("max-age=0").content_with(s(1), s(9))
                && wishes("max-age=2").content_with(s(2), s(9))
        );
        assert!(
            wishes("min-fresh=3").content_with(s(6), s(9))
                && !wishes("min-fresh=4").content_with(s(6), s(9))
        );
        assert!(
            wishes("only-if-cached").only_if_cached && Wishes::default().content_with(s(8), s(9))
        );
    }
}
