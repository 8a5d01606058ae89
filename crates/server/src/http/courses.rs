//! Courses: search with filters, content, enrolment, and the courses of a learner.
//!
//! Not here: lists by title, outlines and manifests (`catalogue`).

use axum::{
    Json as Reply,
    extract::State,
    http::{HeaderMap, Uri},
    response::Response,
};
use carrel_model::{
    ErrorCode, Slug, UserId,
    content::{Difficulty, Hours, SectionOutline},
    wire::{CourseReply, CourseSummary, EnrolmentReply, ListPage},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    App,
    api_error::ApiError,
    catalogue::{
        ITEM_MAX_AGE, LIST_MAX_AGE, json_text, not_modified, paging, published, reply_with_tag,
        revision_tag, truncated,
    },
    extract::{Path, Query, Reader, SignedInUser},
    learner,
    reply_cache::seen_by,
    sync::blocking,
};
use crate::{
    domain::{
        DomainError, catalogue::CatalogueView, publishing::rendered_by, study::LearnerCourse,
    },
    store::{Filter, Kind, ListOrder, Listed, ListedPublication},
};

/// Maximum size of the content of a course in one reply, in bytes.
const MAX_CONTENT: usize = 16 * 1024 * 1024;

/// Query string of `GET /api/courses/search`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CourseSearchQuery {
    q: Option<String>,
    difficulty: Option<Difficulty>,
    category: Option<String>,
    #[serde(alias = "lang")]
    language: Option<String>,
    min_hours: Option<Hours>,
    max_hours: Option<Hours>,
    page: Option<u32>,
    page_size: Option<u32>,
}

/// A course that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CourseHit {
    #[serde(flatten)]
    pub summary: CourseSummary,
    /// Name of the owner, or those of the authors, separated by commas; absent if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructor_name: Option<String>,
    /// Number of enrolled learners, at most 5 minutes old.
    pub enrolments: u64,
}

/// Searches courses: best match first, then those with most learners, then the last published.
#[utoipa::path(get, path = "/api/courses/search", tag = "catalogue",
    params(("q" = Option<String>, Query), ("difficulty" = Option<Difficulty>, Query),
        ("category" = Option<String>, Query), ("language" = Option<String>, Query),
        ("minHours" = Option<f64>, Query), ("maxHours" = Option<f64>, Query),
        ("page" = Option<u32>, Query), ("pageSize" = Option<u32>, Query, maximum = 200)),
    responses((status = 200, body = ListPage<CourseHit>), (status = 304), (status = 400)))]
pub async fn search_courses(
    State(app): State<App>,
    Reader(reader): Reader,
    uri: Uri,
    headers: HeaderMap,
    Query(query): Query<CourseSearchQuery>,
) -> Result<Response, ApiError> {
    let (page, page_size) = paging(query.page, query.page_size)?;
    let view = app.store.catalogue_view(reader).await?;
    let CatalogueView { audience, state, .. } = &view;
    let revisions = (state.revision, state.learner_counts);
    let tag = revision_tag(&state.epoch, &format!("{revisions:?} {audience:?}"), &uri);
    if let Some(reply) = not_modified(&headers, &tag, LIST_MAX_AGE) {
        return Ok(reply);
    }
    let filter = Filter {
        difficulty: query.difficulty,
        category: query.category,
        lang: query.language,
        min_hours: query.min_hours,
        max_hours: query.max_hours,
        order: ListOrder::Learners,
        offset: u64::from(page - 1) * u64::from(page_size),
        limit: page_size,
        ..Filter::default()
    };
    let q = query.q.map(truncated);
    let Listed { items, total } = view.list(Kind::Course, q.as_deref(), filter).await?;
    let read = |found: ListedPublication| {
        Ok((serde_json::from_str::<CourseSummary>(&found.summary)?, found.learners))
    };
    let found: Vec<_> =
        items.into_iter().map(read).collect::<serde_json::Result<_>>().map_err(unreadable)?;
    let ids = found.iter().map(|(summary, _)| summary.meta.id.clone()).collect();
    let mut owners = view.owner_names(ids).await?;
    let hits = found.into_iter().map(|(summary, enrolments)| {
        let authors = summary.meta.authors.join(", ");
        let owner = owners.remove(summary.meta.id.as_str());
        let instructor_name = owner.or((!authors.is_empty()).then_some(authors));
        CourseHit { summary, instructor_name, enrolments }
    });
    let items = hits.collect();
    let body = serde_json::to_string(&ListPage { items, page, page_size, total });
    Ok(seen_by(&view.audience).of(reply_with_tag(body.map_err(unreadable)?, &tag, LIST_MAX_AGE)))
}

fn unreadable(e: serde_json::Error) -> ApiError {
    ApiError::new(ErrorCode::Internal, format!("a stored course cannot be read: {e}"))
}

/// Query string of `GET /api/courses/{id}/content`.
#[derive(Debug, Default, Deserialize)]
pub struct ContentQuery {
    lesson: Option<Slug>,
}

/// The content of a course, with the texts of its sections.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CourseContent {
    #[serde(flatten)]
    summary: CourseSummary,
    lessons: Vec<LessonContent>,
}

/// A lesson with its sections.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LessonContent {
    id: Slug,
    title: String,
    summary: String,
    sections: Vec<SectionContent>,
}

