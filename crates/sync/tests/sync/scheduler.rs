//! Tests of the sync task with a clock that tests advance.

use carrel_model::wire::ResultCode;
use carrel_sqlite::Change;
use carrel_sync::{Phase, ReceiptState, Sync};
use carrel_system::Clock;
use carrel_testkit::{FakeClock, FakeServer, fake_server::Outcome, within_a_minute};

use crate::world::Device;

const PUSH: &str = "/api/sync/push";

/// Advances the fake clock while all tasks sleep, until the server has received `times` requests.
async fn advance_until_requested(
    server: &FakeServer,
    clock: &FakeClock,
    path: &'static str,
    times: usize,
) {
    within_a_minute("a request", async {
        while server.requests(path) < times {
            if let Some(ms) = clock.next_wake_in() {
                clock.advance(ms.min(500));
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn local_changes_are_pushed_after_a_second() {
    let server = FakeServer::new();
    let device = Device::new(1, &FakeClock::noon(), &server);
    let sync = Sync::start(device.engine.clone(), None);
    let status = within_a_minute("a first sync", sync.sync_now()).await.unwrap();
    assert_eq!((status.phase, status.waiting), (Phase::Idle, 0));
    device.finish("a/b/c").await;
    assert_eq!(sync.status().await.unwrap().waiting, 1);
    assert_eq!(server.requests(PUSH), 0);
    advance_until_requested(&server, &device.clock, PUSH, 1).await;
    let status = within_a_minute("the end of sync", sync.sync_now()).await.unwrap();
    assert_eq!((status.phase, status.waiting, status.refused), (Phase::Idle, 0, 0));
    assert_eq!(server.requests(PUSH), 1);
    within_a_minute("a stop", sync.stop()).await;
}

#[tokio::test]
async fn sync_resumes_after_being_offline() {
    let server = FakeServer::new();
    server.state().down = true;
    let device = Device::new(1, &FakeClock::noon(), &server);
    device.finish("a/b/c").await;
    let mut changes = device.store.changes().subscribe();
    let sync = Sync::start(device.engine.clone(), None);
    let status = within_a_minute("a status", sync.sync_now()).await.unwrap();
    assert_eq!((status.phase, status.waiting), (Phase::Offline, 1));
    assert!(status.next_try_ms.unwrap() > device.clock.now_ms());
    within_a_minute("a change of phase", async {
        while !changes.recv().await.unwrap().contains(&Change::Sync) {}
    })
    .await;
    server.state().down = false;
    let before = server.requests(PUSH);
    advance_until_requested(&server, &device.clock, PUSH, before + 1).await;
    let status = within_a_minute("the end of sync", sync.sync_now()).await.unwrap();
    assert_eq!((status.phase, status.waiting), (Phase::Idle, 0));
}

#[tokio::test]
async fn receipts_list_the_state_of_each_row() {
    let server = FakeServer::new();
    let device = Device::new(1, &FakeClock::noon(), &server);
    let sync = Sync::start(device.engine.clone(), None);
    for text in ["a/b/c", "a/b/d"] {
        device.finish(text).await;
    }
    server.state().refuse.insert(
        carrel_model::lattice::RowKey::of(
            carrel_model::lattice::RowType::Progress,
            &["section", "a/b/d"],
        ),
        ResultCode::Invalid,
    );
    within_a_minute("a sync", sync.sync_now()).await.unwrap();
    device.finish("a/b/e").await;
    let receipts = sync.receipts().await.unwrap();
    let states = |list: &[carrel_sync::Receipt]| list.iter().map(|r| r.state).collect::<Vec<_>>();
    assert_eq!(states(&receipts.waiting), [ReceiptState::SavedHere]);
    assert_eq!(states(&receipts.accepted), [ReceiptState::Accepted]);
    assert_eq!(states(&receipts.refused), [ReceiptState::Refused]);
    let bad = &receipts.refused[0];
    assert_eq!(
        (bad.code.as_str(), bad.reason.as_str(), bad.row.is_some()),
        ("invalid", "simulated Invalid", true)
    );
    let exported = sync.export_refused().await.unwrap();
    assert_eq!(exported["refused"][0]["row"]["item"], "a/b/d");
    assert!(sync.retry_refused("progress:nothing").await.is_err());
    assert!(sync.retry_refused("nonsense").await.is_err());
    server.state().refuse.clear();
    sync.retry_refused(&bad.id).await.unwrap();
    let status = within_a_minute("a sync", sync.sync_now()).await.unwrap();
    assert_eq!((status.waiting, status.refused, server.row_count()), (0, 0, 3));
}

#[tokio::test]
async fn rows_in_flight_have_the_state_sent_and_are_kept_by_a_stop() {
    let server = FakeServer::new();
    let device = Device::new(1, &FakeClock::noon(), &server);
    device.finish("a/b/c").await;
    let (processed, was_received) = tokio::sync::oneshot::channel();
    let (_resume, resumed) = tokio::sync::oneshot::channel();
    server.enqueue(PUSH, Outcome::Hold { processed, resumed });
    let sync = Sync::start(device.engine.clone(), None);
    within_a_minute("the request", was_received).await.unwrap();
    assert_eq!(sync.receipts().await.unwrap().waiting[0].state, ReceiptState::Sent);
    within_a_minute("a stop", sync.stop()).await;
    drop(sync);
    let device = device.restart(&server).await;
    assert_eq!(device.waiting().await, 1);
    device.sync_until_idle().await;
}
