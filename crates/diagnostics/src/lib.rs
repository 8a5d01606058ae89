//! What support needs to know about this device: metrics, recent actions, checks, logs. Nothing is sent, except durations
//! that a learner allowed the app to send (`carrel_commands`).
//!
//! | Module | Content |
//! |---|---|
//! | `metrics` | values with limits, statistics of the last hour, alerts |
//! | `actions` | the spans of recent actions, from the UI to the disk |
//! | `doctor` | checks of this device, with causes and what to do |
//! | `redact` | removes private parts from texts |
//! | `logs`, `crash`, `bundle` | the log file, reports of panics, the support bundle |
//! | `memory` | samples of the memory of this process |
//!
//! Not here: commands of the UI, the list of accounts, the app's folders.

pub mod actions;
pub mod bundle;
pub mod crash;
pub mod doctor;
pub mod logs;
pub mod memory;
pub mod metrics;
pub mod redact;

use std::sync::Arc;

use carrel_system::Clock;

/// The diagnostics of one run.
pub struct Diagnostics {
    clock: Arc<dyn Clock>,
    pub metrics: metrics::Tracker,
    pub actions: actions::RecentActions,
    /// What is removed from logs, crash reports and support bundles.
    pub redactor: Arc<redact::Redactor>,
}

impl Diagnostics {
    /// Creates empty diagnostics.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let metrics = metrics::Tracker::new(clock.clone());
        let redactor = Arc::new(redact::Redactor::of_this_system());
        Self { clock, metrics, actions: Default::default(), redactor }
    }
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }
}
