use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{
    BlobHash, ItemId, Slug,
    content::{CourseMeta, CourseOutline, Difficulty, StoryMeta},
    lattice::{DecisionStatus, ItemKind, Progress},
    wire::ResultCode,
};

/// `GET /api/meta`: what a client needs to know before it signs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// The name of the school or library.
    pub name: String,
    /// The server's release, for people.
    pub version: String,
    /// The random id of this copy of the database.
    pub epoch: String,
    /// The random id of this server: made with its database, and kept by backups, restores and changes of address. Empty: an older server.
    #[serde(default)]
    pub server_id: String,
    /// With `?challenge=`: the signature over `identity_text`, by the key of the manifests, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub identity_proof: Option<String>,
    /// The sync versions it speaks, ascending.
    pub sync_versions: Vec<u32>,
    /// ed25519 public key of its manifests, hex.
    pub signing_key: String,
    pub registration_open: bool,
    /// The server's clock (UTC, ms since 1970), to show how far a device's clock is off.
    pub now_ms: i64,
}

/// What a server signs to prove that it holds its key: anybody can repeat the id and the public key of another server.
pub fn identity_text(server_id: &str, challenge: &str) -> String {
    format!("carrel-server-identity-1\n{server_id}\n{challenge}")
}

/// `GET /api/meta`, as the query string.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MetaQuery {
    /// 64 hexadecimal digits, chosen at random by the client.
    pub challenge: Option<String>,
}

/// One page of a list. `page` counts from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ListPage<T> {
    pub items: Vec<T>,
    pub page: u32,
    pub page_size: u32,
    pub total: u64,
}

/// `GET /api/courses` and `/api/stories`, as the query string. Filters are exact but for `q`, which searches titles, descriptions and tags.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct CatalogueQuery {
    /// From 1; default 1.
    pub page: Option<u32>,
    /// 1 to 200; default 50.
    pub page_size: Option<u32>,
    pub q: Option<String>,
    pub difficulty: Option<Difficulty>,
    /// Stories only: 1 to 5.
    pub level: Option<u8>,
    pub category: Option<String>,
    pub lang: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CourseSummary {
    #[serde(flatten)]
    pub meta: CourseMeta,
    /// The content's version: the hash of its signed manifest.
    pub version: BlobHash,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StorySummary {
    #[serde(flatten)]
    pub meta: StoryMeta,
    pub version: BlobHash,
}

/// `GET /api/courses/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CourseReply {
    #[serde(flatten)]
    pub summary: CourseSummary,
    pub outline: CourseOutline,
}

/// `GET /api/stories/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StoryReply {
    #[serde(flatten)]
    pub summary: StorySummary,
    /// The compiled `Story`.
    pub body: BlobHash,
}

/// What a search found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SearchKind {
    /// A course by its title, description or tags.
    Course,
    /// A story by its title, description or tags.
    Story,
    /// The text of a course's section.
    Section,
    /// The text of a story.
    StoryText,
}

/// One element of `GET /api/search?q=`, which is a page of these, the best first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SearchHit {
    pub kind: SearchKind,
    /// `course`, `course/lesson/section`, `story`, or `course/story` for a story of a course.
    pub item: ItemId,
    pub title: String,
    pub lang: String,
    /// Plain text around the first match.
    pub snippet: String,
}

/// `POST` / `DELETE /api/courses/{id}/enrolment`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct EnrolmentReply {
    pub course: Slug,
    /// None: not enrolled.
    pub status: Option<DecisionStatus>,
    #[serde(default)]
    pub reason: String,
}

/// One element of `POST /api/progress/update`, whose body is one of these or an array of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProgressUpdate {
    pub kind: ItemKind,
    pub item: ItemId,
    #[serde(default)]
    pub generation: u32,
    /// 0 to 10,000.
    pub percent: u16,
    #[serde(default)]
    pub done_ms: Option<i64>,
}

/// The joined rows, in the order of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProgressUpdateReply {
    pub results: Vec<ProgressResult>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProgressResult {
    pub code: ResultCode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub row: Option<Progress>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// `GET /api/progress/{userId}/{courseId}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProgressReply {
    pub course: Slug,
    /// Finished sections of the current manifest / all, in hundredths of a percent.
    pub percent: u16,
    pub completed: bool,
    /// Milliseconds, overlapping devices counted once.
    pub time_spent_ms: i64,
    pub rows: Vec<Progress>,
}
