//! What support needs to know about this device: metrics, recent actions, checks, logs. Local: nothing is sent.
//!
//! | Module | Content |
//! |---|---|
//! | `metrics` | values with limits, statistics of the last hour, alerts |
//! | `actions` | the spans of recent actions, from the UI to the disk |
//! | `memory` | samples of the memory of this process |
//!
//! Not here: commands of the UI, the list of accounts, the app's folders.

pub mod actions;
pub mod memory;
pub mod metrics;

use std::sync::Arc;

use carrel_system::Clock;

/// The diagnostics of one run.
pub struct Diagnostics {
    clock: Arc<dyn Clock>,
    pub metrics: metrics::Tracker,
    pub actions: actions::RecentActions,
}

impl Diagnostics {
    /// Creates empty diagnostics.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let metrics = metrics::Tracker::new(clock.clone());
        Self { clock, metrics, actions: Default::default() }
    }
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }
}
