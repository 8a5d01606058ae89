//! Remembers failures for a limited time, during which the request is not repeated: a path that was not found, a server
//! that could not be reached, a `Retry-After`. Times are monotonic. Nothing is written to the disk.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use carrel_model::ErrorCode;

/// How long a path that was not found is not requested again.
pub const MISSING_MS: i64 = 60_000;
/// How long no request is sent after the server could not be reached.
pub const UNREACHABLE_MS: i64 = 5_000;
/// Maximum `Retry-After`; a longer one is reduced to it.
pub const MAX_RETRY_AFTER_MS: i64 = 15 * 60_000;
/// Maximum number of remembered paths.
const MAX_PATHS: usize = 4_096;

/// A failure that is returned without a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownFailure {
    /// The server could not be reached.
    Unreachable,
    /// The path was not found.
    Missing {
        /// HTTP status of the reply.
        status: u16,
    },
    /// The server sent a `Retry-After` (RFC 9110, 10.2.3).
    RetryAfter {
        /// HTTP status of the reply.
        status: u16,
        /// Error code of the reply.
        code: ErrorCode,
        /// Remaining time in milliseconds.
        left_ms: i64,
    },
}

/// The remembered failures of one server.
#[derive(Default)]
pub struct Failures(Mutex<State>);

#[derive(Default)]
struct State {
    paths: HashMap<String, (i64, u16, Option<ErrorCode>)>,
    unreachable_until: Option<i64>,
}

impl Failures {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Returns the failure that prevents a request for `path` at `now`.
    pub fn find(&self, path: &str, now: i64) -> Option<KnownFailure> {
        let mut state = self.state();
        if state.unreachable_until.is_some_and(|until| now < until) {
            return Some(KnownFailure::Unreachable);
        }
        let (until, status, retry_after) = *state.paths.get(path)?;
        if until <= now {
            state.paths.remove(path);
            return None;
        }
        Some(match retry_after {
            Some(code) => KnownFailure::RetryAfter { status, code, left_ms: until - now },
            None => KnownFailure::Missing { status },
        })
    }
    /// Returns true if the server could not be reached within the last `UNREACHABLE_MS`.
    pub fn is_unreachable(&self, now: i64) -> bool {
        self.state().unreachable_until.is_some_and(|until| now < until)
    }
    /// Records that the server could not be reached.
    pub fn record_unreachable(&self, now: i64) {
        self.state().unreachable_until = Some(now + UNREACHABLE_MS);
    }
    /// Records that the server replied.
    pub fn record_reply(&self) {
        self.state().unreachable_until = None;
    }
    /// Records a path that was not found. `for_ms` is the lifetime of the reply, if the server stated one; the failure
    /// expires after at most `MISSING_MS`.
    pub fn record_missing(&self, path: &str, status: u16, now: i64, for_ms: Option<i64>) {
        let until = now + for_ms.unwrap_or(MISSING_MS).min(MISSING_MS);
        self.insert(path, now, (until, status, None));
    }
    /// Records a `Retry-After` for a path.
    pub fn record_retry_after(
        &self,
        path: &str,
        status: u16,
        code: ErrorCode,
        now: i64,
        for_ms: i64,
    ) {
        self.insert(path, now, (now + for_ms.min(MAX_RETRY_AFTER_MS), status, Some(code)));
    }
    fn insert(&self, path: &str, now: i64, failure: (i64, u16, Option<ErrorCode>)) {
        let mut state = self.state();
        if state.paths.len() >= MAX_PATHS {
            state.paths.retain(|_, (until, ..)| now < *until);
        }
        if state.paths.len() < MAX_PATHS && failure.0 > now {
            state.paths.insert(path.to_owned(), failure);
        }
    }
    /// Removes the failure of a path after a successful request.
    pub fn remove(&self, path: &str) {
        self.state().paths.remove(path);
    }
    /// Discards failures that may not occur on another network. A `Retry-After` is kept, because the server is the
    /// same.
    pub fn network_changed(&self) {
        let mut state = self.state();
        state.unreachable_until = None;
        state.paths.retain(|_, (_, _, retry_after)| retry_after.is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_expire_and_are_discarded_on_network_change() {
        let n = Failures::default();
        n.record_missing("/a", 404, 0, None);
        n.record_missing("/short", 410, 0, Some(1_000));
        n.record_missing("/never", 404, 0, Some(0));
        n.record_retry_after("/b", 429, ErrorCode::RateLimited, 0, 9_000);
        n.record_retry_after("/long", 503, ErrorCode::Unavailable, 0, i64::MAX);
        assert_eq!(n.find("/a", 59_999), Some(KnownFailure::Missing { status: 404 }));
        assert_eq!(n.find("/a", 60_000), None);
        assert_eq!((n.find("/short", 1_000), n.find("/never", 0)), (None, None));
        n.record_missing("/a", 404, 60_000, Some(i64::MAX));
        n.record_unreachable(60_000);
        assert_eq!(n.find("/else", 64_999), Some(KnownFailure::Unreachable));
        assert_eq!(n.find("/else", 65_000), None);
        n.record_unreachable(1_000);
        n.network_changed();
        assert_eq!((n.find("/a", 60_001), n.is_unreachable(1_001)), (None, false));
        let retry_after =
            KnownFailure::RetryAfter { status: 429, code: ErrorCode::RateLimited, left_ms: 7_999 };
        assert_eq!(n.find("/b", 1_001), Some(retry_after));
        assert_eq!(n.find("/long", MAX_RETRY_AFTER_MS), None);
    }

    #[test]
    fn the_number_of_paths_is_bounded() {
        let n = Failures::default();
        (0..10_000).for_each(|i| n.record_missing(&format!("/{i}"), 404, 0, None));
        assert_eq!(n.state().paths.len(), MAX_PATHS);
        n.record_missing("/new", 404, 60_000, None);
        assert_eq!(n.state().paths.len(), 1, "expired paths are removed");
    }
}
