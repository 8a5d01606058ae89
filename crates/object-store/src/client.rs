//! Signed requests to a bucket: repeated after failures that may pass, with errors in words.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use carrel_domain::{blobs::BlobsUnavailable, clock::Clock};
use reqwest::{Body, Method, Response, StatusCode, redirect::Policy};
use ring::rand::{SecureRandom, SystemRandom};
use tokio_util::io::ReaderStream;

use crate::{
    settings::{Credentials, ObjectStoreSettings, Place, StoreProblem},
    signature::{self, Signed, encode, sha256},
    time, xml,
};

/// Longest delay between two attempts.
const MAX_DELAY: Duration = Duration::from_secs(5);
/// Maximum size of a list or an error, in bytes.
const MAX_TEXT: usize = 8 * 1024 * 1024;
/// An upload may take the timeout and one second for each of these bytes.
const MIN_BYTES_PER_S: u64 = 64 * 1024;

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// There is no such object.
    NotFound,
    /// The store did not reply, or not completely, or is overloaded: a later attempt may succeed.
    Unavailable(String),
    /// The store refuses the request; the settings have to be changed.
    Refused(String),
    /// A file of this computer cannot be read.
    Local(String),
}

impl Failure {
    pub fn into_io(self, key: &str) -> io::Error {
        let unavailable = |problem, is_configuration| {
            io::Error::other(BlobsUnavailable { problem, is_configuration })
        };
        match self {
            Self::NotFound => {
                io::Error::new(io::ErrorKind::NotFound, format!("{key:?} is not in the store"))
            }
            Self::Unavailable(problem) => unavailable(problem, false),
            Self::Refused(problem) => unavailable(problem, true),
            Self::Local(problem) => io::Error::other(problem),
        }
    }
}

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// The body of a request.
#[derive(Debug, Clone)]
pub(crate) enum Payload {
    Text(String),
    /// A file, with its length and its SHA-256 in hex.
    File {
        path: PathBuf,
        len: u64,
        sha256: String,
    },
}

/// A request. Name and value of the query and of header fields are not encoded.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: Method,
    /// Without the prefix; `None`: the bucket itself.
    key: Option<String>,
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    payload: Payload,
}

impl Request {
    pub fn new(method: Method, key: &str) -> Self {
        let payload = Payload::Text(String::new());
        Self { method, key: Some(key.to_owned()), query: vec![], headers: vec![], payload }
    }
    pub fn payload(self, payload: Payload) -> Self {
        Self { payload, ..self }
    }
    pub fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// A bucket with the keys to it.
pub(crate) struct Client {
    http: reqwest::Client,
    pub place: Place,
    /// Read when the settings are, so that commands that need no blobs work without the secret.
    credentials: std::result::Result<Credentials, StoreProblem>,
    region: String,
    clock: Arc<dyn Clock>,
    pub timeout: Duration,
    pub attempts: u32,
    retry: Duration,
}

impl Client {
    pub fn new(
        settings: &ObjectStoreSettings,
        clock: Arc<dyn Clock>,
    ) -> std::result::Result<Self, StoreProblem> {
        let place = settings.place()?;
        // The provider of cryptography of this workspace is ring, whatever the default of the process is.
        let _ = rustls::crypto::CryptoProvider::install_default(
            rustls::crypto::ring::default_provider(),
        );
        let builder = reqwest::Client::builder();
        let builder = if place.is_local { builder.no_proxy() } else { builder };
        let http = builder
            .redirect(Policy::none())
            .connect_timeout(settings.timeout())
            // Blobs are stored as they are.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("carrel-server/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| StoreProblem { key: "endpoint", problem: chain(&e) })?;
        Ok(Self {
            http,
            place,
            credentials: settings.credentials(),
            region: settings.region.clone(),
            clock,
            timeout: settings.timeout(),
            attempts: settings.attempts,
            retry: Duration::from_millis(settings.retry_ms),
        })
    }

    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Waits before the next attempt: the delay doubles, and is shortened by chance so that processes do not repeat
    /// their requests together.
    pub async fn wait(&self, attempt: u32) {
        let delay = self.retry.saturating_mul(1 << (attempt - 1).min(10)).min(MAX_DELAY);
        let mut random = [0_u8];
        let _ = SystemRandom::new().fill(&mut random);
        tokio::time::sleep(delay.mul_f64(0.5 + f64::from(random[0]) / 512.0)).await;
    }

