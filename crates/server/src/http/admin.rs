//! Accounts and classes for staff, under `/api/v1/admin`.
//!
//! Not here: who may call a route (`routes`), the rules of changes (`carrel_people`), rosters (`roster_routes`).

use std::collections::BTreeMap;

use axum::{Json as Reply, extract::State, http::StatusCode};
use carrel_model::UserId;
use carrel_people::{
    accounts::{ListedPerson, PeopleFilter},
    codes,
    permissions::{Permission, Rank, Reach},
};
use carrel_response_cache::{CacheFigures, TenantCache};
use carrel_roster::{ClassId, ClassState, MemberRole, State as PersonState, state_name};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    App,
    api_error::ApiError,
    auth::enrolment_hash,
    extract::{Json, Path, Query, SignedInUser},
};
use crate::{
    domain::{
        enrolment_tokens::NewEnrolmentToken, maintenance::MaintenanceReports,
        people::AccountChange, retention::Expired,
    },
    password::random,
};

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;
/// Validity of a code unless the request states another one, in days.
pub(super) const DEFAULT_CODE_DAYS: u32 = 7;

/// An account as staff see it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonReply {
    #[schema(value_type = String)]
    pub id: UserId,
    pub login: String,
    pub name: String,
    /// `student`, `instructor`, `administrator` or `operator`.
    pub rank: &'static str,
    /// `active`, `suspended` or `left`, as the last list of people states.
    pub state: &'static str,
    /// Disabled by staff, whatever the state is.
    pub disabled: bool,
    /// False: the person can sign in with a one-time code only.
    pub has_password: bool,
    /// Id in the program of the school.
    pub source_id: Option<String>,
    pub lang: Option<String>,
    /// Address for messages.
    pub email: Option<String>,
}

impl From<ListedPerson> for PersonReply {
    fn from(ListedPerson { person, rank, has_password }: ListedPerson) -> Self {
        Self {
            id: person.id,
            login: person.login,
            name: person.name,
            rank: rank.name(),
            state: state_name(person.state),
            disabled: person.is_disabled,
            has_password,
            source_id: person.source_id,
            lang: person.lang,
            email: person.email,
        }
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PeopleQuery {
    /// Part of login, name, source id or e-mail address.
    q: String,
    /// A rank.
    rank: String,
    /// `active`, `suspended` or `left`.
    state: String,
    #[param(value_type = Option<String>)]
    class: Option<Uuid>,
    /// `next` of the page before.
    after: String,
    /// 1 to 200; by default 50.
    limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeopleReply {
    pub people: Vec<PersonReply>,
    /// Value of `after` for the next page; a page may be short although there are more.
    pub next: Option<String>,
}

fn rank_of(name: &str) -> Result<Rank, ApiError> {
    Rank::of_name(name).ok_or_else(|| {
        ApiError::invalid(format!(
            "rank {name:?}: must be student, instructor, administrator or operator"
        ))
    })
}

/// Lists accounts by login.
#[utoipa::path(get, path = "/api/v1/admin/people", tag = "admin", params(PeopleQuery),
    responses((status = 200, body = PeopleReply)))]
pub async fn people(
    State(app): State<App>,
    Query(query): Query<PeopleQuery>,
) -> Result<Reply<PeopleReply>, ApiError> {
    let state = match query.state.as_str() {
        "" => None,
        "active" => Some(PersonState::Active),
        "suspended" => Some(PersonState::Suspended),
        "left" => Some(PersonState::Left),
        other => {
            return Err(ApiError::invalid(format!(
                "state {other:?}: must be active, suspended or left"
            )));
        }
    };
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(ApiError::invalid(format!("limit: must be 1 to {MAX_LIMIT}")));
    }
    let rank = if query.rank.is_empty() { None } else { Some(rank_of(&query.rank)?) };
    let filter = PeopleFilter {
        search: query.q,
        rank,
        state,
        class: query.class.map(ClassId),
        after: query.after,
        limit,
    };
    let page = app.store.list_people(filter).await?;
    let people = page.people.into_iter().map(PersonReply::from).collect();
    Ok(Reply(PeopleReply { people, next: page.next }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PersonChange {
    /// The new rank; at most one's own.
    #[serde(default)]
    rank: Option<String>,
    /// `true` ends all sign-ins and refuses further ones; `false` allows them again.
    #[serde(default)]
    disabled: Option<bool>,
    /// Address for messages; an empty text removes it. Several accounts may have the same one.
    #[serde(default)]
    email: Option<String>,
}

/// Changes rank, state and address of an account, all or none.
#[utoipa::path(patch, path = "/api/v1/admin/people/{userId}", tag = "admin", params(("userId" = String, Path)),
    request_body = PersonChange,
    responses((status = 200, body = PersonReply), (status = 404),
        (status = 409, description = "no active administrator would be left")))]
pub async fn change_person(
    State(app): State<App>,
    caller: SignedInUser,
    Path(id): Path<UserId>,
    Json(change): Json<PersonChange>,
) -> Result<Reply<PersonReply>, ApiError> {
    let rank = change.rank.as_deref().map(rank_of).transpose()?;
    let now = app.clock.now_ms();
    let change = AccountChange { rank, disabled: change.disabled, email: change.email };
    let changed = app.store.change_person(caller.caller(), id, change, now).await?;
    Ok(Reply(changed.into()))
}

/// Receipt of a deletion. The audit log has it, too.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeletionReceipt {
    #[schema(value_type = String)]
    pub id: UserId,
    pub deleted_ms: i64,
    /// Number of deleted rows, by the sections of an export and the types of synced rows.
    pub deleted: BTreeMap<String, u64>,
}

