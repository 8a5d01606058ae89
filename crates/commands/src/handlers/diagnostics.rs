//! Commands for the figures of the response cache, metrics, alerts and recent actions.
//!
//! Not here: counting (`carrel_http_cache`), measuring (`carrel_diagnostics`).

use carrel_client::http_cache::{RouteCounts, Strategy};
use carrel_diagnostics::metrics::Metric;

use super::{Result, percent};
use crate::{
    api::{
        app::Empty,
        diagnostics::{
            AlertRef, CacheFigures, DiagnosticsReport, RouteFigures, TierCounts, UiMeasurements,
        },
        error::CommandError,
    },
    host::{Host, account, diagnostics},
};

/// Maximum number of samples and of actions in one report of the UI.
const MAX_MEASUREMENTS: usize = 1_000;

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

pub async fn diagnostics_report(host: &dyn Host, _: Empty) -> Result<DiagnosticsReport> {
    let diagnostics = diagnostics(host)?;
    let client = host.client();
    Ok(DiagnosticsReport {
        version: client.config().app_version.clone(),
        now_ms: client.clock().now_ms(),
        metrics: diagnostics.metrics.report(),
        alerts: diagnostics.metrics.alerts(),
        actions: diagnostics.actions.list(),
    })
}

pub async fn report_metrics(host: &dyn Host, request: UiMeasurements) -> Result<Empty> {
    let diagnostics = diagnostics(host)?;
    let UiMeasurements { samples, unsupported, actions } = request;
    let of_ui = |name: &str| {
        let metric = Metric::named(name).filter(|m| m.definition().is_of_ui);
        metric.ok_or_else(|| CommandError::invalid(format!("{name:?} is not a metric of the UI")))
    };
    for sample in samples.iter().take(MAX_MEASUREMENTS) {
        diagnostics.metrics.record(of_ui(&sample.metric)?, sample.value, &sample.context);
    }
    for name in &unsupported {
        diagnostics.metrics.set_unsupported(of_ui(name)?);
    }
    for action in actions.iter().take(MAX_MEASUREMENTS).filter(|a| a.ms.is_finite()) {
        diagnostics.actions.set_ui_time(&action.id, (action.ms * 1_000.0) as i64);
    }
    Ok(Empty {})
}

pub async fn dismiss_alert(host: &dyn Host, request: AlertRef) -> Result<DiagnosticsReport> {
    // An alert may have expired since it was shown.
    diagnostics(host)?.metrics.dismiss(&request.alert);
    diagnostics_report(host, Empty {}).await
}
