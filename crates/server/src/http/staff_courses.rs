//! Courses for staff, under `/api/v1/admin/courses`: states, versions, owner, visibility, enrolment.
//!
//! Not here: uploads (`uploads`), the rules (`domain::courses`, `domain::enrolment`).

use axum::{Json as Reply, extract::State, http::StatusCode};
use carrel_model::{
    BlobHash, Slug, UserId,
    lattice::{Decision, DecisionStatus},
};
use carrel_people::codes;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    App,
    admin::{ClassCodeQuery, ClassCodeReply, DEFAULT_CODE_DAYS},
    api_error::ApiError,
    auth::enrolment_hash,
    extract::{Json, Path, Query, SignedInUser},
};
use crate::{
    domain::{
        courses::{CourseChange, MAX_COURSES},
        enrolment::Verdict,
        enrolment_tokens::NewEnrolmentToken,
    },
    error::Error,
    password::random,
    store::tx::{CourseRow, CourseState, EnrolmentPolicy, RequestRow, VersionRow},
};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StaffCoursesQuery {
    /// Also list archived courses.
    archived: bool,
    /// `next` of the page before.
    after: String,
    /// 1 to 200; by default 200.
    limit: Option<u32>,
}

/// A course as staff see it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StaffCourse {
    #[schema(value_type = String)]
    pub id: Slug,
    pub title: String,
    /// `draft`, `review`, `published`, `withdrawn` or `archived`.
    pub state: &'static str,
    /// Version that was not published yet.
    #[schema(value_type = Option<String>)]
    pub draft: Option<BlobHash>,
    /// State of the draft: `draft` or `review`.
    pub draft_state: Option<&'static str>,
    #[schema(value_type = Option<String>)]
    pub owner: Option<UserId>,
    /// Only for the classes that have it; otherwise for everybody.
    pub for_classes: bool,
    /// `open`, `code`, `approval` or `assigned`.
    pub enrolment: &'static str,
    pub changed_ms: i64,
}

impl From<CourseRow> for StaffCourse {
    fn from(course: CourseRow) -> Self {
        Self {
            id: course.id,
            title: course.title,
            state: course.state.as_str(),
            draft: course.draft.map(|(version, _)| version),
            draft_state: course.draft.map(|(_, state)| state.as_str()),
            owner: course.owner,
            for_classes: course.for_classes,
            enrolment: course.policy.as_str(),
            changed_ms: course.changed_ms,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StaffCourses {
    pub courses: Vec<StaffCourse>,
    /// Value of `after` for the next page.
    pub next: Option<String>,
}

/// Lists the courses that the caller may change, by id: for an instructor, those that they own.
#[utoipa::path(get, path = "/api/v1/admin/courses", tag = "admin", params(StaffCoursesQuery),
    responses((status = 200, body = StaffCourses)))]
pub async fn courses(
    State(app): State<App>,
    caller: SignedInUser,
    Query(query): Query<StaffCoursesQuery>,
) -> Result<Reply<StaffCourses>, ApiError> {
    let limit = query.limit.unwrap_or(MAX_COURSES);
    if !(1..=MAX_COURSES).contains(&limit) {
        return Err(ApiError::invalid(format!("limit: must be 1 to {MAX_COURSES}")));
    }
    let found =
        app.store.staff_courses(caller.caller(), query.archived, query.after, limit).await?;
    let is_full = found.len() >= limit as usize;
    let next = found.last().filter(|_| is_full).map(|course| course.id.to_string());
    Ok(Reply(StaffCourses { courses: found.into_iter().map(StaffCourse::from).collect(), next }))
}

/// A version of a course.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CourseVersion {
    #[schema(value_type = String)]
    pub version: BlobHash,
    pub created_ms: i64,
    /// Account; `null`: the command line.
    #[schema(value_type = Option<String>)]
    pub author: Option<UserId>,
    pub notes: String,
    /// When it was last published; 0: never.
    pub published_ms: i64,
    /// The version that learners have now.
    pub published: bool,
    /// Its content is kept, so it can be published.
    pub kept: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StaffCourseReply {
    #[serde(flatten)]
    pub course: StaffCourse,
    /// The newest first.
    pub versions: Vec<CourseVersion>,
}

/// Returns a course with its versions.
#[utoipa::path(get, path = "/api/v1/admin/courses/{courseId}", tag = "admin", params(("courseId" = String, Path)),
    responses((status = 200, body = StaffCourseReply), (status = 404)))]
