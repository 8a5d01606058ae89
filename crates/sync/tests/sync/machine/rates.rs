//! How often the machine asks a server whose replies make no progress.

use super::*;

/// Replies of a scripted server. Each request gets the next reply of its list; the lists are repeated.
#[derive(Debug, Clone)]
struct Script {
    pushes: Vec<Event>,
    pulls: Vec<Event>,
    streams: Vec<Event>,
    /// Event after each reply and each timer.
    changes: Option<Event>,
    /// Duration of a request.
    takes_ms: i64,
}

/// Runs the machine against the script for `length_ms`; returns the number of requests in each minute.
fn requests_per_minute(script: &Script, seed: u64, length_ms: i64) -> Vec<u32> {
    let mut m = Machine::new(seed, true);
    let mut requests = vec![0; (length_ms / MIN) as usize + 1];
    let (mut pushes, mut pulls, mut streams) = (0, 0, 0);
    let mut now = 0;
    // Replies in flight, with the time of their arrival.
    let mut in_flight: Vec<(i64, Event)> = Vec::new();
    let mut todo = m.handle(now, Event::Start);
    while now < length_ms {
        for instruction in std::mem::take(&mut todo) {
            let next = |of: &[Event], n: &mut usize| {
                *n += 1;
                of[(*n - 1) % of.len()].clone()
            };
            let reply = match instruction {
                Instruction::Push { limit } => match next(&script.pushes, &mut pushes) {
                    // At most `limit` rows are sent.
                    Event::PushFailed { fault, sent, first } => {
                        Event::PushFailed { fault, sent: sent.min(limit), first }
                    }
                    reply => reply,
                },
                Instruction::Pull { .. } => next(&script.pulls, &mut pulls),
                Instruction::Listen { stream } => {
                    in_flight.push((now + script.takes_ms, Event::ListenOpened { stream }));
                    match next(&script.streams, &mut streams) {
                        Event::ListenEnded { fault, .. } => Event::ListenEnded { stream, fault },
                        other => other,
                    }
                }
                Instruction::Quarantine { .. } => {
                    in_flight.push((now, Event::Quarantined));
                    continue;
                }
                Instruction::CloseStream => continue,
            };
            requests[(now / MIN) as usize] += 1;
            in_flight.push((now + script.takes_ms, reply));
        }
        if let Some(first) = (0..in_flight.len()).min_by_key(|i| in_flight[*i].0) {
            let wake = m.next_wake().unwrap_or(i64::MAX);
            if in_flight[first].0 <= wake.max(now) {
                let (at, reply) = in_flight.remove(first);
                now = now.max(at);
                todo.extend(m.handle(now, reply));
                if let Some(changes) = &script.changes {
                    todo.extend(m.handle(now, changes.clone()));
                }
                continue;
            }
        }
        now = m.next_wake().expect("a timer").max(now);
        todo.extend(m.handle(now, Event::Timer));
        if let Some(changes) = &script.changes {
            todo.extend(m.handle(now, changes.clone()));
        }
    }
    requests
}

/// Returns results that settle no row, except by quarantine.
fn pushes_without_progress() -> Vec<Event> {
    vec![
        Event::Pushed(Pushed { sent: 5, left: 5, ..Pushed::default() }),
        Event::Pushed(Pushed { sent: 5, left: 5, other_epoch: true, ..Pushed::default() }),
        Event::Pushed(Pushed::default()),
        Event::Pushed(Pushed { news: Some(1 << 40), ..Pushed::default() }),
        failed(Fault::Offline, 5),
        failed(Fault::BadReply, 1),
        failed(Fault::TooNew, 5),
        failed(Fault::Unauthenticated, 5),
        failed(Fault::TooLarge { from_server: false }, 2_000),
        failed(Fault::TooLarge { from_server: true }, 2_000),
        failed(refused(), 2_000),
        failed(refused(), 1),
        failed(busy(503, Some(0)), 5),
        Event::StoreFailed(Lane::Push),
    ]
}
fn pulls_without_progress() -> Vec<Event> {
    let other = |epoch: &str, usn, more| {
        Event::Pulled(Pulled { more, usn, epoch: epoch.into(), other_epoch: true })
    };
    vec![
        Event::Pulled(Pulled { more: true, ..pulled_to(0) }),
        Event::Pulled(pulled_to(0)),
        other("a", 0, true),
        other("b", 0, true),
        Event::PullFailed(Fault::Offline),
        Event::PullFailed(Fault::BadReply),
        Event::PullFailed(Fault::TooNew),
        Event::PullFailed(Fault::Unauthenticated),
        Event::PullFailed(busy(503, Some(0))),
        Event::StoreFailed(Lane::Pull),
    ]
}
fn random_events(of: &[Event], seed: &mut u64) -> Vec<Event> {
    let mut next = || {
        *seed =
            seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 33) as usize
    };
    (0..1 + next() % 4).map(|_| of[next() % of.len()].clone()).collect()
}

