//! Test support: a server in a temporary folder, learners, requests, and a small course.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode},
};
use carrel_model::{
    BlobHash, DeviceId,
    wire::{Problem, Role, TokenReply},
};
use carrel_object_store::{ObjectStoreSettings, testing::FakeS3};
use carrel_server::{
    Config, DataDir, FakeClock, Settings, domain::accounts::NewAccount, http,
    publish::ImportReport, store::Engine,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tower::ServiceExt;

/// 2026-09-21, in milliseconds.
pub const NOW: i64 = 1_790_000_000_000;
pub const PASSWORD: &str = "a good long password";

/// An engine under test, and access of tests to its database. Otherwise, tests use the interfaces of the server.
pub trait Fixture: Sync {
    fn engine(&self) -> Arc<dyn Engine>;
    /// Returns the number of rows of a table.
    fn count(&self, folder: &Path, table: &str) -> i64;
    /// Returns the names of all tables.
    fn tables(&self, folder: &Path) -> Vec<String>;
    /// Runs a statement, as a fault or an administrator would.
    fn execute(&self, folder: &Path, sql: &str);
    /// Drops a table, so that calls that use it fail.
    fn drop_table(&self, folder: &Path, table: &str);
    /// Returns the size of all learners' rows in bytes, computed from the tables.
    fn stored_bytes(&self, folder: &Path) -> i64;
    fn epoch(&self, folder: &Path) -> String;
    /// Returns the environment variables with which the program uses the database of a folder.
    fn variables(&self, folder: &Path) -> Vec<(&'static str, String)>;
    /// Returns all bytes that the engine has written.
    fn raw_bytes(&self, folder: &Path) -> Vec<u8>;
}

/// The engines that these tests can run on; `CARREL_TEST_ENGINE` selects one.
const ENGINES: &[(&str, &dyn Fixture)] =
    &[("sqlite", &super::sqlite::SqliteFixture), ("postgres", &super::postgres::PostgresFixture)];

pub fn fixture() -> &'static dyn Fixture {
    let name = std::env::var("CARREL_TEST_ENGINE").unwrap_or_else(|_| "sqlite".into());
    let found = ENGINES.iter().find(|(engine, _)| *engine == name);
    found.unwrap_or_else(|| panic!("no engine {name:?} among the fixtures")).1
}

/// Ends a test that concerns SQLite only, for the reason given, if another engine is under test.
macro_rules! sqlite_only {
    ($reason:literal) => {
        if crate::support::is_skipped($reason) {
            return;
        }
    };
}

/// Used by `sqlite_only`. Returns true if another engine is under test.
pub fn is_skipped(reason: &str) -> bool {
    let is_skipped = engine().name() != "sqlite";
    if is_skipped {
        eprintln!("skipped on {}: {reason}", engine().name());
    }
    is_skipped
}

pub fn engine() -> &'static dyn Engine {
    static ENGINE: LazyLock<Arc<dyn Engine>> = LazyLock::new(|| fixture().engine());
    ENGINE.as_ref()
}

/// Returns a configuration with the engine under test.
pub fn config(folder: impl Into<PathBuf>) -> Config {
    Config { engine: fixture().engine(), ..Config::new(folder) }
}

pub struct TestServer {
    pub dir: tempfile::TempDir,
    pub clock: Arc<FakeClock>,
    pub data_dir: DataDir,
    pub router: Router,
}

#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| {
            panic!("{} {e}: {}", self.status, String::from_utf8_lossy(&self.body))
        })
    }
    pub fn ok<T: DeserializeOwned>(&self) -> T {
        assert!(
            self.status.is_success(),
            "{} {}",
            self.status,
            String::from_utf8_lossy(&self.body)
        );
        self.json()
    }
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
    /// Returns the problem, after checking the fields that every problem has.
    pub fn problem(&self) -> Problem {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.status);
        let problem: Problem = self.json();
        assert_eq!(problem.status, self.status.as_u16());
        assert_eq!(problem.correlation_id, self.header("x-request-id"));
        assert_eq!(problem.problem_type, format!("/problems/{}", problem.code.as_str()));
        assert!(!problem.title.is_empty() && !problem.detail.is_empty(), "{problem:?}");
        problem
    }
}

