//! Blobs by hash: immutable, with byte ranges.

use axum::{extract::State, response::Response};
use carrel_model::BlobHash;

use super::{
    App,
    api_error::ApiError,
    byte_ranges::{ByteRequest, ServedFile, body_of},
    dictionaries,
    extract::{Path, Reader},
};

/// Returns the bytes with this BLAKE3 hash. Supports `HEAD` and a single range; a request for several ranges returns
/// the whole blob.
#[utoipa::path(get, path = "/api/blobs/{hash}", tag = "catalogue",
    params(("hash" = BlobHash, Path), ("Range" = Option<String>, Header), ("If-Range" = Option<String>, Header),
        ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, description = "the bytes", content_type = "application/octet-stream"), (status = 206),
        (status = 304), (status = 404), (status = 416)))]
pub async fn blob(
    State(app): State<App>,
    Reader(reader): Reader,
    request: ByteRequest,
    Path(hash): Path<BlobHash>,
) -> Result<Response, ApiError> {
    let missing = || ApiError::not_found(format!("blob {hash} not found"));
    let cache = |is_public: bool| {
        let shared = if is_public && app.settings.public_catalogue { "public" } else { "private" };
        format!("{shared}, max-age=31536000, immutable")
    };
    let Some(found) = app.store.readable_blob(hash, reader).await? else {
        let pack = dictionaries::database(&app, hash, &request, &cache(true)).await?;
        return pack.ok_or_else(missing);
    };
    let (known, cache) = (found.blob, cache(found.is_public));
    let (mut reply, part) = request.select(&ServedFile {
        what: "blob",
        tag: &format!("\"{hash}\""),
        size: known.size,
        media_type: &known.media_type,
        cache: &cache,
    })?;
    if let Some((first, length)) = part {
        let opened = app.blobs.open(hash, first, length).await;
        let bytes = opened.map_err(|e| ApiError::of_blob(hash, &e))?;
        *reply.body_mut() = body_of(bytes);
    }
    Ok(reply)
}
