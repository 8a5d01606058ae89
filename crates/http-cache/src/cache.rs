//! The cache of one account: `get` by the route table, `refresh` by the network, `stored` without it.
//!
//! Not here: what header fields mean (`freshness`, `stored_headers`, `vary`), the request and the checks of its answer
//! (`request`).

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
    entries::{Answers, Page},
    failures::Failures,
    figures::{Count, Counters},
    in_flight::{Ends, InFlight, Waiter},
    lookup::{Lookup, Stored},
    request::{Fetched, Outcome},
    routes,
    vary::Account,
};

const MIGRATIONS: &[Migration] = &[
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
];
const MEMORY_BUDGET: usize = 8 * 1024 * 1024;

/// Checks whether an answer is what belongs to its path. A rejected answer is not stored.
pub type ResponseValidator = Box<dyn Fn(&str, &[u8]) -> Result<(), Rejection> + Send + Sync>;

/// Why an answer is not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// It has the right form, but its signature or hash is wrong.
    Corrupt(String),
    /// It is not what belongs to the path.
    BadReply(String),
}

/// What a cache is opened with.
pub struct CacheConfig<'a> {
    pub file: &'a Path,
    /// Without a slash at its end.
    pub base_url: &'a str,
    /// The account that the file belongs to.
    pub account: &'a str,
    /// Adds tokens itself.
    pub http: Arc<dyn Http>,
    pub clock: Arc<dyn Clock>,
    pub ids: &'a dyn IdGen,
    /// The route table: `ROUTES`, except in tests of the cache.
    pub routes: &'static [Route],
    /// Bytes of all answers in the file: `DISK_BUDGET`, except in tests of the cache.
    pub disk_budget: u64,
    /// An answer is used and stored only if it is valid. None: every JSON document is.
    pub validator: Option<ResponseValidator>,
    /// An answer is written to the file only if there is space; otherwise it is in memory only. None: there is space.
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
    pub answers: Answers,
    pub memory: ByteLru<String, Arc<Page>>,
    /// Grows with every change of what is stored. A result that was read before a change is not put into memory.
    pub changes: Mutex<u64>,
    /// Reads of `cache.db`, one at a time for each path.
    pub reads: InFlight<String, Result<Arc<Page>>>,
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
        let open = || Answers::open(db.clone(), config.disk_budget);
        let mut answers = open()
            // The second try comes after a check of the file; the third is made without the file.
            .or_else(|_| open())
            .or_else(|e| {
                tracing::warn!(error = %e, "the cache cannot be read: this run does without its file");
                db.replace_blocking(|| Ok((in_memory(MIGRATIONS, now_ms)?, ())))?;
                open()
            })?;
        answers.set_free_space_check(config.free_space);
        let inner = CacheInner {
            answers,
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

    /// The database, for tables that are stored beside the answers.
    pub fn database(&self) -> &Database<Error> {
        &self.inner.db
    }
    pub fn figures(&self) -> Figures {
        let inner = &self.inner;
        Figures {
            routes: inner.counters.by_route(),
            memory_bytes: inner.memory.bytes() as u64,
            memory_budget: inner.memory.budget() as u64,
            disk_bytes: inner.answers.bytes(),
            disk_budget: inner.answers.budget(),
            evicted: inner.answers.evicted(),
        }
    }
    /// Counts a blob that was used or fetched under its route. `None`: it could not be had.
    pub fn count_blob(&self, origin: Option<Origin>, joined: bool) {
        let (route, counters) = (self.route("/api/blobs/-"), &self.inner.counters);
        match origin {
            Some(origin) => counters.answer(&route, origin),
            None => counters.add(&route, Count::Failed),
        }
        if joined {
            counters.add(&route, Count::Coalesced);
        }
    }
    /// Forgets failures: another network may reach what the last one did not.
    pub fn network_changed(&self) {
        self.inner.failures.network_changed();
    }
    /// Returns true for a few seconds after the server could not be reached.
    pub fn is_offline(&self) -> bool {
        self.inner.failures.is_unreachable(self.inner.clock.monotonic_ms())
    }
    /// The row of the route table for a path.
    pub fn route(&self, path: &str) -> Route {
        routes::find(self.inner.routes, path)
    }

    /// Answers `GET path` by the route table. `path` begins with `/api/`. `on_change` runs if an answer that was served
    /// stale turns out to have changed.
    pub async fn get(
        &self,
        path: &str,
        on_change: impl FnOnce() + Send + 'static,
    ) -> Result<Cached> {
        let request = self.request(path);
        let done = self.by_strategy(&request, on_change).await;
        self.counted(&request, done)
    }

    /// Asks the server now, with the validators of what is stored, and stores the answer. If a request for the path is
    /// in progress, waits for it. If the server cannot be reached or fails, returns the stored answer if it may
    /// still be used, marked as a fallback (`Cached::fallback`).
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

    /// Gives the stored answer, whatever its age, without the network. Error: `NotStored` if there is none, or if the
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
                counters.answer(route, cached.origin);
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

    /// Gives the server's answer; without one the stored answer, if it may be used instead.
    async fn forward(
        &self,
        request: &CacheRequest,
        stored: Option<Stored>,
        why: Forward,
    ) -> Result<Cached> {
        let (route, fetch) = (&request.route, self.fetch(request));
        let joined = fetch.joined;
        let Some(Fetched { outcome, is_known }) = fetch.await else {
            return Err(Error::Internal("a request was stopped by a fault".into()));
        };
        if is_known {
            self.inner.counters.add(route, Count::Negative);
        }
        if let Outcome::Body { entry, origin, stored, .. } = outcome {
            return Ok(self.inner.answered(&entry, origin, stored, joined, route, why));
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
        // An answer that is not stored is of no use once nobody waits for it.
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
            Outcome::Body { .. } => Error::Internal("an answer is not an error".into()),
        }
    }
}
