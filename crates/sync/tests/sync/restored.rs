//! Tests of sync with a server or a device that was restored from a backup.

use carrel_learning::store::state;
use carrel_model::{
    BlobHash,
    lattice::{Decision, DecisionStatus, Extra, Grade, ItemKind, Progress, Row, RowType},
};
use carrel_sync::Instruction;
use carrel_testkit::{
    FakeClock, FakeServer,
    fake_server::Outcome,
    work::{item, slug},
};
use tokio::sync::oneshot;

use crate::world::{Device, PULL, key, percent, percent_at};

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
