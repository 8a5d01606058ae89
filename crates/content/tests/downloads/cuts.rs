//! Interrupted downloads resume where they stopped, no byte is fetched twice, and every hash is
//! right in the end.

use carrel_content::download::{Phase, Reason, State};
use carrel_testkit::SeededRng;

use crate::{
    desk::{Desk, long},
    net::{Course, Fault, Net},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transfers_cut_at_random_bytes_resume() {
    let rng = SeededRng::new(41);
    for n in 0..if long() { 1_000 } else { 100 } {
        let net = Net::new();
        let course = Course::new("river", &[&[20_000, 400_000], &[90_000]]);
        net.publish(&course);
        let desk = Desk::new(&net);
        let mut cuts = 0;
        for blob in course.media() {
            let faults: Vec<_> =
                (0..1 + rng.below(3)).map(|_| Fault::Cut(rng.below(blob.size))).collect();
            cuts += faults.len();
            net.will(blob.hash, &faults);
        }
        desk.start(&course);
        desk.ready(&course).await;
        desk.assert_whole(&course);
        for blob in course.media() {
            let twice = net.sent(blob.hash) - blob.size;
            // A small one has no partial file and is fetched again as a whole.
            assert!(twice == 0 || blob.size <= 32 * 1024, "run {n}: {twice} bytes came twice");
        }
        assert!(
            net.asked().len() >= course.blobs.len() + cuts.min(1),
            "run {n}: the cuts happened"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_resumes_after_repeated_restarts() {
    let net = Net::new();
    let course = Course::new("river", &[&[2_000_000]]);
    net.publish(&course);
    let film = course.media()[0].clone();
    let mut desk = Desk::new(&net);
    for at in [100_000, 300_000, 900_000, 500_000, 1] {
        net.will(film.hash, &[Fault::Hold(at)]);
        desk.start(&course);
        let before = net.sent(film.hash);
        while net.sent(film.hash) < (before + at).min(film.size) {
            tokio::task::yield_now().await;
        }
        desk = desk.restart().await;
    }
    desk.start(&course);
    desk.ready(&course).await;
    desk.assert_whole(&course);
    assert_eq!(net.sent(film.hash), film.size, "no byte came twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_waits_for_the_network_and_resumes() {
    let net = Net::new();
    let course = Course::new("river", &[&[500_000]]);
    net.publish(&course);
    let film = course.media()[0].clone();
    net.will(film.hash, &[Fault::Cut(200_000), Fault::Refused]);
    let desk = Desk::new(&net);
    desk.start(&course);
    // Stored bytes are reported as soon as the partial file is closed.
    let told = |s: &State| s.phase == Phase::Paused && s.bytes_done >= 200_000;
    let state =
        desk.until(&crate::desk::whole(&course), "the pause, with what is here", told).await;
    assert_eq!(state.reason, Reason::Offline);
    assert!(state.retry_at_ms.is_some_and(|at| at > carrel_system::Clock::now_ms(&desk.clock)));
    desk.content.network_changed();
    desk.until(&crate::desk::whole(&course), "the end", |s| s.ready_version.is_some()).await;
    assert_eq!(net.sent(film.hash), film.size);
}
