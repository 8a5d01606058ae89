//! Responses: validators, one range of bytes, and a body that is read in pieces.
//!
//! Not here: access rules (`loopback`), unverified bytes (`partial`).

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use carrel_model::BlobHash;
use carrel_system::blocking;
use futures_util::stream;

use crate::{blobs::BlobLocation, media::range, media_type::media_type};

/// Largest read, and largest response to an open-ended range, in bytes. Limits the bytes that a seek
/// discards.
pub const CHUNK: u64 = 1024 * 1024;
/// `Cache-Control` of verified blobs, which never change.
pub const IMMUTABLE: &str = "private, max-age=31536000, immutable";
/// `Cache-Control` of unverified bytes.
pub const NO_STORE: &str = "no-store";

/// The bytes of the response, `start..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    pub start: u64,
    /// Exclusive.
    pub end: u64,
}

/// Builds status, headers and range. `Err` is a complete response without a body.
pub fn begin_response(
    hash: BlobHash,
    size: u64,
    media_type: &'static str,
    caching: &'static str,
    request: (&Method, &HeaderMap),
) -> Result<(StatusCode, HeaderMap, ByteRange), Response> {
    let (method, headers) = request;
    let etag = format!("\"{hash}\"");
    let text = |name: HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    let mut out = HeaderMap::new();
    let set = |out: &mut HeaderMap, name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            out.insert(name, value);
        }
    };
    set(&mut out, header::ETAG, &etag);
    set(&mut out, header::ACCEPT_RANGES, "bytes");
    set(&mut out, header::CACHE_CONTROL, caching);
    set(&mut out, header::CONTENT_TYPE, media_type);
    if text(header::IF_NONE_MATCH)
        .is_some_and(|v| v.split(',').any(|t| t.trim() == etag || t.trim() == "*"))
    {
        return Err((StatusCode::NOT_MODIFIED, out).into_response());
    }
    // `If-Range` with another entity tag: the whole blob is sent.
    let wanted =
        text(header::RANGE).filter(|_| text(header::IF_RANGE).is_none_or(|tag| tag == etag));
    let (status, start, end) = match range::parse(wanted, size) {
        range::RequestedRange::Whole => (StatusCode::OK, 0, size),
        range::RequestedRange::From(start) => {
            (StatusCode::PARTIAL_CONTENT, start, size.min(start + CHUNK))
        }
        range::RequestedRange::Bytes(start, end) => (StatusCode::PARTIAL_CONTENT, start, end),
        range::RequestedRange::Unsatisfiable => {
            set(&mut out, header::CONTENT_RANGE, &format!("bytes */{size}"));
            return Err((StatusCode::RANGE_NOT_SATISFIABLE, out).into_response());
        }
    };
    if status == StatusCode::PARTIAL_CONTENT {
        set(&mut out, header::CONTENT_RANGE, &format!("bytes {start}-{}/{size}", end - 1));
    }
    set(&mut out, header::CONTENT_LENGTH, &(end - start).to_string());
    if method == Method::HEAD {
        return Err((status, out).into_response());
    }
    Ok((status, out, ByteRange { start, end }))
}

/// Returns the response for a stored blob.
pub async fn of_blob(
    hash: BlobHash,
    location: Arc<BlobLocation>,
    method: &Method,
    headers: &HeaderMap,
) -> Response {
    let first = read(location.clone(), 0, 512).await.unwrap_or_default();
    let kind = media_type(&first);
    let (status, out, range) =
        match begin_response(hash, location.size(), kind, IMMUTABLE, (method, headers)) {
            Ok(found) => found,
            Err(response) => return response,
        };
    let body = stream::try_unfold(range.start, move |at| {
        let location = location.clone();
        async move {
            if at >= range.end {
                return Ok(None);
            }
            let len = usize::try_from((range.end - at).min(CHUNK)).unwrap_or(CHUNK as usize);
            let bytes = read(location, at, len).await?;
            if bytes.is_empty() {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
            }
            let next = at + bytes.len() as u64;
            Ok(Some((bytes, next)))
        }
    });
    (status, out, Body::from_stream(body)).into_response()
}

/// Reads up to `len` bytes from `at`.
pub async fn read(location: Arc<BlobLocation>, at: u64, len: usize) -> std::io::Result<Bytes> {
    blocking(move || location.read_at(at, len)).await.map_err(std::io::Error::other)
}
