//! Command for the figures of the response cache.
//!
//! Not here: counting (`carrel_http_cache`).

use carrel_client::http_cache::{RouteCounts, Strategy};

use super::{Result, percent};
use crate::{
    api::{
        app::Empty,
        diagnostics::{CacheFigures, RouteFigures, TierCounts},
    },
    host::{Host, account},
};

pub async fn cache_figures(host: &dyn Host, _: Empty) -> Result<CacheFigures> {
    let account = account(host)?;
    let cache = account.content.library.cache();
    let figures = cache.figures();
    let routes = figures.routes.iter().map(|(route, of_route)| RouteFigures {
        route: route.pattern.to_owned(),
        strategy: strategy(route.strategy).to_owned(),
        counts: counts(of_route),
    });
    Ok(CacheFigures {
        routes: routes.collect(),
        total: counts(&figures.total()),
        memory_bytes: figures.memory_bytes,
        memory_budget: figures.memory_budget,
        disk_bytes: figures.disk_bytes,
        disk_budget: figures.disk_budget,
        evicted: figures.evicted,
        offline: cache.is_offline(),
    })
}

fn counts(counts: &RouteCounts) -> TierCounts {
    TierCounts {
        memory: counts.memory,
        disk: counts.disk,
        network: counts.network,
        revalidated: counts.revalidated,
        stale: counts.stale,
        coalesced: counts.coalesced,
        negative: counts.negative,
        failed: counts.failed,
        hit_rate: (counts.responses() > 0).then(|| percent(counts.hits(), counts.responses())),
    }
}

fn strategy(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::CacheFirst => "cache-first",
        Strategy::StaleWhileRevalidate => "stale-while-revalidate",
        Strategy::NetworkOnly => "network-only",
    }
}
