//! Replies for simulated servers: status, header fields, and a body that is complete or sent in pieces.
//!
//! Not here: wrong replies (`hostile`).

use std::future::Future;

use bytes::Bytes;
use carrel_model::{ErrorCode, wire::Problem};
use carrel_net::{Body, Failure, Reply, Request};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Returns a reply with this status, content type and body.
pub fn reply(status: u16, content_type: &str, body: impl Into<Bytes>) -> Reply {
    with_headers(status, [("content-type", content_type)], body)
}
/// Returns a reply with these header fields.
pub fn with_headers<'a>(
    status: u16,
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    body: impl Into<Bytes>,
) -> Reply {
    let field = |(name, value)| {
        (
            HeaderName::try_from(name).expect("a name"),
            HeaderValue::from_str(value).expect("a value"),
        )
    };
    complete(status, headers.into_iter().map(field).collect(), body.into())
}
/// Returns a reply with a complete body.
pub fn complete(status: u16, headers: HeaderMap, body: Bytes) -> Reply {
    Reply { status, headers, body: Box::pin(stream::iter([Ok(body)])) }
}
/// Returns a reply whose body is a stream.
pub fn with_body(status: u16, content_type: &str, body: Body) -> Reply {
    Reply { body, ..reply(status, content_type, "") }
}
/// Sets a header field of the reply; a field of the same name is replaced.
#[must_use]
pub fn header(mut reply: Reply, name: HeaderName, value: &str) -> Reply {
    reply.headers.insert(name, HeaderValue::from_str(value).expect("a value"));
    reply
}
/// Returns 200 and JSON.
pub fn json(text: impl Into<Bytes>) -> Reply {
    reply(200, "application/json", text)
}

/// Returns the error reply of a Carrel server.
pub fn problem(status: u16, code: ErrorCode, retry_after_s: Option<u64>) -> Reply {
    let body = problem_details(status, code, retry_after_s);
    let reply = reply(status, "application/problem+json", body);
    match retry_after_s {
        Some(s) => header(reply, header::RETRY_AFTER, &s.to_string()),
        None => reply,
    }
}
/// Returns the body of the error reply of a Carrel server.
pub fn problem_json(status: u16, code: ErrorCode) -> Vec<u8> {
    problem_details(status, code, None)
}
fn problem_details(status: u16, code: ErrorCode, retry_after_s: Option<u64>) -> Vec<u8> {
    let problem = Problem {
        problem_type: format!("/problems/{}", code.as_str()),
        title: "simulated error".into(),
        status,
        code,
        detail: format!("simulated {}", code.as_str()),
        hint: String::new(),
        retryable: code.is_retryable(),
        correlation_id: "test".into(),
        retry_after_ms: retry_after_s.map(|s| s * 1_000),
    };
    serde_json::to_vec(&problem).expect("problem details as JSON")
}

/// Returns a body that is sent in pieces of `len` bytes. `before` is called with the position of each piece; its future
/// delays the piece, or ends the body with a failure.
pub fn pieces<F>(bytes: Bytes, len: usize, before: impl FnMut(usize) -> F + Send + 'static) -> Body
where
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    Box::pin(stream::try_unfold((0, before), move |(at, mut before)| {
        let bytes = bytes.clone();
        async move {
            if at >= bytes.len() {
                return Ok(None);
            }
            before(at).await?;
            let end = bytes.len().min(at + len);
            Ok(Some((bytes.slice(at..end), (end, before))))
        }
    }))
}

/// Returns the first and the last position that `Range` requests. Without the last one, the range has no end.
pub fn requested_range(request: &Request) -> Option<(usize, Option<usize>)> {
    let range = request.headers.get(header::RANGE)?.to_str().ok()?;
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()))
}
