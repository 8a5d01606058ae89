//! Finds the stored response for a request, in memory or in `cache.db`, and reports its use.

use std::{
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::FutureExt as _;

use crate::{
    ByteLru, CacheStatus, Cached, Error, Fallback, Forward, Origin, Result, Route,
    cache::CacheInner,
    entries::{Entry, MAX_VARIANTS, Variants},
    freshness::{Arrival, age},
};

/// A stored response that matches a request.
pub(super) struct Stored {
    pub entry: Arc<Entry>,
    pub origin: Origin,
    pub age: Option<Duration>,
}

/// Result of looking up a path.
pub(super) struct Lookup {
    pub stored: Option<Stored>,
    /// Responses are stored for the path, but none matches the request (`Vary`).
    pub others: bool,
}

impl Stored {
    /// Returns how long the response is fresh.
    pub fn lifetime(&self, route: &Route) -> Duration {
        self.entry.policy.lifetime(route.fresh)
    }
    /// Returns true if it may be used without a request.
    pub fn is_fresh(&self, route: &Route) -> bool {
        self.entry.policy.is_fresh(self.age, route.fresh)
    }
    /// Returns true if it may be used whatever its age. The server can forbid this.
    pub fn at_any_age(&self, route: &Route) -> bool {
        self.entry.policy.at_any_age(self.age, route.fresh)
    }
    /// Returns true if it may be used because the network or the server failed.
    pub fn on_error(&self, route: &Route) -> bool {
        self.entry.policy.on_error(self.age, route.fresh, route.if_error)
    }
    /// Returns true if it may be used during its revalidation.
    pub fn while_revalidating(&self, route: &Route) -> bool {
        self.entry.policy.while_revalidating(self.age, route.fresh, route.stale)
    }
    /// Returns the remaining lifetime in seconds, negative if stale.
    pub fn ttl_s(&self, route: &Route) -> Option<i64> {
        let (lifetime, age) = (self.lifetime(route), self.age?);
        let whole = |d: Duration| i64::try_from(d.as_secs()).ok();
        (lifetime != Duration::MAX).then_some(())?;
        Some(whole(lifetime)? - whole(age)?)
    }
}

impl Lookup {
    /// Returns the reason for sending a request after this lookup.
    pub fn why(&self, route: &Route) -> Forward {
        match &self.stored {
            None if self.others => Forward::VaryMiss,
            None => Forward::UriMiss,
            Some(stored) if stored.is_fresh(route) => Forward::Request,
            Some(_) => Forward::Stale,
        }
    }
}

impl CacheInner {
    pub(super) fn now(&self) -> Arrival {
        Arrival { wall_ms: self.clock.now_ms(), mono_ms: self.clock.monotonic_ms(), run: self.run }
    }

    /// Looks up a path. Does not wait if the response is in memory.
    pub(super) async fn lookup(self: &Arc<Self>, path: &str) -> Result<Lookup> {
        let (variants, origin) = match self.memory.get(path) {
            Some(variants) => (variants, Origin::Memory),
            None => {
                let variants = self.read(path).await?;
                if variants.all.is_empty() {
                    return Ok(Lookup { stored: None, others: false });
                }
                (variants, Origin::Disk)
            }
        };
        self.responses.record_use(path, &variants);
        let entry = variants.all.iter().find(|e| self.account.matches(&e.selecting)).cloned();
        let stored = entry.map(|entry| Stored {
            age: age(entry.initial_age_ms, entry.arrival, self.now(), self.responses.latest_ms()),
            entry,
            origin,
        });
        Ok(Lookup { others: stored.is_none(), stored })
    }
    /// Reads the responses of a path from `cache.db`, once for all concurrent callers, and puts them into memory.
    async fn read(self: &Arc<Self>, path: &str) -> Result<Arc<Variants>> {
        let (inner, owned) = (self.clone(), path.to_owned());
        let reading = self.reads.join(path.to_owned(), move || {
            async move {
                let before = *inner.changes();
                let variants = Arc::new(Variants::new(inner.responses.get(&owned).await?));
                let changes = inner.changes();
                if *changes == before && !variants.all.is_empty() {
                    remember(&inner.memory, &owned, variants.clone());
                }
                Ok(variants)
            }
            .boxed()
        });
        reading.await.unwrap_or_else(|| Err(Error::Internal("a read task panicked".into())))
    }
    fn changes(&self) -> MutexGuard<'_, u64> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Changes the responses in memory. A read of `cache.db` that started before the change does not put its result
    /// into memory.
    fn change(&self, f: impl FnOnce(&ByteLru<String, Arc<Variants>>)) {
        let mut changes = self.changes();
        *changes += 1;
        f(&self.memory);
    }
    /// Stores a response. Returns true if it is in `cache.db`; otherwise it is kept in memory for this run.
    pub(super) async fn store(self: &Arc<Self>, path: &str, entry: &Arc<Entry>) -> bool {
        let before = match self.memory.get(path) {
            Some(variants) => variants,
            None => self.read(path).await.unwrap_or_default(),
        };
        self.change(|memory| {
            let before = memory.get(path).unwrap_or(before);
            let others = before.all.iter().filter(|e| e.selecting != entry.selecting);
            let all = [entry].into_iter().chain(others).take(MAX_VARIANTS as usize).cloned();
            remember(memory, path, Arc::new(Variants::new(all.collect())));
        });
        let put = self.responses.put(path, entry).await;
        self.change(|memory| {
            // The previous response may have been read from `cache.db` during the write.
            if memory.get(path).is_some_and(|p| !p.all.iter().any(|e| Arc::ptr_eq(e, entry))) {
                memory.remove(path);
            }
        });
        match &put {
            Ok(()) => {}
            // Expected for each response until the disk has space again.
            Err(e @ Error::NoSpace { .. }) => {
                tracing::debug!(cache.path = path, error = %e, "a response was stored in memory only");
            }
            Err(e) => {
                tracing::warn!(cache.path = path, error = %e, "a response could not be stored")
            }
        }
        put.is_ok()
    }
    pub(super) async fn remove(&self, path: &str) {
        self.change(|memory| memory.remove(path));
        let removed = self.responses.remove(path).await;
        self.change(|memory| memory.remove(path));
        if let Err(e) = removed {
            tracing::warn!(cache.path = path, error = %e, "an old response could not be removed");
        }
    }

    pub(super) fn hit(&self, stored: &Stored, route: &Route, offline: bool) -> Cached {
        let ttl_s = stored.ttl_s(route);
        Cached {
            body: stored.entry.body.clone(),
            as_of_ms: stored.entry.arrival.wall_ms,
            stale: !stored.is_fresh(route),
            offline,
            origin: stored.origin,
            status: CacheStatus { ttl_s, ..CacheStatus::hit(stored.origin) },
        }
    }
    /// Returns the stored response as a fallback for the server's.
    pub(super) fn fall_back(
        &self,
        stored: &Stored,
        route: &Route,
        why: Forward,
        fallback: Fallback,
        status: Option<u16>,
    ) -> Cached {
        let mut cached = self.hit(stored, route, fallback == Fallback::Offline);
        cached.status.hit = false;
        cached.status.forward = Some(why);
        cached.status.forward_status = status;
        cached.status.fallback = Some(fallback);
        cached
    }
    pub(super) fn received(
        &self,
        entry: &Arc<Entry>,
        origin: Origin,
        is_stored: bool,
        collapsed: bool,
        route: &Route,
        why: Forward,
    ) -> Cached {
        let age = Some(Duration::from_millis(entry.initial_age_ms));
        let stored = Stored { entry: entry.clone(), origin, age };
        let status = CacheStatus {
            hit: false,
            forward: Some(why),
            forward_status: (origin == Origin::Revalidated).then_some(304),
            ttl_s: stored.ttl_s(route),
            stored: is_stored,
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

fn remember(memory: &ByteLru<String, Arc<Variants>>, path: &str, variants: Arc<Variants>) {
    let bytes: u64 = variants.all.iter().map(|e| e.size(path)).sum();
    memory.put(path.to_owned(), variants, usize::try_from(bytes).unwrap_or(usize::MAX));
}
