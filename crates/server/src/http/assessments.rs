//! Assessments by name: a quiz, submissions of clients that do not sync rows, and the learner's results.
//!
//! Not here: the rules (`crate::domain::assessments`).

use std::collections::BTreeMap;

use axum::{Json as Reply, extract::State, http::HeaderMap};
use carrel_model::{AttemptId, BlobHash, ItemId, Slug};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    App,
    api_error::ApiError,
    extract::{Json, Path, Query, SignedInUser},
    me::checked_offset,
    progress::id_of_request,
};
use crate::domain::assessments::{
    Assessment, AssessmentResult, AssessmentResults, Submission, item_of_path,
};

fn item(id: &str) -> Result<ItemId, ApiError> {
    item_of_path(id).ok_or_else(unknown)
}

fn unknown() -> ApiError {
    ApiError::not_found("no such assessment")
}

/// Query string of `GET /api/assessments/{id}`.
#[derive(Debug, Default, Deserialize)]
pub struct AssessmentQuery {
    attempt: Option<AttemptId>,
}

/// Returns an assessment. With `attempt`, its questions are those that this attempt has, in their order.
#[utoipa::path(get, path = "/api/assessments/{id}", tag = "learner",
    params(("id" = String, Path, description = "`course.quiz` or `story.quiz`"), ("attempt" = Option<AttemptId>, Query)),
    responses((status = 200, body = Assessment), (status = 401), (status = 404)))]
pub async fn assessment(
    State(app): State<App>,
    caller: SignedInUser,
    Path(id): Path<String>,
    Query(query): Query<AssessmentQuery>,
) -> Result<Reply<Assessment>, ApiError> {
    let attempt = query.attempt;
    let found = app.store.assessment(caller.user.id, item(&id)?, attempt).await?;
    found.map(Reply).ok_or_else(unknown)
}

/// The answers of an attempt.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubmittedAnswers {
    /// Id of the attempt; default: the id of the request (`x-request-id`).
    #[serde(default)]
    attempt: Option<AttemptId>,
    /// The version that was taken; default: the newest.
    #[serde(default)]
    quiz_hash: Option<BlobHash>,
    /// Start of the attempt (UTC, ms since 1970); default: now.
    #[serde(default)]
    started_ms: Option<i64>,
    /// Offset of the learner's time zone from UTC, in minutes; default 0.
    #[serde(default)]
    off_min: Option<i16>,
    /// The response to each question, as in the rows of attempts.
    #[schema(value_type = Object)]
    answers: BTreeMap<Slug, Value>,
}

/// Submits an attempt, and returns its result. A repeated submission counts once and has the same reply.
#[utoipa::path(post, path = "/api/assessments/{id}/submissions", tag = "learner",
    params(("id" = String, Path, description = "`course.quiz` or `story.quiz`")), request_body = SubmittedAnswers,
    responses((status = 200, body = AssessmentResult), (status = 400), (status = 401), (status = 403), (status = 404),
        (status = 409)))]
pub async fn submit_assessment(
    State(app): State<App>,
    caller: SignedInUser,
    headers: HeaderMap,
    Path(id): Path<String>,
    Json(body): Json<SubmittedAnswers>,
) -> Result<Reply<AssessmentResult>, ApiError> {
    checked_offset(body.off_min)?;
    let submission = Submission {
        quiz: item(&id)?,
        attempt: body.attempt.unwrap_or_else(|| AttemptId(id_of_request(&headers))),
        quiz_hash: body.quiz_hash,
        started_ms: body.started_ms,
        off_min: body.off_min.unwrap_or(0),
        answers: body.answers,
    };
    let now_ms = app.clock.now_ms();
    let result = app.store.submit_assessment(caller.author(), submission, now_ms).await?;
    result.map(Reply).ok_or_else(unknown)
}

/// Returns the learner's own results.
#[utoipa::path(get, path = "/api/assessments/{id}/results", tag = "learner",
    params(("id" = String, Path, description = "`course.quiz` or `story.quiz`")),
    responses((status = 200, body = AssessmentResults), (status = 401), (status = 404)))]
pub async fn assessment_results(
    State(app): State<App>,
    caller: SignedInUser,
    Path(id): Path<String>,
) -> Result<Reply<AssessmentResults>, ApiError> {
    let found = app.store.assessment_results(caller.user.id, item(&id)?).await?;
    found.map(Reply).ok_or_else(unknown)
}
