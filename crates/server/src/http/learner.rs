//! Enrolment and progress of the signed-in learner. Rows are merged as by a push (`sync`).

use std::collections::BTreeSet;

use axum::{Json as Reply, extract::State, http::HeaderMap};
use carrel_model::{
    ErrorCode, Slug, UserId,
    derive::{course_completion, time_studied},
    lattice::{DecisionStatus, Extra, ItemKind, Progress, Row, Session},
    strict,
    wire::{
        CourseReply, EnrolmentCode, EnrolmentCodeReply, EnrolmentReply, MAX_PUSH_ITEMS,
        ProgressReply, ProgressResult, ProgressUpdate, ProgressUpdateReply, ResultCode,
    },
};
use carrel_rate_limits::network;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    App,
    api_error::ApiError,
    auth::{enrolment_hash, redeem},
    extract::{Json, Path, Peer, SignedInUser},
    progress::{StoryUpdate, report_story},
    sync::{PUSH_BODY, blocking},
};
use crate::{
    domain::enrolment_tokens::PresentedEnrolment,
    push_validation::{Checked, check_row},
    store::Kind,
};

/// Requests enrolment. The policy of the course decides: the status is `active`, `pending` until staff decide, or
/// `refused` with a reason.
#[utoipa::path(post, path = "/api/courses/{id}/enrolment", tag = "learner", params(("id" = Slug, Path)),
    responses((status = 200, body = EnrolmentReply), (status = 401), (status = 404)))]
pub async fn enrol(
    State(app): State<App>,
    caller: SignedInUser,
    Path(id): Path<Slug>,
) -> Result<Reply<EnrolmentReply>, ApiError> {
    if app.store.readable(Kind::Course, &id, Some(caller.user.id)).await?.is_none() {
        return Err(ApiError::not_found(format!("course {id} not found")));
    }
    set_enrolment(&app, &caller, id, true).await
}

/// Withdraws the enrolment. Progress is kept.
#[utoipa::path(delete, path = "/api/courses/{id}/enrolment", tag = "learner", params(("id" = Slug, Path)),
    responses((status = 200, body = EnrolmentReply), (status = 401)))]
pub async fn leave(
    State(app): State<App>,
    caller: SignedInUser,
    Path(id): Path<Slug>,
) -> Result<Reply<EnrolmentReply>, ApiError> {
    set_enrolment(&app, &caller, id, false).await
}

/// Enrols the learner in the courses of a code, and makes the learner a student of its class, if it has one. Repeating
/// it changes nothing.
#[utoipa::path(post, path = "/api/me/enrolment-codes", tag = "learner", request_body = EnrolmentCode,
    responses((status = 200, body = EnrolmentCodeReply), (status = 401),
        (status = 403, description = "token_unknown, token_expired or token_used_up"), (status = 429)))]
pub async fn enter_code(
    State(app): State<App>,
    caller: SignedInUser,
    peer: Peer,
    Json(request): Json<EnrolmentCode>,
) -> Result<Reply<EnrolmentCodeReply>, ApiError> {
    let hash = enrolment_hash(request.code.trim());
    let token = PresentedEnrolment { hash, device: caller.device };
    let network = network(peer.0).to_string();
    let courses = redeem(&app, &network, token, caller.user.id, app.clock.now_ms()).await?;
    Ok(Reply(EnrolmentCodeReply { courses }))
}

async fn set_enrolment(
    app: &App,
    caller: &SignedInUser,
    course: Slug,
    requested: bool,
) -> Result<Reply<EnrolmentReply>, ApiError> {
    let now = app.clock.now_ms();
    let done = app.store.enrol(caller.author(), &course, caller.device, requested, now).await?;
    let decision = done.decision.filter(|_| requested);
    let status =
        decision.as_ref().map(|d| d.status).or(requested.then_some(DecisionStatus::Pending));
    Ok(Reply(EnrolmentReply {
        course,
        status,
        reason: decision.map(|d| d.reason).unwrap_or_default(),
    }))
}

/// One update or an array of them; each is parsed separately.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Updates {
    Many(Vec<Value>),
    One(Value),
}

/// Records progress: one object or an array of them. The reply contains the merged rows in the same order. An object with
/// `storyId` is a report of a client that does not sync rows (`StoryUpdate`).
#[utoipa::path(post, path = "/api/progress/update", tag = "learner",
    params(("x-request-id" = Option<String>, Header, description = "identifies a `StoryUpdate`, so that it may be repeated")),
    request_body(content = Vec<ProgressUpdate>,
        description = "one `ProgressUpdate` or an array of them, or one `StoryUpdate`"),
    responses((status = 200, body = ProgressUpdateReply), (status = 400), (status = 401), (status = 413)))]
