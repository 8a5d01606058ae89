//! Types of the sync commands: status, receipts, refused changes.
//!
//! Not here: the sync protocol (`carrel_sync`).

use std::collections::BTreeMap;

use carrel_model::{ErrorCode, lattice::RowType};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum SyncPhase {
    /// The account has no server.
    Local,
    Idle,
    Running,
    /// The network or the server is unavailable. Sync is retried automatically.
    Offline,
    /// The session ended: sign in again. Unsent changes are kept.
    SignedOut,
    /// The server returned an error. Sync is retried automatically.
    ServerError,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SyncStatus {
    pub phase: SyncPhase,
    /// When the phase started (UTC, ms).
    pub since_ms: i64,
    /// Number of unsent changes.
    pub waiting: u32,
    /// Number of changes that the server refused. They are kept on this device.
    pub refused: u32,
    /// When the last sync succeeded (UTC, ms).
    pub last_ok_ms: Option<i64>,
    /// Time of the next automatic attempt (UTC, ms).
    pub next_try_ms: Option<i64>,
    pub error: Option<ErrorCode>,
    /// While the phase is `offline`: why the server cannot be reached, if it is known; the UI has a message for each
    /// (`network.*`).
    pub network: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptList {
    pub waiting: Vec<Receipt>,
    pub refused: Vec<Receipt>,
    /// The newest 100.
    pub accepted: Vec<Receipt>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptState {
    SavedHere,
    Sent,
    Accepted,
    Refused,
}

/// State of one change made by the learner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The row's type and key; does not change.
    pub id: String,
    pub row_type: RowType,
    /// Title of the item that changed, or its id if the title is not on this device.
    pub title: String,
    /// Title of the course that contains it, if any.
    pub course_title: String,
    /// Of progress: hundredths of a percent, 0 to 10,000.
    pub percent: Option<u16>,
    /// Of study time: milliseconds.
    pub active_ms: Option<i64>,
    pub state: ReceiptState,
    pub at_ms: i64,
    /// Why the server refused the change, in English, for support; empty if it did not.
    pub reason: String,
    /// Name of the reason, for which the UI has a message (`sync.reason.*`); empty if it has none.
    pub reason_name: String,
    /// Parameters of that message.
    pub reason_params: BTreeMap<String, String>,
    /// `invalid`, `forbidden`, `too_new` or `clock_skew`; empty if the change was not refused.
    pub code: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptRef {
    pub id: String,
}

/// The refused changes as JSON text, for a teacher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ExportReply {
    pub file_name: String,
    pub text: String,
}
