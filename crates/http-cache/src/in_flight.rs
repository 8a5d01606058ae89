//! Limits requests to one at a time for each key: later callers join the request in progress. Dropping a waiter does
//! not affect the others.
//!
//! When all waiters are dropped, a request whose response is stored continues, because the next caller can use it; a
//! request whose response is not stored (`Ends::WithoutWaiters`) is aborted.

use std::{
    collections::HashMap,
    hash::Hash,
    pin::Pin,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    task::{Context, Poll},
};

use futures_util::future::{BoxFuture, FutureExt, Shared};
use tokio::{sync::oneshot, task::AbortHandle};
use tracing::Instrument;

/// When a request is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    WhenDone,
    /// When it is done or the last waiter is dropped.
    WithoutWaiters,
}

type SharedResult<T> = Shared<BoxFuture<'static, Option<T>>>;

/// Waits for a shared result. Resolves to `None` only if the request panicked.
pub struct Waiter<T: Clone> {
    result: SharedResult<T>,
    /// The request was already in progress.
    pub joined: bool,
    _abort: Arc<AbortOnDrop>,
}

impl<T: Clone> Future for Waiter<T> {
    type Output = Option<T>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.result.poll_unpin(cx)
    }
}

/// Shared by all waiters; when the last one is dropped, aborts the request unless it continues without waiters. Set
/// when the request was started.
#[derive(Default)]
struct AbortOnDrop(OnceLock<AbortHandle>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(task) = self.0.get() {
            task.abort();
        }
    }
}

struct RunningRequest<T: Clone> {
    result: SharedResult<T>,
    abort: Weak<AbortOnDrop>,
    /// Keeps the request available to later callers if it continues without waiters.
    _keep_alive: Option<Arc<AbortOnDrop>>,
    number: u64,
}

/// Requests in progress, by key.
pub struct InFlight<K, T: Clone> {
    requests: Arc<Mutex<Requests<K, T>>>,
}

impl<K, T: Clone> Default for InFlight<K, T> {
    fn default() -> Self {
        Self { requests: Arc::new(Mutex::new(Requests { running: HashMap::new(), next: 0 })) }
    }
}

struct Requests<K, T: Clone> {
    running: HashMap<K, RunningRequest<T>>,
    next: u64,
}

impl<K: Hash + Eq + Clone + Send + 'static, T: Clone + Send + Sync + 'static> InFlight<K, T> {
    /// Creates an empty map.
    pub fn new() -> Self {
        Self::default()
    }
    /// Joins the request of `key` that is in progress, or starts one with `start`. The request continues without
    /// waiters.
    pub fn join(&self, key: K, start: impl FnOnce() -> BoxFuture<'static, T>) -> Waiter<T> {
        self.join_until(key, Ends::WhenDone, start)
    }
    /// Like `join`; `ends` determines whether the request continues without waiters.
    pub(super) fn join_until(
        &self,
        key: K,
        ends: Ends,
        start: impl FnOnce() -> BoxFuture<'static, T>,
    ) -> Waiter<T> {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = requests.running.get(&key)
            && let Some(abort) = running.abort.upgrade()
        {
            return Waiter { result: running.result.clone(), joined: true, _abort: abort };
        }
        requests.next += 1;
        let number = requests.next;
        let ended = RemoveOnDrop { requests: self.requests.clone(), key: key.clone(), number };
        let (done, received) = oneshot::channel();
        let result = async move { received.await.ok() }.boxed().shared();
        let aborts = ends == Ends::WithoutWaiters;
        let abort = Arc::new(AbortOnDrop::default());
        let running = RunningRequest {
            result: result.clone(),
            abort: Arc::downgrade(&abort),
            _keep_alive: (!aborts).then(|| abort.clone()),
            number,
        };
        requests.running.insert(key, running);
        // A runtime that shuts down drops the task in `spawn`, and `RemoveOnDrop` takes the lock.
        drop(requests);
        let request = start();
        let request = async move {
            let ended = ended;
            let result = request.await;
            drop(ended);
            let _ = done.send(result);
        };
        // The spans of the request belong to the action of the first caller.
        let task = tokio::spawn(request.in_current_span());
        if aborts {
            let _ = abort.0.set(task.abort_handle());
        }
        Waiter { result, joined: false, _abort: abort }
    }
}

