//! Tests of sync with faults: lost, cut, refused and hostile replies, crashes. No row is lost or counted twice, and an
//! invalid row blocks no other.

use carrel_learning::store::{outbox, state};
use carrel_model::{
    ErrorCode, Hlc, RevisionId,
    lattice::{Extra, ItemKind, NoteRevision, Progress},
    wire::{MAX_PUSH_ITEMS, PullReply, PulledRow, PushReply, PushResult, ResultCode},
};
use carrel_sync::{
    Event, Instruction, Phase,
    machine::{Lane, PULL_ROWS},
};
use carrel_system::Clock as _;
use carrel_testkit::{
    FakeClock, FakeServer,
    fake_server::Outcome,
    reply::{problem, problem_json},
    work::item,
};
use futures_util::FutureExt;
use tokio::sync::oneshot;

use crate::world::{Device, PULL, PUSH, key, percent, percent_at};

#[tokio::test]
async fn after_lost_requests_or_replies_no_row_is_lost_or_counted_twice() {
    for outcome in [|| Outcome::LoseRequest, || Outcome::LoseReply] {
        let server = FakeServer::new();
        let device = Device::new(1, &FakeClock::noon(), &server);
        device.learning.study_heartbeat(&item("a/b/c"), true).await.unwrap();
        device.clock.advance(9_000);
        device.learning.study_heartbeat(&item("a/b/c"), false).await.unwrap();
        device.finish("a/b/c").await;
        for _ in 0..4 {
            server.enqueue(PUSH, outcome());
        }
        let passed = device.sync_until_idle().await;
        assert!(passed >= 4_000, "there are waits between retries: {passed} ms");
        let other = Device::new(2, &device.clock, &server);
        other.sync().await;
        assert_eq!(other.learning.time_spent(&item("a/b/c")).await.unwrap(), 9_000);
        assert_eq!(other.done("a").await, ["a/b/c"]);
    }
}

/// Wherever a pull is interrupted, the cursor is never ahead of the stored rows.
#[tokio::test]
async fn an_interrupted_pull_is_repeated() {
    let mut polls = 0;
    loop {
        let server = FakeServer::new();
        let there = Progress::none(ItemKind::Section, item("rivers/a/b"));
        let clock = FakeClock::noon();
        server.put(Progress { done_ms: Some(clock.now_ms()), ..there });
        let device = Device::new(1, &clock, &server);
        let mut pull = Box::pin(device.engine.run(Instruction::Pull { limit: 10 }));
        let mut ended = false;
        for _ in 0..polls {
            ended = pull.as_mut().now_or_never().is_some();
            if ended {
                break;
            }
            // Queued after the writes of the pull.
            device.store.write("later", |_| Ok(())).await.unwrap();
        }
        drop(pull);
        let device = device.restart(&server).await;
        device.sync_until_idle().await;
        assert_eq!(device.done("rivers").await, ["rivers/a/b"], "dropped after {polls} polls");
        if ended {
            break;
        }
        polls += 1;
        assert!(polls < 1_000, "the pull ends");
    }
    assert!(polls > 1, "the pull was dropped in progress: {polls} polls");
}

#[tokio::test]
async fn a_crash_at_any_point_of_a_push_or_pull_loses_nothing() {
    for at in ["before the reply", "after the reply"] {
        let server = FakeServer::new();
        let device = Device::new(1, &FakeClock::noon(), &server);
        device.finish("a/b/c").await;
        let (processed, was_received) = oneshot::channel();
        let (resume, resumed) = oneshot::channel();
        server.enqueue(PUSH, Outcome::Hold { processed, resumed });
        let engine = device.engine.clone();
        let push = tokio::spawn(async move { engine.run(Instruction::Push { limit: 10 }).await });
        was_received.await.unwrap();
        if at == "after the reply" {
            resume.send(()).unwrap();
            push.await.unwrap();
        } else {
            push.abort();
            let _ = push.await;
            assert_eq!(device.waiting().await, 1, "the row is not acknowledged");
        }
        let device = device.restart(&server).await;
        device.sync_until_idle().await;
        assert_eq!(percent_at(&server, "a/b/c"), Some(10_000));
        assert_eq!(device.done("a").await, ["a/b/c"]);
    }
}

