//! Entries in memory, limited by their size. Those of popular replies stay.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use moka::{policy::EvictionPolicy, sync::Cache};

use crate::{
    entry::{Entry, Key},
    kinds::MAX_TTL_S,
    popularity::{Popularity, STAYS},
};

/// Number of replies whose popularity is known.
const MAX_COUNTED: u64 = 20_000;
/// Largest entry, as a part of the memory.
const MAX_PART: u64 = 16;

/// An entry in memory.
#[derive(Clone)]
struct Kept {
    entry: Arc<Entry>,
    popularity: Arc<Popularity>,
}

/// Entries in memory. A quarter of it is for entries that stay.
pub(crate) struct Memory {
    entries: Cache<[u8; 32], Kept>,
    popularities: Cache<[u8; 32], Arc<Popularity>>,
    staying: RwLock<Staying>,
    max_entry: usize,
}

/// The last entry of each popular reply.
struct Staying {
    by_resource: HashMap<[u8; 32], ([u8; 32], Kept)>,
    bytes: usize,
    max_bytes: usize,
}

impl Staying {
    fn remove(&mut self, resource: &[u8; 32]) {
        if let Some((_, kept)) = self.by_resource.remove(resource) {
            self.bytes -= kept.entry.size();
        }
    }
    /// Adds an entry if there is room, after removing those that are no longer popular.
    fn add(&mut self, key: &Key, kept: &Kept, now_ms: i64) {
        self.remove(&key.resource);
        let size = kept.entry.size();
        if self.bytes + size > self.max_bytes {
            let is_old = |(_, kept): &([u8; 32], Kept)| {
                !kept.entry.is_valid(now_ms) || kept.popularity.at(now_ms) <= STAYS
            };
            let old: Vec<_> = self.by_resource.iter().filter(|(_, kept)| is_old(kept)).collect();
            let old: Vec<[u8; 32]> = old.into_iter().map(|(resource, _)| *resource).collect();
            old.iter().for_each(|resource| self.remove(resource));
        }
        if self.bytes + size <= self.max_bytes {
            self.bytes += size;
            self.by_resource.insert(key.resource, (key.entry, kept.clone()));
        }
    }
}

