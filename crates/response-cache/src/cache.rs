//! The cache of a process, and its part for each server or tenant.

use std::sync::Arc;

use carrel_redis::RedisValues;

use crate::{
    entry::{CachedReply, Entry, Key},
    figures::{CacheFigures, Counts, Origin},
    flights::{Flight, Flights, Part},
    kinds::ReplyKind,
    memory::Memory,
};

/// The memory of a process for replies of all its tenants, and the connections to Redis.
#[derive(Clone)]
pub struct ResponseCache(Arc<Tiers>);

struct Tiers {
    memory: Memory,
    max_bytes: u64,
    redis: Option<RedisValues>,
    flights: Arc<Flights>,
}

impl ResponseCache {
    /// Keeps at most `max_bytes` in memory.
    pub fn new(max_bytes: u64, redis: Option<RedisValues>) -> Self {
        let memory = Memory::new(max_bytes);
        Self(Arc::new(Tiers { memory, max_bytes, redis, flights: Arc::default() }))
    }
    /// Returns the part of a server or tenant. `secret`: known to its processes only; it separates the tenants.
    pub fn for_tenant(&self, secret: [u8; 32]) -> TenantCache {
        TenantCache { tiers: Arc::clone(&self.0), secret, counts: Arc::default() }
    }
}

/// The replies of a server or tenant.
#[derive(Clone)]
pub struct TenantCache {
    tiers: Arc<Tiers>,
    secret: [u8; 32],
    counts: Arc<Counts>,
}

/// A kept reply.
#[derive(Debug, Clone)]
pub struct Found {
    entry: Arc<Entry>,
    pub origin: Origin,
}

impl Found {
    pub fn reply(&self) -> &CachedReply {
        &self.entry.reply
    }
}

/// Result of looking for a reply.
pub enum LookUp {
    Found(Found),
    /// The caller computes the reply, for which others may wait.
    Missing(Computation),
    /// Another request computed the reply, which must not be kept or failed. Read the state again.
    Ended,
}

/// The task of computing a reply. Dropping it tells those who wait that there will be none.
pub struct Computation {
    flight: Flight,
    cache: TenantCache,
    kind: ReplyKind,
    key: Key,
}

impl TenantCache {
    /// Looks for the reply to a request in a state of the database. `resource`: everything that identifies the reply in
    /// any state, such as the address of the request and the learner.
    pub async fn look_up(
        &self,
        kind: ReplyKind,
        resource: &[&str],
        state: &str,
        now_ms: i64,
    ) -> LookUp {
        let key = Key::new(&self.secret, kind, resource, state);
        let tiers = &self.tiers;
        let found = |entry: Arc<Entry>, origin: Origin| {
            self.counts.count(kind, origin);
            LookUp::Found(Found { entry, origin })
        };
        if let Some(entry) = tiers.memory.get(&key, now_ms) {
            return found(entry, Origin::Memory);
        }
        let flight = match tiers.flights.join(key.entry) {
            Part::Computes(flight) => flight,
            Part::Waits(mut receiver) => {
                let entry = receiver.wait_for(Option::is_some).await.ok().and_then(|e| e.clone());
                return entry.map_or(LookUp::Ended, |entry| found(entry, Origin::Shared));
            }
        };
        // Whoever computed it may have ended between the two steps.
        if let Some(entry) = tiers.memory.get(&key, now_ms) {
            flight.land(Arc::clone(&entry));
            return found(entry, Origin::Memory);
        }
        if let Some(entry) = self.read(kind, &key, now_ms).await {
            tiers.memory.put(&key, Arc::clone(&entry), now_ms);
            flight.land(Arc::clone(&entry));
            return found(entry, Origin::Redis);
        }
        LookUp::Missing(Computation { flight, cache: self.clone(), kind, key })
    }
    /// Reads an entry from Redis. A failure is not an error: the reply is computed.
    async fn read(&self, kind: ReplyKind, key: &Key, now_ms: i64) -> Option<Arc<Entry>> {
        let redis = self.tiers.redis.as_ref().filter(|_| kind.rule().in_redis)?;
        let value = match redis.get(name(key)).await {
            Ok(value) => value?,
            Err(_) => {
                self.counts.count_redis_failure();
                return None;
            }
        };
        let Some(entry) = Entry::of_value(&self.secret, key, value) else {
            self.counts.count_redis_failure();
            return None;
        };
        entry.is_valid(now_ms).then(|| Arc::new(entry))
    }
    /// Counts a reply that was computed without a look-up.
    pub fn count_bypass(&self, kind: ReplyKind) {
        self.counts.count(kind, Origin::Bypass);
    }
    pub fn figures(&self) -> CacheFigures {
        self.counts.figures(self.tiers.memory.usage(), self.tiers.max_bytes)
    }
}

/// Returns the name of a key in Redis.
fn name(key: &Key) -> String {
    format!("carrel:reply:{}", blake3::Hash::from_bytes(key.entry).to_hex())
}

impl Computation {
    /// Counts the reply as computed. Call it before computing.
    pub fn begin(&self) {
        self.cache.counts.count(self.kind, Origin::Miss);
    }
    /// Keeps the reply for the time of its kind, at most until `valid_until_ms`, and gives it to those who wait.
    pub fn finish(self, reply: CachedReply, valid_until_ms: Option<i64>, now_ms: i64) {
        let until_ms = now_ms.saturating_add(self.kind.ttl_ms());
        let expires_ms = valid_until_ms.map_or(until_ms, |ms| ms.min(until_ms));
        let entry = Arc::new(Entry { reply, stored_ms: now_ms, expires_ms });
        let TenantCache { tiers, secret, .. } = &self.cache;
        if entry.is_valid(now_ms) {
            // Before the computation ends, so that the next request finds it.
            tiers.memory.put(&self.key, Arc::clone(&entry), now_ms);
            if let Some(redis) = tiers.redis.as_ref().filter(|_| self.kind.rule().in_redis) {
                let ttl_ms = u64::try_from(expires_ms - now_ms).unwrap_or(0);
                redis.set(name(&self.key), entry.to_value(secret, &self.key), ttl_ms);
            }
        }
        self.flight.land(entry);
    }
}
