//! The cache of one account: `get` follows the route table, `refresh` always sends a request, `stored` never does.
//!
//! Not here: the meaning of header fields (`freshness`, `stored_headers`, `vary`), sending requests and validating
//! replies (`request`).

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use carrel_net::{Error as Net, Http};
use carrel_sqlite::{Database, Migration, in_memory};
use carrel_system::{Clock, IdGen};
use futures_util::FutureExt;

use crate::{
    ByteLru, Cached, Error, Fallback, Figures, Forward, FreeSpaceCheck, Origin, Result, Route,
    Strategy,
    entries::{StoredResponses, Variants},
    failures::Failures,
    figures::{Count, Counters},
    in_flight::{Ends, InFlight, Waiter},
    lookup::{Lookup, Stored},
    request::{Fetched, Outcome},
    routes,
    vary::Account,
};

/// The migrations of `cache.db`, in order.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "entries",
        sql: include_str!("../../../migrations/cache/0001_entries.sql"),
    },
    Migration {
        number: 2,
        name: "without invalidation",
        sql: include_str!("../../../migrations/cache/0002_without_invalidation.sql"),
    },
    Migration {
        number: 3,
        name: "search terms",
        sql: include_str!("../../../migrations/cache/0003_search_terms.sql"),
    },
    Migration {
        number: 4,
        name: "groups",
        sql: include_str!("../../../migrations/cache/0004_groups.sql"),
    },
];
const MEMORY_BUDGET: usize = 8 * 1024 * 1024;

/// Checks whether a response is valid for its path. A rejected response is not stored.
pub type ResponseValidator = Box<dyn Fn(&str, &[u8]) -> Result<(), Rejection> + Send + Sync>;

/// Why a response was rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// The signed document, its signature or its hash is invalid.
    Corrupt(String),
    /// The body is not a valid document for the path.
    BadReply(String),
}

/// Configuration of a cache.
pub struct CacheConfig<'a> {
    /// Path of `cache.db`.
    pub file: &'a Path,
    /// Without a trailing slash.
    pub base_url: &'a str,
    /// Id of the account that the file belongs to.
    pub account: &'a str,
    /// Adds the access token to each request.
    pub http: Arc<dyn Http>,
    /// Wall and monotonic clock, for ages and remembered failures.
    pub clock: Arc<dyn Clock>,
    /// Generates the id of this run of the app.
    pub ids: &'a dyn IdGen,
    /// The route table: `ROUTES`, except in tests of the cache.
    pub routes: &'static [Route],
    /// Maximum size of all responses in the file in bytes: `DISK_BUDGET`, except in tests of the cache.
    pub disk_budget: u64,
    /// Only responses that it accepts are used and stored. `None`: all JSON documents are valid.
    pub validator: Option<ResponseValidator>,
    /// Checks before each write whether a response may be written to the file; if not, it is kept in memory. `None`:
    /// always allowed.
    pub free_space: Option<FreeSpaceCheck>,
}

/// A request for a path.
#[derive(Debug, Clone)]
pub(super) struct CacheRequest {
    /// Begins with `/api/`.
    pub path: String,
    pub route: Route,
}

impl CacheRequest {
    /// Returns false for network-only routes.
    pub fn is_storable(&self) -> bool {
        self.route.strategy != Strategy::NetworkOnly
    }
}

/// The cache of one account.
#[derive(Clone)]
pub struct Cache {
    inner: Arc<CacheInner>,
}

pub(super) struct CacheInner {
    pub http: Arc<dyn Http>,
    pub base_url: String,
    pub clock: Arc<dyn Clock>,
    pub failures: Failures,
    pub validator: Option<Arc<ResponseValidator>>,
    pub run: [u8; 16],
    pub account: Account,
    pub responses: StoredResponses,
    pub memory: ByteLru<String, Arc<Variants>>,
    /// Number of changes to the stored responses. A result read before a change is not put into memory.
    pub changes: Mutex<u64>,
    /// Reads of `cache.db`, one at a time for each path.
    pub reads: InFlight<String, Result<Arc<Variants>>>,
    db: Database<Error>,
    routes: &'static [Route],
    requests: InFlight<String, Fetched>,
    counters: Counters,
}

