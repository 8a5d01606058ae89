//! Problem details: the body of every error reply.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ErrorCode;

/// Problem details (RFC 9457), media type `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Identifies the problem type: `/problems/CODE`, a reference relative to the server (RFC 9457, 3.1.1). Clients
    /// branch on `code` instead. Older servers sent `about:blank#CODE`.
    #[serde(rename = "type")]
    pub problem_type: String,
    /// Short description of the problem type.
    pub title: String,
    /// HTTP status of the reply.
    pub status: u16,
    /// Code for clients to branch on.
    pub code: ErrorCode,
    /// What failed on which input; for logs.
    #[serde(default)]
    pub detail: String,
    /// What the user can do about it.
    #[serde(default)]
    pub hint: String,
    /// True if the same request may succeed later.
    #[serde(default)]
    pub retryable: bool,
    /// Identifies the request in the server's log.
    #[serde(default)]
    pub correlation_id: String,
    /// Minimum time before a retry, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub retry_after_ms: Option<u64>,
}
