use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{bundle::CableState, download::DownloadState, sync::SyncStatus};

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
    /// Progress, time or attempts of this course or story; an empty id stands for all of them.
    Progress {
        root: String,
    },
    /// Enrolment in this course; an empty id stands for all of them.
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

impl Topic {
    /// Every topic, for a window that missed changes.
    pub fn all() -> Vec<Self> {
        vec![
            Self::Account,
            Self::Catalogue,
            Self::Progress { root: String::new() },
            Self::Enrolment { course: String::new() },
            Self::Words,
            Self::Settings,
            Self::Receipts,
            Self::Downloads,
            Self::Storage,
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
        // The generated declaration is made from the enum itself: `{ "topic": "account" } | ...`.
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
