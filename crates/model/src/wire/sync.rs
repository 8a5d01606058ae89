//! Types of pushes, pulls and events. See docs/SYNC.md for the protocol and `lattice` for the joins.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use ts_rs::TS;

use crate::{BatchId, DeviceId, Hlc};

/// The protocol version of this release, sent as `Sync-Version` with each request. A server that does not support it
/// replies `too_new`, and the client continues with the oldest version: the server then keeps what it does not know.
///
/// Version 2 added the study day, the time zone, the kind, the card and the parameter set of reviews, and the study day
/// and the time zone of attempts and sessions.
pub const SYNC_VERSION: u32 = 2;
/// The oldest version that this release supports.
pub const MIN_SYNC_VERSION: u32 = 1;
/// Maximum number of rows in a push; 2,000 progress rows are about 220 kB. Fewer, larger pushes need fewer commits on
/// both sides.
pub const MAX_PUSH_ITEMS: usize = 2_000;
/// Maximum size of a push in bytes of JSON after decompression.
pub const MAX_PUSH_BYTES: usize = 512 * 1024;
/// Maximum number of rows in the reply to a pull.
pub const MAX_PULL_ROWS: u32 = 2_000;

/// Body of `POST /api/sync/push`.
///
/// Items are kept as raw JSON: each is parsed separately, so that one invalid row never blocks the others.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PushRequest {
    /// Id of the sending device.
    pub device_id: DeviceId,
    /// The last epoch that the client received; initially empty. The server applies the rows for any value, because
    /// joins are idempotent.
    #[serde(default)]
    pub epoch: String,
    /// Random id of this upload, for logs.
    pub batch_id: BatchId,
    /// Hybrid logical clock of the sender, used to detect a clock that is far ahead.
    pub hlc_now: Hlc,
    /// Each item is the JSON of a `lattice::Row`.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<crate::lattice::Row>))]
    pub items: Vec<Box<RawValue>>,
}

/// Reply to a push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PushReply {
    /// Epoch of the server's database.
    pub epoch: String,
    /// Change number of the learner after this push.
    pub usn: u64,
    /// If present, all changes after this number, up to `usn`, are rows of this push exactly as sent: a device that has
    /// pulled up to `own_since` has them already and continues at `usn`. Absent if other rows changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_since: Option<u64>,
    /// Results of the items, in the order of `index`.
    pub results: Vec<PushResult>,
}

/// Result for one item of a push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PushResult {
    /// Index of the item in the request, from 0.
    pub index: u32,
    /// Whether the row was joined.
    pub code: ResultCode,
    /// Reason of a rejection, see `RefusalReason`; empty if ok.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Result of one pushed row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ResultCode {
    /// Joined and stored durably.
    Ok,
    /// Violates a rule: kept on the client, displayed with the reason.
    Invalid,
    /// This learner may not write the row: kept on the client, displayed with the reason.
    Forbidden,
    /// The row type or format is not supported by the server yet: kept on the client, sent again after an update.
    TooNew,
    /// The stamp is too far in the future: the client replaces it and sends the row again.
    ClockSkew,
}

/// Reply to `GET /api/sync/pull?since=USN&limit=N`: rows by (usn, type, key).
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PullReply {
    /// Epoch of the server's database.
    pub epoch: String,
    /// The rows as raw JSON: a row of a type unknown to this release is stored, and read after an update.
    pub rows: Vec<PulledRow>,
    /// Cursor for the next pull; rows and cursor are stored in one transaction.
    pub next: u64,
    /// True if there are more rows after `next`.
    pub more: bool,
}

/// A row with its change number.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PulledRow {
    /// Change number of the row.
    pub usn: u64,
    /// JSON of a `lattice::Row`.
    #[cfg_attr(feature = "schema", schema(value_type = crate::lattice::Row))]
    pub row: Box<RawValue>,
}

/// Reply to `GET /api/sync/epoch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct EpochReply {
    /// Epoch of the server's database.
    pub epoch: String,
    /// The learner's greatest change number.
    pub usn: u64,
}

/// Data of a `changes` event on `GET /api/sync/events`: rows up to `usn` are available.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChangesEvent {
    /// Change number of the newest row.
    pub usn: u64,
    /// Epoch of the server's database.
    pub epoch: String,
}

/// Data of a `catalogue` event on `GET /api/sync/events`: the catalogue has this revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogueEvent {
    /// Another number after each change of the catalogue.
    pub revision: u64,
}