#[test]
fn alternating_epochs_cause_no_hot_loop() {
    // Two servers behind one address reply in turn: both lanes receive a changed epoch each time, with and without
    // pages of rows between.
    let epoch = |name: &str| {
        Event::Pulled(Pulled { more: true, usn: 0, epoch: name.into(), other_epoch: true })
    };
    let page = |name: &str| {
        Event::Pulled(Pulled { more: true, usn: 500, epoch: name.into(), other_epoch: false })
    };
    let done = |name: &str| {
        Event::Pulled(Pulled { more: false, usn: 900, epoch: name.into(), other_epoch: false })
    };
    let other = Event::Pushed(Pushed { sent: 5, left: 5, other_epoch: true, ..Pushed::default() });
    let sent = Event::Pushed(Pushed { sent: 5, settled: 5, accepted: 5, ..Pushed::default() });
    for pulls in [
        vec![epoch("a"), epoch("b")],
        vec![epoch("a"), page("a"), epoch("b"), page("b")],
        vec![epoch("a"), page("a"), done("a"), epoch("b"), page("b"), done("b")],
    ] {
        for pushes in [vec![other.clone()], vec![sent.clone()], vec![other.clone(), sent.clone()]] {
            let script = Script {
                pushes,
                pulls: pulls.clone(),
                streams: vec![Event::ListenEnded { stream: 0, fault: Fault::Offline }],
                changes: Some(Event::Changes { usn: 1 << 40, epoch: "c".into() }),
                takes_ms: 0,
            };
            let minutes = requests_per_minute(&script, 7, 120 * MIN);
            assert!(minutes.iter().all(|n| *n <= 100), "{script:?}: {minutes:?}");
            let late: u32 = minutes[60..].iter().sum();
            assert!(late <= 60 * 4, "{script:?}: {late} requests in the second hour: {minutes:?}");
        }
    }
}

#[test]
fn replies_without_progress_cause_no_hot_loop() {
    let count = if std::env::var_os("CARREL_LONG").is_some() { 200_000 } else { 3_000 };
    let ends = [Fault::Offline, Fault::BadReply, busy(503, Some(0)), Fault::Unauthenticated]
        .map(|fault| Event::ListenEnded { stream: 0, fault });
    let mut seed = 11_u64;
    for n in 0..count {
        let changes = match n % 7 {
            0 => None,
            1 | 2 => Some(Event::Changes { usn: 1 << 40, epoch: "e".into() }),
            3 => Some(Event::Changes { usn: 1 << 40, epoch: "other".into() }),
            4 => Some(Event::Unreachable),
            5 => Some(Event::Doubtful),
            _ => Some(Event::Reached),
        };
        let script = Script {
            pushes: random_events(&pushes_without_progress(), &mut seed),
            pulls: random_events(&pulls_without_progress(), &mut seed),
            streams: random_events(&ends, &mut seed),
            changes,
            takes_ms: [0, 1, 300][n % 3],
        };
        let minutes = requests_per_minute(&script, seed, 60 * MIN);
        // Halving batches needs at most eleven requests for each of nine quarantined rows; there are few other
        // requests.
        assert!(minutes.iter().all(|n| *n <= 180), "{script:?}: {minutes:?}");
        let late = minutes[30..60].iter().sum::<u32>();
        assert!(late <= 30 * 12, "{script:?}: {late} requests in the second half of the hour");
    }
}

#[test]
fn endless_pages_are_rate_limited() {
    // Each page advances the cursor and has `more`.
    let mut m = Machine::new(5, false);
    let (mut now, mut usn, mut requests) = (0, 0, 0);
    let mut todo = m.handle(now, Event::Start);
    while now < 10 * MIN {
        match todo.pop() {
            Some(Instruction::Pull { .. }) => {
                (requests, usn) = (requests + 1, usn + 1);
                assert!(requests <= 11 * MAX_ROUNDS, "{requests} requests by {now} ms");
                todo.extend(m.handle(now, Event::Pulled(Pulled { more: true, ..pulled_to(usn) })));
            }
            Some(Instruction::Push { .. }) => {
                todo.extend(m.handle(now, Event::Pushed(Pushed::default())));
            }
            Some(_) => {}
            None => {
                now = m.next_wake().expect("a timer");
                todo.extend(m.handle(now, Event::Timer));
            }
        }
    }
    assert!(requests > 1);
    assert!(m.next_wake().is_some());
}

#[test]
fn rows_changed_during_a_push_are_not_a_stall() {
    let mut m = pushing();
    let mut now = 5_000;
    for _ in 0..20 {
        m.handle(now, Event::LocalChange);
        let changed = Pushed { sent: 1, settled: 0, left: 1, ..Pushed::default() };
        assert_eq!(m.handle(now + 10, Event::Pushed(changed)), []);
        assert_eq!(m.phase(), Phase::Idle);
        assert_eq!(m.handle(now + 10 + DEBOUNCE_MS, Event::Timer), [push(MAX_PUSH_ITEMS)]);
        now += 2_000;
    }
}

#[test]
fn one_change_of_epoch_a_day_causes_no_wait() {
    let mut m = idle();
    for day in 0..3 {
        let now = 100_000 + day * 24 * 60 * MIN;
        m.handle(now, Event::SyncNow);
        m.handle(now, Event::Pushed(Pushed::default()));
        let other = Pulled { more: true, usn: 0, epoch: format!("day {day}"), other_epoch: true };
        assert_eq!(m.handle(now + 1, Event::Pulled(other)), [pull()], "day {day}");
        let all = Pulled { usn: 10, epoch: format!("day {day}"), ..Pulled::default() };
        assert_eq!(m.handle(now + 2, Event::Pulled(all)), [], "day {day}");
        assert_eq!(m.phase(), Phase::Idle);
    }
}
