//! Counts responses by route and tier since start-up, for diagnostics: numbers only, no paths.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Origin, Route};

/// A counter. Each response is counted in one of the first four; the others count additional properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// Read from memory.
    Memory,
    /// Read from `cache.db`.
    Disk,
    /// Body received from the server.
    Network,
    /// Stored response confirmed by a 304.
    Revalidated,
    /// Stale, or used as a fallback.
    Stale,
    /// Joined the request of another caller.
    Coalesced,
    /// Not requested because of a remembered failure.
    Negative,
    /// No response.
    Failed,
}

const COUNTS: usize = 8;

/// The counters of one route.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RouteCounts {
    /// Responses read from memory.
    pub memory: u64,
    /// Responses read from `cache.db`.
    pub disk: u64,
    /// Responses received from the server.
    pub network: u64,
    /// Stored responses confirmed by a 304.
    pub revalidated: u64,
    /// Responses that were stale or used as a fallback.
    pub stale: u64,
    /// Responses of a request that another caller had started.
    pub coalesced: u64,
    /// Requests not sent because of a remembered failure.
    pub negative: u64,
    /// Calls without a response.
    pub failed: u64,
}

impl RouteCounts {
    fn of(counts: &[AtomicU64; COUNTS]) -> Self {
        let [memory, disk, network, revalidated, stale, coalesced, negative, failed] =
            [0, 1, 2, 3, 4, 5, 6, 7].map(|i| counts[i].load(Ordering::Relaxed));
        Self { memory, disk, network, revalidated, stale, coalesced, negative, failed }
    }
    /// Returns the number of all responses.
    pub fn responses(&self) -> u64 {
        self.memory + self.disk + self.network + self.revalidated
    }
    /// Returns the number of responses whose body was not sent over the network.
    pub fn hits(&self) -> u64 {
        self.memory + self.disk + self.revalidated
    }
}

impl std::ops::Add for RouteCounts {
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

/// Figures of a cache for diagnostics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// One for each row of the route table, in its order, and one for all other paths.
    pub routes: Vec<(Route, RouteCounts)>,
    /// Size of the responses in memory in bytes.
    pub memory_bytes: u64,
    /// Limit of `memory_bytes`.
    pub memory_budget: u64,
    /// Size of the responses in `cache.db` in bytes.
    pub disk_bytes: u64,
    /// Limit of `disk_bytes`.
    pub disk_budget: u64,
    /// Responses that were removed from `cache.db` to stay within the limit.
    pub evicted: u64,
}

impl Figures {
    /// Returns the sum over all routes.
    pub fn total(&self) -> RouteCounts {
        self.routes.iter().fold(RouteCounts::default(), |all, (_, one)| all + *one)
    }
}

/// The counters of all routes.
pub(super) struct Counters {
    routes: &'static [Route],
    /// One for each row of the table, and one for all other paths.
    counts: Vec<[AtomicU64; COUNTS]>,
}

impl Counters {
    /// Creates counters at zero.
    pub fn new(routes: &'static [Route]) -> Self {
        Self { routes, counts: (0..=routes.len()).map(|_| Default::default()).collect() }
    }
    /// Increments one counter of a route.
    pub fn add(&self, route: &Route, what: Count) {
        let row = self.routes.iter().position(|r| r.pattern == route.pattern);
        self.counts[row.unwrap_or(self.routes.len())][what as usize]
            .fetch_add(1, Ordering::Relaxed);
    }
    /// Counts a response by its tier.
    pub fn count_response(&self, route: &Route, origin: Origin) {
        let hit = origin != Origin::Network;
        tracing::info!(target: carrel_system::SPAN_TARGET, hit, label = "response");
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
    /// Returns the counters by route, in the order of the table.
    pub fn by_route(&self) -> Vec<(Route, RouteCounts)> {
        let routes = self.routes.iter().copied().chain([Route::OTHER]);
        routes.zip(self.counts.iter().map(RouteCounts::of)).collect()
    }
}
