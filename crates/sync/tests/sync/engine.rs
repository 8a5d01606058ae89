//! Tests of sync between devices and a server: no row is lost or counted twice, and an invalid row blocks no other.

use carrel_learning::{
    Step,
    store::{outbox, state},
};
use carrel_model::{
    AttemptId, BlobHash, ErrorCode, Hlc, RevisionId,
    derive::time_studied,
    lattice::{
        Decision, DecisionStatus, Extra, Grade, ItemKind, NoteRevision, Progress, Row, RowKey,
        RowType, Session, Validate,
    },
    wire::{MAX_PUSH_ITEMS, PullReply, PulledRow, PushReply, PushResult, ResultCode},
};
use carrel_sync::{
    Event, Instruction, Phase, Sync,
    machine::{Lane, PULL_ROWS},
};
use carrel_system::Clock as _;
use carrel_testkit::{
    FakeClock, FakeServer,
    fake_server::Outcome,
    reply::{problem, problem_json},
    work::{finished, item, slug},
};
use futures_util::FutureExt;
use tokio::sync::oneshot;

use crate::world::Device;

const PUSH: &str = "/api/sync/push";
const PULL: &str = "/api/sync/pull";

fn key(text: &str) -> RowKey {
    RowKey::of(RowType::Progress, &["section", text])
}
fn percent(text: &str, percent: u16) -> Step {
    Step { percent: Some(percent), ..Step::at(ItemKind::Section, item(text)) }
}
fn percent_at(server: &FakeServer, text: &str) -> Option<u16> {
    match server.row(&key(text)) {
        Some(Row::Progress(p)) => Some(p.percent),
        _ => None,
    }
}

#[tokio::test]
async fn finished_sections_reach_other_devices() {
    let server = FakeServer::new();
    let clock = FakeClock::noon();
    let (a, b) = (Device::new(1, &clock, &server), Device::new(2, &clock, &server));
    a.finish("rivers/a/b").await;
    assert_eq!(a.waiting().await, 1);
    a.sync().await;
    assert_eq!(a.waiting().await, 0);
    b.sync().await;
    assert_eq!(b.done("rivers").await, ["rivers/a/b"]);
    assert_eq!(b.waiting().await, 0, "pulled rows are not sent back");
    let pushes = server.requests(PUSH);
    a.sync().await;
    b.sync().await;
    assert_eq!(server.requests(PUSH), pushes, "an empty outbox causes no push");
    let receipts = a.store.read(|c| outbox::accepted(c, 10)).await.unwrap();
    assert_eq!((receipts.len(), receipts[0].key.clone()), (1, key("rivers/a/b")));
}

#[tokio::test]
async fn own_rows_are_not_pulled() {
    let server = FakeServer::new();
    let clock = FakeClock::noon();
    let (a, b) = (Device::new(1, &clock, &server), Device::new(2, &clock, &server));
    a.sync_until_idle().await;
    for n in 0..30 {
        a.finish(&format!("rivers/l{n}/s")).await;
    }
    a.sync_until_idle().await;
    a.sync_until_idle().await;
    assert_eq!((server.row_count(), server.state().pulled_rows), (30, 0));

    // If a row of another device is among them, all are pulled.
    b.sync_until_idle().await;
    assert_eq!(server.state().pulled_rows, 30);
    b.finish("rivers/b/s").await;
    b.sync_until_idle().await;
    a.finish("rivers/a/s").await;
    a.sync_until_idle().await;
    assert_eq!(a.done("rivers").await.len(), 32);

    // If the server's merged row differs from the one that was sent, it is pulled.
    server
        .put(Progress { percent: 9_000, ..Progress::none(ItemKind::Section, item("rivers/c/s")) });
    b.sync_until_idle().await;
    a.sync_until_idle().await;
    let mine = Progress {
        done_ms: Some(clock.now_ms()),
        ..Progress::none(ItemKind::Section, item("rivers/c/s"))
    };
    a.store.write("t", move |tx| tx.join(mine.clone())).await.unwrap();
    server
        .put(Progress { percent: 9_500, ..Progress::none(ItemKind::Section, item("rivers/c/s")) });
    a.sync_until_idle().await;
    assert_eq!(percent_at(&server, "rivers/c/s"), Some(9_500));
    let here = a.learning.progress(ItemKind::Section, &item("rivers/c/s")).await.unwrap().unwrap();
    assert_eq!(here.row.percent, 9_500);
}

