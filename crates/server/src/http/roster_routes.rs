//! Import of rosters over HTTP: a request starts an import, whose report is read later.
//!
//! Not here: formats, matching and limits (`carrel-roster`), how differences are applied (`carrel_people::rosters`).

use std::io::{Seek as _, Write as _};

use axum::{
    Json as Reply,
    body::Bytes,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use carrel_model::UserId;
use carrel_people::{
    permissions::Caller,
    report,
    rosters::{self, AppliedRoster, ImportedBy},
};
use carrel_roster::{Approval, Encoding, Options, utc_day};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    App,
    api_error::ApiError,
    extract::{Path, Query, SignedInUser},
};
use crate::domain::{DomainError, DomainResult};

/// Differences that a report contains as text.
const MAX_DIFFERENCES: usize = 1_000;
/// An import that has no report after this time was interrupted by a restart of the server.
const MAX_RUN_MS: i64 = 3_600_000;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RosterQuery {
    /// Name of the file, for the list of imports.
    name: String,
    /// Apply the differences; otherwise they are only reported.
    apply: bool,
    /// The file names everybody: people and memberships that it does not name are suspended and ended.
    full: bool,
    /// Encoding of a file that is not Unicode.
    encoding: String,
    /// Maximum number of people who are suspended or have left.
    approve: Option<u64>,
    approve_memberships: Option<u64>,
    approve_classes: Option<u64>,
    approve_replacements: Option<u64>,
}

/// An import that was started.
#[derive(Debug, Serialize, ToSchema)]
pub struct RosterStarted {
    /// Id of the report.
    #[schema(value_type = String)]
    pub id: Uuid,
}

/// Compares a roster (CSV or OneRoster) with the stored people, and applies the differences if `apply` is true. The body
/// is the file, of at most 1 MiB; larger ones are imported by `carrel-server roster import`.
#[utoipa::path(post, path = "/api/v1/admin/rosters", tag = "admin", params(RosterQuery),
    request_body(content = String, description = "the file", content_type = "application/octet-stream"),
    responses((status = 202, body = RosterStarted, description = "started; `Location` is the path of the report")))]
pub async fn import(
    State(app): State<App>,
    caller: SignedInUser,
    Query(query): Query<RosterQuery>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let encoding = match query.encoding.as_str() {
        "" => None,
        name => Some(Encoding::of_name(name).ok_or_else(|| {
            ApiError::invalid(format!("encoding {name:?}: unknown; use one such as windows-1252"))
        })?),
    };
    if body.is_empty() {
        return Err(ApiError::invalid("the body: must be the file"));
    }
    let (by, now) = (caller.caller(), app.clock.now_ms());
    let runner = app.clone();
    let work = async move { run(&runner, by, query, encoding, body, now).await };
    start(app, now, work).await
}

/// Starts an import or its undoing, whose report is read later.
async fn start(
    app: App,
    now: i64,
    work: impl Future<Output = DomainResult<Value>> + Send + 'static,
) -> Result<Response, ApiError> {
    let id = carrel_store::new_id();
    app.store.put_roster_report(id, String::new(), now).await?;
    // Continues if the client does not wait for the reply.
    tokio::spawn(async move {
        let report = work.await.unwrap_or_else(
            |e| json!({ "state": "failed", "error": e.to_string(), "hint": e.hint() }),
        );
        if let Err(e) = app.store.put_roster_report(id, report.to_string(), now).await {
            tracing::error!(error = %e, roster.id = %id, "failed to store the report of a roster");
        }
    });
    let mut reply = (StatusCode::ACCEPTED, Reply(RosterStarted { id })).into_response();
    if let Ok(path) = HeaderValue::from_str(&format!("/api/v1/admin/rosters/{id}")) {
        reply.headers_mut().insert(header::LOCATION, path);
    }
    Ok(reply)
}

