//! Progress in a section, story or recording, and the last position in it.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{Canonical, Extra, Invalid, Join, Validate, check, check_len, check_time, earliest};
use crate::{DeviceId, Hlc, ItemId, strict};

/// Kind of the item of a progress row. Progress of lessons and courses is derived from their sections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// A section of a course.
    Section,
    /// A story.
    Story,
    /// A recording or video.
    Media,
}

impl ItemKind {
    /// Returns the kind as written on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Section => "section",
            Self::Story => "story",
            Self::Media => "media",
        }
    }
}

/// Progress in one item. Lattice: the greatest `(generation, percent)`; the earliest `done_ms`; the last written
/// position.
///
/// `generation` is increased by an explicit restart, which is the only way to reduce `percent`. `done_ms` is kept over
/// restarts: an item that was finished once stays finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Kind of the item; part of the key.
    pub kind: ItemKind,
    /// The item; part of the key.
    pub item: ItemId,
    /// Number of restarts.
    #[serde(default)]
    pub generation: u32,
    /// 0 to 10,000 (hundredths of a percent).
    #[serde(default)]
    pub percent: u16,
    /// When the item was first finished (UTC, ms since 1970).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub done_ms: Option<i64>,
    /// Last position within the item.
    #[serde(default, deserialize_with = "strict::option", skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub pos: Option<Position>,
    /// Fields unknown to this release.
    #[serde(flatten)]
    #[ts(skip)]
    #[cfg_attr(feature = "schema", schema(ignore))]
    pub extra: Extra,
}

/// A position as a last-writer-wins register: the greatest `(hlc, device, at)`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// Time of the write.
    pub hlc: Hlc,
    /// The device that wrote it.
    pub device: DeviceId,
    /// Position in a format that the item's view defines, for example `p3.s2` (page 3, sentence 2), `b7` (block 7) or
    /// `t61500` (61.5 s).
    pub at: String,
}

impl Progress {
    /// Returns the row without any progress: the bottom of the lattice for this key.
    pub fn none(kind: ItemKind, item: ItemId) -> Self {
        Self {
            kind,
            item,
            generation: 0,
            percent: 0,
            done_ms: None,
            pos: None,
            extra: Extra::default(),
        }
    }
    /// Returns the canonical bytes of all fields.
    pub fn canonical(&self) -> Canonical {
        let mut c = Canonical::default();
        c.text(self.kind.as_str()).text(self.item.as_str());
        c.int(self.generation.into()).int(self.percent.into()).option_int(self.done_ms);
        if let Some(p) = &self.pos {
            c.int(p.hlc.raw()).bytes(p.device.0.as_bytes()).text(&p.at);
        }
        c.text(&self.extra.to_text());
        c
    }
}

impl Join for Progress {
    fn join(&mut self, other: &Self) {
        if (other.generation, other.percent) > (self.generation, self.percent) {
            (self.generation, self.percent) = (other.generation, other.percent);
        }
        self.done_ms = earliest(self.done_ms, other.done_ms);
        if other.pos > self.pos {
            self.pos.clone_from(&other.pos);
        }
        self.extra.join(&other.extra);
    }
}

impl Validate for Progress {
    fn validate(&self) -> Result<(), Invalid> {
        check(self.percent <= 10_000, "percent", "is over 10000")?;
        check(self.generation <= 1_000_000, "generation", "is over 1000000")?;
        if let Some(ms) = self.done_ms {
            check_time(ms, "doneMs")?;
        }
        if let Some(p) = &self.pos {
            check(p.hlc > Hlc::ZERO, "pos.hlc", "is zero")?;
            check_len(&p.at, 200, "pos.at")?;
        }
        self.extra.validate()
    }
}
