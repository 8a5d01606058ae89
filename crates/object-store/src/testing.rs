//! A small S3 server for tests: objects in memory, signatures that are verified, lists in pages, and faults on demand.
//!
//! It computes signatures from the bytes that it received, without the code that signs requests. The modification
//! time of an object is the time that the client signed, so that tests can set it.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "for tests")]

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write as _,
    io::{BufRead, BufReader, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, UNIX_EPOCH},
};

use ring::{digest, hmac};

use crate::{ObjectStoreSettings, time};

pub const BUCKET: &str = "library";
pub const ACCESS_KEY: &str = "TESTKEY";
pub const SECRET_KEY: &str = "a-secret/of+tests";
const REGION: &str = "us-east-1";

/// What happens to a request instead of its execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// An error with this status and code.
    Error(u16, &'static str),
    /// The request is executed, but the connection ends after this number of bytes of the body.
    Cut(usize),
    /// The connection ends without a reply; the request is not executed.
    Drop,
    /// The request is executed, and the reply is lost.
    LoseReply,
    /// The reply waits until `release`.
    Hold,
}

/// A request that was received: method, and path with query.
pub type Received = (String, String);

#[derive(Default)]
struct State {
    /// Content and time of the last change by key.
    objects: BTreeMap<String, (Vec<u8>, i64)>,
    /// Faults for the next requests with this method and a key that contains the text.
    faults: VecDeque<(&'static str, String, Fault)>,
    /// All requests fail, until it is set to false.
    is_down: bool,
    received: Vec<Received>,
    /// Requests that wait.
    held: usize,
    is_released: bool,
    /// If set, signatures of other times are refused.
    now_ms: Option<i64>,
    page: usize,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// A running server. It ends with the process.
#[derive(Clone)]
pub struct FakeS3 {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    secret: Arc<tempfile::TempDir>,
}

impl Default for FakeS3 {
    fn default() -> Self {
        Self::start()
    }
}

impl FakeS3 {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Mutex::new(State { page: 1000, ..State::default() });
        let shared = Arc::new(Shared { state, changed: Condvar::new() });
        let secret = Arc::new(tempfile::tempdir().unwrap());
        std::fs::write(secret.path().join("secret"), SECRET_KEY).unwrap();
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                thread::spawn(move || serve(&stream, &shared));
            }
        });
        Self { address, shared, secret }
    }
    /// Returns settings with this prefix, which fail fast.
    pub fn settings(&self, prefix: &str) -> ObjectStoreSettings {
        ObjectStoreSettings {
            url: format!("s3://{BUCKET}/{prefix}"),
            endpoint: Some(format!("http://{}", self.address)),
            access_key: Some(ACCESS_KEY.into()),
            secret_key_file: Some(self.secret_file()),
            attempts: 4,
            retry_ms: 1,
            ..ObjectStoreSettings::default()
        }
    }
    pub fn secret_file(&self) -> PathBuf {
        self.secret.path().join("secret")
    }
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.shared.state.lock().unwrap());
        self.shared.changed.notify_all();
        changed
    }
    /// Adds a fault for the next request with this method and a path that contains the text.
    pub fn fail(&self, method: &'static str, path: &str, fault: Fault) {
        self.change(|state| state.faults.push_back((method, path.to_owned(), fault)));
    }
    /// Returns the number of faults that no request has met.
    pub fn faults_left(&self) -> usize {
        self.change(|state| state.faults.len())
    }
    pub fn set_down(&self, is_down: bool) {
        self.change(|state| state.is_down = is_down);
    }
    pub fn set_page(&self, page: usize) {
        self.change(|state| state.page = page);
    }
    pub fn set_now(&self, now_ms: i64) {
        self.change(|state| state.now_ms = Some(now_ms));
    }
    /// Waits until a request is held.
    pub fn wait_for_held(&self) {
        let state = self.shared.state.lock().unwrap();
        drop(self.shared.changed.wait_while(state, |state| state.held == 0).unwrap());
    }
    /// Lets all held requests go on.
    pub fn release(&self) {
        self.change(|state| state.is_released = true);
    }
    /// Returns the requests since the last call.
    pub fn received(&self) -> Vec<Received> {
        self.change(|state| std::mem::take(&mut state.received))
    }
    /// Returns the keys that begin with `start`.
    pub fn keys(&self, start: &str) -> Vec<String> {
        self.change(|s| s.objects.keys().filter(|key| key.starts_with(start)).cloned().collect())
    }
    /// Returns the content of the objects whose keys contain the text.
    pub fn content(&self, part: &str) -> Vec<Vec<u8>> {
        self.change(|s| {
            let found = s.objects.iter().filter(|(key, _)| key.contains(part));
            found.map(|(_, (bytes, _))| bytes.clone()).collect()
        })
    }
    /// Removes the objects whose keys contain the text.
    pub fn lose(&self, part: &str) {
        self.change(|s| s.objects.retain(|key, _| !key.contains(part)));
    }
    /// Replaces the content of the objects whose keys contain the text, as a defect of a disk would.
    pub fn damage(&self, part: &str, content: &[u8]) {
        self.change(|s| {
            for (_, (bytes, _)) in s.objects.iter_mut().filter(|(key, _)| key.contains(part)) {
                *bytes = content.to_vec();
            }
        });
    }
}

