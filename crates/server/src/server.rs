//! A server in this process: opens the data folder, listens, stops gracefully.
//!
//! Not here: command lines, signals (the program's).

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{Router, body::Body};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use crate::{
    backup,
    blobs::BlobFolder,
    config::{Config, Settings},
    connections::{Caps, Closed, Connections, Deadlines, WatchedBody, WatchedSocket},
    error::{Error, io},
    http::{self, App, Peer, State},
    import::{self, ImportReport},
    news::NewsBoard,
    password::Passwords,
    restore, signing,
    store::{Quota, SqliteStore, Store, sqlite},
    throttle::{SignInLimits, Throttle, WINDOW_MS},
    tokens::TokenKeys,
};

/// How long an idle connection may take to end after it was told to.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Idle connections that are closed when the process is out of descriptors.
const SHED: usize = 64;
/// Until `accept` is tried again: closing takes a moment.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// Bytes of a response in the kernel that were not sent.
const UNSENT: u32 = 32 * 1024;
/// Streams of one HTTP/2 connection at a time.
const MAX_STREAMS: u32 = 64;
/// hyper's own limits lie above those of `http::layers`, which answers with problem details.
const MAX_HEAD_BUFFER: usize = 4 * http::MAX_HEADER_BYTES;
const MAX_HEADER_LINES: usize = 4 * http::MAX_HEADERS;
/// How long open requests may take to end when the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// Registrations from one address in a window: a class behind one router signs up in one lesson.
const REGISTRATIONS: u32 = 200;

/// An opened data folder that is not (yet) served: what commands and tests work on.
pub struct Library {
    pub config: Config,
    pub store: Arc<SqliteStore>,
    pub key: ed25519_dalek::SigningKey,
    pub blobs: BlobFolder,
    steps: OnceLock<Steps>,
}

/// Called at each step of an import, with the step's name. Tests end the process there.
pub type Steps = Arc<dyn Fn(&'static str) + Send + Sync>;

impl Library {
    /// From now on `steps` is called at each step of an import.
    pub fn set_steps(&self, steps: Steps) {
        let _ = self.steps.set(steps);
    }
    pub(crate) fn steps(&self) -> Option<Steps> {
        self.steps.get().cloned()
    }
    pub(crate) fn step(&self, name: &'static str) {
        if let Some(steps) = self.steps.get() {
            steps(name);
        }
    }
    /// Opens the data folder of a server, and migrates it. `Error::NoServer` if there is none.
    pub fn open_existing(config: Config) -> Result<Self, Error> {
        backup::need_server(&config.data_dir)?;
        Self::open(config)
    }
    /// Opens, makes or migrates the data folder. Blocks for some milliseconds.
    ///
    /// Errors: `Unfinished` if a restore into the folder was interrupted; `NoDatabase` and `NoSigningKey` if a part of a server is missing.
    pub fn open(config: Config) -> Result<Self, Error> {
        let dir = &config.data_dir;
        std::fs::create_dir_all(dir).map_err(io("create", dir))?;
        restore::refuse_unfinished(dir)?;
        let database = dir.join(sqlite::FILE);
        let has_server = database.metadata().is_ok_and(|m| m.len() > 0);
        let blobs = BlobFolder::of(dir);
        if !has_server && is_remainder(dir, &blobs) {
            return Err(Error::NoDatabase(dir.clone()));
        }
        std::fs::create_dir_all(blobs.root()).map_err(io("create", blobs.root()))?;
        let key = signing::open(dir, has_server)?;
        let s = &config.settings;
        let quota = Quota {
            rows: s.max_rows_per_learner,
            bytes: s.max_mib_per_learner.saturating_mul(1024 * 1024),
        };
        let store = SqliteStore::open(dir, s.readers, s.slow_query_ms, config.clock.now_ms())?;
        let store = store.with_quota(quota);
        Ok(Self { store: Arc::new(store), key, blobs, config, steps: OnceLock::new() })
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
    /// The keys of refresh tokens and account certificates.
    pub fn token_keys(&self) -> TokenKeys {
        TokenKeys::new(&self.key, self.store.token_salt())
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
            tokens: self.token_keys(),
            sign_ins: SignInLimits::new(self.config.settings.login_attempts),
            registrations: Throttle::new(WINDOW_MS, REGISTRATIONS),
            news: NewsBoard::default(),
            stopping: CancellationToken::new(),
        }))
    }
}

