use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ErrorCode;

/// Problem details (RFC 9457), media type `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// `/problems/CODE`, a reference relative to the server (RFC 9457, 3.1.1): identifies the kind; clients branch on `code`.
    /// Older servers wrote `about:blank#CODE`.
    #[serde(rename = "type")]
    pub problem_type: String,
    pub title: String,
    pub status: u16,
    pub code: ErrorCode,
    /// What failed on which input; for logs.
    #[serde(default)]
    pub detail: String,
    /// What to do about it.
    #[serde(default)]
    pub hint: String,
    #[serde(default)]
    pub retryable: bool,
    /// Finds the request in the server's log.
    #[serde(default)]
    pub correlation_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub retry_after_ms: Option<u64>,
}
