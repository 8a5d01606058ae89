//! Starts and stops a server: opens the data folder, accepts connections and shuts down gracefully.
//!
//! Not here: the command line and signals (`main`).

use std::{convert::Infallible, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulConnection},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use crate::{
    config::{Config, Settings},
    connections::{
        CloseReason, Connection, ConnectionLimits, Connections, Deadlines, WatchedBody,
        WatchedSocket,
    },
    data_dir::DataDir,
    error::{Error, io},
    folders::lock,
    http::{self, App, Peer},
    jobs::JobRunner,
    publish::ImportReport,
    tls::{Tls, first_byte},
};

/// Time limit for the graceful shutdown of an idle connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Maximum number of waiting connections closed when `accept` fails, usually for lack of file descriptors.
const SHED_COUNT: usize = 64;
/// Delay before `accept` is retried, in which the connections are closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// Maximum number of unsent bytes of a response in the kernel.
const MAX_UNSENT_BYTES: u32 = 32 * 1024;
/// Maximum number of concurrent streams of one HTTP/2 connection.
const MAX_HTTP2_STREAMS: u32 = 64;
/// Limits of hyper. They are above those of `http::layers`, which replies with problem details.
const MAX_HEAD_BUFFER: usize = 4 * http::MAX_HEADER_BYTES;
const MAX_HEADER_LINES: usize = 4 * http::MAX_HEADERS;
/// Time limit for open requests when the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Starts servers in this process.
pub struct Server;

/// A running server. Dropping it stops the server without waiting for open requests; `shutdown` waits for them.
pub struct RunningServer {
    /// The address on which the server listens, with the actual port.
    pub addr: SocketAddr,
    tls: Option<Tls>,
    data: Arc<DataDir>,
    app: App,
    connections: Arc<Connections>,
    stopping: CancellationToken,
    accepting: Option<JoinHandle<()>>,
    jobs: Option<JoinHandle<()>>,
    _lock: std::fs::File,
}

impl Server {
    /// Opens the data folder and starts the server.
    pub async fn start(mut config: Config) -> Result<RunningServer, Error> {
        let tls = Tls::of(&config.settings)?;
        config.settings.behind_tls |= tls.is_some();
        std::fs::create_dir_all(&config.data_dir).map_err(io("create", &config.data_dir))?;
        let lock = lock(&config.data_dir)?;
        let data = Arc::new(DataDir::open(config)?);
        let address = data.config.listen;
        let listen_error = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen_error)?;
        let addr = listener.local_addr().map_err(listen_error)?;
        for warning in public_access_warnings(addr, &data.config.settings) {
            tracing::warn!(server.addr = %addr, "{warning}");
        }
        let now_ms = data.config.clock.now_ms();
        if !crate::clock::is_plausible(now_ms) {
            tracing::error!(
                server.now_ms = now_ms,
                "the clock of this computer was never set: sign-ins and changes are refused with 503 until it is set"
            );
        }
        let app = data.app()?;
        let stopping = app.stopping.clone();
        let router = http::app(app.clone());
        let settings = &data.config.settings;
        let limits = ConnectionLimits::of(settings);
        let connections = Connections::new(limits, Deadlines::of(settings));
        let accepting =
            accept(listener, tls.clone(), router, stopping.clone(), Arc::clone(&connections));
        let accepting = Some(tokio::spawn(accepting));
        let jobs = settings
            .run_jobs
            .then(|| tokio::spawn(JobRunner::new(Arc::clone(&data)).serve(stopping.clone())));
        tracing::info!(server.addr = %addr, connections.max = limits.total, "listening");
        if limits.total < settings.max_connections {
            tracing::warn!(
                connections.max = limits.total,
                connections.wanted = settings.max_connections,
                "the limit of open files allows fewer connections than configured; hint: raise LimitNOFILE or ulimit -n"
            );
        }
        Ok(RunningServer {
            addr,
            tls,
            data,
            app,
            connections,
            stopping,
            accepting,
            jobs,
            _lock: lock,
        })
    }
}

/// Returns warnings about access without an account, if the address is not a loopback address.
fn public_access_warnings(addr: SocketAddr, settings: &Settings) -> Vec<&'static str> {
    if addr.ip().to_canonical().is_loopback() {
        return Vec::new();
    }
    let registration =
        "registration is open: anyone who can reach this address can register (registration_open)";
    let catalogue = "the catalogue is public: anyone who can reach this address can read all courses (public_catalogue)";
    [(settings.registration_open, registration), (settings.public_catalogue, catalogue)]
        .into_iter()
        .filter_map(|(is_open, warning)| is_open.then_some(warning))
        .collect()
}

