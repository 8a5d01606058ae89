//! Types of the storage commands: space used, limits, removal, moving content.
//!
//! Not here: states of downloads (`download`).

use carrel_model::Slug;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::download::DownloadPhase;

/// Storage use of this device, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StorageView {
    /// Effective limit: the lowest of the chosen limit, the organisation's, and a tenth of `free` + `used`.
    pub budget: u64,
    /// Limit chosen on this device; none: 2 GiB.
    pub budget_chosen: Option<u64>,
    /// Maximum set by the organisation.
    pub budget_policy: Option<u64>,
    /// Space that is always left free on the disk, for learning records.
    pub floor: u64,
    /// Free space on the disk now.
    pub free: u64,
    /// All content: the sum of the next four fields.
    pub used: u64,
    /// This account's downloads; blobs shared by several courses count once.
    pub downloads: u64,
    /// Downloads of other learners on this device.
    pub others: u64,
    /// Opened or prefetched content, evicted automatically when space is short.
    pub cache: u64,
    /// Incomplete downloads.
    pub unfinished: u64,
    /// Lists, search index and content index; not included in `used`.
    pub index: u64,
    /// This account's learning records, which are never removed.
    pub work: u64,
    pub kinds: StorageKinds,
    /// Folder in which content is stored.
    pub folder: String,
    /// The learner may move the content to another folder.
    pub can_move: bool,
    pub shortage: Option<StorageShortage>,
    /// The content folder of this machine, if this user may only read it.
    pub shared: Option<SharedContent>,
    /// One page of this account's downloads, largest first.
    pub courses: Vec<StorageCourse>,
    /// Number of this account's downloads on all pages.
    pub courses_total: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StorageKinds {
    pub text: u64,
    pub pictures: u64,
    pub audio: u64,
    pub video: u64,
    pub other: u64,
}

/// The content folder of this machine, from which this user reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SharedContent {
    pub folder: String,
    /// Bytes of all content in it; not included in `used`.
    pub bytes: u64,
}

/// A shortage of space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StorageShortage {
    pub limit: StorageLimit,
    /// Missing bytes.
    pub missing: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum StorageLimit {
    /// The device's limit for content.
    Budget,
    /// The free space of the disk.
    Disk,
    /// No shortage of space: the content index cannot be opened now. Local content is readable; nothing can be added
    /// or removed.
    Index,
}

/// A course, story or lesson on this device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StorageCourse {
    pub id: Slug,
    pub is_story: bool,
    /// Item id of the lesson, if only a lesson was downloaded.
    pub lesson: Option<String>,
    pub title: String,
    pub phase: DownloadPhase,
    /// Bytes stored on this device.
    pub bytes: u64,
    pub total: u64,
    /// Bytes of the whole item, by kind.
    pub kinds: StorageKinds,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
pub struct StorageRequest {
    #[ts(optional)]
    pub offset: Option<u32>,
    /// Default 50, at most 500.
    #[ts(optional)]
    pub limit: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StorageRef {
    pub id: Slug,
    pub is_story: bool,
    /// Item id of the lesson, to refer to that lesson only.
    #[serde(default)]
    #[ts(optional)]
    pub lesson: Option<String>,
}

/// Effect of removing a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StorageRemoval {
    pub freed: u64,
    /// Bytes that stay, because another download uses them.
    pub shared: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StorageCleared {
    pub freed: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct MoveContent {
    /// Absolute path of a folder.
    pub folder: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
pub struct SetBudget {
    /// Bytes; none: the default.
    #[ts(optional)]
    pub budget: Option<u64>,
}
