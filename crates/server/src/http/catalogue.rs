//! The catalogue: server metadata, courses, stories, search. Clients can cache replies and revalidate them by their
//! tag.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::Response,
};
use carrel_model::{
    Slug, UserId,
    content::{Difficulty, SignedManifest},
    range::matches_tag,
    wire::{
        CatalogueQuery, CourseReply, CourseSummary, ListPage, Meta, MetaQuery, SearchHit,
        StoryReply, StorySummary, identity_text,
    },
};
use serde::Deserialize;

use super::{
    App,
    api_error::ApiError,
    extract::{Path, Query, Reader},
    reply_cache::seen_by,
};
use crate::{
    catalogue::page_json,
    domain::catalogue::CatalogueView,
    signing::hex,
    store::{Filter, Kind, Listed, Published},
};

/// Time for which a client may use a cached list without revalidation, in seconds.
pub(super) const LIST_MAX_AGE: u32 = 600;
/// The same for a single course, story or manifest.
pub(super) const ITEM_MAX_AGE: u32 = 300;
const PAGE_SIZE: u32 = 50;
const MAX_PAGE_SIZE: u32 = 200;

/// Returns the metadata of the server, needed before a sign-in.
/// With a challenge, the reply proves that the server has the key that signs its manifests.
#[utoipa::path(get, path = "/api/meta", tag = "catalogue", params(("challenge" = Option<String>, Query)),
    responses((status = 200, body = Meta), (status = 400)))]
pub async fn meta(
    State(app): State<App>,
    Query(query): Query<MetaQuery>,
) -> Result<Response, ApiError> {
    let mut meta = crate::catalogue::meta(&app.data).await?;
    if let Some(challenge) = query.challenge {
        let is_hex = challenge.bytes().all(|b| b.is_ascii_hexdigit());
        if challenge.len() != 64 || !is_hex {
            return Err(ApiError::invalid("challenge: must be 64 hexadecimal digits"));
        }
        let text = identity_text(&meta.server_id, &challenge);
        meta.identity_proof = Some(hex(&app.signer.sign(text.as_bytes())));
    }
    Ok(json_text(serde_json::to_string(&meta).unwrap_or_default(), "no-store"))
}

/// Lists courses by title, or by relevance to `q`.
#[utoipa::path(get, path = "/api/courses", tag = "catalogue",
    params(("page" = Option<u32>, Query), ("pageSize" = Option<u32>, Query, maximum = 200),
        ("q" = Option<String>, Query), ("difficulty" = Option<Difficulty>, Query),
        ("category" = Option<String>, Query), ("lang" = Option<String>, Query)),
    responses((status = 200, body = ListPage<CourseSummary>), (status = 304), (status = 400)))]
pub async fn courses(
    State(app): State<App>,
    reader: Reader,
    uri: Uri,
    headers: HeaderMap,
    Query(query): Query<CatalogueQuery>,
) -> Result<Response, ApiError> {
    list(&app, Kind::Course, reader, &uri, &headers, query).await
}

/// Lists stories by title, or by relevance to `q`.
#[utoipa::path(get, path = "/api/stories", tag = "catalogue",
    params(("page" = Option<u32>, Query), ("pageSize" = Option<u32>, Query, maximum = 200),
        ("q" = Option<String>, Query), ("level" = Option<u8>, Query), ("category" = Option<String>, Query), ("lang" = Option<String>, Query)),
    responses((status = 200, body = ListPage<StorySummary>), (status = 304), (status = 400)))]
pub async fn stories(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    Query(query): Query<CatalogueQuery>,
) -> Result<Response, ApiError> {
    list(&app, Kind::Story, Reader(None), &uri, &headers, query).await
}

