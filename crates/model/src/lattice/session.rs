//! Time studied. One row is one stretch of study without a pause; a pause ends it and the next stretch is a new row.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{Canonical, Extra, Invalid, Join, Validate, check, check_time};
use crate::{BlobHash, DeviceId, ItemId, SessionId};

/// Lattice: immutable part by greatest payload hash x greatest `active_ms`.
///
/// Keyed by a random id and not by device, because a device's counter breaks when a disk is cloned or a backup restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Session {
    pub id: SessionId,
    pub item: ItemId,
    pub device: DeviceId,
    /// UTC, ms since 1970.
    pub started_ms: i64,
    /// The learner's own calendar day when it started: `2026-11-20`.
    pub day: String,
    /// Measured with a monotonic clock: milliseconds since `started_ms` that were really spent reading.
    pub active_ms: i64,
    #[serde(flatten)]
    #[ts(skip)]
    #[cfg_attr(feature = "schema", schema(ignore))]
    pub extra: Extra,
}

impl Session {
    /// A session ends itself after this much; longer ones are refused.
    pub const MAX_ACTIVE_MS: i64 = 24 * 3_600_000;

    /// The hash of everything that never changes after the first write.
    pub fn payload_hash(&self) -> BlobHash {
        let mut c = Canonical::default();
        c.text(self.item.as_str())
            .bytes(self.device.0.as_bytes())
            .int(self.started_ms)
            .text(&self.day);
        c.hash()
    }
    pub fn canonical(&self) -> Canonical {
        let mut c = Canonical::default();
        c.bytes(self.id.0.as_bytes()).bytes(&self.payload_hash().0).int(self.active_ms);
        c.text(&self.extra.to_text());
        c
    }
}

impl Join for Session {
    fn join(&mut self, other: &Self) {
        if other.payload_hash() > self.payload_hash() {
            self.item.clone_from(&other.item);
            self.device = other.device;
            self.started_ms = other.started_ms;
            self.day.clone_from(&other.day);
        }
        self.active_ms = self.active_ms.max(other.active_ms);
        self.extra.join(&other.extra);
    }
}

impl Validate for Session {
    fn validate(&self) -> Result<(), Invalid> {
        check_time(self.started_ms, "startedMs")?;
        check(is_day(&self.day), "day", "is not a date such as 2026-11-20")?;
        check(
            (0..=Self::MAX_ACTIVE_MS).contains(&self.active_ms),
            "activeMs",
            "is not between 0 and 24 hours",
        )?;
        self.extra.validate()
    }
}

fn is_day(day: &str) -> bool {
    let b = day.as_bytes();
    b.len() == 10
        && b.iter()
            .enumerate()
            .all(|(i, c)| if i == 4 || i == 7 { *c == b'-' } else { c.is_ascii_digit() })
        && ("01"..="12").contains(&&day[5..7])
        && ("01"..="31").contains(&&day[8..10])
}
