//! Events sent to the UI, and the topics of changes.
//!
//! Not here: how they are produced (`crate::events`).

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{bundle::TransferState, download::DownloadState, sync::SyncStatus};

/// An event sent to the UI. All events use one channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum UiEvent {
    /// Data of these topics changed: views that show it have to repeat their queries.
    Changed { topics: Vec<Topic> },
    /// Progress of a download; at most four events a second per item.
    Download { id: String, state: DownloadState },
    /// Progress of the running export or import; at most four events a second.
    Transfer { state: TransferState },
    /// The state of sync or of the network changed.
    Sync { status: SyncStatus },
    /// The system asked the app to open a file or a link: `take_open_requests` returns it.
    OpenRequested,
}

/// Subject of a change.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(tag = "topic", rename_all = "snake_case")]
pub enum Topic {
    /// The open account, or the list of accounts.
    Account,
    /// Lists of courses and stories.
    Catalogue,
    /// Progress, study time or attempts of this course or story; an empty id means all.
    Progress {
        root: String,
    },
    /// Enrolment in this course; an empty id means all.
    Enrolment {
        course: String,
    },
    /// Words on the review list.
    Words,
    /// Notes, highlights and bookmarks.
    Notes,
    Settings,
    /// Unsent, accepted and refused changes.
    Receipts,
    /// Content on this device.
    Downloads,
    /// Storage limits, or whether the disk is full.
    Storage,
    /// Updates of the app.
    Updates,
}

impl Topic {
    /// Returns every topic, for a UI that missed changes.
    pub fn all() -> Vec<Self> {
        vec![
            Self::Account,
            Self::Catalogue,
            Self::Progress { root: String::new() },
            Self::Enrolment { course: String::new() },
            Self::Words,
            Self::Notes,
            Self::Settings,
            Self::Receipts,
            Self::Downloads,
            Self::Storage,
            Self::Updates,
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ts_rs::{Config, TS};

    use super::*;

    #[test]
    fn all_topics_are_the_variants_of_the_enum() {
        let all: BTreeSet<String> = Topic::all()
            .iter()
            .map(|t| serde_json::to_value(t).expect("JSON")["topic"].to_string())
            .collect();
        // The generated declaration is derived from the enum itself: `{ "topic": "account" } | ...`.
        let declared = Topic::inline(&Config::default());
        let declared: BTreeSet<String> = declared
            .split("\"topic\": ")
            .skip(1)
            .map(|rest| format!("\"{}\"", rest.split('"').nth(1).expect("a name")))
            .collect();
        assert!(declared.len() > 5, "{declared:?}");
        assert_eq!(all, declared);
    }
}
