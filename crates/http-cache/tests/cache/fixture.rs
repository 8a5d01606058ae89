//! A cache with a scripted network and a clock that tests advance.

use std::sync::Arc;

use bytes::Bytes;
use carrel_http_cache::{Cache, CacheConfig, Cached, DISK_BUDGET, ROUTES, Route};
use carrel_model::ErrorCode;
use carrel_testkit::{Answer, FakeClock, Network, SeededIds, reply::with_headers};
use tokio::sync::Semaphore;

/// Returns a reply; its content type is JSON if `headers` contains none.
pub fn reply(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    let json = [("content-type", "application/json")];
    let missing = !headers.iter().any(|(name, _)| *name == "content-type");
    let default = json.iter().filter(|_| missing);
    with_headers(status, headers.iter().chain(default).copied(), body).into()
}
/// `[1]`, fresh for ten minutes.
pub fn first() -> Answer {
    reply(200, &[("cache-control", "max-age=600"), ("etag", "\"v1\"")], "[1]")
}
pub fn second() -> Answer {
    reply(200, &[("cache-control", "max-age=600"), ("etag", "\"v2\"")], "[2]")
}
pub fn same() -> Answer {
    reply(304, &[("etag", "\"v1\"")], "")
}

pub struct Fixture {
    pub cache: Cache,
    pub net: Arc<Network>,
    /// Releases held answers.
    pub gate: Arc<Semaphore>,
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
        let net = Network::new(|_| Answer::refused());
        let cache = open(dir.path(), "asha", &net, &clock, 1, routes, disk_budget);
        Self {
            cache,
            net,
            gate: Arc::new(Semaphore::new(0)),
            clock,
            dir,
            runs: 1,
            routes,
            disk_budget,
        }
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
    pub fn enqueue(&self, answers: impl IntoIterator<Item = Answer>) {
        self.net.enqueue(answers);
    }
    pub fn requests(&self) -> usize {
        self.net.request_count()
    }
    pub fn last_header(&self, name: &str) -> Option<String> {
        let requests = self.net.requests();
        requests.last()?.headers.get(name).map(|v| v.to_str().unwrap().to_owned())
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
    net: &Arc<Network>,
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
