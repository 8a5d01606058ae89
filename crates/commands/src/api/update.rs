//! Types of the update commands.
//!
//! Not here: how updates are found and installed (`carrel_update`).

use carrel_client::update::Problem;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What the app knows about its updates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct UpdateView {
    /// Installed version.
    pub version: String,
    /// `stable`, `beta` or `long-term`.
    pub channel: String,
    pub mode: UpdateModeView,
    /// Why this installation never updates itself; none if it does.
    pub disabled: Option<Problem>,
    pub phase: UpdatePhaseView,
    /// The newer version, if there is one.
    pub release: Option<ReleaseView>,
    /// Downloaded bytes.
    pub received: u64,
    /// Why the last operation had no result.
    pub problem: Option<UpdateProblemView>,
    /// Time of the last successful check.
    pub checked_ms: Option<i64>,
    /// Result of the last installation, until `forget_update_report`.
    pub report: Option<UpdateReportView>,
}

/// When an update is downloaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum UpdateModeView {
    /// Downloaded in the background, installed at the end of the app.
    Automatic,
    /// The user decides.
    Notify,
    Off,
}

/// What the updates are doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum UpdatePhaseView {
    Idle,
    Checking,
    UpToDate,
    /// A newer version exists; this device gets it later.
    NotYet,
    Available,
    Downloading,
    Downloaded,
    InstallsOnQuit,
    Installing,
    /// Runs after a restart.
    Installed,
}

/// A newer version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseView {
    pub version: String,
    /// What is new, as Markdown.
    pub notes: String,
    /// Size of the download in bytes.
    pub size: u64,
}

/// Why there is no update. The UI derives its text from `kind`; `message` is for logs and support.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct UpdateProblemView {
    pub kind: Problem,
    /// Why the connection failed: a cause with a message of its own; none if it is not known.
    pub network: Option<String>,
    pub message: String,
}

/// Result of an installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct UpdateReportView {
    pub outcome: UpdateOutcomeView,
    /// The new version.
    pub version: String,
}

/// End of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum UpdateOutcomeView {
    Updated,
    /// The new version did not start twice; the previous one was restored.
    RolledBack,
    /// The new version did not start twice, and there was no previous one to restore.
    NotRolledBack,
    /// The installation was interrupted; the previous version is installed.
    Interrupted,
}

/// When the downloaded update is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct InstallUpdate {
    pub when: InstallTime,
}

/// Time of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum InstallTime {
    /// At once; the app starts again.
    Now,
    OnQuit,
    NotYet,
}
