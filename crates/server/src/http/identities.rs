//! The links of accounts to an identity provider, for staff.
//!
//! Not here: who may call a route (`routes`), the rules of links (`domain::external`).

use axum::{Json as Reply, extract::State, http::StatusCode};
use carrel_model::UserId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    App,
    api_error::ApiError,
    extract::{Json, Path, SignedInUser},
};

/// A link of an account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityReply {
    pub issuer: String,
    /// Id of the person at the provider; for an id in a directory, the ids of both with `/` between them.
    pub subject: String,
    pub linked_ms: i64,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdentityRequest {
    /// As the configuration of the server states it.
    issuer: String,
    /// Value of the claim `sub`.
    subject: String,
}

/// Lists the links of an account to an identity provider, the oldest first.
#[utoipa::path(get, path = "/api/v1/admin/people/{userId}/identities", tag = "admin",
    params(("userId" = String, Path)), responses((status = 200, body = Vec<IdentityReply>), (status = 404)))]
pub async fn identities(
    State(app): State<App>,
    Path(id): Path<UserId>,
) -> Result<Reply<Vec<IdentityReply>>, ApiError> {
    let links = app.store.identities(id).await?.into_iter();
    let reply = links.map(|link| IdentityReply {
        issuer: link.issuer,
        subject: link.subject,
        linked_ms: link.linked_ms,
    });
    Ok(Reply(reply.collect()))
}

/// Links an account to a person at an identity provider, who signs in to it from then on.
#[utoipa::path(post, path = "/api/v1/admin/people/{userId}/identities", tag = "admin",
    params(("userId" = String, Path)), request_body = IdentityRequest,
    responses((status = 204), (status = 404),
        (status = 409, description = "the person at the provider is linked to another account")))]
pub async fn link_identity(
    State(app): State<App>,
    caller: SignedInUser,
    Path(id): Path<UserId>,
    Json(request): Json<IdentityRequest>,
) -> Result<StatusCode, ApiError> {
    let identity = (request.issuer, request.subject);
    app.store.link_identity(caller.caller(), id, identity, app.clock.now_ms()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes all links of an account. Its sign-ins stay open.
#[utoipa::path(delete, path = "/api/v1/admin/people/{userId}/identities", tag = "admin",
    params(("userId" = String, Path)), responses((status = 204), (status = 404)))]
pub async fn unlink_identities(
    State(app): State<App>,
    caller: SignedInUser,
    Path(id): Path<UserId>,
) -> Result<StatusCode, ApiError> {
    app.store.unlink_identities(caller.caller(), id, app.clock.now_ms()).await?;
    Ok(StatusCode::NO_CONTENT)
}
