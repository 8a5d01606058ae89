//! `Range` as media elements use it (RFC 9110, 14.2): one range of bytes. Several ranges are
//! answered with the whole, as the RFC allows.

/// The requested bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// All bytes.
    Whole,
    /// From this byte to the end; the server may send less.
    From(u64),
    /// From the first byte up to the second, exclusive.
    Part(u64, u64),
    /// Beyond the end.
    Unsatisfiable,
}

/// Parses the value of `Range`; `size` is the total in bytes.
pub fn parse(header: Option<&str>, size: u64) -> Asked {
    let Some(spec) = header.and_then(|h| h.trim().strip_prefix("bytes=")) else {
        return Asked::Whole;
    };
    let Some((from, to)) = spec.split_once('-').filter(|_| !spec.contains(',')) else {
        return Asked::Whole;
    };
    let number = |s: &str| {
        (!s.is_empty() && s.bytes().all(|b| b.is_ascii_digit()))
            .then(|| s.parse().unwrap_or(u64::MAX))
    };
    match (from.trim(), to.trim()) {
        ("", suffix) => match number(suffix) {
            None => Asked::Whole,
            Some(0) => Asked::Unsatisfiable,
            Some(_) if size == 0 => Asked::Unsatisfiable,
            Some(n) => Asked::Part(size.saturating_sub(n), size),
        },
        (from, to) => match (number(from), to, number(to)) {
            (None, ..) => Asked::Whole,
            (Some(from), _, _) if from >= size => Asked::Unsatisfiable,
            (Some(from), "", _) => Asked::From(from),
            (Some(from), _, Some(to)) if to >= from => {
                Asked::Part(from, to.saturating_add(1).min(size))
            }
            _ => Asked::Whole,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_rfc_9110() {
        let table = [
            (None, 10, Asked::Whole),
            (Some("bytes=0-"), 10, Asked::From(0)),
            (Some("bytes=4-"), 10, Asked::From(4)),
            (Some("bytes=0-0"), 10, Asked::Part(0, 1)),
            (Some("bytes=2-5"), 10, Asked::Part(2, 6)),
            (Some("bytes=2-99"), 10, Asked::Part(2, 10)),
            (Some("bytes=-3"), 10, Asked::Part(7, 10)),
            (Some("bytes=-99"), 10, Asked::Part(0, 10)),
            (Some("bytes=-0"), 10, Asked::Unsatisfiable),
            (Some("bytes=10-"), 10, Asked::Unsatisfiable),
            (Some("bytes=0-"), 0, Asked::Unsatisfiable),
            (Some("bytes=5-2"), 10, Asked::Whole),
            (Some("bytes=a-b"), 10, Asked::Whole),
            (Some("bytes=0-1,4-5"), 10, Asked::Whole),
            (Some("items=0-1"), 10, Asked::Whole),
            (Some("bytes=99999999999999999999-"), 10, Asked::Unsatisfiable),
        ];
        for (header, size, expected) in table {
            assert_eq!(parse(header, size), expected, "{header:?}");
        }
    }
}
