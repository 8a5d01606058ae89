//! The command registry over loopback HTTP, so that a real browser can drive the real core: tests and `cargo xtask dev`. Never shipped.
//!
//! `POST /api/call/<command>` with the request as JSON; `GET /api/events` for what the core tells; everything else is the built UI.

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{
    Json, Router,
    extract::{Path as UrlPath, State},
    http::{HeaderValue, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use carrel_commands::{Host, api::error::CommandError, dispatch, events};
use carrel_core::core::Core;
use futures_util::{Stream, StreamExt};
use serde_json::Value;
use tokio::{net::TcpListener, sync::broadcast, task::JoinHandle};
use tokio_stream::wrappers::BroadcastStream;
use tower_http::{services::ServeDir, set_header::SetResponseHeaderLayer};

/// The same policy as in the app, but that the bridge itself may be called.
const CSP: &str = "default-src 'self'; img-src 'self' data: blob: http://127.0.0.1:*; media-src blob: http://127.0.0.1:*; \
                   style-src 'self' 'unsafe-inline'; script-src 'self'; connect-src 'self' http://127.0.0.1:*; object-src 'none'; \
                   base-uri 'none'; form-action 'none'";

/// A browser as the host of commands.
struct BrowserHost {
    core: Arc<Core>,
}

impl Host for BrowserHost {
    fn core(&self) -> &Arc<Core> {
        &self.core
    }
    fn open_url(&self, _url: &str) -> Result<(), CommandError> {
        Err(CommandError::unavailable("the bridge opens no other pages"))
    }
    fn downloads_dir(&self) -> Option<PathBuf> {
        let folder = self.core.config().data_dir.join("downloads");
        std::fs::create_dir_all(&folder).ok().map(|()| folder)
    }
}

/// The running bridge. It ends when dropped.
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
    /// Serves the commands of `core` and the files of `ui` (the built UI) on the loopback address; port 0 takes a free one.
    pub async fn start(core: Arc<Core>, ui: &Path, port: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let addr = listener.local_addr()?;
        let (sender, _) = broadcast::channel(256);
        let telling = sender.clone();
        let forward = events::forward(core.clone(), move |event| {
            if let Ok(value) = serde_json::to_value(event) {
                // Nobody listening is fine.
                let _ = telling.send(value);
            }
        });
        let shared = Shared { host: Arc::new(BrowserHost { core }), events: sender };
        let app = Router::new()
            .route("/api/call/{name}", post(call))
            .route("/api/events", get(listen))
            .fallback_service(ServeDir::new(ui))
            .layer(SetResponseHeaderLayer::overriding(
                header::CONTENT_SECURITY_POLICY,
                HeaderValue::from_static(CSP),
            ))
            .with_state(shared);
        let serve = async move {
            if let Err(e) = axum::serve(listener, app).await {
                tracing::error!(error = %e, "the bridge ended");
            }
        };
        Ok(Self { addr, tasks: [tokio::spawn(forward), tokio::spawn(serve)] })
    }
}

async fn call(
    State(shared): State<Shared>,
    UrlPath(name): UrlPath<String>,
    Json(request): Json<Value>,
) -> Response {
    match dispatch(shared.host.as_ref(), &name, request).await {
        Ok(reply) => Json(reply).into_response(),
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, Json(error)).into_response(),
    }
}

async fn listen(
    State(shared): State<Shared>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let host = shared.host.clone();
    let events = BroadcastStream::new(shared.events.subscribe()).then(move |event| {
        let host = host.clone();
        async move {
            match event {
                Ok(event) => vec![event],
                // Some were lost on the way to this page: it is told everything anew.
                Err(_) => {
                    let all = events::everything(host.core()).await.into_iter();
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