/// `2 * MAX_PUSH_ITEMS + 500` rows are sent in three requests; the client settles one batch while the next is in
/// flight.
#[tokio::test]
async fn pipelined_batches_lose_nothing_after_a_fault() {
    let pass = || {
        let ((processed, _), (resume, resumed)) = (oneshot::channel(), oneshot::channel());
        resume.send(()).unwrap();
        Outcome::Hold { processed, resumed }
    };
    let busy = || Outcome::Reply(problem(503, ErrorCode::Unavailable, Some(1)).into());
    let faults: [(&str, Vec<Outcome>, usize); 5] = [
        ("none", vec![], 3),
        ("the second batch is lost", vec![pass(), Outcome::LoseRequest], 4),
        ("the reply to the second batch is lost", vec![pass(), Outcome::LoseReply], 4),
        ("the third batch is refused", vec![pass(), pass(), busy()], 4),
        (
            "the second reply is a sign-in page",
            vec![pass(), Outcome::Reply((200, "<html>").into())],
            4,
        ),
    ];
    for (name, outcomes, requests) in faults {
        let server = FakeServer::new();
        let device = Device::new(1, &FakeClock::noon(), &server);
        device.finish("first/of/all").await;
        device.sync().await;
        device
            .store
            .write("many", |tx| {
                for n in 0..2 * MAX_PUSH_ITEMS + 500 {
                    let mut row = Progress::none(ItemKind::Section, item(&format!("c/l{n}/s")));
                    row.percent = 50;
                    tx.join(row)?;
                }
                Ok(())
            })
            .await
            .unwrap();
        let (processed, was_received) = oneshot::channel();
        let (resume, resumed) = oneshot::channel();
        let before = server.requests(PUSH);
        let mut outcomes = outcomes.into_iter();
        // The first reply is delayed, so that a row changes while it is in flight.
        outcomes.next();
        server.enqueue(PUSH, Outcome::Hold { processed, resumed });
        outcomes.for_each(|outcome| server.enqueue(PUSH, outcome));
        let engine = device.engine.clone();
        let push =
            tokio::spawn(
                async move { engine.run(Instruction::Push { limit: MAX_PUSH_ITEMS }).await },
            );
        was_received.await.unwrap();
        device.learning.record(percent("c/l7/s", 9_000)).await.unwrap();
        resume.send(()).unwrap();
        push.await.unwrap();
        device.sync_until_idle().await;
        assert_eq!(
            (device.waiting().await, server.row_count()),
            (0, 2 * MAX_PUSH_ITEMS + 501),
            "{name}"
        );
        assert_eq!(
            percent_at(&server, "c/l7/s"),
            Some(9_000),
            "{name}: the later change is pushed"
        );
        assert!(
            server.requests(PUSH) - before <= requests + 1,
            "{name}: {} requests",
            server.requests(PUSH) - before
        );
        let receipts = device.store.read(|c| outbox::accepted(c, 1_000)).await.unwrap();
        assert_eq!(receipts.len(), outbox::RECEIPTS, "{name}");
    }
}

/// Three pages in one instruction: the next page is requested while the one before it is applied.
#[tokio::test]
async fn pipelined_pages_lose_nothing_after_a_fault() {
    const ROWS: usize = 2 * PULL_ROWS as usize + 500;
    let busy = || Outcome::Reply(problem(503, ErrorCode::Unavailable, Some(1)).into());
    let faults: [(&str, Option<Outcome>, usize, u64); 5] = [
        ("none", None, 3, ROWS as u64),
        ("the second request is lost", Some(Outcome::LoseRequest), 2, PULL_ROWS.into()),
        ("the second reply is lost", Some(Outcome::LoseReply), 2, PULL_ROWS.into()),
        ("the server is busy", Some(busy()), 2, PULL_ROWS.into()),
        ("a sign-in page", Some(Outcome::Reply((200, "<html>").into())), 2, PULL_ROWS.into()),
    ];
    for (name, fault, requests, pulled) in faults {
        let server = FakeServer::new();
        for n in 0..ROWS {
            let row = Progress::none(ItemKind::Section, item(&format!("c/l{n}/s")));
            server.put(Progress { done_ms: Some(FakeClock::noon().now_ms()), ..row });
        }
        let device = Device::new(1, &FakeClock::noon(), &server);
        if let Some(fault) = fault {
            let ((processed, _), (resume, resumed)) = (oneshot::channel(), oneshot::channel());
            resume.send(()).unwrap();
            server.enqueue(PULL, Outcome::Hold { processed, resumed });
            server.enqueue(PULL, fault);
        }
        let event = device.engine.run(Instruction::Pull { limit: PULL_ROWS }).await;
        let Event::Pulled(done) = event else { panic!("{name}: {event:?}") };
        assert_eq!((server.requests(PULL), done.usn), (requests, pulled), "{name}");
        assert_eq!(done.more, pulled < ROWS as u64, "{name}");
        let state = device.store.read(state::load).await.unwrap();
        assert_eq!(state.pulled, pulled, "{name}: the cursor is that of the applied rows");
        device.sync_until_idle().await;
        assert_eq!(device.done("c").await.len(), ROWS, "{name}");
    }
}

