//! Types of the diagnostics commands: figures of the response cache, metrics, alerts, recent actions.
//!
//! Not here: how they are counted (`carrel_http_cache`) and measured (`carrel_diagnostics`).

use carrel_diagnostics::{
    actions::Action,
    crash::CrashReport,
    metrics::{Alert, MetricReport},
};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Number of responses by route and source since the start, and the size of the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CacheFigures {
    /// One entry per row of the route table, in its order, and one (`*`) for all other routes.
    pub routes: Vec<RouteFigures>,
    pub total: TierCounts,
    /// Bytes of responses in memory, and their limit.
    pub memory_bytes: u64,
    pub memory_budget: u64,
    /// Bytes of responses in `cache.db`, and their limit.
    pub disk_bytes: u64,
    pub disk_budget: u64,
    /// Responses evicted from `cache.db` to stay within its budget.
    pub evicted: u64,
    /// The server could not be reached at the last attempt.
    pub offline: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RouteFigures {
    /// Pattern such as `/api/courses/*`, in which `*` stands for one segment.
    pub route: String,
    /// `cache-first`, `stale-while-revalidate` or `network-only`.
    pub strategy: String,
    pub counts: TierCounts,
}

/// Number of responses by source, and by other properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TierCounts {
    /// Responses from memory.
    pub memory: u64,
    /// Responses from `cache.db`.
    pub disk: u64,
    /// Responses from the network.
    pub network: u64,
    /// Stored responses that the server confirmed as current.
    pub revalidated: u64,
    /// Stored responses used although stale, or because the server could not be reached.
    pub stale: u64,
    /// Responses to the network request of another caller.
    pub coalesced: u64,
    /// Not requested, because a recent request failed or returned "not found".
    pub negative: u64,
    /// Requests without a response.
    pub failed: u64,
    /// Share of responses without bytes from the network, in hundredths of a percent; none if there were no responses.
    pub hit_rate: Option<u16>,
}

/// Metrics of the last hour, alerts and recent actions of this run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DiagnosticsReport {
    /// Release of the app.
    pub version: String,
    /// Time of the report (UTC, ms).
    pub now_ms: i64,
    /// One entry per metric.
    pub metrics: Vec<MetricReport>,
    /// Critical ones first.
    pub alerts: Vec<Alert>,
    /// Newest first.
    pub actions: Vec<Action>,
}

/// What the UI measured since its last report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct UiMeasurements {
    pub samples: Vec<UiSample>,
    /// Metrics of the UI that its web view cannot measure.
    pub unsupported: Vec<String>,
    pub actions: Vec<UiAction>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct UiSample {
    /// Name of a metric of the UI: `render.time` or `vitals.*`.
    pub metric: String,
    pub value: f64,
    /// Name of the screen or operation: lower-case letters, digits, `.`, `_`, `-`.
    pub context: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct UiAction {
    /// The id that was sent with the command.
    pub id: String,
    /// Time from the call to its reply in milliseconds.
    pub ms: f64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AlertRef {
    pub alert: String,
}

/// A support bundle that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SavedBundle {
    pub path: String,
    pub bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CrashReportList {
    /// Newest first, at most five.
    pub reports: Vec<CrashReport>,
}
