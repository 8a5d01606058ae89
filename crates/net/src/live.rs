//! `Http` over `reqwest`: one client for all requests, with the system's proxy and certificate store unless the settings
//! say otherwise.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use carrel_system::{Clock, SystemClock};
use futures_util::StreamExt;
use url::Url;

use crate::{
    Error, Failure, FailureKind, Http, NetworkCause, NetworkSettings, Reply, Request, Result,
    dns::SystemResolver, proxy::Proxies,
};

/// `Http` over `reqwest`. The settings can be replaced while requests run.
pub struct LiveHttp {
    user_agent: String,
    clock: Arc<dyn Clock>,
    client: RwLock<Connector>,
}

/// A client with its proxies.
#[derive(Clone)]
struct Connector {
    client: reqwest::Client,
    proxies: Arc<Proxies>,
}

impl LiveHttp {
    /// Creates the client with the system's settings and a `user_agent` such as `Carrel/0.1.0`.
    pub fn new(user_agent: &str) -> Result<Self> {
        Self::with_settings(user_agent, &NetworkSettings::default(), Arc::new(SystemClock::new()))
    }

    /// Creates the client with the given settings.
    ///
    /// # Errors
    ///
    /// `Error::Invalid` if an address or a certificate cannot be parsed.
    pub fn with_settings(
        user_agent: &str,
        settings: &NetworkSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let connector = Connector::new(user_agent, settings, clock.clone())?;
        Ok(Self { user_agent: user_agent.to_owned(), clock, client: RwLock::new(connector) })
    }

