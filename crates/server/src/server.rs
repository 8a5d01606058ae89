//! A server in this process: opens the data folder, listens, stops gracefully.
//!
//! Not here: command lines, signals (the program's).

use std::{convert::Infallible, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::{
    backup,
    blobs::BlobFolder,
    config::Config,
    error::{Error, io},
    http::{self, App, Peer, State},
    import::{self, ImportReport},
    news::NewsBoard,
    password::Passwords,
    signing,
    store::{SqliteStore, Store},
    throttle::Throttle,
};

/// A request's head must have arrived by then: slow ones cost a socket, not the server.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// How long open requests may take to end when the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// Failed sign-ins and registrations are counted over this long.
const WINDOW_MS: i64 = 15 * 60_000;
/// Registrations from one address in a window: a class behind one router signs up in one lesson.
const REGISTRATIONS: u32 = 200;

/// An opened data folder that is not (yet) served: what commands and tests work on.
pub struct Library {
    pub config: Config,
    pub store: Arc<SqliteStore>,
    pub key: ed25519_dalek::SigningKey,
    pub blobs: BlobFolder,
}

impl Library {
    /// Opens, makes or migrates the data folder. Blocks for some milliseconds.
    pub fn open(config: Config) -> Result<Self, Error> {
        let dir = &config.data_dir;
        std::fs::create_dir_all(dir).map_err(io("create", dir))?;
        let blobs = BlobFolder::of(dir);
        std::fs::create_dir_all(blobs.root()).map_err(io("create", blobs.root()))?;
        let key = signing::open(dir)?;
        let s = &config.settings;
        let store = SqliteStore::open(dir, s.readers, s.slow_query_ms, config.clock.now_ms())?;
        Ok(Self { store: Arc::new(store), key, blobs, config })
    }
    /// Compiles and publishes packages: courses, stories, libraries of them, zips, Storybooks folders.
    pub async fn import(&self, paths: &[PathBuf]) -> Result<ImportReport, Error> {
        import::import(self, paths, &[]).await
    }
    /// The same, and course files of other libraries whose keys have these fingerprints.
    pub async fn import_from(
        &self,
        paths: &[PathBuf],
        accept: &[String],
    ) -> Result<ImportReport, Error> {
        import::import(self, paths, accept).await
    }
    /// The fingerprint of this server's key, for people to compare.
    pub fn fingerprint(&self) -> String {
        carrel_cable::fingerprint(&signing::public_hex(&self.key))
    }
    /// The state behind the routes.
    pub fn app(&self) -> Result<App, Error> {
        Ok(App::new(State {
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            clock: Arc::clone(&self.config.clock),
            settings: self.config.settings.clone(),
            blobs: self.blobs.clone(),
            signing_key: signing::public_hex(&self.key),
            signer: self.key.clone(),
            passwords: Passwords::new()?,
            sign_ins: Throttle::new(WINDOW_MS, self.config.settings.login_attempts),
            registrations: Throttle::new(WINDOW_MS, REGISTRATIONS),
            news: NewsBoard::default(),
            stopping: CancellationToken::new(),
        }))
    }
}

/// See `Server::start`.
pub struct Server;

/// A server that listens. Dropping it stops it without waiting; `shutdown` waits.
pub struct RunningServer {
    /// Where it listens, with the real port.
    pub addr: SocketAddr,
    library: Library,
    app: App,
    stopping: CancellationToken,
    accepting: Option<JoinHandle<()>>,
    _lock: std::fs::File,
}

impl Server {
    /// Opens the data folder and listens.
    pub async fn start(config: Config) -> Result<RunningServer, Error> {
        std::fs::create_dir_all(&config.data_dir).map_err(io("create", &config.data_dir))?;
        let lock = backup::lock(&config.data_dir)?;
        let library = Library::open(config)?;
        let address = library.config.listen;
        let listening = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listening)?;
        let addr = listener.local_addr().map_err(listening)?;
        let app = library.app()?;
        let stopping = app.stopping.clone();
        let router = http::app(app.clone());
        let most = library.config.settings.max_connections.max(1);
        let accepting = tokio::spawn(accept(listener, router, stopping.clone(), most));
        tracing::info!(server.addr = %addr, "listening");
        Ok(RunningServer { addr, library, app, stopping, accepting: Some(accepting), _lock: lock })
    }
}

impl RunningServer {
    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
    /// The state behind the routes, for tests that look inside.
    pub fn app(&self) -> &App {
        &self.app
    }
    pub fn library(&self) -> &Library {
        &self.library
    }
    /// Imports into the running server.
    pub async fn import(&self, paths: &[PathBuf]) -> Result<ImportReport, Error> {
        self.library.import(paths).await
    }
    /// Stops: no new connections, open requests end (event streams at once), the database is closed.
    pub async fn shutdown(mut self) {
        self.stopping.cancel();
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.await;
        }
        tracing::info!(server.addr = %self.addr, "stopped");
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

async fn accept(listener: TcpListener, router: Router, stopping: CancellationToken, most: usize) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(Duration::from_secs(30)));
    let open = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(most));
    loop {
        let taken = tokio::select! {
            () = stopping.cancelled() => break,
            slot = Arc::clone(&slots).acquire_owned() => slot,
        };
        let Ok(slot) = taken else { break };
        let (socket, peer) = tokio::select! {
            () = stopping.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(e) => {
                    // Out of descriptors, mostly: the others go on, this one comes back.
                    tracing::warn!(error = %e, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let _ = socket.set_nodelay(true);
        let router = router.clone();
        let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer.ip()));
            let router = router.clone();
            async move {
                Ok::<_, Infallible>(
                    router.oneshot(request).await.unwrap_or_else(|never| match never {}),
                )
            }
        });
        let connection = builder.serve_connection(TokioIo::new(socket), service).into_owned();
        let connection = open.watch(connection);
        let cut = stopping.clone();
        tokio::spawn(async move {
            let _slot = slot;
            let stopped = async {
                cut.cancelled().await;
                tokio::time::sleep(STOP_TIMEOUT).await;
            };
            tokio::select! {
                ended = connection => {
                    if let Err(e) = ended {
                        tracing::debug!(error = %e, "a connection broke");
                    }
                }
                () = stopped => {}
            }
        });
    }
    drop(listener);
    open.shutdown().await;
}
