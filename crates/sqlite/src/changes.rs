//! What a write changed: one event after each transaction, to the views that show these rows and to the sync scheduler.

use std::collections::BTreeSet;

use carrel_model::{ItemId, Slug};
use tokio::sync::broadcast;

/// One thing that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// Who is signed in, or whether the session is good.
    Account,
    /// Lists of courses and stories.
    Catalogue,
    /// Progress, time or attempts under this course or story (the item's root).
    Progress(String),
    Enrolment(Slug),
    Words,
    Settings,
    /// Outbox, receipts or quarantine.
    Receipts,
    /// What is on this device.
    Downloads,
    /// Bytes of one download moved: the id of the course or story, or the item id of the lesson.
    DownloadMoved(String),
    /// Space: limits, or whether the disk is full.
    Storage,
    /// A file that comes or goes by cable moved on.
    Cable,
    /// The state of sync.
    Sync,
    /// The outbox has something new: the scheduler waits for this.
    Outbox,
}

impl Change {
    pub fn progress_of(item: &ItemId) -> Self {
        Self::Progress(item.root().to_owned())
    }
}

/// Many listeners, none of which can hold up a writer.
#[derive(Debug, Clone)]
pub struct Changes {
    sender: broadcast::Sender<BTreeSet<Change>>,
}

impl Changes {
    pub fn new() -> Self {
        Self { sender: broadcast::channel(256).0 }
    }
    /// Tells all listeners. A listener that lags must reload everything it shows.
    pub fn tell(&self, changes: BTreeSet<Change>) {
        if !changes.is_empty() {
            // No listener is fine: nobody looks.
            let _ = self.sender.send(changes);
        }
    }
    pub fn tell_one(&self, change: Change) {
        self.tell(BTreeSet::from([change]));
    }
    pub fn listen(&self) -> broadcast::Receiver<BTreeSet<Change>> {
        self.sender.subscribe()
    }
}
impl Default for Changes {
    fn default() -> Self {
        Self::new()
    }
}