#[tokio::test]
async fn a_rejected_batch_is_bisected_to_the_invalid_row() {
    let server = FakeServer::new();
    let device = Device::new(1, &FakeClock::noon(), &server);
    for n in 0..101 {
        device.finish(&format!("c/l{n}/s")).await;
    }
    server.state().reject_batches_with = vec![key("c/l37/s"), key("c/l38/s")];
    device.sync_until_idle().await;
    let mut refused: Vec<_> = device.refused().await.into_iter().map(|r| (r.key, r.code)).collect();
    refused.sort();
    assert_eq!(
        refused,
        [(key("c/l37/s"), "invalid".to_owned()), (key("c/l38/s"), "invalid".to_owned())]
    );
    assert_eq!((device.waiting().await, server.row_count()), (0, 99));
    assert!(server.requests(PUSH) < 40, "{} requests", server.requests(PUSH));
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_halved() {
    let server = FakeServer::new();
    let device = Device::new(1, &FakeClock::noon(), &server);
    for n in 0..200 {
        device.finish(&format!("c/l{n}/s")).await;
    }
    server.state().max_items = Some(30);
    device.sync_until_idle().await;
    assert_eq!((server.row_count(), device.refused().await.len()), (200, 0));
}

#[tokio::test]
async fn hostile_replies_to_a_push_lose_nothing() {
    let result = |index, code| PushResult { index, code, reason: String::new() };
    let json = |results| {
        serde_json::to_vec(&PushReply { epoch: "e1".into(), usn: 1, own_since: None, results })
            .unwrap()
    };
    let ok = ResultCode::Ok;
    let replies: Vec<(&str, u16, Vec<u8>)> = vec![
        ("a sign-in page", 200, b"<html>Sign in to the Wi-Fi</html>".to_vec()),
        ("nothing", 200, vec![]),
        ("half a reply", 200, br#"{"epoch":"e1","usn":1,"results":[{"ind"#.to_vec()),
        ("other JSON", 200, b"[1,2,3]".to_vec()),
        ("too few results", 200, json(vec![result(0, ok)])),
        ("too many results", 200, json(vec![result(0, ok), result(1, ok), result(2, ok)])),
        ("one index twice", 200, json(vec![result(0, ok), result(0, ok)])),
        ("a wrong index", 200, json(vec![result(0, ok), result(7, ok)])),
        (
            "an unknown code",
            200,
            br#"{"epoch":"e1","usn":1,"results":[{"index":0,"code":"fine"},{"index":1,"code":"ok"}]}"#
                .to_vec(),
        ),
        (
            "no epoch",
            200,
            br#"{"epoch":"","usn":1,"results":[{"index":0,"code":"ok"},{"index":1,"code":"ok"}]}"#
                .to_vec(),
        ),
        ("a huge body", 200, vec![b' '; 3 * 1024 * 1024]),
        ("201", 201, json(vec![result(0, ok), result(1, ok)])),
        ("no content", 204, vec![]),
        ("a redirect", 302, vec![]),
        ("a portal's 401", 401, b"<html>".to_vec()),
        ("a portal's 403", 403, b"<html>".to_vec()),
        ("a portal's 404", 404, b"<html>".to_vec()),
        ("a proxy's 407", 407, vec![]),
        ("a proxy's 413", 413, b"<html>".to_vec()),
        ("a proxy's 502", 502, b"<html>Bad gateway</html>".to_vec()),
        ("a stray 401", 401, problem_json(401, ErrorCode::Unauthenticated)),
        ("a 404 of the server", 404, problem_json(404, ErrorCode::NotFound)),
        ("an upgrade", 426, problem_json(426, ErrorCode::TooNew)),
        ("a 500", 500, vec![]),
    ];
    for (name, status, body) in replies {
        for done in [false, true] {
            let server = FakeServer::new();
            let device = Device::new(1, &FakeClock::noon(), &server);
            device.finish("a/b/c").await;
            device.finish("a/b/d").await;
            let outcome = if done {
                Outcome::ProcessAndReply((status, body.clone()).into())
            } else {
                Outcome::Reply((status, body.clone()).into())
            };
            server.enqueue(PUSH, outcome);
            device.engine.step(Event::SyncNow).await.unwrap();
            device.sync_until_idle().await;
            assert_eq!(device.refused().await.len(), 0, "{name}: no row is quarantined");
            assert_eq!(server.row_count(), 2, "{name}: all rows were pushed");
            assert_eq!(device.engine.phase().0, Phase::Idle, "{name}");
        }
    }
}

#[tokio::test]
async fn hostile_replies_to_a_pull_lose_nothing() {
    let row = |usn, text: &str| PulledRow {
        usn,
        row: serde_json::value::RawValue::from_string(text.to_owned()).unwrap(),
    };
    let json = |rows, next, more| {
        serde_json::to_vec(&PullReply { epoch: "e1".into(), rows, next, more }).unwrap()
    };
    let fine = r#"{"type":"progress","kind":"section","item":"x/y/z","percent":5}"#;
    let too_many = u64::from(carrel_sync::machine::PULL_ROWS) + 1;
    let replies: Vec<(&str, Vec<u8>)> = vec![
        ("a sign-in page", b"<html>".to_vec()),
        ("nothing", vec![]),
        ("half a reply", br#"{"epoch":"e1","rows":[{"usn":"#.to_vec()),
        ("a decreasing change number", json(vec![row(2, fine), row(1, fine)], 2, false)),
        ("a cursor before its rows", json(vec![row(9, fine)], 3, false)),
        ("more without progress", json(vec![], 0, true)),
        ("a cursor out of range", json(vec![], u64::MAX, false)),
        ("no epoch", br#"{"epoch":"","rows":[],"next":5,"more":false}"#.to_vec()),
        (
            "more rows than requested",
            json((1..=too_many).map(|n| row(n, fine)).collect(), too_many, false),
        ),
        ("a huge body", vec![b' '; 9 * 1024 * 1024]),
    ];
    for (name, body) in replies {
        let server = FakeServer::new();
        let clock = FakeClock::noon();
        let other = Device::new(2, &clock, &server);
        other.finish("a/b/c").await;
        other.sync().await;
        let device = Device::new(1, &clock, &server);
        server.enqueue(PULL, Outcome::Reply((200, body).into()));
        device.sync_until_idle().await;
        device.sync_until_idle().await;
        assert_eq!(device.done("a").await, ["a/b/c"], "{name}");
        let state = device.store.read(state::load).await.unwrap();
        assert_eq!(state.pulled, server.state().usn, "{name}");
    }
}

#[tokio::test]
async fn a_failed_store_does_not_advance_the_cursor() {
    let server = FakeServer::new();
    let clock = FakeClock::noon();
    for n in 1..=110 {
        server.put(NoteRevision {
            rev: RevisionId::from_u128(n),
            note: RevisionId::from_u128(n),
            base: vec![],
            hlc: Hlc::new(5, 0),
            item: item("a/b/c"),
            body: "long ".repeat(12_000),
            anchor: String::new(),
            extra: Extra::default(),
        });
    }
    let device = Device::with_page_limit(1, &clock, &server, 20);
    let event = device.engine.run(Instruction::Pull { limit: 500 }).await;
    assert_eq!(event, Event::StoreFailed(Lane::Pull));
    let state = device.store.read(state::load).await.unwrap();
    assert_eq!((state.pulled, state.epoch.as_str()), (0, ""), "the cursor is unchanged");
    device.finish("a/b/c").await;
    // Space is available again.
    let device = device.restart(&server).await;
    device.sync_until_idle().await;
    let notes = device
        .store
        .read(|c| Ok(carrel_sqlite::rows::query::<NoteRevision>(c, "", [])?))
        .await
        .unwrap();
    assert_eq!((notes.len(), device.done("a").await.len()), (110, 1));
}
