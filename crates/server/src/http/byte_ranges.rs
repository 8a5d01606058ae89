//! What a request asks of an immutable file: its head, all bytes or a range of them, or nothing if the client has it.
//!
//! Not here: where the bytes come from (`blobs`, `updates`).

use std::{
    convert::Infallible,
    io::{self, SeekFrom},
};

use axum::{
    body::Body,
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use carrel_model::range::{ResolvedRange, if_range_matches, matches_tag, resolve_range};
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncReadExt, AsyncSeekExt},
};
use tokio_util::io::ReaderStream;

use super::{App, api_error::ApiError};

/// Size of a chunk, in bytes.
const CHUNK: usize = 64 * 1024;

/// A file as it is sent to clients.
pub struct ServedFile<'a> {
    /// What it is called in errors, such as `blob`.
    pub what: &'static str,
    /// `ETag`, with its quotes.
    pub tag: &'a str,
    pub size: u64,
    pub media_type: &'a str,
    /// `Cache-Control`.
    pub cache: &'a str,
}

/// The method and the header fields that select bytes.
pub struct ByteRequest {
    method: Method,
    headers: HeaderMap,
}

impl FromRequestParts<App> for ByteRequest {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Infallible> {
        Ok(Self { method: parts.method.clone(), headers: parts.headers.clone() })
    }
}

impl ByteRequest {
    /// Returns the head of the reply, and the bytes to send: the position of the first one and their number. `None` for
    /// a reply without a body.
    ///
    /// # Errors
    ///
    /// Status 416 if the range is outside the file.
    pub fn select(
        &self,
        file: &ServedFile<'_>,
    ) -> Result<(Response, Option<(u64, u64)>), ApiError> {
        let size = file.size;
        let text = |name: HeaderName| self.headers.get(name).and_then(|v| v.to_str().ok());
        let mut reply = Response::new(Body::empty());
        let set = |reply: &mut Response, name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                reply.headers_mut().insert(name, value);
            }
        };
        set(&mut reply, header::ETAG, file.tag);
        set(&mut reply, header::CACHE_CONTROL, file.cache);
        set(&mut reply, header::ACCEPT_RANGES, "bytes");
        if text(header::IF_NONE_MATCH).is_some_and(|t| matches_tag(t, file.tag)) {
            *reply.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok((reply, None));
        }
        // A range applies to GET only.
        let range = text(header::RANGE).filter(|_| {
            self.method == Method::GET && if_range_matches(text(header::IF_RANGE), file.tag)
        });
        let (first, length) = match resolve_range(range, size) {
            ResolvedRange::Whole => (0, size),
            ResolvedRange::Range { first, last } => {
                *reply.status_mut() = StatusCode::PARTIAL_CONTENT;
                set(&mut reply, header::CONTENT_RANGE, &format!("bytes {first}-{last}/{size}"));
                (first, last - first + 1)
            }
            ResolvedRange::Unsatisfiable => {
                let range = HeaderValue::from_str(&format!("bytes */{size}")).ok();
                let detail = format!("the range is outside the {}'s {size} bytes", file.what);
                return Err(ApiError {
                    header: range.map(|v| (header::CONTENT_RANGE, v)),
                    hint: "request a range inside the file",
                    ..ApiError::invalid(detail).status(StatusCode::RANGE_NOT_SATISFIABLE)
                });
            }
        };
        set(&mut reply, header::CONTENT_TYPE, file.media_type);
        set(&mut reply, header::CONTENT_LENGTH, &length.to_string());
        let has_body = self.method != Method::HEAD && length > 0;
        Ok((reply, has_body.then_some((first, length))))
    }
}

/// Returns a body that is read in chunks, so that a slow client occupies one chunk of memory and no thread.
pub fn body_of(bytes: impl AsyncRead + Send + 'static) -> Body {
    Body::from_stream(ReaderStream::with_capacity(bytes, CHUNK))
}

/// Returns a body of `length` bytes of a file from the position `first`.
pub async fn file_body(mut file: File, first: u64, length: u64) -> io::Result<Body> {
    file.seek(SeekFrom::Start(first)).await?;
    Ok(body_of(file.take(length)))
}
