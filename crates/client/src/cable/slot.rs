//! The hole in the wall through which the window hands a file over: from a chooser, from a phone's files, dropped onto the window.
//!
//! `PUT http://127.0.0.1:<random port>/<256-bit token of this run>` streams the file into a folder of the cache and answers with its
//! path, which is then looked at like any other. Only the app's own pages may call it, and only they know the token.

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
    extract::{Path as UrlPath, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use carrel_content::media::{DEVELOPMENT, is_own_origin};
use carrel_model::BlobHash;
use carrel_system::IdGen;
use futures_util::StreamExt;
use serde_json::json;
use tokio::{io::AsyncWriteExt, sync::OnceCell};

use crate::{
    Result,
    cable::{EXTENSION, places::free_bytes},
};

/// Files under way live here, below the cache.
const FOLDER: &str = "handed-over";
const SPARE: u64 = 64 * 1024 * 1024;

/// Opened when it is first needed; ends with the process or when dropped.
pub struct Slot {
    folder: PathBuf,
    open: OnceCell<Open>,
}

struct Open {
    url: String,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Wall {
    token: String,
    host: String,
    folder: PathBuf,
    number: AtomicU64,
}

impl Slot {
    pub(crate) fn new(cache_dir: &Path) -> Self {
        Self { folder: cache_dir.join(FOLDER), open: OnceCell::new() }
    }

    /// Where the window puts a file.
    pub async fn url(&self, ids: &dyn IdGen) -> Result<String> {
        let open = self.open.get_or_try_init(|| async {
            // What an earlier run left behind was never taken in.
            if self.folder.exists() {
                tokio::fs::remove_dir_all(&self.folder).await?;
            }
            tokio::fs::create_dir_all(&self.folder).await?;
            let mut secret = [0; 32];
            ids.fill(&mut secret);
            let token = BlobHash(secret).to_hex();
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
            let host = listener.local_addr()?.to_string();
            let url = format!("http://{host}/{token}");
            let wall = Wall { token, host, folder: self.folder.clone(), number: AtomicU64::new(0) };
            let app = Router::new().route("/{token}", any(hand_over)).with_state(Arc::new(wall));
            let task = tokio::spawn(async move {
                if let Err(e) = axum::serve(listener, app).await {
                    tracing::error!(error = %e, "the slot for files ended");
                }
            });
            Ok::<_, crate::Error>(Open { url, task })
        });
        Ok(open.await?.url.clone())
    }

    /// Deletes a file that was handed over here, after it was taken in or put aside; any other is left alone.
    pub(crate) fn discard(&self, path: &Path) {
        if path.parent() == Some(&self.folder)
            && let Err(e) = std::fs::remove_file(path)
        {
            tracing::debug!(error = %e, "a file that was handed over was not deleted");
        }
    }
}

async fn hand_over(
    State(wall): State<Arc<Wall>>,
    UrlPath(token): UrlPath<String>,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let text = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    let host_fits = text(header::HOST) == Some(wall.host.as_str());
    let token_fits = blake3::hash(token.as_bytes()) == blake3::hash(wall.token.as_bytes());
    let origin = headers.get(header::ORIGIN);
    let is_foreign = origin.is_some_and(|o| !is_own_origin(o, DEVELOPMENT));
    if !host_fits || !token_fits || is_foreign {
        return StatusCode::NOT_FOUND.into_response();
    }
    let mut reply = match method {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        Method::PUT => match keep(&wall, body).await {
            Ok((path, bytes)) => Json(json!({ "path": path, "bytes": bytes })).into_response(),
            Err(e) => {
                tracing::warn!(error = %e, "a file was not handed over whole");
                let full = e.kind() == std::io::ErrorKind::StorageFull;
                if full { StatusCode::INSUFFICIENT_STORAGE } else { StatusCode::BAD_REQUEST }
                    .into_response()
            }
        },
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    };
    if let Some(origin) = origin {
        let out = reply.headers_mut();
        out.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        out.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("PUT"));
        out.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
        out.insert(header::VARY, HeaderValue::from_static("origin"));
    }
    reply
}

/// Streams the body into a new file. The name that it had elsewhere plays no part here.
async fn keep(wall: &Wall, body: Body) -> std::io::Result<(PathBuf, u64)> {
    let number = wall.number.fetch_add(1, Ordering::Relaxed);
    let path = wall.folder.join(format!("{number}.{EXTENSION}"));
    let mut file = tokio::fs::File::create(&path).await?;
    let poured = async {
        let (mut bytes, mut looked) = (0_u64, 0_u64);
        let mut stream = body.into_data_stream();
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(std::io::Error::other)?;
            bytes += piece.len() as u64;
            if bytes >= looked {
                looked = bytes + SPARE / 4;
                if free_bytes(&wall.folder).is_some_and(|free| free < SPARE) {
                    return Err(std::io::Error::from(std::io::ErrorKind::StorageFull));
                }
            }
            file.write_all(&piece).await?;
        }
        file.flush().await?;
        Ok(bytes)
    };
    match poured.await {
        Ok(bytes) => Ok((path, bytes)),
        Err(e) => {
            let _ = tokio::fs::remove_file(&path).await;
            Err(e)
        }
    }
}
