//! Reports about learners, and their exports.
//!
//! Not here: the figures (`carrel-analytics`), who may read them, and exports (`domain::analytics`, `domain::exports`).

use axum::{
    Json as Reply,
    body::Body,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use carrel_analytics::{
    ClassReport, CourseReport, DevicesReport, EngagementReport, Period, TrendsReport,
};
use carrel_model::{Slug, UserId, lattice::date_of_day};
use carrel_roster::ClassId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    App,
    api_error::ApiError,
    extract::{Json, Path, Query, SignedInUser},
};
use crate::domain::exports::{EXPORT_MS, Export, ExportSpec};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportQuery {
    /// `7d`, `30d`, `90d` or `1y`; by default 30 days.
    #[param(value_type = Option<String>)]
    period: Period,
    /// Only the students of this class.
    #[param(value_type = Option<String>)]
    class: Option<Uuid>,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PeriodQuery {
    /// `7d`, `30d`, `90d` or `1y`; by default 30 days.
    #[param(value_type = Option<String>)]
    period: Period,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ClassQuery {
    /// Only the students of this class.
    #[param(value_type = Option<String>)]
    class: Option<Uuid>,
}

/// Returns the report of a class: a line for each student.
#[utoipa::path(get, path = "/api/classes/{classId}/report", tag = "reports",
    params(("classId" = String, Path), PeriodQuery),
    responses((status = 200, body = ClassReport), (status = 404), (status = 413)))]
pub async fn class_report(
    State(app): State<App>,
    caller: SignedInUser,
    Path(class): Path<Uuid>,
    Query(query): Query<PeriodQuery>,
) -> Result<Reply<ClassReport>, ApiError> {
    let (class, now) = (ClassId(class), app.clock.now_ms());
    Ok(Reply(app.store.class_report(caller.caller(), class, query.period, now).await?))
}

/// Returns the devices of the students of a class, and when each was heard from.
#[utoipa::path(get, path = "/api/classes/{classId}/devices", tag = "reports",
    params(("classId" = String, Path)),
    responses((status = 200, body = DevicesReport), (status = 404), (status = 413)))]
pub async fn class_devices(
    State(app): State<App>,
    caller: SignedInUser,
    Path(class): Path<Uuid>,
) -> Result<Reply<DevicesReport>, ApiError> {
    let now = app.clock.now_ms();
    Ok(Reply(app.store.class_devices(caller.caller(), ClassId(class), now).await?))
}

/// Returns the report of a course: completion, sections and questions. For its owner and administrators, and with
/// `class` for those who teach it.
#[utoipa::path(get, path = "/api/courses/{id}/report", tag = "reports",
    params(("id" = String, Path), ReportQuery),
    responses((status = 200, body = CourseReport), (status = 403), (status = 404), (status = 413)))]
pub async fn course_report(
    State(app): State<App>,
    caller: SignedInUser,
    Path(course): Path<Slug>,
    Query(query): Query<ReportQuery>,
) -> Result<Reply<CourseReport>, ApiError> {
    let (class, now) = (query.class.map(ClassId), app.clock.now_ms());
    let report = app.store.course_report(caller.caller(), course, class, query.period, now);
    Ok(Reply(report.await?))
}

/// Returns the sums of each day over the learners whom the caller may see.
#[utoipa::path(get, path = "/api/reports/trends", tag = "reports", params(ReportQuery),
    responses((status = 200, body = TrendsReport), (status = 403), (status = 413)))]
pub async fn trends(
    State(app): State<App>,
    caller: SignedInUser,
    Query(query): Query<ReportQuery>,
) -> Result<Reply<TrendsReport>, ApiError> {
    let (class, now) = (query.class.map(ClassId), app.clock.now_ms());
    Ok(Reply(app.store.trends(caller.caller(), class, query.period, now).await?))
}

/// Returns how many of the learners whom the caller may see were active when.
#[utoipa::path(get, path = "/api/reports/engagement", tag = "reports", params(ClassQuery),
    responses((status = 200, body = EngagementReport), (status = 403), (status = 413)))]
pub async fn engagement(
    State(app): State<App>,
    caller: SignedInUser,
    Query(query): Query<ClassQuery>,
) -> Result<Reply<EngagementReport>, ApiError> {
    let (class, now) = (query.class.map(ClassId), app.clock.now_ms());
    Ok(Reply(app.store.engagement(caller.caller(), class, now).await?))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewExport {
    /// `class`, `course`, `questions`, `trends`, `engagement` or `devices`.
    kind: String,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    class: Option<Uuid>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    course: Option<Slug>,
    #[serde(default)]
    period: Period,
}

/// An export.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportReply {
    #[schema(value_type = String)]
    pub id: Uuid,
    pub kind: String,
    pub created_ms: i64,
    /// When the file is deleted.
    pub expires_ms: i64,
    /// `waiting`, `running`, `finished`, `failed` or `cancelled`.
    pub state: &'static str,
    /// In percent.
    pub progress: u8,
    /// Number of lines without the header; of a person's data, the number of rows.
    pub lines: u64,
    /// Why it failed.
    pub error: Option<String>,
}