/// True if the folder holds what only a server that ran for a while leaves: a new one would hide that its database is lost.
fn is_remainder(dir: &Path, blobs: &BlobFolder) -> bool {
    let holds = |path: &Path| std::fs::read_dir(path).is_ok_and(|mut found| found.next().is_some());
    let was_replaced = std::fs::read_dir(dir).is_ok_and(|found| {
        found.flatten().any(|e| e.file_name().to_string_lossy().starts_with("replaced-"))
    });
    holds(blobs.root()) || holds(&dir.join("backups")) || was_replaced
}

/// See `Server::start`.
pub struct Server;

/// A server that listens. Dropping it stops it without waiting; `shutdown` waits.
pub struct RunningServer {
    /// Where it listens, with the real port.
    pub addr: SocketAddr,
    library: Library,
    app: App,
    connections: Arc<Connections>,
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
        for what in open_to_everybody(addr, &library.config.settings) {
            tracing::warn!(server.addr = %addr, "{what}");
        }
        let app = library.app()?;
        let stopping = app.stopping.clone();
        let router = http::app(app.clone());
        let settings = &library.config.settings;
        let caps = Caps::of(settings);
        let connections = Connections::new(caps, Deadlines::of(settings));
        let accepting = accept(listener, router, stopping.clone(), Arc::clone(&connections));
        let accepting = Some(tokio::spawn(accepting));
        tracing::info!(server.addr = %addr, connections.max = caps.total, "listening");
        if caps.total < settings.max_connections {
            tracing::warn!(
                connections.max = caps.total,
                connections.wanted = settings.max_connections,
                "the limit of open files allows fewer connections; hint: raise LimitNOFILE or ulimit -n"
            );
        }
        Ok(RunningServer { addr, library, app, connections, stopping, accepting, _lock: lock })
    }
}

