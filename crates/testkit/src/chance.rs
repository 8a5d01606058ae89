//! Chance from a seed: the same seed decides the same way.

use crate::SeededIds;

/// Decisions of a run. Fork it for each part, so that one more decision in one part changes nothing in another.
pub struct Chance {
    bits: SeededIds,
}

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self { bits: SeededIds::new(seed) }
    }
    /// An independent stream for a part of the run.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::new(self.bits.next())
    }
    pub fn next(&self) -> u64 {
        self.bits.next()
    }
    /// 0 to `n - 1`; 0 if there is nothing to choose from.
    pub fn below(&self, n: u64) -> u64 {
        if n == 0 { 0 } else { self.bits.next() % n }
    }
    /// `low` to `high`, both included.
    pub fn between(&self, low: i64, high: i64) -> i64 {
        low + self.below((high - low).unsigned_abs() + 1) as i64
    }
    /// True in `n` of 1,000 cases.
    pub fn permille(&self, n: u32) -> bool {
        self.below(1_000) < u64::from(n)
    }
    /// One of these. Panics if there is none.
    pub fn pick<'a, T>(&self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}
