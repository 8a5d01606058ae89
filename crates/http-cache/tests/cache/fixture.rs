//! A cache with a scripted network and a clock that tests advance.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use carrel_http_cache::{Cache, CacheConfig, Cached, DISK_BUDGET, ROUTES, Route};
use carrel_model::ErrorCode;
use carrel_net::{Body, Failure, FailureKind, Http, Reply, Request};
use carrel_system::Clock;
use carrel_testkit::{FakeClock, SeededIds};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::Semaphore;

/// A scripted result of one request.
#[derive(Debug, Clone)]
pub enum Net {
    Reply(ScriptedReply),
    Refused,
    /// Never replies: the request ends with its own timeout.
    TimesOut,
    /// Replies when released through `gate`.
    Late(ScriptedReply),
    /// The connection breaks after these bytes.
    Cut(Bytes),
    /// A body without end.
    Endless,
}

/// A scripted reply.
#[derive(Debug, Clone, Default)]
pub struct ScriptedReply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// Time until the reply arrives.
    pub takes_ms: u64,
}

pub fn scripted(status: u16, headers: &[(&str, &str)], body: &'static str) -> ScriptedReply {
    let mut headers: Vec<_> =
        headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    if !headers.iter().any(|(n, _)| n == "content-type") {
        headers.push(("content-type".into(), "application/json".into()));
    }
    ScriptedReply { status, headers, body: Bytes::from_static(body.as_bytes()), takes_ms: 0 }
}
pub fn reply(status: u16, headers: &[(&str, &str)], body: &'static str) -> Net {
    Net::Reply(scripted(status, headers, body))
}
/// `[1]`, fresh for ten minutes.
pub fn first() -> Net {
    reply(200, &[("cache-control", "max-age=600"), ("etag", "\"v1\"")], "[1]")
}
pub fn second() -> Net {
    reply(200, &[("cache-control", "max-age=600"), ("etag", "\"v2\"")], "[2]")
}
pub fn same() -> Net {
    reply(304, &[("etag", "\"v1\"")], "")
}

pub struct Script {
    pub next: Mutex<VecDeque<Net>>,
    pub seen: Mutex<Vec<Request>>,
    /// Releases late replies.
    pub gate: Semaphore,
    clock: FakeClock,
}

fn to_reply(reply: &ScriptedReply, body: Body) -> Reply {
    let mut headers = HeaderMap::new();
    for (name, value) in &reply.headers {
        let name = HeaderName::try_from(name.as_str()).expect("a name");
        headers.append(name, HeaderValue::from_str(value).expect("a value"));
    }
    Reply { status: reply.status, headers, body }
}
fn whole_reply(reply: &ScriptedReply) -> Reply {
    to_reply(reply, Box::pin(stream::iter([Ok(reply.body.clone())])))
}

#[async_trait]
impl Http for Script {
    async fn send(&self, request: Request) -> Result<Reply, Failure> {
        let limit = request.timeout;
        self.seen.lock().unwrap().push(request);
        let next = self.next.lock().unwrap().pop_front();
        let json = scripted(200, &[], "");
        match next.unwrap_or(Net::Refused) {
            Net::Reply(reply) => {
                self.clock.sleep(std::time::Duration::from_millis(reply.takes_ms)).await;
                Ok(whole_reply(&reply))
            }
            Net::Late(reply) => {
                self.gate.acquire().await.expect("open").forget();
                Ok(whole_reply(&reply))
            }
            Net::Refused => Err(Failure::new(FailureKind::Connect, "connection refused")),
            Net::TimesOut => {
                self.clock.sleep(limit).await;
                Err(Failure::new(FailureKind::Timeout, "no reply"))
            }
            Net::Cut(bytes) => {
                let broken = Failure::new(FailureKind::Broken, "connection reset");
                Ok(to_reply(&json, Box::pin(stream::iter([Ok(bytes), Err(broken)]))))
            }
            Net::Endless => {
                let piece = || Ok(Bytes::from(vec![b' '; 1 << 20]));
                Ok(to_reply(&json, Box::pin(stream::repeat_with(piece))))
            }
        }
    }
}