pub async fn update_progress(
    State(app): State<App>,
    caller: SignedInUser,
    headers: HeaderMap,
    Json(body): Json<Box<RawValue>, PUSH_BODY>,
) -> Result<Reply<ProgressUpdateReply>, ApiError> {
    if let Some(update) = StoryUpdate::of_body(body.get())? {
        return report_story(&app, &caller, &headers, update).await;
    }
    let now = app.clock.now_ms();
    let mut checked = blocking(move || check_updates(body.get(), now)).await??;
    let rows = std::mem::take(&mut checked.rows);
    let mut done = app.store.push(caller.author(), rows, true, now).await?;
    checked.refuse(std::mem::take(&mut done.refused));
    let results = checked.results.iter().enumerate().map(|(index, result)| {
        let joined = checked.row_of(index).and_then(|row_index| done.rows.get(row_index)?.clone());
        let row = match joined {
            Some(Row::Progress(p)) if result.code == ResultCode::Ok => Some(p),
            _ => None,
        };
        ProgressResult { code: result.code, row, reason: result.reason.clone() }
    });
    Ok(Reply(ProgressUpdateReply { results: results.collect() }))
}

/// Converts the updates of a body to rows and validates each separately.
fn check_updates(body: &str, now_ms: i64) -> Result<Checked, ApiError> {
    let updates = match serde_json::from_str(body)
        .map_err(|e| ApiError::invalid(format!("the body: {e}")))?
    {
        Updates::Many(updates) => updates,
        Updates::One(update @ Value::Object(_)) => vec![update],
        Updates::One(_) => {
            return Err(ApiError::invalid("the body: must be an object or an array of objects"));
        }
    };
    if updates.len() > MAX_PUSH_ITEMS {
        return Err(ApiError::new(
            ErrorCode::TooLarge,
            format!("more than {MAX_PUSH_ITEMS} updates in one request"),
        ));
    }
    Ok(Checked::of(updates.into_iter().map(|update| {
        let u: ProgressUpdate =
            strict::object(update).map_err(|e| (ResultCode::Invalid, e.to_string()))?;
        let row = Row::Progress(Progress {
            kind: u.kind,
            item: u.item,
            generation: u.generation,
            percent: u.percent,
            done_ms: u.done_ms,
            pos: None,
            extra: Extra::default(),
        });
        check_row(&row, now_ms).map(|()| row)
    })))
}

/// Returns progress in a course or story: the learner's own, or for staff that of a learner whom they may see.
#[utoipa::path(get, path = "/api/progress/{userId}/{courseId}", tag = "learner",
    params(("userId" = UserId, Path), ("courseId" = Slug, Path)),
    responses((status = 200, body = ProgressReply), (status = 401), (status = 403), (status = 404)))]
pub async fn progress(
    State(app): State<App>,
    caller: SignedInUser,
    Path((user, course)): Path<(UserId, Slug)>,
) -> Result<Reply<ProgressReply>, ApiError> {
    if user != caller.user.id && app.store.account_by_id(user).await?.is_none() {
        return Err(ApiError::not_found(format!("account {user} not found")));
    }
    let found = match app.store.readable(Kind::Course, &course, Some(caller.user.id)).await? {
        // Staff see the progress of their learners also in courses that they do not see themselves.
        None => app.store.readable(Kind::Course, &course, Some(user)).await?,
        found => found,
    };
    let reply = match found {
        Some(found) => Some(found.reply),
        None if app.store.published(Kind::Story, &course).await?.is_some() => None,
        None => return Err(ApiError::not_found(format!("course or story {course} not found"))),
    };
    let (rows, sessions) = app.store.progress(user, &course).await?;
    blocking(move || summary(course, reply.as_deref(), rows, &sessions)).await?.map(Reply)
}

/// Returns progress and study time of a course (`reply`: its stored reply) or story (`reply`: `None`).
fn summary(
    course: Slug,
    reply: Option<&str>,
    rows: Vec<Progress>,
    sessions: &[Session],
) -> Result<ProgressReply, ApiError> {
    let percent = match reply {
        Some(reply) => {
            let reply: CourseReply = serde_json::from_str(reply).map_err(|e| {
                ApiError::new(ErrorCode::Internal, format!("failed to parse a stored course: {e}"))
            })?;
            let done: BTreeSet<_> = rows
                .iter()
                .filter(|r| r.kind == ItemKind::Section && r.done_ms.is_some())
                .map(|r| r.item.clone())
                .collect();
            course_completion(&course, &reply.outline, &done).1.percent()
        }
        None => rows
            .iter()
            .filter(|r| r.kind == ItemKind::Story && r.item.as_str() == course.as_str())
            .map(|r| if r.done_ms.is_some() { 10_000 } else { r.percent })
            .max()
            .unwrap_or(0),
    };
    Ok(ProgressReply {
        course,
        percent,
        completed: percent == 10_000,
        time_spent_ms: time_studied(sessions),
        rows,
    })
}
