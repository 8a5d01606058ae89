//! Interrupted downloads resume where they stopped, and no byte of a large blob is fetched twice.

use carrel_content::download::{Phase, Reason, State};
use carrel_testkit::SeededRng;

use crate::{
    client::{TestClient, is_long_run},
    fake_server::{Course, FakeServer, Fault},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transfers_cut_at_random_bytes_resume() {
    let rng = SeededRng::new(41);
    for n in 0..if is_long_run() { 1_000 } else { 100 } {
        let server = FakeServer::new();
        let course = Course::new("river", &[&[20_000, 400_000], &[90_000]]);
        server.publish(&course);
        let client = TestClient::new(&server);
        let mut cuts = 0;
        for blob in course.media() {
            let faults: Vec<_> =
                (0..1 + rng.below(3)).map(|_| Fault::Cut(rng.below(blob.size))).collect();
            cuts += faults.len();
            server.inject(blob.hash, &faults);
        }
        client.start(&course);
        client.wait_ready(&course).await;
        client.assert_complete(&course);
        for blob in course.media() {
            let twice = server.sent(blob.hash) - blob.size;
            // A small blob has no partial file and is fetched again as a whole.
            assert!(twice == 0 || blob.size <= 32 * 1024, "run {n}: {twice} bytes were sent twice");
        }
        assert!(
            server.requests().len() >= course.blobs.len() + cuts.min(1),
            "run {n}: no transfer was cut"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_resumes_after_repeated_restarts() {
    let server = FakeServer::new();
    let course = Course::new("river", &[&[2_000_000]]);
    server.publish(&course);
    let audio = course.media()[0].clone();
    let mut client = TestClient::new(&server);
    for at in [100_000, 300_000, 900_000, 500_000, 1] {
        server.inject(audio.hash, &[Fault::Hold(at)]);
        client.start(&course);
        let before = server.sent(audio.hash);
        while server.sent(audio.hash) < (before + at).min(audio.size) {
            tokio::task::yield_now().await;
        }
        client = client.restart().await;
    }
    client.start(&course);
    client.wait_ready(&course).await;
    client.assert_complete(&course);
    assert_eq!(server.sent(audio.hash), audio.size, "no byte was sent twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_waits_for_the_network_and_resumes() {
    let server = FakeServer::new();
    let course = Course::new("river", &[&[500_000]]);
    server.publish(&course);
    let audio = course.media()[0].clone();
    server.inject(audio.hash, &[Fault::Cut(200_000), Fault::Refused]);
    let client = TestClient::new(&server);
    client.start(&course);
    // The stored bytes are reported after the partial file is closed.
    let is_paused = |s: &State| s.phase == Phase::Paused && s.bytes_done >= 200_000;
    let state = client
        .wait_until(
            &crate::client::target_of(&course),
            "the pause, with the stored bytes",
            is_paused,
        )
        .await;
    assert_eq!(state.reason, Reason::Offline);
    assert!(state.retry_at_ms.is_some_and(|at| at > carrel_system::Clock::now_ms(&client.clock)));
    client.content.network_changed();
    client
        .wait_until(&crate::client::target_of(&course), "the download completes", |s| {
            s.ready_version.is_some()
        })
        .await;
    assert_eq!(server.sent(audio.hash), audio.size);
}
