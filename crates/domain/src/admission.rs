//! Admission of the requests of a first or complete sync: pulls from the beginning and large pushes.
//!
//! After a failover or a restore all devices pull everything and send all their rows. Of these requests few run at the
//! same time and some wait; the others are refused at once, with the time at which to come back, so that devices that
//! only send what is new are served as before. Each process admits by itself.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Number of rows from which a push is one of a complete sync.
pub const LARGE_PUSH: usize = 200;
/// Number of waiting requests, as a multiple of those that run.
const WAITING: usize = 4;
/// Bounds of the time that a refused device waits, in ms.
const WAIT_MS: (i64, i64) = (1_000, 5 * 60_000);
/// Assumed number of requests in a second for each permit, until the rate was measured.
const ASSUMED_RATE: i64 = 20;
/// Time over which the rate is measured, in ms.
const MEASURED_MS: i64 = 1_000;

/// Admits requests.
pub struct Admission {
    running: Arc<Semaphore>,
    waiting: Semaphore,
    finished: Arc<AtomicU64>,
    returns: Mutex<ReturnTimes>,
}

/// When refused devices come back: one after the other, at the rate at which requests are finished.
#[derive(Debug)]
struct ReturnTimes {
    /// Time for the next device that is refused, in microseconds.
    next_us: i64,
    /// Time for one request, in microseconds.
    interval_us: i64,
    /// Start of the measurement in ms, and the number of requests that had been finished then.
    since: (i64, u64),
    /// Number of refused devices, from which the jitter is derived.
    refused: u64,
}

/// A request that was admitted, until it is dropped.
#[derive(Debug)]
pub struct Admitted {
    finished: Arc<AtomicU64>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.finished.fetch_add(1, Ordering::Relaxed);
    }
}

impl Admission {
    /// `permits`: number of requests that run at the same time, at least 1.
    pub fn new(permits: usize) -> Self {
        let permits = permits.clamp(1, Semaphore::MAX_PERMITS / WAITING);
        let rate = ASSUMED_RATE.saturating_mul(i64::try_from(permits).unwrap_or(i64::MAX));
        Self {
            running: Arc::new(Semaphore::new(permits)),
            waiting: Semaphore::new(permits * WAITING),
            finished: Arc::default(),
            returns: Mutex::new(ReturnTimes {
                next_us: 0,
                interval_us: (1_000_000 / rate).max(1),
                since: (0, 0),
                refused: 0,
            }),
        }
    }
    /// Admits a request, after waiting behind others.
    ///
    /// # Errors
    /// If too many requests are waiting: the time after which to repeat the request, in ms.
    pub async fn admit(&self, now_ms: i64) -> Result<Admitted, u64> {
        let permit = match Arc::clone(&self.running).try_acquire_owned() {
            Ok(permit) => Ok(permit),
            Err(_) => match self.waiting.try_acquire() {
                Ok(_place) => Arc::clone(&self.running).acquire_owned().await,
                Err(_) => return Err(self.refuse(now_ms)),
            },
        };
        // The semaphore is never closed.
        let Ok(permit) = permit else { return Err(self.refuse(now_ms)) };
        Ok(Admitted { finished: Arc::clone(&self.finished), _permit: permit })
    }
    fn refuse(&self, now_ms: i64) -> u64 {
        let finished = self.finished.load(Ordering::Relaxed);
        let mut returns = self.returns.lock().unwrap_or_else(PoisonError::into_inner);
        returns.refuse(now_ms, finished)
    }
}

