//! Limit on concurrent transfers per host, shared fairly by downloads.
//!
//! Free slots go to the download with the fewest transfers. A long transfer of a download with many
//! slots yields when another download has too few; resuming it with `Range` costs one request and
//! no byte.
//!
//! Not here: how many transfers one download uses, and whether any may run (`download`).

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// Concurrent transfers per host, the limit that browsers use for HTTP/1.1.
pub const MAX_PER_HOST: usize = 6;

/// The slots of one host. Clones share them.
#[derive(Clone)]
pub struct Slots {
    table: Arc<Mutex<SlotTable>>,
}

struct SlotTable {
    free: usize,
    /// Numbers the requests: of two downloads with equally many transfers the earlier request wins.
    sequence: u64,
    shares: BTreeMap<u64, Share>,
}

/// Slots and requests of one download.
#[derive(Default)]
struct Share {
    /// Slots in use.
    running: usize,
    /// Slots in use that will be released soon, in favour of another download.
    releasing: usize,
    /// Slots of other downloads that will be released soon for this one.
    incoming: usize,
    waiting: VecDeque<(u64, oneshot::Sender<Slot>)>,
}

/// Permission for one transfer, released when dropped.
pub struct Slot {
    slots: Slots,
    owner: u64,
    /// Counted in the table; false only if the requester was gone.
    is_counted: bool,
    /// The download in whose favour the slot is released.
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
            // Impossible: `self` keeps the table with its senders.
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
                // The requester is gone; the slot was never counted.
                Err(mut slot) => slot.is_counted = false,
            }
        }
        table.shares.retain(|_, s| s.running > 0 || !s.waiting.is_empty());
    }

    fn vacuum(&self, table: &mut SlotTable, owner: u64) {
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
    /// Returns whether the transfer must end here, because a download with at least two fewer
    /// transfers is waiting. The slot is released when dropped, after the connection is closed, so
    /// that the host never sees more transfers than the limit.
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
                let wait = s.waiting.iter().filter(|w| !w.1.is_closed()).count();
                **owner != self.owner && wait > s.incoming && s.running + s.incoming + 2 <= own
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
        self.slots.vacuum(&mut table, self.owner);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    /// Takes a slot if one is free.
    fn now(slots: &Slots, owner: u64) -> Option<Slot> {
        slots.acquire(owner).now_or_never()
    }

    #[tokio::test]
    async fn slots_are_limited_and_go_to_the_download_with_the_fewest() {
        let slots = Slots::new(3);
        let mut many: Vec<_> = (0..3).map(|_| now(&slots, 1).expect("free")).collect();
        let mut fourth = Box::pin(slots.acquire(1));
        assert!(fourth.as_mut().now_or_never().is_none(), "the limit holds");
        let mut few = Box::pin(slots.acquire(2));
        assert!(few.as_mut().now_or_never().is_none());
        many.pop();
        assert!(fourth.as_mut().now_or_never().is_none(), "the first in the queue has two slots");
        let slot = few.as_mut().now_or_never().expect("the download without a slot gets it");
        drop(slot);
        assert!(fourth.now_or_never().is_some(), "no download with fewer slots waits");
    }

    #[tokio::test]
    async fn a_long_transfer_yields_to_a_new_download_once() {
        let slots = Slots::new(4);
        let mut many: Vec<_> = (0..4).map(|_| now(&slots, 1).expect("free")).collect();
        assert!(!many[0].should_yield(), "no request waits");
        let mut few =
            [Box::pin(slots.acquire(2)), Box::pin(slots.acquire(2)), Box::pin(slots.acquire(2))];
        assert!(few.iter_mut().all(|p| p.as_mut().now_or_never().is_none()));
        assert!(many[0].should_yield() && many[1].should_yield());
        assert!(!many[2].should_yield(), "two each is fair");
        assert!(
            few.iter_mut().all(|p| p.as_mut().now_or_never().is_none()),
            "both transfers continue"
        );
        drop(many.drain(..2));
        let granted: Vec<_> = few.iter_mut().filter_map(|p| p.as_mut().now_or_never()).collect();
        assert_eq!(granted.len(), 2);
    }

    #[tokio::test]
    async fn a_cancelled_request_does_not_leak_a_slot() {
        let slots = Slots::new(1);
        let first = now(&slots, 1).expect("free");
        let mut gone = Box::pin(slots.acquire(2));
        assert!(gone.as_mut().now_or_never().is_none());
        drop(gone);
        let mut late = Box::pin(slots.acquire(3));
        assert!(late.as_mut().now_or_never().is_none());
        drop(first);
        // Granted, and dropped before it was polled.
        drop(late);
        assert!(now(&slots, 4).is_some());
    }
}
