//! What a reply that is not a good one means. Only a Carrel server's own word (problem details) is believed about rows and about the
//! session; anything else in the way (a proxy, a sign-in page of a Wi-Fi) is waited out.

use carrel_model::{ErrorCode, wire::Problem};

use crate::{Failure, FailureKind};

/// Why a push, a pull or the event stream did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// No network, no server, no answer in time, or half of one.
    Offline,
    /// The server cannot do it now: 408, 425, 429, 5xx. Come back, not before `retry_after_ms`.
    Busy { status: u16, retry_after_ms: Option<i64> },
    /// 413: halve the batch. `certain`: the server itself says it, and not a proxy before it.
    TooLarge { certain: bool },
    /// Another 4xx of the server: something in the batch, or the batch as a whole.
    Refused { code: ErrorCode, reason: String },
    /// Something that no Carrel server says.
    BadReply,
    /// The server does not speak this protocol: the app must be updated.
    TooNew,
    /// A 401 although the session is alive: tried again like any passing fault.
    Unauthenticated,
    /// The session is over.
    SignedOut,
    /// 415: the server does not take packed bodies. The transport sends it again as it is.
    Unpackable,
}

impl Fault {
    /// For the UI.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Offline => ErrorCode::Offline,
            Self::Busy { status: 429, .. } => ErrorCode::RateLimited,
            Self::Busy { .. } => ErrorCode::Unavailable,
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::Refused { code, .. } => *code,
            Self::BadReply | Self::Unpackable => ErrorCode::BadReply,
            Self::TooNew => ErrorCode::TooNew,
            Self::Unauthenticated | Self::SignedOut => ErrorCode::Unauthenticated,
        }
    }
    pub fn retry_after_ms(&self) -> Option<i64> {
        match self {
            Self::Busy { retry_after_ms, .. } => *retry_after_ms,
            _ => None,
        }
    }
}

impl From<Failure> for Fault {
    fn from(f: Failure) -> Self {
        match f.kind {
            FailureKind::Connect
            | FailureKind::Timeout
            | FailureKind::Broken
            | FailureKind::Request => Self::Offline,
            FailureKind::TooLarge | FailureKind::Decode => Self::BadReply,
        }
    }
}

/// The longest `Retry-After` that is believed: a wrong one must not silence a device for a year.
const FLOOR_CAP_MS: i64 = 3_600_000;

/// What is looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Head<'a> {
    pub status: u16,
    pub retry_after: Option<&'a str>,
    /// Wall clock, for a `Retry-After` that names a date.
    pub now_ms: i64,
    /// The session is over.
    pub ended: bool,
}

/// The meaning of a reply whose status is not 200.
pub fn classify(head: Head<'_>, body: &[u8]) -> Fault {
    let problem: Option<Problem> = serde_json::from_slice(body).ok();
    let busy = |problem: &Option<Problem>| {
        let told =
            problem.as_ref().and_then(|p| p.retry_after_ms).and_then(|ms| i64::try_from(ms).ok());
        let wait = head.retry_after.and_then(|text| seconds_or_date(text, head.now_ms)).max(told);
        Fault::Busy {
            status: head.status,
            retry_after_ms: wait.map(|ms| ms.clamp(0, FLOOR_CAP_MS)),
        }
    };
    match (head.status, problem) {
        (408 | 425 | 429 | 500..=599, problem) => busy(&problem),
        (413, problem) => Fault::TooLarge { certain: problem.is_some() },
        (401, Some(_)) if head.ended => Fault::SignedOut,
        (401, Some(_)) => Fault::Unauthenticated,
        (426, Some(_)) => Fault::TooNew,
        (400..=499, Some(p)) => match p.code {
            ErrorCode::TooNew => Fault::TooNew,
            // The route itself is missing: no row is guilty of that.
            ErrorCode::NotFound => busy(&Some(p)),
            code if p.detail.is_empty() => Fault::Refused { code, reason: p.title },
            code => Fault::Refused { code, reason: p.detail },
        },
        _ => Fault::BadReply,
    }
}

