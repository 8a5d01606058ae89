//! Updates of the app for the devices of a school: the folder of a mirror, as `cargo xtask release` writes it.
//!
//! The files are signed, so a device does not have to trust this server. Packages never change under their name and may
//! be cached; the feed and its signature are read again each time.

use std::{
    io::SeekFrom,
    path::{Path as FilePath, PathBuf},
    time::UNIX_EPOCH,
};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use carrel_model::range::{ResolvedRange, if_range_matches, matches_tag, resolve_range};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
};
use tokio_util::io::ReaderStream;

use super::{App, api_error::ApiError, extract::Path};

/// Size of a chunk, in bytes.
const CHUNK: usize = 64 * 1024;

/// Returns a file of the folder of updates. Supports `HEAD` and a single range. 404 if the server has no such folder.
#[utoipa::path(get, path = "/updates/{name}", tag = "server",
    params(("name" = String, Path), ("Range" = Option<String>, Header), ("If-Range" = Option<String>, Header),
        ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, description = "the bytes", content_type = "application/octet-stream"), (status = 206),
        (status = 304), (status = 404), (status = 416)))]
pub async fn file(
    State(app): State<App>,
    method: Method,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let missing = || ApiError::not_found(format!("update file {name:?} not found"));
    let path = path_of(app.settings.updates_dir.as_deref(), &name).ok_or_else(missing)?;
    let mut file = File::open(&path).await.map_err(|_| missing())?;
    let facts = file.metadata().await.map_err(|_| missing())?;
    if !facts.is_file() {
        return Err(missing());
    }
    let modified = facts.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let tag = format!("\"{:x}-{:x}\"", facts.len(), modified.unwrap_or_default().as_nanos());
    let text = |name: HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    let mut reply = Response::new(Body::empty());
    let set = |reply: &mut Response, name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            reply.headers_mut().insert(name, value);
        }
    };
    set(&mut reply, header::ETAG, &tag);
    let cache = if is_feed(&name) { "no-cache" } else { "public, max-age=31536000, immutable" };
    set(&mut reply, header::CACHE_CONTROL, cache);
    set(&mut reply, header::ACCEPT_RANGES, "bytes");
    if text(header::IF_NONE_MATCH).is_some_and(|t| matches_tag(t, &tag)) {
        *reply.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(reply);
    }
    let size = facts.len();
    let range = text(header::RANGE)
        .filter(|_| method == Method::GET && if_range_matches(text(header::IF_RANGE), &tag));
    let (first, length) = match resolve_range(range, size) {
        ResolvedRange::Whole => (0, size),
        ResolvedRange::Range { first, last } => {
            *reply.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(&mut reply, header::CONTENT_RANGE, &format!("bytes {first}-{last}/{size}"));
            (first, last - first + 1)
        }
        ResolvedRange::Unsatisfiable => {
            let range = HeaderValue::from_str(&format!("bytes */{size}")).ok();
            return Err(ApiError {
                header: range.map(|v| (header::CONTENT_RANGE, v)),
                hint: "request a range inside the file",
                ..ApiError::invalid(format!("the range is outside the file's {size} bytes"))
                    .status(StatusCode::RANGE_NOT_SATISFIABLE)
            });
        }
    };
    let kind =
        if name.ends_with(".json") { "application/json" } else { "application/octet-stream" };
    set(&mut reply, header::CONTENT_TYPE, kind);
    set(&mut reply, header::CONTENT_LENGTH, &length.to_string());
    if method == Method::HEAD || length == 0 {
        return Ok(reply);
    }
    file.seek(SeekFrom::Start(first)).await.map_err(|e| {
        tracing::error!(file = %path.display(), error = %e, "failed to read an update file");
        ApiError::of_status(StatusCode::INTERNAL_SERVER_ERROR)
    })?;
    *reply.body_mut() = Body::from_stream(ReaderStream::with_capacity(file.take(length), CHUNK));
    Ok(reply)
}

/// Returns the path of a file in the folder; `None` for a name that could leave the folder.
fn path_of(dir: Option<&FilePath>, name: &str) -> Option<PathBuf> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-+ ()~".contains(c);
    let is_name = !name.is_empty() && !name.starts_with('.') && name.chars().all(is_allowed);
    dir.filter(|_| is_name).map(|dir| dir.join(name))
}

/// Returns true for a feed and its signature, which are replaced by those of the next release.
fn is_feed(name: &str) -> bool {
    let channels = ["stable.json", "beta.json", "long-term.json"];
    channels.contains(&name.strip_suffix(".minisig").unwrap_or(name))
}
