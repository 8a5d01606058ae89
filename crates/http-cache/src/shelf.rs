//! What is here: the answers that are kept, in memory and on the disk, the one that fits a question, and what to say of it when it is used.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use crate::{
    Ask, CacheStatus, Cached, Error, Fallback, Forward, Origin, Result, Route, Strategy,
    ask::Asker,
    entries::{Entry, MOST_VARIANTS, Page},
    freshness::{Arrival, age},
    strategies::Inner,
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

impl Inner {
    pub(super) fn now(&self) -> Arrival {
        Arrival { wall_ms: self.clock.now_ms(), mono_ms: self.clock.monotonic_ms(), run: self.run }
    }
    pub(super) fn asker(&self) -> Arc<Asker> {
        self.asker.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is here for this question.
    pub(super) fn look(&self, ask: &Ask) -> Result<Look> {
        let (page, origin) = match self.memory.get(ask.path.as_str()) {
            Some(page) => (page, Origin::Memory),
            None => {
                let page = Arc::new(Page::new(self.answers.get(&ask.path)?));
                if page.all.is_empty() {
                    return Ok(Look { kept: None, others: false });
                }
                self.remember(&ask.path, page.clone());
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
    fn remember(&self, path: &str, page: Arc<Page>) {
        let bytes: u64 = page.all.iter().map(|e| e.size(path)).sum();
        self.memory.put(path.to_owned(), page, usize::try_from(bytes).unwrap_or(usize::MAX));
    }
    /// A cache that cannot write is slow, not broken: the answer is still good for this run. Says whether it is on the disk.
    pub(super) fn keep(&self, path: &str, entry: &Arc<Entry>) -> bool {
        let before = match self.memory.get(path) {
            Some(page) => page.all.clone(),
            None => self.answers.get(path).unwrap_or_default(),
        };
        let others = before.into_iter().filter(|e| e.selecting != entry.selecting);
        let all = [entry.clone()].into_iter().chain(others).take(MOST_VARIANTS as usize);
        self.remember(path, Arc::new(Page::new(all.collect())));
        let put = self.answers.put(path, entry);
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
    pub(super) fn forget(&self, path: &str) {
        self.memory.remove(path);
        if let Err(e) = self.answers.remove(path) {
            tracing::warn!(cache.path = path, error = %e, "an old answer could not be removed");
        }
    }
    /// `address`: absolute, or a path. Another server's is nobody's business here.
    pub(super) fn invalidate(&self, address: &str) {
        let path = address.strip_prefix(self.base_url.as_str()).unwrap_or(address);
        if !path.starts_with('/') || path.starts_with("//") {
            return;
        }
        self.memory.remove(path);
        self.negative.forget(path);
        if let Err(e) = self.answers.invalidate(path) {
            tracing::warn!(cache.path = path, error = %e, "an answer could not be marked");
            self.forget(path);
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