pub async fn course(
    State(app): State<App>,
    Path(id): Path<Slug>,
) -> Result<Reply<StaffCourseReply>, ApiError> {
    let (course, versions, published) = app.store.course_with_versions(&id).await?;
    let version = |v: VersionRow| CourseVersion {
        version: v.version,
        created_ms: v.created_ms,
        author: v.author,
        notes: v.notes,
        published_ms: v.published_ms,
        published: published == Some(v.version),
        kept: !v.manifest.is_empty(),
    };
    let versions = versions.into_iter().map(version).collect();
    Ok(Reply(StaffCourseReply { course: course.into(), versions }))
}

/// New values of a course; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StaffCourseChange {
    /// The new state of the course, or of its draft: `draft`, `review`, `published`, `withdrawn` or `archived`.
    #[serde(default)]
    state: Option<String>,
    /// Account that becomes the owner; only for administrators.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    owner: Option<UserId>,
    #[serde(default)]
    for_classes: Option<bool>,
    /// `open`, `code`, `approval` or `assigned`.
    #[serde(default)]
    enrolment: Option<String>,
}

/// Changes a course. With `state`, owner, visibility and policy are changed first.
#[utoipa::path(patch, path = "/api/v1/admin/courses/{courseId}", tag = "admin", params(("courseId" = String, Path)),
    request_body = StaffCourseChange,
    responses((status = 200, body = StaffCourse), (status = 404),
        (status = 409, description = "the state cannot be changed in this way")))]
pub async fn change(
    State(app): State<App>,
    caller: SignedInUser,
    Path(id): Path<Slug>,
    Json(change): Json<StaffCourseChange>,
) -> Result<Reply<StaffCourse>, ApiError> {
    let state = change.state.as_deref().map(|text| {
        CourseState::of_text(text)
            .ok_or_else(|| ApiError::invalid(format!("state {text:?}: unknown")))
    });
    let policy = change.enrolment.as_deref().map(|text| {
        EnrolmentPolicy::of_text(text)
            .ok_or_else(|| ApiError::invalid(format!("enrolment {text:?}: unknown")))
    });
    let (state, policy) = (state.transpose()?, policy.transpose()?);
    let now = app.clock.now_ms();
    let values = CourseChange { owner: change.owner, for_classes: change.for_classes, policy };
    let mut course = app.store.change_course(caller.caller(), &id, values, now).await?;
    if let Some(to) = state {
        course = match course.draft {
            Some((version, _)) if to == CourseState::Published => {
                publish(&app, &caller, &id, version).await?
            }
            _ => app.store.set_course_state(caller.caller(), &id, to, now).await?,
        };
    }
    Ok(Reply(course.into()))
}

async fn publish(
    app: &App,
    caller: &SignedInUser,
    id: &Slug,
    version: BlobHash,
) -> Result<CourseRow, ApiError> {
    app.data.publish_version(caller.caller(), id, version).await.map_err(failed)
}

/// Returns the reply for an error of the server's own functions.
fn failed(e: Error) -> ApiError {
    match e {
        Error::Domain(e) => e.into(),
        e => {
            tracing::error!(error = %e, "failed to publish a version");
            ApiError::of_status(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

/// Publishes the draft, or a version that was published before, in place of the present one.
#[utoipa::path(post, path = "/api/v1/admin/courses/{courseId}/versions/{version}/publish", tag = "admin",
    params(("courseId" = String, Path), ("version" = String, Path)),
    responses((status = 200, body = StaffCourse), (status = 404),
        (status = 409, description = "its content is no longer kept, or it was never published")))]
pub async fn publish_version(
    State(app): State<App>,
    caller: SignedInUser,
    Path((id, version)): Path<(Slug, BlobHash)>,
) -> Result<Reply<StaffCourse>, ApiError> {
    Ok(Reply(publish(&app, &caller, &id, version).await?.into()))
}

/// Deletes the draft of a course, and the course if it was never published.
#[utoipa::path(delete, path = "/api/v1/admin/courses/{courseId}/draft", tag = "admin",
    params(("courseId" = String, Path)),
    responses((status = 204), (status = 404), (status = 409, description = "there is no draft")))]
