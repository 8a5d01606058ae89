//! A loopback server with a library and a simulated network, and an HTTP client.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use carrel_content::{
    Content, ContentConfig,
    library::Library,
    media::MediaServer,
    storage::{Storage, StorageOptions},
};
use carrel_model::BlobHash;
use carrel_net::{Reply, Request};
use carrel_sqlite::Changes;
use carrel_system::{IdGen, SystemDisk};
use carrel_testkit::{
    Answer, FakeClock, Network, SeededIds,
    reply::{pieces, requested_range},
};
use http::{HeaderMap, HeaderValue, header};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
};

/// Bytes released by one permit.
pub const PIECE: usize = 64 * 1024;

/// A blob on the server, and the permits that release its body, one piece each. Ranges with an end are served without
/// permits.
type ServedBlob = (Bytes, Option<Arc<Semaphore>>);
type ServedBlobs = Arc<Mutex<HashMap<BlobHash, ServedBlob>>>;

/// Replies with a blob, or with the requested range of it.
fn serve_blob(blobs: &ServedBlobs, request: &Request) -> Answer {
    let hash = request.url.rsplit('/').next().and_then(|h| h.parse::<BlobHash>().ok());
    let served = hash.and_then(|h| blobs.lock().unwrap().get(&h).cloned());
    let Some((bytes, permits)) = served else { return Answer::refused() };
    let (range, total) = (requested_range(request), bytes.len());
    let (start, end) = match range {
        Some((start, _)) if start >= total => return (416, "").into(),
        Some((start, last)) => (start, last.map_or(total, |last| total.min(last + 1))),
        None => (0, total),
    };
    let permits = permits.filter(|_| range.is_none_or(|(_, last)| last.is_none()));
    let body = pieces(bytes.slice(start..end), PIECE, move |_| {
        let permits = permits.clone();
        async move {
            if let Some(permits) = permits {
                permits.acquire().await.unwrap().forget();
            }
            Ok(())
        }
    });
    let mut headers =
        HeaderMap::from_iter([(header::CONTENT_LENGTH, HeaderValue::from(end - start))]);
    if range.is_some() {
        let text = format!("bytes {start}-{}/{total}", end - 1);
        headers.insert(header::CONTENT_RANGE, text.parse().unwrap());
    }
    Reply { status: if range.is_some() { 206 } else { 200 }, headers, body }.into()
}

pub struct TestClient {
    pub media: MediaServer,
    pub library: Library,
    blobs: ServedBlobs,
    network: Arc<Network>,
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
        let blobs = ServedBlobs::default();
        let served = blobs.clone();
        let network = Network::new(move |request| serve_blob(&served, request));
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
            mirror_url: None,
            http: network.clone(),
            clock,
            ids: Arc::new(SeededIds::new(7)),
            changes,
        })
        .unwrap();
        let media = MediaServer::start(&SeededIds::new(9), axum::Router::new()).await.unwrap();
        media.set_library(Some(content.library.clone()));
        Self {
            media,
            library: content.library.clone(),
            blobs,
            network,
            _content: content,
            _dir: dir,
        }
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
        self.serve_as(hash, bytes.clone(), permits);
        hash
    }

    /// Sets the bytes that the server sends for a blob.
    pub fn serve_as(
        &self,
        hash: BlobHash,
        bytes: impl Into<Bytes>,
        permits: Option<Arc<Semaphore>>,
    ) {
        self.blobs.lock().unwrap().insert(hash, (bytes.into(), permits));
    }

    /// Returns `Range` of each request, in order.
    pub fn requests(&self) -> Vec<Option<String>> {
        let range = |r: &Request| Some(r.headers.get(header::RANGE)?.to_str().unwrap().to_owned());
        self.network.requests().iter().map(range).collect()
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
    let mut out = vec![0; len];
    SeededIds::new(seed).fill(&mut out);
    out[..4].copy_from_slice(b"ID3\x04");
    out.into()
}
