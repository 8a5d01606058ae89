//! The trait `Http`. It is implemented over `reqwest`, over a folder for the demo library, and over a simulated network
//! in tests.
//!
//! Not here: tokens (`session`), caching (`carrel-http-cache`), retries (`retry`).

use std::{pin::Pin, time::Duration};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::{NetworkCause, NetworkSettings, Result};

/// An HTTP request.
#[derive(Debug, Clone)]
pub struct Request {
    /// HTTP method.
    pub method: Method,
    /// Absolute URL.
    pub url: String,
    /// Header fields, without those that the client adds.
    pub headers: HeaderMap,
    /// Encoded body.
    pub body: Option<Bytes>,
    /// Maximum time until the head of the reply, and between two chunks of its body.
    pub timeout: Duration,
}

impl Request {
    /// Creates a request without header fields or body, with a timeout of 30 s.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: HeaderMap::new(),
            body: None,
            timeout: Duration::from_secs(30),
        }
    }
    /// Creates a GET request.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::GET, url)
    }
    /// Creates a POST request with a JSON body.
    pub fn post_json(url: impl Into<String>, body: &impl serde::Serialize) -> Result<Self> {
        let mut request = Self::new(Method::POST, url);
        request
            .headers
            .insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.body = Some(serde_json::to_vec(body)?.into());
        Ok(request)
    }
    /// Sets a header field. An invalid value is ignored.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
    /// Sets the timeout.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// The body of a reply, in chunks as they are received.
pub type Body = Pin<Box<dyn Stream<Item = Result<Bytes, Failure>> + Send>>;

/// A reply whose body has not been read.
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Header fields.
    pub headers: HeaderMap,
    /// Unread body.
    pub body: Body,
}

impl Reply {
    /// Returns a header field as text; `None` if it is absent or not ASCII.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
    /// Reads the whole body. More than `limit` bytes are an error, so that a hostile reply cannot exhaust the memory.
    pub async fn bytes(mut self, limit: usize) -> Result<Bytes, Failure> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.body.next().await {
            let piece = piece?;
            if whole.len() + piece.len() > limit {
                return Err(Failure::new(
                    FailureKind::TooLarge,
                    format!("the reply exceeds {limit} bytes"),
                ));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }
}

/// Why there is no reply, or only part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Kind of the failure, for callers to branch on.
    pub kind: FailureKind,
    /// Why the connection failed, if it is known.
    pub cause: Option<NetworkCause>,
    /// What failed, for logs.
    pub message: String,
}

/// Kind of a network failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// No route, connection refused, unknown host, or TLS failed.
    Connect,
    /// No data within the timeout, or too low a throughput.
    Timeout,
    /// The connection broke, or any other failure.
    Broken,
    /// The body was received, but does not match its `Content-Encoding`.
    Decode,
    /// The body exceeds the limit of the caller.
    TooLarge,
    /// The request is invalid, for example its URL.
    Request,
}

impl Failure {
    /// Creates a failure.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, cause: None, message: message.into() }
    }
    /// Sets the cause.
    #[must_use]
    pub fn with_cause(mut self, cause: NetworkCause) -> Self {
        self.cause = Some(cause);
        self
    }
}

/// An HTTP client. No method has a default, so that a client over another one cannot forget to forward a call.
#[async_trait]
pub trait Http: Send + Sync + 'static {
    /// Sends a request; returns when the head of the reply has been received.
    async fn send(&self, request: Request) -> Result<Reply, Failure>;
    /// Replaces the settings of the network. On error nothing is replaced. Without effect in clients that use no network.
    ///
    /// # Errors
    ///
    /// `Error::Invalid` if an address or a certificate cannot be parsed.
    fn set_network(&self, settings: &NetworkSettings) -> Result<()>;
    /// Determines the proxies again with the next requests, after the network changed.
    fn network_changed(&self);
}
