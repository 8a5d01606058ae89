//! Vocabulary reviews: a set of events and a set of voids. Mastery and due dates are derived from them and never
//! synced.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{Canonical, Extra, Invalid, Join, Validate, check, check_time};
use crate::{BlobHash, EventId, ItemId};

/// A review event. Lattice: a set; if one id ever has two payloads, the greater payload hash wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Review {
    /// Random id, the key of the row.
    pub id: EventId,
    /// `course/word` or `story/word`.
    pub word: ItemId,
    /// 0: added to the review list, not yet reviewed; 1 again, 2 hard, 3 good, 4 easy (FSRS).
    pub rating: u8,
    /// UTC, ms since 1970.
    pub at_ms: i64,
    /// Duration of the answer in milliseconds.
    pub duration_ms: i64,
    /// Fields unknown to this release.
    #[serde(flatten)]
    #[ts(skip)]
    #[cfg_attr(feature = "schema", schema(ignore))]
    pub extra: Extra,
}
impl Review {
    /// Returns the hash of the fields that never change after the first write.
    pub fn payload_hash(&self) -> BlobHash {
        let mut c = Canonical::default();
        c.text(self.word.as_str()).int(self.rating.into()).int(self.at_ms).int(self.duration_ms);
        c.hash()
    }
    /// Returns the canonical bytes of all fields.
    pub fn canonical(&self) -> Canonical {
        let mut c = Canonical::default();
        c.bytes(self.id.0.as_bytes()).bytes(&self.payload_hash().0).text(&self.extra.to_text());
        c
    }
}
impl Join for Review {
    fn join(&mut self, other: &Self) {
        if other.payload_hash() > self.payload_hash() {
            self.word.clone_from(&other.word);
            (self.rating, self.at_ms, self.duration_ms) =
                (other.rating, other.at_ms, other.duration_ms);
        }
        self.extra.join(&other.extra);
    }
}
impl Validate for Review {
    fn validate(&self) -> Result<(), Invalid> {
        check(self.rating <= 4, "rating", "is not between 0 and 4")?;
        check_time(self.at_ms, "atMs")?;
        check(
            (0..=3_600_000).contains(&self.duration_ms),
            "durationMs",
            "is not between 0 and one hour",
        )?;
        self.extra.validate()
    }
}

/// Voids one review (undo). Lattice: a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReviewVoid {
    /// Id of the voided review, the key of the row.
    pub id: EventId,
    /// Fields unknown to this release.
    #[serde(flatten)]
    #[ts(skip)]
    #[cfg_attr(feature = "schema", schema(ignore))]
    pub extra: Extra,
}
impl ReviewVoid {
    /// Returns the canonical bytes of all fields.
    pub fn canonical(&self) -> Canonical {
        let mut c = Canonical::default();
        c.bytes(self.id.0.as_bytes()).text(&self.extra.to_text());
        c
    }
}
impl Join for ReviewVoid {
    fn join(&mut self, other: &Self) {
        self.extra.join(&other.extra);
    }
}
impl Validate for ReviewVoid {
    fn validate(&self) -> Result<(), Invalid> {
        self.extra.validate()
    }
}
