//! Registers: settings, bookmarks, enrolment requests; and the server's decision on an enrolment.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{Canonical, Extra, Invalid, Join, Validate, check, check_len, params_id};
use crate::{DeviceId, Hlc, ItemId, Slug};

/// Namespace of enrolment requests. The key is the id of a course; the value is `true` if enrolment is requested,
/// otherwise `false` or `null`.
pub const ENROLMENT: &str = "enrolment";

/// Namespace of what a learner set for a card. The key is a field and the key of the card, `suspended/en//meander`;
/// see `carrel-learning`.
pub const CARD: &str = "card";
/// Namespace of the settings of reviews.
pub const REVIEW: &str = "review";
/// Namespace of the parameter sets of the schedule. The key is derived from the value (`params_id`), so the registers
/// are a set: a key never has two values, and nothing is lost if two devices train parameters at the same time.
pub const PARAMS: &str = "params";
/// Namespace of the exercises after a story. The key is `story#run` or `story#run/exercise`; see `carrel-learning`.
pub const EXERCISE: &str = "exercise";
/// Namespace of the programs in sections that printed what was asked. The key is `section#program`; the value is `true`.
pub const PROGRAM: &str = "program";
/// Separates the id of the story or section from that of the run or program.
pub const EXERCISE_SEPARATOR: char = '#';
/// Namespace of the starts of sentences that a learner corrected. The key is the hash of the recording; the value is a
/// list of milliseconds or `null`.
pub const TIMING: &str = "timing";

/// Namespace of what a learner keeps of a word beside its card: the sentence in which it was found, and for a word that
/// no course has its meaning. The key is 32 hex digits of the hash of the card; see `carrel-learning`.
pub const WORD: &str = "word";

/// A register. Lattice: last writer wins, the greatest `(hlc, device, value)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Kv {
    /// Namespace, such as `setting`, `enrolment`, `card`, `review`, `params` or `word`; rows of other namespaces are
    /// stored and synced too. Part of the key.
    pub ns: String,
    /// Name within the namespace; part of the key.
    pub key: String,
    /// Compact JSON text; `null` means "not set".
    pub value: String,
    /// Time of the write.
    pub hlc: Hlc,
    /// The device that wrote it.
    pub device: DeviceId,
    /// Fields unknown to this release.
    #[serde(flatten)]
    #[ts(skip)]
    #[cfg_attr(feature = "schema", schema(ignore))]
    pub extra: Extra,
}
impl Kv {
    /// Returns the story of a register in `EXERCISE`, or the section of one in `PROGRAM`.
    pub fn exercise_item(&self) -> Option<ItemId> {
        ItemId::new(self.key.split_once(EXERCISE_SEPARATOR)?.0).ok()
    }
    /// Returns the canonical bytes of all fields.
    pub fn canonical(&self) -> Canonical {
        let mut c = Canonical::default();
        c.text(&self.ns)
            .text(&self.key)
            .int(self.hlc.raw())
            .bytes(self.device.0.as_bytes())
            .text(&self.value);
        c.text(&self.extra.to_text());
        c
    }
}
impl Join for Kv {
    fn join(&mut self, other: &Self) {
        if (other.hlc, other.device, &other.value) > (self.hlc, self.device, &self.value) {
            (self.hlc, self.device) = (other.hlc, other.device);
            self.value.clone_from(&other.value);
        }
        self.extra.join(&other.extra);
    }
}
impl Validate for Kv {
    fn validate(&self) -> Result<(), Invalid> {
        check(!self.ns.is_empty(), "ns", "is empty")?;
        check_len(&self.ns, 40, "ns")?;
        // U+001F separates the fields of a key in its text form.
        check(!self.ns.contains('\u{1f}'), "ns", "contains U+001F")?;
        check(!self.key.is_empty(), "key", "is empty")?;
        check_len(&self.key, 300, "key")?;
        check_len(&self.value, 16 * 1024, "value")?;
        check(self.hlc > Hlc::ZERO, "hlc", "is zero")?;
        if self.ns == ENROLMENT {
            let known = matches!(self.value.as_str(), "true" | "false" | "null");
            check(known, "value", "is not true, false or null")?;
        }
        if self.ns == PARAMS {
            let is_content = self.key == params_id(&self.value);
            check(is_content, "key", "is not the hash of the value")?;
        }
        self.extra.validate()
    }
}

/// The server's decision on an enrolment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DecisionStatus {
    /// Not decided yet.
    Pending,
    /// Enrolled.
    Active,
    /// Refused, with a reason.
    Refused,
}
impl DecisionStatus {
    /// Returns the status as written on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Refused => "refused",
        }
    }
}

/// A decision on an enrolment, written only by the server. Lattice: the greatest `(rev, status, reason)` for each
/// course (status by its text).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// Id of the course, the key of the row.
    pub course: Slug,
    /// Increased by one with each decision.
    pub rev: u32,
    /// The decision.
    pub status: DecisionStatus,
    /// Reason for display; may be empty.
    #[serde(default)]
    pub reason: String,
    /// Fields unknown to this release.
    #[serde(flatten)]
    #[ts(skip)]
    #[cfg_attr(feature = "schema", schema(ignore))]
    pub extra: Extra,
}
impl Decision {
    /// Returns the canonical bytes of all fields.
    pub fn canonical(&self) -> Canonical {
        let mut c = Canonical::default();
        c.text(self.course.as_str())
            .int(self.rev.into())
            .text(self.status.as_str())
            .text(&self.reason);
        c.text(&self.extra.to_text());
        c
    }
}
impl Join for Decision {
    fn join(&mut self, other: &Self) {
        if (other.rev, other.status.as_str(), &other.reason)
            > (self.rev, self.status.as_str(), &self.reason)
        {
            (self.rev, self.status) = (other.rev, other.status);
            self.reason.clone_from(&other.reason);
        }
        self.extra.join(&other.extra);
    }
}
impl Validate for Decision {
    fn validate(&self) -> Result<(), Invalid> {
        check_len(&self.reason, 1000, "reason")?;
        self.extra.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_set_has_the_key_of_its_content() {
        let kv = |key: &str, value: &str| Kv {
            ns: PARAMS.into(),
            key: key.into(),
            value: value.into(),
            hlc: Hlc::ZERO.tick(1),
            device: DeviceId::from_u128(1),
            extra: Extra::default(),
        };
        let value = r#"{"algo":"fsrs6"}"#;
        assert!(kv(&params_id(value), value).validate().is_ok());
        for (key, value) in [(params_id(value), "null"), ("x".into(), value), (String::new(), "")] {
            assert!(kv(&key, value).validate().is_err(), "{key} {value}");
        }
    }
}
