//! One request at a time for each key: later askers wait for the same answer. A waiter that goes away does not stop the request.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::future::{BoxFuture, FutureExt, Shared};

/// An answer that several wait for. `None` only if the request panicked.
pub type Flight<T> = Shared<BoxFuture<'static, Option<T>>>;

/// Requests that are under way.
pub struct Flights<K, T: Clone> {
    open: Arc<Mutex<HashMap<K, Flight<T>>>>,
}

impl<K: Hash + Eq + Clone + Send + 'static, T: Clone + Send + Sync + 'static> Flights<K, T> {
    pub fn new() -> Self {
        Self { open: Arc::default() }
    }
    /// The answer to `key`: of the request that is under way, or of `start` if there is none.
    pub fn join(&self, key: K, start: impl FnOnce() -> BoxFuture<'static, T>) -> Flight<T> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = open.get(&key) {
            return flight.clone();
        }
        let (all, mine) = (self.open.clone(), key.clone());
        let work = start();
        let task = tokio::spawn(async move {
            let landed = Landed(all, mine);
            let answer = work.await;
            drop(landed);
            answer
        });
        let flight = async move { task.await.ok() }.boxed().shared();
        open.insert(key, flight.clone());
        flight
    }
}

/// Takes the key off the list also when the request panics.
struct Landed<K: Hash + Eq, T: Clone>(Arc<Mutex<HashMap<K, Flight<T>>>>, K);

impl<K: Hash + Eq, T: Clone> Drop for Landed<K, T> {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn one_request_for_many_and_no_waiter_stops_it() {
        let flights: Flights<&str, u32> = Flights::new();
        let (count, gate) = (Arc::new(AtomicU32::new(0)), Arc::new(Semaphore::new(0)));
        let ask = || {
            let (count, gate) = (count.clone(), gate.clone());
            flights.join("a", move || {
                async move {
                    let _permit = gate.acquire().await;
                    count.fetch_add(1, Ordering::SeqCst) + 1
                }
                .boxed()
            })
        };
        let (first, second, third) = (ask(), ask(), ask());
        drop(first);
        gate.add_permits(1);
        assert_eq!((second.await, third.await), (Some(1), Some(1)));
        gate.add_permits(1);
        assert_eq!(ask().await, Some(2), "after landing, a new request");
    }
}
