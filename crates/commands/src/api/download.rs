use carrel_model::Slug;
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
    Metered,
    DiskFull,
    Policy,
    User,
    Server,
    Corrupt,
    SignIn,
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
}

/// A course or a story by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DownloadRef {
    pub id: Slug,
    pub is_story: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct OfflineCheck {
    pub ready: bool,
    pub checked_ms: i64,
    pub files: u32,
    pub bytes: u64,
    /// What is missing or damaged; it is fetched again when the network is there.
    pub missing: u32,
}
