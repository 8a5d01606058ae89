//! Parses `Range` (RFC 9110, 14.2) with one range of bytes, as media elements send it. Several ranges
//! are ignored, as the RFC allows.

/// The requested bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestedRange {
    /// All bytes.
    Whole,
    /// From this byte to the end; the response may be shorter.
    From(u64),
    /// From the first byte up to the second, exclusive.
    Bytes(u64, u64),
    /// Not satisfiable.
    Unsatisfiable,
}

/// Parses the value of `Range`; `size` is the total in bytes.
pub fn parse(header: Option<&str>, size: u64) -> RequestedRange {
    let Some(spec) = header.and_then(|h| h.trim().strip_prefix("bytes=")) else {
        return RequestedRange::Whole;
    };
    let Some((from, to)) = spec.split_once('-').filter(|_| !spec.contains(',')) else {
        return RequestedRange::Whole;
    };
    let number = |s: &str| {
        (!s.is_empty() && s.bytes().all(|b| b.is_ascii_digit()))
            .then(|| s.parse().unwrap_or(u64::MAX))
    };
    match (from.trim(), to.trim()) {
        ("", suffix) => match number(suffix) {
            None => RequestedRange::Whole,
            Some(0) => RequestedRange::Unsatisfiable,
            Some(_) if size == 0 => RequestedRange::Unsatisfiable,
            Some(n) => RequestedRange::Bytes(size.saturating_sub(n), size),
        },
        (from, to) => match (number(from), to, number(to)) {
            (None, ..) => RequestedRange::Whole,
            (Some(from), _, _) if from >= size => RequestedRange::Unsatisfiable,
            (Some(from), "", _) => RequestedRange::From(from),
            (Some(from), _, Some(to)) if to >= from => {
                RequestedRange::Bytes(from, to.saturating_add(1).min(size))
            }
            _ => RequestedRange::Whole,
        },
    }
}

#[cfg(test)]
mod tests;
