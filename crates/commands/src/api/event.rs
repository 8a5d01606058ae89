use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{cable::CableState, download::DownloadState, sync::SyncStatus};

/// What the core tells the window without being asked. One channel carries all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum UiEvent {
    /// Rows under these topics are not what they were: views that show them ask again.
    Changed { topics: Vec<Topic> },
    /// A download moved on; at most four a second for one item.
    Download { id: String, state: DownloadState },
    /// The file that comes or goes by cable moved on; at most four times a second.
    Cable { state: CableState },
    /// The state of sync or of the network changed.
    Sync { status: SyncStatus },
}

/// What a change is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(tag = "topic", rename_all = "snake_case")]
pub enum Topic {
    /// Who is signed in.
    Account,
    /// Lists of courses and stories.
    Catalogue,
    /// Progress, time or attempts of this course or story.
    Progress {
        root: String,
    },
    /// Enrolment in this course.
    Enrolment {
        course: String,
    },
    /// Saved words.
    Words,
    Settings,
    /// What waits, what was accepted, what was refused.
    Receipts,
    /// What is on this device.
    Downloads,
    /// Space: limits, or whether the disk is full.
    Storage,
}