impl From<Export> for ExportReply {
    fn from(Export { spec, row }: Export) -> Self {
        Self {
            id: row.id,
            kind: spec.kind().to_owned(),
            created_ms: row.created_ms,
            expires_ms: row.created_ms.saturating_add(EXPORT_MS),
            state: row.state.as_str(),
            progress: row.progress,
            lines: row.lines,
            error: Some(row.error).filter(|error| !error.is_empty()),
        }
    }
}

/// Starts the export of a report as CSV.
#[utoipa::path(post, path = "/api/exports", tag = "reports", request_body = NewExport,
    responses((status = 202, body = ExportReply, description = "started; `Location` is the path of the export"),
        (status = 400), (status = 403), (status = 404)))]
pub async fn start_export(
    State(app): State<App>,
    caller: SignedInUser,
    Json(new): Json<NewExport>,
) -> Result<Response, ApiError> {
    let spec = ExportSpec::new(&new.kind, new.class.map(ClassId), new.course, new.period)?;
    start(&app, &caller, spec).await
}

/// Starts the export of all data that the server has about the signed-in person.
#[utoipa::path(post, path = "/api/me/export", tag = "learner",
    responses((status = 202, body = ExportReply, description = "started; `Location` is the path of the export")))]
pub async fn export_own_data(
    State(app): State<App>,
    caller: SignedInUser,
) -> Result<Response, ApiError> {
    start(&app, &caller, ExportSpec::of_person(caller.user.id)).await
}

/// Starts the export of all data that the server has about a person.
#[utoipa::path(post, path = "/api/v1/admin/people/{userId}/export", tag = "admin", params(("userId" = String, Path)),
    responses((status = 202, body = ExportReply, description = "started; `Location` is the path of the export"),
        (status = 403), (status = 404)))]
pub async fn export_person(
    State(app): State<App>,
    caller: SignedInUser,
    Path(id): Path<UserId>,
) -> Result<Response, ApiError> {
    start(&app, &caller, ExportSpec::of_person(id)).await
}

async fn start(app: &App, caller: &SignedInUser, spec: ExportSpec) -> Result<Response, ApiError> {
    let now = app.clock.now_ms();
    let id = app.store.add_export(caller.caller(), spec, now).await?;
    let (store, clock) = (app.store.clone(), app.clock.clone());
    // Continues if the client does not wait for the reply. A run that is interrupted is repeated by the job `exports`.
    tokio::spawn(async move {
        if let Err(e) = store.run_export(id, &clock).await {
            tracing::error!(error = %e, export.id = %id, "failed to run an export");
        }
    });
    let export = app.store.export_of(caller.caller(), id, now).await?;
    let mut reply = (StatusCode::ACCEPTED, Reply(ExportReply::from(export))).into_response();
    if let Ok(path) = HeaderValue::from_str(&format!("/api/exports/{id}")) {
        reply.headers_mut().insert(header::LOCATION, path);
    }
    Ok(reply)
}

/// Returns the state of an export.
#[utoipa::path(get, path = "/api/exports/{exportId}", tag = "reports", params(("exportId" = String, Path)),
    responses((status = 200, body = ExportReply), (status = 404)))]
pub async fn export(
    State(app): State<App>,
    caller: SignedInUser,
    Path(id): Path<Uuid>,
) -> Result<Reply<ExportReply>, ApiError> {
    let now = app.clock.now_ms();
    Ok(Reply(app.store.export_of(caller.caller(), id, now).await?.into()))
}

/// Cancels an export and deletes its file.
#[utoipa::path(delete, path = "/api/exports/{exportId}", tag = "reports", params(("exportId" = String, Path)),
    responses((status = 200, body = ExportReply), (status = 404)))]
pub async fn cancel_export(
    State(app): State<App>,
    caller: SignedInUser,
    Path(id): Path<Uuid>,
) -> Result<Reply<ExportReply>, ApiError> {
    let now = app.clock.now_ms();
    Ok(Reply(app.store.cancel_export(caller.caller(), id, now).await?.into()))
}

/// Returns the file of a finished export, as a stream.
#[utoipa::path(get, path = "/api/exports/{exportId}/file", tag = "reports", params(("exportId" = String, Path)),
    responses((status = 200, body = String, content_type = "text/csv"), (status = 404),
        (status = 409, description = "not finished")))]
pub async fn export_file(
    State(app): State<App>,
    caller: SignedInUser,
    Path(id): Path<Uuid>,
) -> Result<Response, ApiError> {
    let now = app.clock.now_ms();
    let Export { spec, row } = app.store.open_export(caller.caller(), id, now).await?;
    let date = date_of_day(app.store.zone().day_of(row.created_ms)).to_string();
    let name = format!("attachment; filename=\"{}\"", spec.file_name(&date));
    let (store, count) = (app.store.clone(), row.pieces);
    let pieces = futures_util::stream::try_unfold(0, move |number| {
        let store = store.clone();
        async move {
            if number == count {
                return Ok(None);
            }
            let piece = store.export_piece(id, number).await.map_err(std::io::Error::other)?;
            Ok::<_, std::io::Error>(Some((piece, number + 1)))
        }
    });
    let mut reply = Body::from_stream(pieces).into_response();
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(spec.media_type()));
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(reply)
}
