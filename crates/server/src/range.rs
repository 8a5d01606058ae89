//! `Range` and `If-Range` for bytes (RFC 9110, sections 13 and 14). A single range is served; a request for several
//! gets the whole blob, which the RFC allows.

/// The part of a blob to send. Offsets are inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Whole,
    Range {
        first: u64,
        last: u64,
    },
    /// Status 416.
    Unsatisfiable,
}

/// Parses a `Range` header for a blob of `size` bytes. An invalid header is ignored.
pub fn part(range: Option<&str>, size: u64) -> Part {
    let Some(set) = range.and_then(|r| {
        let (unit, set) = r.split_once('=')?;
        unit.trim().eq_ignore_ascii_case("bytes").then_some(set.trim())
    }) else {
        return Part::Whole;
    };
    if set.contains(',') {
        return Part::Whole;
    }
    let Some((first, last)) = set.split_once('-') else { return Part::Whole };
    let number = |text: &str| -> Option<u64> {
        let text = text.trim();
        // A number too large for `u64` is past the end of any file.
        (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
            .then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (first.trim(), number(first), last.trim(), number(last)) {
        ("", _, _, Some(suffix)) => match suffix {
            0 => Part::Unsatisfiable,
            _ if size == 0 => Part::Unsatisfiable,
            n => Part::Range { first: size.saturating_sub(n), last: size - 1 },
        },
        (_, Some(first), "", _) if first < size => Part::Range { first, last: size - 1 },
        (_, Some(_), "", _) => Part::Unsatisfiable,
        (_, Some(first), _, Some(last)) if last < first => Part::Whole,
        (_, Some(first), _, Some(last)) if first < size => {
            Part::Range { first, last: last.min(size - 1) }
        }
        (_, Some(_), _, Some(_)) => Part::Unsatisfiable,
        _ => Part::Whole,
    }
}

/// Returns true if the list of a conditional header contains this tag, by weak comparison (`If-None-Match`).
pub fn names_tag(list: &str, tag: &str) -> bool {
    let plain = |t: &str| t.trim().strip_prefix("W/").unwrap_or(t.trim()).to_owned();
    let tag = plain(tag);
    list.split(',').any(|t| t.trim() == "*" || plain(t) == tag)
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
        let range = |first, last| Part::Range { first, last };
        for (header, size, expected) in [
            ("bytes=0-9", 100, range(0, 9)),
            ("bytes=90-", 100, range(90, 99)),
            ("bytes=90-1000", 100, range(90, 99)),
            ("bytes=-10", 100, range(90, 99)),
            ("bytes=-1000", 100, range(0, 99)),
            ("Bytes = 5-5", 100, range(5, 5)),
            ("bytes=0-0", 1, range(0, 0)),
            ("bytes=100-", 100, Part::Unsatisfiable),
            ("bytes=100-200", 100, Part::Unsatisfiable),
            ("bytes=99999999999999999999999-", 100, Part::Unsatisfiable),
            ("bytes=-0", 100, Part::Unsatisfiable),
            ("bytes=-5", 0, Part::Unsatisfiable),
            ("bytes=0-", 0, Part::Unsatisfiable),
            ("bytes=9-5", 100, Part::Whole),
            ("bytes=0-1,5-6", 100, Part::Whole),
            ("bytes=", 100, Part::Whole),
            ("bytes=-", 100, Part::Whole),
            ("bytes=a-b", 100, Part::Whole),
            ("bytes=+1-2", 100, Part::Whole),
            ("items=0-1", 100, Part::Whole),
            ("bytes 0-1", 100, Part::Whole),
        ] {
            assert_eq!(part(Some(header), size), expected, "{header} of {size}");
        }
        assert_eq!(part(None, 5), Part::Whole);
    }

    #[test]
    fn tags() {
        assert!(
            names_tag("\"a\"", "\"a\"")
                && names_tag("W/\"a\", \"b\"", "\"b\"")
                && names_tag("*", "\"x\"")
        );
        assert!(names_tag("\"a\"", "W/\"a\"") && !names_tag("\"ab\"", "\"a\""));
        assert!(if_range_matches(None, "\"a\"") && if_range_matches(Some("\"a\""), "\"a\""));
        assert!(
            !if_range_matches(Some("W/\"a\""), "\"a\"")
                && !if_range_matches(Some("Wed, 21 Oct 2026 07:28:00 GMT"), "\"a\"")
        );
    }
}
