//! Limit on concurrent transfers per host, divided among downloads.
//!
//! A free slot is assigned to the waiting download with the fewest transfers. A long transfer releases
//! its slot when another download has at least two fewer transfers, and is resumed with `Range`.
//!
//! Not here: the number of transfers of one download, and whether it may run (`download`).

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// Largest number of concurrent transfers per host, as in browsers for HTTP/1.1.
pub const MAX_PER_HOST: usize = 6;

/// The slots of one host. Clones share state.
#[derive(Clone)]
pub struct Slots {
    table: Arc<Mutex<SlotTable>>,
}

struct SlotTable {
    free: usize,
    /// Number of the last request. Of two downloads with equally many transfers, the one with the
    /// earlier request gets the slot.
    sequence: u64,
    shares: BTreeMap<u64, Share>,
}

/// Slots and requests of one download.
#[derive(Default)]
struct Share {
    /// Slots in use.
    running: usize,
    /// Slots in use that will be released for another download.
    releasing: usize,
    /// Slots of other downloads that will be released for this one.
    incoming: usize,
    waiting: VecDeque<(u64, oneshot::Sender<Slot>)>,
}

/// Permission for one transfer, released when dropped.
pub struct Slot {
    slots: Slots,
    owner: u64,
    /// Whether the table counts the slot as running; false if its request was cancelled.
    is_counted: bool,
    /// The download for which the slot will be released.
    released_for: Option<u64>,
}

impl Slots {
    /// Creates `limit` slots, at least one.
    pub fn new(limit: usize) -> Self {
        let table = SlotTable { free: limit.max(1), sequence: 0, shares: BTreeMap::new() };
        Self { table: Arc::new(Mutex::new(table)) }
    }

    /// Waits for a slot for the download `owner`.
    pub async fn acquire(&self, owner: u64) -> Slot {
        let slot = {
            let mut table = self.table();
            table.sequence += 1;
            let sequence = table.sequence;
            let (sender, slot) = oneshot::channel();
            table.shares.entry(owner).or_default().waiting.push_back((sequence, sender));
            self.assign_free(&mut table);
            slot
        };
        match slot.await {
            Ok(slot) => slot,
            // Unreachable: `self` holds the table with the sender.
            Err(_) => std::future::pending().await,
        }
    }

    fn assign_free(&self, table: &mut SlotTable) {
        while table.free > 0 {
            let next = table
                .shares
                .iter()
                .filter_map(|(owner, s)| Some((s.running, s.waiting.front()?.0, *owner)))
                .min();
            let Some((_, _, owner)) = next else { break };
            let Some(share) = table.shares.get_mut(&owner) else { break };
            let Some((_, sender)) = share.waiting.pop_front() else { break };
            let slot = Slot { slots: self.clone(), owner, is_counted: true, released_for: None };
            match sender.send(slot) {
                Ok(()) => {
                    share.running += 1;
                    table.free -= 1;
                }
                // The request was cancelled.
                Err(mut slot) => slot.is_counted = false,
            }
        }
        table.shares.retain(|_, s| s.running > 0 || !s.waiting.is_empty());
    }

    fn release(&self, table: &mut SlotTable, owner: u64) {
        if let Some(share) = table.shares.get_mut(&owner) {
            share.running = share.running.saturating_sub(1);
        }
        table.free += 1;
        self.assign_free(table);
    }

    fn table(&self) -> MutexGuard<'_, SlotTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Returns whether the transfer must stop because a download with at least two fewer transfers is
    /// waiting. The caller must close the connection before it drops the slot, so that the limit is
    /// never exceeded.
    pub fn should_yield(&mut self) -> bool {
        if self.released_for.is_some() {
            return true;
        }
        let mut table = self.slots.table();
        let own = table.shares.get(&self.owner).map_or(0, |s| s.running - s.releasing);
        let fewest = table
            .shares
            .iter_mut()
            .filter(|(owner, s)| {
                let waiting = s.waiting.iter().filter(|w| !w.1.is_closed()).count();
                **owner != self.owner && waiting > s.incoming && s.running + s.incoming + 2 <= own
            })
            .min_by_key(|(_, s)| s.running + s.incoming);
        let Some((owner, share)) = fewest else { return false };
        share.incoming += 1;
        self.released_for = Some(*owner);
        if let Some(own) = table.shares.get_mut(&self.owner) {
            own.releasing += 1;
        }
        true
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.is_counted {
            return;
        }
        let mut table = self.slots.table();
        if let Some(other) = self.released_for {
            if let Some(share) = table.shares.get_mut(&self.owner) {
                share.releasing = share.releasing.saturating_sub(1);
            }
            if let Some(share) = table.shares.get_mut(&other) {
                share.incoming = share.incoming.saturating_sub(1);
            }
        }
        self.slots.release(&mut table, self.owner);
    }
}

#[cfg(test)]
mod tests;