/// What everybody who reaches the address can do without an account, for the log.
fn open_to_everybody(addr: SocketAddr, settings: &Settings) -> Vec<&'static str> {
    if addr.ip().to_canonical().is_loopback() {
        return Vec::new();
    }
    let registration = "registration is open: everybody who reaches this address can make an account (registration_open)";
    let catalogue = "the catalogue is public: everybody who reaches this address can read all courses (public_catalogue)";
    [(settings.registration_open, registration), (settings.public_catalogue, catalogue)]
        .into_iter()
        .filter_map(|(is_open, what)| is_open.then_some(what))
        .collect()
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
    /// Connections that are open and not about to be closed.
    pub fn connections(&self) -> usize {
        self.connections.live()
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

async fn accept(
    listener: TcpListener,
    router: Router,
    stopping: CancellationToken,
    connections: Arc<Connections>,
) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // The deadlines of `connections` cover heads: hyper's own would begin only once it knows the version.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD_BUFFER)
        .max_headers(MAX_HEADER_LINES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .max_header_list_size(http::MAX_HEADER_BYTES as u32 * 2)
        .max_concurrent_streams(MAX_STREAMS);
    let tasks = TaskTracker::new();
    let watched = Arc::clone(&connections);
    let sweeping = tokio::spawn(async move {
        let mut tick = tokio::time::interval(watched.deadlines().tick());
        loop {
            watched.sweep(tick.tick().await);
        }
    });
    loop {
        let (socket, peer) = tokio::select! {
            () = stopping.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(e) => {
                    // Out of descriptors, mostly: connections that only wait give theirs back.
                    let closed = connections.shed(SHED);
                    tracing::warn!(error = %e, connections.closed = closed, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let Some(slot) = connections.admit(peer.ip(), tokio::time::Instant::now()) else {
            refuse(&socket);
            continue;
        };
        let _ = socket.set_nodelay(true);
        limit_unsent(&socket);
        let connection = Arc::clone(&slot.connection);
        let (router, watched) = (router.clone(), Arc::clone(&connection));
        let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
            let open = watched.begin(request.version() == hyper::Version::HTTP_2);
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer.ip()));
            let router = router.clone();
            async move {
                let reply = router.oneshot(request).await.unwrap_or_else(|never| match never {});
                Ok::<_, Infallible>(reply.map(|body| WatchedBody::new(body, open)))
            }
        });
        let socket = TokioIo::new(WatchedSocket::new(socket, Arc::clone(&connection)));
        let served = builder.serve_connection(socket, service).into_owned();
        let stopping = stopping.clone();
        tasks.spawn(async move {
            let _slot = slot;
            let mut served = std::pin::pin!(served);
            let grace = tokio::select! {
                ended = served.as_mut() => return log_end(ended),
                () = stopping.cancelled() => STOP_TIMEOUT,
                () = connection.closing.cancelled() => CLOSE_TIMEOUT,
            };
            match connection.closed() {
                // What was not read or not sent in time is not waited for any longer.
                Some(why @ (Closed::Head | Closed::Write)) => {
                    tracing::debug!(reason = ?why, "a connection was closed at its deadline");
                }
                // Others are told that it ends (HTTP/2), so that a request on its way is sent again elsewhere.
                _ => {
                    served.as_mut().graceful_shutdown();
                    if let Ok(ended) = tokio::time::timeout(grace, served).await {
                        log_end(ended);
                    }
                }
            }
        });
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
    sweeping.abort();
}

fn log_end<E: std::fmt::Display>(ended: Result<(), E>) {
    if let Err(e) = ended {
        tracing::debug!(error = %e, "a connection broke");
    }
}

/// Keeps little in the kernel that the client has not taken: what the deadlines see as progress is then what the client reads, not what
/// a send buffer of megabytes holds, and a slow reader shows progress every few kilobytes.
fn limit_unsent(socket: &tokio::net::TcpStream) {
    let socket = socket2::SockRef::from(socket);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_notsent_lowat(UNSENT);
    #[cfg(not(target_os = "linux"))]
    let _ = socket.set_send_buffer_size(4 * UNSENT as usize);
}

/// Tells a client for which there is no place that it may come again. What does not fit into the socket at once is not sent.
fn refuse(socket: &tokio::net::TcpStream) {
    let _ = socket.try_write(
        b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_to_everybody_is_said_at_the_start() {
        let open = |addr: &str, registration_open: bool, public_catalogue: bool| {
            let settings = Settings { registration_open, public_catalogue, ..Settings::default() };
            let said = open_to_everybody(addr.parse().unwrap(), &settings);
            ["registration_open", "public_catalogue"]
                .map(|key| said.iter().filter(|what| what.contains(key)).count())
        };
        for addr in ["0.0.0.0:7300", "[::]:7300", "192.168.1.4:7300", "[2001:db8::1]:7300"] {
            assert_eq!(open(addr, true, true), [1, 1], "{addr}");
            assert_eq!(open(addr, true, false), [1, 0], "{addr}");
            assert_eq!(open(addr, false, true), [0, 1], "{addr}");
            assert_eq!(open(addr, false, false), [0, 0], "{addr}");
        }
        for addr in ["127.0.0.1:7300", "127.0.0.9:7300", "[::1]:7300", "[::ffff:127.0.0.1]:7300"] {
            assert_eq!(open(addr, true, true), [0, 0], "{addr}");
        }
    }
}
