//! Decorrelated jitter: each wait is random between the base and three times the last one, so that a thousand devices that lost the same
//! server do not come back in step (Brooker, "Exponential Backoff And Jitter").

/// Waits from 1 s to 15 min. The random numbers come from a seed, so that a run can be repeated.
#[derive(Debug, Clone)]
pub struct Backoff {
    last_ms: i64,
    seed: u64,
}

impl Backoff {
    pub const BASE_MS: i64 = 1_000;
    pub const CAP_MS: i64 = 15 * 60_000;

    pub fn new(seed: u64) -> Self {
        Self { last_ms: Self::BASE_MS, seed }
    }
    /// The next wait, in ms.
    pub fn next_wait(&mut self) -> i64 {
        let most = (self.last_ms * 3).clamp(Self::BASE_MS + 1, Self::CAP_MS);
        self.last_ms =
            Self::BASE_MS + (self.random() % (most - Self::BASE_MS + 1).unsigned_abs()) as i64;
        self.last_ms
    }
    /// It works again, or a person says "now".
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
    fn waits_stay_in_their_bounds_and_grow() {
        for seed in 0..200 {
            let mut backoff = Backoff::new(seed);
            let waits: Vec<i64> = (0..60).map(|_| backoff.next_wait()).collect();
            assert!(
                waits.iter().all(|w| (Backoff::BASE_MS..=Backoff::CAP_MS).contains(w)),
                "{waits:?}"
            );
            assert!(waits[0] <= 3 * Backoff::BASE_MS);
            assert!(waits.iter().any(|w| *w > 60_000), "seed {seed} never waits long: {waits:?}");
            backoff.reset();
            assert!(backoff.next_wait() <= 3 * Backoff::BASE_MS);
        }
    }

    #[test]
    fn two_devices_do_not_wait_in_step() {
        let (mut a, mut b) = (Backoff::new(1), Backoff::new(2));
        assert!((0..10).any(|_| a.next_wait() != b.next_wait()));
    }
}
