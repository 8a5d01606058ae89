//! The machine as tables: what follows from what.

use carrel_core::sync::{
    Event, Fault, Instruction, Machine, Phase,
    machine::{DEBOUNCE_MS, Lane, POLL_MS, PULL_ROWS, Pulled, Pushed},
};
use carrel_model::{
    ErrorCode,
    lattice::{RowKey, RowType},
    wire::MAX_PUSH_ITEMS,
};

const MIN: i64 = 60_000;

fn key() -> RowKey {
    RowKey::of(RowType::Progress, &["section", "a/b/c"])
}
fn push(limit: usize) -> Instruction {
    Instruction::Push { limit }
}
fn pull() -> Instruction {
    Instruction::Pull { limit: PULL_ROWS }
}
fn busy(status: u16, seconds: Option<i64>) -> Fault {
    Fault::Busy { status, retry_after_ms: seconds.map(|s| s * 1_000) }
}
fn refused() -> Fault {
    Fault::Refused { code: ErrorCode::InvalidRequest, reason: "no".into() }
}
fn failed(fault: Fault, sent: usize) -> Event {
    Event::PushFailed { fault, sent, first: Some((key(), 7)) }
}
fn pulled() -> Event {
    Event::Pulled(Pulled { more: false, usn: 10, epoch: "e".into() })
}
/// Push and pull are under way.
fn started() -> Machine {
    let mut m = Machine::new(1, false);
    assert_eq!(m.handle(0, Event::Start), [push(MAX_PUSH_ITEMS), pull()]);
    m
}
/// Nothing to do.
fn quiet() -> Machine {
    let mut m = started();
    assert_eq!(m.handle(10, Event::Pushed(Pushed::default())), []);
    assert_eq!(m.handle(10, pulled()), []);
    assert_eq!((m.phase(), m.next_wake()), (Phase::Idle, Some(10 + POLL_MS)));
    m
}
/// A push is under way, and nothing else.
fn pushing() -> Machine {
    let mut m = quiet();
    m.handle(20, Event::LocalChange);
    assert_eq!(m.handle(20 + DEBOUNCE_MS, Event::Timer), [push(MAX_PUSH_ITEMS)]);
    m
}

