//! The learner's progress rows, and reports of clients that do not sync rows.
//!
//! Not here: updates of progress as rows (`learner`).

use axum::{Json as Reply, extract::State, http::HeaderMap, response::Response};
use carrel_model::{
    ErrorCode, ItemId, SessionId,
    lattice::{ItemKind, Progress, Row, Session},
    strict,
    wire::{ListPage, ProgressResult, ProgressUpdateReply, ResultCode},
};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    App,
    api_error::ApiError,
    catalogue::{json_text, paging},
    extract::{Query, SignedInUser},
    layers::request_id,
    me::checked_offset,
};
use crate::{domain::rows::StoryReport, store::Listed};

/// Query string of `GET /api/progress`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnProgressQuery {
    kind: Option<ItemKind>,
    page: Option<u32>,
    page_size: Option<u32>,
}

/// Lists the learner's own progress, by kind and item.
#[utoipa::path(get, path = "/api/progress", tag = "learner",
    params(("kind" = Option<ItemKind>, Query), ("page" = Option<u32>, Query),
        ("pageSize" = Option<u32>, Query, maximum = 200)),
    responses((status = 200, body = ListPage<Progress>), (status = 400), (status = 401)))]
pub async fn own_progress(
    State(app): State<App>,
    caller: SignedInUser,
    Query(query): Query<OwnProgressQuery>,
) -> Result<Response, ApiError> {
    let (page, page_size) = paging(query.page, query.page_size)?;
    let offset = u64::from(page - 1) * u64::from(page_size);
    let found = app.store.progress_page(caller.user.id, query.kind, offset, page_size).await?;
    let Listed { items, total } = found;
    let body = serde_json::to_string(&ListPage { items, page, page_size, total });
    let body = body.map_err(|e| ApiError::new(ErrorCode::Internal, e.to_string()))?;
    Ok(json_text(body, "no-store"))
}

/// A report of studying a story, an alternative body of `POST /api/progress/update`. The header `x-request-id`
/// identifies it: a repeated report with the same id counts its time once.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoryUpdate {
    /// A story, or `course/story`.
    story_id: ItemId,
    /// 0 to 100; digits after the second decimal are dropped.
    completion_percentage: f64,
    /// Study time since the last report, in seconds: 0 to 86,400.
    #[serde(default)]
    time_spent: f64,
    /// Offset of the learner's time zone from UTC, in minutes; default 0.
    #[serde(default)]
    off_min: Option<i16>,
}

impl StoryUpdate {
    /// Returns the report that a body contains, or `None` if the body has no `storyId`.
    pub(super) fn of_body(body: &str) -> Result<Option<Self>, ApiError> {
        let Ok(value @ Value::Object(_)) = serde_json::from_str::<Value>(body) else {
            return Ok(None);
        };
        if value.get("storyId").is_none() {
            return Ok(None);
        }
        let update: Self =
            strict::object(value).map_err(|e| ApiError::invalid(format!("the body: {e}")))?;
        checked_offset(update.off_min)?;
        if !(0.0..=100.0).contains(&update.completion_percentage) {
            return Err(ApiError::invalid("completionPercentage: must be 0 to 100"));
        }
        let max_seconds = Session::MAX_ACTIVE_MS / 1000;
        if !(0.0..=max_seconds as f64).contains(&update.time_spent) {
            return Err(ApiError::invalid(format!(
                "timeSpent: must be 0 to {max_seconds} seconds"
            )));
        }
        Ok(Some(update))
    }
}

/// Returns the id of a row that a request adds: the id of the request, or a hash of it.
pub(super) fn id_of_request(headers: &HeaderMap) -> Uuid {
    let id = request_id(headers);
    Uuid::parse_str(&id).unwrap_or_else(|_| {
        let [bytes @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
            *blake3::hash(id.as_bytes()).as_bytes();
        Uuid::from_bytes(bytes)
    })
}

fn session_id(headers: &HeaderMap) -> SessionId {
    SessionId(id_of_request(headers))
}

/// Merges a report of studying a story.
pub(super) async fn report_story(
    app: &App,
    caller: &SignedInUser,
    headers: &HeaderMap,
    update: StoryUpdate,
) -> Result<Reply<ProgressUpdateReply>, ApiError> {
    let report = StoryReport {
        story: update.story_id,
        percent: (update.completion_percentage * 100.0 + 1e-6) as u16,
        spent_ms: (update.time_spent * 1000.0).round() as i64,
        session: session_id(headers),
        device: caller.device,
        off_min: update.off_min.unwrap_or(0),
    };
    let done = app.store.report_story(caller.author(), report, app.clock.now_ms()).await?;
    let refused = done.refused.into_iter().next().map(|(_, refusal)| refusal);
    let (code, reason) = refused.unwrap_or((ResultCode::Ok, String::new()));
    let row = match done.rows.into_iter().next().flatten() {
        Some(Row::Progress(row)) if code == ResultCode::Ok => Some(row),
        _ => None,
    };
    Ok(Reply(ProgressUpdateReply { results: vec![ProgressResult { code, row, reason }] }))
}
