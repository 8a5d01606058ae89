//! Command for the figures of the response cache.
//!
//! Not here: counting (`carrel_http_cache`).

use carrel_client::http_cache::{Strategy, Tally};

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
    let routes = figures.routes.iter().map(|(route, tally)| RouteFigures {
        route: route.pattern.to_owned(),
        strategy: strategy(route.strategy).to_owned(),
        counts: counts(tally),
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

fn counts(tally: &Tally) -> TierCounts {
    TierCounts {
        memory: tally.memory,
        disk: tally.disk,
        network: tally.network,
        revalidated: tally.revalidated,
        stale: tally.stale,
        coalesced: tally.coalesced,
        negative: tally.negative,
        failed: tally.failed,
        hit_rate: (tally.answers() > 0).then(|| percent(tally.hits(), tally.answers())),
    }
}

fn strategy(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::CacheFirst => "cache-first",
        Strategy::StaleWhileRevalidate => "stale-while-revalidate",
        Strategy::NetworkOnly => "network-only",
    }
}
