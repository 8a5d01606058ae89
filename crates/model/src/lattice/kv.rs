//! Small registers: settings, bookmarks, enrolment intent; and the server's decision on an enrolment.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{Canonical, Extra, Invalid, Join, Validate, check, check_len};
use crate::{DeviceId, Hlc, Slug};

/// The name space of the wish to be enrolled. The key is a course; `true`: wanted, `false` and `null`: not wanted.
pub const ENROLMENT: &str = "enrolment";

/// Lattice: last writer wins, the greatest `(hlc, device, value)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Kv {
    /// `setting`, `bookmark` or `enrolment`; others are kept and passed on.
    pub ns: String,
    pub key: String,
    /// Compact JSON text; `null` says "not set".
    pub value: String,
    pub hlc: Hlc,
    pub device: DeviceId,
    #[serde(flatten)]
    #[ts(skip)]
    #[cfg_attr(feature = "schema", schema(ignore))]
    pub extra: Extra,
}
impl Kv {
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
        // It parts the fields of a key in its text form.
        check(!self.ns.contains('\u{1f}'), "ns", "contains U+001F")?;
        check(!self.key.is_empty(), "key", "is empty")?;
        check_len(&self.key, 300, "key")?;
        check_len(&self.value, 16 * 1024, "value")?;
        check(self.hlc > Hlc::ZERO, "hlc", "is zero")?;
        if self.ns == ENROLMENT {
            let known = matches!(self.value.as_str(), "true" | "false" | "null");
            check(known, "value", "is not true, false or null")?;
        }
        self.extra.validate()
    }
}

/// What the server says of an enrolment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DecisionStatus {
    Pending,
    Active,
    Refused,
}
impl DecisionStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Refused => "refused",
        }
    }
}

/// Written by the server alone. Lattice: the greatest `(rev, status, reason)` for each course (status by its text).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    pub course: Slug,
    pub rev: u32,
    pub status: DecisionStatus,
    #[serde(default)]
    pub reason: String,
    #[serde(flatten)]
    #[ts(skip)]
    #[cfg_attr(feature = "schema", schema(ignore))]
    pub extra: Extra,
}
impl Decision {
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
