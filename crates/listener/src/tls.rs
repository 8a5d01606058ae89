//! TLS: versions 1.2 and 1.3, with a certificate that is read again when its files change.
//!
//! Not here: sockets and HTTP (`accept`).

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::net::TcpStream;
use tokio_rustls::{Accept, TlsAcceptor};

/// Interval between checks whether the files changed, for example after a renewal.
const RELOAD_INTERVAL: Duration = Duration::from_secs(60);
/// First byte of a TLS connection: a record of the handshake.
const HANDSHAKE: u8 = 0x16;
/// Reply to a request without TLS.
const PLAIN_REPLY: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
content-length: 55\r\nconnection: close\r\n\r\nthis port requires https: change http:// to https://.\r\n";

/// Why a certificate or its key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TlsError(String);

/// Accepts TLS connections.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    certificate: Arc<Certificate>,
}

/// The certificate with its key, and the files that contain them.
#[derive(Debug)]
struct Certificate {
    files: [PathBuf; 2],
    provider: Arc<CryptoProvider>,
    current: RwLock<(Arc<CertifiedKey>, FileStates)>,
}

/// Lengths and modification times of the two files; `None` for a file that cannot be read.
type FileStates = [Option<(u64, SystemTime)>; 2];

impl Tls {
    /// Reads the certificate chain and its key from PEM files.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or if they do not belong together.
    pub fn open(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let certificate = Arc::new(Certificate::open(
            [certificate.to_owned(), key.to_owned()],
            provider.clone(),
        )?);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| TlsError(format!("TLS: {e}")))?
            .with_no_client_auth()
            .with_cert_resolver(certificate.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate })
    }

    /// Accepts a connection. A request without TLS is answered with a text that says so.
    ///
    /// # Errors
    ///
    /// An I/O error if the handshake fails or the client does not use TLS.
    pub async fn accept<S>(
        &self,
        socket: S,
        peek: impl AsyncFnOnce(&S) -> io::Result<Option<u8>>,
    ) -> io::Result<Accept<S>>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        use tokio::io::AsyncWriteExt;
        let mut socket = socket;
        match peek(&socket).await? {
            Some(HANDSHAKE) => Ok(self.acceptor.accept(socket)),
            first => {
                // Only letters: a scanner of another protocol gets no reply.
                if first.is_some_and(|b| b.is_ascii_uppercase()) {
                    socket.write_all(PLAIN_REPLY).await?;
                    socket.shutdown().await?;
                }
                Err(io::Error::new(io::ErrorKind::InvalidData, "a connection without TLS"))
            }
        }
    }

    /// Reads the files again whenever they change. A certificate that cannot be used is logged, and the previous one
    /// stays in use. Never returns.
    pub async fn reload(self) {
        let mut tick = tokio::time::interval(RELOAD_INTERVAL);
        loop {
            tick.tick().await;
            let tls = self.clone();
            // Reading two small files takes less than a millisecond, but may block on a network drive.
            let reloaded = tokio::task::spawn_blocking(move || tls.reload_changed()).await;
            match reloaded.ok().flatten() {
                None => {}
                Some(Ok(())) => tracing::info!("the certificate was renewed"),
                Some(Err(e)) => {
                    tracing::error!(error = %e, "the changed certificate cannot be used; the previous one stays in use");
                }
            }
        }
    }

    /// Reads the files if they changed since the last call; `None` if they did not. On error the previous certificate
    /// stays in use. Blocking.
    pub fn reload_changed(&self) -> Option<Result<(), TlsError>> {
        let certificate = &self.certificate;
        let states = states_of(&certificate.files);
        if certificate.current.read().unwrap_or_else(PoisonError::into_inner).1 == states {
            return None;
        }
        let read = read(&certificate.files, &certificate.provider);
        let mut current = certificate.current.write().unwrap_or_else(PoisonError::into_inner);
        // Not read again until the files change once more.
        current.1 = states;
        Some(read.map(|key| current.0 = Arc::new(key)))
    }
}

impl Certificate {
    fn open(files: [PathBuf; 2], provider: Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let states = states_of(&files);
        let key = read(&files, &provider)?;
        Ok(Self { files, provider, current: RwLock::new((Arc::new(key), states)) })
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).0.clone())
    }
}

fn states_of(files: &[PathBuf; 2]) -> FileStates {
    [0, 1].map(|n| {
        let found = std::fs::metadata(&files[n]).ok()?;
        Some((found.len(), found.modified().ok()?))
    })
}

fn read(
    [certificate, key]: &[PathBuf; 2],
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let refused = |path: &Path, problem: String| TlsError(format!("{}: {problem}", path.display()));
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|e| refused(certificate, format!("{e}; expected a certificate chain in PEM")))?;
    if chain.is_empty() {
        return Err(refused(
            certificate,
            "contains no certificate; expected a certificate chain in PEM".to_owned(),
        ));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| {
        refused(key, format!("{e}; expected a private key in PEM without a password"))
    })?;
    // Fails if the key does not belong to the first certificate.
    CertifiedKey::from_der(chain, private, provider)
        .map_err(|e| refused(key, format!("cannot be used with {}: {e}", certificate.display())))
}

/// Returns the first byte that a client sent, without taking it; `None` if the connection was closed.
pub async fn first_byte(socket: &TcpStream) -> io::Result<Option<u8>> {
    let mut first = [0];
    Ok((socket.peek(&mut first).await? > 0).then_some(first[0]))
}
