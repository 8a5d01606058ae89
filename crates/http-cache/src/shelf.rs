//! What is here: the answers that are kept, in memory and on the disk, the one that fits a question, and what to say of it when it is used.

use std::{
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::FutureExt as _;

use crate::{
    Ask, ByteLru, CacheStatus, Cached, Error, Fallback, Forward, Origin, Result, Route, Strategy,
    ask::Asker,
    entries::{Entry, MOST_VARIANTS, Page},
    freshness::{Arrival, age},
    strategies::CacheInner,
};

/// A kept answer that fits a question.
pub(super) struct Kept {
    pub entry: Arc<Entry>,
    pub origin: Origin,
    pub age: Option<Duration>,
}

/// What is here under a path.
pub(super) struct Look {
    pub kept: Option<Kept>,
    /// There are answers, but to other request fields.
    pub others: bool,
}

impl Kept {
    pub fn lifetime(&self, route: &Route) -> Duration {
        self.entry.policy.lifetime(route.fresh)
    }
    pub fn is_fresh(&self, route: &Route) -> bool {
        !self.entry.invalid && self.entry.policy.is_fresh(self.age, route.fresh)
    }
    /// Whatever its age, unless the server wants to be asked first: what is named by its hash cannot be stale (compare RFC 8246).
    pub fn at_any_age(&self, route: &Route) -> bool {
        !self.entry.invalid && self.entry.policy.at_any_age(self.age, route.fresh)
    }
    pub fn on_error(&self, route: &Route) -> bool {
        !self.entry.invalid && self.entry.policy.on_error(self.age, route.fresh, route.if_error)
    }
    pub fn while_revalidating(&self, route: &Route) -> bool {
        !self.entry.invalid
            && self.entry.policy.while_revalidating(self.age, route.fresh, route.stale)
    }
    /// Seconds of freshness left, negative since it is stale.
    pub fn ttl_s(&self, route: &Route) -> Option<i64> {
        let (lifetime, age) = (self.lifetime(route), self.age?);
        let whole = |d: Duration| i64::try_from(d.as_secs()).ok();
        (lifetime != Duration::MAX).then_some(())?;
        Some(whole(lifetime)? - whole(age)?)
    }
}

impl Look {
    pub fn why(&self, route: &Route, wished: bool) -> Forward {
        match &self.kept {
            _ if matches!(route.strategy, Strategy::NetworkOnly) => Forward::Bypass,
            None if self.others => Forward::VaryMiss,
            None => Forward::UriMiss,
            Some(_) if wished => Forward::Request,
            Some(kept) if kept.is_fresh(route) => Forward::Bypass,
            Some(_) => Forward::Stale,
        }
    }
}

impl CacheInner {
    pub(super) fn now(&self) -> Arrival {
        Arrival { wall_ms: self.clock.now_ms(), mono_ms: self.clock.monotonic_ms(), run: self.run }
    }
    pub(super) fn asker(&self) -> Arc<Asker> {
        self.asker.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is here for this question. An answer in memory is found without waiting.
    pub(super) async fn look(self: &Arc<Self>, ask: &Ask) -> Result<Look> {
        let (page, origin) = match self.memory.get(ask.path.as_str()) {
            Some(page) => (page, Origin::Memory),
            None => {
                let page = self.read(&ask.path).await?;
                if page.all.is_empty() {
                    return Ok(Look { kept: None, others: false });
                }
                (page, Origin::Disk)
            }
        };
        self.answers.note(&ask.path, &page);
        let asker = self.asker();
        let entry = page.all.iter().find(|e| asker.fits(&e.selecting, &ask.headers)).cloned();
        let kept = entry.map(|entry| Kept {
            age: age(entry.initial_age_ms, entry.arrival, self.now(), self.answers.latest_ms()),
            entry,
            origin,
        });
        Ok(Look { others: kept.is_none(), kept })
    }
    /// Reads what `cache.db` has of a path, once for all who ask meanwhile, and keeps it in memory.
    async fn read(self: &Arc<Self>, path: &str) -> Result<Arc<Page>> {
        let (inner, owned) = (self.clone(), path.to_owned());
        let reading = self.reads.join(path.to_owned(), move || {
            async move {
                let before = *inner.changes();
                let page = Arc::new(Page::new(inner.answers.get(&owned).await?));
                let changes = inner.changes();
                if *changes == before && !page.all.is_empty() {
                    remember(&inner.memory, &owned, page.clone());
                }
                Ok(page)
            }
            .boxed()
        });
        reading.await.unwrap_or_else(|| Err(Error::Internal("a read was stopped".into())))
    }
    fn changes(&self) -> MutexGuard<'_, u64> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Changes what is in memory: a read of `cache.db` that began before puts nothing there any more.
    pub(super) fn change(&self, f: impl FnOnce(&ByteLru<String, Arc<Page>>)) {
        let mut changes = self.changes();
        *changes += 1;
        f(&self.memory);
    }
    /// A cache that cannot write is slow, not broken: the answer is still good for this run. Says whether it is on the disk.
    pub(super) async fn keep(self: &Arc<Self>, path: &str, entry: &Arc<Entry>) -> bool {
        let before = match self.memory.get(path) {
            Some(page) => page,
            None => self.read(path).await.unwrap_or_default(),
        };
        self.change(|memory| {
            let before = memory.get(path).unwrap_or(before);
            let others = before.all.iter().filter(|e| e.selecting != entry.selecting);
            let all = [entry].into_iter().chain(others).take(MOST_VARIANTS as usize).cloned();
            remember(memory, path, Arc::new(Page::new(all.collect())));
        });
        let put = self.answers.put(path, entry).await;
        self.change(|memory| {
            // Meanwhile what was stored before may have been read again.
            if memory.get(path).is_some_and(|p| !p.all.iter().any(|e| Arc::ptr_eq(e, entry))) {
                memory.remove(path);
            }
        });
        match &put {
            Ok(()) => {}
            // As it should be, for every answer until there is space again.
            Err(e @ Error::NoSpace { .. }) => {
                tracing::debug!(cache.path = path, error = %e, "an answer is good for this run");
            }
            Err(e) => {
                tracing::warn!(cache.path = path, error = %e, "an answer could not be kept")
            }
        }
        put.is_ok()
    }
    pub(super) async fn forget(&self, path: &str) {
        self.change(|memory| memory.remove(path));
        let removed = self.answers.remove(path).await;
        self.change(|memory| memory.remove(path));
        if let Err(e) = removed {
            tracing::warn!(cache.path = path, error = %e, "an old answer could not be removed");
        }
    }
    /// `address`: absolute, or a path. Another server's is nobody's business here.
    pub(super) async fn invalidate(&self, address: &str) {
        let path = address.strip_prefix(self.base_url.as_str()).unwrap_or(address);
        if !path.starts_with('/') || path.starts_with("//") {
            return;
        }
        self.negative.forget(path);
        self.change(|memory| memory.remove(path));
        let marked = self.answers.invalidate(path).await;
        self.change(|memory| memory.remove(path));
        if let Err(e) = marked {
            tracing::warn!(cache.path = path, error = %e, "an answer could not be marked");
            self.forget(path).await;
        }
    }

    pub(super) fn hit(&self, kept: &Kept, route: &Route, offline: bool) -> Cached {
        let ttl_s = kept.ttl_s(route);
        Cached {
            body: kept.entry.body.clone(),
            as_of_ms: kept.entry.arrival.wall_ms,
            stale: !kept.is_fresh(route),
            offline,
            origin: kept.origin,
            status: CacheStatus { ttl_s, ..CacheStatus::hit(kept.origin) },
        }
    }
    /// What is here in the place of the server's word.
    pub(super) fn instead(
        &self,
        kept: &Kept,
        route: &Route,
        why: Forward,
        fallback: Fallback,
        status: Option<u16>,
    ) -> Cached {
        let mut cached = self.hit(kept, route, fallback == Fallback::Offline);
        cached.status.hit = false;
        cached.status.forward = Some(why);
        cached.status.forward_status = status;
        cached.status.fallback = Some(fallback);
        cached
    }
    pub(super) fn answered(
        &self,
        entry: &Arc<Entry>,
        origin: Origin,
        stored: bool,
        collapsed: bool,
        route: &Route,
        why: Forward,
    ) -> Cached {
        let age = Some(Duration::from_millis(entry.initial_age_ms));
        let kept = Kept { entry: entry.clone(), origin, age };
        let status = CacheStatus {
            hit: false,
            forward: Some(why),
            forward_status: (origin == Origin::Revalidated).then_some(304),
            ttl_s: kept.ttl_s(route),
            stored,
            collapsed,
            ..CacheStatus::hit(origin)
        };
        Cached {
            body: entry.body.clone(),
            as_of_ms: entry.arrival.wall_ms,
            stale: false,
            offline: false,
            origin,
            status,
        }
    }
}

fn remember(memory: &ByteLru<String, Arc<Page>>, path: &str, page: Arc<Page>) {
    let bytes: u64 = page.all.iter().map(|e| e.size(path)).sum();
    memory.put(path.to_owned(), page, usize::try_from(bytes).unwrap_or(usize::MAX));
}
