//! The accept loop, and the graceful end of connections.
//!
//! Not here: which connection is closed at a limit or a deadline (`connections`).

use std::{convert::Infallible, net::IpAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulConnection},
};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use crate::{
    connections::{CloseReason, Connection, Connections, WatchedBody, WatchedSocket},
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
/// Time limit for open requests when the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// The address of the client of a request, as an extension.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Limits of the HTTP parser.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Buffer for a request head in bytes.
    pub head_buffer: usize,
    /// Number of header fields of HTTP/1.1.
    pub header_lines: usize,
    /// Size of the header fields of HTTP/2 in bytes.
    pub http2_header_list: u32,
    /// Number of concurrent streams of one HTTP/2 connection.
    pub http2_streams: u32,
}

/// A bound socket with its connections.
pub struct Listener {
    /// The bound socket.
    pub listener: TcpListener,
    /// Certificate; `None` for connections without TLS.
    pub tls: Option<Tls>,
    /// Limits of the HTTP parser.
    pub limits: Limits,
    /// The open connections.
    pub connections: Arc<Connections>,
}

impl Listener {
    /// Serves connections until `stopping` is cancelled, and then until open requests have ended or their time limit
    /// passed.
    pub async fn serve(self, router: Router, stopping: CancellationToken) {
        let Self { listener, tls, limits, connections } = self;
        let mut builder = auto::Builder::new(TokioExecutor::new());
        // The deadlines of `connections` cover heads; hyper's own timeout starts only after it has detected the HTTP
        // version.
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_buf_size(limits.head_buffer)
            .max_headers(limits.header_lines);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(Some(Duration::from_secs(30)))
            .max_header_list_size(limits.http2_header_list)
            .max_concurrent_streams(limits.http2_streams);
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
                    let reply =
                        router.oneshot(request).await.unwrap_or_else(|never| match never {});
                    Ok::<_, Infallible>(reply.map(|body| WatchedBody::new(body, open)))
                }
            });
            let socket = WatchedSocket::new(socket, Arc::clone(&connection));
            let (builder, stopping) = (builder.clone(), stopping.clone());
            // A task of its own for each kind: a task is as large as its largest state, and the states of TLS are twice as
            // large.
            let Some(tls) = tls.clone() else {
                tasks.spawn(async move {
                    let _slot = slot;
                    let served =
                        builder.serve_connection(TokioIo::new(socket), service).into_owned();
                    serve(served, &connection, &stopping).await;
                });
                continue;
            };
            tasks.spawn(async move {
                let _slot = slot;
                let handshake = async {
                    tls.accept(socket, async |s| first_byte(s.get_ref()).await).await?.await
                };
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