/// Returns an object store for the blobs of a folder if `CARREL_TEST_BLOBS` is `s3`, so that all tests of blobs can run
/// with one.
pub fn object_store_of(folder: &Path) -> Option<ObjectStoreSettings> {
    static S3: LazyLock<FakeS3> = LazyLock::new(FakeS3::start);
    let name = std::env::var("CARREL_TEST_BLOBS").unwrap_or_default();
    let prefix = BlobHash::of(folder.as_os_str().as_encoded_bytes()).to_hex();
    (name == "s3").then(|| S3.settings(&prefix[..16]))
}

impl TestServer {
    pub fn new() -> Self {
        Self::with(Settings { registration_open: true, ..Settings::default() })
    }
    pub fn with(mut settings: Settings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        settings.blobs = settings.blobs.or_else(|| object_store_of(dir.path()));
        let clock = Arc::new(FakeClock::new(NOW));
        let config =
            Config { settings, clock: Arc::clone(&clock) as _, ..config(dir.path().join("data")) };
        let data_dir = DataDir::open(config).unwrap();
        let router = http::app(data_dir.app().unwrap());
        Self { dir, clock, data_dir, router }
    }
    pub fn folder(&self) -> PathBuf {
        self.dir.path().join("data")
    }
    pub async fn send(&self, request: Request<Body>) -> Reply {
        let reply = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = reply.into_parts();
        // The body of an event stream does not end, so it is not read.
        let is_stream = parts.headers.get("content-type").is_some_and(|t| t == "text/event-stream");
        let body = if is_stream { Body::empty() } else { body };
        let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Reply { status: parts.status, headers: parts.headers, body }
    }
    pub async fn call(
        &self,
        method: Method,
        uri: &str,
        token: &str,
        body: Option<&Value>,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(uri);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(serde_json::to_vec(body).unwrap())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).unwrap()).await
    }
    pub async fn get(&self, uri: &str, token: &str) -> Reply {
        self.call(Method::GET, uri, token, None).await
    }
    pub async fn post(&self, uri: &str, token: &str, body: &Value) -> Reply {
        self.call(Method::POST, uri, token, Some(body)).await
    }
    /// Creates a learner who is signed in on device 1.
    pub async fn learner(&self, login: &str) -> TokenReply {
        let body =
            json!({"login": login, "name": login, "password": PASSWORD, "deviceId": device(1)});
        let registered = self.post("/api/auth/register", "", &body).await;
        if registered.status != StatusCode::FORBIDDEN {
            return registered.ok();
        }
        // If registration is closed, the account is created as an administrator does it.
        let user = http::auth::new_user(login, login, Role::Student).unwrap();
        let password = carrel_server::password::hash_blocking(PASSWORD).unwrap();
        let account = NewAccount { user, password };
        self.data_dir.store.add_account(account, None, NOW).await.unwrap();
        self.sign_in(login, 1).await
    }
    /// Signs in a learner on this device.
    pub async fn sign_in(&self, login: &str, device_no: u128) -> TokenReply {
        let body = json!({"login": login, "password": PASSWORD, "deviceId": device(device_no)});
        self.post("/api/auth/login", "", &body).await.ok()
    }
    pub async fn push(&self, token: &str, items: &[Value]) -> Reply {
        self.post("/api/sync/push", token, &push_body(items)).await
    }
    pub async fn pull(&self, token: &str, since: u64) -> Value {
        self.get(&format!("/api/sync/pull?since={since}&limit=2000"), token).await.ok()
    }
    /// Publishes the course of `write_course`.
    pub async fn publish(&self) -> ImportReport {
        let package = self.dir.path().join("package");
        write_course(&package);
        let report = self.data_dir.import(&[package]).await.unwrap();
        assert!(report.is_ok(), "{report:?}");
        report
    }
    /// Returns hash and size of the largest blob of the course with this media type.
    pub async fn blob_of_type(&self, media_type: &str) -> (BlobHash, u64) {
        let signed: Value = self.get("/api/courses/how-rivers-work/manifest", "").await.ok();
        let manifest: Value = serde_json::from_str(signed["manifest"].as_str().unwrap()).unwrap();
        let blobs = manifest["blobs"].as_array().unwrap();
        let blob = blobs
            .iter()
            .filter(|b| b["type"] == media_type)
            .max_by_key(|b| b["size"].as_u64())
            .unwrap();
        (blob["hash"].as_str().unwrap().parse().unwrap(), blob["size"].as_u64().unwrap())
    }
}

