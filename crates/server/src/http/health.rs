//! `/health`: the state of the server, for load balancers and monitoring. Uses few resources and contains no secrets.

use std::{fmt::Display, time::Duration};

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use carrel_model::UserId;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{App, catalogue::json_text, layers::OwnBody};
use crate::store::{Filter, Kind, tx::JobRow};

/// Time limit for the database to respond.
const TIMEOUT: Duration = Duration::from_secs(2);
/// A job that has been due for longer than this is late.
const LATE_AFTER_MS: i64 = 3_600_000;

/// State of the server.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// All checks succeed, and the disk has enough free space.
    pub ok: bool,
    pub version: String,
    pub database_ok: bool,
    /// More than `minFreeBytes` are free, or the free space is unknown.
    pub disk_ok: bool,
    /// Free bytes on the disk of the data folder; null if unknown.
    pub free_bytes: Option<u64>,
    pub min_free_bytes: u64,
    /// Jobs whose last run failed.
    pub failing_jobs: Vec<String>,
    /// Jobs that have been due for more than an hour and are not running.
    pub late_jobs: Vec<String>,
    /// What learners and staff do, tried for nobody: courses, progress, authentication and analytics.
    pub checks: Vec<HealthCheck>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct HealthCheck {
    /// `course`, `progress`, `authentication` or `analytics`.
    pub name: &'static str,
    pub ok: bool,
    /// Duration in ms.
    pub ms: f64,
}

/// Returns the state of the server.
#[utoipa::path(get, path = "/health", tag = "server",
    responses((status = 200, body = Health),
        (status = 503, body = Health, description = "a check fails, or disk space is low")))]
pub async fn health(State(app): State<App>) -> Response {
    let state = jobs_and_disk(&app).await;
    let checks = checks(&app).await;
    let ok = state.database_ok && state.disk_ok && checks.iter().all(|check| check.ok);
    let health = Health {
        ok,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        database_ok: state.database_ok,
        disk_ok: state.disk_ok,
        free_bytes: state.free_bytes,
        min_free_bytes: min_free_bytes(&app),
        failing_jobs: state.failing_jobs,
        late_jobs: state.late_jobs,
        checks,
    };
    reply(ok, &health)
}

/// Whether this process runs, or whether it may get requests.
#[derive(Debug, Serialize, ToSchema)]
pub struct Alive {
    pub ok: bool,
}

/// Replies as long as the process runs. Does not use the database, whose failure is no reason to restart a process.
#[utoipa::path(get, path = "/health/live", tag = "server", responses((status = 200, body = Alive)))]
pub async fn live() -> Response {
    reply(true, &Alive { ok: true })
}

/// Whether a load balancer may send requests to this process: not while it stops, or its database does not respond.
#[utoipa::path(get, path = "/health/ready", tag = "server",
    responses((status = 200, body = Alive), (status = 503, body = Alive)))]
pub async fn ready(State(app): State<App>) -> Response {
    let ok = !app.stopping.is_cancelled() && in_time(app.store.jobs()).await.is_some();
    reply(ok, &Alive { ok })
}

fn reply(ok: bool, body: &impl Serialize) -> Response {
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::to_string(body).unwrap_or_default();
    let mut reply = (status, json_text(body, "no-store")).into_response();
    reply.extensions_mut().insert(OwnBody);
    reply
}

/// State of the jobs and of the disk.
pub(crate) struct ServerState {
    pub database_ok: bool,
    pub disk_ok: bool,
    pub free_bytes: Option<u64>,
    pub failing_jobs: Vec<String>,
    pub late_jobs: Vec<String>,
    /// Number of jobs that are due now.
    pub due_jobs: usize,
}

fn min_free_bytes(app: &App) -> u64 {
    app.settings.min_free_disk_mib.saturating_mul(1024 * 1024)
}

/// Returns a result of the database that came in time.
async fn in_time<T, E: Display>(result: impl Future<Output = Result<T, E>>) -> Option<T> {
    match tokio::time::timeout(TIMEOUT, result).await {
        Ok(Ok(value)) => Some(value),
        Ok(Err(e)) => {
            tracing::error!(error = %e, "a check of the server failed");
            None
        }
        Err(_) => None,
    }
}

/// Tries what learners and staff do, for an account that does not exist.
async fn checks(app: &App) -> Vec<HealthCheck> {
    let (store, nobody) = (&app.store, UserId::from_u128(0));
    let now_ms = app.clock.now_ms();
    let filter = Filter { limit: 1, ..Filter::default() };
    vec![
        check("course", store.list(Kind::Course, None, filter)).await,
        check("progress", store.progress_page(nobody, None, 0, 1)).await,
        check("authentication", store.is_ended(Uuid::nil())).await,
        check("analytics", store.overview(nobody, None, now_ms)).await,
    ]
}

async fn check<T, E: Display>(
    name: &'static str,
    work: impl Future<Output = Result<T, E>>,
) -> HealthCheck {
    let start = crate::clock::stopwatch();
    let ok = in_time(work).await.is_some();
    HealthCheck { name, ok, ms: start.elapsed().as_secs_f64() * 1_000.0 }
}

/// Reads the state of the jobs and of the disk.
pub(crate) async fn jobs_and_disk(app: &App) -> ServerState {
    let now_ms = app.clock.now_ms();
    let jobs = in_time(app.store.jobs()).await;
    let folder = app.data_dir.clone();
    let free = tokio::task::spawn_blocking(move || fs4::available_space(folder).ok());
    let free_bytes = free.await.ok().flatten();
    let job_names = |matches: &dyn Fn(&JobRow) -> bool| -> Vec<String> {
        jobs.iter().flatten().filter(|j| matches(j)).map(|j| j.name.clone()).collect()
    };
    let is_late = |job: &JobRow| {
        job.due_ms < now_ms.saturating_sub(LATE_AFTER_MS) && job.lease_until_ms < now_ms
    };
    ServerState {
        database_ok: jobs.is_some(),
        disk_ok: free_bytes.is_none_or(|free| free > min_free_bytes(app)),
        free_bytes,
        failing_jobs: job_names(&|job| !job.error.is_empty()),
        late_jobs: job_names(&is_late),
        due_jobs: jobs.iter().flatten().filter(|job| job.due_ms <= now_ms).count(),
    }
}
