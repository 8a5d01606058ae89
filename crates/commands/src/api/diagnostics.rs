use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// How often answers came from where since the start, and how much is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CacheFigures {
    /// One for each row of the route table, in its order, and one (`*`) for everything else.
    pub routes: Vec<RouteFigures>,
    pub total: TierCounts,
    /// Bytes of answers in memory and in `cache.db`, and the most that there may be.
    pub memory_bytes: u64,
    pub memory_budget: u64,
    pub disk_bytes: u64,
    pub disk_budget: u64,
    /// Answers that were pushed out of `cache.db` to stay in its budget.
    pub evicted: u64,
    /// The server could not be reached a moment ago.
    pub offline: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RouteFigures {
    /// `/api/courses/*`; `*` stands for one segment.
    pub route: String,
    /// `cache-first`, `stale-while-revalidate` or `network-only`.
    pub strategy: String,
    pub counts: TierCounts,
}

/// Answers by where their bytes came from, and what else is known of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TierCounts {
    pub memory: u64,
    pub disk: u64,
    pub network: u64,
    /// The server said that what is here is still right.
    pub revalidated: u64,
    /// Used although stale, or in the place of the server's word.
    pub stale: u64,
    /// Shared another asker's request.
    pub coalesced: u64,
    /// Not asked for, because it failed or was missing a moment ago.
    pub negative: u64,
    /// No answer at all.
    pub failed: u64,
    /// Answers whose bytes did not come over the network, in hundredths of a percent of all answers; none without an answer.
    pub hit_rate: Option<u16>,
}