impl Cache {
    /// Opens or creates the file. Blocking.
    pub fn open(config: CacheConfig<'_>) -> Result<Self> {
        let mut run = [0; 16];
        config.ids.fill(&mut run);
        let now_ms = config.clock.now_ms();
        let db = Database::open_disposable(config.file, MIGRATIONS, now_ms)?;
        let open = || StoredResponses::open(db.clone(), config.disk_budget);
        let mut responses = open()
            // The second attempt follows a check of the file; the third runs without the file.
            .or_else(|_| open())
            .or_else(|e| {
                tracing::warn!(error = %e, "the cache file cannot be read: caching in memory only");
                db.replace_blocking(|| Ok((in_memory(MIGRATIONS, now_ms)?, ())))?;
                open()
            })?;
        responses.set_free_space_check(config.free_space);
        let inner = CacheInner {
            responses,
            db,
            http: config.http,
            base_url: config.base_url.to_owned(),
            clock: config.clock,
            failures: Failures::default(),
            validator: config.validator.map(Arc::new),
            run,
            account: Account(config.account.to_owned()),
            memory: ByteLru::new(MEMORY_BUDGET),
            changes: Mutex::new(0),
            reads: InFlight::new(),
            routes: config.routes,
            requests: InFlight::new(),
            counters: Counters::new(config.routes),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns the database, for tables of other modules in the same file.
    pub fn database(&self) -> &Database<Error> {
        &self.inner.db
    }
    /// Returns the counters since start-up and the present sizes.
    pub fn figures(&self) -> Figures {
        let inner = &self.inner;
        Figures {
            routes: inner.counters.by_route(),
            memory_bytes: inner.memory.bytes() as u64,
            memory_budget: inner.memory.budget() as u64,
            disk_bytes: inner.responses.bytes(),
            disk_budget: inner.responses.budget(),
            evicted: inner.responses.evicted(),
        }
    }
    /// Counts a use or fetch of a blob under the route of blobs. `origin` is `None` if the blob could not be obtained;
    /// `joined` is true if the request of another caller was shared.
    pub fn count_blob(&self, origin: Option<Origin>, joined: bool) {
        let (route, counters) = (self.route("/api/blobs/-"), &self.inner.counters);
        match origin {
            Some(origin) => counters.count_response(&route, origin),
            None => counters.add(&route, Count::Failed),
        }
        if joined {
            counters.add(&route, Count::Coalesced);
        }
    }
    /// Returns the time by the clock of the cache (UTC, ms since 1970).
    pub fn now_ms(&self) -> i64 {
        self.inner.clock.now_ms()
    }
    /// Discards remembered failures that may not apply to another network.
    pub fn network_changed(&self) {
        self.inner.failures.network_changed();
    }
    /// Returns true for a few seconds after the server could not be reached.
    pub fn is_offline(&self) -> bool {
        self.inner.failures.is_unreachable(self.inner.clock.monotonic_ms())
    }
    /// Returns the row of the route table for a path.
    pub fn route(&self, path: &str) -> Route {
        routes::find(self.inner.routes, path)
    }

    /// Returns the response to `GET path` by the route table. `path` begins with `/api/`. `on_change` is called if a
    /// stale response was returned and the request in the background received a different one.
    pub async fn get(
        &self,
        path: &str,
        on_change: impl FnOnce() + Send + 'static,
    ) -> Result<Cached> {
        let request = self.request(path);
        let done = self.by_strategy(&request, on_change).await;
        self.counted(&request, done)
    }

    /// Sends a request with the validators of the stored response, and stores the new response. Joins a request for the
    /// path that is in progress. If the server cannot be reached or fails, returns a stored response that may be used
    /// instead, marked as a fallback (`Cached::fallback`).
    pub async fn refresh(&self, path: &str) -> Result<Cached> {
        let request = self.request(path);
        let done = match self.lookup(&request).await {
            Ok(lookup) => {
                let why = lookup.why(&request.route);
                self.forward(&request, lookup.stored, why).await
            }
            Err(e) => Err(e),
        };
        self.counted(&request, done)
    }

    /// Returns the stored response, whatever its age. Sends no request. Returns `NotStored` if there is none, or if the
    /// server does not allow its use without a request.
    pub async fn stored(&self, path: &str) -> Result<Cached> {
        let request = self.request(path);
        let done = self.lookup(&request).await.and_then(|lookup| match lookup.stored {
            Some(stored) if stored.at_any_age(&request.route) => {
                Ok(self.inner.hit(&stored, &request.route, self.is_offline()))
            }
            _ => Err(Error::NotStored(request.path.clone())),
        });
        self.counted(&request, done)
    }

    fn request(&self, path: &str) -> CacheRequest {
        CacheRequest { path: path.to_owned(), route: self.route(path) }
    }

    fn counted(&self, request: &CacheRequest, done: Result<Cached>) -> Result<Cached> {
        let (route, counters) = (&request.route, &self.inner.counters);
        match &done {
            Ok(cached) => {
                counters.count_response(route, cached.origin);
                if cached.is_dated() {
                    counters.add(route, Count::Stale);
                }
                if cached.status.collapsed {
                    counters.add(route, Count::Coalesced);
                }
            }
            Err(_) => counters.add(route, Count::Failed),
        }
        done
    }

    async fn lookup(&self, request: &CacheRequest) -> Result<Lookup> {
        match request.is_storable() {
            true => self.inner.lookup(&request.path).await,
            false => Ok(Lookup { stored: None, others: false }),
        }
    }

    async fn by_strategy(
        &self,
        request: &CacheRequest,
        on_change: impl FnOnce() + Send + 'static,
    ) -> Result<Cached> {
        let route = &request.route;
        if route.strategy == Strategy::NetworkOnly {
            return self.forward(request, None, Forward::Bypass).await;
        }
        let lookup = self.inner.lookup(&request.path).await?;
        let why = lookup.why(route);
        let Some(stored) = lookup.stored else { return self.forward(request, None, why).await };
        if route.strategy == Strategy::NetworkFirst {
            return self.forward(request, Some(stored), why).await;
        }
        if route.strategy == Strategy::CacheFirst {
            if stored.at_any_age(route) {
                return Ok(self.inner.hit(&stored, route, false));
            }
        } else if stored.is_fresh(route) && !stored.entry.policy.no_cache {
            return Ok(self.inner.hit(&stored, route, false));
        } else if stored.while_revalidating(route) {
            let offline = self.is_offline();
            if !offline {
                let fetch = self.fetch(request);
                tokio::spawn(async move {
                    let fetched = fetch.await.map(|f| f.outcome);
                    if let Some(Outcome::Body { changed: true, .. }) = fetched {
                        on_change();
                    }
                });
            }
            return Ok(self.inner.hit(&stored, route, offline));
        }
        self.forward(request, Some(stored), why).await
    }

    /// Sends a request and returns the server's response. If it fails, returns the stored response, if that may be used
    /// instead.
    async fn forward(
        &self,
        request: &CacheRequest,
        stored: Option<Stored>,
        why: Forward,
    ) -> Result<Cached> {
        let (route, fetch) = (&request.route, self.fetch(request));
        let joined = fetch.joined;
        let Some(Fetched { outcome, is_known_failure }) = fetch.await else {
            return Err(Error::Internal("a request task panicked".into()));
        };
        if is_known_failure {
            self.inner.counters.add(route, Count::Negative);
        }
        if let Outcome::Body { entry, origin, stored, .. } = outcome {
            return Ok(self.inner.received(&entry, origin, stored, joined, route, why));
        }
        match stored {
            Some(stored) if !outcome.is_final() && stored.on_error(route) => {
                let fallback = match &outcome {
                    Outcome::Failed(_) => Fallback::Offline,
                    _ => Fallback::Fault,
                };
                Ok(self.inner.fall_back(&stored, route, why, fallback, outcome.status()))
            }
            _ => Err(self.error(&request.path, outcome)),
        }
    }

    /// Sends one request for all concurrent callers.
    fn fetch(&self, request: &CacheRequest) -> Waiter<Fetched> {
        let (inner, owned) = (self.inner.clone(), request.clone());
        // A response that is not stored has no use without a waiting caller.
        let ends = if request.is_storable() { Ends::WhenDone } else { Ends::WithoutWaiters };
        let start = move || async move { inner.request(&owned).await }.boxed();
        self.inner.requests.join_until(request.path.clone(), ends, start)
    }

    fn error(&self, path: &str, outcome: Outcome) -> Error {
        let url = format!("{}{path}", self.inner.base_url);
        match outcome {
            Outcome::Status { status: 401, .. } => Net::Unauthenticated.into(),
            Outcome::Status { status: 404 | 410, .. } => Error::NotFound(path.to_owned()),
            Outcome::Status { status, code, detail, retry_after_ms } => {
                Net::Server { status, code, detail, retry_after_ms }.into()
            }
            Outcome::Bad { problem, .. } => Net::BadReply { url, problem }.into(),
            Outcome::Corrupt(problem) => Error::Corrupt(problem),
            Outcome::Failed(f) => Net::from(f).into(),
            Outcome::Body { .. } => {
                Error::Internal("a successful outcome was handled as an error".into())
            }
        }
    }
}
