//! Tests of the state machine of sync: sequences of events and the expected instructions.

mod rates;

use carrel_model::{
    ErrorCode,
    lattice::{RowKey, RowType},
    wire::MAX_PUSH_ITEMS,
};
use carrel_sync::{
    Event, Fault, Instruction, Machine, Phase,
    machine::{CHECK_SPREAD_MS, DEBOUNCE_MS, Lane, MAX_ROUNDS, POLL_MS, PULL_ROWS, Pulled, Pushed},
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
    Fault::Busy { status, retry_after_ms: seconds.map(|s: i64| s.unsigned_abs() * 1_000) }
}
fn refused() -> Fault {
    Fault::Refused { code: ErrorCode::InvalidRequest, reason: "no".into() }
}
fn failed(fault: Fault, sent: usize) -> Event {
    Event::PushFailed { fault, sent, first: Some((key(), 7)) }
}
/// Returns the result of a pull up to change number `usn`.
fn pulled_to(usn: u64) -> Pulled {
    Pulled { usn, epoch: "e".into(), ..Pulled::default() }
}
fn listen(stream: u64) -> Instruction {
    Instruction::Listen { stream }
}
fn pulled() -> Event {
    Event::Pulled(pulled_to(10))
}
/// Returns a machine whose push and pull are running.
fn started() -> Machine {
    let mut m = Machine::new(1, false);
    assert_eq!(m.handle(0, Event::Start), [push(MAX_PUSH_ITEMS), pull()]);
    m
}
/// Returns a machine in which no lane is running or due.
fn idle() -> Machine {
    let mut m = started();
    assert_eq!(m.handle(10, Event::Pushed(Pushed::default())), []);
    assert_eq!(m.handle(10, pulled()), []);
    assert_eq!((m.phase(), m.next_wake()), (Phase::Idle, Some(10 + POLL_MS)));
    m
}
/// Returns a machine in which only the push is running.
fn pushing() -> Machine {
    let mut m = idle();
    m.handle(20, Event::LocalChange);
    assert_eq!(m.handle(20 + DEBOUNCE_MS, Event::Timer), [push(MAX_PUSH_ITEMS)]);
    m
}

