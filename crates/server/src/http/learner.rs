//! Enrolment and the single-row routes of progress: the same joins as a push, in other clothes.

use std::collections::BTreeSet;

use axum::{Json as Reply, extract::State};
use carrel_model::{
    ErrorCode, Slug, UserId,
    derive::{course_completion, time_studied},
    lattice::{DecisionStatus, Extra, ItemKind, Progress, Row, fold},
    wire::{
        CourseReply, EnrolmentReply, MAX_PUSH_ITEMS, ProgressReply, ProgressResult, ProgressUpdate,
        ProgressUpdateReply, ResultCode,
    },
};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    App,
    extract::{Json, Learner, Path},
    fault::Fault,
    sync::PUSH_BODY,
};
use crate::{push::check_row, store::Kind};

/// Enrols the learner. The policy is open: the answer is `active` at once.
#[utoipa::path(post, path = "/api/courses/{id}/enrolment", tag = "learner", params(("id" = Slug, Path)),
    responses((status = 200, body = EnrolmentReply), (status = 401), (status = 404)))]
pub async fn enrol(
    State(app): State<App>,
    learner: Learner,
    Path(id): Path<Slug>,
) -> Result<Reply<EnrolmentReply>, Fault> {
    if app.store.published(Kind::Course, &id).await?.is_none() {
        return Err(Fault::not_found(format!("there is no course {id}")));
    }
    set_enrolment(&app, &learner, id, true).await
}

/// Takes the enrolment back. Progress is kept.
#[utoipa::path(delete, path = "/api/courses/{id}/enrolment", tag = "learner", params(("id" = Slug, Path)),
    responses((status = 200, body = EnrolmentReply), (status = 401)))]
pub async fn leave(
    State(app): State<App>,
    learner: Learner,
    Path(id): Path<Slug>,
) -> Result<Reply<EnrolmentReply>, Fault> {
    set_enrolment(&app, &learner, id, false).await
}

async fn set_enrolment(
    app: &App,
    learner: &Learner,
    course: Slug,
    wanted: bool,
) -> Result<Reply<EnrolmentReply>, Fault> {
    let now = app.clock.now_ms();
    let done = app.store.enrol(learner.user.id, &course, learner.device, wanted, now).await?;
    if done.changed > 0 {
        app.news.publish(learner.user.id, done.usn, learner.sign_in);
    }
    let decision = done.decision.filter(|_| wanted);
    let status = decision.as_ref().map(|d| d.status).or(wanted.then_some(DecisionStatus::Pending));
    Ok(Reply(EnrolmentReply {
        course,
        status,
        reason: decision.map(|d| d.reason).unwrap_or_default(),
    }))
}

/// One update or an array of them; each is parsed by itself.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Updates {
    Many(Vec<Value>),
    One(Value),
}

/// Records progress: one object or an array of them. The reply has the joined rows, in order.
#[utoipa::path(post, path = "/api/progress/update", tag = "learner",
    request_body(content = Vec<ProgressUpdate>, description = "one `ProgressUpdate` or an array of them"),
    responses((status = 200, body = ProgressUpdateReply), (status = 400), (status = 401), (status = 413)))]
pub async fn update_progress(
    State(app): State<App>,
    learner: Learner,
    Json(body): Json<Box<RawValue>, PUSH_BODY>,
) -> Result<Reply<ProgressUpdateReply>, Fault> {
    let updates = match serde_json::from_str(body.get())
        .map_err(|e| Fault::invalid(format!("the body: {e}")))?
    {
        Updates::Many(updates) => updates,
        Updates::One(update @ Value::Object(_)) => vec![update],
        Updates::One(_) => {
            return Err(Fault::invalid("the body: is not an object or an array of objects"));
        }
    };
    if updates.len() > MAX_PUSH_ITEMS {
        return Err(Fault::new(
            ErrorCode::TooLarge,
            format!("more than {MAX_PUSH_ITEMS} updates at once"),
        ));
    }
    let now = app.clock.now_ms();
    let checked: Vec<Result<Row, (ResultCode, String)>> = updates
        .into_iter()
        .map(|u| {
            let u: ProgressUpdate =
                serde_json::from_value(u).map_err(|e| (ResultCode::Invalid, e.to_string()))?;
            let row = Row::Progress(Progress {
                kind: u.kind,
                item: u.item,
                generation: u.generation,
                percent: u.percent,
                done_ms: u.done_ms,
                pos: None,
                extra: Extra::default(),
            });
            check_row(&row, now).map(|()| row)
        })
        .collect();
    let rows: Vec<Row> = fold(checked.iter().flatten().cloned()).into_values().collect();
    let done = app.store.push(learner.user.id, rows, true, now).await?;
    if done.changed > 0 {
        app.news.publish(learner.user.id, done.usn, learner.sign_in);
    }
    let joined = |row: &Row| {
        done.rows.iter().find(|r| r.key() == row.key()).and_then(|r| match r {
            Row::Progress(p) => Some(p.clone()),
            _ => None,
        })
    };
    let results = checked
        .iter()
        .map(|c| match c {
            Ok(row) => {
                ProgressResult { code: ResultCode::Ok, row: joined(row), reason: String::new() }
            }
            Err((code, reason)) => {
                ProgressResult { code: *code, row: None, reason: reason.clone() }
            }
        })
        .collect();
    Ok(Reply(ProgressUpdateReply { results }))
}

/// A learner's own progress in a course or story.
#[utoipa::path(get, path = "/api/progress/{userId}/{courseId}", tag = "learner",
    params(("userId" = UserId, Path), ("courseId" = Slug, Path)),
    responses((status = 200, body = ProgressReply), (status = 401), (status = 403), (status = 404)))]
pub async fn progress(
    State(app): State<App>,
    learner: Learner,
    Path((user, course)): Path<(UserId, Slug)>,
) -> Result<Reply<ProgressReply>, Fault> {
    // The same answer whether there is such a learner or not.
    if user != learner.user.id {
        return Err(Fault::forbidden("the progress of another learner"));
    }
    let outline = match app.store.published(Kind::Course, &course).await? {
        Some(found) => Some(
            serde_json::from_str::<CourseReply>(&found.reply)
                .map_err(|e| {
                    Fault::new(ErrorCode::Internal, format!("a stored course cannot be read: {e}"))
                })?
                .outline,
        ),
        None if app.store.published(Kind::Story, &course).await?.is_some() => None,
        None => return Err(Fault::not_found(format!("there is no course or story {course}"))),
    };
    let (rows, sessions) = app.store.progress(user, &course).await?;
    let percent = match &outline {
        Some(outline) => {
            let done: BTreeSet<_> = rows
                .iter()
                .filter(|r| r.kind == ItemKind::Section && r.done_ms.is_some())
                .map(|r| r.item.clone())
                .collect();
            course_completion(&course, outline, &done).1.percent()
        }
        None => rows
            .iter()
            .filter(|r| r.kind == ItemKind::Story && r.item.as_str() == course.as_str())
            .map(|r| if r.done_ms.is_some() { 10_000 } else { r.percent })
            .max()
            .unwrap_or(0),
    };
    Ok(Reply(ProgressReply {
        course,
        percent,
        completed: percent == 10_000,
        time_spent_ms: time_studied(&sessions),
        rows,
    }))
}
