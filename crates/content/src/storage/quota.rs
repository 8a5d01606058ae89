//! The numbers: how much may be kept, how much must stay free, how much has to go. Pure.

use crate::Limit;

/// What is kept on a device where nobody chose otherwise.
pub const DEFAULT_BUDGET: u64 = 2 * 1024 * 1024 * 1024;
/// What stays free on the disk where nobody chose otherwise. Below it only learners' work is written.
pub const DEFAULT_FLOOR: u64 = 500 * 1024 * 1024;

/// What people chose, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// On this device, in the Storage screen.
    pub budget: Option<u64>,
    pub floor: Option<u64>,
    /// By the organisation: nobody here can choose more.
    pub policy: Option<u64>,
}

/// What is there now, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measured {
    /// Free on the disk.
    pub free: u64,
    /// Blobs and unfinished files.
    pub used: u64,
    /// Promised to downloads that run.
    pub promised: u64,
}

impl Limits {
    pub fn floor(&self) -> u64 {
        self.floor.unwrap_or(DEFAULT_FLOOR)
    }

    /// The least of: what was chosen (or 2 GiB), what the organisation allows, a tenth of what would be free without us. "Without us",
    /// so that a budget does not shrink while it is being used.
    pub fn budget(&self, now: Measured) -> u64 {
        let chosen = self.budget.unwrap_or(DEFAULT_BUDGET);
        let tenth = now.free.saturating_add(now.used) / 10;
        chosen.min(self.policy.unwrap_or(u64::MAX)).min(tenth)
    }

    /// How much is missing before `bytes` more may be written, and where; none: they may.
    pub fn shortage(&self, now: Measured, bytes: u64) -> Option<Shortage> {
        let budget = self.budget(now);
        let wanted = now.promised.saturating_add(bytes);
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
        // Not only to the brim: else the next one begins the same again.
        let spare = if over_budget > 0 { budget / 10 } else { 0 };
        let hopeless = wanted > budget
            || self.floor().saturating_add(wanted) > now.free.saturating_add(now.used);
        let evict = over_disk.max(over_budget.saturating_add(spare));
        Some(Shortage { wanted: bytes, missing, limit, evict, hopeless })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortage {
    /// What was to be written.
    pub wanted: u64,
    /// Bytes without which it does not fit.
    pub missing: u64,
    pub limit: Limit,
    /// Bytes to remove now: down to nine tenths of the budget.
    pub evict: u64,
    /// It would not fit even if everything went: so nothing has to.
    pub hopeless: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;
    const GIB: u64 = 1024 * MIB;

    #[test]
    fn the_budget_is_the_least_of_its_limits() {
        let at = |free, used| Measured { free, used, promised: 0 };
        let none = Limits::default();
        assert_eq!(none.budget(at(100 * GIB, 0)), 2 * GIB, "the default");
        assert_eq!(none.budget(at(5 * GIB, 0)), GIB / 2, "a tenth of what is free");
        assert_eq!(none.budget(at(9 * GIB, GIB)), GIB, "what we use would be free without us");
        let chosen = Limits { budget: Some(8 * GIB), policy: Some(3 * GIB), floor: None };
        assert_eq!(chosen.budget(at(200 * GIB, 0)), 3 * GIB, "the organisation's word is the last");
        assert_eq!(chosen.budget(at(10 * GIB, 0)), GIB);
        assert_eq!(Limits { policy: None, ..chosen }.budget(at(200 * GIB, 0)), 8 * GIB);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let limits = Limits { budget: Some(GIB), floor: Some(100 * MIB), policy: None };
        let now = Measured { free: 50 * GIB, used: GIB - 10 * MIB, promised: 4 * MIB };
        assert_eq!(limits.shortage(now, 6 * MIB), None, "to the last byte");
        let short = limits.shortage(now, 7 * MIB).unwrap();
        assert_eq!((short.missing, short.limit), (MIB, Limit::Budget));
        assert_eq!(short.evict, MIB + GIB / 10, "to nine tenths");
        let full = Measured { free: 101 * MIB, ..now };
        let short = Limits { budget: Some(0), ..limits }.shortage(full, 0).unwrap();
        assert_eq!(short.limit, Limit::Budget);
        let short = limits.shortage(Measured { free: 90 * MIB, used: 0, promised: 0 }, 0).unwrap();
        assert_eq!(
            (short.missing, short.limit),
            (10 * MIB, Limit::Disk),
            "below the floor nothing is written"
        );
    }
}
