//! Files uploaded by the UI: chosen by the user, dropped onto the window, or opened from a phone's file picker.
//!
//! `PUT <loopback server>/upload` streams the body into a file in the cache folder and returns its path and size. The
//! file is then inspected like any other.
//!
//! Not here: the checks of token, host and origin, which the loopback server makes (`carrel_content::media`).

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::put,
};
use carrel_system::blocking;
use futures_util::StreamExt;
use serde_json::json;
use tokio::{io::AsyncWriteExt, sync::OnceCell};

use crate::{
    Error, Result,
    bundle::{EXTENSION, removable_media::free_bytes},
};

/// Folder of uploaded files, below the cache folder.
const UPLOAD_DIR: &str = "uploads";
/// Bytes of the disk that stay free during an upload.
const MIN_FREE_BYTES: u64 = 64 * 1024 * 1024;
/// Path of the route on the loopback server, without a leading slash.
const ROUTE: &str = "upload";

/// The uploads of this run.
pub struct Uploads {
    folder: PathBuf,
    number: AtomicU64,
    is_prepared: OnceCell<()>,
}

impl Uploads {
    pub(crate) fn new(cache_dir: &Path) -> Arc<Self> {
        let folder = cache_dir.join(UPLOAD_DIR);
        Arc::new(Self { folder, number: AtomicU64::new(0), is_prepared: OnceCell::new() })
    }

    /// Returns the route for the loopback server.
    pub(crate) fn routes(self: &Arc<Self>) -> Router {
        Router::new().route(&format!("/{ROUTE}"), put(receive)).with_state(self.clone())
    }

    /// Prepares the folder and returns the upload address below `base`, which ends with a slash.
    pub(crate) async fn url(&self, base: &str) -> Result<String> {
        self.prepare().await?;
        Ok(format!("{base}{ROUTE}"))
    }

    async fn prepare(&self) -> std::io::Result<()> {
        let prepared = self.is_prepared.get_or_try_init(|| async {
            // Deletes files of an earlier run that were not imported.
            match tokio::fs::remove_dir_all(&self.folder).await {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
                _ => tokio::fs::create_dir_all(&self.folder).await,
            }
        });
        prepared.await.copied()
    }

    /// Deletes an uploaded file after it was imported or rejected. Files outside the upload folder are kept.
    pub(crate) async fn discard(&self, path: &Path) {
        if path.parent() == Some(&self.folder)
            && let Err(e) = tokio::fs::remove_file(path).await
        {
            tracing::debug!(error = %e, "an uploaded file could not be deleted");
        }
    }
}

async fn receive(State(uploads): State<Arc<Uploads>>, body: Body) -> Response {
    match save(&uploads, body).await {
        Ok((path, bytes)) => Json(json!({ "path": path, "bytes": bytes })).into_response(),
        Err(e) => {
            tracing::warn!(error = %e, "an upload failed");
            let is_full = e.kind() == std::io::ErrorKind::StorageFull;
            if is_full { StatusCode::INSUFFICIENT_STORAGE } else { StatusCode::BAD_REQUEST }
                .into_response()
        }
    }
}

/// Streams the body into a new file with a generated name.
async fn save(uploads: &Uploads, body: Body) -> std::io::Result<(PathBuf, u64)> {
    uploads.prepare().await?;
    let number = uploads.number.fetch_add(1, Ordering::Relaxed);
    let path = uploads.folder.join(format!("{number}.{EXTENSION}"));
    let mut file = tokio::fs::File::create(&path).await?;
    let saved = async {
        let (mut bytes, mut next_check) = (0_u64, 0_u64);
        let mut stream = body.into_data_stream();
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(std::io::Error::other)?;
            bytes += piece.len() as u64;
            if bytes >= next_check {
                next_check = bytes + MIN_FREE_BYTES / 4;
                let folder = uploads.folder.clone();
                let free = blocking(move || Ok::<_, Error>(free_bytes(&folder))).await;
                if free.map_err(std::io::Error::other)?.is_some_and(|free| free < MIN_FREE_BYTES) {
                    return Err(std::io::Error::from(std::io::ErrorKind::StorageFull));
                }
            }
            file.write_all(&piece).await?;
        }
        file.flush().await?;
        Ok(bytes)
    };
    match saved.await {
        Ok(bytes) => Ok((path, bytes)),
        Err(e) => {
            let _ = tokio::fs::remove_file(&path).await;
            Err(e)
        }
    }
}
