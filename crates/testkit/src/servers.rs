//! Small servers on loopback: HTTP with and without TLS, scripted bytes, an HTTP proxy.
//!
//! Not here: the real server (`server`), a server of the sync in memory (`fake_server`).

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        version::{TLS12, TLS13},
    },
};

use crate::certificates::Identity;

/// Reply of `http` and `https`.
const REPLY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// The only version of TLS that a server supports.
#[derive(Clone, Copy)]
pub enum TlsVersion {
    Tls12,
    Tls13,
}

/// Accepts connections on a free port, each handled by `serve`. Returns the port.
pub async fn listen<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> u16
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket));
        }
    });
    port
}

/// Returns a port on which nothing listens.
pub async fn closed_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    listener.local_addr().expect("its address").port()
}

/// Reads a request head; empty if the connection ends.
pub async fn read_head(socket: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match socket.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return String::new(),
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// Sends `reply` to each request of a connection.
async fn answer(mut socket: impl AsyncRead + AsyncWrite + Unpin, reply: Arc<str>) {
    while !read_head(&mut socket).await.is_empty() {
        if socket.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Starts an HTTP server that replies `hello`. Returns the port.
pub async fn http() -> u16 {
    http_with(REPLY).await
}
/// Starts an HTTP server that sends `reply`, with its head, to each request. Returns the port.
pub async fn http_with(reply: &str) -> u16 {
    let reply: Arc<str> = reply.into();
    listen(move |socket| answer(socket, reply.clone())).await
}

/// Starts an HTTPS server that replies `hello`. Returns the port.
pub async fn https(identity: &Identity, version: TlsVersion) -> u16 {
    https_with(identity, version, REPLY).await
}
/// Starts an HTTPS server that sends `reply`, with its head, to each request. Returns the port.
pub async fn https_with(identity: &Identity, version: TlsVersion, reply: &str) -> u16 {
    let reply: Arc<str> = reply.into();
    let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes())
        .collect::<Result<_, _>>()
        .expect("certificates");
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
    let version = match version {
        TlsVersion::Tls12 => &TLS12,
        TlsVersion::Tls13 => &TLS13,
    };
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .expect("a version of TLS")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("the key of the certificate");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    listen(move |socket| {
        let (acceptor, reply) = (acceptor.clone(), reply.clone());
        async move {
            if let Ok(socket) = acceptor.accept(socket).await {
                answer(socket, reply).await;
            }
        }
    })
    .await
}

/// Starts a server that reads once, sends `bytes` and closes the connection. Returns the port.
pub async fn scripted(bytes: &'static [u8]) -> u16 {
    listen(move |mut socket| async move {
        let _ = socket.read(&mut [0; 4096]).await;
        let _ = socket.write_all(bytes).await;
    })
    .await
}

/// An HTTP proxy, which forwards every request to one port of loopback, whatever its host.
#[derive(Clone)]
pub struct Proxy {
    pub port: u16,
    state: Arc<ProxyState>,
}

struct ProxyState {
    to: u16,
    /// Value of `Proxy-Authorization` that is required.
    authorization: Option<&'static str>,
    /// Reply to each request instead of forwarding it.
    refusal: Option<&'static str>,
    requests: AtomicUsize,
    hosts: Mutex<BTreeSet<String>>,
}

impl Proxy {
    /// Starts a proxy that forwards to the port `to`.
    pub async fn start(to: u16) -> Self {
        Self::with(to, None, None).await
    }
    /// Starts a proxy that requires `authorization`, or sends `refusal` to each request.
    pub async fn with(
        to: u16,
        authorization: Option<&'static str>,
        refusal: Option<&'static str>,
    ) -> Self {
        let (requests, hosts) = (AtomicUsize::new(0), Mutex::default());
        let state = Arc::new(ProxyState { to, authorization, refusal, requests, hosts });
        let shared = state.clone();
        let port = listen(move |socket| {
            let state = shared.clone();
            async move {
                let _ = state.serve(socket).await;
            }
        })
        .await;
        Self { port, state }
    }
    /// Returns the address of the proxy.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
    /// Number of requests since the start.
    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }
    /// Hosts that were requested.
    pub fn hosts(&self) -> Vec<String> {
        self.state.hosts().iter().cloned().collect()
    }
}

impl ProxyState {
    fn hosts(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
    async fn serve(&self, mut socket: TcpStream) -> std::io::Result<()> {
        let head = read_head(&mut socket).await;
        if head.is_empty() {
            return Ok(());
        }
        self.requests.fetch_add(1, Ordering::SeqCst);
        let first = head.lines().next().unwrap_or_default();
        let target = first.split(' ').nth(1).unwrap_or_default();
        let host = target.trim_start_matches("http://").split('/').next().unwrap_or_default();
        self.hosts().insert(host.to_owned());
        if let Some(refusal) = self.refusal {
            return socket.write_all(refusal.as_bytes()).await;
        }
        let given = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("proxy-authorization").then(|| value.trim())
        });
        if self.authorization.is_some() && given != self.authorization {
            let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm=\"x\"\r\n\
                           content-length: 0\r\n\r\n";
            return socket.write_all(refusal.as_bytes()).await;
        }
        let mut upstream = TcpStream::connect(("127.0.0.1", self.to)).await?;
        if first.starts_with("CONNECT ") {
            socket.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
        } else {
            upstream.write_all(head.as_bytes()).await?;
        }
        tokio::io::copy_bidirectional(&mut socket, &mut upstream).await?;
        Ok(())
    }
}
