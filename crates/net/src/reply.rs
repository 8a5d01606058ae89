//! Classifies replies for sync, sign-in, sessions, the HTTP cache and downloads.
//!
//! A reply without problem details may be from a proxy or a captive portal, not from a Carrel server. It must not end a
//! session, refuse an operation or delete stored data.
//!
//! Not here: the reaction to a class, which differs between callers.

use bytes::Bytes;
use carrel_model::{ErrorCode, wire::Problem};
use http::{HeaderMap, HeaderName, header};

use crate::{Error, Failure, Reply};

/// Maximum of `Retry-After` in milliseconds. Greater values are reduced to it: a wrong value must not block a device
/// for a year.
pub const MAX_RETRY_AFTER_MS: u64 = 3_600_000;
/// Limit in bytes for problem details.
const MAX_PROBLEM_BYTES: usize = 256 * 1024;

/// Class of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyClass {
    /// 2xx except 206.
    Ok,
    /// 206.
    Partial,
    /// 304.
    NotModified,
    /// Sent by the network or a proxy instead of the server: a captive portal, a redirect, 407, 511.
    Portal,
    /// 408, 425, 429 and 5xx: the server, or a proxy in front of it, is temporarily unavailable.
    RetryLater,
    /// 404 and 410, or a problem document with the code `not_found`.
    NotFound,
    /// 413.
    TooLarge,
    /// 415.
    UnsupportedEncoding,
    /// 416.
    RangeNotSatisfiable,
    /// 401 with a problem document.
    Unauthenticated,
    /// A problem document with the code `too_new` or the status 426: the app must be updated.
    TooNew,
    /// Another 4xx with a problem document.
    Refused,
    /// Any other reply that a Carrel server never sends.
    Unusable,
}

/// A reply whose body was read, with its class.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassifiedReply {
    /// Class of the reply.
    pub class: ReplyClass,
    /// HTTP status.
    pub status: u16,
    /// The problem document, if the reply contains one.
    pub problem: Option<Problem>,
    /// True if the content type is HTML.
    pub is_html: bool,
    /// `Retry-After` in milliseconds, at most `MAX_RETRY_AFTER_MS`.
    pub retry_after_ms: Option<u64>,
}

impl ClassifiedReply {
    /// Reads the body, at most 256 KiB, and classifies the reply. A longer or incomplete body counts as empty.
    ///
    /// `now_ms` is the wall clock, used for a `Retry-After` date if the reply has no `Date`.
    pub async fn read(reply: Reply, now_ms: Option<i64>) -> Self {
        let (status, headers) = (reply.status, reply.headers.clone());
        let body = reply.bytes(MAX_PROBLEM_BYTES).await.unwrap_or_default();
        classify(status, &headers, &body, now_ms)
    }

    /// Returns the code of the problem document, or the code that corresponds to the status.
    pub fn code(&self) -> ErrorCode {
        match (&self.problem, self.status) {
            (Some(problem), _) => problem.code,
            (None, 401) => ErrorCode::Unauthenticated,
            (None, 403) => ErrorCode::Forbidden,
            (None, 404 | 410) => ErrorCode::NotFound,
            (None, 413) => ErrorCode::TooLarge,
            (None, 429) => ErrorCode::RateLimited,
            (None, 500..) => ErrorCode::Unavailable,
            (None, _) => ErrorCode::InvalidRequest,
        }
    }

    /// Returns the error for an API request whose reply is not a success.
    pub fn into_error(self, url: &str) -> Error {
        let Self { status, retry_after_ms, .. } = self;
        let (code, detail) = match self.problem {
            Some(problem) => (problem.code, problem.detail),
            None if status >= 500 => {
                (ErrorCode::Unavailable, "internal error of the server or its proxy".to_owned())
            }
            None => {
                let problem =
                    format!("status {status} without problem details, not from a Carrel server");
                return Error::BadReply { url: url.to_owned(), problem };
            }
        };
        Error::Server { status, code, detail, retry_after_ms }
    }

