//! The loopback server: one port, one token, the same access rules for all routes.
//!
//! The first path segment of a request must be the 256-bit token of this server, and `Host` must be its
//! address, which prevents DNS rebinding. A foreign `Origin` gets 404, like a wrong token.
//!
//! Not here: the routes (`mod`; uploads: `carrel-client`).

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::{RawPathParams, Request, State, rejection::RawPathParamsRejection},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use carrel_model::BlobHash;
use carrel_system::IdGen;

use crate::Result;

/// Origins of the app's UI. The first: Linux, macOS, iOS; the others: Windows, Android.
const OWN_ORIGINS: [&str; 3] =
    ["tauri://localhost", "http://tauri.localhost", "https://tauri.localhost"];

/// Debug builds also accept origins on this machine, because the UI may run in a browser.
const DEVELOPMENT: bool = cfg!(debug_assertions);

/// A running server. Stops when dropped.
pub(super) struct Loopback {
    addr: SocketAddr,
    token: Arc<str>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Clone)]
struct AccessRules {
    token: Arc<str>,
    host: Arc<str>,
}

impl Loopback {
    /// Serves `routes` under the token on a free port of the loopback address.
    pub(super) async fn start(ids: &dyn IdGen, routes: Router) -> Result<Self> {
        let mut secret = [0; 32];
        ids.fill(&mut secret);
        let token: Arc<str> = BlobHash(secret).to_hex().into();
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let rules = AccessRules { token: token.clone(), host: addr.to_string().into() };
        let routes = routes.layer(middleware::from_fn_with_state(rules, check));
        let app = Router::new().nest("/{token}", routes);
        let task = tokio::spawn(async move {
            if let Err(e) = axum::serve(listener, app).await {
                tracing::error!(error = %e, "loopback server stopped");
            }
        });
        Ok(Self { addr, token, task })
    }

    /// Returns the base URL, which ends with `/`.
    pub(super) fn base_url(&self) -> String {
        format!("http://{}/{}/", self.addr, self.token)
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn check(
    State(rules): State<AccessRules>,
    segments: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let is_host = headers.get(header::HOST).is_some_and(|h| h.as_bytes() == rules.host.as_bytes());
    let mut segments = segments.iter().flatten();
    let token = segments.find(|(name, _)| *name == "token").map_or("", |(_, value)| value);
    // Hashes are compared, so that the duration of the comparison does not reveal the token.
    let is_token = blake3::hash(token.as_bytes()) == blake3::hash(rules.token.as_bytes());
    let origin = headers.get(header::ORIGIN).cloned();
    let is_foreign = origin.as_ref().is_some_and(|o| !is_own_origin(o, DEVELOPMENT));
    let mut response = if !is_host || !is_token || is_foreign {
        StatusCode::NOT_FOUND.into_response()
    } else if request.method() == Method::OPTIONS {
        let allowed = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, PUT"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type"),
        ];
        (StatusCode::NO_CONTENT, allowed).into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Blocks scripts and references in SVG images.
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox"),
    );
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin.filter(|_| !is_foreign) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    response
}

/// Returns whether the origin is the app's UI or, in `development`, an address of this machine. Other
/// origins may not read responses, even with the token.
fn is_own_origin(origin: &HeaderValue, development: bool) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let local = || {
        ["http://127.0.0.1:", "http://localhost:"]
            .iter()
            .any(|start| origin.strip_prefix(start).is_some_and(|port| port.parse::<u16>().is_ok()))
    };
    OWN_ORIGINS.contains(&origin) || development && local()
}

#[cfg(test)]
mod tests;
