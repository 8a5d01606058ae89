use carrel_model::ErrorCode;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The one shape of an error for the UI. It writes its text from `code`; `message` is for logs and for support.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[error("{message}")]
pub struct CommandError {
    pub code: ErrorCode,
    pub message: String,
    pub hint: String,
    pub retryable: bool,
    pub correlation_id: String,
    /// Bytes that a download would take, with `not_downloaded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub size: Option<u64>,
    /// Why a file is not written or not taken in: the UI has a sentence for each (`cable.why.*`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub reason: Option<String>,
    /// Whom or what that sentence is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub subject: Option<String>,
}
