//! Vocabulary reviews: a set of events and a set of voids. States, due dates and mastery are derived from them
//! (`carrel-scheduling`) and never synced.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{Canonical, Extra, Invalid, Join, Validate, check, check_time, study_day};
use crate::{BlobHash, CardKey, EventId, ItemId};

/// What a learner did in a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReviewKind {
    /// The first answer to a new card, or the word was added to the list.
    Learn,
    /// An answer to a card that was due.
    Review,
    /// An answer to a card that was answered "again" on the same day.
    AgainToday,
    /// Practice outside the schedule. Does not change the state of the card.
    Cram,
    /// An answer by ear.
    Listen,
    /// A typed answer.
    Typed,
}

impl ReviewKind {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Learn, Self::Review, Self::AgainToday, Self::Cram, Self::Listen, Self::Typed];

    /// Returns the kind as written on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Learn => "learn",
            Self::Review => "review",
            Self::AgainToday => "again_today",
            Self::Cram => "cram",
            Self::Listen => "listen",
            Self::Typed => "typed",
        }
    }
    /// Parses a kind as written on the wire.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A review event. Lattice: a set; if one id ever has two payloads, the greater payload hash wins.
///
/// Rows of sync version 1 have no `day`, `off_min`, `kind`, `card` and `params`; rows of version 2 have all of them. A
/// release that supports version 1 only keeps them as unknown fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Review {
    /// Random id, the key of the row.
    pub id: EventId,
    /// The entry that was shown: `course/word` or `story/word`.
    pub word: ItemId,
    /// 0: added to the review list, not yet reviewed; 1 again, 2 hard, 3 good, 4 easy (FSRS).
    pub rating: u8,
    /// UTC, ms since 1970, corrected by the known error of the device's clock.
    pub at_ms: i64,
    /// Duration of the answer in milliseconds.
    pub duration_ms: i64,
    /// The learner's study day: days since 1970-01-01 in the zone and with the start of the day of that moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub day: Option<i32>,
    /// Offset of the learner's time zone from UTC, in minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub off_min: Option<i16>,
    /// What the learner did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub kind: Option<ReviewKind>,
    /// The card that was reviewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub card: Option<CardKey>,
    /// Id of the parameter set by which the intervals were computed (`params_id`); empty for the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub params: Option<String>,
    /// Fields unknown to this release.
    #[serde(flatten)]
    #[ts(skip)]
    #[cfg_attr(feature = "schema", schema(ignore))]
    pub extra: Extra,
}
impl Review {
    /// Returns the study day. For a row of sync version 1: the UTC day.
    pub fn study_day(&self) -> i32 {
        self.day.unwrap_or_else(|| study_day(self.at_ms, 0, 0))
    }
    /// Returns the hash of the fields that never change after the first write.
    pub fn payload_hash(&self) -> BlobHash {
        let mut c = Canonical::default();
        c.text(self.word.as_str()).int(self.rating.into()).int(self.at_ms).int(self.duration_ms);
        // Without these fields, the hash is that of sync version 1.
        let fields = (self.day, self.off_min, self.kind, &self.card, &self.params);
        if fields != (None, None, None, &None, &None) {
            c.option_int(self.day.map(i64::from)).option_int(self.off_min.map(i64::from));
            c.text(self.kind.map_or("", ReviewKind::as_str));
            c.text(self.card.as_ref().map_or("", CardKey::as_str));
            c.option_text(self.params.as_deref());
        }
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
            let extra = std::mem::take(&mut self.extra);
            *self = Self { extra, ..other.clone() };
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
        let has = [
            self.day.is_some(),
            self.off_min.is_some(),
            self.kind.is_some(),
            self.card.is_some(),
            self.params.is_some(),
        ];
        let is_whole = has.iter().all(|h| *h == has[0]);
        check(is_whole, "day", "is not together with offMin, kind, card and params")?;
        check_day(self.day, self.off_min, self.at_ms)?;
        let params = self.params.as_deref().unwrap_or_default();
        check(params.is_empty() || is_params_id(params), "params", "is not 16 hex digits")?;
        self.extra.validate()
    }
}

/// Checks the study day and the time zone of an event at `at_ms`. The day of each zone, with a day that starts by noon
/// at the latest, differs by at most one from the UTC day.
pub(super) fn check_day(day: Option<i32>, off_min: Option<i16>, at_ms: i64) -> Result<(), Invalid> {
    let utc = i64::from(study_day(at_ms, 0, 0));
    let is_near = day.is_none_or(|day| (i64::from(day) - utc).abs() <= 1);
    check(is_near, "day", "is not the day of that time in any time zone")?;
    let is_zone = off_min.is_none_or(|min| (-12 * 60..=14 * 60).contains(&min));
    check(is_zone, "offMin", "is not between -720 and 840")
}