#[test]
fn what_each_end_of_a_push_leads_to() {
    /// What is to follow at once.
    enum Then {
        /// Nothing; the next try after at least this.
        Wait(Phase, ErrorCode, i64),
        Push(usize),
        Quarantine(&'static str),
        Stop,
    }
    use Then::{Push, Quarantine, Stop, Wait};
    let table: Vec<(Fault, usize, Then)> = vec![
        (Fault::Offline, 100, Wait(Phase::Offline, ErrorCode::Offline, 1_000)),
        (busy(408, None), 100, Wait(Phase::Trouble, ErrorCode::Unavailable, 1_000)),
        (busy(425, None), 1, Wait(Phase::Trouble, ErrorCode::Unavailable, 1_000)),
        (busy(429, Some(30)), 100, Wait(Phase::Trouble, ErrorCode::RateLimited, 30_000)),
        (busy(500, None), 1, Wait(Phase::Trouble, ErrorCode::Unavailable, 1_000)),
        (busy(503, Some(120)), 100, Wait(Phase::Trouble, ErrorCode::Unavailable, 120_000)),
        (Fault::BadReply, 100, Wait(Phase::Trouble, ErrorCode::BadReply, 1_000)),
        (Fault::BadReply, 1, Wait(Phase::Trouble, ErrorCode::BadReply, 1_000)),
        (Fault::TooNew, 1, Wait(Phase::Trouble, ErrorCode::TooNew, 1_000)),
        (Fault::Unauthenticated, 1, Wait(Phase::Trouble, ErrorCode::Unauthenticated, 1_000)),
        (Fault::TooLarge { certain: true }, 100, Push(50)),
        (Fault::TooLarge { certain: false }, 3, Push(1)),
        (Fault::TooLarge { certain: true }, 1, Quarantine("invalid")),
        (Fault::TooLarge { certain: false }, 1, Wait(Phase::Trouble, ErrorCode::TooLarge, 1_000)),
        (refused(), 101, Push(50)),
        (refused(), 2, Push(1)),
        (refused(), 1, Quarantine("invalid")),
        (
            Fault::Refused { code: ErrorCode::Forbidden, reason: "no".into() },
            1,
            Quarantine("forbidden"),
        ),
        (Fault::SignedOut, 100, Stop),
    ];
    for (fault, sent, then) in table {
        let mut m = pushing();
        let now = 5_000;
        let out = m.handle(now, failed(fault.clone(), sent));
        match then {
            Wait(phase, code, floor) => {
                assert_eq!(out, [], "{fault:?}");
                assert_eq!((m.phase(), m.error()), (phase, Some(code)), "{fault:?}");
                let next = m.next_try().expect("a timer") - now;
                assert!((floor..=15 * MIN).contains(&next), "{fault:?} waits {next}");
                assert_eq!(m.next_wake(), Some(now + next.min(10 + POLL_MS - now)));
                assert_eq!(
                    m.handle(now + next - 1, Event::Timer).len(),
                    0,
                    "{fault:?}: not before"
                );
                assert_eq!(
                    m.handle(now + next, Event::Timer),
                    [push(MAX_PUSH_ITEMS)],
                    "{fault:?}: then"
                );
            }
            Push(limit) => assert_eq!(out, [push(limit)], "{fault:?} of {sent}"),
            Quarantine(code) => match &out[..] {
                [Instruction::Quarantine { key: k, rev: 7, code: c, .. }] => {
                    assert_eq!((k, *c), (&key(), code));
                    assert_eq!(
                        m.handle(now, Event::Quarantined),
                        [push(MAX_PUSH_ITEMS)],
                        "and on with the others"
                    );
                }
                other => panic!("{fault:?}: {other:?}"),
            },
            Stop => {
                assert_eq!((out.len(), m.phase(), m.next_wake()), (0, Phase::SignedOut, None));
                for event in [
                    Event::Tap,
                    Event::LocalChange,
                    Event::Timer,
                    Event::NetworkChanged,
                    Event::Resume,
                ] {
                    assert_eq!(m.handle(now + MIN, event), [], "nothing without a session");
                }
                assert_eq!(m.handle(now + MIN, Event::SignedIn), [push(MAX_PUSH_ITEMS), pull()]);
            }
        }
    }
}

#[test]
fn a_stuck_upload_never_blocks_a_download_and_the_other_way() {
    let mut m = started();
    m.handle(1, failed(busy(503, Some(3_600)), 5));
    m.handle(1, Event::Pulled(Pulled { more: false, usn: 1, epoch: "e".into() }));
    assert_eq!(m.handle(2, Event::News { usn: 2, epoch: "e".into() }), [pull()]);
    let mut m = started();
    m.handle(1, Event::PullFailed(busy(503, Some(3_600))));
    m.handle(
        1,
        Event::Pushed(Pushed { sent: 1, settled: 1, accepted: 1, left: 5, ..Pushed::default() }),
    );
    assert_eq!(m.phase(), Phase::Trouble);
    m.handle(2, Event::Pushed(Pushed::default()));
    m.handle(2, Event::LocalChange);
    assert_eq!(m.handle(2 + DEBOUNCE_MS, Event::Timer), [push(MAX_PUSH_ITEMS)]);
}

#[test]
fn a_tap_and_a_new_network_forget_all_waits() {
    for event in [Event::Tap, Event::NetworkChanged, Event::Resume, Event::SignedIn] {
        let mut m = started();
        m.handle(1, failed(busy(503, Some(3_600)), 5));
        m.handle(1, Event::PullFailed(Fault::Offline));
        assert_eq!(m.handle(2, event.clone()), [push(MAX_PUSH_ITEMS), pull()], "{event:?}");
        assert_eq!(m.phase(), Phase::Running);
        // And the waits begin small again.
        m.handle(3, Event::PullFailed(Fault::Offline));
        m.handle(3, failed(Fault::Offline, 5));
        assert!(m.next_try().unwrap() <= 3 + 3_000);
    }
}

#[test]
fn a_tap_while_a_request_hangs_is_not_lost() {
    let mut m = pushing();
    assert_eq!(m.handle(2_000, Event::Tap), [pull()]);
    assert_eq!(
        m.handle(30_000, failed(Fault::Offline, 5)),
        [push(MAX_PUSH_ITEMS)],
        "what failed was begun before"
    );
    assert_eq!(m.handle(60_000, failed(Fault::Offline, 5)), [], "but only once");
}

#[test]
fn local_changes_go_along_for_a_second_and_never_starve() {
    let mut m = quiet();
    for ms in 0..10 {
        m.handle(100 + ms * 90, Event::LocalChange);
    }
    assert_eq!(m.next_wake(), Some(100 + DEBOUNCE_MS), "from the first one on");
    assert_eq!(m.handle(100 + DEBOUNCE_MS, Event::Timer), [push(MAX_PUSH_ITEMS)]);
    // One that comes while it runs is not forgotten.
    m.handle(1_200, Event::LocalChange);
    assert_eq!(
        m.handle(
            1_300,
            Event::Pushed(Pushed {
                sent: 1,
                settled: 1,
                accepted: 1,
                left: 0,
                ..Pushed::default()
            })
        ),
        []
    );
    assert_eq!(m.handle(1_300 + DEBOUNCE_MS, Event::Timer), [push(MAX_PUSH_ITEMS)]);
    // Nor does it disturb a wait.
    m.handle(2_400, failed(busy(503, Some(60)), 1));
    m.handle(2_500, Event::LocalChange);
    assert_eq!(m.handle(2_500 + DEBOUNCE_MS, Event::Timer), []);
}

#[test]
fn what_is_left_goes_at_once_and_batches_grow_again() {
    const MOST: usize = MAX_PUSH_ITEMS;
    let mut m = pushing();
    assert_eq!(m.handle(1, failed(refused(), MOST)), [push(MOST / 2)]);
    assert_eq!(m.handle(1, failed(refused(), MOST / 2)), [push(MOST / 4)]);
    let ok = |left| {
        let sent = MOST / 4;
        Event::Pushed(Pushed { sent, settled: sent, accepted: sent, left, ..Pushed::default() })
    };
    assert_eq!(m.handle(1, ok(750)), [push(MOST / 2)]);
    assert_eq!(m.handle(1, ok(500)), [push(MOST)]);
    assert_eq!(m.handle(1, ok(250)), [push(MOST)]);
    assert_eq!(m.handle(1, ok(0)), []);
    // A round that moved nothing is not repeated at once.
    let mut m = pushing();
    let nothing =
        Event::Pushed(Pushed { sent: 3, settled: 0, accepted: 0, left: 3, ..Pushed::default() });
    assert_eq!(m.handle(5_000, nothing), []);
    assert_eq!(m.handle(6_000, Event::Timer), [push(MAX_PUSH_ITEMS)]);
}

#[test]
fn a_server_that_refuses_everything_does_not_empty_the_outbox() {
    let mut m = pushing();
    let mut put_away = 0;
    let mut now = 2_000;
    let mut todo = vec![push(1)];
    while now < 2_000 + 5 * MIN {
        match todo.pop() {
            Some(Instruction::Push { .. }) => todo.extend(m.handle(now, failed(refused(), 1))),
            Some(Instruction::Quarantine { .. }) => {
                put_away += 1;
                todo.extend(m.handle(now, Event::Quarantined));
            }
            Some(Instruction::Pull { .. }) => todo.extend(m.handle(now, pulled())),
            Some(_) => {}
            None => {
                now = m.next_wake().unwrap().max(now + 1);
                todo.extend(m.handle(now, Event::Timer));
            }
        }
    }
    assert!((9..40).contains(&put_away), "{put_away} rows in five minutes");
}

#[test]
fn pulls_go_on_while_there_is_more_and_shrink_when_a_reply_is_too_large() {
    let mut m = started();
    let more = Event::Pulled(Pulled { more: true, usn: 500, epoch: "e".into() });
    assert_eq!(m.handle(1, more), [pull()]);
    assert_eq!(m.handle(2, Event::PullFailed(Fault::BadReply)), []);
    let next = m.next_try().unwrap();
    assert_eq!(m.handle(next, Event::Timer), [Instruction::Pull { limit: PULL_ROWS / 2 }]);
    for fault in [Fault::TooNew, refused(), busy(404, None), Fault::Unauthenticated] {
        let mut m = started();
        assert_eq!(m.handle(1, Event::PullFailed(fault.clone())), [], "{fault:?}");
        assert!(m.next_try().is_some());
    }
}

#[test]
fn news_that_are_no_news_cost_nothing() {
    let mut m = quiet();
    assert_eq!(m.handle(11, Event::News { usn: 10, epoch: "e".into() }), []);
    assert_eq!(m.handle(12, Event::News { usn: 9, epoch: "e".into() }), []);
    assert_eq!(m.handle(13, Event::News { usn: 11, epoch: "e".into() }), [pull()]);
    m.handle(14, Event::News { usn: 12, epoch: "e".into() });
    assert_eq!(
        m.handle(15, Event::Pulled(Pulled { more: false, usn: 11, epoch: "e".into() })),
        [pull()],
        "asked again"
    );
    m.handle(16, pulled());
    assert_eq!(
        m.handle(17, Event::News { usn: 1, epoch: "other".into() }),
        [pull()],
        "another database"
    );
    // Offline, news are proof of a network; a server that asks for patience gets it.
    let mut m = quiet();
    m.handle(20, Event::Tap);
    m.handle(21, Event::PullFailed(Fault::Offline));
    assert_eq!(m.handle(22, Event::News { usn: 99, epoch: "e".into() }), [pull()]);
    m.handle(23, Event::PullFailed(busy(503, Some(60))));
    assert_eq!(m.handle(24, Event::News { usn: 99, epoch: "e".into() }), []);
}

#[test]
fn every_five_minutes_by_itself() {
    let mut m = quiet();
    let poll = m.next_wake().unwrap();
    assert_eq!(m.handle(poll - 1, Event::Timer), []);
    assert_eq!(m.handle(poll, Event::Timer), [push(MAX_PUSH_ITEMS), pull()]);
}

#[test]
fn the_stream_is_kept_open_and_opened_anew() {
    let mut m = Machine::new(3, true);
    assert_eq!(m.handle(0, Event::Start), [push(MAX_PUSH_ITEMS), pull(), Instruction::Listen]);
    m.handle(1, Event::Pushed(Pushed::default()));
    m.handle(1, pulled());
    m.handle(1, Event::ListenOpened);
    assert!(!m.handle(2, Event::Tap).contains(&Instruction::Listen), "it is open");
    m.handle(3, Event::Pushed(Pushed::default()));
    m.handle(3, pulled());
    assert_eq!(m.handle(4, Event::ListenEnded(Fault::Offline)), []);
    assert_eq!(m.phase(), Phase::Idle, "a stream that ends is no trouble for the learner");
    let at = m.next_wake().unwrap();
    assert!(at <= 4 + 3_000);
    assert_eq!(m.handle(at, Event::Timer), [Instruction::Listen]);
    let out = m.handle(at + 1, Event::NetworkChanged);
    assert_eq!(out, [Instruction::Hangup, push(MAX_PUSH_ITEMS), pull(), Instruction::Listen]);
    assert_eq!(m.handle(at + 2, Event::SignedOut), [Instruction::Hangup]);
}

#[test]
fn a_store_that_fails_is_waited_out() {
    for lane in [Lane::Push, Lane::Pull] {
        let mut m = started();
        assert_eq!(m.handle(1, Event::StoreFailed(lane)), []);
        assert!(m.next_try().is_some(), "{lane:?} has a timer");
    }
}

#[test]
fn no_state_is_without_a_timer_while_something_waits() {
    // Whatever comes in whatever order: a signed-in machine that runs nothing always has a next wake.
    let events = [
        Event::Start,
        Event::Resume,
        Event::Tap,
        Event::NetworkChanged,
        Event::LocalChange,
        Event::Timer,
        Event::News { usn: 3, epoch: "e".into() },
        Event::Pushed(Pushed { sent: 2, settled: 0, accepted: 0, left: 2, ..Pushed::default() }),
        Event::Pushed(Pushed::default()),
        failed(Fault::Offline, 4),
        failed(refused(), 4),
        failed(refused(), 1),
        failed(busy(500, None), 4),
        Event::Quarantined,
        pulled(),
        Event::PullFailed(Fault::BadReply),
        Event::StoreFailed(Lane::Push),
        Event::StoreFailed(Lane::Pull),
        Event::ListenEnded(Fault::Offline),
    ];
    let mut seed = 9_u64;
    for _ in 0..2_000 {
        let mut m = Machine::new(seed, true);
        let mut now = 0;
        m.handle(now, Event::Start);
        for _ in 0..30 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            now += (seed >> 40) as i64 % 4_000;
            m.handle(now, events[(seed >> 33) as usize % events.len()].clone());
            assert!(m.next_wake().is_some(), "no timer after {m:?}");
        }
    }
}

#[test]
fn another_database_is_pulled_from_the_start_at_once() {
    let mut m = pushing();
    let other = Pushed { sent: 3, left: 9, other_epoch: true, ..Pushed::default() };
    assert_eq!(m.handle(5_000, Event::Pushed(other)), [pull()]);
    assert_eq!(m.handle(6_000, Event::Timer), [push(MAX_PUSH_ITEMS)]);
}
