//! Types of the download commands: states, targets, checks, conditions.
//!
//! Not here: storage limits (`storage`).

use carrel_model::{ItemId, Slug};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum DownloadPhase {
    /// Not on this device.
    Absent,
    Queued,
    Running,
    /// Continues automatically when `reason` no longer applies; with the reason `user` only when it is started again.
    Paused,
    /// All bytes are stored and verified.
    Ready,
    /// The library has a newer version; the local one stays readable.
    Outdated,
    /// Does not continue automatically; see `reason`.
    Failed,
}

/// Why a download is paused or failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum DownloadReason {
    Offline,
    /// The network requires a sign-in on a web page.
    Portal,
    Metered,
    Battery,
    DiskFull,
    Policy,
    User,
    Server,
    Corrupt,
    SignIn,
    /// A local file cannot be read or written now, for a reason other than space.
    Storage,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DownloadState {
    pub phase: DownloadPhase,
    pub bytes_done: u64,
    pub bytes_total: u64,
    pub reason: Option<DownloadReason>,
    /// When all bytes were last verified against their hashes (UTC, ms).
    pub checked_ms: Option<i64>,
    /// Bytes per second, smoothed; only while the download is running.
    pub rate: Option<u64>,
    /// Estimated time to the end at this rate, in milliseconds.
    pub left_ms: Option<u64>,
    /// Time of the next automatic attempt (UTC, ms); none if no time is set.
    pub retry_at_ms: Option<i64>,
    /// A version is complete and readable, whatever the phase of a newer version.
    pub readable: bool,
}

/// A course or a story by its id, or one lesson of a course.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DownloadRef {
    pub id: Slug,
    pub is_story: bool,
    /// Slug of the lesson; missing: the whole course or story.
    #[serde(default)]
    #[ts(optional)]
    pub lesson: Option<Slug>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StartDownload {
    pub id: Slug,
    pub is_story: bool,
    #[serde(default)]
    #[ts(optional)]
    pub lesson: Option<Slug>,
    /// Ignores the settings for metered networks and battery for this download.
    #[serde(default)]
    #[ts(optional)]
    pub anyway: Option<bool>,
}

/// Result of verifying all bytes of a download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct OfflineCheck {
    pub ready: bool,
    pub checked_ms: i64,
    pub files: u32,
    pub bytes: u64,
    /// Number of missing or damaged files; they are downloaded again when the network is available.
    pub missing: u32,
    pub missing_bytes: u64,
    /// The first 100 missing or damaged files, in reading order.
    pub missing_files: Vec<MissingFile>,
    /// Media types of the download's audio and video; the UI checks that it can play them.
    pub media_types: Vec<String>,
    /// Free bytes on the disk; none if not known.
    pub free_bytes: Option<u64>,
    /// When the sign-in expires unless the server is reached before (UTC, ms); none: unknown.
    pub signed_in_until_ms: Option<i64>,
    /// The session ended: changes are kept on this device until the learner signs in again.
    pub needs_sign_in: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct MissingFile {
    /// The section or story; none for a course's cover and vocabulary.
    pub item: Option<ItemId>,
    /// Title of the section or story, or else of the course.
    pub title: String,
    /// Page of a story, from 1; 0 for other items.
    pub page: u32,
    pub kind: MissingFileKind,
    pub bytes: u64,
    /// The file was present but damaged.
    pub damaged: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum MissingFileKind {
    Text,
    Picture,
    Audio,
    Video,
    Other,
}

/// Network and battery state as known to the UI. A missing field means unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
pub struct SetConditions {
    /// False: there is no network. True: it became available again or changed.
    #[ts(optional)]
    pub online: Option<bool>,
    #[ts(optional)]
    pub metered: Option<bool>,
    /// Battery charge in percent, if the battery is not charging.
    #[ts(optional)]
    pub on_battery: Option<u8>,
}
