//! Layers around every request and reply: request id, log line, security headers, problem details, panics.

use std::panic::AssertUnwindSafe;

use axum::{
    body::{Body, HttpBody},
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header},
    middleware::Next,
    response::Response,
};
use carrel_model::ErrorCode;
use carrel_monitoring::traces;
use carrel_system::SPAN_TARGET;
use futures_util::FutureExt;
use tracing::{Instrument, Span, field::Empty};

use super::{App, MAX_HEADER_BYTES, MAX_HEADERS, MAX_URI_BYTES, api_error::ApiError};

/// `Retry-After` while the server's clock is wrong, in ms.
const CLOCK_RETRY_MS: u64 = 60_000;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Marks an error reply that already has its body.
#[derive(Debug, Clone, Copy)]
pub struct OwnBody;

/// The outermost layer: adds an id to every reply, and problem details to every error reply without its own body.
pub async fn finish(State(app): State<App>, request: Request, next: Next) -> Response {
    let start = crate::clock::stopwatch();
    let id = request_id(request.headers());
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "-".to_owned(), |m| m.as_str().to_owned());
    let version = request.version();
    let span = request_span(&request, &route, &id);
    let result = match oversized(&request) {
        Some(error) => Ok(axum::response::IntoResponse::into_response(error)),
        None => AssertUnwindSafe(next.run(request).instrument(span.clone())).catch_unwind().await,
    };
    let mut reply = match result {
        Ok(reply) => reply,
        Err(panic) => {
            let message = panic.downcast_ref::<&str>().copied().map(ToOwned::to_owned);
            let message =
                message.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            tracing::error!(request.id = %id, http.route = %route, panic = %message, "a handler panicked");
            axum::response::IntoResponse::into_response(StatusCode::INTERNAL_SERVER_ERROR)
        }
    };
    let status = reply.status();
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    drop(span);
    let is_error = status.is_client_error() || status.is_server_error();
    if is_error && reply.extensions().get::<OwnBody>().is_none() {
        reply = with_problem(reply, &id, &method);
    }
    let code = reply.extensions().get::<ApiError>().map_or("", |f| f.code.as_str());
    let seconds = start.elapsed().as_secs_f64();
    let is_deferred = status == StatusCode::SERVICE_UNAVAILABLE
        && reply.headers().contains_key(header::RETRY_AFTER);
    let (metrics, now_ms) = (&app.data.config.metrics, app.clock.now_ms());
    let label = method_label(&method);
    metrics.request(label, &route, status.as_u16(), seconds, is_deferred, now_ms);
    tracing::info!(
        request.id = %id,
        http.method = %method,
        http.route = %route,
        http.status = status.as_u16(),
        http.ms = seconds * 1000.0,
        error.code = code,
        "request"
    );
    let headers = reply.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    if headers.contains_key(header::UPGRADE) {
        // HTTP/1.1 requires `Connection: upgrade` with `Upgrade`; HTTP/2 has neither.
        if version == Version::HTTP_11 {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        } else {
            headers.remove(header::UPGRADE);
        }
    }
    set_security_headers(headers, app.settings.behind_tls);
    reply
}

/// Opens the span of a request, with the names of OpenTelemetry, as a part of the client's trace if it has sent one.
fn request_span(request: &Request, route: &str, id: &str) -> Span {
    let span = tracing::debug_span!(
        target: SPAN_TARGET,
        "request",
        otel.name = %format_args!("{} {route}", request.method()),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = %request.method(),
        http.route = route,
        http.response.status_code = Empty,
        request.id = id,
    );
    if let Some(parent) = request.headers().get(TRACEPARENT).and_then(|v| v.to_str().ok()) {
        traces::set_parent(&span, parent);
    }
    span
}