impl RunningServer {
    /// Returns `http://` or `https://` and the address.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.addr)
    }
    /// Returns the state of the handlers, for tests.
    pub fn app(&self) -> &App {
        &self.app
    }
    /// Returns the TLS of the server, if it has a certificate.
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }
    /// Returns the number of open connections, without those that the server is closing.
    pub fn connections(&self) -> usize {
        self.connections.count()
    }
    pub fn data(&self) -> &DataDir {
        &self.data
    }
    /// Imports packages into the running server.
    pub async fn import(&self, paths: &[PathBuf]) -> Result<ImportReport, Error> {
        self.data.import(paths).await
    }
    /// Stops the server: accepts no new connections, waits for open requests (event streams end at once) and closes the
    /// database.
    pub async fn shutdown(mut self) {
        self.stopping.cancel();
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.await;
        }
        if let Some(jobs) = self.jobs.take() {
            let _ = jobs.await;
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
    tls: Option<Tls>,
    router: Router,
    stopping: CancellationToken,
    connections: Arc<Connections>,
) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // The deadlines of `connections` cover heads; hyper's own timeout starts only after it has detected the HTTP
    // version.
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
        .max_concurrent_streams(MAX_HTTP2_STREAMS);
    let tasks = TaskTracker::new();
    let watched = Arc::clone(&connections);
    let sweeper = tokio::spawn(async move {
        let mut tick = tokio::time::interval(watched.deadlines().tick());
        loop {
            watched.sweep(tick.tick().await);
        }
    });
    let reloading = tls.clone().map(|tls| tokio::spawn(tls.reload()));
    loop {
        let (socket, peer) = tokio::select! {
            () = stopping.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(e) => {
                    // Usually no file descriptor is free; closing waiting connections frees some.
                    let closed = connections.shed(SHED_COUNT);
                    tracing::warn!(error = %e, connections.closed = closed, "failed to accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let Some(slot) = connections.admit(peer.ip(), tokio::time::Instant::now()) else {
            if tls.is_none() {
                refuse(&socket);
            }
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
        let socket = WatchedSocket::new(socket, Arc::clone(&connection));
        let (builder, tls, stopping) = (builder.clone(), tls.clone(), stopping.clone());
        tasks.spawn(async move {
            let _slot = slot;
            let Some(tls) = tls else {
                let served = builder.serve_connection(TokioIo::new(socket), service).into_owned();
                return serve(served, &connection, &stopping).await;
            };
            let handshake =
                async { tls.accept(socket, async |s| first_byte(s.get_ref()).await).await?.await };
            let accepted = tokio::select! {
                accepted = handshake => accepted,
                () = stopping.cancelled() => return,
                () = connection.closing.cancelled() => return,
            };
            match accepted {
                Ok(socket) => {
                    let served =
                        builder.serve_connection(TokioIo::new(socket), service).into_owned();
                    serve(served, &connection, &stopping).await;
                }
                Err(e) => tracing::debug!(error = %e, "TLS handshake failed"),
            }
        });
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
    sweeper.abort();
    if let Some(reloading) = reloading {
        reloading.abort();
    }
}

/// Serves a connection until it ends, the server stops, or the connection misses a deadline.
async fn serve<C>(served: C, connection: &Connection, stopping: &CancellationToken)
where
    C: GracefulConnection<Error: std::fmt::Display>,
{
    let mut served = std::pin::pin!(served);
    let grace = tokio::select! {
        ended = served.as_mut() => return log_end(ended),
        () = stopping.cancelled() => STOP_TIMEOUT,
        () = connection.closing.cancelled() => CLOSE_TIMEOUT,
    };
    match connection.close_reason() {
        // The client missed a deadline, so the connection is closed at once.
        Some(reason @ (CloseReason::Head | CloseReason::Write)) => {
            tracing::debug!(reason = ?reason, "a connection was closed at its deadline");
        }
        // Other connections are shut down gracefully (HTTP/2: GOAWAY), so that clients send further requests on
        // another connection.
        _ => {
            served.as_mut().graceful_shutdown();
            if let Ok(ended) = tokio::time::timeout(grace, served).await {
                log_end(ended);
            }
        }
    }
}

fn log_end<E: std::fmt::Display>(ended: Result<(), E>) {
    if let Err(e) = ended {
        tracing::debug!(error = %e, "connection error");
    }
}

/// Limits the unsent data in the kernel. Otherwise a send buffer of megabytes would accept a response that the client
/// does not read, and a slow reader would make progress only in large steps.
fn limit_unsent(socket: &tokio::net::TcpStream) {
    let socket = socket2::SockRef::from(socket);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_notsent_lowat(MAX_UNSENT_BYTES);
    #[cfg(not(target_os = "linux"))]
    let _ = socket.set_send_buffer_size(4 * MAX_UNSENT_BYTES as usize);
}

/// Sends a 503 with `retry-after` to a client that cannot be admitted. Does not block; bytes that do not fit into the
/// socket buffer are not sent.
fn refuse(socket: &tokio::net::TcpStream) {
    let _ = socket.try_write(
        b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_access_from_the_network_causes_a_warning() {
        let open = |addr: &str, registration_open: bool, public_catalogue: bool| {
            let settings = Settings { registration_open, public_catalogue, ..Settings::default() };
            let warnings = public_access_warnings(addr.parse().unwrap(), &settings);
            ["registration_open", "public_catalogue"]
                .map(|key| warnings.iter().filter(|warning| warning.contains(key)).count())
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
