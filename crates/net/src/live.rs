//! `Http` over `reqwest`: one client for all requests, with the system's proxy and certificate store.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;

use crate::{Error, Failure, FailureKind, Http, Reply, Request, Result};

/// `Http` over `reqwest`.
pub struct LiveHttp {
    client: reqwest::Client,
}

impl LiveHttp {
    /// Creates the client with a `user_agent` such as `Carrel/0.1.0`.
    pub fn new(user_agent: &str) -> Result<Self> {
        // An error means that a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .user_agent(user_agent)
            .connect_timeout(Duration::from_secs(10))
            .pool_idle_timeout(Duration::from_secs(60))
            // A connection that breaks silently, such as an event stream after the network went away, fails
            // after 20 s.
            .tcp_keepalive(Duration::from_secs(10))
            .tcp_keepalive_interval(Duration::from_secs(5))
            .tcp_keepalive_retries(2)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| Error::Internal(format!("cannot create the HTTP client: {e}")))?;
        Ok(Self { client })
    }
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
    // The source chain contains the cause ("connection refused").
    let mut message = e.to_string();
    let mut source = std::error::Error::source(e);
    while let Some(s) = source {
        message = format!("{message}: {s}");
        source = s.source();
    }
    Failure::new(kind, message)
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
    async fn send(&self, request: Request) -> Result<Reply, Failure> {
        let mut builder =
            self.client.request(request.method, &request.url).headers(request.headers);
        if let Some(body) = request.body {
            builder = builder.body(body);
        }
        let timeout = request.timeout;
        let timed_out = move || {
            Failure::new(
                FailureKind::Timeout,
                format!("no reply within {} ms", timeout.as_millis()),
            )
        };
        let reply = tokio::time::timeout(timeout, builder.send())
            .await
            .map_err(|_| timed_out())?
            .map_err(|e| failure(&e))?;
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
