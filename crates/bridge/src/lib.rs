//! Serves the command registry over loopback HTTP. Browser tests and `cargo xtask dev` run the UI with the real client
//! through it. Not part of a release.
//!
//! | Request | Reply |
//! |---|---|
//! | `POST /api/call/<command>` | the command's reply; the body is its request as JSON |
//! | `GET /api/events` | the client's events, as server-sent events |
//! | any other path | a file of the built UI |
//!
//! Not here: the commands themselves (`carrel_commands`).

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{
    Json, Router,
    extract::{Path as UrlPath, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use carrel_client::Client;
use carrel_commands::{Host, api::error::CommandError, dispatch_action, events};
use carrel_diagnostics::Diagnostics;
use futures_util::{Stream, StreamExt};
use serde_json::Value;
use tokio::{net::TcpListener, sync::broadcast, task::JoinHandle};
use tokio_stream::wrappers::BroadcastStream;
use tower_http::{services::ServeDir, set_header::SetResponseHeaderLayer};

/// Header with the UI's id of a call.
const ACTION: &str = "x-carrel-action";

/// The app's configuration, which contains the content security policy.
const TAURI_CONFIG: &str = include_str!("../../../tauri.conf.json");

/// Returns the app's content security policy. It allows the page to call its own origin, which is the bridge.
pub fn content_security_policy() -> Option<HeaderValue> {
    let config: Value = serde_json::from_str(TAURI_CONFIG).ok()?;
    let directives = config.pointer("/app/security/csp")?.as_object()?;
    let policy: Option<Vec<_>> = directives
        .iter()
        .map(|(name, sources)| Some(format!("{name} {}", sources.as_str()?)))
        .collect();
    policy?.join("; ").parse().ok()
}

/// The host of the commands when the UI runs in a browser.
struct BrowserHost {
    client: Arc<Client>,
    diagnostics: Arc<Diagnostics>,
}

impl Host for BrowserHost {
    fn client(&self) -> &Arc<Client> {
        &self.client
    }
    fn open_url(&self, _url: &str) -> Result<(), CommandError> {
        Err(CommandError::unavailable("the browser bridge cannot open external pages"))
    }
    fn downloads_dir(&self) -> Option<PathBuf> {
        let folder = self.client.config().data_dir.join("downloads");
        std::fs::create_dir_all(&folder).ok().map(|()| folder)
    }
    fn diagnostics(&self) -> Option<&Arc<Diagnostics>> {
        Some(&self.diagnostics)
    }
}

/// A running bridge. It stops when dropped.
pub struct Bridge {
    pub addr: SocketAddr,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

#[derive(Clone)]
struct Shared {
    host: Arc<dyn Host>,
    events: broadcast::Sender<Value>,
}

impl Bridge {
    /// Starts a bridge that serves the commands of `client` and the built UI in the folder `ui`. Port 0 selects a free
    /// port.
    pub async fn start(
        client: Arc<Client>,
        diagnostics: Arc<Diagnostics>,
        ui: &Path,
        port: u16,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let addr = listener.local_addr()?;
        let (sender, _) = broadcast::channel(256);
        let forwarded = sender.clone();
        let forward = events::forward(client.clone(), move |event| {
            if let Ok(value) = serde_json::to_value(event) {
                // An error means that no page is listening.
                let _ = forwarded.send(value);
            }
        });
        let shared = Shared { host: Arc::new(BrowserHost { client, diagnostics }), events: sender };
        let app = Router::new()
            .route("/api/call/{name}", post(call))
            .route("/api/events", get(stream_events))
            .fallback_service(ServeDir::new(ui))
            .layer(SetResponseHeaderLayer::overriding(
                header::CONTENT_SECURITY_POLICY,
                content_security_policy().ok_or_else(|| {
                    std::io::Error::other("tauri.conf.json has no content security policy")
                })?,
            ))
            .with_state(shared);
        let serve = async move {
            if let Err(e) = axum::serve(listener, app).await {
                tracing::error!(error = %e, "the bridge's HTTP server stopped");
            }
        };
        Ok(Self { addr, tasks: [tokio::spawn(forward), tokio::spawn(serve)] })
    }
}

async fn call(
    State(shared): State<Shared>,
    UrlPath(name): UrlPath<String>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Response {
    let action = headers.get(ACTION).and_then(|id| id.to_str().ok()).unwrap_or_default();
    match dispatch_action(shared.host.as_ref(), &name, request, action).await {
        Ok(reply) => Json(reply).into_response(),
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, Json(error)).into_response(),
    }
}

async fn stream_events(
    State(shared): State<Shared>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let host = shared.host.clone();
    let events = BroadcastStream::new(shared.events.subscribe()).then(move |event| {
        let host = host.clone();
        async move {
            match event {
                Ok(event) => vec![event],
                // The page missed events, so the complete state is sent.
                Err(_) => {
                    let all = events::all_events(host.client()).await.into_iter();
                    all.filter_map(|event| serde_json::to_value(event).ok()).collect()
                }
            }
        }
    });
    let events = events.flat_map(|events| {
        let events = events.into_iter().map(|e| Ok(Event::default().data(e.to_string())));
        futures_util::stream::iter(events)
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_security_policy_of_the_app_allows_calls_to_the_bridge() {
        let policy = content_security_policy().unwrap();
        let policy = policy.to_str().unwrap();
        let config: Value = serde_json::from_str(TAURI_CONFIG).unwrap();
        let directives = config.pointer("/app/security/csp").unwrap().as_object().unwrap();
        assert_eq!(policy.split("; ").count(), directives.len());
        for (name, sources) in directives {
            assert!(policy.contains(&format!("{name} {}", sources.as_str().unwrap())), "{name}");
        }
        let directive = |name: &str| policy.split(';').find_map(|d| d.trim().strip_prefix(name));
        assert!(directive("connect-src ").is_some_and(|d| d.contains("'self'")), "{policy}");
        assert!(directive("script-src ").is_none_or(|d| !d.contains("'unsafe-")), "{policy}");
    }
}
