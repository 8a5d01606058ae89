use futures_util::FutureExt;

use super::*;

/// Acquires a slot if one is free.
fn acquire_now(slots: &Slots, owner: u64) -> Option<Slot> {
    slots.acquire(owner).now_or_never()
}

#[tokio::test]
async fn slots_are_limited_and_assigned_to_the_download_with_the_fewest() {
    let slots = Slots::new(3);
    let mut many: Vec<_> = (0..3).map(|_| acquire_now(&slots, 1).expect("free")).collect();
    let mut fourth = Box::pin(slots.acquire(1));
    assert!(fourth.as_mut().now_or_never().is_none(), "the limit is kept");
    let mut few = Box::pin(slots.acquire(2));
    assert!(few.as_mut().now_or_never().is_none());
    many.pop();
    assert!(
        fourth.as_mut().now_or_never().is_none(),
        "the download with two slots gets no third one yet"
    );
    let slot = few.as_mut().now_or_never().expect("the download without a slot gets it");
    drop(slot);
    assert!(fourth.now_or_never().is_some(), "no other download is waiting");
}

#[tokio::test]
async fn a_download_releases_slots_for_a_new_one_until_both_have_equally_many() {
    let slots = Slots::new(4);
    let mut many: Vec<_> = (0..4).map(|_| acquire_now(&slots, 1).expect("free")).collect();
    assert!(!many[0].should_yield(), "no request is waiting");
    let mut few =
        [Box::pin(slots.acquire(2)), Box::pin(slots.acquire(2)), Box::pin(slots.acquire(2))];
    assert!(few.iter_mut().all(|p| p.as_mut().now_or_never().is_none()));
    assert!(many[0].should_yield() && many[1].should_yield());
    assert!(!many[2].should_yield(), "both will have two slots");
    assert!(
        few.iter_mut().all(|p| p.as_mut().now_or_never().is_none()),
        "the slots are not released yet"
    );
    drop(many.drain(..2));
    let granted: Vec<_> = few.iter_mut().filter_map(|p| p.as_mut().now_or_never()).collect();
    assert_eq!(granted.len(), 2);
}

#[tokio::test]
async fn cancelled_requests_do_not_leak_slots() {
    let slots = Slots::new(1);
    let first = acquire_now(&slots, 1).expect("free");
    let mut cancelled = Box::pin(slots.acquire(2));
    assert!(cancelled.as_mut().now_or_never().is_none());
    drop(cancelled);
    let mut late = Box::pin(slots.acquire(3));
    assert!(late.as_mut().now_or_never().is_none());
    drop(first);
    // Dropped after the slot was assigned, before it was polled.
    drop(late);
    assert!(acquire_now(&slots, 4).is_some());
}
