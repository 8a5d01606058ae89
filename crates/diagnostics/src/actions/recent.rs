//! The list of recent actions.

use std::collections::VecDeque;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Number of actions that are kept.
pub const MAX_ACTIONS: usize = 50;
/// Number of spans of an action that are kept.
pub const MAX_SPANS: usize = 64;

/// An action of the user: a command of the UI, with what it caused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// The id that the UI's call layer created; empty if it sent none.
    pub id: String,
    pub command: String,
    /// Time of its start (UTC, ms).
    pub started_ms: i64,
    /// Time in the core, in microseconds.
    pub duration_us: i64,
    /// Time from the call in the UI to its reply, in microseconds, if the UI reported it.
    pub ui_us: Option<i64>,
    pub failed: bool,
    /// In the order of their starts.
    pub spans: Vec<ActionSpan>,
    /// Number of spans that are not in the list.
    pub left_out: u32,
}

/// A part of an action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ActionSpan {
    /// `db.read`, `db.write` or `http`.
    pub name: String,
    /// Name of the operation, such as `record` or `get`.
    pub label: String,
    /// Microseconds from the start of the action.
    pub start_us: i64,
    pub duration_us: i64,
    pub failed: bool,
}

/// The newest actions, newest first.
#[derive(Default)]
pub struct RecentActions {
    list: Mutex<VecDeque<Action>>,
}

impl RecentActions {
    /// Adds an action; the oldest is dropped if the list is full.
    pub fn push(&self, action: Action) {
        let mut list = self.list.lock();
        list.truncate(MAX_ACTIONS - 1);
        list.push_front(action);
    }
    /// Stores the time that the UI measured. Unknown ids are ignored: the action may have been dropped.
    pub fn set_ui_time(&self, id: &str, ui_us: i64) {
        let mut list = self.list.lock();
        if let Some(action) = list.iter_mut().find(|a| a.id == id) {
            // The call in the UI contains the command.
            action.ui_us = Some(ui_us.max(action.duration_us));
        }
    }
    /// Returns the actions, newest first.
    pub fn list(&self) -> Vec<Action> {
        self.list.lock().iter().cloned().collect()
    }
}