pub fn device(n: u128) -> DeviceId {
    DeviceId::from_u128(n)
}

pub fn push_body(items: &[Value]) -> Value {
    json!({"deviceId": device(1), "epoch": "", "batchId": device(99), "hlcNow": "0000000000000001", "items": items})
}

pub fn progress(item: &str, percent: u32) -> Value {
    json!({"type": "progress", "kind": "section", "item": item, "percent": percent})
}

pub fn codes(reply: &Value) -> Vec<String> {
    let results = reply["results"].as_array().unwrap();
    results.iter().map(|r| r["code"].as_str().unwrap().to_owned()).collect()
}

/// Writes a course package with every kind of content that the server reads: text, audio, a quiz, a story.
pub fn write_course(at: &Path) {
    let put = |name: &str, text: &str| {
        let path = at.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    put(
        "course.json",
        r##"{"format":"carrel-course/1","id":"how-rivers-work","title":"How Rivers Work","description":"Water finds its way.",
        "lang":"en","difficulty":"INTERMEDIATE","category":"Geography","tags":["water"],"hours":1.5,"authors":["A. Teacher"],
        "license":"CC0-1.0","stories":["stories/the-flood"],"lessons":[{"id":"meanders","title":"Meanders","sections":[
        {"id":"read","type":"TEXT","title":"Why rivers wander","file":"read.md","minutes":6},
        {"id":"check","type":"QUIZ","title":"Check yourself","quiz":"check.json"}]}]}"##,
    );
    let text =
        "A river is never straight for long. Its *méandres* wander over the valley floor.\n\n"
            .repeat(20);
    put("read.md", &format!("# Bends\n\n{text}\n![Rain](rain.wav)\n"));
    put("rain.md", "The sound of rain.");
    put(
        "check.json",
        r#"{"format":"carrel-quiz/1","id":"bends","title":"Check yourself","pass":60,"questions":[
        {"id":"fast","kind":"single","prompt":"Where is the water fastest?","choices":[
        {"id":"out","text":"Outside","correct":true},{"id":"in","text":"Inside"}]},
        {"id":"name","kind":"fill","prompt":"A cut-off bend is an ___ lake.","blanks":[["oxbow"]]}]}"#,
    );
    put(
        "stories/the-flood/story.json",
        r#"{"format":"carrel-story/1","id":"the-flood","title":"The Flood","lang":"en","level":2,"license":"CC0-1.0"}"#,
    );
    put(
        "stories/the-flood/story.md",
        "# The Flood\n\n##\n\nThe water came at night. Nobody slept.\n",
    );
    std::fs::write(at.join("rain.wav"), wav(2_000)).unwrap();
}

/// Returns a quiet tone with this number of samples: WAV, 8 kHz, 16 bit, one channel.
pub fn wav(samples: i32) -> Vec<u8> {
    let samples: Vec<u8> =
        (0..samples).flat_map(|n| (((n * 37) % 400 - 200) as i16).to_le_bytes()).collect();
    let mut file = b"RIFF".to_vec();
    file.extend((36 + samples.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    for n in [1_u16, 1] {
        file.extend(n.to_le_bytes());
    }
    file.extend(8000_u32.to_le_bytes());
    file.extend(16_000_u32.to_le_bytes());
    for n in [2_u16, 16] {
        file.extend(n.to_le_bytes());
    }
    file.extend(b"data");
    file.extend((samples.len() as u32).to_le_bytes());
    file.extend(samples);
    file
}
