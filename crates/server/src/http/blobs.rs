//! Blobs by hash: immutable, with byte ranges. A body is sent in chunks, so that a slow reader occupies one chunk of
//! memory and no thread.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use carrel_model::{
    BlobHash,
    range::{ResolvedRange, if_range_matches, matches_tag, resolve_range},
};
use tokio_util::io::ReaderStream;

use super::{App, api_error::ApiError, extract::Path};

/// Size of a chunk, in bytes.
const CHUNK: usize = 64 * 1024;

/// Returns the bytes with this BLAKE3 hash. Supports `HEAD` and a single range; a request for several ranges returns
/// the whole blob.
#[utoipa::path(get, path = "/api/blobs/{hash}", tag = "catalogue",
    params(("hash" = BlobHash, Path), ("Range" = Option<String>, Header), ("If-Range" = Option<String>, Header),
        ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, description = "the bytes", content_type = "application/octet-stream"), (status = 206),
        (status = 304), (status = 404), (status = 416)))]
pub async fn blob(
    State(app): State<App>,
    method: Method,
    headers: HeaderMap,
    Path(hash): Path<BlobHash>,
) -> Result<Response, ApiError> {
    let missing = || ApiError::not_found(format!("blob {hash} not found"));
    let known = app.store.blob(hash).await?.ok_or_else(missing)?;
    let tag = format!("\"{hash}\"");
    let text = |name: HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    let mut reply = Response::new(Body::empty());
    let set = |reply: &mut Response, name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            reply.headers_mut().insert(name, value);
        }
    };
    set(&mut reply, header::ETAG, &tag);
    let shared = if app.settings.public_catalogue { "public" } else { "private" };
    set(&mut reply, header::CACHE_CONTROL, &format!("{shared}, max-age=31536000, immutable"));
    set(&mut reply, header::ACCEPT_RANGES, "bytes");
    if text(header::IF_NONE_MATCH).is_some_and(|t| matches_tag(t, &tag)) {
        *reply.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(reply);
    }
    // A range applies to GET only.
    let range = text(header::RANGE)
        .filter(|_| method == Method::GET && if_range_matches(text(header::IF_RANGE), &tag));
    let (first, length) = match resolve_range(range, known.size) {
        ResolvedRange::Whole => (0, known.size),
        ResolvedRange::Range { first, last } => {
            *reply.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(&mut reply, header::CONTENT_RANGE, &format!("bytes {first}-{last}/{}", known.size));
            (first, last - first + 1)
        }
        ResolvedRange::Unsatisfiable => {
            let size = HeaderValue::from_str(&format!("bytes */{}", known.size)).ok();
            return Err(ApiError {
                header: size.map(|v| (header::CONTENT_RANGE, v)),
                hint: "request a range inside the blob",
                ..ApiError::invalid(format!("the range is outside the blob's {} bytes", known.size))
                    .status(StatusCode::RANGE_NOT_SATISFIABLE)
            });
        }
    };
    set(&mut reply, header::CONTENT_TYPE, &known.media_type);
    set(&mut reply, header::CONTENT_LENGTH, &length.to_string());
    if method == Method::HEAD || length == 0 {
        return Ok(reply);
    }
    let read_error = |e: std::io::Error| {
        tracing::error!(blob.hash = %hash, error = %e, "failed to read a blob of the catalogue");
        ApiError::of_status(StatusCode::INTERNAL_SERVER_ERROR)
    };
    let bytes = app.blobs.open(hash, first, length).await.map_err(read_error)?;
    *reply.body_mut() = Body::from_stream(ReaderStream::with_capacity(bytes, CHUNK));
    Ok(reply)
}
