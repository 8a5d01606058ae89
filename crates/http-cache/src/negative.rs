//! What not to ask for again yet: what was not there, who could not be reached, who asked to be left alone. Moments on the monotonic clock,
//! in memory only: a restart asks again.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use carrel_model::ErrorCode;

/// A path that was not there is not asked for again so soon ...
pub const MISSING_MS: i64 = 60_000;
/// ... nor a server that could not be reached ...
pub const UNREACHABLE_MS: i64 = 5_000;
/// ... and nobody's `Retry-After` keeps us away for longer than this.
pub const LONGEST_MS: i64 = 15 * 60_000;
/// Paths that are remembered. More than anybody asks for in a minute; a list that grows for ever is a leak.
const MOST: usize = 4_096;

/// What is known without asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    Unreachable,
    Missing {
        status: u16,
    },
    /// The server asked for patience (`Retry-After`, RFC 9110, 10.2.3).
    Held {
        status: u16,
        code: ErrorCode,
        left_ms: i64,
    },
}

#[derive(Default)]
pub struct Negative(Mutex<State>);

#[derive(Default)]
struct State {
    paths: HashMap<String, (i64, u16, Option<ErrorCode>)>,
    unreachable_until: Option<i64>,
}

impl Negative {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Why `path` need not be asked for at `now`, if there is a reason.
    pub fn known(&self, path: &str, now: i64) -> Option<Known> {
        let mut state = self.state();
        if state.unreachable_until.is_some_and(|until| now < until) {
            return Some(Known::Unreachable);
        }
        let (until, status, held) = *state.paths.get(path)?;
        if until <= now {
            state.paths.remove(path);
            return None;
        }
        Some(match held {
            Some(code) => Known::Held { status, code, left_ms: until - now },
            None => Known::Missing { status },
        })
    }
    pub fn is_unreachable(&self, now: i64) -> bool {
        self.state().unreachable_until.is_some_and(|until| now < until)
    }
    pub fn unreachable(&self, now: i64) {
        self.state().unreachable_until = Some(now + UNREACHABLE_MS);
    }
    pub fn reached(&self) {
        self.state().unreachable_until = None;
    }
    /// `for_ms`: what the server said, if it said something.
    pub fn missing(&self, path: &str, status: u16, now: i64, for_ms: Option<i64>) {
        let until = now + for_ms.unwrap_or(MISSING_MS).min(MISSING_MS);
        self.note(path, now, (until, status, None));
    }
    pub fn hold(&self, path: &str, status: u16, code: ErrorCode, now: i64, for_ms: i64) {
        self.note(path, now, (now + for_ms.min(LONGEST_MS), status, Some(code)));
    }
    fn note(&self, path: &str, now: i64, what: (i64, u16, Option<ErrorCode>)) {
        let mut state = self.state();
        if state.paths.len() >= MOST {
            state.paths.retain(|_, (until, ..)| now < *until);
        }
        if state.paths.len() < MOST && what.0 > now {
            state.paths.insert(path.to_owned(), what);
        }
    }
    /// The path may be asked for again: it was just written to, or answered.
    pub fn forget(&self, path: &str) {
        self.state().paths.remove(path);
    }
    /// The network may be another one. A server's wish to be left alone still stands: it is the same server.
    pub fn network_changed(&self) {
        let mut state = self.state();
        state.unreachable_until = None;
        state.paths.retain(|_, (_, _, held)| held.is_some());
    }
    pub fn clear(&self) {
        *self.state() = State::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembered_for_a_while_and_cleared_by_another_network() {
        let n = Negative::default();
        n.missing("/a", 404, 0, None);
        n.missing("/short", 410, 0, Some(1_000));
        n.missing("/never", 404, 0, Some(0));
        n.hold("/b", 429, ErrorCode::RateLimited, 0, 9_000);
        n.hold("/long", 503, ErrorCode::Unavailable, 0, i64::MAX);
        assert_eq!(n.known("/a", 59_999), Some(Known::Missing { status: 404 }));
        assert_eq!(n.known("/a", 60_000), None);
        assert_eq!((n.known("/short", 1_000), n.known("/never", 0)), (None, None));
        n.missing("/a", 404, 60_000, Some(i64::MAX));
        n.unreachable(60_000);
        assert_eq!(n.known("/else", 64_999), Some(Known::Unreachable));
        assert_eq!(n.known("/else", 65_000), None);
        n.unreachable(1_000);
        n.network_changed();
        assert_eq!((n.known("/a", 60_001), n.is_unreachable(1_001)), (None, false));
        let held = Known::Held { status: 429, code: ErrorCode::RateLimited, left_ms: 7_999 };
        assert_eq!(n.known("/b", 1_001), Some(held));
        assert_eq!(n.known("/long", LONGEST_MS), None);
    }

    #[test]
    fn it_does_not_grow_for_ever() {
        let n = Negative::default();
        (0..10_000).for_each(|i| n.missing(&format!("/{i}"), 404, 0, None));
        assert_eq!(n.state().paths.len(), MOST);
        n.missing("/new", 404, 60_000, None);
        assert_eq!(n.state().paths.len(), 1, "what is over makes room");
    }
}
