//! Tests of sync between devices and a server: which rows are sent, received and kept, and in how many requests.

use carrel_learning::{
    Step,
    store::{outbox, state},
};
use carrel_model::{
    lattice::{Extra, ItemKind, Progress, Row, Validate},
    wire::{MAX_PUSH_ITEMS, ResultCode},
};
use carrel_sync::{Instruction, Sync};
use carrel_system::Clock as _;
use carrel_testkit::{FakeClock, FakeServer, fake_server::Outcome, work::item};
use tokio::sync::oneshot;

use crate::world::{Device, PUSH, key, percent, percent_at};

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