pub struct Fixture {
    pub cache: Cache,
    pub net: Arc<Script>,
    pub clock: FakeClock,
    pub dir: tempfile::TempDir,
    runs: u64,
    routes: &'static [Route],
    disk_budget: u64,
}

pub const MIN: i64 = 60_000;
pub const DAY: i64 = 1_440 * MIN;
pub const LIST: &str = "/api/courses";
pub const ONE: &str = "/api/courses/rivers/manifest";

impl Fixture {
    pub fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }
    /// Uses the files in `dir`.
    pub fn at(dir: tempfile::TempDir) -> Self {
        Self::open(dir, ROUTES, DISK_BUDGET)
    }
    pub fn with_routes(routes: &'static [Route]) -> Self {
        Self::open(tempfile::tempdir().unwrap(), routes, DISK_BUDGET)
    }
    pub fn with_disk_budget(bytes: u64) -> Self {
        Self::open(tempfile::tempdir().unwrap(), ROUTES, bytes)
    }
    fn open(dir: tempfile::TempDir, routes: &'static [Route], disk_budget: u64) -> Self {
        let clock = FakeClock::noon();
        let net = Arc::new(Script {
            next: Mutex::default(),
            seen: Mutex::default(),
            gate: Semaphore::new(0),
            clock: clock.clone(),
        });
        let cache = open(dir.path(), "asha", &net, &clock, 1, routes, disk_budget);
        Self { cache, net, clock, dir, runs: 1, routes, disk_budget }
    }
    /// Restarts the app: another run, nothing in memory, the same files.
    pub fn restart(&mut self) {
        self.restart_as("asha");
    }
    pub fn restart_as(&mut self, account: &str) {
        self.runs += 1;
        let (dir, routes, budget) = (self.dir.path(), self.routes, self.disk_budget);
        self.cache = open(dir, account, &self.net, &self.clock, self.runs, routes, budget);
    }
    pub fn enqueue(&self, nets: impl IntoIterator<Item = Net>) {
        self.net.next.lock().unwrap().extend(nets);
    }
    pub fn requests(&self) -> usize {
        self.net.seen.lock().unwrap().len()
    }
    pub fn last_header(&self, name: &str) -> Option<String> {
        let seen = self.net.seen.lock().unwrap();
        seen.last()?.headers.get(name).map(|v| v.to_str().unwrap().to_owned())
    }
    pub async fn get(&self, path: &str) -> Result<Cached, ErrorCode> {
        self.cache.get(path, || {}).await.map_err(|e| e.code())
    }
    pub async fn refresh(&self, path: &str) -> Result<Cached, ErrorCode> {
        self.cache.refresh(path).await.map_err(|e| e.code())
    }
    pub async fn stored(&self, path: &str) -> Result<Cached, ErrorCode> {
        self.cache.stored(path).await.map_err(|e| e.code())
    }
    /// Runs until no task can continue without the clock or the network.
    pub async fn settle(&self) {
        let mut rounds = 0;
        while rounds < 200 {
            rounds += i32::from(self.run_tasks().await);
        }
    }
    /// Yields to other tasks. Returns false while the database is busy, which takes real time.
    pub async fn run_tasks(&self) -> bool {
        tokio::task::yield_now().await;
        let is_idle = self.cache.database().pending() == 0;
        if !is_idle {
            std::thread::yield_now();
        }
        is_idle
    }
    /// Limits the file to its present size, so that SQLite reports a full disk.
    pub fn fill_disk(&self) {
        self.cache
            .database()
            .with_connection(|conn| {
                let pages: i64 = conn.pragma_query_value(None, "page_count", |r| r.get(0))?;
                conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
                Ok(())
            })
            .unwrap();
    }
}

fn open(
    dir: &std::path::Path,
    account: &str,
    net: &Arc<Script>,
    clock: &FakeClock,
    run: u64,
    routes: &'static [Route],
    disk_budget: u64,
) -> Cache {
    let config = CacheConfig {
        file: &dir.join("cache.db"),
        base_url: "http://x.test",
        account,
        http: net.clone(),
        clock: Arc::new(clock.clone()),
        ids: &SeededIds::new(run),
        routes,
        disk_budget,
        validator: None,
        free_space: None,
    };
    Cache::open(config).unwrap()
}
