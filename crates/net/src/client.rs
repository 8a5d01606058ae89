//! The network, through one trait. `reqwest` in the app, a folder for the demo library, a network that breaks in tests.
//!
//! Not here: tokens (`account`), freshness (`cache`), retries (`sync`, `download`).

use std::{pin::Pin, time::Duration};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::Result;

/// One request. `url` is absolute.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: Method,
    pub url: String,
    pub headers: HeaderMap,
    pub body: Option<Bytes>,
    /// Until the head of the answer, and between two pieces of its body.
    pub timeout: Duration,
}

impl Request {
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: HeaderMap::new(),
            body: None,
            timeout: Duration::from_secs(30),
        }
    }
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::GET, url)
    }
    /// A POST with a JSON body.
    pub fn post_json(url: impl Into<String>, body: &impl serde::Serialize) -> Result<Self> {
        let mut request = Self::new(Method::POST, url);
        request
            .headers
            .insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.body = Some(serde_json::to_vec(body)?.into());
        Ok(request)
    }
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// The bytes of an answer as they come.
pub type Body = Pin<Box<dyn Stream<Item = Result<Bytes, Failure>> + Send>>;

/// The head of an answer, and its body still to be read.
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Body,
}

impl Reply {
    /// A header as text, if it is there and readable.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
    /// The whole body, at most `limit` bytes: a hostile answer cannot fill the memory.
    pub async fn bytes(mut self, limit: usize) -> Result<Bytes, Failure> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.body.next().await {
            let piece = piece?;
            if whole.len() + piece.len() > limit {
                return Err(Failure::new(
                    FailureKind::TooLarge,
                    format!("the answer is over {limit} bytes"),
                ));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }
}

/// Why there is no answer, or not all of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub kind: FailureKind,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// No route, refused, no such host, TLS failed.
    Connect,
    Timeout,
    /// The connection broke while the answer came.
    Broken,
    /// The body came, but cannot be unpacked as its `Content-Encoding` says.
    Decode,
    /// More bytes than any honest answer has.
    TooLarge,
    /// The request itself is wrong (a bad address).
    Request,
}

impl Failure {
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}
#[async_trait]
pub trait Http: Send + Sync + 'static {
    async fn send(&self, request: Request) -> Result<Reply, Failure>;
}
