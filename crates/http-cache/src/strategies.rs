//! The five strategies over memory, `cache.db` and the network.
//!
//! Not here: what header fields mean (`freshness`, `head`, `ask`), what an answer of the network is worth (`request`).

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use carrel_net::{Error as Net, Failure, Http, Reply, Request};
use carrel_sqlite::{Database, Migration, in_memory};
use carrel_system::{Clock, IdGen};
use futures_util::FutureExt;
use http::{Method, header};

use crate::{
    Ask, ByteLru, Cached, Error, Fallback, Figures, Forward, Origin, Result, Route, Strategy,
    ask::Asker,
    entries::{Answers, Floor, Page},
    figures::{Count, Counters},
    flight::{Ends, Flight, Flights},
    negative::Negative,
    request::{Fetched, Outcome},
    shelf::{Kept, Look},
};

const MIGRATIONS: &[Migration] = &[Migration {
    number: 1,
    name: "entries",
    sql: include_str!("../../../migrations/cache/0001_entries.sql"),
}];
const MEMORY: usize = 8 * 1024 * 1024;

/// Says whether an answer to a path is what it should be. What is not is never kept in the place of a good one.
pub type Judge = Box<dyn Fn(&str, &[u8]) -> Result<(), Rejection> + Send + Sync>;

/// Why an answer is not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// It has the right form, but its signature or hash is wrong.
    Corrupt(String),
    /// It is not what belongs to the path.
    BadReply(String),
}

/// The cache of one account.
#[derive(Clone)]
pub struct Cache {
    inner: Arc<CacheInner>,
}

pub(super) struct CacheInner {
    pub db: Database<Error>,
    pub http: Arc<dyn Http>,
    pub base_url: String,
    pub clock: Arc<dyn Clock>,
    pub negative: Negative,
    pub judge: OnceLock<Arc<Judge>>,
    pub run: [u8; 16],
    pub asker: RwLock<Arc<Asker>>,
    pub answers: Answers,
    pub memory: ByteLru<String, Arc<Page>>,
    /// Grows with every change of what is stored: what was read before one is not put into memory after it.
    pub changes: Mutex<u64>,
    /// Reads of `cache.db`, one at a time for each path.
    pub reads: Flights<String, Result<Arc<Page>>>,
    flights: Flights<String, Fetched>,
    counters: Counters,
}

