//! A least-recently-used map with a limit in bytes.

use std::{
    borrow::Borrow,
    hash::Hash,
    sync::{Mutex, PoisonError},
};

use lru::LruCache;

/// A map that removes the least recently used values when it exceeds its budget.
pub struct ByteLru<K: Hash + Eq, V> {
    inner: Mutex<LruState<K, V>>,
    budget: usize,
}

struct LruState<K: Hash + Eq, V> {
    map: LruCache<K, (V, usize)>,
    bytes: usize,
}

impl<K: Hash + Eq, V: Clone> ByteLru<K, V> {
    /// Creates an empty map. `budget` is in bytes, as counted by the callers of `put`.
    pub fn new(budget: usize) -> Self {
        Self { inner: Mutex::new(LruState { map: LruCache::unbounded(), bytes: 0 }), budget }
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, LruState<K, V>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Returns a clone of the value. Counts as a use.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.lock().map.get(key).map(|(v, _)| v.clone())
    }
    /// Returns true if there is a value. Does not count as a use.
    pub fn contains<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.lock().map.contains(key)
    }
    /// Returns the limit in bytes.
    pub fn budget(&self) -> usize {
        self.budget
    }
    /// Stores `value`, which counts as `bytes`. A value of more than a quarter of the budget is not stored, because it
    /// would evict too many others.
    pub fn put(&self, key: K, value: V, bytes: usize) {
        let mut inner = self.lock();
        if bytes > self.budget / 4 {
            if let Some((_, old)) = inner.map.pop(&key) {
                inner.bytes -= old;
            }
            return;
        }
        if let Some((_, old)) = inner.map.put(key, (value, bytes)) {
            inner.bytes -= old;
        }
        inner.bytes += bytes;
        while inner.bytes > self.budget {
            match inner.map.pop_lru() {
                Some((_, (_, removed))) => inner.bytes -= removed,
                None => break,
            }
        }
    }
    /// Removes a value.
    pub fn remove<Q: Hash + Eq + ?Sized>(&self, key: &Q)
    where
        K: Borrow<Q>,
    {
        let mut inner = self.lock();
        if let Some((_, removed)) = inner.map.pop(key) {
            inner.bytes -= removed;
        }
    }
    /// Returns the size of all values in bytes.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_recently_used_values_are_removed_over_the_budget() {
        let lru = ByteLru::new(100);
        for n in 0..10 {
            lru.put(n, n, 20);
            let _ = lru.get(&0);
        }
        assert_eq!(lru.bytes(), 100);
        assert_eq!(lru.get(&0), Some(0), "used before each insertion");
        assert_eq!(lru.get(&1), None);
        lru.put(0, 0, 5);
        assert_eq!(lru.bytes(), 85, "a replaced value is not counted");
        lru.put(42, 42, 26);
        assert_eq!(lru.get(&42), None, "over a quarter of the budget");
        lru.remove(&0);
        assert_eq!(lru.bytes(), 80);
    }
}
