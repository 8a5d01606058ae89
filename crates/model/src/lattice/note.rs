//! Notes and highlights: a set of revisions (heads are those that nobody names as base) and a deletion time.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{Canonical, Extra, Invalid, Join, Validate, check, check_len};
use crate::{BlobHash, Hlc, ItemId, RevisionId};

/// Lattice: a set; if one id ever has two payloads, the greater payload hash wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NoteRevision {
    pub rev: RevisionId,
    pub note: RevisionId,
    /// The revisions that this one replaces; several after a merge.
    #[serde(default)]
    pub base: Vec<RevisionId>,
    pub hlc: Hlc,
    pub item: ItemId,
    pub body: String,
    /// Where in the item, in the item's own terms; empty for a note on the whole.
    #[serde(default)]
    pub anchor: String,
    #[serde(flatten)]
    #[ts(skip)]
    #[cfg_attr(feature = "schema", schema(ignore))]
    pub extra: Extra,
}
impl NoteRevision {
    /// The bases as one text: ids joined by a space, in order.
    pub fn base_text(&self) -> String {
        self.base.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }
    pub fn payload_hash(&self) -> BlobHash {
        let mut c = Canonical::default();
        c.bytes(self.note.0.as_bytes()).text(&self.base_text()).int(self.hlc.raw());
        c.text(self.item.as_str()).text(&self.body).text(&self.anchor);
        c.hash()
    }
    pub fn canonical(&self) -> Canonical {
        let mut c = Canonical::default();
        c.bytes(self.rev.0.as_bytes()).bytes(&self.payload_hash().0).text(&self.extra.to_text());
        c
    }
}
impl Join for NoteRevision {
    fn join(&mut self, other: &Self) {
        if other.payload_hash() > self.payload_hash() {
            let extra = std::mem::take(&mut self.extra);
            *self = Self { extra, ..other.clone() };
        }
        self.extra.join(&other.extra);
    }
}
impl Validate for NoteRevision {
    fn validate(&self) -> Result<(), Invalid> {
        check_len(&self.body, 64 * 1024, "body")?;
        check_len(&self.anchor, 1000, "anchor")?;
        check(self.base.len() <= 16, "base", "names more than 16 revisions")?;
        check(self.hlc > Hlc::ZERO, "hlc", "is zero")?;
        self.extra.validate()
    }
}

/// When a note was last put into the trash. Lattice: the greatest `deleted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NoteLife {
    pub note: RevisionId,
    /// The note is deleted if this is later than all its revisions.
    pub deleted: Hlc,
    #[serde(flatten)]
    #[ts(skip)]
    #[cfg_attr(feature = "schema", schema(ignore))]
    pub extra: Extra,
}
impl NoteLife {
    pub fn canonical(&self) -> Canonical {
        let mut c = Canonical::default();
        c.bytes(self.note.0.as_bytes()).int(self.deleted.raw()).text(&self.extra.to_text());
        c
    }
}
impl Join for NoteLife {
    fn join(&mut self, other: &Self) {
        self.deleted = self.deleted.max(other.deleted);
        self.extra.join(&other.extra);
    }
}
impl Validate for NoteLife {
    fn validate(&self) -> Result<(), Invalid> {
        self.extra.validate()
    }
}
