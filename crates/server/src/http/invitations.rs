//! Invitations by mail, and the list of messages for staff.
//!
//! Not here: who is invited (`carrel_people::mail`), sending (`crate::mail`).

use axum::{Json as Reply, extract::State, http::StatusCode};
use carrel_model::UserId;
use carrel_people::mail::Invited;
use carrel_roster::ClassId;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    App,
    api_error::ApiError,
    extract::{Path, SignedInUser},
    passwords::require_mail,
};
use crate::domain::mail::ListedMail;

/// Number of messages in the list.
const LISTED: u32 = 200;

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvitedReply {
    /// Number of messages that were written.
    pub invited: u32,
    /// Number of students without a password who have no address.
    pub without_address: u32,
}

/// Sends a person a message with a link for setting a password, valid for 7 days.
#[utoipa::path(post, path = "/api/v1/admin/people/{userId}/invitation", tag = "admin",
    params(("userId" = String, Path)),
    responses((status = 202, body = InvitedReply), (status = 404),
        (status = 409, description = "the account is not active, or has no address")))]
pub async fn invite_person(
    State(app): State<App>,
    caller: SignedInUser,
    Path(id): Path<UserId>,
) -> Result<(StatusCode, Reply<InvitedReply>), ApiError> {
    require_mail(&app)?;
    let (caller, keys) = (caller.caller(), app.tokens.clone());
    app.store.invite(caller, id, keys, app.clock.now_ms()).await?;
    app.send_mail_soon();
    Ok((StatusCode::ACCEPTED, Reply(InvitedReply { invited: 1, without_address: 0 })))
}

/// Sends each active student of a class who has no password a message with a link for setting one.
#[utoipa::path(post, path = "/api/v1/admin/classes/{classId}/invitations", tag = "admin",
    params(("classId" = String, Path)), responses((status = 202, body = InvitedReply), (status = 404)))]
pub async fn invite_class(
    State(app): State<App>,
    caller: SignedInUser,
    Path(class): Path<Uuid>,
) -> Result<(StatusCode, Reply<InvitedReply>), ApiError> {
    require_mail(&app)?;
    let (caller, keys) = (caller.caller(), app.tokens.clone());
    let now = app.clock.now_ms();
    let Invited { invited, without_address } =
        app.store.invite_class(caller, ClassId(class), keys, now).await?;
    app.send_mail_soon();
    Ok((StatusCode::ACCEPTED, Reply(InvitedReply { invited, without_address })))
}

/// A message. Its text is not kept.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MailReply {
    #[schema(value_type = String)]
    pub id: Uuid,
    #[schema(value_type = String)]
    pub user: UserId,
    pub login: String,
    /// `reset` or `invitation`.
    pub kind: &'static str,
    pub address: String,
    pub created_ms: i64,
    /// `waiting`, `sent` (the mail server accepted it), `refused` or `expired`.
    pub state: &'static str,
    pub attempts: u32,
    /// Why the last attempt failed.
    pub error: String,
}

/// Lists the latest 200 messages, the latest first.
#[utoipa::path(get, path = "/api/v1/admin/mail", tag = "admin", responses((status = 200, body = Vec<MailReply>)))]
pub async fn latest_mails(State(app): State<App>) -> Result<Reply<Vec<MailReply>>, ApiError> {
    let mails = app.store.latest_mails(LISTED).await?;
    let reply = mails.into_iter().map(|ListedMail { mail, login }| MailReply {
        id: mail.id,
        user: mail.user,
        login,
        kind: mail.kind.as_str(),
        address: mail.address,
        created_ms: mail.created_ms,
        state: mail.state.as_str(),
        attempts: mail.attempts,
        error: mail.error,
    });
    Ok(Reply(reply.collect()))
}
