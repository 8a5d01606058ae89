//! `Range` and `If-Range` for bytes (RFC 9110, sections 13 and 14). A request for several ranges returns the whole
//! blob, which the RFC allows.

/// The part of a blob to send. Offsets are inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResolvedRange {
    /// All bytes.
    Whole,
    /// A part of the bytes.
    Range {
        /// The first byte.
        first: u64,
        /// The last byte.
        last: u64,
    },
    /// Status 416.
    Unsatisfiable,
}

/// Parses a `Range` header for a blob of `size` bytes. An invalid header is ignored.
pub fn resolve_range(range: Option<&str>, size: u64) -> ResolvedRange {
    let Some(ranges) = range.and_then(|r| {
        let (unit, ranges) = r.split_once('=')?;
        unit.trim().eq_ignore_ascii_case("bytes").then_some(ranges.trim())
    }) else {
        return ResolvedRange::Whole;
    };
    if ranges.contains(',') {
        return ResolvedRange::Whole;
    }
    let Some((first, last)) = ranges.split_once('-') else { return ResolvedRange::Whole };
    let number = |text: &str| -> Option<u64> {
        let text = text.trim();
        // A number too large for `u64` is past the end of any blob.
        (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
            .then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (first.trim(), number(first), last.trim(), number(last)) {
        ("", _, _, Some(suffix)) => match suffix {
            0 => ResolvedRange::Unsatisfiable,
            _ if size == 0 => ResolvedRange::Unsatisfiable,
            n => ResolvedRange::Range { first: size.saturating_sub(n), last: size - 1 },
        },
        (_, Some(first), "", _) if first < size => ResolvedRange::Range { first, last: size - 1 },
        (_, Some(_), "", _) => ResolvedRange::Unsatisfiable,
        (_, Some(first), _, Some(last)) if last < first => ResolvedRange::Whole,
        (_, Some(first), _, Some(last)) if first < size => {
            ResolvedRange::Range { first, last: last.min(size - 1) }
        }
        (_, Some(_), _, Some(_)) => ResolvedRange::Unsatisfiable,
        _ => ResolvedRange::Whole,
    }
}

/// Returns true if the list of a conditional header contains this tag, by weak comparison (`If-None-Match`).
pub fn matches_tag(list: &str, tag: &str) -> bool {
    let opaque_tag = |t: &str| t.trim().strip_prefix("W/").unwrap_or(t.trim()).to_owned();
    let tag = opaque_tag(tag);
    list.split(',').any(|t| t.trim() == "*" || opaque_tag(t) == tag)
}

/// Returns true if the range applies: there is no `If-Range`, or it equals this tag. A weak tag or a date never
/// matches.
pub fn if_range_matches(if_range: Option<&str>, tag: &str) -> bool {
    if_range.is_none_or(|t| t.trim() == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let range = |first, last| ResolvedRange::Range { first, last };
        for (header, size, expected) in [
            ("bytes=0-9", 100, range(0, 9)),
            ("bytes=90-", 100, range(90, 99)),
            ("bytes=90-1000", 100, range(90, 99)),
            ("bytes=-10", 100, range(90, 99)),
            ("bytes=-1000", 100, range(0, 99)),
            ("Bytes = 5-5", 100, range(5, 5)),
            ("bytes=0-0", 1, range(0, 0)),
            ("bytes=100-", 100, ResolvedRange::Unsatisfiable),
            ("bytes=100-200", 100, ResolvedRange::Unsatisfiable),
            ("bytes=99999999999999999999999-", 100, ResolvedRange::Unsatisfiable),
            ("bytes=-0", 100, ResolvedRange::Unsatisfiable),
            ("bytes=-5", 0, ResolvedRange::Unsatisfiable),
            ("bytes=0-", 0, ResolvedRange::Unsatisfiable),
            ("bytes=9-5", 100, ResolvedRange::Whole),
            ("bytes=0-1,5-6", 100, ResolvedRange::Whole),
            ("bytes=", 100, ResolvedRange::Whole),
            ("bytes=-", 100, ResolvedRange::Whole),
            ("bytes=a-b", 100, ResolvedRange::Whole),
            ("bytes=+1-2", 100, ResolvedRange::Whole),
            ("items=0-1", 100, ResolvedRange::Whole),
            ("bytes 0-1", 100, ResolvedRange::Whole),
        ] {
            assert_eq!(resolve_range(Some(header), size), expected, "{header} of {size}");
        }
        assert_eq!(resolve_range(None, 5), ResolvedRange::Whole);
    }

    #[test]
    fn tags() {
        assert!(
            matches_tag("\"a\"", "\"a\"")
                && matches_tag("W/\"a\", \"b\"", "\"b\"")
                && matches_tag("*", "\"x\"")
        );
        assert!(matches_tag("\"a\"", "W/\"a\"") && !matches_tag("\"ab\"", "\"a\""));
        assert!(if_range_matches(None, "\"a\"") && if_range_matches(Some("\"a\""), "\"a\""));
        assert!(
            !if_range_matches(Some("W/\"a\""), "\"a\"")
                && !if_range_matches(Some("Wed, 21 Oct 2026 07:28:00 GMT"), "\"a\"")
        );
    }
}
