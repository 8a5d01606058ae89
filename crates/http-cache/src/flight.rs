//! One request at a time for each key: later askers wait for the same answer. A waiter that goes away stops nothing for the others.
//!
//! When all have gone away: a request whose answer is kept goes on, because it is paid for and the next one who asks finds it; a request
//! whose answer nobody would ever see (`Ends::WhenNobodyWaits`) is stopped.

use std::{
    collections::HashMap,
    hash::Hash,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, Weak},
    task::{Context, Poll},
};

use futures_util::future::{BoxFuture, FutureExt, Shared};
use tokio::task::AbortHandle;

/// What becomes of a request when the last waiter has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    WhenDone,
    WhenNobodyWaits,
}

type Answer<T> = Shared<BoxFuture<'static, Option<T>>>;

/// An answer that several wait for. `None` only if the request panicked.
pub struct Flight<T: Clone> {
    answer: Answer<T>,
    /// It was under way already: this asker costs no request.
    pub joined: bool,
    _seat: Arc<Seat>,
}

impl<T: Clone> Future for Flight<T> {
    type Output = Option<T>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.answer.poll_unpin(cx)
    }
}

/// Held by every waiter; the last one to leave ends what is to be ended.
struct Seat(Option<AbortHandle>);

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

struct Open<T: Clone> {
    answer: Answer<T>,
    seat: Weak<Seat>,
    /// Kept here for those that go on without waiters.
    _kept: Option<Arc<Seat>>,
    number: u64,
}

/// Requests that are under way.
pub struct Flights<K, T: Clone> {
    open: Arc<Mutex<Board<K, T>>>,
}

impl<K, T: Clone> Default for Flights<K, T> {
    fn default() -> Self {
        Self { open: Arc::new(Mutex::new(Board { flights: HashMap::new(), next: 0 })) }
    }
}

struct Board<K, T: Clone> {
    flights: HashMap<K, Open<T>>,
    next: u64,
}

impl<K: Hash + Eq + Clone + Send + 'static, T: Clone + Send + Sync + 'static> Flights<K, T> {
    pub fn new() -> Self {
        Self::default()
    }
    /// The answer to `key`: of the request that is under way, or of `start` if there is none. It goes on when nobody waits.
    pub fn join(&self, key: K, start: impl FnOnce() -> BoxFuture<'static, T>) -> Flight<T> {
        self.join_until(key, Ends::WhenDone, start)
    }
    /// The same; `ends` says what becomes of it when nobody waits.
    pub fn join_until(
        &self,
        key: K,
        ends: Ends,
        start: impl FnOnce() -> BoxFuture<'static, T>,
    ) -> Flight<T> {
        let mut board = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = board.flights.get(&key)
            && let Some(seat) = open.seat.upgrade()
        {
            return Flight { answer: open.answer.clone(), joined: true, _seat: seat };
        }
        board.next += 1;
        let number = board.next;
        let landed = Landed { board: self.open.clone(), key: key.clone(), number };
        let work = start();
        let task = tokio::spawn(async move {
            let landed = landed;
            let answer = work.await;
            drop(landed);
            answer
        });
        let stops = ends == Ends::WhenNobodyWaits;
        let seat = Arc::new(Seat(stops.then(|| task.abort_handle())));
        let answer = async move { task.await.ok() }.boxed().shared();
        let open = Open {
            answer: answer.clone(),
            seat: Arc::downgrade(&seat),
            _kept: (!stops).then(|| seat.clone()),
            number,
        };
        board.flights.insert(key, open);
        Flight { answer, joined: false, _seat: seat }
    }
}

/// Takes the key off the board also when the request panics or is stopped.
struct Landed<K: Hash + Eq, T: Clone> {
    board: Arc<Mutex<Board<K, T>>>,
    key: K,
    number: u64,
}

impl<K: Hash + Eq, T: Clone> Drop for Landed<K, T> {
    fn drop(&mut self) {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        // A stopped one may have been replaced before it was gone.
        let gone = match board.flights.get(&self.key) {
            Some(open) if open.number == self.number => board.flights.remove(&self.key),
            _ => None,
        };
        drop(board);
        drop(gone);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    struct Desk {
        flights: Flights<&'static str, u32>,
        began: Arc<AtomicU32>,
        ended: Arc<AtomicU32>,
        gate: Arc<Semaphore>,
    }

    impl Desk {
        fn new() -> Self {
            Self {
                flights: Flights::new(),
                began: Arc::default(),
                ended: Arc::default(),
                gate: Arc::new(Semaphore::new(0)),
            }
        }
        fn ask(&self, ends: Ends) -> Flight<u32> {
            let (began, ended, gate) = (self.began.clone(), self.ended.clone(), self.gate.clone());
            self.flights.join_until("a", ends, move || {
                async move {
                    began.fetch_add(1, Ordering::SeqCst);
                    gate.acquire().await.unwrap().forget();
                    ended.fetch_add(1, Ordering::SeqCst) + 1
                }
                .boxed()
            })
        }
        fn seen(&self) -> (u32, u32) {
            (self.began.load(Ordering::SeqCst), self.ended.load(Ordering::SeqCst))
        }
        async fn until(&self, seen: (u32, u32)) {
            while self.seen() != seen {
                tokio::task::yield_now().await;
            }
        }
    }

    #[tokio::test]
    async fn one_request_for_many_and_no_waiter_stops_it_for_the_others() {
        for ends in [Ends::WhenDone, Ends::WhenNobodyWaits] {
            let desk = Desk::new();
            let (first, second, third) = (desk.ask(ends), desk.ask(ends), desk.ask(ends));
            assert_eq!([first.joined, second.joined, third.joined], [false, true, true]);
            desk.until((1, 0)).await;
            drop(first);
            desk.gate.add_permits(1);
            assert_eq!((second.await, third.await), (Some(1), Some(1)), "{ends:?}");
            desk.gate.add_permits(1);
            assert_eq!(desk.ask(ends).await, Some(2), "after landing, a new request");
        }
    }

    #[tokio::test]
    async fn without_waiters_it_goes_on_or_stops_as_was_said() {
        let desk = Desk::new();
        drop((desk.ask(Ends::WhenDone), desk.ask(Ends::WhenDone)));
        desk.gate.add_permits(1);
        desk.until((1, 1)).await;

        let desk = Desk::new();
        let (first, second) = (desk.ask(Ends::WhenNobodyWaits), desk.ask(Ends::WhenNobodyWaits));
        desk.until((1, 0)).await;
        drop((first, second));
        // The next asker does not get the one that was stopped.
        let next = desk.ask(Ends::WhenNobodyWaits);
        assert!(!next.joined);
        desk.until((2, 0)).await;
        desk.gate.add_permits(2);
        assert_eq!(next.await, Some(1));
        assert_eq!(desk.seen(), (2, 1), "the first never came to its end");
    }
}
