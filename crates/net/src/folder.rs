//! Serves a library folder, written by `carrel-server export-library`, under the routes of a server. Used for the demo
//! library.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Method, header};

use crate::{Failure, FailureKind, Http, NetworkSettings, Reply, Request};

/// Replies to `GET http://library.invalid/api/...` with files, and to all other requests with 404. (`.invalid` is
/// reserved by RFC 2606 and never resolves.)
pub struct FolderHttp {
    root: PathBuf,
}

impl FolderHttp {
    /// Base URL of the folder.
    pub const BASE: &'static str = "http://library.invalid";

    /// Serves the library in `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn file_of(&self, url: &str) -> Option<(PathBuf, bool)> {
        let path = url.strip_prefix(Self::BASE)?.split(['?', '#']).next()?;
        let path = path.strip_prefix("/api/")?;
        if let Some(hash) = path.strip_prefix("blobs/") {
            let hash: carrel_model::BlobHash = hash.parse().ok()?;
            let hex = hash.to_hex();
            return Some((self.root.join("blobs").join(&hex[..2]).join(hex), true));
        }
        let is_valid = path.split('/').all(|p| {
            !p.is_empty()
                && p.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        });
        is_valid.then(|| (self.root.join(format!("{path}.json")), false))
    }
}

const EMPTY_PAGE: &[u8] = br#"{"items":[],"page":1,"pageSize":200,"total":0}"#;

fn reply(status: u16, content_type: &'static str, cache: &'static str, bytes: Bytes) -> Reply {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    Reply { status, headers, body: Box::pin(stream::iter([Ok(bytes)])) }
}

async fn read(path: &Path) -> Result<Option<Bytes>, Failure> {
    match tokio::fs::read(path).await {
        Ok(bytes) => Ok(Some(bytes.into())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Failure::new(FailureKind::Connect, format!("{}: {e}", path.display()))),
    }
}

#[async_trait]
impl Http for FolderHttp {
    fn set_network(&self, _settings: &NetworkSettings) -> crate::Result<()> {
        Ok(())
    }
    fn network_changed(&self) {}
    async fn send(&self, request: Request) -> Result<Reply, Failure> {
        let found = if request.method == Method::GET { self.file_of(&request.url) } else { None };
        let is_list = request.url.split('?').next().is_some_and(|path| {
            path.strip_prefix(Self::BASE)
                .is_some_and(|p| p == "/api/courses" || p == "/api/stories")
        });
        if let Some((path, is_blob)) = found
            && let Some(bytes) = read(&path).await?
        {
            return Ok(if is_blob {
                reply(200, "application/octet-stream", "public, max-age=31536000, immutable", bytes)
            } else {
                reply(200, "application/json", "private, max-age=600", bytes)
            });
        }
        if request.method == Method::GET && is_list {
            // A folder without catalogue files is an empty library.
            return Ok(reply(
                200,
                "application/json",
                "private, max-age=600",
                Bytes::from_static(EMPTY_PAGE),
            ));
        }
        Ok(reply(404, "application/json", "no-store", Bytes::from_static(b"{}")))
    }
}
