//! Updates of the app for the devices of a school: the folder of a mirror, as `cargo xtask release` writes it.
//!
//! The files are signed, so a device does not have to trust this server. Packages never change under their name and may
//! be cached; the feed and its signature are read again each time.

use std::{
    path::{Path as FilePath, PathBuf},
    time::UNIX_EPOCH,
};

use axum::{extract::State, http::StatusCode, response::Response};
use tokio::fs::File;

use super::{
    App,
    api_error::ApiError,
    byte_ranges::{ByteRequest, ServedFile, file_body},
    extract::Path,
};

/// Returns a file of the folder of updates. Supports `HEAD` and a single range. 404 if the server has no such folder.
#[utoipa::path(get, path = "/updates/{name}", tag = "server",
    params(("name" = String, Path), ("Range" = Option<String>, Header), ("If-Range" = Option<String>, Header),
        ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, description = "the bytes", content_type = "application/octet-stream"), (status = 206),
        (status = 304), (status = 404), (status = 416)))]
pub async fn file(
    State(app): State<App>,
    request: ByteRequest,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let missing = || ApiError::not_found(format!("update file {name:?} not found"));
    let path = path_of(app.settings.updates_dir.as_deref(), &name).ok_or_else(missing)?;
    let file = File::open(&path).await.map_err(|_| missing())?;
    let facts = file.metadata().await.map_err(|_| missing())?;
    if !facts.is_file() {
        return Err(missing());
    }
    let modified = facts.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let tag = format!("\"{:x}-{:x}\"", facts.len(), modified.unwrap_or_default().as_nanos());
    let cache = if is_feed(&name) { "no-cache" } else { "public, max-age=31536000, immutable" };
    let media_type =
        if name.ends_with(".json") { "application/json" } else { "application/octet-stream" };
    let size = facts.len();
    let (mut reply, part) =
        request.select(&ServedFile { what: "file", tag: &tag, size, media_type, cache })?;
    if let Some((first, length)) = part {
        *reply.body_mut() = file_body(file, first, length).await.map_err(|e| {
            tracing::error!(file = %path.display(), error = %e, "failed to read an update file");
            ApiError::of_status(StatusCode::INTERNAL_SERVER_ERROR)
        })?;
    }
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
