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
    turn: u64,
    shares: BTreeMap<u64, Share>,
}

/// Slots and requests of one download.
#[derive(Default)]
struct Share {
    /// Slots in use.
    running: usize,
    /// Slots in use that will be released soon, in favour of another download.
    leaving: usize,
    /// Slots of other downloads that will be released soon for this one.
    promised: usize,
    waiting: VecDeque<(u64, oneshot::Sender<Slot>)>,
}

/// Permission for one transfer, released when dropped.
pub struct Slot {
    slots: Slots,
    owner: u64,
    /// Counted in the table; false only if the requester was gone.
    held: bool,
    /// The download in whose favour the slot is released.
    leaving_for: Option<u64>,
}

impl Slots {
    /// Creates `limit` slots, at least one.
    pub fn new(limit: usize) -> Self {
        let table = SlotTable { free: limit.max(1), turn: 0, shares: BTreeMap::new() };
        Self { table: Arc::new(Mutex::new(table)) }
    }

    /// Waits for a slot for the download `owner`.
    pub async fn take(&self, owner: u64) -> Slot {
        let slot = {
            let mut table = self.table();
            table.turn += 1;
            let turn = table.turn;
            let (give, slot) = oneshot::channel();
            table.shares.entry(owner).or_default().waiting.push_back((turn, give));
            self.hand_out(&mut table);
            slot
        };
        match slot.await {
            Ok(slot) => slot,
            // Impossible: `self` keeps the table with its senders.
            Err(_) => std::future::pending().await,
        }
    }

    fn hand_out(&self, table: &mut SlotTable) {
        while table.free > 0 {
            let next = table
                .shares
                .iter()
                .filter_map(|(owner, s)| Some((s.running, s.waiting.front()?.0, *owner)))
                .min();
            let Some((_, _, owner)) = next else { break };
            let Some(share) = table.shares.get_mut(&owner) else { break };
            let Some((_, give)) = share.waiting.pop_front() else { break };
            let slot = Slot { slots: self.clone(), owner, held: true, leaving_for: None };
            match give.send(slot) {
                Ok(()) => {
                    share.running += 1;
                    table.free -= 1;
                }
                // The requester is gone; the slot was never counted.
                Err(mut slot) => slot.held = false,
            }
        }
        table.shares.retain(|_, s| s.running > 0 || !s.waiting.is_empty());
    }

    fn vacuum(&self, table: &mut SlotTable, owner: u64) {
        if let Some(share) = table.shares.get_mut(&owner) {
            share.running = share.running.saturating_sub(1);
        }
        table.free += 1;
        self.hand_out(table);
    }

    fn table(&self) -> MutexGuard<'_, SlotTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Returns whether the transfer must end here, because a download with at least two fewer
    /// transfers is waiting. The slot is released when dropped, after the connection is closed, so
    /// that the host never sees more transfers than the limit.
    pub fn yields(&mut self) -> bool {
        if self.leaving_for.is_some() {
            return true;
        }
        let mut table = self.slots.table();
        let mine = table.shares.get(&self.owner).map_or(0, |s| s.running - s.leaving);
        let poorest = table
            .shares
            .iter_mut()
            .filter(|(owner, s)| {
                let wait = s.waiting.iter().filter(|w| !w.1.is_closed()).count();
                **owner != self.owner && wait > s.promised && s.running + s.promised + 2 <= mine
            })
            .min_by_key(|(_, s)| s.running + s.promised);
        let Some((owner, share)) = poorest else { return false };
        share.promised += 1;
        self.leaving_for = Some(*owner);
        if let Some(mine) = table.shares.get_mut(&self.owner) {
            mine.leaving += 1;
        }
        true
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.held {
            return;
        }
        let mut table = self.slots.table();
        if let Some(other) = self.leaving_for {
            if let Some(share) = table.shares.get_mut(&self.owner) {
                share.leaving = share.leaving.saturating_sub(1);
            }
            if let Some(share) = table.shares.get_mut(&other) {
                share.promised = share.promised.saturating_sub(1);
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
        slots.take(owner).now_or_never()
    }

    #[tokio::test]
    async fn slots_are_limited_and_go_to_the_download_with_the_fewest() {
        let slots = Slots::new(3);
        let mut rich: Vec<_> = (0..3).map(|_| now(&slots, 1).expect("free")).collect();
        let mut fourth = Box::pin(slots.take(1));
        assert!(fourth.as_mut().now_or_never().is_none(), "the limit holds");
        let mut poor = Box::pin(slots.take(2));
        assert!(poor.as_mut().now_or_never().is_none());
        rich.pop();
        assert!(fourth.as_mut().now_or_never().is_none(), "the first in the queue has two slots");
        let got = poor.as_mut().now_or_never().expect("the download without a slot gets it");
        drop(got);
        assert!(fourth.now_or_never().is_some(), "no download with fewer slots waits");
    }

    #[tokio::test]
    async fn a_long_transfer_yields_to_a_new_download_once() {
        let slots = Slots::new(4);
        let mut rich: Vec<_> = (0..4).map(|_| now(&slots, 1).expect("free")).collect();
        assert!(!rich[0].yields(), "no request waits");
        let mut poor = [Box::pin(slots.take(2)), Box::pin(slots.take(2)), Box::pin(slots.take(2))];
        assert!(poor.iter_mut().all(|p| p.as_mut().now_or_never().is_none()));
        assert!(rich[0].yields() && rich[1].yields());
        assert!(!rich[2].yields(), "two each is fair");
        assert!(poor.iter_mut().all(|p| p.as_mut().now_or_never().is_none()), "both transfers continue");
        drop(rich.drain(..2));
        let held: Vec<_> = poor.iter_mut().filter_map(|p| p.as_mut().now_or_never()).collect();
        assert_eq!(held.len(), 2);
    }

    #[tokio::test]
    async fn a_cancelled_request_does_not_leak_a_slot() {
        let slots = Slots::new(1);
        let first = now(&slots, 1).expect("free");
        let mut gone = Box::pin(slots.take(2));
        assert!(gone.as_mut().now_or_never().is_none());
        drop(gone);
        let mut late = Box::pin(slots.take(3));
        assert!(late.as_mut().now_or_never().is_none());
        drop(first);
        // Granted, and dropped before it was polled.
        drop(late);
        assert!(now(&slots, 4).is_some());
    }
}
