//! Small servers on loopback: HTTP with and without TLS, scripted bytes, an HTTP proxy.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use carrel_net::NetworkCause;
use carrel_testkit::certificates::Identity;
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

/// Reply of the servers.
const REPLY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// Accepts connections on a free port, each handled by `serve`. Returns the port.
pub async fn listen<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> u16
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket));
        }
    });
    port
}

/// Returns a port on which nothing listens.
pub async fn closed_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap().port()
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

async fn reply(mut socket: impl AsyncRead + AsyncWrite + Unpin) {
    while !read_head(&mut socket).await.is_empty() {
        if socket.write_all(REPLY).await.is_err() {
            return;
        }
    }
}

/// Starts an HTTP server.
pub async fn http() -> u16 {
    listen(reply).await
}

/// Starts an HTTPS server with TLS 1.2 or 1.3.
pub async fn https(identity: &Identity, version: u8) -> u16 {
    let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes())
        .collect::<Result<_, _>>()
        .unwrap();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let version = if version == 2 { &TLS12 } else { &TLS13 };
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    listen(move |socket| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(socket) = acceptor.accept(socket).await {
                reply(socket).await;
            }
        }
    })
    .await
}

/// Reads once, sends `bytes` and closes the connection.
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
    pub async fn start(to: u16) -> Self {
        Self::with(to, None, None).await
    }
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
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
    /// Number of requests since the start.
    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }
    /// Hosts that were requested.
    pub fn hosts(&self) -> Vec<String> {
        self.state.hosts.lock().unwrap().iter().cloned().collect()
    }
}

impl ProxyState {
    async fn serve(&self, mut socket: TcpStream) -> std::io::Result<()> {
        let head = read_head(&mut socket).await;
        if head.is_empty() {
            return Ok(());
        }
        self.requests.fetch_add(1, Ordering::SeqCst);
        let first = head.lines().next().unwrap_or_default();
        let target = first.split(' ').nth(1).unwrap_or_default();
        let host = target.trim_start_matches("http://").split('/').next().unwrap_or_default();
        self.hosts.lock().unwrap().insert(host.to_owned());
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

/// Returns the cause of the failure for a certificate of an unknown authority. Wine 8 reports that the revocation of the
/// certificate could not be checked, before it reports the authority.
pub fn unknown_authority() -> NetworkCause {
    if std::env::var_os("CARREL_UNDER_WINE").is_some() {
        NetworkCause::CertificateInvalid
    } else {
        NetworkCause::CertificateUntrusted
    }
}
