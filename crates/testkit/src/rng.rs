//! Pseudo-random numbers from a seed.

use crate::SeededIds;

/// A generator of pseudo-random numbers. Each part of a run uses a fork, so that a change in one part
/// does not affect the others.
pub struct SeededRng {
    bits: SeededIds,
}

impl SeededRng {
    pub fn new(seed: u64) -> Self {
        Self { bits: SeededIds::new(seed) }
    }
    /// Returns an independent generator for a part of the run.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::new(self.bits.next())
    }
    pub fn next(&self) -> u64 {
        self.bits.next()
    }
    /// Returns a number from 0 to `n - 1`; 0 if `n` is 0.
    pub fn below(&self, n: u64) -> u64 {
        if n == 0 { 0 } else { self.bits.next() % n }
    }
    /// Returns a number from `low` to `high`, inclusive.
    pub fn between(&self, low: i64, high: i64) -> i64 {
        low + self.below((high - low).unsigned_abs() + 1) as i64
    }
    /// Returns true with a probability of `n` in 1,000.
    pub fn permille(&self, n: u32) -> bool {
        self.below(1_000) < u64::from(n)
    }
    /// Returns one of the elements. Panics if `of` is empty.
    pub fn pick<'a, T>(&self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}
