//! Serves the compiled content of a check to a browser on this computer.
//!
//! Only the loopback address is bound. A request must name that address in `Host`, so that a web page cannot reach the
//! preview through a name of its own. The pages load nothing from elsewhere. Not here: the HTML (`page`).

mod page;

use std::{io::SeekFrom, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use carrel_model::{
    BlobHash,
    range::{ResolvedRange, resolve_range},
};
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, AsyncSeekExt},
    sync::watch,
};
use tokio_util::io::ReaderStream;

use crate::snapshot::Snapshot;

/// Policy of the pages: everything from this server, scripts only from its own file.
const PAGE_POLICY: &str = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'self'; script-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Policy of blobs, which include drawings: no scripts, no requests.
const BLOB_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox";

/// Time after which a request for changes is answered without a change.
const MAX_WAIT: Duration = Duration::from_secs(20);

type Snapshots = watch::Receiver<Arc<Snapshot>>;

/// Returns the routes. `port` is that of the server.
pub(crate) fn router(snapshots: Snapshots, port: u16) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/package/{index}", get(package))
        .route("/blob/{hash}", get(blob))
        .route("/changes", get(changes))
        .route("/preview.css", get(async || asset("text/css", include_str!("preview.css"))))
        .route("/preview.js", get(async || asset("text/javascript", include_str!("preview.js"))))
        .layer(middleware::from_fn(move |request, next| guard(port, request, next)))
        .with_state(snapshots)
}

/// Refuses requests for another host, and sets the headers of all replies.
async fn guard(port: u16, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let is_own = host.is_some_and(|host| {
        [format!("127.0.0.1:{port}"), format!("localhost:{port}")].iter().any(|own| own == host)
    });
    let mut response = if is_own {
        next.run(request).await
    } else {
        (StatusCode::MISDIRECTED_REQUEST, "open the address that the command printed\n")
            .into_response()
    };
    let headers = response.headers_mut();
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(PAGE_POLICY));
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn index(State(snapshots): State<Snapshots>) -> Html<String> {
    let snapshot = Arc::clone(&snapshots.borrow());
    Html(page::index(&snapshot))
}

async fn package(State(snapshots): State<Snapshots>, Path(index): Path<usize>) -> Response {
    let snapshot = Arc::clone(&snapshots.borrow());
    // Bodies are read from files.
    let html = tokio::task::spawn_blocking(move || page::package(&snapshot, index)).await;
    match html.ok().flatten() {
        Some(html) => Html(html).into_response(),
        None => not_found(),
    }
}

/// Returns a blob. Browsers play sound and film at another place only from a server that answers ranges.
async fn blob(
    State(snapshots): State<Snapshots>,
    Path(hash): Path<String>,
    request: HeaderMap,
) -> Response {
    let file: Option<(PathBuf, String)> = BlobHash::from_str(&hash)
        .ok()
        .and_then(|hash| snapshots.borrow().blobs.get(&hash).cloned());
    let Some((path, media_type)) = file else { return not_found() };
    let (Ok(mut file), Ok(media_type)) =
        (tokio::fs::File::open(path).await, HeaderValue::from_str(&media_type))
    else {
        return not_found();
    };
    let Ok(size) = file.metadata().await.map(|metadata| metadata.len()) else {
        return not_found();
    };
    // A blob never changes, so `If-Range` always applies.
    let range = request.get(header::RANGE).and_then(|range| range.to_str().ok());
    let (status, first, length) = match resolve_range(range, size) {
        ResolvedRange::Whole => (StatusCode::OK, 0, size),
        ResolvedRange::Range { first, last } => {
            (StatusCode::PARTIAL_CONTENT, first, last - first + 1)
        }
        ResolvedRange::Unsatisfiable => {
            let range = format!("bytes */{size}");
            return (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, range)])
                .into_response();
        }
    };
    if file.seek(SeekFrom::Start(first)).await.is_err() {
        return not_found();
    }
    let body = Body::from_stream(ReaderStream::new(file.take(length)));
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(BLOB_POLICY)),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (header::CONTENT_LENGTH, HeaderValue::from(length)),
    ];
    let mut response = (status, headers, body).into_response();
    let range = format!("bytes {first}-{}/{size}", (first + length).saturating_sub(1));
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(range) = HeaderValue::from_str(&range)
    {
        response.headers_mut().insert(header::CONTENT_RANGE, range);
    }
    response
}

#[derive(Deserialize)]
struct After {
    after: u64,
}

/// Waits for a check after number `after`. Replies with the number of the last check.
async fn changes(
    State(mut snapshots): State<Snapshots>,
    Query(After { after }): Query<After>,
) -> String {
    let changed = snapshots.wait_for(|snapshot| snapshot.generation > after);
    let generation = match tokio::time::timeout(MAX_WAIT, changed).await {
        Ok(Ok(snapshot)) => snapshot.generation,
        _ => after,
    };
    generation.to_string()
}

fn asset(media_type: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, format!("{media_type}; charset=utf-8"))], text)
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "there is no such page\n").into_response()
}