async fn list(
    app: &App,
    kind: Kind,
    Reader(reader): Reader,
    uri: &Uri,
    headers: &HeaderMap,
    query: CatalogueQuery,
) -> Result<Response, ApiError> {
    let (page, page_size) = paging(query.page, query.page_size)?;
    if kind == Kind::Story && query.level.is_some_and(|l| !(1..=5).contains(&l)) {
        return Err(ApiError::invalid("level: must be 1 to 5"));
    }
    let view = app.store.catalogue_view(reader).await?;
    let tag = list_tag(&view, uri);
    if let Some(reply) = not_modified(headers, &tag, LIST_MAX_AGE) {
        return Ok(reply);
    }
    let filter = Filter {
        difficulty: query.difficulty,
        level: query.level,
        category: query.category,
        lang: query.lang,
        offset: u64::from(page - 1) * u64::from(page_size),
        limit: page_size,
        ..Filter::default()
    };
    let found = view.list(kind, query.q.map(truncated).as_deref(), filter).await?;
    let reply = reply_with_tag(page_json(&found, page, page_size), &tag, LIST_MAX_AGE);
    Ok(seen_by(&view.audience).of(reply))
}

/// Returns a course with its outline.
#[utoipa::path(get, path = "/api/courses/{id}", tag = "catalogue", params(("id" = Slug, Path)),
    responses((status = 200, body = CourseReply), (status = 304), (status = 404)))]
pub async fn course(
    State(app): State<App>,
    Reader(reader): Reader,
    headers: HeaderMap,
    Path(id): Path<Slug>,
) -> Result<Response, ApiError> {
    let found = published(&app, Kind::Course, &id, reader).await?;
    Ok(reply_of(&headers, found))
}

/// Returns the signed manifest of a course.
#[utoipa::path(get, path = "/api/courses/{id}/manifest", tag = "catalogue", params(("id" = Slug, Path)),
    responses((status = 200, body = SignedManifest), (status = 304), (status = 404)))]
pub async fn course_manifest(
    State(app): State<App>,
    Reader(reader): Reader,
    headers: HeaderMap,
    Path(id): Path<Slug>,
) -> Result<Response, ApiError> {
    let found = published(&app, Kind::Course, &id, reader).await?;
    Ok(manifest_of(&headers, found))
}

/// Returns a story.
#[utoipa::path(get, path = "/api/stories/{id}", tag = "catalogue", params(("id" = Slug, Path)),
    responses((status = 200, body = StoryReply), (status = 304), (status = 404)))]
pub async fn story(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<Slug>,
) -> Result<Response, ApiError> {
    let found = published(&app, Kind::Story, &id, None).await?;
    Ok(reply_of(&headers, found))
}

/// Returns the signed manifest of a story.
#[utoipa::path(get, path = "/api/stories/{id}/manifest", tag = "catalogue", params(("id" = Slug, Path)),
    responses((status = 200, body = SignedManifest), (status = 304), (status = 404)))]
pub async fn story_manifest(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<Slug>,
) -> Result<Response, ApiError> {
    let found = published(&app, Kind::Story, &id, None).await?;
    Ok(manifest_of(&headers, found))
}

/// Search text and page.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchQuery {
    q: String,
    page: Option<u32>,
    page_size: Option<u32>,
}

/// Searches courses, stories and the text of sections and stories; best match first.
#[utoipa::path(get, path = "/api/search", tag = "catalogue",
    params(("q" = String, Query), ("page" = Option<u32>, Query), ("pageSize" = Option<u32>, Query, maximum = 200)),
    responses((status = 200, body = ListPage<SearchHit>), (status = 304), (status = 400)))]
pub async fn search(
    State(app): State<App>,
    Reader(reader): Reader,
    uri: Uri,
    headers: HeaderMap,
    Query(query): Query<SearchQuery>,
) -> Result<Response, ApiError> {
    let (page, page_size) = paging(query.page, query.page_size)?;
    let view = app.store.catalogue_view(reader).await?;
    let tag = list_tag(&view, &uri);
    if let Some(reply) = not_modified(&headers, &tag, LIST_MAX_AGE) {
        return Ok(reply);
    }
    let offset = u64::from(page - 1) * u64::from(page_size);
    let found = view.search(&truncated(query.q), offset, page_size).await?;
    let Listed { items, total } = found;
    let body =
        serde_json::to_string(&ListPage { items, page, page_size, total }).unwrap_or_default();
    Ok(seen_by(&view.audience).of(reply_with_tag(body, &tag, LIST_MAX_AGE)))
}

