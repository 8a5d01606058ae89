//! Metrics for Prometheus, durations that clients report, slow transactions, and the present alerts.
//!
//! Not here: what is counted (`carrel_monitoring`), when alerts are judged (`crate::alerts`).

use axum::{
    Json as Reply,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use carrel_monitoring::{Alert, CONTENT_TYPE, Gauges, Outcome, SlowTransaction};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    App,
    api_error::ApiError,
    extract::{Json, Peer, SignedInUser},
    health,
};

/// Actions whose duration clients report; each is a label of a metric, so there are no others.
pub const ACTIONS: [&str; 8] =
    ["course", "lesson", "story", "assessment", "progress", "review", "live", "database"];
/// Maximum number of actions of a report.
const MAX_ACTIONS: usize = 100;
/// Maximum duration of an action, in ms.
const MAX_MS: u32 = 10 * 60_000;

/// Returns the metrics of this process in the format of OpenMetrics. Without the token of `metrics_token_file`, only
/// programs on this computer get them, and not through a proxy.
#[utoipa::path(get, path = "/metrics", tag = "server",
    responses((status = 200, description = "metrics", content_type = "application/openmetrics-text"),
        (status = 404, description = "not from this computer, and without the token")))]
pub async fn metrics(State(app): State<App>, peer: Peer, headers: HeaderMap) -> Response {
    if !may_read(&app, &peer, &headers).await {
        return ApiError::not_found("no such route").into_response();
    }
    let state = health::jobs_and_disk(&app).await;
    let pool = app.store.pool().map(|pool| {
        let total = pool.active + pool.idle;
        [("active", pool.active), ("idle", pool.idle), ("total", total), ("waiting", pool.waiting)]
            .map(|(name, count)| (name, count as u64))
    });
    let gauges = Gauges {
        pool,
        failing_jobs: state.failing_jobs.len() as u64,
        late_jobs: state.late_jobs.len() as u64,
        due_jobs: state.due_jobs as u64,
        free_bytes: state.free_bytes,
    };
    let text = app.data.config.metrics.text(&gauges);
    ([(header::CONTENT_TYPE, CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")], text)
        .into_response()
}

/// Returns true for a request with the token, or from this computer without a proxy in between.
async fn may_read(app: &App, peer: &Peer, headers: &HeaderMap) -> bool {
    let Some(file) = &app.settings.metrics_token_file else {
        let is_proxied =
            ["x-forwarded-for", "forwarded", "via"].iter().any(|name| headers.contains_key(*name));
        return peer.0.to_canonical().is_loopback() && !is_proxied;
    };
    let Ok(token) = tokio::fs::read_to_string(file).await else {
        tracing::error!(file = %file.display(), "metrics_token_file cannot be read");
        return false;
    };
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let sent = sent.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    // Hashes are compared, so the duration does not depend on how much of the token is right.
    !token.trim().is_empty()
        && blake3::hash(sent.as_bytes()) == blake3::hash(token.trim().as_bytes())
}

/// An action of a client.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientAction {
    /// `course`, `lesson`, `story`, `assessment`, `progress`, `review`, `live` or `database`.
    name: String,
    duration_ms: u32,
    /// Whether it succeeded.
    ok: bool,
}

/// Durations that a client reports. They contain no text and no id.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientActions {
    /// At most 100.
    transactions: Vec<ClientAction>,
}

/// Counts durations of actions of a client whose learner allowed it.
#[utoipa::path(post, path = "/api/monitoring/transactions", tag = "server", request_body = ClientActions,
    responses((status = 204), (status = 400)))]
pub async fn client_actions(
    State(app): State<App>,
    _: SignedInUser,
    Json(report): Json<ClientActions>,
) -> Result<StatusCode, ApiError> {
    if report.transactions.len() > MAX_ACTIONS {
        return Err(ApiError::invalid(format!("transactions: at most {MAX_ACTIONS}")));
    }
    // All or none, so that a report that is corrected is not counted twice.
    for action in &report.transactions {
        if !ACTIONS.contains(&action.name.as_str()) {
            let known = ACTIONS.join(", ");
            return Err(ApiError::invalid(format!(
                "name {:?}: must be one of {known}",
                action.name
            )));
        }
        if action.duration_ms > MAX_MS {
            return Err(ApiError::invalid(format!("durationMs: at most {MAX_MS}")));
        }
    }
    for ClientAction { name, duration_ms, ok } in &report.transactions {
        let outcome = if *ok { Outcome::Ok } else { Outcome::Failed };
        app.data.config.metrics.client_action(name, outcome, f64::from(*duration_ms));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// What an operator wants to know of this process.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MonitoringReply {
    /// Present alerts, by metric.
    #[schema(value_type = Vec<Object>)]
    pub alerts: Vec<Alert>,
    /// Names of transactions that took longer than `slow_query_ms` since the start of this process, with a
    /// recommendation; the largest total time first.
    #[schema(value_type = Vec<Object>)]
    pub slow_transactions: Vec<SlowTransaction>,
    /// Requests of the last five minutes.
    pub requests: u64,
    /// Replies with 500 and above, except deferred requests.
    pub errors: u64,
    pub p95_ms: f64,
    pub p99_ms: f64,
}

/// Returns the present alerts, the slow transactions and the load of this process.
#[utoipa::path(get, path = "/api/v1/admin/monitoring", tag = "admin", responses((status = 200, body = MonitoringReply)))]
pub async fn monitoring(State(app): State<App>) -> Reply<MonitoringReply> {
    let config = &app.data.config;
    let load = config.metrics.load(app.clock.now_ms());
    Reply(MonitoringReply {
        alerts: config.alerts.alerts(),
        slow_transactions: config.metrics.slow_transactions(),
        requests: load.requests,
        errors: load.errors,
        p95_ms: load.p95_ms,
        p99_ms: load.p99_ms,
    })
}