/// Deletes an account with all its rows.
#[utoipa::path(delete, path = "/api/v1/admin/people/{userId}", tag = "admin", params(("userId" = String, Path)),
    responses((status = 200, body = DeletionReceipt), (status = 404),
        (status = 409, description = "no active administrator would be left")))]
pub async fn delete_person(
    State(app): State<App>,
    caller: SignedInUser,
    Path(id): Path<UserId>,
) -> Result<Reply<DeletionReceipt>, ApiError> {
    let deleted_ms = app.clock.now_ms();
    let deleted = app.store.delete_person(caller.caller(), id, deleted_ms).await?;
    Ok(Reply(DeletionReceipt { id, deleted_ms, deleted }))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CodeQuery {
    /// Validity in days, 1 to 90; by default 7.
    days: Option<u32>,
}

/// A one-time code. It cannot be shown again.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CodeReply {
    pub login: String,
    pub name: String,
    /// Twelve characters in three groups; typed instead of the password, or sent to `/api/auth/code`.
    pub code: String,
    pub expires_ms: i64,
}

/// Issues a one-time code for a person, in place of an earlier one.
#[utoipa::path(post, path = "/api/v1/admin/people/{userId}/code", tag = "admin",
    params(("userId" = String, Path), CodeQuery),
    responses((status = 201, body = CodeReply), (status = 404), (status = 409, description = "the account is not active")))]
pub async fn issue_code(
    State(app): State<App>,
    caller: SignedInUser,
    Path(id): Path<UserId>,
    Query(query): Query<CodeQuery>,
) -> Result<(StatusCode, Reply<CodeReply>), ApiError> {
    let days = query.days.unwrap_or(DEFAULT_CODE_DAYS);
    let text = codes::code_text(random()?);
    let hash = app.tokens.code_hash(id, &text);
    let now = app.clock.now_ms();
    let issued = app.store.issue_code(caller.caller(), id, hash, days, now).await?;
    let reply =
        CodeReply { login: issued.0.login, name: issued.0.name, code: text, expires_ms: issued.1 };
    Ok((StatusCode::CREATED, Reply(reply)))
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassReply {
    #[schema(value_type = String)]
    pub id: ClassId,
    pub name: String,
    pub source_id: Option<String>,
    /// Ids of courses.
    #[schema(value_type = Vec<String>)]
    pub courses: Vec<carrel_model::Slug>,
    pub archived: bool,
    pub students: u32,
}

/// Lists the classes that the caller may see: for an instructor, those that they teach.
#[utoipa::path(get, path = "/api/v1/admin/classes", tag = "admin", responses((status = 200, body = Vec<ClassReply>)))]
pub async fn classes(
    State(app): State<App>,
    caller: SignedInUser,
) -> Result<Reply<Vec<ClassReply>>, ApiError> {
    let is_all = Permission::ViewLearners.reach(caller.rank) == Reach::Everyone;
    let of = (!is_all).then_some(caller.user.id);
    let classes = app.store.classes(of).await?;
    let reply = classes.into_iter().map(|(class, members)| {
        let students = members.iter().filter(|m| m.role == MemberRole::Student).count();
        ClassReply {
            id: class.id,
            name: class.name,
            source_id: class.source_id,
            courses: class.courses,
            archived: class.state == ClassState::Archived,
            students: u32::try_from(students).unwrap_or(u32::MAX),
        }
    });
    Ok(Reply(reply.collect()))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ClassCodeQuery {
    /// Validity in days, 1 to 90; by default 7.
    pub(super) days: Option<u32>,
    /// Number of accounts that may use it; by default any number.
    pub(super) uses: Option<u32>,
}

/// A code with which people register as students of a class. It cannot be shown again.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassCodeReply {
    /// Name of the enrolment token, with which it can be revoked.
    pub name: String,
    pub code: String,
    pub expires_ms: i64,
}

/// Creates a code of a class: who registers or signs in with it becomes a student of the class and is enrolled in its
/// courses. It gives nobody access to an account that exists.
#[utoipa::path(post, path = "/api/v1/admin/classes/{classId}/code", tag = "admin",
    params(("classId" = String, Path), ClassCodeQuery),
    responses((status = 201, body = ClassCodeReply), (status = 400)))]
