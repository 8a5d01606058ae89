//! Where alerts are sent: the table `[alerts]` of the configuration.

use std::path::PathBuf;

use serde::Deserialize;

use crate::alerts::Severity;

/// Receivers of alerts. Without one, alerts are only logged and listed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlertSettings {
    /// Address to which each alert is posted as JSON with a `text`, as chats accept it.
    pub chat_url: String,
    /// Least severity that is posted: `info`, `warning` or `critical`.
    pub chat_from: Severity,
    /// Address of an Events API v2, such as `https://events.pagerduty.com/v2/enqueue`.
    pub pager_url: String,
    /// File with the routing key of the pager.
    pub pager_key_file: Option<PathBuf>,
    pub pager_from: Severity,
    /// Addresses that get a mail; needs the table `[mail]`.
    pub mail: Vec<String>,
    pub mail_from: Severity,
    /// Address of the page with what to do about each alert; the name of the metric is added as `#latency-p99`.
    pub runbook: String,
}

impl Default for AlertSettings {
    fn default() -> Self {
        Self {
            chat_url: String::new(),
            chat_from: Severity::Info,
            pager_url: String::new(),
            pager_key_file: None,
            pager_from: Severity::Critical,
            mail: Vec::new(),
            mail_from: Severity::Warning,
            runbook: "docs/RUNBOOKS.md".to_owned(),
        }
    }
}