    /// Sends a request until it succeeds, at most `attempts` times. The body of the reply is not read.
    pub async fn send(&self, request: &Request) -> Result<Response> {
        let mut attempt = 1;
        loop {
            match self.send_once(request).await {
                Err(Failure::Unavailable(problem)) if attempt < self.attempts => {
                    let key = request.key.as_deref().unwrap_or_default();
                    tracing::debug!(object.key = key, attempt, problem, "repeating a request");
                    self.wait(attempt).await;
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// Like `send`, and reads the body of the reply as text. An error in a reply of status 200 is one.
    pub async fn send_for_text(&self, request: &Request) -> Result<String> {
        let mut attempt = 1;
        loop {
            let read = async {
                let reply = self.send_once(request).await?;
                let (status, text) = (reply.status(), self.text(reply).await?);
                match xml::error(&text) {
                    Some(error) => Err(self.failure(status, Some(error))),
                    None => Ok(text),
                }
            };
            match read.await {
                Err(Failure::Unavailable(_)) if attempt < self.attempts => {
                    self.wait(attempt).await;
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// Returns a page of the objects whose keys begin with `start`, which is without the prefix, as are their keys.
    pub async fn list(&self, start: &str, next: Option<String>, max: u32) -> Result<xml::Page> {
        let mut query = vec![
            ("list-type", "2".to_owned()),
            ("max-keys", max.to_string()),
            ("prefix", format!("{}{start}", self.place.prefix)),
        ];
        query.extend(next.map(|token| ("continuation-token", token)));
        query.sort_unstable();
        let request = Request { key: None, query, ..Request::new(Method::GET, "") };
        let text = self.send_for_text(&request).await?;
        let problem = "the reply is not a list; is this the address of an S3-compatible store?";
        let mut page = xml::page(&text).ok_or_else(|| Failure::Refused(problem.to_owned()))?;
        for object in &mut page.objects {
            object.key = object.key.strip_prefix(&self.place.prefix).unwrap_or_default().to_owned();
        }
        Ok(page)
    }

    /// Returns size and time of the last change of an object, or `None` if it does not exist.
    pub async fn head(&self, key: &str) -> Result<Option<(u64, i64)>> {
        let reply = match self.send(&Request::new(Method::HEAD, key)).await {
            Err(Failure::NotFound) => return Ok(None),
            reply => reply?,
        };
        let field = |name: &str| reply.headers().get(name).and_then(|v| v.to_str().ok());
        let size = field("content-length").and_then(|len| len.parse().ok());
        let modified = field("last-modified").and_then(|at| httpdate::parse_http_date(at).ok());
        let modified = modified.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        match (size, modified) {
            (Some(size), Some(at)) => {
                Ok(Some((size, i64::try_from(at.as_millis()).unwrap_or_default())))
            }
            _ => Err(Failure::Refused("a reply to HEAD lacks size or date".to_owned())),
        }
    }

    /// Sets the modification time of an object to now, by copying the object onto itself in the store.
    pub async fn touch(&self, key: &str) -> Result<()> {
        let Place { bucket, prefix, .. } = &self.place;
        let source = encode(&format!("/{bucket}/{prefix}{key}"), true);
        let request = Request::new(Method::PUT, key)
            .header("x-amz-copy-source", source)
            .header("x-amz-metadata-directive", "REPLACE".to_owned());
        self.send_for_text(&request).await.map(drop)
    }

    pub async fn put(&self, key: &str, payload: Payload) -> Result<()> {
        let request = Request::new(Method::PUT, key).payload(payload);
        self.send(&request).await.map(drop)
    }

    pub async fn delete(&self, key: &str) -> Result<()> {
        match self.send(&Request::new(Method::DELETE, key)).await {
            Ok(_) | Err(Failure::NotFound) => Ok(()),
            Err(e) => Err(e),
        }
    }

    async fn send_once(&self, request: &Request) -> Result<Response> {
        let credentials =
            self.credentials.as_ref().map_err(|problem| Failure::Refused(problem.to_string()))?;
        let path = match &request.key {
            Some(key) => {
                let Place { bucket_path, prefix, .. } = &self.place;
                encode(&format!("{bucket_path}/{prefix}{key}"), true)
            }
            None => format!("{}/", self.place.bucket_path),
        };
        let pairs = request.query.iter().map(|(name, v)| format!("{name}={}", encode(v, false)));
        let query = pairs.collect::<Vec<_>>().join("&");
        let (len, hash) = match &request.payload {
            Payload::Text(text) => (text.len() as u64, sha256(text.as_bytes())),
            Payload::File { len, sha256, .. } => (*len, sha256.clone()),
        };
        // Also a repeated request has the present time: the store refuses those that are too old.
        let at = time::compact(self.clock.now_ms());
        let mut headers = vec![
            ("host".to_owned(), self.place.host.clone()),
            ("x-amz-content-sha256".to_owned(), hash.clone()),
            ("x-amz-date".to_owned(), at.clone()),
        ];
        headers.extend(request.headers.iter().map(|(n, v)| ((*n).to_owned(), v.clone())));
        headers.sort_unstable();
        let signed = Signed {
            method: request.method.as_str(),
            path: &path,
            query: &query,
            headers: &headers,
            payload: &hash,
        };
        let authorization = signature::authorization(&signed, credentials, &self.region, &at);
        let mark = if query.is_empty() { "" } else { "?" };
        let url = format!("{}{path}{mark}{query}", self.place.origin);
        let mut sent = self.http.request(request.method.clone(), url);
        for (name, value) in headers.iter().filter(|(name, _)| name != "host") {
            sent = sent.header(name, value);
        }
        sent = sent.header("authorization", authorization);
        if request.method == Method::PUT {
            sent = sent.header("content-length", len).body(body(&request.payload).await?);
        }
        let limit = self.timeout + Duration::from_secs(len / MIN_BYTES_PER_S);
        let reply = match tokio::time::timeout(limit, sent.send()).await {
            Ok(reply) => reply.map_err(|e| Failure::Unavailable(chain(&e)))?,
            Err(_) => return Err(Failure::Unavailable("it does not reply in time".to_owned())),
        };
        let status = reply.status();
        if status.is_success() {
            return Ok(reply);
        }
        let text = self.text(reply).await.unwrap_or_default();
        Err(self.failure(status, xml::error(&text)))
    }

    /// Returns the next part of a body; `None` at its end.
    pub async fn chunk(&self, reply: &mut Response) -> Result<Option<bytes::Bytes>> {
        match tokio::time::timeout(self.timeout, reply.chunk()).await {
            Ok(chunk) => chunk.map_err(|e| Failure::Unavailable(chain(&e))),
            Err(_) => Err(Failure::Unavailable("it stopped in the middle of a reply".to_owned())),
        }
    }

    async fn text(&self, mut reply: Response) -> Result<String> {
        let mut text = Vec::new();
        while let Some(chunk) = self.chunk(&mut reply).await? {
            text.extend_from_slice(&chunk);
            if text.len() > MAX_TEXT {
                return Err(Failure::Refused("a reply is too large".to_owned()));
            }
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Classifies an error reply. `error`: code and message of its body; the reply to a HEAD has none.
    fn failure(&self, status: StatusCode, error: Option<(String, String)>) -> Failure {
        let (code, message) = error.unwrap_or_default();
        let Place { bucket, origin, .. } = &self.place;
        let refused = Failure::Refused;
        match &*code {
            "SlowDown" | "InternalError" | "ServiceUnavailable" | "RequestTimeout" => {
                Failure::Unavailable(format!("{code}: {message}"))
            }
            "NoSuchBucket" => refused(format!(
                "the bucket {bucket:?} does not exist at {origin}; hint: create it, or correct blobs.url"
            )),
            "InvalidAccessKeyId" => {
                refused("the access key is unknown; hint: correct blobs.access_key".to_owned())
            }
            "SignatureDoesNotMatch" => refused(
                "the secret does not belong to the access key; hint: correct blobs.secret_key_file"
                    .to_owned(),
            ),
            "RequestTimeTooSkewed" => refused(
                "the clock of this computer is wrong by more than 15 minutes; hint: set it"
                    .to_owned(),
            ),
            "AccessDenied" => refused(format!(
                "the access key may not use the bucket {bucket:?}; hint: allow it to list the bucket and to read, write \
                 and delete objects: {message}"
            )),
            "PermanentRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException" => refused(format!(
                "the bucket {bucket:?} is in another region than {:?}; hint: correct blobs.region: {message}",
                self.region
            )),
            _ if status == StatusCode::NOT_FOUND => Failure::NotFound,
            _ if status.is_server_error() || matches!(status.as_u16(), 408 | 429) => {
                Failure::Unavailable(format!("status {status} {code} {message}").trim().to_owned())
            }
            _ => refused(format!("status {status} {code} {message}").trim().to_owned()),
        }
    }
}

async fn body(payload: &Payload) -> Result<Body> {
    match payload {
        Payload::Text(text) => Ok(Body::from(text.clone())),
        Payload::File { path, .. } => {
            let file = tokio::fs::File::open(path).await.map_err(|e| local(path, &e))?;
            Ok(Body::wrap_stream(ReaderStream::with_capacity(file, 64 * 1024)))
        }
    }
}

fn local(path: &Path, e: &io::Error) -> Failure {
    Failure::Local(format!("read {path:?}: {e}"))
}

/// Returns the causes of an error, without the address.
fn chain(e: &reqwest::Error) -> String {
    if e.is_timeout() {
        return "it does not reply in time".to_owned();
    }
    let mut text = String::new();
    let mut cause: Option<&dyn Error> = e.source();
    while let Some(e) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&e.to_string());
        cause = e.source();
    }
    if text.is_empty() { "the connection failed".to_owned() } else { text }
}
