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
mod tests;