impl Cache {
    /// `base_url` without a slash at its end; `account`: whose file this is. Blocking.
    pub fn open(
        file: &std::path::Path,
        base_url: &str,
        account: &str,
        http: Arc<dyn Http>,
        clock: Arc<dyn Clock>,
        ids: &dyn IdGen,
    ) -> Result<Self> {
        let mut run = [0; 16];
        ids.fill(&mut run);
        let now_ms = clock.now_ms();
        let db = Database::open_disposable(file, MIGRATIONS, now_ms)?;
        let answers = Answers::open(db.clone())
            // The second try comes after a check of the file; the third does without the file.
            .or_else(|_| Answers::open(db.clone()))
            .or_else(|e| {
                tracing::warn!(error = %e, "the cache cannot be read: this run does without its file");
                db.replace_blocking(|| Ok((in_memory(MIGRATIONS, now_ms)?, ())))?;
                Answers::open(db.clone())
            })?;
        let asker = Asker { account: account.to_owned(), language: String::new() };
        let inner = CacheInner {
            answers,
            db,
            http,
            base_url: base_url.to_owned(),
            clock,
            negative: Negative::default(),
            judge: OnceLock::new(),
            run,
            asker: RwLock::new(Arc::new(asker)),
            memory: ByteLru::new(MEMORY),
            changes: Mutex::new(0),
            reads: Flights::new(),
            flights: Flights::new(),
            counters: Counters::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// From now on answers are kept only if `judge` says so. The first one stays.
    pub fn set_judge(&self, judge: Judge) {
        let _ = self.inner.judge.set(Arc::new(judge));
    }
    /// From now on an answer goes to the disk only if `floor` says so; otherwise it is good for this run. The first one stays.
    pub fn set_floor(&self, floor: Floor) {
        self.inner.answers.set_floor(floor);
    }
    /// The learner's language, sent as `Accept-Language`; empty: none is sent.
    pub fn set_language(&self, language: &str) {
        let mut asker = self.inner.asker.write().unwrap_or_else(PoisonError::into_inner);
        if asker.language != language {
            *asker = Arc::new(Asker { language: language.to_owned(), ..(**asker).clone() });
        }
    }

    /// The database, for tables that live beside the answers.
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
    /// A blob was used or fetched (`library`): it counts under its route. `None`: it was not to be had.
    pub fn count_blob(&self, origin: Option<Origin>, joined: bool) {
        let (route, counters) = (Route::of("/api/blobs/-"), &self.inner.counters);
        match origin {
            Some(origin) => counters.answer(&route, origin),
            None => counters.add(&route, Count::Failed),
        }
        if joined {
            counters.add(&route, Count::Coalesced);
        }
    }
    /// Another budget for the answers on the disk, in bytes; what is over it goes now.
    pub async fn set_disk_budget(&self, bytes: u64) -> Result<()> {
        self.inner.answers.set_budget(bytes).await
    }
    /// Forgets all answers, in memory and on the disk. Tables that live beside them stay.
    pub async fn clear(&self) -> Result<()> {
        self.inner.negative.clear();
        self.inner.change(|memory| memory.clear());
        let cleared = self.inner.answers.clear().await;
        self.inner.change(|memory| memory.clear());
        cleared
    }
    /// Gives the memory back; the disk has it all.
    pub fn drop_memory(&self) {
        self.inner.memory.clear();
    }
    /// The network may be another one now: what failed or was missing may be asked for again.
    pub fn network_changed(&self) {
        self.inner.negative.network_changed();
    }
    /// True while the server could not be reached a moment ago.
    pub fn is_offline(&self) -> bool {
        self.inner.negative.is_unreachable(self.inner.clock.monotonic_ms())
    }

    /// The answer to `GET path` by the route table. `path` begins with `/api/`. `on_change` runs if an answer that was served stale turns
    /// out to have changed.
    pub async fn get(
        &self,
        path: &str,
        on_change: impl FnOnce() + Send + 'static,
    ) -> Result<Cached> {
        self.ask(Ask::of(path), on_change).await
    }
    /// The same with a route of one's own.
    pub async fn get_by(
        &self,
        route: Route,
        path: &str,
        on_change: impl FnOnce() + Send + 'static,
    ) -> Result<Cached> {
        self.ask(Ask::by(route, path), on_change).await
    }
    /// The same with request fields: a language, a wish (`Cache-Control`).
    pub async fn ask(&self, ask: Ask, on_change: impl FnOnce() + Send + 'static) -> Result<Cached> {
        let route = ask.route;
        let done = self.by_strategy(ask, on_change).await;
        let counters = &self.inner.counters;
        match &done {
            Ok(cached) => {
                counters.answer(&route, cached.origin);
                if cached.is_dated() {
                    counters.add(&route, Count::Stale);
                }
                if cached.status.collapsed {
                    counters.add(&route, Count::Coalesced);
                }
            }
            Err(_) => counters.add(&route, Count::Failed),
        }
        done
    }

    /// Sends a request that changes something, past the cache. If the server did it, what is kept of the path that it was sent to, and of
    /// those that the answer names on the same server, is not used again without asking (RFC 9111, 4.4).
    pub async fn write(&self, request: Request) -> Result<Reply, Failure> {
        let (method, url) = (request.method.clone(), request.url.clone());
        let reply = self.inner.http.send(request).await?;
        let safe = [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE].contains(&method);
        if !safe && (200..400).contains(&reply.status) {
            let named = [header::LOCATION, header::CONTENT_LOCATION];
            let named = named.into_iter().filter_map(|name| reply.header(name));
            for address in named.chain([url.as_str()]) {
                self.inner.invalidate(address).await;
            }
        }
        Ok(reply)
    }

    async fn by_strategy(
        &self,
        ask: Ask,
        on_change: impl FnOnce() + Send + 'static,
    ) -> Result<Cached> {
        let (route, wishes) = (ask.route, ask.wishes());
        let look = match route.strategy {
            Strategy::NetworkOnly => Look { kept: None, others: false },
            _ => self.inner.look(&ask).await?,
        };
        let why = look.why(&route, wishes.no_cache);
        if route.strategy == Strategy::CacheOnly || wishes.only_if_cached {
            return match look.kept {
                Some(kept) if kept.at_any_age(&route) => {
                    Ok(self.inner.hit(&kept, &route, self.is_offline()))
                }
                _ => Err(Error::NotStored(ask.path)),
            };
        }
        match (route.strategy, look.kept) {
            (Strategy::CacheFirst, Some(kept)) if kept.at_any_age(&route) && !wishes.no_cache => {
                Ok(self.inner.hit(&kept, &route, false))
            }
            (Strategy::NetworkFirst { timeout }, Some(kept)) => {
                self.network_first(ask, kept, timeout, why).await
            }
            (Strategy::StaleWhileRevalidate, Some(kept)) => {
                let content = |age| wishes.content_with(age, kept.lifetime(&route));
                if kept.is_fresh(&route)
                    && !kept.entry.policy.no_cache
                    && kept.age.is_some_and(content)
                {
                    return Ok(self.inner.hit(&kept, &route, false));
                }
                let old_enough =
                    wishes.max_age.is_none_or(|most| kept.age.is_some_and(|a| a <= most));
                if kept.while_revalidating(&route)
                    && !wishes.no_cache
                    && old_enough
                    && wishes.min_fresh.is_none()
                {
                    let offline = self.is_offline();
                    if !offline {
                        let fetch = self.fetch(&ask);
                        tokio::spawn(async move {
                            if let Some(Fetched {
                                outcome: Outcome::Body { changed: true, .. },
                                ..
                            }) = fetch.await
                            {
                                on_change();
                            }
                        });
                    }
                    return Ok(self.inner.hit(&kept, &route, offline));
                }
                let fetch = self.fetch(&ask);
                self.settle(&ask, Some(kept), fetch, why).await
            }
            (_, kept) => {
                let fetch = self.fetch(&ask);
                self.settle(&ask, kept, fetch, why).await
            }
        }
    }

    async fn network_first(
        &self,
        ask: Ask,
        kept: Kept,
        timeout: Duration,
        why: Forward,
    ) -> Result<Cached> {
        let may_fall_back = kept.on_error(&ask.route);
        if may_fall_back && self.is_offline() && !ask.wishes().no_cache {
            return Ok(self.inner.instead(&kept, &ask.route, why, Fallback::Offline, None));
        }
        let mut fetch = self.fetch(&ask);
        if may_fall_back {
            let late = self.inner.clock.sleep(timeout);
            tokio::select! {
                biased;
                answer = &mut fetch => {
                    let joined = fetch.joined;
                    return self.settled(&ask, Some(kept), answer, joined, why);
                }
                // The request goes on and refreshes the cache when it lands.
                () = late => return Ok(self.inner.instead(&kept, &ask.route, why, Fallback::Late, None)),
            }
        }
        // Without anything to fall back on, waiting is all that is left.
        self.settle(&ask, Some(kept), fetch, why).await
    }

    async fn settle(
        &self,
        ask: &Ask,
        kept: Option<Kept>,
        fetch: Flight<Fetched>,
        why: Forward,
    ) -> Result<Cached> {
        let joined = fetch.joined;
        let answer = fetch.await;
        self.settled(ask, kept, answer, joined, why)
    }

    /// The server's word if there is one; else what is here, if it may stand in for it.
    fn settled(
        &self,
        ask: &Ask,
        kept: Option<Kept>,
        answer: Option<Fetched>,
        joined: bool,
        why: Forward,
    ) -> Result<Cached> {
        let Some(Fetched { outcome, negative }) = answer else {
            return Err(Error::Internal("a request was stopped by a fault".into()));
        };
        if negative {
            self.inner.counters.add(&ask.route, Count::Negative);
        }
        if let Outcome::Body { entry, origin, stored, .. } = outcome {
            return Ok(self.inner.answered(&entry, origin, stored, joined, &ask.route, why));
        }
        match kept {
            Some(kept) if !outcome.is_believed() && kept.on_error(&ask.route) => {
                let fallback = match &outcome {
                    Outcome::Failed(_) => Fallback::Offline,
                    _ => Fallback::Fault,
                };
                Ok(self.inner.instead(&kept, &ask.route, why, fallback, outcome.status()))
            }
            _ => Err(self.error(&ask.path, outcome)),
        }
    }

    /// One request for all who ask the same meanwhile.
    fn fetch(&self, ask: &Ask) -> Flight<Fetched> {
        let (inner, mine) = (self.inner.clone(), ask.clone());
        // What would not be kept is of no use to anybody once nobody waits.
        let keeps = ask.route.strategy != Strategy::NetworkOnly && !ask.wishes().no_store;
        let ends = if keeps { Ends::WhenDone } else { Ends::WhenNobodyWaits };
        self.inner
            .flights
            .join_until(ask.key(), ends, move || async move { inner.request(&mine).await }.boxed())
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