#[tokio::test]
async fn a_change_during_the_push_is_not_acknowledged_with_it() {
    let server = FakeServer::new();
    let device = Device::new(1, &FakeClock::noon(), &server);
    device.learning.record(percent("a/b/c", 4_000)).await.unwrap();
    let (processed, was_received) = oneshot::channel();
    let (resume, resumed) = oneshot::channel();
    server.enqueue(PUSH, Outcome::Hold { processed, resumed });
    let engine = device.engine.clone();
    let push = tokio::spawn(async move { engine.run(Instruction::Push { limit: 10 }).await });
    was_received.await.unwrap();
    device.learning.record(percent("a/b/c", 7_000)).await.unwrap();
    resume.send(()).unwrap();
    push.await.unwrap();
    assert_eq!(device.waiting().await, 1, "the later change is in the outbox");
    device.sync().await;
    assert_eq!((device.waiting().await, percent_at(&server, "a/b/c")), (0, Some(7_000)));
}

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

#[tokio::test]
async fn one_refused_row_does_not_block_a_hundred_others() {
    let server = FakeServer::new();
    let device = Device::new(1, &FakeClock::noon(), &server);
    for n in 0..101 {
        device.finish(&format!("c/l{n}/s")).await;
    }
    server.state().refuse.insert(key("c/l50/s"), ResultCode::Forbidden);
    device.sync().await;
    assert_eq!((device.waiting().await, server.row_count(), server.requests(PUSH)), (0, 100, 1));
    let refused = device.refused().await;
    assert_eq!(refused.len(), 1);
    assert_eq!((refused[0].key.clone(), refused[0].code.as_str()), (key("c/l50/s"), "forbidden"));
    assert_eq!(refused[0].reason, "simulated Forbidden");
    assert_eq!(device.done("c").await.len(), 101, "kept on the device");
    // Kept over a restart, and not sent again automatically.
    let device = device.restart(&server).await;
    device.sync().await;
    assert_eq!((device.refused().await.len(), server.requests(PUSH)), (1, 1));
    // Sent again after a further change.
    server.state().refuse.clear();
    device.learning.record(Step { restart: true, ..percent("c/l50/s", 10) }).await.unwrap();
    device.sync().await;
    assert_eq!((device.refused().await.len(), server.row_count()), (0, 101));
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
async fn rows_that_cannot_be_read_are_kept_and_do_not_stop_the_others() {
    let server = FakeServer::new();
    let clock = FakeClock::noon();
    {
        let mut server_state = server.state();
        for text in [
            r#"{"type":"of_the_future","key":1}"#,
            r#"{"type":"progress","kind":"hologram","item":"a/b/x"}"#,
            r#"{"type":"progress","kind":"section","item":"a/b/y","percent":20000}"#,
            "17",
        ] {
            server_state.usn += 1;
            let usn = server_state.usn;
            server_state.unknown_rows.push((usn, text.into()));
        }
    }
    server.put(Progress { percent: 7, ..Progress::none(ItemKind::Section, item("a/b/c")) });
    let device = Device::new(1, &clock, &server);
    device.sync().await;
    let kept: u32 = device
        .store
        .read(|c| Ok(c.query_row("SELECT count(*) FROM foreign_row", [], |r| r.get(0))?))
        .await
        .unwrap();
    assert_eq!(kept, 4);
    assert_eq!(device.learning.progress_under("a").await.unwrap().len(), 1);
    assert_eq!(device.store.read(state::load).await.unwrap().pulled, 5);
}

#[tokio::test]
async fn unknown_fields_are_sent_back() {
    let server = FakeServer::new();
    let row: Row = serde_json::from_str(
        r#"{"type":"progress","kind":"section","item":"a/b/c","percent":5,"mood":"keen"}"#,
    )
    .unwrap();
    server.put(row);
    let device = Device::new(1, &FakeClock::noon(), &server);
    device.sync().await;
    device.finish("a/b/c").await;
    device.sync().await;
    let text = serde_json::to_string(&server.row(&key("a/b/c")).unwrap()).unwrap();
    assert!(text.contains("keen") && text.contains("10000"), "{text}");
}

#[tokio::test]
async fn rows_lost_by_the_server_are_sent_again() {
    for epoch in ["e2", "e1"] {
        let server = FakeServer::new();
        let clock = FakeClock::noon();
        let (a, b) = (Device::new(1, &clock, &server), Device::new(2, &clock, &server));
        for n in 0..5 {
            a.finish(&format!("a/x/s{n}")).await;
        }
        a.finish("a/b/c").await;
        a.sync().await;
        b.sync().await;
        b.finish("a/b/d").await;
        b.sync().await;
        // An empty database, as after restoring an old backup. If the epoch is the same, only the change number reveals
        // it.
        {
            let mut server_state = server.state();
            server_state.rows.clear();
            server_state.usn = 0;
            server_state.epoch = epoch.into();
        }
        a.finish("a/b/e").await;
        a.sync_until_idle().await;
        b.sync_until_idle().await;
        a.sync_until_idle().await;
        assert!(server.state().rows.contains_key(&key("a/b/c")), "{epoch}");
        // With the same epoch only a device that pushes detects it; the real server changes its epoch on each restore.
        let all = if epoch == "e2" { 8 } else { 7 };
        assert_eq!((server.row_count(), a.done("a").await.len()), (all, all), "{epoch}");
    }
}

#[tokio::test]
async fn a_pull_requested_before_an_epoch_change_is_discarded() {
    let server = FakeServer::new();
    let device = Device::new(1, &FakeClock::noon(), &server);
    for n in 0..5 {
        server.put(Progress {
            percent: 7,
            ..Progress::none(ItemKind::Section, item(&format!("a/b/x{n}")))
        });
    }
    device.sync().await;
    let (processed, was_received) = oneshot::channel();
    let (resume, resumed) = oneshot::channel();
    server.enqueue(PULL, Outcome::Hold { processed, resumed });
    let engine = device.engine.clone();
    let pull = tokio::spawn(async move { engine.run(Instruction::Pull { limit: 10 }).await });
    was_received.await.unwrap();
    // During the pull, a push receives a new epoch; its database has other rows.
    {
        let mut server_state = server.state();
        server_state.epoch = "e2".into();
        server_state.rows.clear();
        server_state.usn = 0;
    }
    server.put(Progress { percent: 9, ..Progress::none(ItemKind::Section, item("a/b/new")) });
    device.finish("a/b/own").await;
    device.engine.run(Instruction::Push { limit: 10 }).await;
    resume.send(()).unwrap();
    pull.await.unwrap();
    let state = device.store.read(state::load).await.unwrap();
    assert_eq!(
        (state.epoch.as_str(), state.pulled),
        ("e2", 0),
        "the old cursor is not stored under the new epoch"
    );
    device.sync_until_idle().await;
    assert_eq!(device.learning.progress_under("a").await.unwrap().len(), 7);
    assert_eq!(server.row_count(), 7, "all rows were pushed to the new database");
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

#[tokio::test]
async fn stamps_of_a_fast_clock_are_corrected() {
    let server = FakeServer::new();
    server.state().clock_ms = Some(FakeClock::NOON);
    let wrong = FakeClock::new(FakeClock::NOON + 40 * 3_600_000);
    let device = Device::new(1, &wrong, &server);
    let at = |pos: &str| Step { pos: Some(pos.into()), ..percent("a/b/c", 500) };
    device.learning.record(at("b1")).await.unwrap();
    device.finish("a/b/d").await;
    device.sync_until_idle().await;
    let Some(Row::Progress(row)) = server.row(&key("a/b/c")) else {
        panic!("the row was not pushed")
    };
    assert_eq!((row.percent, row.pos.unwrap().hlc.ms()), (500, FakeClock::NOON));
    assert!(device.refused().await.is_empty());
    // New stamps are correct immediately.
    let before = server.requests(PUSH);
    wrong.advance(1_000);
    device.learning.record(at("b2")).await.unwrap();
    device.sync_until_idle().await;
    assert_eq!(server.requests(PUSH), before + 1);
    // Then a later change on a device with a correct clock wins.
    let right_clock = FakeClock::new(FakeClock::NOON + 5_000);
    server.state().clock_ms = Some(FakeClock::NOON + 5_000);
    let right = Device::new(2, &right_clock, &server);
    right.sync().await;
    right.learning.record(at("b3")).await.unwrap();
    right.sync().await;
    device.sync().await;
    let here = device.learning.latest(1).await.unwrap();
    assert_eq!(here[0].row.pos.as_ref().unwrap().at, "b3");
}

/// The server's clock is wrong by some days while two devices meet it, and right when they meet it again. In between
/// both write offline.
#[tokio::test]
async fn after_a_wrong_server_clock_the_later_offline_write_wins() {
    let (hour, day) = (3_600_000, 24 * 3_600_000);
    for wrong_by in [-3 * day, -400 * day, -2 * hour, 3 * day] {
        for first_is_earlier in [true, false] {
            let what = format!("wrong by {wrong_by}, {first_is_earlier}");
            let server = FakeServer::new();
            let clock = FakeClock::noon();
            let set_server_clock =
                |wrong_by| server.state().clock_ms = Some(clock.now_ms() + wrong_by);
            // Only the first device has a correction: the second one has nothing to send to the wrong clock.
            let (first, second) =
                (Device::new(1, &clock, &server), Device::new(2, &clock, &server));
            let at = |pos: &str| Step { pos: Some(pos.into()), ..percent("a/b/c", 500) };
            set_server_clock(wrong_by);
            first.learning.record(at("b0")).await.unwrap();
            first.sync_until_idle().await;
            second.sync().await;
            assert!(first.refused().await.is_empty(), "{what}");
            let (earlier, later) =
                if first_is_earlier { (&first, &second) } else { (&second, &first) };
            clock.advance(4 * day);
            earlier.learning.record(at("b1")).await.unwrap();
            clock.advance(hour);
            later.learning.record(at("b2")).await.unwrap();
            clock.advance(hour);
            set_server_clock(0);
            for device in [&first, &second, &first] {
                device.sync().await;
            }
            for device in [&first, &second] {
                assert_eq!(device.waiting().await, 0, "{what}");
                let latest = device.learning.latest(1).await.unwrap();
                assert_eq!(latest[0].row.pos.as_ref().unwrap().at, "b2", "{what}");
            }
            let Some(Row::Progress(row)) = server.row(&key("a/b/c")) else { panic!("{what}") };
            // The stamp is the time of the write, as on a device that never met the wrong clock.
            let error_ms = row.pos.unwrap().hlc.ms() - (clock.now_ms() - hour);
            assert!(error_ms.abs() < 60_000, "{what}: {error_ms} ms");
        }
    }
}

/// Without an answer about the server's clock, a device whose clock was corrected sends nothing.
#[tokio::test]
async fn stamps_wait_until_the_server_clock_is_known() {
    let server = FakeServer::new();
    let clock = FakeClock::noon();
    let device = Device::new(1, &clock, &server);
    server.state().clock_ms = Some(FakeClock::NOON - 3 * 24 * 3_600_000);
    let at = |pos: &str| Step { pos: Some(pos.into()), ..percent("a/b/c", 500) };
    device.learning.record(at("b0")).await.unwrap();
    device.sync_until_idle().await;
    device.learning.record(at("b1")).await.unwrap();
    server.state().clock_ms = Some(FakeClock::NOON);
    let pushes = server.requests(PUSH);
    server.enqueue("/api/meta", Outcome::LoseRequest);
    device.sync().await;
    assert_eq!((server.requests(PUSH), device.waiting().await), (pushes, 1));
    assert_eq!(device.engine.phase().0, carrel_sync::Phase::Offline);
    device.sync_until_idle().await;
    assert_eq!((server.requests(PUSH), device.waiting().await), (pushes + 1, 0));
}

#[tokio::test]
async fn times_of_a_wrong_clock_are_corrected() {
    let year = 365 * 24 * 3_600_000_i64;
    // How far ahead the clock is, and whether it is corrected before the first push.
    for (wrong_by, set_right) in [(73 * year, false), (year, false), (73 * year, true)] {
        let server = FakeServer::new();
        let clock = FakeClock::new(FakeClock::NOON + wrong_by);
        let device = Device::new(1, &clock, &server);
        for n in 0..3 {
            let section = item(&format!("a/b/s{n}"));
            device.learning.study_heartbeat(&section, true).await.unwrap();
            clock.advance(10_000);
            device.learning.study_heartbeat(&section, false).await.unwrap();
            clock.advance(60_000);
        }
        device.learning.save_word(&item("a/word"), None, true).await.unwrap();
        // Finished sections with and without a position, an open attempt, and a submitted one that took ten seconds.
        device.finish("a/b/s0").await;
        device
            .learning
            .record(Step { pos: Some("b1".into()), ..finished("a/b/s1") })
            .await
            .unwrap();
        let hash = BlobHash::of(b"a quiz");
        let first = device.learning.start_attempt(&item("a/q"), hash).await.unwrap().attempt.id;
        clock.advance(10_000);
        device.learning.submit_attempt(first).await.unwrap();
        let second = device.learning.start_attempt(&item("a/q"), hash).await.unwrap().attempt.id;
        clock.advance(10_000);
        if set_right {
            clock.jump(-wrong_by);
        }
        let now = clock.now_ms() - if set_right { 0 } else { wrong_by };
        server.state().clock_ms = Some(now);
        device.sync_until_idle().await;
        assert!(device.refused().await.is_empty(), "{:?}", device.refused().await);
        let rows: Vec<Row> = server.state().rows.values().map(|(_, row)| row.clone()).collect();
        let sessions: Vec<&Session> = rows
            .iter()
            .filter_map(|r| if let Row::Session(s) = r { Some(s) } else { None })
            .collect();
        assert_eq!(sessions.len(), 3);
        assert_eq!(
            time_studied(sessions.iter().copied()),
            30_000,
            "corrected sessions do not overlap"
        );
        for session in sessions {
            assert!((now - 300_000..=now).contains(&(session.started_ms + session.active_ms)));
            assert_eq!((session.day.as_str(), session.validate()), ("2026-11-20", Ok(())));
        }
        let at = |r: &Row| if let Row::Review(r) = r { Some(r.at_ms) } else { None };
        assert!(rows.iter().filter_map(at).all(|ms| ms <= now));
        let done = |r: &Row| if let Row::Progress(r) = r { r.done_ms } else { None };
        let done: Vec<i64> = rows.iter().filter_map(done).collect();
        assert_eq!(done.len(), 2);
        let recent = now - 300_000..=now;
        assert!(done.iter().all(|ms| recent.contains(ms)), "{done:?} {now}");
        let attempt = |id: AttemptId| {
            let key = RowKey::of(RowType::Attempt, &[id.to_string()]);
            let Some(Row::Attempt(a)) = server.row(&key) else { panic!("the row was not pushed") };
            (a.started_ms, a.submitted_ms)
        };
        let (started_ms, submitted_ms) = attempt(first);
        let took_ms = submitted_ms.unwrap() - started_ms;
        assert!(recent.contains(&started_ms) && recent.contains(&submitted_ms.unwrap()));
        assert_eq!(took_ms, 10_000, "wrong by {wrong_by}");
        assert!(recent.contains(&attempt(second).0) && attempt(second).1.is_none());
        // The second device has the same rows.
        let other = Device::new(2, &FakeClock::new(now), &server);
        other.sync().await;
        let theirs = other.learning.attempt(first).await.unwrap().attempt;
        assert_eq!((theirs.started_ms, theirs.submitted_ms), (started_ms, submitted_ms));
    }
}

/// Only times in the future are corrected: not a start that other devices may have, and not a position with a valid
/// stamp.
#[tokio::test]
async fn valid_times_are_kept_after_a_clock_jump() {
    let server = FakeServer::new();
    server.state().clock_ms = Some(FakeClock::NOON);
    let clock = FakeClock::noon();
    let (device, other) = (Device::new(1, &clock, &server), Device::new(2, &clock, &server));
    let at = |pos: &str| Step { pos: Some(pos.into()), ..percent("a/b/c", 500) };
    device.learning.record(at("b1")).await.unwrap();
    let hash = BlobHash::of(b"a quiz");
    let attempt = device.learning.start_attempt(&item("a/q"), hash).await.unwrap().attempt.id;
    device.sync().await;
    other.sync().await;
    clock.advance(60_000);
    server.state().clock_ms = Some(clock.now_ms());
    other.learning.record(at("b2")).await.unwrap();
    other.sync().await;
    clock.advance(60_000);
    server.state().clock_ms = Some(clock.now_ms());
    // The server has no copy of this attempt whose start time could win.
    let unsent = device.learning.start_attempt(&item("a/r"), hash).await.unwrap().attempt.id;
    clock.jump(365 * 24 * 3_600_000);
    // Finished before the other device's position is pulled.
    device.finish("a/b/c").await;
    device.learning.submit_attempt(attempt).await.unwrap();
    device.learning.submit_attempt(unsent).await.unwrap();
    device.sync_until_idle().await;
    assert!(device.refused().await.is_empty(), "{:?}", device.refused().await);
    let Some(Row::Progress(row)) = server.row(&key("a/b/c")) else {
        panic!("the row was not pushed")
    };
    let now = server.state().clock_ms.unwrap();
    assert_eq!((row.done_ms, row.pos.unwrap().at.as_str()), (Some(now), "b2"));
    for (attempt, started_ms) in [(attempt, FakeClock::NOON), (unsent, now)] {
        let attempt = RowKey::of(RowType::Attempt, &[attempt.to_string()]);
        let Some(Row::Attempt(row)) = server.row(&attempt) else {
            panic!("the row was not pushed")
        };
        assert_eq!((row.started_ms, row.submitted_ms), (started_ms, Some(now)));
    }
}

/// Another copy of the server's database may have other grades and decisions, or none: the device then has those of the
/// copy.
#[tokio::test]
async fn grades_and_decisions_of_a_restored_server_replace_earlier_ones() {
    let server = FakeServer::new();
    let device = Device::new(1, &FakeClock::noon(), &server);
    let mut attempts = Vec::new();
    for _ in 0..3 {
        let hash = BlobHash::of(b"a quiz");
        let id = device.learning.start_attempt(&item("a/q"), hash).await.unwrap().attempt.id;
        device.learning.submit_attempt(id).await.unwrap();
        device.clock.advance(1_000);
        attempts.push(id);
    }
    let grade = |of: usize, rev: u32, points: i64| Grade {
        attempt: attempts[of],
        rev,
        points,
        max_points: 2_000,
        graded_ms: FakeClock::NOON,
        extra: Extra::default(),
    };
    let decision = |course: &str| Decision {
        course: slug(course),
        rev: 1,
        status: DecisionStatus::Active,
        reason: String::new(),
        extra: Extra::default(),
    };
    device.sync().await;
    for of in 0..3 {
        server.put(grade(of, 2, 2_000));
    }
    server.put(decision("a"));
    server.put(decision("b"));
    device.sync().await;
    let points = async || {
        let found = device.learning.attempts(&item("a/q")).await.unwrap();
        found.iter().map(|a| a.grade.as_ref().map(|g| g.points)).collect::<Vec<_>>()
    };
    assert_eq!(points().await, [Some(2_000); 3]);
    // An older backup: one attempt has fewer points, one is not graded, a course has no decision.
    {
        let mut server_state = server.state();
        server_state.epoch = "e2".into();
        server_state.rows.clear();
        server_state.usn = 0;
    }
    server.put(grade(0, 1, 1_000));
    server.put(grade(1, 2, 2_000));
    server.put(decision("b"));
    device.finish("a/b/c").await;
    device.sync_until_idle().await;
    assert_eq!(points().await, [Some(1_000), Some(2_000), None]);
    let here = device
        .store
        .read(|c| {
            let owner = carrel_sqlite::rows::Owner::Client;
            let mut rows = carrel_sqlite::rows::all(c, owner, RowType::Decision)?;
            rows.extend(carrel_sqlite::rows::all(c, owner, RowType::Grade)?);
            Ok(rows)
        })
        .await
        .unwrap();
    let there: Vec<Row> = server
        .state()
        .rows
        .values()
        .map(|(_, row)| row.clone())
        .filter(Row::is_server_only)
        .collect();
    assert_eq!(here.len(), there.len());
    assert!(there.iter().all(|row| here.contains(row)), "{here:?}\n{there:?}");
}

#[tokio::test]
async fn rows_with_oversized_unknown_fields_are_applied() {
    let server = FakeServer::new();
    let fields: Vec<String> =
        (0..40).map(|n| format!(r#""f{n:02}":"{}""#, "v".repeat(4_000))).collect();
    let long = format!(
        r#"{{"type":"progress","kind":"section","item":"a/b/c","percent":500,"big":"{}"}}"#,
        "v".repeat(10_000)
    );
    let many = format!(
        r#"{{"type":"progress","kind":"section","item":"a/b/d","percent":500,{}}}"#,
        fields.join(",")
    );
    {
        let mut server_state = server.state();
        server_state.usn = 2;
        server_state.unknown_rows.extend([(1, long), (2, many)]);
    }
    let device = Device::new(1, &FakeClock::noon(), &server);
    device.sync().await;
    let progress = device.learning.progress_under("a").await.unwrap();
    let shown: Vec<_> = progress.iter().map(|r| (r.row.percent, r.row.extra.0.len())).collect();
    assert_eq!(shown, [(500, 0), (500, Extra::MAX_FIELDS)], "known fields are applied");
    let kept: u32 = device
        .store
        .read(|c| Ok(c.query_row("SELECT count(*) FROM foreign_row", [], |r| r.get(0))?))
        .await
        .unwrap();
    assert_eq!(kept, 2, "the complete rows are stored for a later release");
    // The row is sent back in a form that every server accepts.
    device.finish("a/b/d").await;
    device.sync().await;
    assert_eq!(server.row(&key("a/b/d")).unwrap().validate(), Ok(()));
}

#[tokio::test]
async fn repeated_clock_skew_is_quarantined() {
    let server = FakeServer::new();
    server.state().clock_ms = Some(FakeClock::NOON);
    let device = Device::new(1, &FakeClock::noon(), &server);
    let step = Step { pos: Some("b1".into()), ..percent("a/b/c", 500) };
    device.learning.record(step).await.unwrap();
    server.state().refuse.insert(key("a/b/c"), ResultCode::ClockSkew);
    device.sync_until_idle().await;
    assert_eq!(device.refused().await[0].code, "clock_skew");
    assert!(server.requests(PUSH) <= 5);
}

#[tokio::test]
async fn restoring_an_old_device_backup_converges() {
    let server = FakeServer::new();
    let clock = FakeClock::noon();
    let device = Device::new(1, &clock, &server);
    device.finish("a/b/c").await;
    device.sync().await;
    device.store.maintain().await.unwrap();
    clock.advance(24 * 3_600_000);
    device.finish("a/b/d").await;
    device.learning.record(percent("a/b/e", 6_000)).await.unwrap();
    device.sync().await;
    device.store.close().await;
    let backups = device.path().join("backups");
    let backup = std::fs::read_dir(backups).unwrap().next().unwrap().unwrap().path();
    for log in ["user.db-wal", "user.db-shm"] {
        let _ = std::fs::remove_file(device.path().join(log));
    }
    std::fs::copy(backup, device.path().join("user.db")).unwrap();
    // Without the journal, changes after the backup are only on the server.
    std::fs::remove_dir_all(device.path().join("journal")).unwrap();
    let device = device.restart(&server).await;
    assert_eq!(device.done("a").await, ["a/b/c"]);
    device.learning.record(percent("a/b/e", 1_000)).await.unwrap();
    device.sync_until_idle().await;
    assert_eq!(device.done("a").await, ["a/b/c", "a/b/d"]);
    assert_eq!(percent_at(&server, "a/b/e"), Some(6_000), "the greater percentage is kept");
    let here = device.learning.progress(ItemKind::Section, &item("a/b/e")).await.unwrap().unwrap();
    assert_eq!(here.row.percent, 6_000);
}

#[tokio::test]
async fn ten_thousand_rows_need_few_requests() {
    let server = FakeServer::new();
    let clock = FakeClock::noon();
    let device = Device::new(1, &clock, &server);
    device
        .store
        .write("t", |tx| {
            for n in 0..10_000 {
                tx.join(Progress {
                    percent: 10_000,
                    ..Progress::none(ItemKind::Section, item(&format!("c/l{n}/s")))
                })?;
            }
            Ok(())
        })
        .await
        .unwrap();
    device.sync_until_idle().await;
    assert_eq!((server.row_count(), server.requests(PUSH)), (10_000, 10_000 / MAX_PUSH_ITEMS));
    let other = Device::new(2, &clock, &server);
    other.sync_until_idle().await;
    assert_eq!(other.learning.progress_under("c").await.unwrap().len(), 10_000);
    assert_eq!(other.waiting().await, 0);
    let kept = device.store.read(|c| outbox::accepted(c, 100_000)).await.unwrap();
    assert_eq!(kept.len(), outbox::RECEIPTS);
}

#[tokio::test]
async fn missing_and_unreadable_rows_do_not_block_others() {
    let clock = FakeClock::noon();
    // Numbers of: keys without a row, unreadable rows, keys of an unknown type.
    for (missing, damaged, unknown) in
        [(1, 0, 0), (MAX_PUSH_ITEMS + 7, 0, 0), (0, 1, 0), (0, 40, 0), (0, 0, 3), (300, 20, 2)]
    {
        let what = format!("{missing} missing, {damaged} damaged, {unknown} unknown");
        let server = FakeServer::new();
        let device = Device::new(1, &clock, &server);
        device.sync_until_idle().await;
        let at = |kind: &str, n: usize| key(&format!("rivers/{kind}/n{n}"));
        device
            .store
            .write("damage", move |tx| {
                for n in 0..missing {
                    tx.mark_dirty(&at("missing", n))?;
                }
                for n in 0..unknown {
                    tx.mark_dirty(&at("unknown", n))?;
                    let sql = "UPDATE outbox SET row_type = 'of_the_future' WHERE key = ?1";
                    tx.conn().execute(sql, [at("unknown", n).key])?;
                }
                for n in 0..damaged {
                    let text = format!("rivers/damaged/n{n}");
                    let none = Progress::none(ItemKind::Section, item(&text));
                    tx.join(Progress { percent: 100, ..none })?;
                    let sql = match n % 3 {
                        0 => "UPDATE progress SET percent = 77000 WHERE item = ?1",
                        1 => "UPDATE progress SET pos_device = x'01' WHERE item = ?1",
                        _ => "UPDATE progress SET pos_hlc = -1 WHERE item = ?1",
                    };
                    tx.conn().execute(sql, [text])?;
                }
                Ok(())
            })
            .await
            .unwrap();
        for n in 0..12 {
            device.finish(&format!("rivers/good/n{n}")).await;
        }
        device.sync().await;
        let arrived =
            (0..12).filter(|n| percent_at(&server, &format!("rivers/good/n{n}")).is_some());
        assert_eq!(arrived.count(), 12, "{what}");
        assert_eq!(device.waiting().await, 0, "{what}: the outbox is empty");
        let refused = device.refused().await;
        assert_eq!(refused.len(), missing + damaged, "{what}: each row is listed as refused");
        assert!(refused.iter().all(|r| r.code == "damaged" && !r.reason.is_empty()), "{what}");
        let sync = Sync::local(device.store.clone());
        let receipts = sync.receipts().await.unwrap();
        assert_eq!(receipts.refused.len(), missing + damaged, "{what}");
        assert!(receipts.refused.iter().all(|r| r.row.is_none()));
        let export = sync.export_refused().await.unwrap();
        assert_eq!(export["refused"].as_array().unwrap().len(), missing + damaged);
        // A new change to an unreadable row is sent.
        if damaged > 0 {
            device.finish("rivers/damaged/n0").await;
            device.sync().await;
            assert_eq!(percent_at(&server, "rivers/damaged/n0"), Some(10_000), "{what}");
            assert_eq!(device.refused().await.len(), missing + damaged - 1);
        }
    }
}

#[tokio::test]
async fn an_absurd_server_clock_does_not_stop_sync() {
    for clock_ms in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX] {
        let server = FakeServer::new();
        let device = Device::new(1, &FakeClock::noon(), &server);
        // Only a position has a stamp.
        let step = Step { pos: Some("b1".into()), ..percent("a/b/c", 4_000) };
        device.learning.record(step).await.unwrap();
        server.state().clock_ms = Some(clock_ms);
        server.state().refuse.insert(key("a/b/c"), ResultCode::ClockSkew);
        for _ in 0..5 {
            device.sync().await;
            device.clock.advance(20 * 60_000);
        }
        // No row is lost, and nothing panics.
        let (waiting, refused) = (device.waiting().await, device.refused().await.len());
        assert_eq!((waiting, refused), (0, 1), "{clock_ms}: the row is quarantined");
        let row = device.learning.progress(ItemKind::Section, &item("a/b/c")).await.unwrap();
        assert_eq!(row.map(|r| r.row.percent), Some(4_000), "{clock_ms}");
    }
}