    fn connector(&self) -> Connector {
        self.client.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Builds clients with the same certificates.
struct ClientBuilder {
    user_agent: String,
    certificates: Vec<reqwest::Certificate>,
}

impl ClientBuilder {
    /// Returns the options that all clients have, without a proxy.
    fn options(&self) -> reqwest::ClientBuilder {
        reqwest::Client::builder()
            .user_agent(&self.user_agent)
            .connect_timeout(Duration::from_secs(10))
            .pool_idle_timeout(Duration::from_secs(60))
            // A connection that breaks silently, such as an event stream after the network went away, fails after 20 s.
            .tcp_keepalive(Duration::from_secs(10))
            .tcp_keepalive_interval(Duration::from_secs(5))
            .tcp_keepalive_retries(2)
            .redirect(reqwest::redirect::Policy::none())
            .tls_certs_merge(self.certificates.clone())
            .dns_resolver(Arc::new(SystemResolver))
            .no_proxy()
    }

    /// Builds a client. A system without any certificate authority (no `ca-certificates`) is an error of the first
    /// attempt. Without authorities, connections with TLS fail, and everything else works.
    fn build(
        &self,
        finish: &dyn Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Result<reqwest::Client> {
        finish(self.options()).build().or_else(|e| {
            tracing::warn!(
                error = chain(&e),
                "the system's certificate authorities cannot be used"
            );
            let only = finish(self.options()).tls_certs_only(self.certificates.clone());
            only.build().map_err(|e| {
                Error::Invalid(format!("cannot create the HTTP client: {}", chain(&e)))
            })
        })
    }
}

impl Connector {
    fn new(user_agent: &str, settings: &NetworkSettings, clock: Arc<dyn Clock>) -> Result<Self> {
        // An error means that a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut certificates = Vec::new();
        for pem in &settings.extra_ca {
            let invalid = |why: String| {
                Error::Invalid(format!("certificate of an authority: {why}; expected PEM"))
            };
            let found =
                reqwest::Certificate::from_pem_bundle(pem).map_err(|e| invalid(e.to_string()))?;
            if found.is_empty() {
                return Err(invalid("the file contains none".to_owned()));
            }
            certificates.extend(found);
        }
        let build = Arc::new(ClientBuilder { user_agent: user_agent.to_owned(), certificates });
        let scripts = build.clone();
        // A client takes some milliseconds to create, because it reads the system's certificates.
        let loader = Arc::new(move || scripts.build(&|builder| builder));
        let proxies = Arc::new(Proxies::new(settings, loader, clock)?);
        let chosen = proxies.clone();
        let client = build.build(&|builder| {
            let chosen = chosen.clone();
            builder.proxy(reqwest::Proxy::custom(move |url| chosen.proxy_for(url)))
        })?;
        Ok(Self { client, proxies })
    }

    /// Sends a request, over the next proxy of the list if one cannot be reached.
    async fn send(&self, request: &Request) -> Result<reqwest::Response, Failure> {
        let url = Url::parse(&request.url).map_err(|e| {
            Failure::new(FailureKind::Request, format!("address {:?}: {e}", request.url))
        })?;
        self.proxies.prepare(&url).await;
        loop {
            let proxy = self.proxies.proxy_for(&url);
            let mut builder = self
                .client
                .request(request.method.clone(), url.clone())
                .headers(request.headers.clone());
            if let Some(body) = &request.body {
                builder = builder.body(body.clone());
            }
            match (builder.send().await, &proxy) {
                (Ok(reply), Some(_))
                    if reply.status() == http::StatusCode::PROXY_AUTHENTICATION_REQUIRED =>
                {
                    return Err(proxy_failure(
                        NetworkCause::ProxyAuthentication,
                        "the proxy replied 407",
                    ));
                }
                (Ok(reply), _) => return Ok(reply),
                (Err(e), Some(proxy)) => {
                    let failure = failure_over_proxy(&e, proxy);
                    let is_unreachable = failure.cause == Some(NetworkCause::ProxyUnreachable);
                    if !is_unreachable || !self.proxies.use_next(&url, proxy) {
                        return Err(failure);
                    }
                }
                (Err(e), None) => {
                    let failure = failure(&e);
                    return Err(match failure.kind {
                        FailureKind::Connect | FailureKind::Timeout => {
                            self.proxies.script_failure(&url).unwrap_or(failure)
                        }
                        _ => failure,
                    });
                }
            }
        }
    }
}

fn proxy_failure(cause: NetworkCause, message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Connect, message).with_cause(cause)
}

/// Returns the failure of a request over a proxy: connecting to the proxy itself, or to the server behind it.
fn failure_over_proxy(e: &reqwest::Error, proxy: &Url) -> Failure {
    let failure = failure(e);
    let host = proxy.host_str().unwrap_or_default();
    match failure.cause {
        Some(NetworkCause::Refused | NetworkCause::NoRoute | NetworkCause::Dns)
            if e.is_connect() =>
        {
            proxy_failure(
                NetworkCause::ProxyUnreachable,
                format!("proxy {host}: {}", failure.message),
            )
        }
        Some(NetworkCause::Timeout) | None if e.is_connect() && e.is_timeout() => proxy_failure(
            NetworkCause::ProxyUnreachable,
            format!("proxy {host}: {}", failure.message),
        ),
        _ => failure,
    }
}

/// Returns the messages of an error and of its sources.
fn chain(e: &dyn std::error::Error) -> String {
    let mut message = e.to_string();
    let mut source = e.source();
    while let Some(s) = source {
        message = format!("{message}: {s}");
        source = s.source();
    }
    message
}

fn failure(e: &reqwest::Error) -> Failure {
    let kind = if e.is_timeout() {
        FailureKind::Timeout
    } else if e.is_builder() {
        FailureKind::Request
    } else if e.is_connect() {
        FailureKind::Connect
    } else if is_decoding(e) {
        FailureKind::Decode
    } else {
        FailureKind::Broken
    };
    let cause = match kind {
        FailureKind::Timeout => Some(NetworkCause::Timeout),
        FailureKind::Connect | FailureKind::Broken => NetworkCause::of(e),
        _ => None,
    };
    // The source chain contains the cause ("connection refused").
    Failure { cause, ..Failure::new(kind, chain(e)) }
}

/// Returns true if the body does not match its `Content-Encoding`, also if it ends too early although the connection
/// delivered it completely. `reqwest` reports a connection that broke within a body as a decoding error too: its cause
/// is an error of `hyper`, while a decoder fails with an I/O error of its own.
fn is_decoding(e: &reqwest::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput, Other};
    let mut source = std::error::Error::source(e);
    let (mut is_of_decoder, mut kind) = (None, None);
    while let Some(s) = source {
        let io = s.downcast_ref::<std::io::Error>();
        if !s.is::<reqwest::Error>() {
            let is_wrapper = |io: &std::io::Error| {
                io.get_ref().is_some_and(|inner| inner.is::<reqwest::Error>())
            };
            is_of_decoder.get_or_insert(io.is_some_and(|io| !is_wrapper(io)));
        }
        kind = io.map(std::io::Error::kind).or(kind);
        source = s.source();
    }
    (e.is_decode() || e.is_body())
        && (is_of_decoder == Some(true) || matches!(kind, Some(InvalidData | InvalidInput | Other)))
}

#[async_trait]
impl Http for LiveHttp {
    /// Running requests continue with the previous settings.
    fn set_network(&self, settings: &NetworkSettings) -> Result<()> {
        let connector = Connector::new(&self.user_agent, settings, self.clock.clone())?;
        *self.client.write().unwrap_or_else(PoisonError::into_inner) = connector;
        Ok(())
    }
    fn network_changed(&self) {
        self.connector().proxies.forget();
    }
    async fn send(&self, request: Request) -> Result<Reply, Failure> {
        let connector = self.connector();
        let timeout = request.timeout;
        let timed_out = move || {
            Failure::new(
                FailureKind::Timeout,
                format!("no reply within {} ms", timeout.as_millis()),
            )
            .with_cause(NetworkCause::Timeout)
        };
        let reply = tokio::time::timeout(timeout, connector.send(&request))
            .await
            .map_err(|_| timed_out())??;
        let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
        let stream = Box::pin(reply.bytes_stream());
        // Abort the body if no chunk is received within the timeout.
        let body = futures_util::stream::unfold(Some(stream), move |stream| async move {
            let mut stream = stream?;
            match tokio::time::timeout(timeout, stream.next()).await {
                Ok(Some(Ok(piece))) => Some((Ok(piece), Some(stream))),
                Ok(Some(Err(e))) => Some((Err(failure(&e)), None)),
                Ok(None) => None,
                Err(_) => Some((Err(timed_out()), None)),
            }
        });
        Ok(Reply { status, headers, body: Box::pin(body) })
    }
}