/// A section with its blocks.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SectionContent {
    #[serde(flatten)]
    outline: SectionOutline,
    /// The compiled `SectionBody`, as in the blob `body`.
    #[schema(value_type = Object)]
    content: Box<RawValue>,
}

/// Returns a course with the content of its sections, or of one lesson.
#[utoipa::path(get, path = "/api/courses/{id}/content", tag = "catalogue",
    params(("id" = Slug, Path), ("lesson" = Option<Slug>, Query)),
    responses((status = 200, body = CourseContent), (status = 304), (status = 404),
        (status = 413, description = "too_large: request each lesson by itself")))]
pub async fn course_content(
    State(app): State<App>,
    Reader(reader): Reader,
    uri: Uri,
    headers: HeaderMap,
    Path(id): Path<Slug>,
    Query(query): Query<ContentQuery>,
) -> Result<Response, ApiError> {
    let found = published(&app, Kind::Course, &id, reader).await?;
    let epoch = app.store.epoch().await?;
    let tag = revision_tag(&epoch, &format!("{} {}", found.version, rendered_by()), &uri);
    if let Some(reply) = not_modified(&headers, &tag, ITEM_MAX_AGE) {
        return Ok(reply);
    }
    let work = move || content(&app, &found.reply, query.lesson.as_ref());
    Ok(reply_with_tag(blocking(work).await??, &tag, ITEM_MAX_AGE))
}

/// Returns the reply for a course, or for one lesson, as JSON. Blocks, because it reads blobs.
fn content(app: &App, reply: &str, lesson: Option<&Slug>) -> Result<String, ApiError> {
    let CourseReply { summary, outline } = serde_json::from_str(reply).map_err(unreadable)?;
    let mut size = 0;
    let mut lessons = Vec::new();
    for outline in outline.lessons.into_iter().filter(|l| lesson.is_none_or(|id| l.id == *id)) {
        let mut sections = Vec::new();
        for outline in outline.sections {
            let read = app.blobs.read(outline.body);
            let bytes = read.map_err(|e| ApiError::of_blob(outline.body, &e))?;
            size += bytes.len();
            if size > MAX_CONTENT {
                let detail = format!("the content has more than {MAX_CONTENT} bytes");
                let hint = "request each lesson by itself with ?lesson=ID";
                return Err(ApiError { hint, ..ApiError::new(ErrorCode::TooLarge, detail) });
            }
            let content = serde_json::from_slice(&bytes).map_err(unreadable)?;
            sections.push(SectionContent { outline, content });
        }
        let (id, title, summary) = (outline.id, outline.title, outline.summary);
        lessons.push(LessonContent { id, title, summary, sections });
    }
    if let (Some(lesson), true) = (lesson, lessons.is_empty()) {
        return Err(ApiError::not_found(format!("lesson {lesson} not found")));
    }
    serde_json::to_string(&CourseContent { summary, lessons }).map_err(unreadable)
}

/// Enrols the learner, like `POST /api/courses/{id}/enrolment`. Repeating it changes nothing.
#[utoipa::path(post, path = "/api/courses/{id}/enroll", tag = "learner", params(("id" = Slug, Path)),
    responses((status = 200, body = EnrolmentReply), (status = 401), (status = 404)))]
pub async fn enroll(
    app: State<App>,
    caller: SignedInUser,
    id: Path<Slug>,
) -> Result<Reply<EnrolmentReply>, ApiError> {
    learner::enrol(app, caller, id).await
}

/// Number and size of a page.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PageQuery {
    pub(super) page: Option<u32>,
    pub(super) page_size: Option<u32>,
}

/// Lists the courses of a learner with the progress in each: the last studied first. Students see their own only, staff
/// those of the learners whom they may see.
#[utoipa::path(get, path = "/api/users/{userId}/courses", tag = "learner",
    params(("userId" = UserId, Path), ("page" = Option<u32>, Query), ("pageSize" = Option<u32>, Query, maximum = 200)),
    responses((status = 200, body = ListPage<LearnerCourse>), (status = 400), (status = 401), (status = 403),
        (status = 404)))]
pub async fn courses_of_learner(
    State(app): State<App>,
    caller: SignedInUser,
    Path(id): Path<UserId>,
    Query(query): Query<PageQuery>,
) -> Result<Response, ApiError> {
    learner_courses(&app, id, None, &query, id != caller.user.id).await
}

/// Returns a page of the courses of a learner. `is_report`: for staff.
pub(super) async fn learner_courses(
    app: &App,
    learner: UserId,
    course: Option<Slug>,
    query: &PageQuery,
    is_report: bool,
) -> Result<Response, ApiError> {
    let (page, page_size) = paging(query.page, query.page_size)?;
    let part = (u64::from(page - 1) * u64::from(page_size), page_size);
    let found = app.store.learner_courses(learner, course, part, is_report).await;
    let (Listed { items, total }, audience) = found.map_err(|e| match e {
        DomainError::NoAccount(id) => ApiError::not_found(format!("account {id} not found")),
        e => e.into(),
    })?;
    let body = serde_json::to_string(&ListPage { items, page, page_size, total });
    Ok(seen_by(&audience).of(json_text(body.map_err(unreadable)?, "no-store")))
}