pub async fn class_code(
    State(app): State<App>,
    Path(class): Path<Uuid>,
    Query(query): Query<ClassCodeQuery>,
) -> Result<(StatusCode, Reply<ClassCodeReply>), ApiError> {
    let days = query.days.unwrap_or(DEFAULT_CODE_DAYS);
    if !(1..=codes::MAX_DAYS).contains(&days) {
        return Err(ApiError::invalid(format!("days: must be 1 to {}", codes::MAX_DAYS)));
    }
    let now = app.clock.now_ms();
    let expires_ms = now + i64::from(days) * 24 * 3_600_000;
    let code = codes::code_text(random()?);
    let name = format!("class {class} {}", carrel_store::new_id().simple());
    let token = NewEnrolmentToken {
        name: name.clone(),
        hash: enrolment_hash(&code),
        expires_ms: Some(expires_ms),
        max_uses: query.uses,
        courses: Vec::new(),
        class: Some(ClassId(class)),
    };
    app.store.add_enrolment_token(token, now).await?;
    Ok((StatusCode::CREATED, Reply(ClassCodeReply { name, code, expires_ms })))
}

/// A line of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditReply {
    pub at_ms: i64,
    /// Account; `null`: the command line.
    #[schema(value_type = Option<String>)]
    pub actor: Option<UserId>,
    pub action: String,
    /// Account or class.
    #[schema(value_type = Option<String>)]
    pub subject: Option<UserId>,
    #[schema(value_type = Object)]
    pub detail: serde_json::Value,
}

/// Returns the reports of the last checks: rows without an account, values out of range, deletions of expired rows, and
/// for operators the indices.
#[utoipa::path(get, path = "/api/v1/admin/maintenance", tag = "admin", responses((status = 200, body = MaintenanceReports)))]
pub async fn maintenance(
    State(app): State<App>,
    caller: SignedInUser,
) -> Result<Reply<MaintenanceReports>, ApiError> {
    Ok(Reply(app.store.maintenance_reports(caller.rank).await?))
}

/// What the next deletion of expired rows would delete.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetentionPreview {
    pub as_of: i64,
    pub kinds: Vec<Expired>,
}

/// Returns how many rows of each kind the job `purge` would delete now, up to 1,000. Deletes nothing.
#[utoipa::path(get, path = "/api/v1/admin/retention", tag = "admin", responses((status = 200, body = RetentionPreview)))]
pub async fn retention(State(app): State<App>) -> Result<Reply<RetentionPreview>, ApiError> {
    let as_of = app.clock.now_ms();
    Ok(Reply(RetentionPreview { as_of, kinds: app.store.preview_purge(as_of).await? }))
}

/// Returns figures of the response cache of the process that replies, since its start.
#[utoipa::path(get, path = "/api/v1/admin/cache", tag = "admin", responses((status = 200, body = CacheFigures)))]
pub async fn cache(State(app): State<App>) -> Reply<CacheFigures> {
    Reply(app.reply_cache.as_ref().map_or_else(CacheFigures::none, TenantCache::figures))
}

/// Returns the latest 500 lines of the audit log, the latest first.
#[utoipa::path(get, path = "/api/v1/admin/audit", tag = "admin", responses((status = 200, body = Vec<AuditReply>)))]
pub async fn audit(State(app): State<App>) -> Result<Reply<Vec<AuditReply>>, ApiError> {
    let lines = app.store.audit(500).await?;
    let reply = lines.into_iter().map(|line| AuditReply {
        at_ms: line.at_ms,
        actor: line.actor,
        action: line.action,
        subject: line.subject,
        detail: serde_json::from_str(&line.detail).unwrap_or_default(),
    });
    Ok(Reply(reply.collect()))
}
