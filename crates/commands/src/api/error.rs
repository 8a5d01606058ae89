//! The error type of all commands.
//!
//! Not here: the conversion of client errors (`crate::error`).

use carrel_model::ErrorCode;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The error type of all commands. The UI derives its text from `code`; `message` is for logs and support.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[error("{message}")]
pub struct CommandError {
    pub code: ErrorCode,
    pub message: String,
    pub hint: String,
    pub retryable: bool,
    pub correlation_id: String,
    /// Size of the download in bytes, for `not_downloaded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub size: Option<u64>,
    /// Code of the reason why a file was not written or not imported; the UI has a message for each
    /// (`bundle.error.*`). Or why a PIN was not accepted: `pin_wrong`, `pin_wait`, `pin_required`, `pin_invalid`. Or, for `offline`, why the server
    /// cannot be reached (`network.*`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub reason: Option<String>,
    /// The name that the message for `reason` refers to; for `managed` the key of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub subject: Option<String>,
    /// Time before the same call can succeed, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub retry_after_ms: Option<u64>,
}
