//! How often a reply is used.

use std::sync::{Mutex, PoisonError};

/// Time after which a use counts half, in ms.
const HALF_LIFE_MS: f64 = 600_000.0;
const MAX: f64 = 100.0;
/// A reply that is more popular stays in memory.
pub(crate) const STAYS: f64 = 80.0;

/// The popularity of a reply, 0 to 100: the number of its uses, each of which counts half after ten minutes.
#[derive(Debug, Default)]
pub(crate) struct Popularity(Mutex<(f64, i64)>);

impl Popularity {
    /// Counts a use. Returns the popularity after it.
    pub(crate) fn count(&self, now_ms: i64) -> f64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = ((decayed(*state, now_ms) + 1.0).min(MAX), now_ms.max(state.1));
        state.0
    }
    pub(crate) fn at(&self, now_ms: i64) -> f64 {
        decayed(*self.0.lock().unwrap_or_else(PoisonError::into_inner), now_ms)
    }
}

fn decayed((value, at_ms): (f64, i64), now_ms: i64) -> f64 {
    let elapsed_ms = now_ms.saturating_sub(at_ms).max(0) as f64;
    value * (-elapsed_ms / HALF_LIFE_MS).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_count_half_after_ten_minutes_and_at_most_a_hundred() {
        let popularity = Popularity::default();
        let now = 1_790_000_000_000;
        assert_eq!(popularity.at(now), 0.0);
        for _ in 0..40 {
            popularity.count(now);
        }
        assert_eq!(popularity.at(now), 40.0);
        assert_eq!(popularity.at(now + 600_000), 20.0);
        assert_eq!(popularity.at(now + 1_200_000), 10.0);
        assert_eq!(popularity.count(now + 600_000), 21.0);
        for _ in 0..200 {
            popularity.count(now + 600_000);
        }
        assert_eq!(popularity.at(now + 600_000), 100.0);
        // A clock that is set back does not raise it.
        assert_eq!(popularity.at(now), 100.0);
        assert_eq!(popularity.at(now + 1_200_000), 50.0);
    }
}
