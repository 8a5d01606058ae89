//! What a device reports about itself to its server.

use serde::{Deserialize, Serialize};

use crate::{BlobHash, ItemId, Slug};

/// Body of `PUT /api/me/device`. The last report of a sign-in replaces the one before. Contains no text that the learner
/// wrote.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DeviceReport {
    /// Version of the app, such as `1.4.0`.
    pub app_version: String,
    /// `linux`, `windows`, `macos`, `android` or `ios`.
    pub platform: String,
    /// Number of rows that the server has not accepted yet.
    pub waiting: u32,
    /// Time of the first change of the oldest of them (UTC, ms since 1970).
    #[serde(default)]
    pub oldest_waiting_ms: Option<i64>,
    /// Number of rows that the server refused. They are kept on the device.
    pub refused: u32,
    /// The newest of them, at most [`Self::MAX_REFUSALS`].
    #[serde(default)]
    pub refusals: Vec<RefusedRow>,
    /// Courses and stories that the learner requested, at most [`Self::MAX_DOWNLOADS`].
    #[serde(default)]
    pub downloads: Vec<DeviceDownload>,
}

impl DeviceReport {
    /// Maximum number of listed refusals.
    pub const MAX_REFUSALS: usize = 50;
    /// Maximum number of listed downloads.
    pub const MAX_DOWNLOADS: usize = 2_000;
}

/// A row that the server refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RefusedRow {
    /// Name of the row's type, such as `note_revision`.
    pub row_type: String,
    /// The course, story, section or word to which the row belongs, if it belongs to one.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub item: Option<ItemId>,
    /// `invalid`, `forbidden`, `too_new` or `clock_skew`; `damaged` if the device cannot read the row.
    pub code: String,
    /// The text of the refusal (`RefusalReason`).
    pub reason: String,
    /// Time of the refusal (UTC, ms since 1970).
    pub at_ms: i64,
}

/// A download of a whole course or story on a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DeviceDownload {
    /// `course` or `story`.
    pub kind: String,
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    /// Id of the course or story.
    pub id: Slug,
    /// Name of the phase, such as `ready`, `waiting` or `failed`.
    pub phase: String,
    /// The version whose files are all on the device and verified.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub version: Option<BlobHash>,
}