/// `Retry-After` in ms (RFC 9110, 10.2.3): seconds, or a date in any of the three formats of RFC 9110, 5.6.7.
pub fn seconds_or_date(text: &str, now_ms: i64) -> Option<i64> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than a number holds still mean "much later".
        let seconds = text.parse::<i64>().unwrap_or(i64::MAX);
        return Some(seconds.saturating_mul(1_000));
    }
    let at_ms = match httpdate::parse_http_date(text) {
        Ok(at) => {
            let since = at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        }
        // A numeric zone, as in mail: not allowed, but understood.
        Err(_) => {
            let parser = jiff::fmt::rfc2822::DateTimeParser::new();
            parser.parse_timestamp(text).ok()?.as_millisecond()
        }
    };
    Some(at_ms.saturating_sub(now_ms).max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(code: &str) -> Vec<u8> {
        format!(r#"{{"type":"about:blank#x","title":"t","status":400,"code":"{code}","detail":"because"}}"#).into_bytes()
    }

    #[test]
    fn every_status_has_its_meaning() {
        let html = b"<html><body>Sign in to the Wi-Fi</body></html>".to_vec();
        let busy = |status, ms| Fault::Busy { status, retry_after_ms: ms };
        let refused = |code| Fault::Refused { code, reason: "because".into() };
        let table: Vec<(u16, Vec<u8>, Fault)> = vec![
            (408, vec![], busy(408, None)),
            (425, vec![], busy(425, None)),
            (429, problem("rate_limited"), busy(429, None)),
            (500, html.clone(), busy(500, None)),
            (502, html.clone(), busy(502, None)),
            (503, problem("unavailable"), busy(503, None)),
            (507, vec![], busy(507, None)),
            (413, problem("too_large"), Fault::TooLarge { certain: true }),
            (413, html.clone(), Fault::TooLarge { certain: false }),
            (401, problem("unauthenticated"), Fault::Unauthenticated),
            (401, html.clone(), Fault::BadReply),
            (403, problem("forbidden"), refused(ErrorCode::Forbidden)),
            (403, html.clone(), Fault::BadReply),
            (400, problem("invalid_request"), refused(ErrorCode::InvalidRequest)),
            (409, problem("conflict"), refused(ErrorCode::Conflict)),
            (422, problem("invalid_request"), refused(ErrorCode::InvalidRequest)),
            (404, problem("not_found"), busy(404, None)),
            (404, html.clone(), Fault::BadReply),
            (426, problem("too_new"), Fault::TooNew),
            (400, problem("too_new"), Fault::TooNew),
            (400, problem("a_code_of_the_future"), Fault::BadReply),
            (204, vec![], Fault::BadReply),
            (302, vec![], Fault::BadReply),
            (407, html, Fault::BadReply),
            (511, vec![], busy(511, None)),
        ];
        for (status, body, expected) in table {
            let head = Head { status, ..Head::default() };
            assert_eq!(
                classify(head, &body),
                expected,
                "{status} {}",
                String::from_utf8_lossy(&body)
            );
        }
        let ended = Head { status: 401, ended: true, ..Head::default() };
        assert_eq!(classify(ended, &problem("unauthenticated")), Fault::SignedOut);
        assert_eq!(classify(ended, b"<html>"), Fault::BadReply);
    }

    #[test]
    fn retry_after_in_seconds_as_a_date_and_in_nonsense() {
        let table = [
            ("7", Some(7_000)),
            (" 0 ", Some(0)),
            ("Fri, 20 Nov 2026 12:00:30 GMT", Some(30_000)),
            ("Fri, 20 Nov 2020 12:00:30 GMT", Some(0)),
            ("Friday, 20-Nov-26 12:00:30 GMT", Some(30_000)),
            ("Fri Nov 20 12:00:30 2026", Some(30_000)),
            ("Tue Dec  1 12:00:30 2026", Some(FLOOR_CAP_MS)),
            ("Fri, 20 Nov 2026 12:00:30 +0000", Some(30_000)),
            ("99999999", Some(FLOOR_CAP_MS)),
            ("99999999999999999999999", Some(FLOOR_CAP_MS)),
            ("", None),
            ("+5", None),
            ("soon", None),
            ("-5", None),
        ];
        for (text, expected) in table {
            let head = Head {
                status: 503,
                retry_after: Some(text),
                now_ms: 1_795_176_000_000,
                ended: false,
            };
            assert_eq!(classify(head, b"").retry_after_ms(), expected, "{text}");
        }
    }
}
