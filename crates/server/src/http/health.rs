//! `/health`: the state of the server, for load balancers and monitoring. Uses few resources and contains no secrets.

use std::time::Duration;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{App, catalogue::json_text, layers::OwnBody};

/// Time limit for the database to respond.
const TIMEOUT: Duration = Duration::from_secs(2);
/// A job that has been due for longer than this is late.
const LATE_AFTER_MS: i64 = 3_600_000;

/// State of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// The database responds, and the disk has enough free space.
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
}

/// Returns the state of the server.
#[utoipa::path(get, path = "/health", tag = "server",
    responses((status = 200, body = Health),
        (status = 503, body = Health, description = "the database does not respond, or disk space is low")))]
pub async fn health(State(app): State<App>) -> Response {
    let health = check(&app).await;
    let status = if health.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::to_string(&health).unwrap_or_default();
    let mut reply = (status, json_text(body, "no-store")).into_response();
    reply.extensions_mut().insert(OwnBody);
    reply
}

async fn check(app: &App) -> Health {
    let now_ms = app.clock.now_ms();
    let jobs = tokio::time::timeout(TIMEOUT, app.store.jobs()).await;
    let jobs = match jobs {
        Ok(Ok(jobs)) => Some(jobs),
        Ok(Err(e)) => {
            tracing::error!(error = %e, "the database does not respond");
            None
        }
        Err(_) => None,
    };
    let folder = app.data_dir.clone();
    let free = tokio::task::spawn_blocking(move || fs4::available_space(folder).ok());
    let free_bytes = free.await.ok().flatten();
    let min_free_bytes = app.settings.min_free_disk_mib.saturating_mul(1024 * 1024);
    let disk_ok = free_bytes.is_none_or(|free| free > min_free_bytes);
    let job_names = |matches: &dyn Fn(&crate::store::tx::JobRow) -> bool| -> Vec<String> {
        jobs.iter().flatten().filter(|j| matches(j)).map(|j| j.name.clone()).collect()
    };
    Health {
        ok: jobs.is_some() && disk_ok,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        database_ok: jobs.is_some(),
        disk_ok,
        free_bytes,
        min_free_bytes,
        failing_jobs: job_names(&|job| !job.error.is_empty()),
        late_jobs: job_names(&|job| {
            job.due_ms < now_ms.saturating_sub(LATE_AFTER_MS) && job.lease_until_ms < now_ms
        }),
    }
}