impl Memory {
    pub(crate) fn new(max_bytes: u64) -> Self {
        let staying = max_bytes / 4;
        let weigh =
            |_: &[u8; 32], kept: &Kept| u32::try_from(kept.entry.size()).unwrap_or(u32::MAX);
        let staying = Staying {
            by_resource: HashMap::new(),
            bytes: 0,
            max_bytes: usize::try_from(staying).unwrap_or(usize::MAX),
        };
        Self {
            entries: Cache::builder()
                .max_capacity(max_bytes - max_bytes / 4)
                .weigher(weigh)
                // Not by frequency: the replies of earlier states were used, and are not found any more.
                .eviction_policy(EvictionPolicy::lru())
                // What no request finds any more is removed; whether an entry may be used is in the entry.
                .time_to_live(Duration::from_secs(MAX_TTL_S))
                .build(),
            popularities: Cache::builder().max_capacity(MAX_COUNTED).build(),
            staying: RwLock::new(staying),
            max_entry: usize::try_from(max_bytes / MAX_PART).unwrap_or(usize::MAX),
        }
    }
    /// Returns the entry of a key, and counts a use of the reply.
    pub(crate) fn get(&self, key: &Key, now_ms: i64) -> Option<Arc<Entry>> {
        let kept = self.entries.get(&key.entry).or_else(|| self.staying(key))?;
        if !kept.entry.is_valid(now_ms) {
            self.entries.invalidate(&key.entry);
            if self.staying(key).is_some() {
                self.staying.write().unwrap_or_else(PoisonError::into_inner).remove(&key.resource);
            }
            return None;
        }
        if kept.popularity.count(now_ms) > STAYS && self.staying(key).is_none() {
            self.stay(key, &kept, now_ms);
        }
        Some(kept.entry)
    }
    fn staying(&self, key: &Key) -> Option<Kept> {
        let staying = self.staying.read().unwrap_or_else(PoisonError::into_inner);
        let (entry, kept) = staying.by_resource.get(&key.resource)?;
        (*entry == key.entry).then(|| kept.clone())
    }
    fn stay(&self, key: &Key, kept: &Kept, now_ms: i64) {
        self.staying.write().unwrap_or_else(PoisonError::into_inner).add(key, kept, now_ms);
    }
    /// Keeps an entry, unless it is too large. A new entry of a popular reply replaces the one that stays.
    pub(crate) fn put(&self, key: &Key, entry: Arc<Entry>, now_ms: i64) {
        if entry.size() > self.max_entry {
            return;
        }
        let popularity = self.popularities.get_with(key.resource, Arc::default);
        let kept = Kept { entry, popularity };
        if kept.popularity.at(now_ms) > STAYS {
            self.stay(key, &kept, now_ms);
        }
        self.entries.insert(key.entry, kept);
    }
    /// Returns the number of entries and their size in bytes.
    pub(crate) fn usage(&self) -> (u64, u64) {
        self.entries.run_pending_tasks();
        let (mut count, mut bytes) = (self.entries.entry_count(), self.entries.weighted_size());
        let staying = self.staying.read().unwrap_or_else(PoisonError::into_inner);
        for (entry, kept) in staying.by_resource.values() {
            if !self.entries.contains_key(entry) {
                count += 1;
                bytes += kept.entry.size() as u64;
            }
        }
        (count, bytes)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{CachedReply, ReplyKind};

    const NOW: i64 = 1_790_000_000_000;

    fn key(name: &str, state: &str) -> Key {
        Key::new(&[1; 32], ReplyKind::List, &[name], state)
    }
    fn entry(bytes: usize) -> Arc<Entry> {
        let reply = CachedReply { headers: Vec::new(), body: Bytes::from(vec![b'x'; bytes]) };
        Arc::new(Entry { reply, stored_ms: NOW, expires_ms: NOW + 3_600_000 })
    }
    fn fill(memory: &Memory, entries: usize) {
        for n in 0..entries {
            memory.put(&key(&n.to_string(), ""), entry(10_000), NOW);
            memory.entries.run_pending_tasks();
        }
    }

    #[test]
    fn memory_is_limited_in_bytes() {
        let memory = Memory::new(1_000_000);
        fill(&memory, 1_000);
        let (count, bytes) = memory.usage();
        assert!((50..=75).contains(&count) && bytes <= 750_000, "{count} {bytes}");
        memory.put(&key("large", ""), entry(1_000_000 / 16), NOW);
        assert!(memory.get(&key("large", ""), NOW).is_none());
    }

    #[test]
    fn popular_replies_stay_until_they_are_no_longer_popular() {
        let memory = Memory::new(1_000_000);
        let (popular, used) = (key("popular", "1"), key("used", "1"));
        for (key, uses) in [(&popular, 81), (&used, 80)] {
            memory.put(key, entry(10_000), NOW);
            for _ in 0..uses {
                assert!(memory.get(key, NOW).is_some());
            }
        }
        assert!(memory.staying(&popular).is_some() && memory.staying(&used).is_none());
        // Whatever else is used, it stays.
        memory.entries.invalidate_all();
        fill(&memory, 500);
        assert!(memory.get(&popular, NOW).is_some());
        assert!(memory.get(&used, NOW).is_none());
        // The reply to the next state stays at once, in place of the earlier one.
        let next = key("popular", "2");
        memory.put(&next, entry(10_000), NOW);
        assert!(memory.staying(&next).is_some() && memory.staying(&popular).is_none());
        // When its room is needed, one that is no longer popular is removed.
        let later = NOW + 1_200_000;
        let others: Vec<Key> = (0..30).map(|n| key(&format!("other {n}"), "")).collect();
        for other in &others {
            memory.put(other, entry(10_000), later);
            for _ in 0..90 {
                assert!(memory.get(other, later).is_some());
            }
        }
        assert!(memory.staying(&next).is_none());
        let staying = memory.staying.read().unwrap();
        assert!((20..=25).contains(&staying.by_resource.len()) && staying.bytes <= 250_000);
    }

    #[test]
    fn an_expired_entry_is_not_used() {
        let memory = Memory::new(1_000_000);
        let key = key("a", "");
        memory.put(&key, entry(10), NOW);
        for _ in 0..90 {
            assert!(memory.get(&key, NOW + 3_599_999).is_some());
        }
        assert!(memory.get(&key, NOW + 3_600_000).is_none());
        assert!(memory.get(&key, NOW).is_none() && memory.staying(&key).is_none());
    }
}
