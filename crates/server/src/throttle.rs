//! Slows down guessing: failed sign-ins by login and address, registrations by address.
//!
//! Not here: several servers behind one balancer (each counts for itself).

use std::{collections::HashMap, hash::Hash, sync::Mutex};

/// Counts events in a sliding window of `window_ms`; more than `most` must wait.
pub struct Throttle<K> {
    window_ms: i64,
    most: u32,
    seen: Mutex<HashMap<K, Vec<i64>>>,
}

/// Past this many keys those whose window is over are dropped, and then the oldest.
const KEYS: usize = 50_000;

impl<K: Hash + Eq + Clone> Throttle<K> {
    pub fn new(window_ms: i64, most: u32) -> Self {
        Self { window_ms, most: most.max(1), seen: Mutex::new(HashMap::new()) }
    }
    /// `Err(milliseconds to wait)` if the key has had its share.
    pub fn check(&self, key: &K, now_ms: i64) -> Result<(), u64> {
        let mut seen = self.lock();
        let Some(times) = seen.get_mut(key) else { return Ok(()) };
        // A clock that was turned back must not lock anybody out.
        times.retain(|t| (0..self.window_ms).contains(&(now_ms - t)));
        if times.len() < self.most as usize {
            return Ok(());
        }
        Err((times[0] + self.window_ms - now_ms).max(1).unsigned_abs())
    }
    /// Notes one event.
    pub fn note(&self, key: K, now_ms: i64) {
        let mut seen = self.lock();
        if seen.len() >= KEYS {
            seen.retain(|_, times| times.last().is_some_and(|t| now_ms - t < self.window_ms));
            if seen.len() >= KEYS {
                let oldest =
                    seen.iter().min_by_key(|(_, t)| t.last().copied()).map(|(k, _)| k.clone());
                if let Some(oldest) = oldest {
                    seen.remove(&oldest);
                }
            }
        }
        let times = seen.entry(key).or_default();
        if times.len() < self.most as usize {
            times.push(now_ms);
        }
    }
    /// Forgets a key: the right password was given.
    pub fn forget(&self, key: &K) {
        self.lock().remove(key);
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<K, Vec<i64>>> {
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_out_the_window_and_survives_a_clock_turned_back() {
        let t = Throttle::new(1_000, 2);
        for now in [10_000, 10_400] {
            assert_eq!(t.check(&"k", now), Ok(()));
            t.note("k", now);
        }
        assert_eq!(t.check(&"k", 10_500), Err(500));
        assert_eq!(t.check(&"other", 10_500), Ok(()));
        assert_eq!(t.check(&"k", 11_000), Ok(()));
        t.note("k", 11_000);
        assert!(t.check(&"k", 11_001).is_err());
        assert_eq!(t.check(&"k", 1), Ok(()));
    }
}
