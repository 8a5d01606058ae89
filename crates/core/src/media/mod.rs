//! The loopback server that pictures, audio and video come from: WebKitGTK plays media from `http://127.0.0.1`, not from custom protocols.
//!
//! `http://127.0.0.1:<random port>/<256-bit token of this run>/<hash>`: only who was told the token can ask, only by hash, only on
//! this machine, and only under this `Host` (a web page cannot rebind a name onto it).
//!
//! Not here: which bytes exist (`cache`), fetching (`library`).

mod range;

use std::{
    net::SocketAddr,
    sync::{Arc, PoisonError, RwLock},
};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use carrel_model::BlobHash;
use futures_util::stream;

use crate::{Error, IdGen, Result, cache::Place, library::Library};

/// The most that is read at once, and the most that one answer to an open-ended range carries: a seek throws away no more.
const CHUNK: u64 = 1024 * 1024;

/// The running server. It ends with the process or when dropped.
pub struct MediaServer {
    addr: SocketAddr,
    token: String,
    library: Arc<RwLock<Option<Library>>>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Clone)]
struct Serving {
    token: Arc<str>,
    host: Arc<str>,
    library: Arc<RwLock<Option<Library>>>,
}

impl MediaServer {
    /// Listens on a free port of the loopback address.
    pub async fn start(ids: &dyn IdGen) -> Result<Self> {
        let mut secret = [0; 32];
        ids.fill(&mut secret);
        let token = BlobHash(secret).to_hex();
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let library = Arc::new(RwLock::new(None));
        let serving = Serving {
            token: token.as_str().into(),
            host: addr.to_string().into(),
            library: library.clone(),
        };
        let app = Router::new().route("/{token}/{hash}", get(serve)).with_state(serving);
        let task = tokio::spawn(async move {
            if let Err(e) = axum::serve(listener, app).await {
                tracing::error!(error = %e, "the media server ended");
            }
        });
        Ok(Self { addr, token, library, task })
    }

    /// Serves this library from now on; `None` serves nothing.
    pub fn set_library(&self, library: Option<Library>) {
        *self.library.write().unwrap_or_else(PoisonError::into_inner) = library;
    }

    /// What a hash is put behind: ends with `/`.
    pub fn base_url(&self) -> String {
        format!("http://{}/{}/", self.addr, self.token)
    }
}

impl Drop for MediaServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    State(serving): State<Serving>,
    Path((token, hash)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let host_fits =
        headers.get(header::HOST).is_some_and(|h| h.as_bytes() == serving.host.as_bytes());
    // Both are compared in constant time: a wrong token tells nothing about the right one.
    let token_fits = blake3::hash(token.as_bytes()) == blake3::hash(serving.token.as_bytes());
    let Ok(hash) = hash.parse::<BlobHash>() else { return StatusCode::NOT_FOUND.into_response() };
    if !host_fits || !token_fits {
        return StatusCode::NOT_FOUND.into_response();
    }
    let library = serving.library.read().unwrap_or_else(PoisonError::into_inner).clone();
    let Some(library) = library else { return StatusCode::NOT_FOUND.into_response() };
    match library.blob(hash).await {
        Ok(place) => answer(hash, Arc::new(place), &method, &headers),
        Err(Error::NotDownloaded { .. } | Error::Offline(_)) => {
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        Err(Error::NotFound(_)) => StatusCode::NOT_FOUND.into_response(),
        Err(e) => {
            tracing::warn!(blob.hash = ?hash, error = %e, "a blob cannot be served");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn answer(hash: BlobHash, place: Arc<Place>, method: &Method, headers: &HeaderMap) -> Response {
    let size = place.size();
    let etag = format!("\"{hash}\"");
    let text = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    let mut out = HeaderMap::new();
    let set = |out: &mut HeaderMap, name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            out.insert(name, value);
        }
    };
    set(&mut out, header::ETAG, &etag);
    set(&mut out, header::ACCEPT_RANGES, "bytes");
    set(&mut out, header::CACHE_CONTROL, "private, max-age=31536000, immutable");
    set(&mut out, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    // A picture may be SVG: whatever it holds, it runs nothing.
    set(
        &mut out,
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    );
    let head = place.read_at(0, 512).unwrap_or_default();
    set(&mut out, header::CONTENT_TYPE, media_type(&head));
    if text(header::IF_NONE_MATCH)
        .is_some_and(|v| v.split(',').any(|t| t.trim() == etag || t.trim() == "*"))
    {
        return (StatusCode::NOT_MODIFIED, out).into_response();
    }
    let asked =
        text(header::RANGE).filter(|_| text(header::IF_RANGE).is_none_or(|tag| tag == etag));
    let (status, start, end) = match range::parse(asked, size) {
        range::Asked::Whole => (StatusCode::OK, 0, size),
        range::Asked::From(start) => (StatusCode::PARTIAL_CONTENT, start, size.min(start + CHUNK)),
        range::Asked::Part(start, end) => (StatusCode::PARTIAL_CONTENT, start, end),
        range::Asked::Unsatisfiable => {
            set(&mut out, header::CONTENT_RANGE, &format!("bytes */{size}"));
            return (StatusCode::RANGE_NOT_SATISFIABLE, out).into_response();
        }
    };
    if status == StatusCode::PARTIAL_CONTENT {
        set(&mut out, header::CONTENT_RANGE, &format!("bytes {start}-{}/{size}", end - 1));
    }
    set(&mut out, header::CONTENT_LENGTH, &(end - start).to_string());
    if method == Method::HEAD {
        return (status, out).into_response();
    }
    let body = stream::try_unfold(start, move |at| {
        let place = place.clone();
        async move {
            if at >= end {
                return Ok(None);
            }
            let len = usize::try_from((end - at).min(CHUNK)).unwrap_or(CHUNK as usize);
            let bytes = tokio::task::spawn_blocking(move || place.read_at(at, len))
                .await
                .map_err(std::io::Error::other)?;
            let bytes = bytes.map_err(std::io::Error::other)?;
            if bytes.is_empty() {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
            }
            let next = at + bytes.len() as u64;
            Ok(Some((bytes, next)))
        }
    });
    (status, out, Body::from_stream(body)).into_response()
}

/// The media type by content: a blob is only a hash and bytes.
fn media_type(head: &[u8]) -> &'static str {
    let is = |at: usize, magic: &[u8]| head.get(at..at + magic.len()) == Some(magic);
    if is(0, b"\x89PNG") {
        "image/png"
    } else if is(0, b"\xff\xd8\xff") {
        "image/jpeg"
    } else if is(0, b"GIF8") {
        "image/gif"
    } else if is(0, b"RIFF") && is(8, b"WEBP") {
        "image/webp"
    } else if is(0, b"RIFF") && is(8, b"WAVE") {
        "audio/wav"
    } else if is(0, b"ID3")
        || (is(0, b"\xff") && head.get(1).is_some_and(|b| b & 0xe0 == 0xe0 && b & 0x06 != 0))
    {
        "audio/mpeg"
    } else if is(0, b"OggS") {
        "audio/ogg"
    } else if is(0, b"fLaC") {
        "audio/flac"
    } else if is(4, b"ftypM4A") {
        "audio/mp4"
    } else if is(4, b"ftyp") {
        "video/mp4"
    } else if is(0, b"\x1aE\xdf\xa3") {
        "video/webm"
    } else if is(0, b"WEBVTT") || is(0, b"\xef\xbb\xbfWEBVTT") {
        "text/vtt; charset=utf-8"
    } else if head.windows(4).any(|w| w == b"<svg") {
        "image/svg+xml"
    } else {
        "application/octet-stream"
    }
}