/// Returns a publication that the reader may see. The reply does not tell whether another one exists.
pub(super) async fn published(
    app: &App,
    kind: Kind,
    id: &Slug,
    reader: Option<UserId>,
) -> Result<Published, ApiError> {
    let found = app.store.readable_page(kind, id, reader).await?;
    found.ok_or_else(|| ApiError::not_found(format!("{} {id} not found", kind.as_str())))
}

pub(super) fn paging(page: Option<u32>, page_size: Option<u32>) -> Result<(u32, u32), ApiError> {
    let (page, page_size) = (page.unwrap_or(1), page_size.unwrap_or(PAGE_SIZE));
    if page == 0 {
        return Err(ApiError::invalid("page: must be at least 1"));
    }
    if !(1..=MAX_PAGE_SIZE).contains(&page_size) {
        return Err(ApiError::invalid("pageSize: must be 1 to 200"));
    }
    Ok((page, page_size))
}

/// Truncates a query to 200 characters.
pub(super) fn truncated(q: String) -> String {
    if q.len() <= 200 { q } else { q.chars().take(200).collect() }
}

/// Returns the tag of a list. It changes with every change of the catalogue and of the courses that the reader may see,
/// and with the epoch after a restore.
fn list_tag(CatalogueView { audience, state, .. }: &CatalogueView, uri: &Uri) -> String {
    revision_tag(&state.epoch, &format!("{} {audience:?}", state.revision), uri)
}

/// Returns the tag of a list with this epoch and revision.
pub(super) fn revision_tag(epoch: &str, revision: &str, uri: &Uri) -> String {
    let path_and_query = uri.path_and_query().map_or("", |p| p.as_str());
    let hash = blake3::hash(format!("{epoch} {revision} {path_and_query}").as_bytes()).to_hex();
    format!("W/\"{}\"", &hash[..32])
}

/// Returns the reply, with a tag of version and content: a later release may derive another reply from the same
/// version.
fn reply_of(headers: &HeaderMap, found: Published) -> Response {
    let derived = blake3::hash(found.reply.as_bytes()).to_hex();
    let tag = format!("W/\"{}-{}\"", found.version, &derived[..16]);
    conditional_reply(headers, found.reply, &tag)
}

fn manifest_of(headers: &HeaderMap, found: Published) -> Response {
    let tag = format!("W/\"{}\"", found.version);
    conditional_reply(headers, found.manifest, &tag)
}

fn conditional_reply(headers: &HeaderMap, body: String, tag: &str) -> Response {
    not_modified(headers, tag, ITEM_MAX_AGE)
        .unwrap_or_else(|| reply_with_tag(body, tag, ITEM_MAX_AGE))
}

pub(super) fn not_modified(headers: &HeaderMap, tag: &str, max_age: u32) -> Option<Response> {
    let if_none_match = headers.get(header::IF_NONE_MATCH)?.to_str().ok()?;
    matches_tag(if_none_match, tag).then(|| {
        let mut reply = Response::new(Body::empty());
        *reply.status_mut() = StatusCode::NOT_MODIFIED;
        set_cache_headers(reply.headers_mut(), tag, max_age);
        reply
    })
}

pub(super) fn reply_with_tag(body: String, tag: &str, max_age: u32) -> Response {
    let mut reply = json_text(body, "no-store");
    set_cache_headers(reply.headers_mut(), tag, max_age);
    reply
}

fn set_cache_headers(headers: &mut HeaderMap, tag: &str, max_age: u32) {
    for (name, value) in [
        (header::ETAG, tag.to_owned()),
        (header::CACHE_CONTROL, format!("private, max-age={max_age}")),
        (header::VARY, "authorization, accept-encoding".to_owned()),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}

/// Returns a reply whose body is JSON text.
pub fn json_text(body: String, cache: &'static str) -> Response {
    let mut reply = Response::new(Body::from(body));
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    reply
}
