//! A loopback server with a library and a simulated network, and an HTTP client.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use carrel_content::{
    Content, ContentConfig,
    library::Library,
    media::MediaServer,
    storage::{Storage, StorageOptions},
};
use carrel_model::BlobHash;
use carrel_net::{Failure, FailureKind, Http, Reply, Request};
use carrel_sqlite::Changes;
use carrel_system::SystemDisk;
use carrel_testkit::{FakeClock, SeededIds};
use futures_util::stream;
use http::{HeaderMap, HeaderValue, header};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
};

/// Bytes released by one permit.
pub const PIECE: usize = 64 * 1024;

/// A blob on the server.
#[derive(Clone)]
pub struct ServedBlob {
    pub bytes: Bytes,
    /// Releases the body, one piece per permit. Ranges with an end are served without permits.
    pub permits: Option<Arc<Semaphore>>,
}

#[derive(Default)]
pub struct FakeServer {
    pub blobs: Mutex<HashMap<BlobHash, ServedBlob>>,
    /// `Range` of each request, in order.
    pub requests: Mutex<Vec<Option<String>>>,
}

#[async_trait]
impl Http for FakeServer {
    async fn send(&self, request: Request) -> Result<Reply, Failure> {
        let range = request.headers.get(header::RANGE).map(|r| r.to_str().unwrap().to_owned());
        self.requests.lock().unwrap().push(range.clone());
        let hash = request.url.rsplit('/').next().and_then(|h| h.parse::<BlobHash>().ok());
        let served = hash.and_then(|h| self.blobs.lock().unwrap().get(&h).cloned());
        let Some(ServedBlob { bytes, permits }) = served else {
            return Err(Failure::new(FailureKind::Connect, "no network"));
        };
        let mut headers = HeaderMap::new();
        let total = bytes.len();
        let span = range.as_deref().and_then(|r| r.strip_prefix("bytes=")?.split_once('-'));
        let (status, start, end) = match span {
            Some((from, to)) => {
                let start: usize = from.parse().unwrap();
                if start >= total {
                    let body = Box::pin(stream::empty());
                    return Ok(Reply { status: 416, headers, body });
                }
                let end = to.parse::<usize>().map_or(total, |to| (to + 1).min(total));
                let text = format!("bytes {start}-{}/{total}", end - 1);
                headers.insert(header::CONTENT_RANGE, HeaderValue::from_str(&text).unwrap());
                (206, start, end)
            }
            None => (200, 0, total),
        };
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(end - start));
        let permits = permits.filter(|_| span.is_none_or(|(_, to)| to.is_empty()));
        let body = stream::unfold((start, permits), move |(at, permits)| {
            let bytes = bytes.clone();
            async move {
                if at >= end {
                    return None;
                }
                if let Some(permits) = &permits {
                    permits.acquire().await.unwrap().forget();
                }
                let next = (at + PIECE).min(end);
                Some((Ok(bytes.slice(at..next)), (next, permits)))
            }
        });
        Ok(Reply { status, headers, body: Box::pin(body) })
    }
}

pub struct TestClient {
    pub media: MediaServer,
    pub library: Library,
    pub server: Arc<FakeServer>,
    _content: Arc<Content>,
    _dir: tempfile::TempDir,
}

/// A response.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

impl TestClient {
    pub async fn new() -> Self {
        // The tests make blocking calls.
        carrel_system::allow_blocking();
        let dir = tempfile::tempdir().unwrap();
        let server = Arc::new(FakeServer::default());
        let (clock, changes) = (Arc::new(FakeClock::noon()), Changes::new());
        let storage = Storage::open(StorageOptions {
            dir: dir.path().join("shared"),
            policy_budget: None,
            disk: Arc::new(SystemDisk),
            clock: clock.clone(),
            changes: changes.clone(),
            failpoints: None,
            shared_store: None,
        })
        .unwrap();
        let content = Content::open(ContentConfig {
            storage,
            account_dir: dir.path().join("account"),
            account: "a".to_owned(),
            base_url: "http://x.test".to_owned(),
            http: server.clone(),
            clock,
            ids: Arc::new(SeededIds::new(7)),
            changes,
        })
        .unwrap();
        let media = MediaServer::start(&SeededIds::new(9), axum::Router::new()).await.unwrap();
        media.set_library(Some(content.library.clone()));
        Self { media, library: content.library.clone(), server, _content: content, _dir: dir }
    }

    /// Stores a blob on this device.
    pub fn store(&self, bytes: impl Into<Bytes>) -> BlobHash {
        let bytes = bytes.into();
        let hash = BlobHash::of(&bytes);
        self.library.blobs().put(hash, &bytes).unwrap();
        hash
    }

    /// Adds a blob to the server.
    pub fn serve(&self, bytes: &Bytes, permits: Option<Arc<Semaphore>>) -> BlobHash {
        let hash = BlobHash::of(bytes);
        let served = ServedBlob { bytes: bytes.clone(), permits };
        self.server.blobs.lock().unwrap().insert(hash, served);
        hash
    }

    pub fn requests(&self) -> Vec<Option<String>> {
        self.server.requests.lock().unwrap().clone()
    }

    /// Returns the host, and the path before a hash.
    pub fn address(&self) -> (String, String) {
        let base = self.media.base_url();
        let rest = base.strip_prefix("http://").unwrap();
        let (host, path) = rest.split_once('/').unwrap();
        (host.to_owned(), format!("/{path}"))
    }

    pub async fn get(&self, what: &str, headers: &[(&str, &str)]) -> Response {
        let (host, path) = self.address();
        send("GET", &host, &host, &format!("{path}{what}"), headers).await
    }

    pub async fn head(&self, what: &str, headers: &[(&str, &str)]) -> Response {
        let (host, path) = self.address();
        send("HEAD", &host, &host, &format!("{path}{what}"), headers).await
    }
}

/// Sends a request on a new connection, and reads the response until it ends or breaks.
pub async fn send(
    method: &str,
    at: &str,
    host: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Response {
    send_then(method, at, host, path, headers, || {}).await
}

/// Like `send`; calls `then` after the first 4 KiB of the response are read.
pub async fn send_then(
    method: &str,
    at: &str,
    host: &str,
    path: &str,
    headers: &[(&str, &str)],
    then: impl FnOnce(),
) -> Response {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let more: String = headers.iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect();
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = vec![0; 4096];
    let mut read = 0;
    while read < reply.len() {
        match stream.read(&mut reply[read..]).await {
            Ok(n) if n > 0 => read += n,
            _ => break,
        }
    }
    reply.truncate(read);
    then();
    let _ = stream.read_to_end(&mut reply).await;
    let end = reply.windows(4).position(|w| w == b"\r\n\r\n").expect("the response has a head");
    let head = String::from_utf8(reply[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let field = |line: &str| {
        line.split_once(": ").map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned())).unwrap()
    };
    Response { status, headers: lines.map(field).collect(), body: reply[end + 4..].to_vec() }
}

/// Returns pseudo-random bytes that start like an MP3 file.
pub fn recording(len: usize, seed: u64) -> Bytes {
    let mut state = seed | 1;
    let mut out: Vec<u8> = (0..len.div_ceil(8))
        .flat_map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.rotate_left(17).to_le_bytes()
        })
        .take(len)
        .collect();
    out[..4].copy_from_slice(b"ID3\x04");
    out.into()
}