struct Incoming {
    method: String,
    /// Path and query as received.
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Incoming {
    fn read(from: &mut impl BufRead) -> Option<Self> {
        let mut line = String::new();
        from.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let mut words = line.split_whitespace();
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            from.read_line(&mut line).ok().filter(|n| *n > 0)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut incoming = Self { method, target, headers, body: Vec::new() };
        let len = incoming.header("content-length").parse().unwrap_or(0);
        incoming.body = vec![0; len];
        from.read_exact(&mut incoming.body).ok()?;
        Some(incoming)
    }
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }
}

struct Outgoing {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

fn error(status: u16, code: &str) -> Outgoing {
    let body = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>as told</Message></Error>"
    );
    Outgoing { status, headers: String::new(), body: body.into_bytes() }
}

fn serve(stream: &TcpStream, shared: &Shared) {
    let mut from = BufReader::new(stream);
    let mut to = stream;
    while let Some(request) = Incoming::read(&mut from) {
        let fault = {
            let mut state = shared.state.lock().unwrap();
            state.received.push((request.method.clone(), request.target.clone()));
            let found = state.faults.iter().position(|(method, part, _)| {
                *method == request.method && request.target.contains(part)
            });
            let fault = found.and_then(|at| state.faults.remove(at)).map(|(_, _, fault)| fault);
            if state.is_down { Some(Fault::Error(503, "ServiceUnavailable")) } else { fault }
        };
        let reply = match &fault {
            Some(Fault::Error(status, code)) => error(*status, code),
            Some(Fault::Drop) => break,
            _ => {
                let mut state = shared.state.lock().unwrap();
                match verify(&request, state.now_ms) {
                    Ok(at_ms) => execute(&request, &mut state, at_ms),
                    Err((status, code)) => error(status, code),
                }
            }
        };
        if fault == Some(Fault::LoseReply) {
            break;
        }
        if fault == Some(Fault::Hold) {
            let mut state = shared.state.lock().unwrap();
            state.held += 1;
            shared.changed.notify_all();
            drop(shared.changed.wait_while(state, |state| !state.is_released).unwrap());
        }
        let len = reply.body.len();
        let mut head = format!("HTTP/1.1 {} X\r\n{}", reply.status, reply.headers);
        if !reply.headers.contains("content-length") {
            write!(head, "content-length: {len}\r\n").unwrap();
        }
        let is_head = request.method == "HEAD";
        let body = if is_head { &[][..] } else { &reply.body };
        let sent = match fault {
            Some(Fault::Cut(at)) => &body[..at.min(len)],
            _ => body,
        };
        let written =
            to.write_all(format!("{head}\r\n").as_bytes()).and_then(|()| to.write_all(sent));
        if written.is_err() || sent.len() < body.len() {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}

/// Verifies the signature and the hash of the body. Returns the signed time.
fn verify(request: &Incoming, now_ms: Option<i64>) -> Result<i64, (u16, &'static str)> {
    let value =
        request.header("authorization").strip_prefix("AWS4-HMAC-SHA256 ").unwrap_or_default();
    let field = |name: &str| {
        let mut fields = value.split(',').filter_map(|field| field.trim().split_once('='));
        fields.find(|(n, _)| *n == name).map(|(_, value)| value.to_owned())
    };
    let [credential, names, signature] =
        ["Credential", "SignedHeaders", "Signature"].map(|name| field(name).unwrap_or_default());
    let scope: Vec<&str> = credential.split('/').collect();
    let [access_key, day, region, "s3", "aws4_request"] = scope[..] else {
        return Err((403, "AccessDenied"));
    };
    if access_key != ACCESS_KEY {
        return Err((403, "InvalidAccessKeyId"));
    }
    if region != REGION {
        return Err((400, "AuthorizationHeaderMalformed"));
    }
    let at = request.header("x-amz-date");
    let at_ms = time::parse(at).filter(|_| at.starts_with(day)).ok_or((403, "AccessDenied"))?;
    if now_ms.is_some_and(|now_ms| (now_ms - at_ms).abs() > 15 * 60_000) {
        return Err((403, "RequestTimeTooSkewed"));
    }
    let names: Vec<&str> = names.split(';').collect();
    let must_be_signed =
        |name: &str| name == "host" || name == "range" || name.starts_with("x-amz-");
    if request.headers.iter().any(|(name, _)| must_be_signed(name) && !names.contains(&&**name)) {
        return Err((403, "AccessDenied"));
    }
    let payload = request.header("x-amz-content-sha256");
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let mut query: Vec<&str> = query.split('&').collect();
    query.sort_unstable();
    let mut canonical = format!("{}\n{path}\n{}\n", request.method, query.join("&"));
    for name in &names {
        writeln!(canonical, "{name}:{}", request.header(name)).unwrap();
    }
    write!(canonical, "\n{}\n{payload}", names.join(";")).unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let hash = |bytes: &[u8]| hex(digest::digest(&digest::SHA256, bytes).as_ref());
    let text = format!(
        "AWS4-HMAC-SHA256\n{at}\n{day}/{region}/s3/aws4_request\n{}",
        hash(canonical.as_bytes())
    );
    let sign = |key: &[u8], text: &str| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
    };
    let key = sign(format!("AWS4{SECRET_KEY}").as_bytes(), day);
    let key = ["us-east-1", "s3", "aws4_request"].iter().fold(key, |key, part| sign(&key, part));
    if hex(&sign(&key, &text)) != signature {
        return Err((403, "SignatureDoesNotMatch"));
    }
    if hash(&request.body) != payload {
        return Err((400, "XAmzContentSHA256Mismatch"));
    }
    Ok(at_ms)
}

fn decode(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let hex = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16)).unwrap_or_default();
        out.push(match byte {
            b'%' => (hex(bytes.next()) * 16 + hex(bytes.next())) as u8,
            byte => byte,
        });
    }
    String::from_utf8(out).unwrap()
}