    /// Returns the error for a file request whose reply is neither 200 nor 206. Without a problem document a reply 401
    /// or 403 is `BadReply`; 404 is accepted, because servers of static files send none.
    pub fn into_file_error(self, url: &str) -> Error {
        let (status, retry_after_ms) = (self.status, self.retry_after_ms);
        let code = match (self.problem.as_ref().map(|p| p.code), status) {
            (Some(_), 401) => return Error::Unauthenticated,
            (Some(code), 403) => code,
            (code, 404 | 410) if !self.is_html => code.unwrap_or(ErrorCode::NotFound),
            (code, 408 | 425 | 429) => code.unwrap_or(ErrorCode::RateLimited),
            (code, 500..) => code.unwrap_or(ErrorCode::Unavailable),
            _ => {
                let problem = format!(
                    "status {status}; hint: the network may require signing in to its portal"
                );
                return Error::BadReply { url: url.to_owned(), problem };
            }
        };
        let detail = self.problem.map_or_else(|| url.to_owned(), |p| p.detail);
        Error::Server { status, code, detail, retry_after_ms }
    }
}

/// Classifies a reply by its status, headers and body. `now_ms` as for `ClassifiedReply::read`.
pub fn classify(
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    now_ms: Option<i64>,
) -> ClassifiedReply {
    let is_html = is_html(headers);
    let problem: Option<Problem> = if is_html { None } else { serde_json::from_slice(body).ok() };
    let class = match (status, problem.as_ref().map(|p| p.code)) {
        (206, _) => ReplyClass::Partial,
        (200..=299, _) => ReplyClass::Ok,
        (304, _) => ReplyClass::NotModified,
        // 511: RFC 6585, 6.
        (300..=399 | 407 | 511, _) => ReplyClass::Portal,
        (408 | 425 | 429 | 500..=599, _) => ReplyClass::RetryLater,
        (413, _) => ReplyClass::TooLarge,
        (415, _) => ReplyClass::UnsupportedEncoding,
        (416, _) => ReplyClass::RangeNotSatisfiable,
        // An HTML page does not come from a Carrel server.
        (400..=499, _) if is_html => ReplyClass::Portal,
        (401, Some(_)) => ReplyClass::Unauthenticated,
        (426, Some(_)) | (400..=499, Some(ErrorCode::TooNew)) => ReplyClass::TooNew,
        (404 | 410, _) | (400..=499, Some(ErrorCode::NotFound)) => ReplyClass::NotFound,
        (400..=499, Some(_)) => ReplyClass::Refused,
        _ => ReplyClass::Unusable,
    };
    let header_ms = retry_after_ms(headers, now_ms);
    let problem_ms = problem.as_ref().and_then(|p| p.retry_after_ms);
    let retry_after_ms = header_ms.max(problem_ms).map(|ms| ms.min(MAX_RETRY_AFTER_MS));
    ClassifiedReply { class, status, problem, is_html, retry_after_ms }
}

/// Returns true if the content type is HTML.
pub fn is_html(headers: &HeaderMap) -> bool {
    let media_type = text(headers, header::CONTENT_TYPE).map(|t| t.trim().to_ascii_lowercase());
    media_type.is_some_and(|t| t.starts_with("text/html") || t.starts_with("application/xhtml+xml"))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Parses `Retry-After` into ms (RFC 9110, 10.2.3): seconds, or a date in any of the three formats of RFC 9110, 5.6.7.
/// A date is compared with the `Date` of the reply, or else with `now_ms`.
fn retry_after_ms(headers: &HeaderMap, now_ms: Option<i64>) -> Option<u64> {
    let value = text(headers, header::RETRY_AFTER)?.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // A number that overflows counts as the greatest one.
        return Some(value.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(1_000));
    }
    let at_ms = date_ms(value).or_else(|| {
        // A numeric time zone, as in email, is not valid in HTTP, but accepted.
        let parser = jiff::fmt::rfc2822::DateTimeParser::new();
        Some(parser.parse_timestamp(value).ok()?.as_millisecond())
    })?;
    let from_ms = text(headers, header::DATE).and_then(date_ms).or(now_ms)?;
    Some(u64::try_from(at_ms.saturating_sub(from_ms)).unwrap_or(0))
}

