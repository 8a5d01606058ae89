//! Counters of answers by route and tier since the start, for diagnostics: numbers only, no paths.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Origin, Route};

/// What is counted. An answer counts in one of the first four; the others say more about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    Memory,
    Disk,
    Network,
    Revalidated,
    /// Used although stale, or in place of the server's answer.
    Stale,
    /// Shared the request of another caller.
    Coalesced,
    /// Not requested, because a failure is remembered.
    Negative,
    /// No answer at all.
    Failed,
}

const COUNTS: usize = 8;

/// The counters of one route.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub memory: u64,
    pub disk: u64,
    pub network: u64,
    pub revalidated: u64,
    pub stale: u64,
    pub coalesced: u64,
    pub negative: u64,
    pub failed: u64,
}

impl Tally {
    fn of(counts: &[AtomicU64; COUNTS]) -> Self {
        let [memory, disk, network, revalidated, stale, coalesced, negative, failed] =
            [0, 1, 2, 3, 4, 5, 6, 7].map(|i| counts[i].load(Ordering::Relaxed));
        Self { memory, disk, network, revalidated, stale, coalesced, negative, failed }
    }
    /// Answers in all.
    pub fn answers(&self) -> u64 {
        self.memory + self.disk + self.network + self.revalidated
    }
    /// Answers whose bytes did not come over the network.
    pub fn hits(&self) -> u64 {
        self.memory + self.disk + self.revalidated
    }
}

impl std::ops::Add for Tally {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        Self {
            memory: self.memory + o.memory,
            disk: self.disk + o.disk,
            network: self.network + o.network,
            revalidated: self.revalidated + o.revalidated,
            stale: self.stale + o.stale,
            coalesced: self.coalesced + o.coalesced,
            negative: self.negative + o.negative,
            failed: self.failed + o.failed,
        }
    }
}

/// Everything that diagnostics show of a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// One for each row of the route table, in its order, and one for everything else.
    pub routes: Vec<(Route, Tally)>,
    /// Bytes of answers in memory, and the limit.
    pub memory_bytes: u64,
    pub memory_budget: u64,
    /// Bytes of answers in `cache.db`, and the limit.
    pub disk_bytes: u64,
    pub disk_budget: u64,
    /// Answers that were removed from `cache.db` to stay within the limit.
    pub evicted: u64,
}

impl Figures {
    pub fn total(&self) -> Tally {
        self.routes.iter().fold(Tally::default(), |all, (_, one)| all + *one)
    }
}

/// The counters of all routes.
pub(super) struct Counters {
    routes: &'static [Route],
    /// One for each row, and one for everything else.
    counts: Vec<[AtomicU64; COUNTS]>,
}

impl Counters {
    pub fn new(routes: &'static [Route]) -> Self {
        Self { routes, counts: (0..=routes.len()).map(|_| Default::default()).collect() }
    }
    pub fn add(&self, route: &Route, what: Count) {
        let row = self.routes.iter().position(|r| r.pattern == route.pattern);
        self.counts[row.unwrap_or(self.routes.len())][what as usize]
            .fetch_add(1, Ordering::Relaxed);
    }
    pub fn answer(&self, route: &Route, origin: Origin) {
        self.add(
            route,
            match origin {
                Origin::Memory => Count::Memory,
                Origin::Disk => Count::Disk,
                Origin::Network => Count::Network,
                Origin::Revalidated => Count::Revalidated,
            },
        );
    }
    pub fn by_route(&self) -> Vec<(Route, Tally)> {
        let routes = self.routes.iter().copied().chain([Route::OTHER]);
        routes.zip(self.counts.iter().map(Tally::of)).collect()
    }
}
