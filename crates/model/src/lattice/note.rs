//! Notes and highlights: a set of revisions and a time of deletion. The current revisions are those that are not the
//! base of another revision.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{Canonical, Extra, Invalid, Join, Validate, check, check_len};
use crate::{BlobHash, Hlc, ItemId, RevisionId};

/// A revision of a note. Lattice: a set; if one id ever has two payloads, the greater payload hash wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NoteRevision {
    /// Random id of the revision, the key of the row.
    pub rev: RevisionId,
    /// Id of the note.
    pub note: RevisionId,
    /// The revisions that this one replaces; several after a merge.
    #[serde(default)]
    pub base: Vec<RevisionId>,
    /// Time of the write.
    pub hlc: Hlc,
    /// The item that the note is about.
    pub item: ItemId,
    /// Text of the note.
    pub body: String,
    /// Position within the item, in a format that the item's view defines; empty for a note on the whole item.
    #[serde(default)]
    pub anchor: String,
    /// Fields unknown to this release.
    #[serde(flatten)]
    #[ts(skip)]
    #[cfg_attr(feature = "schema", schema(ignore))]
    pub extra: Extra,
}
impl NoteRevision {
    /// Returns the bases as one text: ids in order, separated by spaces.
    pub fn base_text(&self) -> String {
        self.base.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }
    /// Returns the hash of the fields that never change after the first write.
    pub fn payload_hash(&self) -> BlobHash {
        let mut c = Canonical::default();
        c.bytes(self.note.0.as_bytes()).text(&self.base_text()).int(self.hlc.raw());
        c.text(self.item.as_str()).text(&self.body).text(&self.anchor);
        c.hash()
    }
    /// Returns the canonical bytes of all fields.
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
        check(self.base.len() <= 16, "base", "contains more than 16 revisions")?;
        check(self.hlc > Hlc::ZERO, "hlc", "is zero")?;
        self.extra.validate()
    }
}

/// The last deletion of a note. Lattice: the greatest `deleted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NoteLife {
    /// Id of the note, the key of the row.
    pub note: RevisionId,
    /// The note is deleted if this is later than all its revisions.
    pub deleted: Hlc,
    /// Fields unknown to this release.
    #[serde(flatten)]
    #[ts(skip)]
    #[cfg_attr(feature = "schema", schema(ignore))]
    pub extra: Extra,
}
impl NoteLife {
    /// Returns the canonical bytes of all fields.
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