#[test]
fn each_push_fault_has_its_next_step() {
    /// The expected reaction to a failed push.
    enum NextStep {
        /// No instruction, and a retry after at least this time in ms.
        Wait(Phase, ErrorCode, i64),
        Push(usize),
        Quarantine(&'static str),
        Stop,
    }
    use NextStep::{Push, Quarantine, Stop, Wait};
    let table: Vec<(Fault, usize, NextStep)> = vec![
        (Fault::Offline, 100, Wait(Phase::Offline, ErrorCode::Offline, 1_000)),
        (busy(408, None), 100, Wait(Phase::ServerError, ErrorCode::Unavailable, 1_000)),
        (busy(425, None), 1, Wait(Phase::ServerError, ErrorCode::Unavailable, 1_000)),
        (busy(429, Some(30)), 100, Wait(Phase::ServerError, ErrorCode::RateLimited, 30_000)),
        (busy(500, None), 1, Wait(Phase::ServerError, ErrorCode::Unavailable, 1_000)),
        (busy(503, Some(120)), 100, Wait(Phase::ServerError, ErrorCode::Unavailable, 120_000)),
        (Fault::BadReply, 100, Wait(Phase::ServerError, ErrorCode::BadReply, 1_000)),
        (Fault::BadReply, 1, Wait(Phase::ServerError, ErrorCode::BadReply, 1_000)),
        (Fault::TooNew, 1, Wait(Phase::ServerError, ErrorCode::TooNew, 1_000)),
        (Fault::Unauthenticated, 1, Wait(Phase::ServerError, ErrorCode::Unauthenticated, 1_000)),
        (Fault::TooLarge { from_server: true }, 100, Push(50)),
        (Fault::TooLarge { from_server: false }, 3, Push(1)),
        (Fault::TooLarge { from_server: true }, 1, Quarantine("invalid")),
        (
            Fault::TooLarge { from_server: false },
            1,
            Wait(Phase::ServerError, ErrorCode::TooLarge, 1_000),
        ),
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
    for (fault, sent, expected) in table {
        let mut m = pushing();
        let now = 5_000;
        let out = m.handle(now, failed(fault.clone(), sent));
        match expected {
            Wait(phase, code, min_ms) => {
                assert_eq!(out, [], "{fault:?}");
                assert_eq!((m.phase(), m.error()), (phase, Some(code)), "{fault:?}");
                let next = m.next_try().expect("a timer") - now;
                assert!((min_ms..=15 * MIN).contains(&next), "{fault:?} waits {next} ms");
                assert_eq!(m.next_wake(), Some(now + next.min(10 + POLL_MS - now)));
                assert_eq!(
                    m.handle(now + next - 1, Event::Timer).len(),
                    0,
                    "{fault:?}: no retry before the wait ends"
                );
                assert_eq!(
                    m.handle(now + next, Event::Timer),
                    [push(MAX_PUSH_ITEMS)],
                    "{fault:?}: retry at the end of the wait"
                );
            }
            Push(limit) => assert_eq!(out, [push(limit)], "{fault:?} of {sent}"),
            Quarantine(code) => match &out[..] {
                [Instruction::Quarantine { key: k, rev: 7, code: c, .. }] => {
                    assert_eq!((k, *c), (&key(), code));
                    assert_eq!(
                        m.handle(now, Event::Quarantined),
                        [push(MAX_PUSH_ITEMS)],
                        "the remaining rows are pushed"
                    );
                }
                other => panic!("{fault:?}: {other:?}"),
            },
            Stop => {
                assert_eq!((out.len(), m.phase(), m.next_wake()), (0, Phase::SignedOut, None));
                for event in [
                    Event::SyncNow,
                    Event::LocalChange,
                    Event::Timer,
                    Event::NetworkChanged,
                    Event::Resume,
                ] {
                    assert_eq!(m.handle(now + MIN, event), [], "no request without a session");
                }
                assert_eq!(m.handle(now + MIN, Event::SignedIn), [push(MAX_PUSH_ITEMS), pull()]);
            }
        }
    }
}

#[test]
fn push_and_pull_do_not_block_each_other() {
    let mut m = started();
    m.handle(1, failed(busy(503, Some(3_600)), 5));
    m.handle(1, Event::Pulled(pulled_to(1)));
    assert_eq!(m.handle(2, Event::Changes { usn: 2, epoch: "e".into() }), [pull()]);
    let mut m = started();
    m.handle(1, Event::PullFailed(busy(503, Some(3_600))));
    m.handle(
        1,
        Event::Pushed(Pushed { sent: 1, settled: 1, accepted: 1, left: 5, ..Pushed::default() }),
    );
    assert_eq!(m.phase(), Phase::ServerError);
    m.handle(2, Event::Pushed(Pushed::default()));
    m.handle(2, Event::LocalChange);
    assert_eq!(m.handle(2 + DEBOUNCE_MS, Event::Timer), [push(MAX_PUSH_ITEMS)]);
}

#[test]
fn sync_now_or_network_change_resets_all_waits() {
    for event in [Event::SyncNow, Event::NetworkChanged, Event::Resume, Event::SignedIn] {
        let mut m = started();
        m.handle(1, failed(busy(503, Some(3_600)), 5));
        m.handle(1, Event::PullFailed(Fault::Offline));
        assert_eq!(m.handle(2, event.clone()), [push(MAX_PUSH_ITEMS), pull()], "{event:?}");
        assert_eq!(m.phase(), Phase::Running);
        // The waits are short again.
        m.handle(3, Event::PullFailed(Fault::Offline));
        m.handle(3, failed(Fault::Offline, 5));
        assert!(m.next_try().unwrap() <= 3 + 3_000);
    }
}

#[test]
fn sync_now_during_a_failing_push_repeats_it_at_once() {
    let mut m = pushing();
    assert_eq!(m.handle(2_000, Event::SyncNow), [pull()]);
    assert_eq!(
        m.handle(30_000, failed(Fault::Offline, 5)),
        [push(MAX_PUSH_ITEMS)],
        "the failed round started before the event, so it is repeated at once"
    );
    assert_eq!(
        m.handle(60_000, failed(Fault::Offline, 5)),
        [],
        "a wait follows the second failure"
    );
}

#[test]
fn local_changes_are_debounced_without_starvation() {
    let mut m = idle();
    for ms in 0..10 {
        m.handle(100 + ms * 90, Event::LocalChange);
    }
    assert_eq!(m.next_wake(), Some(100 + DEBOUNCE_MS), "measured from the first change");
    assert_eq!(m.handle(100 + DEBOUNCE_MS, Event::Timer), [push(MAX_PUSH_ITEMS)]);
    // A change during a push starts another push.
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
    // A change does not end a wait.
    m.handle(2_400, failed(busy(503, Some(60)), 1));
    m.handle(2_500, Event::LocalChange);
    assert_eq!(m.handle(2_500 + DEBOUNCE_MS, Event::Timer), []);
}

#[test]
fn remaining_rows_are_sent_at_once_in_growing_batches() {
    const MAX: usize = MAX_PUSH_ITEMS;
    let mut m = pushing();
    assert_eq!(m.handle(1, failed(refused(), MAX)), [push(MAX / 2)]);
    assert_eq!(m.handle(1, failed(refused(), MAX / 2)), [push(MAX / 4)]);
    let ok = |left| {
        let sent = MAX / 4;
        Event::Pushed(Pushed { sent, settled: sent, accepted: sent, left, ..Pushed::default() })
    };
    assert_eq!(m.handle(1, ok(750)), [push(MAX / 2)]);
    assert_eq!(m.handle(1, ok(500)), [push(MAX)]);
    assert_eq!(m.handle(1, ok(250)), [push(MAX)]);
    assert_eq!(m.handle(1, ok(0)), []);
    // A round without progress is not repeated at once.
    let mut m = pushing();
    let nothing =
        Event::Pushed(Pushed { sent: 3, settled: 0, accepted: 0, left: 3, ..Pushed::default() });
    assert_eq!(m.handle(5_000, nothing), []);
    assert_eq!(m.handle(6_000, Event::Timer), [push(MAX_PUSH_ITEMS)]);
}

#[test]
fn rows_are_quarantined_slowly_if_the_server_refuses_all() {
    let mut m = pushing();
    let mut quarantined = 0;
    let mut now = 2_000;
    let mut todo = vec![push(1)];
    while now < 2_000 + 5 * MIN {
        match todo.pop() {
            Some(Instruction::Push { .. }) => todo.extend(m.handle(now, failed(refused(), 1))),
            Some(Instruction::Quarantine { .. }) => {
                quarantined += 1;
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
    assert!((9..40).contains(&quarantined), "{quarantined} rows in five minutes");
}

#[test]
fn pulls_continue_to_the_last_page_and_shrink_after_invalid_replies() {
    let mut m = started();
    let more = Event::Pulled(Pulled { more: true, ..pulled_to(500) });
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
fn known_changes_cause_no_request() {
    let mut m = idle();
    assert_eq!(m.handle(11, Event::Changes { usn: 10, epoch: "e".into() }), []);
    assert_eq!(m.handle(12, Event::Changes { usn: 9, epoch: "e".into() }), []);
    assert_eq!(m.handle(13, Event::Changes { usn: 11, epoch: "e".into() }), [pull()]);
    m.handle(14, Event::Changes { usn: 12, epoch: "e".into() });
    assert_eq!(
        m.handle(15, Event::Pulled(pulled_to(11))),
        [pull()],
        "changes reported during a pull cause another one"
    );
    m.handle(16, pulled());
    assert_eq!(
        m.handle(17, Event::Changes { usn: 1, epoch: "other".into() }),
        [pull()],
        "a change number of another epoch is not comparable"
    );
    // Reported changes end the wait after `Offline`, because the event stream works. They do not end a wait requested
    // by the server.
    let mut m = idle();
    m.handle(20, Event::SyncNow);
    m.handle(21, Event::PullFailed(Fault::Offline));
    assert_eq!(m.handle(22, Event::Changes { usn: 99, epoch: "e".into() }), [pull()]);
    m.handle(23, Event::PullFailed(busy(503, Some(60))));
    assert_eq!(m.handle(24, Event::Changes { usn: 99, epoch: "e".into() }), []);
}

#[test]
fn polls_every_five_minutes() {
    let mut m = idle();
    let poll = m.next_wake().unwrap();
    assert_eq!(m.handle(poll - 1, Event::Timer), []);
    assert_eq!(m.handle(poll, Event::Timer), [push(MAX_PUSH_ITEMS), pull()]);
}

#[test]
fn the_event_stream_is_reopened() {
    let mut m = Machine::new(3, true);
    assert_eq!(m.handle(0, Event::Start), [push(MAX_PUSH_ITEMS), pull(), listen(1)]);
    m.handle(1, Event::Pushed(Pushed::default()));
    m.handle(1, pulled());
    m.handle(1, Event::ListenOpened { stream: 1 });
    assert!(!m.handle(2, Event::SyncNow).contains(&listen(2)), "the stream is open already");
    m.handle(3, Event::Pushed(Pushed::default()));
    m.handle(3, pulled());
    assert_eq!(m.handle(4, Event::ListenEnded { stream: 1, fault: Fault::Offline }), []);
    assert_eq!(m.phase(), Phase::Idle, "an ended stream is not shown as a fault");
    let at = m.next_wake().unwrap();
    assert!(at <= 4 + CHECK_SPREAD_MS);
    assert_eq!(m.handle(at, Event::Timer), [pull()], "a pull checks the server");
    m.handle(at, pulled());
    assert_eq!(m.phase(), Phase::Idle);
    let at = m.next_wake().unwrap();
    assert!(at <= 4 + 3_000);
    assert_eq!(m.handle(at, Event::Timer), [listen(2)]);
    let out = m.handle(at + 1, Event::NetworkChanged);
    assert_eq!(out, [Instruction::CloseStream, push(MAX_PUSH_ITEMS), pull(), listen(3)]);
    assert_eq!(m.handle(at + 2, Event::SignedOut), [Instruction::CloseStream]);
}

#[test]
fn the_decision_about_a_pushed_row_is_pulled_at_once() {
    let sent = Pushed { sent: 1, settled: 1, accepted: 1, ..Pushed::default() };
    let mut m = pushing();
    assert_eq!(m.handle(5_000, Event::Pushed(Pushed { news: Some(12), ..sent })), [pull()]);
    assert_eq!(m.handle(5_010, Event::Pulled(pulled_to(12))), []);
    // Without rows of others, no pull is needed.
    let mut m = pushing();
    assert_eq!(m.handle(5_000, Event::Pushed(sent)), []);
    // A pull that runs already is repeated only if it did not reach the decision.
    for (usn, expected) in [(12, vec![]), (13, vec![]), (11, vec![pull()])] {
        let mut m = started();
        m.handle(10, Event::Pushed(Pushed { news: Some(12), ..sent }));
        assert_eq!(m.handle(20, Event::Pulled(pulled_to(usn))), expected, "pulled to {usn}");
    }
}

#[test]
fn an_unreachable_server_is_checked_and_shown_until_it_replies() {
    // A list could not be loaded, while sync is idle.
    let mut m = idle();
    assert_eq!(m.handle(20, Event::Unreachable), []);
    assert_eq!((m.phase(), m.error()), (Phase::Offline, Some(ErrorCode::Offline)));
    let at = m.next_wake().unwrap();
    assert!(at <= 20 + CHECK_SPREAD_MS);
    assert_eq!(m.handle(at, Event::Timer), [pull()]);
    m.handle(at + 10, Event::PullFailed(Fault::Offline));
    let retry = m.next_try().unwrap();
    m.handle(at + 11, Event::Unreachable);
    assert_eq!(m.next_try(), Some(retry), "a failed lane is not checked again");
    // Another request of the app is answered: the wait ends, once.
    assert_eq!(m.handle(at + 20, Event::Reached), [pull()]);
    m.handle(at + 30, Event::PullFailed(Fault::Offline));
    assert_eq!(m.phase(), Phase::Offline, "pulls still fail");
    assert_eq!(m.handle(at + 40, Event::Reached), []);
    let retry = m.next_try().unwrap();
    assert_eq!(m.handle(retry, Event::Timer), [pull()]);
    m.handle(retry + 1, pulled());
    assert_eq!(m.phase(), Phase::Idle);
    // Without a fault of sync, the first reply ends the state.
    m.handle(retry + 2, Event::Unreachable);
    m.handle(retry + 3, Event::Reached);
    assert_eq!(m.phase(), Phase::Idle);
    let at = m.next_wake().unwrap();
    assert_eq!(m.handle(at, Event::Timer), [pull()]);
    m.handle(at, pulled());
    // A doubt is not shown, but checked.
    let now = retry + POLL_MS / 2;
    m.handle(now, Event::Doubtful);
    assert_eq!(m.phase(), Phase::Idle);
    assert!(m.next_wake().unwrap() <= now + CHECK_SPREAD_MS);
}

#[test]
fn a_reached_server_ends_no_wait_that_it_requested() {
    let mut m = pushing();
    m.handle(5_000, failed(busy(503, Some(120)), 5));
    assert_eq!(m.handle(5_010, Event::Reached), []);
    assert_eq!(m.next_try(), Some(5_000 + 120_000));
}

#[test]
fn store_failures_are_retried_after_a_wait() {
    for lane in [Lane::Push, Lane::Pull] {
        let mut m = started();
        assert_eq!(m.handle(1, Event::StoreFailed(lane)), []);
        assert!(m.next_try().is_some(), "{lane:?} is retried");
    }
}

#[test]
fn a_signed_in_machine_always_has_a_next_wake() {
    // Checked after each event of random sequences.
    let events = [
        Event::Start,
        Event::Resume,
        Event::SyncNow,
        Event::NetworkChanged,
        Event::LocalChange,
        Event::Timer,
        Event::Changes { usn: 3, epoch: "e".into() },
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
        Event::ListenEnded { stream: 1, fault: Fault::Offline },
        Event::Unreachable,
        Event::Doubtful,
        Event::Reached,
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
fn a_changed_epoch_causes_a_pull_at_once() {
    let mut m = pushing();
    let other = Pushed { sent: 3, left: 9, other_epoch: true, ..Pushed::default() };
    assert_eq!(m.handle(5_000, Event::Pushed(other)), [pull()]);
    assert_eq!(m.handle(6_000, Event::Timer), [push(MAX_PUSH_ITEMS)]);
}

#[test]
fn events_of_an_earlier_stream_are_ignored() {
    for fault in [Fault::Offline, Fault::BadReply, Fault::SignedOut, busy(503, Some(900))] {
        let mut m = Machine::new(3, true);
        m.handle(0, Event::Start);
        m.handle(1, Event::Pushed(Pushed::default()));
        m.handle(1, pulled());
        m.handle(2, Event::ListenOpened { stream: 1 });
        // On a network change the first stream is closed and a second one opened, before the end of the first is
        // reported.
        let out = m.handle(3, Event::NetworkChanged);
        assert!(out.contains(&Instruction::CloseStream) && out.contains(&listen(2)), "{out:?}");
        m.handle(4, Event::Pushed(Pushed::default()));
        m.handle(4, pulled());
        let out = m.handle(5, Event::ListenEnded { stream: 1, fault: fault.clone() });
        assert_eq!((out, m.phase()), (vec![], Phase::Idle), "{fault:?}");
        m.handle(6, Event::ListenOpened { stream: 1 });
        // The second stream stays open: no third one is opened, and signing out closes the second.
        let poll = m.next_wake().expect("the poll");
        assert_eq!(m.handle(poll, Event::Timer), [push(MAX_PUSH_ITEMS), pull()], "{fault:?}");
        assert_eq!(m.handle(poll + 1, Event::SignedOut), [Instruction::CloseStream], "{fault:?}");
    }
}
