//! Push, pull, events. docs/SYNC.md tells the protocol; the joins are in `lattice`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use ts_rs::TS;

use crate::{BatchId, DeviceId, Hlc};

/// The version this code speaks, sent as `Sync-Version` with each request; a server that does not speak it answers `too_new`.
pub const SYNC_VERSION: u32 = 1;
/// A push carries at most this many rows (of progress rows about 220 kB: fewer, larger ones cost fewer commits on both ends) ...
pub const MAX_PUSH_ITEMS: usize = 2_000;
/// ... and at most this many bytes of JSON after decompression.
pub const MAX_PUSH_BYTES: usize = 512 * 1024;
/// The most rows that one pull returns.
pub const PULL_LIMIT: u32 = 2_000;

/// `POST /api/sync/push`.
///
/// Items stay raw: each is parsed by itself, so that one bad row never blocks another.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PushRequest {
    pub device_id: DeviceId,
    /// The epoch the client last saw; empty at first. The server applies the rows whatever it says: joins are safe.
    #[serde(default)]
    pub epoch: String,
    pub batch_id: BatchId,
    /// The sender's hybrid clock, to notice a clock that is far ahead.
    pub hlc_now: Hlc,
    /// `lattice::Row` as JSON each.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<crate::lattice::Row>))]
    pub items: Vec<Box<RawValue>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PushReply {
    pub epoch: String,
    /// The learner's change number after this push.
    pub usn: u64,
    /// All changes after this number, up to `usn`, are rows of this push exactly as they were sent: a device that had pulled up to here
    /// has them, and goes on at `usn`. Absent if anything else changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_since: Option<u64>,
    /// One for each item, in order of `index`.
    pub results: Vec<PushResult>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PushResult {
    pub index: u32,
    pub code: ResultCode,
    /// Why, for people; empty if ok.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// What became of one pushed row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ResultCode {
    /// Joined and durable.
    Ok,
    /// Breaks a rule: kept on the client, shown with the reason.
    Invalid,
    /// Not this learner's to write: kept on the client, shown with the reason.
    Forbidden,
    /// The server does not know this kind of row yet: kept, sent again after an update.
    TooNew,
    /// Stamped too far in the future: the client stamps it again and sends it again.
    ClockSkew,
}

/// `GET /api/sync/pull?since=USN&limit=N`: rows by (usn, type, key).
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PullReply {
    pub epoch: String,
    /// Rows stay raw: a kind that this version does not know is kept and read after an update.
    pub rows: Vec<PulledRow>,
    /// The cursor for the next pull; rows and cursor are stored in one transaction.
    pub next: u64,
    pub more: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PulledRow {
    pub usn: u64,
    #[cfg_attr(feature = "schema", schema(value_type = crate::lattice::Row))]
    pub row: Box<RawValue>,
}

/// `GET /api/sync/epoch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct EpochReply {
    pub epoch: String,
    pub usn: u64,
}

/// The data of a `news` event on `GET /api/sync/events`: there are rows up to `usn`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct News {
    pub usn: u64,
    pub epoch: String,
}