pub async fn discard_draft(
    State(app): State<App>,
    caller: SignedInUser,
    Path(id): Path<Slug>,
) -> Result<StatusCode, ApiError> {
    app.store.discard_draft(caller.caller(), &id, app.clock.now_ms()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A request for enrolment about which staff decide.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingRequest {
    #[schema(value_type = String)]
    pub user: UserId,
    pub login: String,
    pub name: String,
    pub requested_ms: i64,
}

/// Lists the pending requests for enrolment in a course, the earliest first, at most 500.
#[utoipa::path(get, path = "/api/v1/admin/courses/{courseId}/requests", tag = "admin",
    params(("courseId" = String, Path)), responses((status = 200, body = Vec<PendingRequest>)))]
pub async fn requests(
    State(app): State<App>,
    Path(id): Path<Slug>,
) -> Result<Reply<Vec<PendingRequest>>, ApiError> {
    let found = app.store.pending_requests(&id).await?;
    let pending = |(request, login, name): (RequestRow, String, String)| PendingRequest {
        user: request.user,
        login,
        name,
        requested_ms: request.requested_ms,
    };
    Ok(Reply(found.into_iter().map(pending).collect()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnrolmentDecision {
    /// `active` or `refused`.
    status: String,
    /// For the learner, at most 1,000 characters.
    #[serde(default)]
    reason: String,
}

/// Accepts or refuses a request for enrolment, or enrols a learner who has not requested it.
#[utoipa::path(put, path = "/api/v1/admin/courses/{courseId}/enrolments/{learnerId}", tag = "admin",
    params(("courseId" = String, Path), ("learnerId" = String, Path)), request_body = EnrolmentDecision,
    responses((status = 200, body = Decision), (status = 404)))]
pub async fn decide(
    State(app): State<App>,
    caller: SignedInUser,
    Path((id, learner)): Path<(Slug, UserId)>,
    Json(body): Json<EnrolmentDecision>,
) -> Result<Reply<Decision>, ApiError> {
    let accepted = match body.status.as_str() {
        status if status == DecisionStatus::Active.as_str() => true,
        status if status == DecisionStatus::Refused.as_str() => false,
        other => {
            return Err(ApiError::invalid(format!("status {other:?}: must be active or refused")));
        }
    };
    let verdict = Verdict { accepted, reason: body.reason, device: caller.device };
    let now = app.clock.now_ms();
    let decision = app.store.decide_enrolment(caller.caller(), &id, learner, verdict, now).await?;
    Ok(Reply(decision))
}

/// Creates an enrolment token of a course, for typing.
#[utoipa::path(post, path = "/api/v1/admin/courses/{courseId}/code", tag = "admin",
    params(("courseId" = String, Path), ClassCodeQuery),
    responses((status = 201, body = ClassCodeReply), (status = 400)))]
pub async fn course_code(
    State(app): State<App>,
    caller: SignedInUser,
    Path(id): Path<Slug>,
    Query(query): Query<ClassCodeQuery>,
) -> Result<(StatusCode, Reply<ClassCodeReply>), ApiError> {
    let days = query.days.unwrap_or(DEFAULT_CODE_DAYS);
    if !(1..=codes::MAX_DAYS).contains(&days) {
        return Err(ApiError::invalid(format!("days: must be 1 to {}", codes::MAX_DAYS)));
    }
    let now = app.clock.now_ms();
    let expires_ms = now + i64::from(days) * 24 * 3_600_000;
    let code = codes::code_text(random()?);
    let name = format!("course {id} {}", carrel_store::new_id().simple());
    let token = NewEnrolmentToken {
        name: name.clone(),
        hash: enrolment_hash(&code),
        expires_ms: Some(expires_ms),
        max_uses: query.uses,
        courses: vec![id.clone()],
        class: None,
    };
    app.store.add_enrolment_token(token, now).await?;
    app.store.record_course_code(caller.caller(), &id, &name, now).await?;
    Ok((StatusCode::CREATED, Reply(ClassCodeReply { name, code, expires_ms })))
}
