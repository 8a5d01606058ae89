//! Types of the commands of the screens for staff: requests to the server with the session of the open account.
//!
//! Not here: the paths that can be requested (`carrel_client`), the types of the server's replies (docs/API.md).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StaffGet {
    /// Path with its query, such as `/api/v1/admin/classes`.
    pub path: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "UPPERCASE")]
pub enum StaffMethod {
    Post,
    Put,
    Patch,
    Delete,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StaffSend {
    pub method: StaffMethod,
    pub path: String,
    /// Media type of the body.
    #[serde(default)]
    #[ts(optional)]
    pub content_type: Option<String>,
    #[serde(default)]
    #[ts(optional)]
    pub body: Option<String>,
    /// A file that the UI uploaded (`get_upload_url`), in place of the body. It is deleted when the server has it.
    #[serde(default)]
    #[ts(optional)]
    pub file: Option<PathBuf>,
}

/// A reply of the server. A refusal is an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StaffResult {
    pub status: u16,
    /// Null if the reply is a text or empty.
    #[ts(type = "unknown")]
    pub json: Value,
    /// A reply that is not JSON, such as a page for print.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub text: Option<String>,
    /// When the server sent it (UTC, ms since 1970).
    pub as_of_ms: i64,
    /// The server could not be reached: the reply was stored earlier.
    pub is_stored: bool,
}
