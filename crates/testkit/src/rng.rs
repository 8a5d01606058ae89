//! Pseudo-random decisions: the same seed gives the same sequence.

use crate::SeededIds;

/// A stream of decisions. Forked for each part of a run, so that an additional decision in one part
/// changes nothing in another.
pub struct SeededRng {
    bits: SeededIds,
}

impl SeededRng {
    pub fn new(seed: u64) -> Self {
        Self { bits: SeededIds::new(seed) }
    }
    /// Returns an independent stream for a part of the run.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::new(self.bits.next())
    }
    pub fn next(&self) -> u64 {
        self.bits.next()
    }
    /// Returns 0 to `n - 1`; 0 if `n` is 0.
    pub fn below(&self, n: u64) -> u64 {
        if n == 0 { 0 } else { self.bits.next() % n }
    }
    /// Returns `low` to `high`, both inclusive.
    pub fn between(&self, low: i64, high: i64) -> i64 {
        low + self.below((high - low).unsigned_abs() + 1) as i64
    }
    /// Returns true with a probability of `n` in 1,000.
    pub fn permille(&self, n: u32) -> bool {
        self.below(1_000) < u64::from(n)
    }
    /// Returns one of the elements. Panics if there are none.
    pub fn pick<'a, T>(&self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}
