//! The five strategies over memory, `cache.db` and the network.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use carrel_model::{ErrorCode, wire::Problem};
use carrel_sqlite::Migration;
use futures_util::FutureExt;
use http::header;

use super::{
    ByteLru, Db, Route, Strategy,
    entries::{self, Entry},
    flight::Flights,
    freshness::{Arrival, Policy, age},
};
use crate::{
    Clock, Error, IdGen, Result,
    http::{Failure, FailureKind, Http, Request},
};

const MIGRATIONS: &[Migration] = &[Migration {
    number: 1,
    name: "entries",
    sql: include_str!("../../../../migrations/cache/0001_entries.sql"),
}];

/// No honest JSON answer is longer.
const BODY_LIMIT: usize = 16 * 1024 * 1024;
const MEMORY: usize = 8 * 1024 * 1024;
/// A path that was not there is not asked for again so soon ...
const MISSING_MS: i64 = 60_000;
/// ... nor a server that could not be reached.
const UNREACHABLE_MS: i64 = 5_000;

/// Where an answer came from (RFC 9211, `Cache-Status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    Memory,
    Disk,
    Network,
    /// The server said that what is here is still right (304).
    Revalidated,
}

impl Origin {
    /// As a `Cache-Status` value.
    pub fn cache_status(self) -> &'static str {
        match self {
            Self::Memory => "carrel; hit; detail=memory",
            Self::Disk => "carrel; hit; detail=disk",
            Self::Network => "carrel; fwd=miss; stored",
            Self::Revalidated => "carrel; fwd=stale; fwd-status=304",
        }
    }
}

/// An answer and what to say about it.
#[derive(Debug, Clone)]
pub struct Cached {
    pub body: Bytes,
    /// When the server last said so (UTC, ms).
    pub as_of_ms: i64,
    /// Older than it should be.
    pub stale: bool,
    /// The network was not there.
    pub offline: bool,
    pub origin: Origin,
}

/// How often answers came from where since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheCounts {
    pub memory: u64,
    pub disk: u64,
    pub network: u64,
    pub revalidated: u64,
    /// Answers that were used although they were stale.
    pub stale: u64,
}

/// What a fetch ended with; every waiter gets a copy.
#[derive(Debug, Clone)]
enum Fetched {
    /// Stored, or not if it must not be; and whether it differs from what was here.
    Body {
        entry: Arc<Entry>,
        origin: Origin,
        changed: bool,
    },
    Status {
        status: u16,
        code: ErrorCode,
        detail: String,
        retry_after_ms: Option<u64>,
    },
    Bad(String),
    /// Right in form, but not to be believed.
    Corrupt(String),
    Failed(Failure),
}

/// Says whether an answer to a path is what it should be. What is not is never kept in the place of a good one.
pub type Judge = Box<dyn Fn(&str, &[u8]) -> Result<()> + Send + Sync>;

/// The cache of one account.
#[derive(Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    http: Arc<dyn Http>,
    base_url: String,
    clock: Arc<dyn Clock>,
    run: [u8; 16],
    memory: ByteLru<String, Arc<Entry>>,
    flights: Flights<String, Fetched>,
    negative: Mutex<Negative>,
    counts: [AtomicU64; 5],
    judge: OnceLock<Judge>,
}

/// What not to ask for again yet, until a moment on the monotonic clock.
#[derive(Default)]
struct Negative {
    missing: HashMap<String, i64>,
    unreachable_until: Option<i64>,
}