fn execute(request: &Incoming, state: &mut State, at_ms: i64) -> Outgoing {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let path = decode(path);
    let Some(key) = path.strip_prefix(&format!("/{BUCKET}/")) else {
        return error(404, "NoSuchBucket");
    };
    let ok = |body: Vec<u8>| Outgoing { status: 200, headers: String::new(), body };
    match &*request.method {
        "GET" if key.is_empty() => list(query, state),
        "PUT" => {
            let source = decode(request.header("x-amz-copy-source"));
            let (content, reply) = match source.strip_prefix(&format!("/{BUCKET}/")) {
                None => (request.body.clone(), Vec::new()),
                Some(source) => match state.objects.get(source) {
                    Some((content, _)) => (content.clone(), b"<CopyObjectResult/>".to_vec()),
                    None => return error(404, "NoSuchKey"),
                },
            };
            state.objects.insert(key.to_owned(), (content, at_ms));
            ok(reply)
        }
        "DELETE" => {
            state.objects.remove(key);
            Outgoing { status: 204, ..ok(Vec::new()) }
        }
        _ => {
            let Some((content, modified_ms)) = state.objects.get(key) else {
                return error(404, "NoSuchKey");
            };
            let modified = UNIX_EPOCH + Duration::from_millis(modified_ms.unsigned_abs());
            let modified = httpdate::fmt_http_date(modified);
            let mut headers = format!("last-modified: {modified}\r\n");
            let Some(range) = request.header("range").strip_prefix("bytes=") else {
                return Outgoing { status: 200, headers, body: content.clone() };
            };
            let (first, last) = range.split_once('-').unwrap();
            let first: usize = first.parse().unwrap();
            let end = last.parse::<usize>().map_or(content.len(), |l| content.len().min(l + 1));
            if first >= end {
                return error(416, "InvalidRange");
            }
            let len = content.len();
            write!(headers, "content-range: bytes {first}-{}/{len}\r\n", end - 1).unwrap();
            Outgoing { status: 206, headers, body: content[first..end].to_vec() }
        }
    }
}

fn list(query: &str, state: &State) -> Outgoing {
    let value = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(n, _)| *n == name).map(|(_, value)| decode(value))
    };
    let prefix = value("prefix").unwrap_or_default();
    let after = value("continuation-token").unwrap_or_default();
    let max = value("max-keys").unwrap().parse::<usize>().unwrap().min(state.page);
    let mut found =
        state.objects.iter().filter(|(key, _)| key.starts_with(&prefix) && **key > after);
    let page: Vec<_> = found.by_ref().take(max).collect();
    let mut body = "<ListBucketResult>".to_owned();
    if let (Some((last, _)), Some(_)) = (page.last(), found.next()) {
        write!(
            body,
            "<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>"
        )
        .unwrap();
    }
    for (key, (content, modified_ms)) in page {
        let (at, len) = (time::compact(*modified_ms), content.len());
        let at = format!(
            "{}-{}-{}T{}:{}:{}.000Z",
            &at[..4],
            &at[4..6],
            &at[6..8],
            &at[9..11],
            &at[11..13],
            &at[13..15]
        );
        write!(
            body,
            "<Contents><Key>{key}</Key><LastModified>{at}</LastModified><Size>{len}</Size></Contents>"
        )
        .unwrap();
    }
    body.push_str("</ListBucketResult>");
    Outgoing { status: 200, headers: String::new(), body: body.into_bytes() }
}