/// Parses an HTTP date in any of its three formats (RFC 9110, 5.6.7), as UTC ms.
pub fn date_ms(value: &str) -> Option<i64> {
    let at = httpdate::parse_http_date(value.trim()).ok()?;
    i64::try_from(at.duration_since(std::time::UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// Reads a reply with a small body and classifies it; also returns the body.
pub(crate) async fn read_small(
    reply: Reply,
    limit: usize,
) -> Result<(ClassifiedReply, HeaderMap, Bytes), Failure> {
    let (status, headers) = (reply.status, reply.headers.clone());
    let body = reply.bytes(limit).await?;
    Ok((classify(status, &headers, &body, None), headers, body))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const HTML: &str = "<html><body>Sign in to the Wi-Fi</body></html>";
    const NOW_MS: i64 = 1_795_176_000_000;

    fn problem(code: &str) -> String {
        format!(
            r#"{{"type":"about:blank#x","title":"t","status":400,"code":"{code}","detail":"because"}}"#
        )
    }
    fn headers(all: &[(HeaderName, &str)]) -> HeaderMap {
        all.iter().map(|(n, v)| (n.clone(), HeaderValue::from_str(v).unwrap())).collect()
    }

    #[test]
    fn each_status_is_classified_with_each_kind_of_body() {
        use ReplyClass::*;
        // (status, class without a body, (code of a problem document, class with it), class with HTML but no content
        // type, class with HTML and its content type)
        let table = [
            (200, Ok, ("conflict", Ok), Ok, Ok),
            (204, Ok, ("conflict", Ok), Ok, Ok),
            (206, Partial, ("conflict", Partial), Partial, Partial),
            (302, Portal, ("conflict", Portal), Portal, Portal),
            (304, NotModified, ("conflict", NotModified), NotModified, NotModified),
            (400, Unusable, ("invalid_request", Refused), Unusable, Portal),
            (400, Unusable, ("too_new", TooNew), Unusable, Portal),
            (400, Unusable, ("not_found", NotFound), Unusable, Portal),
            (400, Unusable, ("a_code_of_the_future", Unusable), Unusable, Portal),
            (401, Unusable, ("unauthenticated", Unauthenticated), Unusable, Portal),
            (401, Unusable, ("bad_credentials", Unauthenticated), Unusable, Portal),
            (403, Unusable, ("forbidden", Refused), Unusable, Portal),
            (404, NotFound, ("not_found", NotFound), NotFound, Portal),
            (404, NotFound, ("forbidden", NotFound), NotFound, Portal),
            (407, Portal, ("forbidden", Portal), Portal, Portal),
            (408, RetryLater, ("unavailable", RetryLater), RetryLater, RetryLater),
            (409, Unusable, ("conflict", Refused), Unusable, Portal),
            (410, NotFound, ("not_found", NotFound), NotFound, Portal),
            (413, TooLarge, ("too_large", TooLarge), TooLarge, TooLarge),
            (
                415,
                UnsupportedEncoding,
                ("invalid_request", UnsupportedEncoding),
                UnsupportedEncoding,
                UnsupportedEncoding,
            ),
            (
                416,
                RangeNotSatisfiable,
                ("invalid_request", RangeNotSatisfiable),
                RangeNotSatisfiable,
                RangeNotSatisfiable,
            ),
            (422, Unusable, ("invalid_request", Refused), Unusable, Portal),
            (425, RetryLater, ("unavailable", RetryLater), RetryLater, RetryLater),
            (426, Unusable, ("too_new", TooNew), Unusable, Portal),
            (429, RetryLater, ("rate_limited", RetryLater), RetryLater, RetryLater),
            (500, RetryLater, ("internal", RetryLater), RetryLater, RetryLater),
            (502, RetryLater, ("unavailable", RetryLater), RetryLater, RetryLater),
            (503, RetryLater, ("unavailable", RetryLater), RetryLater, RetryLater),
            (507, RetryLater, ("disk_full", RetryLater), RetryLater, RetryLater),
            (511, Portal, ("unavailable", Portal), Portal, Portal),
            (100, Unusable, ("unavailable", Unusable), Unusable, Unusable),
        ];
        let xhtml = headers(&[(header::CONTENT_TYPE, "application/xhtml+xml")]);
        let page = headers(&[(header::CONTENT_TYPE, "Text/HTML; charset=utf-8")]);
        for (status, empty, (code, with_problem), untyped, html) in table {
            let class = |headers: &HeaderMap, body: &str| {
                classify(status, headers, body.as_bytes(), None).class
            };
            let none = HeaderMap::new();
            let found = (
                class(&none, ""),
                class(&none, &problem(code)),
                class(&none, HTML),
                class(&page, HTML),
                // The content type HTML takes precedence over the body.
                class(&page, &problem(code)),
            );
            assert_eq!(class(&xhtml, HTML), html, "{status}");
            assert_eq!(found, (empty, with_problem, untyped, html, html), "{status} {code}");
        }
    }

    #[test]
    fn retry_after_as_seconds_date_and_invalid_text() {
        let max = Some(MAX_RETRY_AFTER_MS);
        let table = [
            ("7", Some(7_000)),
            (" 0 ", Some(0)),
            ("Fri, 20 Nov 2026 12:00:30 GMT", Some(30_000)),
            ("Fri, 20 Nov 2020 12:00:30 GMT", Some(0)),
            ("Friday, 20-Nov-26 12:00:30 GMT", Some(30_000)),
            ("Fri Nov 20 12:00:30 2026", Some(30_000)),
            ("Tue Dec  1 12:00:30 2026", max),
            ("Fri, 20 Nov 2026 12:00:30 +0000", Some(30_000)),
            ("99999999", max),
            ("99999999999999999999999", max),
            ("", None),
            ("+5", None),
            ("soon", None),
            ("-5", None),
        ];
        for (text, expected) in table {
            let headers = headers(&[(header::RETRY_AFTER, text)]);
            let found = classify(503, &headers, b"", Some(NOW_MS)).retry_after_ms;
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_retry_after_date_is_compared_with_the_clock_of_the_server() {
        let at = (header::RETRY_AFTER, "Fri, 20 Nov 2026 12:00:30 GMT");
        let sent = (header::DATE, "Fri, 20 Nov 2026 12:00:10 GMT");
        let wait = |all: &[_], now_ms| classify(503, &headers(all), b"", now_ms).retry_after_ms;
        assert_eq!(wait(&[at.clone(), sent], Some(NOW_MS)), Some(20_000));
        assert_eq!(wait(std::slice::from_ref(&at), Some(NOW_MS)), Some(30_000));
        assert_eq!(wait(&[at], None), None, "no clock to compare it with");
    }

    #[test]
    fn the_longer_of_header_and_problem_document_counts() {
        let wait = |header: &[_], problem_ms: u64| {
            let body = format!(
                r#"{{"type":"","title":"","status":429,"code":"rate_limited","retryAfterMs":{problem_ms}}}"#
            );
            classify(429, &headers(header), body.as_bytes(), None).retry_after_ms
        };
        assert_eq!(wait(&[(header::RETRY_AFTER, "7")], 9_000), Some(9_000));
        assert_eq!(wait(&[(header::RETRY_AFTER, "7")], 2_000), Some(7_000));
        assert_eq!(wait(&[], 2_000), Some(2_000));
        assert_eq!(wait(&[], u64::MAX), Some(MAX_RETRY_AFTER_MS));
    }

    #[test]
    fn errors_of_api_and_file_requests() {
        let api = |status, body: &str| {
            classify(status, &HeaderMap::new(), body.as_bytes(), None).into_error("u").code()
        };
        let file = |status, headers: &HeaderMap, body: &str| {
            classify(status, headers, body.as_bytes(), None).into_file_error("u").code()
        };
        let (none, page) = (HeaderMap::new(), headers(&[(header::CONTENT_TYPE, "text/html")]));
        for (status, body, as_request, as_file) in [
            (
                401,
                problem("bad_credentials"),
                ErrorCode::BadCredentials,
                ErrorCode::Unauthenticated,
            ),
            (401, HTML.into(), ErrorCode::BadReply, ErrorCode::BadReply),
            (403, problem("forbidden"), ErrorCode::Forbidden, ErrorCode::Forbidden),
            (403, HTML.into(), ErrorCode::BadReply, ErrorCode::BadReply),
            (404, problem("not_found"), ErrorCode::NotFound, ErrorCode::NotFound),
            (404, String::new(), ErrorCode::BadReply, ErrorCode::NotFound),
            (409, problem("conflict"), ErrorCode::Conflict, ErrorCode::BadReply),
            (429, problem("rate_limited"), ErrorCode::RateLimited, ErrorCode::RateLimited),
            (429, String::new(), ErrorCode::BadReply, ErrorCode::RateLimited),
            (503, HTML.into(), ErrorCode::Unavailable, ErrorCode::Unavailable),
            (302, String::new(), ErrorCode::BadReply, ErrorCode::BadReply),
        ] {
            assert_eq!((api(status, &body), file(status, &none, &body)), (as_request, as_file));
        }
        assert_eq!(file(404, &page, HTML), ErrorCode::BadReply);
        assert_eq!(file(503, &page, HTML), ErrorCode::Unavailable);
    }

    #[test]
    fn parses_the_three_date_formats() {
        for form in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(date_ms(form), Some(784_111_777_000), "{form}");
        }
        assert_eq!(date_ms("0"), None);
    }
}