/// Removes a request that ended, panicked or was aborted.
struct RemoveOnDrop<K: Hash + Eq, T: Clone> {
    requests: Arc<Mutex<Requests<K, T>>>,
    key: K,
    number: u64,
}

impl<K: Hash + Eq, T: Clone> Drop for RemoveOnDrop<K, T> {
    fn drop(&mut self) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        // An aborted request may have been replaced before its task was dropped.
        let removed = match requests.running.get(&self.key) {
            Some(running) if running.number == self.number => requests.running.remove(&self.key),
            _ => None,
        };
        drop(requests);
        drop(removed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    struct Fixture {
        in_flight: InFlight<&'static str, u32>,
        started: Arc<AtomicU32>,
        ended: Arc<AtomicU32>,
        permits: Arc<Semaphore>,
    }

    impl Fixture {
        fn new() -> Self {
            Self {
                in_flight: InFlight::new(),
                started: Arc::default(),
                ended: Arc::default(),
                permits: Arc::new(Semaphore::new(0)),
            }
        }
        fn join(&self, ends: Ends) -> Waiter<u32> {
            let (started, ended, permits) =
                (self.started.clone(), self.ended.clone(), self.permits.clone());
            self.in_flight.join_until("a", ends, move || {
                async move {
                    started.fetch_add(1, Ordering::SeqCst);
                    permits.acquire().await.unwrap().forget();
                    ended.fetch_add(1, Ordering::SeqCst) + 1
                }
                .boxed()
            })
        }
        fn counts(&self) -> (u32, u32) {
            (self.started.load(Ordering::SeqCst), self.ended.load(Ordering::SeqCst))
        }
        async fn wait_until(&self, expected: (u32, u32)) {
            while self.counts() != expected {
                tokio::task::yield_now().await;
            }
        }
    }

    #[tokio::test]
    async fn a_dropped_waiter_does_not_stop_the_request_of_the_others() {
        for ends in [Ends::WhenDone, Ends::WithoutWaiters] {
            let fixture = Fixture::new();
            let (first, second, third) =
                (fixture.join(ends), fixture.join(ends), fixture.join(ends));
            assert_eq!([first.joined, second.joined, third.joined], [false, true, true]);
            fixture.wait_until((1, 0)).await;
            drop(first);
            fixture.permits.add_permits(1);
            assert_eq!((second.await, third.await), (Some(1), Some(1)), "{ends:?}");
            fixture.permits.add_permits(1);
            assert_eq!(fixture.join(ends).await, Some(2), "a new request after the end");
        }
    }

    #[tokio::test]
    async fn ends_determines_whether_a_request_without_waiters_continues() {
        let fixture = Fixture::new();
        drop((fixture.join(Ends::WhenDone), fixture.join(Ends::WhenDone)));
        fixture.permits.add_permits(1);
        fixture.wait_until((1, 1)).await;

        let fixture = Fixture::new();
        let waiters = (fixture.join(Ends::WithoutWaiters), fixture.join(Ends::WithoutWaiters));
        fixture.wait_until((1, 0)).await;
        drop(waiters);
        // The next caller does not join the aborted request.
        let next = fixture.join(Ends::WithoutWaiters);
        assert!(!next.joined);
        fixture.wait_until((2, 0)).await;
        fixture.permits.add_permits(2);
        assert_eq!(next.await, Some(1));
        assert_eq!(fixture.counts(), (2, 1), "the first request did not end");
    }

    #[test]
    fn a_request_during_the_shutdown_of_the_runtime_ends() {
        let (ended, has_ended) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build();
            let runtime = runtime.unwrap();
            let handle = runtime.handle().clone();
            runtime.shutdown_background();
            let waiter = {
                let _entered = handle.enter();
                InFlight::<&str, u32>::new().join("a", || async { 1 }.boxed())
            };
            let other = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _ = ended.send(other.block_on(waiter));
        });
        let result = has_ended.recv_timeout(std::time::Duration::from_secs(20));
        assert_eq!(result.expect("the request ends"), None);
    }
}
