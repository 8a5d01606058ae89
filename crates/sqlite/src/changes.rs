//! Change events, published after each commit, for the views that display the rows and for the sync scheduler.
//!
//! Not here: the reactions of listeners to a change.

use std::collections::BTreeSet;

use carrel_model::{ItemId, Slug};
use tokio::sync::broadcast;

/// A kind of data that changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// The signed-in account, or the state of its session.
    Account,
    /// Lists of courses and stories.
    Catalogue,
    /// Progress, time or attempts under this course or story (the item's root).
    Progress(String),
    Enrolment(Slug),
    Words,
    /// Notes, highlights and bookmarks.
    Notes,
    Settings,
    /// Outbox, receipts or quarantine.
    Receipts,
    /// Content on this device.
    Downloads,
    /// Progress of one download: the id of the course or story, or the item id of the lesson.
    DownloadProgress(String),
    /// Storage limits, or whether the disk is full.
    Storage,
    /// Progress of the running export or import.
    Transfer,
    /// The state of sync.
    Sync,
    /// The state of updates of the app.
    Updates,
    /// The outbox has a new row, for the sync scheduler.
    Outbox,
}

impl Change {
    pub fn progress_of(item: &ItemId) -> Self {
        Self::Progress(item.root().to_owned())
    }
}

/// Sends changes to any number of listeners, none of which can block a writer.
#[derive(Debug, Clone)]
pub struct Changes {
    sender: broadcast::Sender<BTreeSet<Change>>,
}

impl Changes {
    pub fn new() -> Self {
        Self { sender: broadcast::channel(256).0 }
    }
    /// Sends changes to all listeners. A listener that lags must reload everything it displays.
    pub fn publish(&self, changes: BTreeSet<Change>) {
        if !changes.is_empty() {
            // An error means that there are no listeners.
            let _ = self.sender.send(changes);
        }
    }
    pub fn publish_one(&self, change: Change) {
        self.publish(BTreeSet::from([change]));
    }
    pub fn subscribe(&self) -> broadcast::Receiver<BTreeSet<Change>> {
        self.sender.subscribe()
    }
}
impl Default for Changes {
    fn default() -> Self {
        Self::new()
    }
}
