//! Consents of a person, for the person and for staff.
//!
//! Not here: who may read and record them (`carrel_people::consents`).

use axum::{Json as Reply, extract::State, http::StatusCode};
use carrel_model::UserId;
use carrel_people::consents::NewConsent;
use carrel_store::tx::ConsentRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    App,
    api_error::ApiError,
    extract::{Json, Path, SignedInUser},
};

/// A consent of a person, or its withdrawal.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsentReply {
    /// As the school names it, such as `privacy`.
    pub kind: String,
    /// Version of the text that was agreed to.
    pub version: String,
    /// False: withdrawn.
    pub given: bool,
    /// Who agreed, if it was somebody else, such as a parent; may be empty.
    pub given_by: String,
    #[schema(value_type = String)]
    pub recorded_by: UserId,
    pub at_ms: i64,
}

impl From<ConsentRow> for ConsentReply {
    fn from(row: ConsentRow) -> Self {
        let ConsentRow { kind, version, given, given_by, recorded_by, at_ms } = row;
        Self { kind, version, given, given_by, recorded_by, at_ms }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConsentRequest {
    /// At most 64 bytes.
    kind: String,
    /// At most 64 bytes.
    version: String,
    given: bool,
    /// Who agreed, if it was somebody else; at most 200 bytes.
    #[serde(default)]
    given_by: String,
}

async fn list(
    app: &App,
    caller: &SignedInUser,
    id: UserId,
) -> Result<Reply<Vec<ConsentReply>>, ApiError> {
    let rows = app.store.consents(caller.caller(), id).await?;
    Ok(Reply(rows.into_iter().map(ConsentReply::from).collect()))
}

async fn record(
    app: &App,
    caller: &SignedInUser,
    id: UserId,
    request: ConsentRequest,
) -> Result<(StatusCode, Reply<ConsentReply>), ApiError> {
    let ConsentRequest { kind, version, given, given_by } = request;
    let new = NewConsent { kind, version, given, given_by };
    let row = app.store.record_consent(caller.caller(), id, new, app.clock.now_ms()).await?;
    Ok((StatusCode::CREATED, Reply(row.into())))
}

/// Lists the consents of the signed-in person, the oldest first.
#[utoipa::path(get, path = "/api/me/consents", tag = "learner",
    responses((status = 200, body = Vec<ConsentReply>), (status = 401)))]
pub async fn own_consents(
    State(app): State<App>,
    caller: SignedInUser,
) -> Result<Reply<Vec<ConsentReply>>, ApiError> {
    list(&app, &caller, caller.user.id).await
}

/// Records a consent of the signed-in person, or its withdrawal.
#[utoipa::path(post, path = "/api/me/consents", tag = "learner", request_body = ConsentRequest,
    responses((status = 201, body = ConsentReply), (status = 400), (status = 401)))]
pub async fn record_own_consent(
    State(app): State<App>,
    caller: SignedInUser,
    Json(request): Json<ConsentRequest>,
) -> Result<(StatusCode, Reply<ConsentReply>), ApiError> {
    record(&app, &caller, caller.user.id, request).await
}

/// Lists the consents of a person, the oldest first.
#[utoipa::path(get, path = "/api/v1/admin/people/{userId}/consents", tag = "admin",
    params(("userId" = String, Path)), responses((status = 200, body = Vec<ConsentReply>), (status = 404)))]
pub async fn consents(
    State(app): State<App>,
    caller: SignedInUser,
    Path(id): Path<UserId>,
) -> Result<Reply<Vec<ConsentReply>>, ApiError> {
    list(&app, &caller, id).await
}

/// Records a consent of a person, such as one on paper, or its withdrawal.
#[utoipa::path(post, path = "/api/v1/admin/people/{userId}/consents", tag = "admin",
    params(("userId" = String, Path)), request_body = ConsentRequest,
    responses((status = 201, body = ConsentReply), (status = 400), (status = 404)))]
pub async fn record_consent(
    State(app): State<App>,
    caller: SignedInUser,
    Path(id): Path<UserId>,
    Json(request): Json<ConsentRequest>,
) -> Result<(StatusCode, Reply<ConsentReply>), ApiError> {
    record(&app, &caller, id, request).await
}
