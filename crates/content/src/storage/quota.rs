//! Budget and floor: how much may be stored, how much must stay free, how much is evicted. Pure.

use crate::Limit;

/// Default budget for content, in bytes.
pub const DEFAULT_BUDGET: u64 = 2 * 1024 * 1024 * 1024;
/// Default floor, in bytes: below this free space only learners' work is written.
pub const DEFAULT_FLOOR: u64 = 500 * 1024 * 1024;

/// Limits in bytes; `None` if not set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Budget set on this device, in the Storage screen.
    pub budget: Option<u64>,
    /// Floor set on this device.
    pub floor: Option<u64>,
    /// Largest budget that the organisation allows.
    pub policy: Option<u64>,
}

/// Current usage, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measured {
    /// Free on the disk.
    pub free: u64,
    /// Blobs and partial files.
    pub used: u64,
    /// Reserved for running downloads.
    pub reserved: u64,
}

impl Limits {
    /// Returns the floor in bytes.
    pub fn floor(&self) -> u64 {
        self.floor.unwrap_or(DEFAULT_FLOOR)
    }

    /// Returns the budget: the smallest of the one set on this device (or 2 GiB), the organisation's, and
    /// a tenth of free and used space. Used space is included; otherwise the budget would shrink while
    /// content is stored.
    pub fn budget(&self, now: Measured) -> u64 {
        let chosen = self.budget.unwrap_or(DEFAULT_BUDGET);
        let tenth = now.free.saturating_add(now.used) / 10;
        chosen.min(self.policy.unwrap_or(u64::MAX)).min(tenth)
    }

    /// Returns the shortage that prevents a write of `bytes`; `None` if they fit.
    pub fn shortage(&self, now: Measured, bytes: u64) -> Option<Shortage> {
        let budget = self.budget(now);
        let wanted = now.reserved.saturating_add(bytes);
        let over_budget = now.used.saturating_add(wanted).saturating_sub(budget);
        let over_disk = self.floor().saturating_add(wanted).saturating_sub(now.free);
        let (missing, limit) = if over_disk >= over_budget {
            (over_disk, Limit::Disk)
        } else {
            (over_budget, Limit::Budget)
        };
        if missing == 0 {
            return None;
        }
        // A tenth more than is missing, so that the next write does not evict again.
        let margin = if over_budget > 0 { budget / 10 } else { 0 };
        let exceeds_capacity = wanted > budget
            || self.floor().saturating_add(wanted) > now.free.saturating_add(now.used);
        let evict = over_disk.max(over_budget.saturating_add(margin));
        Some(Shortage { wanted: bytes, missing, limit, evict, exceeds_capacity })
    }
}

/// A shortage of space, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortage {
    /// Bytes to be written.
    pub wanted: u64,
    /// Bytes that are missing.
    pub missing: u64,
    /// The limit that would be exceeded.
    pub limit: Limit,
    /// Bytes to evict: beyond the budget, down to nine tenths of it.
    pub evict: u64,
    /// The bytes do not fit even into an empty store; nothing is evicted.
    pub exceeds_capacity: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;
    const GIB: u64 = 1024 * MIB;

    #[test]
    fn the_budget_is_the_minimum_of_its_limits() {
        let at = |free, used| Measured { free, used, reserved: 0 };
        let none = Limits::default();
        assert_eq!(none.budget(at(100 * GIB, 0)), 2 * GIB, "the default");
        assert_eq!(none.budget(at(5 * GIB, 0)), GIB / 2, "a tenth of the free space");
        assert_eq!(none.budget(at(9 * GIB, GIB)), GIB, "a tenth of free and used space");
        let chosen = Limits { budget: Some(8 * GIB), policy: Some(3 * GIB), floor: None };
        assert_eq!(chosen.budget(at(200 * GIB, 0)), 3 * GIB, "the policy limits the budget");
        assert_eq!(chosen.budget(at(10 * GIB, 0)), GIB);
        assert_eq!(Limits { policy: None, ..chosen }.budget(at(200 * GIB, 0)), 8 * GIB);
    }

    #[test]
    fn a_shortage_has_the_missing_bytes_and_the_limit() {
        let limits = Limits { budget: Some(GIB), floor: Some(100 * MIB), policy: None };
        let now = Measured { free: 50 * GIB, used: GIB - 10 * MIB, reserved: 4 * MIB };
        assert_eq!(limits.shortage(now, 6 * MIB), None, "fits exactly");
        let short = limits.shortage(now, 7 * MIB).unwrap();
        assert_eq!((short.missing, short.limit), (MIB, Limit::Budget));
        assert_eq!(short.evict, MIB + GIB / 10, "down to nine tenths");
        let full = Measured { free: 101 * MIB, ..now };
        let short = Limits { budget: Some(0), ..limits }.shortage(full, 0).unwrap();
        assert_eq!(short.limit, Limit::Budget);
        let short = limits.shortage(Measured { free: 90 * MIB, used: 0, reserved: 0 }, 0).unwrap();
        assert_eq!(
            (short.missing, short.limit),
            (10 * MIB, Limit::Disk),
            "below the floor nothing is written"
        );
    }
}