impl Cache {
    /// `base_url` without a slash at its end.
    pub fn open(
        file: &std::path::Path,
        base_url: &str,
        http: Arc<dyn Http>,
        clock: Arc<dyn Clock>,
        ids: &dyn IdGen,
    ) -> Result<Self> {
        let mut run = [0; 16];
        ids.fill(&mut run);
        let db = Db::open(file, MIGRATIONS, clock.now_ms())?;
        let inner = Inner {
            db,
            http,
            base_url: base_url.to_owned(),
            clock,
            run,
            memory: ByteLru::new(MEMORY),
            flights: Flights::new(),
            negative: Mutex::default(),
            counts: Default::default(),
            judge: OnceLock::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// From now on answers are kept only if `judge` says so. The first one stays.
    pub fn set_judge(&self, judge: Judge) {
        let _ = self.inner.judge.set(judge);
    }

    /// The database, for tables that live beside the answers.
    pub fn db(&self) -> &Db {
        &self.inner.db
    }
    pub fn counts(&self) -> CacheCounts {
        let [memory, disk, network, revalidated, stale] =
            [0, 1, 2, 3, 4].map(|i| self.inner.counts[i].load(Ordering::Relaxed));
        CacheCounts { memory, disk, network, revalidated, stale }
    }
    /// The network may be another one now: what failed or was missing may be asked for again.
    pub fn network_changed(&self) {
        *self.inner.negative() = Negative::default();
    }
    /// True while the server could not be reached a moment ago.
    pub fn is_offline(&self) -> bool {
        let now = self.inner.clock.monotonic_ms();
        self.inner.negative().unreachable_until.is_some_and(|until| now < until)
    }

    /// The answer to `GET path` by the route table. `path` begins with `/api/`. `on_change` runs if an answer that was served stale turns
    /// out to have changed.
    pub async fn get(
        &self,
        path: &str,
        on_change: impl FnOnce() + Send + 'static,
    ) -> Result<Cached> {
        self.get_by(Route::of(path), path, on_change).await
    }

    /// The same with a route of one's own.
    pub async fn get_by(
        &self,
        route: Route,
        path: &str,
        on_change: impl FnOnce() + Send + 'static,
    ) -> Result<Cached> {
        match route.strategy {
            Strategy::CacheFirst => match self.inner.kept(path)? {
                Some(kept) => Ok(self.inner.serve(kept, false, false)),
                None => self.ask_network(route, path).await,
            },
            Strategy::CacheOnly => match self.inner.kept(path)? {
                Some(kept) => Ok(self.inner.serve(kept, false, self.is_offline())),
                None => Err(Error::NotDownloaded { what: path.to_owned(), size: None }),
            },
            Strategy::NetworkOnly => self.ask_network(route, path).await,
            Strategy::NetworkFirst { timeout } => self.network_first(route, path, timeout).await,
            Strategy::StaleWhileRevalidate => {
                self.stale_while_revalidate(route, path, on_change).await
            }
        }
    }

    async fn ask_network(&self, route: Route, path: &str) -> Result<Cached> {
        match self.fetch(route, path).await {
            Fetched::Body { entry, origin, .. } => Ok(self.inner.fresh(&entry, origin)),
            other => Err(self.error(path, other)),
        }
    }

    async fn network_first(&self, route: Route, path: &str, timeout: Duration) -> Result<Cached> {
        let kept = self.inner.kept(path)?;
        if let Some((entry, origin)) = &kept
            && self.is_offline()
        {
            return Ok(self.inner.serve((entry.clone(), *origin), true, true));
        }
        let fetch = self.fetch(route, path);
        // Without anything to fall back on, waiting is all that is left.
        let Some(kept) = kept else {
            return match fetch.await {
                Fetched::Body { entry, origin, .. } => Ok(self.inner.fresh(&entry, origin)),
                other => Err(self.error(path, other)),
            };
        };
        let late = self.inner.clock.sleep(timeout);
        let answer = tokio::select! {
            answer = fetch => Some(answer),
            // The request goes on and refreshes the cache when it lands.
            () = late => None,
        };
        match answer {
            Some(Fetched::Body { entry, origin, .. }) => Ok(self.inner.fresh(&entry, origin)),
            Some(gone @ Fetched::Status { status: 401 | 403 | 404 | 410, .. }) => {
                Err(self.error(path, gone))
            }
            Some(_) if !self.inner.may_be_stale(&kept.0, route) => {
                Err(Error::Offline(format!("{path} is too old to be used")))
            }
            Some(other) => Ok(self.inner.serve(kept, true, matches!(other, Fetched::Failed(_)))),
            None => Ok(self.inner.serve(kept, true, false)),
        }
    }

    async fn stale_while_revalidate(
        &self,
        route: Route,
        path: &str,
        on_change: impl FnOnce() + Send + 'static,
    ) -> Result<Cached> {
        let Some(kept) = self.inner.kept(path)? else {
            return self.ask_network(route, path).await;
        };
        let age = self.inner.age(&kept.0);
        let fresh = Duration::from_secs(kept.0.fresh_s);
        if age.is_some_and(|a| a < fresh) {
            return Ok(self.inner.serve(kept, false, false));
        }
        let in_window =
            !kept.0.must_revalidate && age.is_some_and(|a| a < fresh.saturating_add(route.stale));
        if in_window {
            if !self.is_offline() {
                let fetch = self.fetch(route, path);
                tokio::spawn(async move {
                    if let Fetched::Body { changed: true, .. } = fetch.await {
                        on_change();
                    }
                });
            }
            return Ok(self.inner.serve(kept, true, self.is_offline()));
        }
        match self.fetch(route, path).await {
            Fetched::Body { entry, origin, .. } => Ok(self.inner.fresh(&entry, origin)),
            gone @ Fetched::Status { status: 401 | 403 | 404 | 410, .. } => {
                Err(self.error(path, gone))
            }
            // Old, but better than nothing, and it says how old it is.
            other => Ok(self.inner.serve(kept, true, matches!(other, Fetched::Failed(_)))),
        }
    }

    /// One request for the path, shared by all who ask meanwhile. It goes on when the caller stops waiting.
    fn fetch(&self, route: Route, path: &str) -> impl Future<Output = Fetched> + Send + use<> {
        let (inner, key) = (self.inner.clone(), path.to_owned());
        let flight = self
            .inner
            .flights
            .join(key.clone(), move || async move { inner.request(route, &key).await }.boxed());
        async move {
            flight
                .await
                .unwrap_or_else(|| Fetched::Bad("the request was stopped by a fault".into()))
        }
    }

    fn error(&self, path: &str, fetched: Fetched) -> Error {
        let url = format!("{}{path}", self.inner.base_url);
        match fetched {
            Fetched::Status { status: 401, .. } => Error::Unauthenticated,
            Fetched::Status { status: 404 | 410, .. } => Error::NotFound(path.to_owned()),
            Fetched::Status { status, code, detail, retry_after_ms } => {
                Error::Server { status, code, detail, retry_after_ms }
            }
            Fetched::Bad(problem) => Error::BadReply { url, problem },
            Fetched::Corrupt(problem) => Error::Corrupt(problem),
            Fetched::Failed(f) if f.kind == FailureKind::TooLarge => {
                Error::BadReply { url, problem: f.message }
            }
            Fetched::Failed(f) => f.into(),
            Fetched::Body { .. } => Error::Internal("an answer is not an error".into()),
        }
    }
}

impl Inner {
    fn negative(&self) -> std::sync::MutexGuard<'_, Negative> {
        self.negative.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn now(&self) -> Arrival {
        Arrival { wall_ms: self.clock.now_ms(), mono_ms: self.clock.monotonic_ms(), run: self.run }
    }
    fn age(&self, entry: &Entry) -> Option<Duration> {
        age(entry.initial_age_s, entry.arrival, self.now())
    }
    fn may_be_stale(&self, entry: &Entry, route: Route) -> bool {
        let window = Duration::from_secs(entry.fresh_s).saturating_add(route.stale);
        route.stale == Duration::MAX || self.age(entry).is_none_or(|a| a < window)
    }
    fn kept(&self, path: &str) -> Result<Option<(Arc<Entry>, Origin)>> {
        if let Some(entry) = self.memory.get(&path.to_owned()) {
            return Ok(Some((entry, Origin::Memory)));
        }
        let Some(entry) = entries::get(&self.db, path)?.map(Arc::new) else { return Ok(None) };
        self.memory.put(path.to_owned(), entry.clone(), entry.body.len() + path.len() + 200);
        Ok(Some((entry, Origin::Disk)))
    }
    fn count(&self, origin: Origin, stale: bool) {
        self.counts[origin as usize].fetch_add(1, Ordering::Relaxed);
        if stale {
            self.counts[4].fetch_add(1, Ordering::Relaxed);
        }
    }
    fn serve(&self, (entry, origin): (Arc<Entry>, Origin), stale: bool, offline: bool) -> Cached {
        self.count(origin, stale);
        Cached { body: entry.body.clone(), as_of_ms: entry.arrival.wall_ms, stale, offline, origin }
    }
    fn fresh(&self, entry: &Entry, origin: Origin) -> Cached {
        self.count(origin, false);
        Cached {
            body: entry.body.clone(),
            as_of_ms: entry.arrival.wall_ms,
            stale: false,
            offline: false,
            origin,
        }
    }

    async fn request(&self, route: Route, path: &str) -> Fetched {
        if let Some(known) = self.known_to_fail(path) {
            return known;
        }
        let kept = if route.strategy == Strategy::NetworkOnly {
            None
        } else {
            self.kept(path).ok().flatten()
        };
        let mut request = Request::get(format!("{}{path}", self.base_url))
            .header(header::ACCEPT, "application/json");
        if let Some((entry, _)) = &kept {
            if !entry.etag.is_empty() {
                request = request.header(header::IF_NONE_MATCH, &entry.etag);
            } else if !entry.last_modified.is_empty() {
                request = request.header(header::IF_MODIFIED_SINCE, &entry.last_modified);
            }
        }
        let reply = match self.http.send(request).await {
            Ok(reply) => reply,
            Err(failure) => return self.unreachable(failure),
        };
        self.negative().unreachable_until = None;
        let (status, headers) = (reply.status, reply.headers.clone());
        if status == 304
            && let Some((entry, _)) = kept
        {
            return self.revalidated(route, path, &entry, Policy::of(&headers));
        }
        let is_json = reply.header(header::CONTENT_TYPE).is_some_and(|t| t.contains("json"));
        let body = match reply.bytes(BODY_LIMIT).await {
            Ok(body) => body,
            Err(failure) => return Fetched::Failed(failure),
        };
        if status != 200 {
            return self.refused(path, status, &headers, &body);
        }
        if !is_json || serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_err() {
            return Fetched::Bad(
                "the answer is not JSON: is this network's sign-in page in between?".into(),
            );
        }
        match self.judge.get().map_or(Ok(()), |judge| judge(path, &body)) {
            Ok(()) => {}
            Err(Error::Corrupt(problem)) => return Fetched::Corrupt(problem),
            Err(e) => return Fetched::Bad(e.to_string()),
        }
        let policy = Policy::of(&headers);
        let text =
            |name| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let changed = kept.is_none_or(|(old, _)| old.body != body);
        let entry = Arc::new(Entry {
            etag: text(header::ETAG),
            last_modified: text(header::LAST_MODIFIED),
            fresh_s: policy.fresh_s.unwrap_or(route.fresh.as_secs()),
            initial_age_s: policy.age_s,
            arrival: self.now(),
            must_revalidate: policy.must_revalidate,
            body,
        });
        if policy.storable && route.strategy != Strategy::NetworkOnly {
            self.keep(path, &entry);
        } else {
            self.forget(path);
        }
        Fetched::Body { entry, origin: Origin::Network, changed }
    }

    fn known_to_fail(&self, path: &str) -> Option<Fetched> {
        let now = self.clock.monotonic_ms();
        let mut negative = self.negative();
        if negative.unreachable_until.is_some_and(|until| now < until) {
            return Some(Fetched::Failed(Failure::new(
                FailureKind::Connect,
                "the server could not be reached a moment ago",
            )));
        }
        negative.missing.retain(|_, until| now < *until);
        negative.missing.contains_key(path).then(|| Fetched::Status {
            status: 404,
            code: ErrorCode::NotFound,
            detail: "was not there a moment ago".into(),
            retry_after_ms: None,
        })
    }
    fn unreachable(&self, failure: Failure) -> Fetched {
        if matches!(failure.kind, FailureKind::Connect | FailureKind::Timeout) {
            self.negative().unreachable_until = Some(self.clock.monotonic_ms() + UNREACHABLE_MS);
        }
        Fetched::Failed(failure)
    }
    fn revalidated(&self, route: Route, path: &str, old: &Entry, policy: Policy) -> Fetched {
        let entry = Arc::new(Entry {
            fresh_s: policy.fresh_s.unwrap_or(route.fresh.as_secs()),
            initial_age_s: policy.age_s,
            arrival: self.now(),
            ..old.clone()
        });
        self.keep(path, &entry);
        Fetched::Body { entry, origin: Origin::Revalidated, changed: false }
    }
    fn refused(&self, path: &str, status: u16, headers: &http::HeaderMap, body: &[u8]) -> Fetched {
        let is_page = headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|t| t.as_bytes().starts_with(b"text/html"));
        if is_page && (400..500).contains(&status) {
            // A page says nothing about what a Carrel server has, or who may have it.
            let problem =
                format!("a page with status {status}: is this network's sign-in page in between?");
            return Fetched::Bad(problem);
        }
        if matches!(status, 404 | 410) {
            self.negative().missing.insert(path.to_owned(), self.clock.monotonic_ms() + MISSING_MS);
            self.forget(path);
        }
        if (300..400).contains(&status) {
            return Fetched::Bad(format!(
                "the answer leads elsewhere ({status}): is this network's sign-in page in between?"
            ));
        }
        let problem = serde_json::from_slice::<Problem>(body).ok();
        let wait = headers
            .get(header::RETRY_AFTER)
            .and_then(|v| v.to_str().ok()?.trim().parse::<u64>().ok());
        Fetched::Status {
            status,
            code: problem.as_ref().map_or_else(|| code_of(status), |p| p.code),
            detail: problem.map(|p| p.detail).unwrap_or_default(),
            retry_after_ms: wait.map(|s| s.saturating_mul(1000)),
        }
    }
    /// A cache that cannot write is slow, not broken.
    fn keep(&self, path: &str, entry: &Arc<Entry>) {
        self.memory.put(path.to_owned(), entry.clone(), entry.body.len() + path.len() + 200);
        if let Err(e) = entries::put(&self.db, path, entry) {
            tracing::warn!(cache.path = path, error = %e, "an answer could not be kept");
        }
    }
    fn forget(&self, path: &str) {
        self.memory.remove(&path.to_owned());
        if let Err(e) = entries::remove(&self.db, path) {
            tracing::warn!(cache.path = path, error = %e, "an old answer could not be removed");
        }
    }
}

/// The code for a status whose body says nothing.
fn code_of(status: u16) -> ErrorCode {
    match status {
        401 => ErrorCode::Unauthenticated,
        403 => ErrorCode::Forbidden,
        404 | 410 => ErrorCode::NotFound,
        413 => ErrorCode::TooLarge,
        429 => ErrorCode::RateLimited,
        500.. => ErrorCode::Unavailable,
        _ => ErrorCode::InvalidRequest,
    }
}
