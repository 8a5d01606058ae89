//! Loopback server for images, audio and video. WebKitGTK plays media from `http://127.0.0.1`, but not
//! from custom protocols.
//!
//! URLs have the form `http://127.0.0.1:<random port>/<token>/<hash>[?w=640&...]`.
//!
//! Not here: access rules (`loopback`), storing (`blobs`), fetching (`library`), image variants
//! (`images`).

mod loopback;
mod partial;
mod range;
mod response;

use std::sync::{Arc, PoisonError, RwLock};

use axum::{
    Router,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, Method, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use carrel_model::BlobHash;
use carrel_net::Error as Net;
use carrel_sqlite::DatabaseError;
use carrel_system::IdGen;
use loopback::Loopback;

use crate::{
    Error, Result,
    blobs::BlobLocation,
    images::{ImageError, ImageRequest, Images, Variant},
    library::Library,
};

/// A running server for media and other routes. Stops when dropped.
pub struct MediaServer {
    loopback: Loopback,
    library: Arc<RwLock<Option<Library>>>,
}

#[derive(Clone)]
struct Serving {
    library: Arc<RwLock<Option<Library>>>,
    images: Images,
}

impl MediaServer {
    /// Starts the server on a free port of the loopback address. `others`: further routes under the same
    /// token and access rules; they must not match `/{hash}`.
    pub async fn start(ids: &dyn IdGen, others: Router) -> Result<Self> {
        let library = Arc::new(RwLock::new(None));
        let serving = Serving { library: library.clone(), images: Images::default() };
        let media = Router::new().route("/{hash}", get(serve)).with_state(serving);
        let loopback = Loopback::start(ids, media.merge(others)).await?;
        Ok(Self { loopback, library })
    }

    /// Sets the library whose blobs are served; `None` serves none.
    pub fn set_library(&self, library: Option<Library>) {
        *self.library.write().unwrap_or_else(PoisonError::into_inner) = library;
    }

    /// Returns the URL to which a hash is appended; ends with `/`.
    pub fn base_url(&self) -> String {
        self.loopback.base_url()
    }
}

async fn serve(
    State(serving): State<Serving>,
    Path((_token, hash)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let Ok(hash) = hash.parse::<BlobHash>() else { return StatusCode::NOT_FOUND.into_response() };
    let library = serving.library.read().unwrap_or_else(PoisonError::into_inner).clone();
    let Some(library) = library else { return StatusCode::NOT_FOUND.into_response() };
    match ImageRequest::parse(query.as_deref().unwrap_or_default()) {
        Ok(Some(request)) => {
            variant(&serving.images, &library, hash, request, &method, &headers).await
        }
        Ok(None) => original(&serving.images, &library, hash, &method, &headers).await,
        Err(wrong) => (StatusCode::BAD_REQUEST, wrong).into_response(),
    }
}

async fn original(
    images: &Images,
    library: &Library,
    hash: BlobHash,
    method: &Method,
    headers: &HeaderMap,
) -> Response {
    let location = match library.blocking(move |library| library.blobs().locate(hash)).await {
        Ok(Some(location)) => Arc::new(location),
        Ok(None) => match partial::find(library, hash, method, headers).await {
            Ok(partial::Found::Stored(location)) => location,
            Ok(partial::Found::Partial(response)) => return response,
            Err(e) => return error_response(hash, &e),
        },
        Err(e) => return error_response(hash, &e),
    };
    match images.check_original(hash, &location).await {
        Ok(()) => response::of_blob(hash, location, method, headers).await,
        // Audio, video or captions.
        Err(ImageError::UnsupportedFormat) if !is_image_request(headers) => {
            response::of_blob(hash, location, method, headers).await
        }
        Err(e) => refusal_response(hash, &e),
    }
}

/// Returns whether the response will be decoded as an image, according to Fetch Metadata. The UI
/// decodes any format.
fn is_image_request(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-dest").is_some_and(|dest| dest == "image")
}

async fn variant(
    images: &Images,
    library: &Library,
    hash: BlobHash,
    request: ImageRequest,
    method: &Method,
    headers: &HeaderMap,
) -> Response {
    let source = match library.blob(hash).await {
        Ok(location) => Arc::new(location),
        Err(e) => return error_response(hash, &e),
    };
    match images.variant(library, hash, source.clone(), request).await {
        Ok(Variant::Original) => response::of_blob(hash, source, method, headers).await,
        Ok(Variant::Created(created)) => match located(library, created).await {
            Ok(location) => response::of_blob(created, location, method, headers).await,
            Err(e) => error_response(created, &e),
        },
        Err(e) => refusal_response(hash, &e),
    }
}

fn refusal_response(hash: BlobHash, error: &ImageError) -> Response {
    tracing::info!(blob.hash = ?hash, error = %error, "image refused");
    let status = StatusCode::from_u16(error.status());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, error.to_string()).into_response()
}

async fn located(library: &Library, hash: BlobHash) -> Result<Arc<BlobLocation>> {
    let gone = || Error::NotDownloaded { what: hash.to_hex(), size: None };
    let found = library.blocking(move |library| library.blobs().locate(hash)).await?;
    found.map(Arc::new).ok_or_else(gone)
}

fn error_response(hash: BlobHash, e: &Error) -> Response {
    let status = match e {
        Error::NotDownloaded { .. } | Error::Net(Net::Offline { .. }) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Error::NotFound(_) => StatusCode::NOT_FOUND,
        Error::Corrupt(_) | Error::Net(Net::BadReply { .. }) => StatusCode::BAD_GATEWAY,
        e if e.is_full() => StatusCode::INSUFFICIENT_STORAGE,
        e => {
            tracing::warn!(blob.hash = ?hash, error = %e, "cannot serve a blob");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    status.into_response()
}