/// Returns the method as the label of a metric: any token is a valid method, and each label is kept in memory.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// Refuses all requests that change something while the server's clock was never set: a sign-in would end when the clock
/// is set, and the times of rows would be judged by a wrong clock. Reading stays possible.
pub async fn require_plausible_clock(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Response {
    let now_ms = app.clock.now_ms();
    if request.method().is_safe() || crate::clock::is_plausible(now_ms) {
        return next.run(request).await;
    }
    let detail = format!("the clock of the server is wrong: it is at {now_ms} ms since 1970");
    let error = ApiError {
        hint: "set the clock of the server; then everything continues by itself",
        ..ApiError::new(ErrorCode::Unavailable, detail).retry_after(CLOCK_RETRY_MS)
    };
    axum::response::IntoResponse::into_response(error)
}

/// Returns an error for a request head larger than any client of this API needs. The limits of hyper are higher, and
/// its error replies have no body.
fn oversized(request: &Request) -> Option<ApiError> {
    let uri = request.uri().path_and_query().map_or(0, |p| p.as_str().len());
    if uri > MAX_URI_BYTES {
        let detail = format!("the path and query have {uri} bytes; the maximum is {MAX_URI_BYTES}");
        return Some(ApiError::new(ErrorCode::TooLarge, detail).status(StatusCode::URI_TOO_LONG));
    }
    let headers = request.headers();
    let bytes: usize = headers.iter().map(|(n, v)| n.as_str().len() + v.len() + 4).sum();
    let detail = if headers.len() > MAX_HEADERS {
        format!("the request has {} headers; the maximum is {MAX_HEADERS}", headers.len())
    } else if bytes > MAX_HEADER_BYTES {
        format!("the headers have {bytes} bytes; the maximum is {MAX_HEADER_BYTES}")
    } else {
        return None;
    };
    let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    Some(ApiError::new(ErrorCode::TooLarge, detail).status(status))
}

/// Returns the caller's id if it is safe to log, else a new one.
pub(super) fn request_id(headers: &HeaderMap) -> String {
    headers
        .get(REQUEST_ID)
        .and_then(|v| v.to_str().ok())
        .filter(|v| {
            (1..=64).contains(&v.len())
                && v.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        })
        .map_or_else(|| carrel_store::new_id().simple().to_string(), ToOwned::to_owned)
}

fn with_problem(reply: Response, id: &str, method: &Method) -> Response {
    let (mut parts, _) = reply.into_parts();
    let error = parts
        .extensions
        .get::<ApiError>()
        .cloned()
        .unwrap_or_else(|| ApiError::of_status(parts.status));
    let body = serde_json::to_vec(&error.problem(id)).unwrap_or_default();
    for name in
        [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::ETAG, header::TRANSFER_ENCODING]
    {
        parts.headers.remove(name);
    }
    parts
        .headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    parts.extensions.insert(error);
    let body = if method == Method::HEAD { Body::empty() } else { Body::from(body) };
    Response::from_parts(parts, body)
}

fn set_security_headers(headers: &mut HeaderMap, behind_tls: bool) {
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ] {
        // The start page sets its own policy.
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if behind_tls {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
}

/// Weakens the tag of a compressed reply, because a strong tag identifies exact bytes.
pub async fn weaken_tags(request: Request, next: Next) -> Response {
    let mut reply = next.run(request).await;
    if reply.headers().contains_key(header::CONTENT_ENCODING) {
        let tag = reply
            .headers()
            .get(header::ETAG)
            .and_then(|t| t.to_str().ok())
            .filter(|t| !t.starts_with("W/"));
        if let Some(weak) = tag.and_then(|t| HeaderValue::from_str(&format!("W/{t}")).ok()) {
            reply.headers_mut().insert(header::ETAG, weak);
        }
    }
    reply
}

/// Selects the replies to compress: text, but no media, partial content or event streams.
#[derive(Debug, Clone, Copy, Default)]
pub struct Compressible;

impl tower_http::compression::Predicate for Compressible {
    fn should_compress<B: HttpBody>(&self, reply: &axum::http::Response<B>) -> bool {
        let kind = reply
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        let text = (kind.starts_with("text/") && kind != "text/event-stream")
            || matches!(kind, "application/json" | "image/svg+xml")
            || kind.ends_with("+json");
        text && reply.status() == StatusCode::OK
            && reply.body().size_hint().exact().is_none_or(|n| n >= 256)
    }
}
