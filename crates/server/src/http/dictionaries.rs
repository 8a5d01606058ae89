//! The dictionary packs in the folder `dictionaries` of the data folder. Their databases are served as blobs.
//!
//! Not here: reading the folder (`carrel_bundle::OfferedPacks`).

use std::{io, sync::Arc};

use axum::{extract::State, http::StatusCode, response::Response};
use carrel_model::BlobHash;
use tokio::fs::File;

use super::{
    App,
    api_error::ApiError,
    byte_ranges::{ByteRequest, ServedFile, file_body},
    catalogue::json_text,
};

/// Lists the dictionary packs: the header of each, with its signed facts. The database of a pack is the blob with the
/// hash in its facts.
#[utoipa::path(get, path = "/api/dictionaries", tag = "catalogue",
    responses((status = 200, description = "`{dictionaries: [...]}`", content_type = "application/json")))]
pub async fn dictionaries(State(app): State<App>) -> Result<Response, ApiError> {
    let packs = Arc::clone(&app.dictionaries);
    let list = tokio::task::spawn_blocking(move || packs.list()).await;
    let list = list.map_err(io::Error::other).and_then(|list| list).map_err(|e| unreadable(&e))?;
    Ok(json_text(serde_json::to_string(&list).unwrap_or_default(), "private, max-age=600"))
}

/// Returns the database of a pack, as a blob; `None` if no pack has this database.
pub async fn database(
    app: &App,
    hash: BlobHash,
    request: &ByteRequest,
    cache: &str,
) -> Result<Option<Response>, ApiError> {
    let packs = Arc::clone(&app.dictionaries);
    let found = tokio::task::spawn_blocking(move || packs.with_database(hash)).await;
    let found = found.map_err(io::Error::other).and_then(|f| f).map_err(|e| unreadable(&e))?;
    let Some(pack) = found else { return Ok(None) };
    let blob = pack.bundle.database();
    let (tag, media_type) = (format!("\"{hash}\""), blob.media_type.as_str());
    let served = ServedFile { what: "blob", tag: &tag, size: blob.size, media_type, cache };
    let (mut reply, part) = request.select(&served)?;
    if let Some((first, length)) = part {
        let file = File::open(&pack.path).await.map_err(|e| unreadable(&e))?;
        let body = file_body(file, pack.bundle.start + first, length).await;
        *reply.body_mut() = body.map_err(|e| unreadable(&e))?;
    }
    Ok(Some(reply))
}

fn unreadable(e: &io::Error) -> ApiError {
    tracing::error!(error = %e, "failed to read the dictionary packs");
    ApiError::of_status(StatusCode::INTERNAL_SERVER_ERROR)
}
