//! Decides when a failed request of a sync or download is repeated.
//!
//! Waits have decorrelated jitter: each is a random time between the minimum and three times the last wait, so that the
//! requests of many devices to a recovering server are spread over time (Brooker, "Exponential Backoff And Jitter").

use crate::reply::MAX_RETRY_AFTER_MS;

/// What starts the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// A change of the environment (network, sign-in, free space), or the end of the wait.
    OnChange,
    /// Only the end of the wait, because the server may be overloaded.
    Backoff,
    /// The end of the wait, which is at least this `Retry-After` in ms, reduced to at most one hour.
    After(u64),
    /// Only a request of the user.
    ByUser,
}

impl Retry {
    /// Returns true if a change of the environment starts the next attempt at once.
    pub fn is_on_change(self) -> bool {
        self == Self::OnChange
    }
}

/// Computes the waits between the attempts of one task.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    backoff: Backoff,
    max_on_change_ms: i64,
}

impl RetryPolicy {
    /// Creates a policy. `seed` determines the jitter.
    pub fn new(seed: u64) -> Self {
        Self { backoff: Backoff::new(seed), max_on_change_ms: Backoff::CAP_MS }
    }
    /// Sets the longest wait in ms for `Retry::OnChange`, because not every change of the network is reported.
    #[must_use]
    pub fn max_on_change_ms(mut self, ms: i64) -> Self {
        self.max_on_change_ms = ms;
        self
    }
    /// Returns the wait before the next attempt, in ms; `None` if only the user can start it.
    pub fn next_wait(&mut self, retry: Retry) -> Option<i64> {
        match retry {
            Retry::OnChange => Some(self.next_backoff().min(self.max_on_change_ms)),
            Retry::Backoff => Some(self.next_backoff()),
            Retry::After(ms) => Some(self.next_after(Some(ms))),
            Retry::ByUser => None,
        }
    }
    /// Returns the wait for `Retry::Backoff`, in ms.
    pub fn next_backoff(&mut self) -> i64 {
        self.backoff.next_wait()
    }
    /// Returns the wait for `Retry::After`, in ms, or for `Retry::Backoff` if there is no `Retry-After`.
    pub fn next_after(&mut self, retry_after_ms: Option<u64>) -> i64 {
        let requested_ms = retry_after_ms.unwrap_or(0).min(MAX_RETRY_AFTER_MS);
        self.next_backoff().max(i64::try_from(requested_ms).unwrap_or(i64::MAX))
    }
    /// Resets to short waits, after an attempt made progress, the environment changed or the user requested a retry.
    pub fn reset(&mut self) {
        self.backoff.reset();
    }
}

/// Computes waits from 1 s to 15 min. The random numbers are seeded, so that the waits are reproducible.
#[derive(Debug, Clone)]
pub struct Backoff {
    last_ms: i64,
    seed: u64,
}

impl Backoff {
    /// Minimum wait in ms.
    pub const BASE_MS: i64 = 1_000;
    /// Maximum wait in ms.
    pub const CAP_MS: i64 = 15 * 60_000;

    /// Creates a backoff. `seed` determines the jitter.
    pub fn new(seed: u64) -> Self {
        Self { last_ms: Self::BASE_MS, seed }
    }
    /// Returns the next wait in ms.
    pub fn next_wait(&mut self) -> i64 {
        let max_ms = (self.last_ms * 3).clamp(Self::BASE_MS + 1, Self::CAP_MS);
        self.last_ms =
            Self::BASE_MS + (self.random() % (max_ms - Self::BASE_MS + 1).unsigned_abs()) as i64;
        self.last_ms
    }
    /// Resets to short waits.
    pub fn reset(&mut self) {
        self.last_ms = Self::BASE_MS;
    }
    fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_within_their_bounds() {
        for seed in 0..200 {
            let mut backoff = Backoff::new(seed);
            let waits: Vec<i64> = (0..60).map(|_| backoff.next_wait()).collect();
            assert!(
                waits.iter().all(|w| (Backoff::BASE_MS..=Backoff::CAP_MS).contains(w)),
                "{waits:?}"
            );
            assert!(waits[0] <= 3 * Backoff::BASE_MS);
            assert!(waits.iter().any(|w| *w > 60_000), "seed {seed}, no wait over 60 s: {waits:?}");
            backoff.reset();
            assert!(backoff.next_wait() <= 3 * Backoff::BASE_MS);
        }
    }

    #[test]
    fn waits_of_two_devices_differ() {
        let (mut a, mut b) = (Backoff::new(1), Backoff::new(2));
        assert!((0..10).any(|_| a.next_wait() != b.next_wait()));
    }

    #[test]
    fn waits_of_each_kind_of_retry() {
        let longest = |retry, max_ms| {
            let mut policy = RetryPolicy::new(7).max_on_change_ms(max_ms);
            let waits: Option<Vec<i64>> = (0..60).map(|_| policy.next_wait(retry)).collect();
            waits.map(|waits| (waits.iter().min().copied(), waits.iter().max().copied()))
        };
        let backoff = longest(Retry::Backoff, i64::MAX).unwrap();
        assert!(backoff.1 > Some(120_000), "{backoff:?}");
        assert_eq!(longest(Retry::OnChange, i64::MAX), Some(backoff));
        assert_eq!(longest(Retry::OnChange, 120_000), Some((backoff.0, Some(120_000))));
        assert_eq!(longest(Retry::After(0), 0), Some(backoff));
        assert_eq!(longest(Retry::After(60_000), 0), Some((Some(60_000), backoff.1)));
        let hour = Some(MAX_RETRY_AFTER_MS as i64);
        assert_eq!(longest(Retry::After(u64::MAX), 0), Some((hour, hour)));
        assert_eq!(longest(Retry::ByUser, 0), None);
    }

    #[test]
    fn is_on_change_is_true_only_for_on_change() {
        let all = [Retry::OnChange, Retry::Backoff, Retry::After(1), Retry::ByUser];
        assert_eq!(all.map(Retry::is_on_change), [true, false, false, false]);
    }

    #[test]
    fn after_a_reset_waits_are_short_again() {
        let mut policy = RetryPolicy::new(3);
        (0..60).for_each(|_| {
            policy.next_wait(Retry::Backoff);
        });
        policy.reset();
        assert!(policy.next_wait(Retry::Backoff).unwrap() <= 3 * Backoff::BASE_MS);
    }
}
