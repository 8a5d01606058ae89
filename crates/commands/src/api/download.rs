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
    /// Goes on by itself when `reason` is gone.
    Paused,
    /// All bytes are here and were verified.
    Ready,
    /// A newer version is in the library; the old one stays readable.
    Outdated,
    /// Cannot go on by itself; `reason` tells.
    Failed,
}

/// Why a download waits or failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum DownloadReason {
    Offline,
    /// The network's own sign-in page is in between.
    Portal,
    Metered,
    Battery,
    DiskFull,
    Policy,
    User,
    Server,
    Corrupt,
    SignIn,
    /// A file of this device cannot be read or written now, for another reason than space.
    Storage,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DownloadState {
    pub phase: DownloadPhase,
    pub bytes_done: u64,
    pub bytes_total: u64,
    pub reason: Option<DownloadReason>,
    /// When every byte was last proved against its hash.
    pub checked_ms: Option<i64>,
    /// Bytes a second, smoothed; while it runs.
    pub rate: Option<u64>,
    /// Milliseconds to the end at that rate.
    pub left_ms: Option<u64>,
    /// While it waits: when it is tried again by itself (UTC, ms). None: when the reason is gone.
    pub retry_at_ms: Option<i64>,
    /// All of some edition is here and can be read, whatever the phase of a newer one is.
    pub readable: bool,
}

/// A course or a story by its id, or one lesson of a course.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DownloadRef {
    pub id: Slug,
    pub is_story: bool,
    /// The lesson's own id; the whole if it is missing.
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
    /// This time over a metered network and on battery too.
    #[serde(default)]
    #[ts(optional)]
    pub anyway: Option<bool>,
}

/// What a check of every byte found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct OfflineCheck {
    pub ready: bool,
    pub checked_ms: i64,
    pub files: u32,
    pub bytes: u64,
    /// What is missing or damaged; it is fetched again when the network is there.
    pub missing: u32,
    pub missing_bytes: u64,
    /// By name, in the order of reading; at most 100.
    pub lacks: Vec<OfflineLack>,
    /// Of audio and video: the window says whether it can play them.
    pub media_types: Vec<String>,
    /// Bytes that may still be written to the disk.
    pub free_bytes: Option<u64>,
    /// Until when the sign-in lasts without meeting the server (UTC, ms); none if that is not known.
    pub signed_in_until_ms: Option<i64>,
    /// The session is over: what is done is kept here until the learner signs in again.
    pub needs_sign_in: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct OfflineLack {
    /// The section or story; none for the cover and the words of a course.
    pub item: Option<ItemId>,
    /// Title of the section or story, else of the course.
    pub title: String,
    /// Of a story, from 1; 0 elsewhere.
    pub page: u32,
    pub kind: LackKind,
    pub bytes: u64,
    /// It was here with other bytes.
    pub damaged: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum LackKind {
    Text,
    Picture,
    Audio,
    Video,
    Other,
}

/// What the window knows of network and battery. What is missing is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
pub struct SetConditions {
    /// False: there is none. True: it has just come back, or is another one.
    #[ts(optional)]
    pub online: Option<bool>,
    #[ts(optional)]
    pub metered: Option<bool>,
    /// Percent of the battery that is left, while it is not charging.
    #[ts(optional)]
    pub on_battery: Option<u8>,
}