impl ReturnTimes {
    /// Returns how long a device waits, in ms.
    fn refuse(&mut self, now_ms: i64, finished: u64) -> u64 {
        self.measure(now_ms, finished);
        let now_us = now_ms.saturating_mul(1_000);
        // The upper bound also applies if the clock was set back.
        let next_us = self.next_us.clamp(now_us + WAIT_MS.0 * 1_000, now_us + WAIT_MS.1 * 1_000);
        self.next_us = next_us.saturating_add(self.interval_us);
        let wait_ms = ((next_us - now_us) / 1_000).unsigned_abs();
        // Devices that another process refused come back at the same times.
        self.refused = self.refused.wrapping_add(1);
        let random = self.refused.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        if next_us - now_us == WAIT_MS.1 * 1_000 {
            return wait_ms / 2 + random % (wait_ms / 2);
        }
        wait_ms + random % (wait_ms / 4)
    }
    /// Derives the time for a request from the number that was finished since the last measurement. A measurement over
    /// a longer time includes a pause, so it says nothing.
    fn measure(&mut self, now_ms: i64, finished: u64) {
        let (since_ms, before) = self.since;
        let elapsed_ms = now_ms.saturating_sub(since_ms);
        if (0..MEASURED_MS).contains(&elapsed_ms) {
            return;
        }
        if (MEASURED_MS..3 * MEASURED_MS).contains(&elapsed_ms) {
            let count = i64::try_from(finished.saturating_sub(before)).unwrap_or(i64::MAX);
            self.interval_us = (elapsed_ms * 1_000 / count.max(1)).max(1);
        }
        self.since = (now_ms, finished);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000_000;

    fn poll_once<F: Future>(future: &mut std::pin::Pin<Box<F>>) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn a_request_beyond_those_that_run_and_wait_is_refused_at_once() {
        let admission = Arc::new(Admission::new(2));
        let running = [admission.admit(NOW).await.unwrap(), admission.admit(NOW).await.unwrap()];
        let mut waiting: Vec<_> =
            (0..2 * WAITING).map(|_| Box::pin(admission.admit(NOW))).collect();
        for request in &mut waiting {
            assert!(poll_once(request).is_none());
        }
        let wait = admission.admit(NOW).await.unwrap_err();
        assert!((1_000..1_300).contains(&wait), "{wait}");
        // The first in the queue is the first to be admitted, and a place is free.
        drop(running);
        assert!(poll_once(&mut waiting[0]).unwrap().is_ok());
        // A request whose client went away gives its place back.
        waiting.clear();
        for _ in 0..50 {
            assert!(admission.admit(NOW).await.is_ok());
        }
    }

    #[test]
    fn refused_devices_come_back_at_the_rate_that_was_measured() {
        let admission = Admission::new(16);
        let mut returns = admission.returns.into_inner().unwrap();
        returns.refuse(NOW, 1_000);
        // 500 requests a second: 2,000 devices need four seconds.
        let waits: Vec<u64> = (0..2_000).map(|_| returns.refuse(NOW + 1_000, 1_500)).collect();
        for (from, count) in [(1_000, 250), (2_000, 400), (3_000, 400), (4_000, 350)] {
            let found = waits.iter().filter(|wait| (from..from + 1_000).contains(*wait)).count();
            assert!(found >= count, "{found} of 2,000 devices come back after {from} ms");
        }
        assert!(waits.iter().all(|wait| *wait < 6_300), "{:?}", waits.iter().max());
    }

    #[test]
    fn waits_have_bounds_and_differ() {
        let mut returns = Admission::new(1).returns.into_inner().unwrap();
        let waits: Vec<u64> = (0..50_000).map(|_| returns.refuse(NOW, 0)).collect();
        let bounds = (*waits.iter().min().unwrap(), *waits.iter().max().unwrap());
        assert!(bounds.0 >= 1_000 && bounds.1 <= 375_000, "{bounds:?}");
        let latest: std::collections::BTreeSet<_> = waits[20_000..].iter().collect();
        assert!(latest.len() > 10_000, "{}", latest.len());
        // A clock that was set back does not extend the waits.
        let wait = returns.refuse(NOW - 86_400_000, 0);
        assert!(wait <= 375_000, "{wait}");
        // Later, the waits are short again.
        assert!(returns.refuse(NOW + 86_400_000, 0) < 1_300);
    }
}
