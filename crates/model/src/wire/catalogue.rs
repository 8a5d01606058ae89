//! Server metadata, catalogue, search, enrolment and progress over HTTP.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{
    BlobHash, ItemId, Slug,
    content::{CourseMeta, CourseOutline, Difficulty, StoryMeta},
    lattice::{DecisionStatus, ItemKind, Progress},
    wire::ResultCode,
};

/// Reply to `GET /api/meta`: the information that a client needs before it signs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// Name of the school or library.
    pub name: String,
    /// Release of the server, for display.
    pub version: String,
    /// Random id of this copy of the database; a restore changes it.
    pub epoch: String,
    /// Random id of this server, created with its database and unchanged by backups, restores and changes of address.
    /// Empty from an older server.
    #[serde(default)]
    pub server_id: String,
    /// With `?challenge=`: the signature over `identity_text` with the key of the manifests, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub identity_proof: Option<String>,
    /// Supported sync versions, ascending.
    pub sync_versions: Vec<u32>,
    /// ed25519 public key that verifies the server's manifests, hex.
    pub signing_key: String,
    /// True if new users may register themselves.
    pub registration_open: bool,
    /// Name of the button for signing in with an identity provider; missing: the server has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub external_sign_in: Option<String>,
    /// True if the server sends links for a new password by mail. Missing from an older server.
    #[serde(default)]
    pub password_reset: bool,
    /// The server's clock (UTC, ms since 1970), to measure the offset of a device's clock.
    pub now_ms: i64,
}

/// Returns the text that a server signs to prove that it has the private key. The id and the public key could be copied
/// by another server.
pub fn identity_text(server_id: &str, challenge: &str) -> String {
    format!("carrel-server-identity-1\n{server_id}\n{challenge}")
}

/// Query string of `GET /api/meta`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MetaQuery {
    /// 64 hex digits, chosen at random by the client.
    pub challenge: Option<String>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ListPage<T> {
    /// Elements of this page.
    pub items: Vec<T>,
    /// Number of this page, from 1.
    pub page: u32,
    /// Greatest number of elements per page.
    pub page_size: u32,
    /// Number of elements on all pages.
    pub total: u64,
}

/// Query string of `GET /api/courses` and `/api/stories`. Filters match exactly, except for `q`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct CatalogueQuery {
    /// From 1; default 1.
    pub page: Option<u32>,
    /// 1 to 200; default 50.
    pub page_size: Option<u32>,
    /// Searches titles, descriptions and tags.
    pub q: Option<String>,
    /// Courses only.
    pub difficulty: Option<Difficulty>,
    /// Stories only: 1 to 5.
    pub level: Option<u8>,
    /// Category of the course or story.
    pub category: Option<String>,
    /// BCP 47 language tag of the course or story.
    pub lang: Option<String>,
}

/// A course in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CourseSummary {
    /// Catalogue entry.
    #[serde(flatten)]
    pub meta: CourseMeta,
    /// Version of the content: the hash of its signed manifest.
    pub version: BlobHash,
}

/// A story in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StorySummary {
    /// Catalogue entry.
    #[serde(flatten)]
    pub meta: StoryMeta,
    /// Version of the content: the hash of its signed manifest.
    pub version: BlobHash,
}

/// Reply to `GET /api/courses/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CourseReply {
    /// Catalogue entry and version.
    #[serde(flatten)]
    pub summary: CourseSummary,
    /// Structure of the course.
    pub outline: CourseOutline,
}

/// Reply to `GET /api/stories/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StoryReply {
    /// Catalogue entry and version.
    #[serde(flatten)]
    pub summary: StorySummary,
    /// Hash of the compiled `Story`.
    pub body: BlobHash,
}

/// Type of a search result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SearchKind {
    /// A course, found by its title, description or tags.
    Course,
    /// A story, found by its title, description or tags.
    Story,
    /// The text of a section of a course.
    Section,
    /// The text of a story.
    StoryText,
}

/// A result of `GET /api/search?q=`. The reply is a page of results, best match first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SearchHit {
    /// What was found.
    pub kind: SearchKind,
    /// `course`, `course/lesson/section`, `story`, or `course/story` for a story within a course.
    pub item: ItemId,
    /// Title for display.
    pub title: String,
    /// BCP 47 language tag.
    pub lang: String,
    /// Plain text around the first match.
    pub snippet: String,
}

/// Reply to `POST` and `DELETE /api/courses/{id}/enrolment`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct EnrolmentReply {
    /// Id of the course.
    pub course: Slug,
    /// The server's decision; `null` if not enrolled.
    pub status: Option<DecisionStatus>,
    /// Reason of a refusal, for display; may be empty.
    #[serde(default)]
    pub reason: String,
}

/// Body of `POST /api/me/enrolment-codes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct EnrolmentCode {
    /// Code of a course or class, as typed, or an enrolment token.
    pub code: String,
}

/// Reply to `POST /api/me/enrolment-codes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct EnrolmentCodeReply {
    /// Ids of the courses of the code.
    pub courses: Vec<Slug>,
}

/// An element of `POST /api/progress/update`, whose body is one element or an array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProgressUpdate {
    /// Kind of the item.
    pub kind: ItemKind,
    /// The item that was studied.
    pub item: ItemId,
    /// Increased by each restart.
    #[serde(default)]
    pub generation: u32,
    /// 0 to 10,000 (hundredths of a percent).
    pub percent: u16,
    /// When the item was first finished (UTC, ms since 1970).
    #[serde(default)]
    pub done_ms: Option<i64>,
}

/// Reply to `POST /api/progress/update`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProgressUpdateReply {
    /// Results of the elements, in the order of the request.
    pub results: Vec<ProgressResult>,
}

/// Result for one element.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProgressResult {
    /// Whether the row was joined.
    pub code: ResultCode,
    /// The row after the join, if it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub row: Option<Progress>,
    /// Reason of a rejection, for display; empty if ok.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Reply to `GET /api/progress/{userId}/{courseId}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProgressReply {
    /// Id of the course.
    pub course: Slug,
    /// Share of finished sections among all sections of the current manifest, in hundredths of a percent.
    pub percent: u16,
    /// True if all sections are finished.
    pub completed: bool,
    /// Study time in milliseconds; overlapping time on several devices counts once.
    pub time_spent_ms: i64,
    /// Progress of the sections.
    pub rows: Vec<Progress>,
}
