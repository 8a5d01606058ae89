//! How many requests were answered from where.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use utoipa::ToSchema;

use crate::kinds::{RULES, ReplyKind};

/// Where a reply came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Memory,
    Redis,
    /// Another request for the same reply computed it.
    Shared,
    /// It was computed.
    Miss,
    /// It was computed, because this request must not be answered with a kept reply.
    Bypass,
}

impl Origin {
    const ALL: [Self; 5] = [Self::Memory, Self::Redis, Self::Shared, Self::Miss, Self::Bypass];

    /// Returns the value of the header `X-Cache`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis => "redis",
            Self::Shared => "shared",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }
}

/// Counts of a server or tenant.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    replies: [[AtomicU64; Origin::ALL.len()]; RULES.len()],
    redis_failures: AtomicU64,
}

impl Counts {
    pub(crate) fn count(&self, kind: ReplyKind, origin: Origin) {
        self.replies[kind as usize][origin as usize].fetch_add(1, Ordering::Relaxed);
    }
    pub(crate) fn count_redis_failure(&self) {
        self.redis_failures.fetch_add(1, Ordering::Relaxed);
    }
    pub(crate) fn figures(&self, (entries, bytes): (u64, u64), max_bytes: u64) -> CacheFigures {
        let kinds = RULES.iter().zip(&self.replies).map(|(rule, counts)| {
            let [memory, redis, shared, miss, bypass] =
                std::array::from_fn(|index| counts[index].load(Ordering::Relaxed));
            KindFigures { kind: rule.name.to_owned(), memory, redis, shared, miss, bypass }
        });
        CacheFigures {
            kinds: kinds.collect(),
            entries,
            bytes,
            max_bytes,
            redis_failures: self.redis_failures.load(Ordering::Relaxed),
        }
    }
}

/// Replies of one kind since the start of the process, by their origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct KindFigures {
    pub kind: String,
    pub memory: u64,
    pub redis: u64,
    /// Computed by another request at the same time.
    pub shared: u64,
    pub miss: u64,
    /// Computed although the kind is kept: a failed check, or a state that changed meanwhile.
    pub bypass: u64,
}

/// Figures of the response cache of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CacheFigures {
    /// Replies of this server or tenant.
    pub kinds: Vec<KindFigures>,
    /// Number of replies in memory, of all tenants.
    pub entries: u64,
    /// Their size.
    pub bytes: u64,
    /// The setting `cache_mib` in bytes; 0: no replies are kept.
    pub max_bytes: u64,
    /// Replies that could not be read from Redis: it did not reply in time, or its value is not one of this server.
    pub redis_failures: u64,
}

impl CacheFigures {
    /// Returns the figures of a server without a cache.
    pub fn none() -> Self {
        Counts::default().figures((0, 0), 0)
    }
}
