use carrel_model::Slug;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::download::DownloadPhase;

/// What is on this device, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StorageView {
    /// The most that content may take: what was chosen or allowed, and never more than a tenth of the disk.
    pub budget: u64,
    /// What was chosen on this device; none: 2 GiB.
    pub budget_chosen: Option<u64>,
    /// The organisation allows no more than this.
    pub budget_policy: Option<u64>,
    /// What always stays free on the disk for work.
    pub floor: u64,
    /// Free on the disk now.
    pub free: u64,
    /// All content: the next four together.
    pub used: u64,
    /// This account's downloads; what courses share is counted once.
    pub downloads: u64,
    /// Downloads of other learners of this device.
    pub others: u64,
    /// What was opened or fetched ahead: it goes by itself when space is short.
    pub cache: u64,
    /// Downloads that are not complete.
    pub unfinished: u64,
    /// Lists, search, and the index of it all; not part of `used`.
    pub index: u64,
    /// This account's work. Never removed.
    pub work: u64,
    pub kinds: StorageKinds,
    /// The folder of the content.
    pub folder: String,
    /// The folder may be moved from here.
    pub can_move: bool,
    pub trouble: Option<StorageTrouble>,
    /// The largest first.
    pub courses: Vec<StorageCourse>,
    /// How many there are in all.
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

/// Something does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StorageTrouble {
    pub limit: StorageLimit,
    /// Bytes that are missing.
    pub missing: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum StorageLimit {
    /// The device's budget for content.
    Budget,
    /// The disk itself.
    Disk,
    /// No limit: the index of content cannot be opened now. What is here can be read; nothing can be added or removed.
    Index,
}

/// A course, story or lesson on this device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StorageCourse {
    pub id: Slug,
    pub is_story: bool,
    /// The lesson's item id if only a lesson was wanted.
    pub lesson: Option<String>,
    pub title: String,
    pub phase: DownloadPhase,
    /// Bytes that are here.
    pub bytes: u64,
    pub total: u64,
    /// Of all of it, by kind.
    pub kinds: StorageKinds,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
pub struct StorageRequest {
    #[ts(optional)]
    pub offset: Option<u32>,
    /// 50 without a word.
    #[ts(optional)]
    pub limit: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StorageRef {
    pub id: Slug,
    pub is_story: bool,
    /// The lesson's item id if only a lesson is meant.
    #[serde(default)]
    #[ts(optional)]
    pub lesson: Option<String>,
}

/// What taking something off the device gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StorageRemoval {
    pub freed: u64,
    /// Stays, because another download needs it.
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
    /// A folder of this machine, from its beginning.
    pub folder: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
pub struct SetBudget {
    /// Bytes; none: as without a choice.
    #[ts(optional)]
    pub budget: Option<u64>,
}
