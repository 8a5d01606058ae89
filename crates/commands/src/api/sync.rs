use carrel_model::{ErrorCode, lattice::RowType};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum SyncPhase {
    /// No server behind this account: the demo library.
    Local,
    Idle,
    Running,
    /// No network or no server; goes on by itself.
    Offline,
    /// The session ended: sign in again. Everything is kept.
    SignedOut,
    /// The server answered with a fault; tried again by itself.
    Trouble,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SyncStatus {
    pub phase: SyncPhase,
    /// Since when the phase holds.
    pub since_ms: i64,
    /// Things that wait to be sent.
    pub waiting: u32,
    /// Things that the server refused; kept on this device.
    pub refused: u32,
    pub last_ok_ms: Option<i64>,
    /// When it will be tried again by itself.
    pub next_try_ms: Option<i64>,
    pub error: Option<ErrorCode>,
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

/// What became of one thing the learner did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// Stable: the row's type and key.
    pub id: String,
    pub row_type: RowType,
    /// Title of what it is about, or the item's id if the title is not known here.
    pub title: String,
    /// Title of the course, if it is in one.
    pub course_title: String,
    /// Kind-dependent facts for the line below: percent (0 to 10,000), minutes, score.
    pub percent: Option<u16>,
    pub active_ms: Option<i64>,
    pub state: ReceiptState,
    pub at_ms: i64,
    /// Why it was refused, in the server's words.
    pub reason: String,
    /// `invalid`, `forbidden`, `too_new`, `clock_skew` for refused ones.
    pub code: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptRef {
    pub id: String,
}

/// What was refused, as JSON text, to be handed to a teacher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ExportReply {
    pub file_name: String,
    pub text: String,
}
