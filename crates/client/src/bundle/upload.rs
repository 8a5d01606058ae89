//! Files uploaded by the UI: chosen by the user, dropped onto the window, or opened from a phone's file picker.
//!
//! `PUT <loopback server>/upload?name=NAME` streams the body into a file in the cache folder and returns its path and size. The
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
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::put,
};
use carrel_system::blocking;
use futures_util::StreamExt;
use serde::Deserialize;
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
/// Maximum number of characters of a name without its extension.
const MAX_STEM: usize = 60;
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
        if let Some(folder) = self.own_folder(path)
            && let Err(e) = tokio::fs::remove_dir_all(folder).await
        {
            tracing::debug!(error = %e, "an uploaded file could not be deleted");
        }
    }

    /// Reads an uploaded file.
    pub(crate) async fn read(&self, path: &Path, max_bytes: u64) -> Result<Vec<u8>> {
        if self.own_folder(path).is_none() {
            return Err(Error::Invalid(format!("{}: not an uploaded file", path.display())));
        }
        let size = tokio::fs::metadata(path).await?.len();
        if size > max_bytes {
            let text = format!("the file has {size} bytes; the maximum is {max_bytes}");
            return Err(Error::Invalid(text));
        }
        Ok(tokio::fs::read(path).await?)
    }

    /// Returns the folder for files made from `path`: that of an uploaded file, otherwise a new one. `discard` deletes
    /// it with each of its files.
    pub(crate) async fn folder_for(&self, path: &Path) -> std::io::Result<PathBuf> {
        match self.own_folder(path) {
            Some(folder) => Ok(folder.to_owned()),
            None => self.new_folder().await,
        }
    }

    async fn new_folder(&self) -> std::io::Result<PathBuf> {
        self.prepare().await?;
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.join(number.to_string());
        tokio::fs::create_dir_all(&folder).await?;
        Ok(folder)
    }

    /// Returns the folder of an uploaded file, or of one made from it.
    fn own_folder<'p>(&self, path: &'p Path) -> Option<&'p Path> {
        path.parent().filter(|folder| folder.parent() == Some(&self.folder))
    }
}

/// Query of an upload.
#[derive(Deserialize)]
struct UploadQuery {
    /// Name of the file on the learner's disk; its extension decides how the file is read.
    #[serde(default)]
    name: String,
}

async fn receive(
    State(uploads): State<Arc<Uploads>>,
    Query(query): Query<UploadQuery>,
    body: Body,
) -> Response {
    match save(&uploads, &query.name, body).await {
        Ok((path, bytes)) => Json(json!({ "path": path, "bytes": bytes })).into_response(),
        Err(e) => {
            tracing::warn!(error = %e, "an upload failed");
            let is_full = e.kind() == std::io::ErrorKind::StorageFull;
            if is_full { StatusCode::INSUFFICIENT_STORAGE } else { StatusCode::BAD_REQUEST }
                .into_response()
        }
    }
}

/// Streams the body into a new file in a folder of its own.
async fn save(uploads: &Uploads, name: &str, body: Body) -> std::io::Result<(PathBuf, u64)> {
    let path = uploads.new_folder().await?.join(file_name(name));
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
            uploads.discard(&path).await;
            Err(e)
        }
    }
}

/// Returns a name that is valid in every file system: at most 60 letters, digits, spaces and `-_.` of the given name.
fn file_name(name: &str) -> String {
    let is_allowed = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.');
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, EXTENSION));
    let stem: String = stem.chars().filter(is_allowed).take(MAX_STEM).collect();
    let extension: String = extension.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    match stem.trim_matches([' ', '.']) {
        "" => format!("file.{extension}"),
        stem if is_device_of_windows(stem) => format!("{stem}_.{extension}"),
        stem => format!("{stem}.{extension}"),
    }
}

fn is_device_of_windows(stem: &str) -> bool {
    let stem = stem.to_ascii_lowercase();
    match stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt")) {
        Some(number) => number.len() == 1 && number.bytes().all(|b| b.is_ascii_digit()),
        None => matches!(stem.as_str(), "con" | "prn" | "aux" | "nul"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_and_keep_their_extension() {
        for (name, safe) in [
            ("Fragen zur Biologie.gift", "Fragen zur Biologie.gift"),
            ("../../etc/passwd", "file.etcpassw"),
            ("con.gift", "con_.gift"),
            ("Lpt1.gift", "Lpt1_.gift"),
            ("lpto.gift", "lpto.gift"),
            ("河流.apkg", "河流.apkg"),
            ("a\\b:c*?.epub", "abc.epub"),
            (".epub", "file.epub"),
            ("", "file.carrel"),
            ("x.ca rrel\n", "x.carrel"),
        ] {
            assert_eq!(file_name(name), safe, "{name:?}");
        }
        assert_eq!(file_name(&format!("{}.txt", "é".repeat(300))).chars().count(), MAX_STEM + 4);
    }
}
