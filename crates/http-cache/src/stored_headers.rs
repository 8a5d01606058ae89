//! The header fields that are stored with a response, and their update by a 304 (RFC 9111, 3.1, 3.2 and 4.3.4).
//!
//! Not here: their meaning for freshness (`freshness`). Fields that are never read again are not stored.

use http::{HeaderMap, HeaderName, header};

use crate::directives::directives;

/// All stored fields. Other fields concern the connection or the transfer, or are not used.
const STORED: [HeaderName; 7] = [
    header::AGE,
    header::CACHE_CONTROL,
    header::DATE,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::VARY,
];

/// Stored header fields: `(name in lower case, value)`, in the order of their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredHeaders(Vec<(&'static str, String)>);

/// Whether a 304 refers to the stored response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// It does: the stored fields are updated and the stored response is used.
    Same,
    /// It refers to a different response.
    Other,
}

impl StoredHeaders {
    /// Selects the fields to store. Fields named in `private="..."` or `no-cache="..."` are not stored (RFC 9111,
    /// 5.2.2.4 and 5.2.2.7).
    pub fn of(headers: &HeaderMap) -> Self {
        let mut stored = Self(Vec::new());
        for name in &STORED {
            if let Some(value) = joined(headers, name) {
                stored.0.push((static_name(name), value));
            }
        }
        let control = stored.get(header::CACHE_CONTROL).to_owned();
        for (name, value) in directives(&control) {
            if let ("no-cache" | "private", Some(fields)) = (name.as_str(), value) {
                for field in fields.split(',').map(|f| f.trim().to_ascii_lowercase()) {
                    stored.0.retain(|(n, _)| *n != field || *n == "cache-control");
                }
            }
        }
        stored
    }

    /// Returns the value of a field; empty if it is absent.
    pub fn get(&self, name: HeaderName) -> &str {
        self.0.iter().find(|(n, _)| *n == name.as_str()).map_or("", |(_, v)| v)
    }

    /// Returns the fields updated by a 304 (RFC 9111, 3.2). `Age` and `Date` apply to one message only: they are
    /// removed if the 304 has none.
    pub fn updated_by(&self, by: &HeaderMap) -> Self {
        let new = Self::of(by);
        let is_kept = |name: &str| name != "age" && name != "date";
        let mut all: Vec<_> = self
            .0
            .iter()
            .filter(|(n, _)| is_kept(n) && new.0.iter().all(|(m, _)| m != n))
            .cloned()
            .chain(new.0.iter().cloned())
            .collect();
        all.sort();
        Self(all)
    }

    /// Compares a 304 with the stored response (RFC 9111, 4.3.4). A strong tag matches only an equal strong tag; a weak
    /// tag is compared weakly. A 304 without a tag and a date refers to the stored response.
    pub fn matches(&self, not_modified: &HeaderMap) -> Match {
        let text = |name| joined(not_modified, &name).unwrap_or_default();
        let (tag, stored) = (text(header::ETAG), self.get(header::ETAG));
        let same = if tag.is_empty() {
            let modified = text(header::LAST_MODIFIED);
            modified.is_empty() || !stored.is_empty() || modified == self.get(header::LAST_MODIFIED)
        } else if is_weak(&tag) {
            opaque(&tag) == opaque(stored)
        } else {
            tag == stored
        };
        if same { Match::Same } else { Match::Other }
    }

    /// Formats the fields as one line each, for the database.
    pub fn to_text(&self) -> String {
        self.0.iter().map(|(n, v)| format!("{n}: {v}\n")).collect()
    }
    /// Parses the text of `to_text`; unknown fields are ignored.
    pub fn from_text(text: &str) -> Self {
        let field = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            let name = STORED.iter().find(|k| k.as_str() == name)?;
            Some((static_name(name), value.to_owned()))
        };
        Self(text.lines().filter_map(field).collect())
    }
}

fn static_name(name: &HeaderName) -> &'static str {
    match *name {
        header::AGE => "age",
        header::CACHE_CONTROL => "cache-control",
        header::DATE => "date",
        header::ETAG => "etag",
        header::EXPIRES => "expires",
        header::LAST_MODIFIED => "last-modified",
        _ => "vary",
    }
}

/// Joins the lines of a list with commas (RFC 9110, 5.3); of other fields the first line is used (RFC 9111, 4.2.1).
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut lines = headers.get_all(name).into_iter().filter_map(|v| v.to_str().ok());
    let is_list = *name == header::CACHE_CONTROL || *name == header::VARY;
    let value =
        if is_list { lines.collect::<Vec<_>>().join(", ") } else { lines.next()?.to_owned() };
    let value = value.trim().to_owned();
    (!value.is_empty()).then_some(value)
}

fn is_weak(tag: &str) -> bool {
    tag.starts_with("W/")
}
fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_304_updates_only_its_own_fields() {
        let old = StoredHeaders::of(&map(&[
            ("etag", "\"v1\""),
            ("cache-control", "max-age=600"),
            ("age", "9"),
            ("date", "Fri, 20 Nov 2026 12:00:00 GMT"),
            ("x-else", "1"),
        ]));
        let new = old.updated_by(&map(&[("vary", "accept-language")]));
        assert_eq!(
            new.to_text(),
            "cache-control: max-age=600\netag: \"v1\"\nvary: accept-language\n"
        );
        let new = old.updated_by(&map(&[("cache-control", "no-store"), ("age", "2")]));
        assert_eq!((new.get(header::CACHE_CONTROL), new.get(header::AGE)), ("no-store", "2"));
        assert_eq!(StoredHeaders::from_text(&old.to_text()), old);
    }

    #[test]
    fn a_304_is_matched_by_tag_and_date() {
        let headers = |etag| StoredHeaders::of(&map(&[("etag", etag)]));
        let table = [
            ("\"v1\"", Some("\"v1\""), Match::Same),
            ("\"v1\"", Some("\"v2\""), Match::Other),
            ("\"v1\"", Some("W/\"v1\""), Match::Same),
            ("W/\"v1\"", Some("W/\"v1\""), Match::Same),
            ("W/\"v1\"", Some("\"v1\""), Match::Other),
            ("W/\"v1\"", Some("W/\"v2\""), Match::Other),
            ("\"v1\"", None, Match::Same),
        ];
        for (here, tag, expected) in table {
            let reply = tag.map_or_else(HeaderMap::new, |t| map(&[("etag", t)]));
            assert_eq!(headers(here).matches(&reply), expected, "{here} {tag:?}");
        }
        let dated = StoredHeaders::of(&map(&[("last-modified", "Fri, 20 Nov 2026 12:00:00 GMT")]));
        let later = map(&[("last-modified", "Fri, 20 Nov 2026 13:00:00 GMT")]);
        assert_eq!(dated.matches(&later), Match::Other);
    }

    #[test]
    fn named_fields_are_not_stored() {
        let headers = StoredHeaders::of(&map(&[
            ("cache-control", "no-cache=\"ETag\", private=\"Last-Modified\", max-age=9"),
            ("etag", "\"v1\""),
            ("last-modified", "Fri, 20 Nov 2026 12:00:00 GMT"),
        ]));
        assert_eq!((headers.get(header::ETAG), headers.get(header::LAST_MODIFIED)), ("", ""));
    }
}