async fn run(
    app: &App,
    by: Caller,
    query: RosterQuery,
    encoding: Option<Encoding>,
    body: Bytes,
    now: i64,
) -> DomainResult<Value> {
    let file = tokio::task::spawn_blocking(move || {
        let mut file = tempfile::tempfile()?;
        file.write_all(&body)?;
        file.rewind()?;
        Ok::<_, std::io::Error>(file)
    });
    let failed = |e: &dyn std::fmt::Display| {
        DomainError::from(carrel_people::PeopleError::Roster(format!("the temporary file: {e}")))
    };
    let file = file.await.map_err(|e| failed(&e))?.map_err(|e| failed(&e))?;
    let options = Options {
        full: query.full,
        default_role: None,
        actor: by.id,
        encoding,
        today: utc_day(now),
    };
    let mut comparison = app.store.compare_roster(file, options).await?;
    let verdict = comparison.summary.verdict(&Approval {
        people: query.approve,
        memberships: query.approve_memberships,
        classes: query.approve_classes,
        replacements: query.approve_replacements,
    });
    let mut differences = Vec::new();
    comparison.each_entry(&mut |entry| {
        if differences.len() < MAX_DIFFERENCES {
            let is_held = !verdict.applies(&entry);
            differences.push(json!({ "text": report::entry_line(&entry), "held": is_held }));
        }
    })?;
    let mut result = json!({
        "state": "finished",
        "summary": report::summary_json(&comparison.summary),
        "held": verdict.held.iter().map(report::held_json).collect::<Vec<_>>(),
        "differences": differences,
        "problems": comparison.problems.iter().map(report::problem_json).collect::<Vec<_>>(),
    });
    if query.apply {
        let by = ImportedBy { by, name: query.name };
        let applied = app.store.apply_roster(&comparison, &verdict, by, now).await?;
        result["applied"] = applied_json(&applied);
    }
    Ok(result)
}

fn applied_json(applied: &AppliedRoster) -> Value {
    json!({
        "import": applied.import,
        "changes": applied.applied,
        "held": applied.held,
        "conflicts": applied.conflicts,
    })
}

/// An import that was applied.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RosterImportReply {
    pub import: i64,
    /// Account; `null`: the command line.
    #[schema(value_type = Option<String>)]
    pub actor: Option<UserId>,
    pub name: String,
    pub created_ms: i64,
    pub undone_ms: Option<i64>,
    /// It was not undone, and is not older than 30 days.
    pub can_be_undone: bool,
}

/// Lists the imports that were applied, the latest first.
#[utoipa::path(get, path = "/api/v1/admin/roster-imports", tag = "admin",
    responses((status = 200, body = Vec<RosterImportReply>)))]
pub async fn imports(State(app): State<App>) -> Result<Reply<Vec<RosterImportReply>>, ApiError> {
    let (rows, now) = (app.store.roster_imports().await?, app.clock.now_ms());
    let reply = rows.into_iter().map(|row| RosterImportReply {
        can_be_undone: rosters::can_be_undone(&row, now),
        import: row.id,
        actor: row.actor,
        name: row.name,
        created_ms: row.created_ms,
        undone_ms: Some(row.undone_ms).filter(|ms| *ms != 0),
    });
    Ok(Reply(reply.collect()))
}

/// Undoes an import: the reverse of each change, the last one first, except what was changed since. It is an import
/// itself, so it can be undone.
#[utoipa::path(post, path = "/api/v1/admin/roster-imports/{import}/undo", tag = "admin",
    params(("import" = i64, Path)),
    responses((status = 202, body = RosterStarted, description = "started; `Location` is the path of the report"),
        (status = 404, description = "it does not exist, was undone, or is older than 30 days")))]
pub async fn undo(
    State(app): State<App>,
    caller: SignedInUser,
    Path(import): Path<i64>,
) -> Result<Response, ApiError> {
    let (by, now) = (caller.caller(), app.clock.now_ms());
    app.store.check_roster_undo(import, now).await?;
    let store = app.store.clone();
    start(app, now, async move {
        let applied = store.undo_roster(import, by, now).await?;
        Ok(json!({ "state": "finished", "applied": applied_json(&applied) }))
    })
    .await
}

/// Returns the report of an import: `state` is `running`, `finished` or `failed`.
#[utoipa::path(get, path = "/api/v1/admin/rosters/{runId}", tag = "admin", params(("runId" = String, Path)),
    responses((status = 200, description = "the report"), (status = 404)))]
pub async fn report_of(
    State(app): State<App>,
    Path(id): Path<Uuid>,
) -> Result<Reply<Value>, ApiError> {
    let found = app.store.roster_report(id).await?;
    let (report, started_ms) =
        found.ok_or_else(|| ApiError::not_found(format!("import {id} not found")))?;
    if !report.is_empty() {
        return Ok(Reply(serde_json::from_str(&report).unwrap_or_default()));
    }
    let is_lost = app.clock.now_ms() - started_ms > MAX_RUN_MS;
    Ok(Reply(match is_lost {
        false => json!({ "state": "running" }),
        true => {
            json!({ "state": "failed", "error": "the server was restarted", "hint": "import the file again" })
        }
    }))
}
