//! Uploads of packages: a request stores the zip and starts its compilation, whose report is read later.
//!
//! Not here: running uploads (`crate::uploads`), leases (`domain::uploads`).

use axum::{
    Json as Reply,
    body::Body,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use carrel_model::{ErrorCode, wire::Problem};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    App,
    api_error::ApiError,
    extract::{Path, Query, SignedInUser, body_error},
};
use crate::{
    domain::courses::MAX_NOTES,
    store::tx::{UploadRow, UploadState},
    uploads,
};

/// Maximum length of the name of a file, in characters.
const MAX_NAME: usize = 200;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UploadQuery {
    /// Name of the file, for messages; by default `package.zip`.
    name: String,
    /// What is new in this version, for the list of versions.
    notes: String,
}

/// An upload that was started.
#[derive(Debug, Serialize, ToSchema)]
pub struct UploadStarted {
    #[schema(value_type = String)]
    pub id: Uuid,
}

/// An upload and, at its end, its report.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UploadReply {
    #[schema(value_type = String)]
    pub id: Uuid,
    pub name: String,
    pub created_ms: i64,
    /// `waiting`, `running`, `finished`, `failed` or `cancelled`.
    pub state: &'static str,
    /// In percent.
    pub progress: u8,
    /// Id of the course, if it finished.
    pub course: Option<String>,
    /// Id of the story, if it finished: it is published.
    pub story: Option<String>,
    /// The report of the compiler (docs/PACKAGE.md): each finding with file, line, message and hint.
    #[schema(value_type = Option<Object>)]
    pub report: Option<serde_json::Value>,
    /// Why it failed.
    pub problem: Option<Problem>,
}

impl From<UploadRow> for UploadReply {
    fn from(upload: UploadRow) -> Self {
        let problem = (upload.state == UploadState::Failed).then(|| Problem {
            hint: upload.hint,
            ..ApiError::invalid(upload.error).problem(&upload.id.to_string())
        });
        Self {
            id: upload.id,
            name: upload.name,
            created_ms: upload.created_ms,
            state: upload.state.as_str(),
            progress: upload.progress,
            course: Some(upload.course).filter(|course| !course.is_empty()),
            story: Some(upload.story).filter(|story| !story.is_empty()),
            report: serde_json::from_str(&upload.report).ok(),
            problem,
        }
    }
}

/// Uploads a package: a zip of the folder of one course or story. A course becomes a draft; a story, which has no drafts,
/// is published if the caller may publish.
#[utoipa::path(post, path = "/api/v1/admin/courses/uploads", tag = "admin", params(UploadQuery),
    request_body(content = String, description = "the zip", content_type = "application/zip"),
    responses((status = 202, body = UploadStarted, description = "started; `Location` is the path of the report")))]
pub async fn upload(
    State(app): State<App>,
    caller: SignedInUser,
    Query(query): Query<UploadQuery>,
    body: Body,
) -> Result<Response, ApiError> {
    let UploadQuery { name, notes } = query;
    let name = if name.is_empty() { "package.zip".to_owned() } else { name };
    let is_plain = !name.contains(['/', '\\']) && !name.chars().any(char::is_control);
    if name.chars().count() > MAX_NAME || !is_plain {
        let detail = format!("name: must be the name of a file of at most {MAX_NAME} characters");
        return Err(ApiError::invalid(detail));
    }
    if notes.chars().count() > MAX_NOTES {
        return Err(ApiError::invalid(format!("notes: at most {MAX_NOTES} characters")));
    }
    let id = carrel_store::new_id();
    receive(&app, id, body).await?;
    let upload = UploadRow {
        id,
        user: caller.user.id,
        name,
        notes,
        created_ms: app.clock.now_ms(),
        state: UploadState::Waiting,
        progress: 0,
        attempts: 0,
        worker: String::new(),
        lease_until_ms: 0,
        course: String::new(),
        story: String::new(),
        report: String::new(),
        error: String::new(),
        hint: String::new(),
    };
    if let Err(e) = app.store.add_upload(upload).await {
        uploads::remove_file(&app.data, id).await;
        return Err(e.into());
    }
    // Continues if the client does not wait for the reply.
    tokio::spawn(uploads::run(app.data.clone(), id));
    let mut reply = (StatusCode::ACCEPTED, Reply(UploadStarted { id })).into_response();
    if let Ok(path) = HeaderValue::from_str(&format!("/api/v1/admin/courses/uploads/{id}")) {
        reply.headers_mut().insert(header::LOCATION, path);
    }
    Ok(reply)
}

/// Writes the body to the file of an upload, as it arrives.
async fn receive(app: &App, id: Uuid, body: Body) -> Result<(), ApiError> {
    let path = uploads::path(&app.data, id);
    let failed = |e: std::io::Error| {
        tracing::error!(error = %e, upload.id = %id, "failed to store an upload");
        let code = match e.kind() {
            std::io::ErrorKind::StorageFull => ErrorCode::Unavailable,
            _ => ErrorCode::Internal,
        };
        ApiError::new(code, "the file cannot be stored")
    };
    let received = async {
        if let Some(folder) = path.parent() {
            tokio::fs::create_dir_all(folder).await.map_err(failed)?;
        }
        let max = app.settings.max_upload_mib.saturating_mul(1024 * 1024);
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        let mut file = tokio::fs::File::create(&path).await.map_err(failed)?;
        let (mut stream, mut size, mut start) = (body.into_data_stream(), 0_usize, Vec::new());
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|e| body_error(&e, max))?;
            // Counted here, too: the limit of the layer is that of the body as sent.
            size = size.saturating_add(piece.len());
            if size > max {
                let detail = format!("the package is larger than {max} bytes");
                return Err(ApiError::new(ErrorCode::TooLarge, detail));
            }
            if start.len() < 2 {
                start.extend(piece.iter().take(2));
            }
            file.write_all(&piece).await.map_err(failed)?;
        }
        if !start.starts_with(b"PK") {
            return Err(ApiError::invalid("the body: must be a zip"));
        }
        file.sync_all().await.map_err(failed)
    };
    let result = received.await;
    if result.is_err() {
        uploads::remove_file(&app.data, id).await;
    }
    result
}

/// Returns an upload: its state, its progress, and at the end its report.
#[utoipa::path(get, path = "/api/v1/admin/courses/uploads/{uploadId}", tag = "admin",
    params(("uploadId" = String, Path)), responses((status = 200, body = UploadReply), (status = 404)))]
pub async fn report(
    State(app): State<App>,
    caller: SignedInUser,
    Path(id): Path<Uuid>,
) -> Result<Reply<UploadReply>, ApiError> {
    Ok(Reply(app.store.upload_of(caller.caller(), id).await?.into()))
}

/// Cancels an upload that has not ended: its draft is not stored.
#[utoipa::path(delete, path = "/api/v1/admin/courses/uploads/{uploadId}", tag = "admin",
    params(("uploadId" = String, Path)), responses((status = 200, body = UploadReply), (status = 404)))]
pub async fn cancel(
    State(app): State<App>,
    caller: SignedInUser,
    Path(id): Path<Uuid>,
) -> Result<Reply<UploadReply>, ApiError> {
    let upload = app.store.cancel_upload(caller.caller(), id).await?;
    uploads::remove_file(&app.data, id).await;
    Ok(Reply(upload.into()))
}
