//! The loopback server that pictures, audio and video come from: WebKitGTK plays media from `http://127.0.0.1`, not from custom protocols.
//!
//! `http://127.0.0.1:<random port>/<256-bit token of this run>/<hash>[?w=640&...]`: only who was told the token can ask, only by hash,
//! only on this machine, and only under this `Host` (a web page cannot rebind a name onto it).
//!
//! Not here: which bytes exist (`cache`), fetching (`library`), making a variant of a picture (`images`).

mod answer;
mod growing;
mod range;

use std::{
    net::SocketAddr,
    sync::{Arc, PoisonError, RwLock},
};

use axum::{
    Router,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use carrel_model::BlobHash;
use carrel_net::Error as Net;
use carrel_sqlite::DatabaseError;
use carrel_system::IdGen;

use crate::{
    Error, Result,
    blobs::Place,
    images::{ImageRequest, Images, Refusal, Shown},
    library::Library,
};

/// Where the app's own window says it comes from: Linux, macOS and iOS; Windows and Android.
const OWN_ORIGINS: [&str; 3] =
    ["tauri://localhost", "http://tauri.localhost", "https://tauri.localhost"];

/// In development and in tests the window is a browser on this machine; in release builds it never is.
pub const DEVELOPMENT: bool = cfg!(debug_assertions);

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
    images: Images,
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
            images: Images::default(),
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
    RawQuery(query): RawQuery,
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
    let mut answer = match ImageRequest::parse(query.as_deref().unwrap_or_default()) {
        Ok(Some(ask)) => picture(&serving.images, &library, hash, ask, &method, &headers).await,
        Ok(None) => whole(&serving.images, &library, hash, &method, &headers).await,
        Err(wrong) => (StatusCode::BAD_REQUEST, wrong).into_response(),
    };
    let out = answer.headers_mut();
    out.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // A picture may be SVG: whatever it holds, it runs nothing and fetches nothing.
    out.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox"),
    );
    out.insert(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = headers.get(header::ORIGIN).filter(|o| is_own_origin(o, DEVELOPMENT)) {
        out.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    answer
}

/// True for the app's own window, and in `development` for a browser on this machine. Other pages may not read what the loopback
/// servers answer, even if they knew the token.
pub fn is_own_origin(origin: &HeaderValue, development: bool) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let local = || {
        ["http://127.0.0.1:", "http://localhost:"]
            .iter()
            .any(|start| origin.strip_prefix(start).is_some_and(|port| port.parse::<u16>().is_ok()))
    };
    OWN_ORIGINS.contains(&origin) || development && local()
}

async fn whole(
    images: &Images,
    library: &Library,
    hash: BlobHash,
    method: &Method,
    headers: &HeaderMap,
) -> Response {
    let place = match library.blocking(move |library| library.blobs().locate(hash)).await {
        Ok(Some(place)) => Arc::new(place),
        Ok(None) => match growing::find(library, hash, method, headers).await {
            Ok(growing::Found::Here(place)) => place,
            Ok(growing::Found::Playing(answer)) => return answer,
            Err(e) => return failed(hash, &e),
        },
        Err(e) => return failed(hash, &e),
    };
    match images.whole(hash, &place).await {
        Ok(()) => answer::of_place(hash, place, method, headers).await,
        // Sound, film, captions.
        Err(Refusal::Unknown) if !is_for_a_picture(headers) => {
            answer::of_place(hash, place, method, headers).await
        }
        Err(refusal) => refused(hash, &refusal),
    }
}

/// The window says that it would show what comes as a picture (Fetch Metadata): in whatever format, it would be decoded.
fn is_for_a_picture(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-dest").is_some_and(|dest| dest == "image")
}

async fn picture(
    images: &Images,
    library: &Library,
    hash: BlobHash,
    ask: ImageRequest,
    method: &Method,
    headers: &HeaderMap,
) -> Response {
    let source = match library.blob(hash).await {
        Ok(place) => Arc::new(place),
        Err(e) => return failed(hash, &e),
    };
    match images.variant(library, hash, source.clone(), ask).await {
        Ok(Shown::Original) => answer::of_place(hash, source, method, headers).await,
        Ok(Shown::Made(made)) => match located(library, made).await {
            Ok(place) => answer::of_place(made, place, method, headers).await,
            Err(e) => failed(made, &e),
        },
        Err(refusal) => refused(hash, &refusal),
    }
}

fn refused(hash: BlobHash, refusal: &Refusal) -> Response {
    tracing::info!(blob.hash = ?hash, reason = %refusal, "a picture is not shown");
    let status = StatusCode::from_u16(refusal.status());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, refusal.to_string()).into_response()
}

async fn located(library: &Library, hash: BlobHash) -> Result<Arc<Place>> {
    let gone = || Error::NotDownloaded { what: hash.to_hex(), size: None };
    let found = library.blocking(move |library| library.blobs().locate(hash)).await?;
    found.map(Arc::new).ok_or_else(gone)
}

fn failed(hash: BlobHash, e: &Error) -> Response {
    let status = match e {
        Error::NotDownloaded { .. } | Error::Net(Net::Offline(_)) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Error::NotFound(_) => StatusCode::NOT_FOUND,
        Error::Corrupt(_) | Error::Net(Net::BadReply { .. }) => StatusCode::BAD_GATEWAY,
        e if e.is_full() => StatusCode::INSUFFICIENT_STORAGE,
        e => {
            tracing::warn!(blob.hash = ?hash, error = %e, "a blob cannot be served");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    status.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_apps_own_pages_are_answered() {
        let is_own = |origin: &'static str, development| {
            is_own_origin(&HeaderValue::from_static(origin), development)
        };
        for own in ["tauri://localhost", "http://tauri.localhost", "https://tauri.localhost"] {
            assert!(is_own(own, false) && is_own(own, true), "{own}");
        }
        // Any program on the machine may listen on such an address: in a release build none of them is the app.
        for local in ["http://127.0.0.1:4711", "http://localhost:5173", "http://localhost:80"] {
            assert!(is_own(local, true), "{local}");
            assert!(!is_own(local, false), "{local} in a release build");
        }
        for other in [
            "null",
            "",
            "https://example.org",
            "http://127.0.0.1.example.org",
            "http://127.0.0.1:80.example.org",
            "http://127.0.0.1:",
            "http://127.0.0.1:99999",
            "http://localhost.example.org",
            "https://tauri.localhost.example.org",
            "file://",
        ] {
            assert!(!is_own(other, false) && !is_own(other, true), "{other}");
        }
    }
}
