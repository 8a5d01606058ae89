//! Parses the directives of `Cache-Control` (RFC 9111, 5.2): names are case-insensitive, values are tokens or quoted
//! strings.
//!
//! Not here: the meaning of directives (`freshness`).

/// Maximum number of seconds; larger values are reduced to it (RFC 9111, 1.2.2).
pub const MAX_SECONDS: u64 = 1 << 31;

/// Returns the directives of a header field as `(name in lower case, value)`. `text` has all lines of the field, joined
/// with commas.
pub fn directives(text: &str) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    for part in split(text, ',') {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name, Some(unquoted(value.trim()))),
            None => (part, None),
        };
        let name = name.trim().to_ascii_lowercase();
        if !name.is_empty() {
            found.push((name, value));
        }
    }
    found
}

/// Splits `text` at each `at` outside quoted strings.
fn split(text: &str, at: char) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (i, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c == at && !quoted => {
                parts.push(&text[start..i]);
                start = i + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn unquoted(value: &str) -> String {
    match value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) {
        Some(inner) => inner.replace('\\', ""),
        None => value.to_owned(),
    }
}

/// Parses seconds. `None` if the number is invalid: the caller then treats the response as stale (RFC 9111, 4.2.1).
pub fn seconds(value: Option<&str>) -> Option<u64> {
    let value = value?.trim();
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| value.parse().unwrap_or(MAX_SECONDS).min(MAX_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_quoted_mixed_case_and_unknown_directives() {
        let read = |text| {
            let all = directives(text).into_iter();
            all.map(|(n, v)| v.map_or(n.clone(), |v| format!("{n}={v}"))).collect::<Vec<_>>()
        };
        assert_eq!(read("Max-Age=60, private"), ["max-age=60", "private"]);
        assert_eq!(
            read("no-cache=\"set-cookie, etag\",max-age=\"5\""),
            ["no-cache=set-cookie, etag", "max-age=5"]
        );
        assert_eq!(read(" , ,no-store;x , ext=\"a\\\"b,c\""), ["no-store;x", "ext=a\"b,c"]);
        assert_eq!(read(""), Vec::<String>::new());
    }

    #[test]
    fn seconds_are_integers_of_at_most_two_to_the_power_of_31() {
        assert_eq!(seconds(Some(" 60")), Some(60));
        assert_eq!(seconds(Some("99999999999999999999999")), Some(MAX_SECONDS));
        for bad in [None, Some(""), Some("-1"), Some("1.5"), Some("soon"), Some("'60'")] {
            assert_eq!(seconds(bad), None, "{bad:?}");
        }
    }
}