/// Returns the id of a parameter set with this content: 16 hex digits of its hash.
pub fn params_id(content: &str) -> String {
    let mut id = BlobHash::of(content.as_bytes()).to_hex();
    id.truncate(16);
    id
}
fn is_params_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn version_1() -> Review {
        let json = r#"{"id":"00000000-0000-0000-0000-000000000007","word":"rivers/meander","rating":3,
            "atMs":1795176000000,"durationMs":2000}"#;
        serde_json::from_str(json).unwrap()
    }
    fn version_2() -> Review {
        Review {
            day: Some(20_777),
            off_min: Some(180),
            kind: Some(ReviewKind::Review),
            card: Some(CardKey::new("en//meander").unwrap()),
            params: Some(String::new()),
            ..version_1()
        }
    }

    /// The shape of a review in releases that support sync version 1 only.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct OldReview {
        id: EventId,
        word: ItemId,
        rating: u8,
        at_ms: i64,
        duration_ms: i64,
        #[serde(flatten)]
        extra: Extra,
    }

    #[test]
    fn an_older_release_keeps_the_fields_that_it_does_not_know() {
        let json = serde_json::to_string(&version_2()).unwrap();
        let old: OldReview = serde_json::from_str(&json).unwrap();
        assert!(old.extra.validate().is_ok(), "an older server accepts the row");
        assert_eq!((old.word.as_str(), old.rating), ("rivers/meander", 3), "and shows the word");
        let mut stored = old.clone();
        stored.extra = Extra::from_text(&old.extra.to_text());
        let back = serde_json::to_string(&stored).unwrap();
        assert_eq!(serde_json::from_str::<Review>(&back).unwrap(), version_2());
    }

    #[test]
    fn the_payload_hash_of_an_old_row_did_not_change() {
        let mut c = Canonical::default();
        c.text("rivers/meander").int(3).int(1_795_176_000_000).int(2_000);
        assert_eq!(version_1().payload_hash(), c.hash());
        assert_ne!(version_2().payload_hash(), version_1().payload_hash());
    }

    #[test]
    fn each_field_of_a_review_is_part_of_its_payload() {
        let changes: [fn(&mut Review); 9] = [
            |r| r.word = ItemId::new("rivers/delta").unwrap(),
            |r| r.rating = 4,
            |r| r.at_ms += 1,
            |r| r.duration_ms += 1,
            |r| r.day = Some(20_778),
            |r| r.off_min = Some(0),
            |r| r.kind = Some(ReviewKind::Cram),
            |r| r.card = Some(CardKey::new("en//delta").unwrap()),
            |r| r.params = Some("0123456789abcdef".into()),
        ];
        for (i, change) in changes.into_iter().enumerate() {
            let mut other = version_2();
            change(&mut other);
            assert_ne!(other.payload_hash(), version_2().payload_hash(), "field {i}");
            let mut joined = version_2();
            joined.join(&other);
            let wins = other.payload_hash() > version_2().payload_hash();
            assert_eq!(joined, if wins { other } else { version_2() }, "field {i}");
        }
    }

    #[test]
    fn rows_of_version_2_are_whole() {
        assert_eq!(version_1().validate(), Ok(()));
        assert_eq!(version_2().validate(), Ok(()));
        type Case = (fn(&mut Review), Option<&'static str>);
        let table: [Case; 12] = [
            (|r| r.day = None, Some("day")),
            (|r| r.off_min = None, Some("day")),
            (|r| r.kind = None, Some("day")),
            (|r| r.card = None, Some("day")),
            (|r| r.params = None, Some("day")),
            (|r| r.day = Some(20_776), None),
            (|r| r.day = Some(20_778), None),
            (|r| r.day = Some(20_779), Some("day")),
            (|r| r.day = Some(20_775), Some("day")),
            (|r| r.off_min = Some(841), Some("offMin")),
            (|r| r.params = Some("0123456789abcdeF".into()), Some("params")),
            (|r| r.params = Some("0123456789abcdef".into()), None),
        ];
        for (i, (change, field)) in table.into_iter().enumerate() {
            let mut row = version_2();
            change(&mut row);
            assert_eq!(row.validate().err().map(|e| e.field), field, "case {i}");
        }
    }
}
