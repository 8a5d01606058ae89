//! Async tasks are not blocked: a task on the same thread measures delays during the download of a
//! course of 1,000 files, a sweep and a search.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use carrel_content::{
    Kind,
    download::{Phase, State},
};
use carrel_system::{Clock, SystemClock};

use crate::{
    client::{TestClient, within_a_minute},
    fake_server::{Course, FakeServer},
};

/// Longest time that a poll may delay other tasks, in a debug build.
const MAX_STALL: Duration = Duration::from_millis(100);

/// Returns how long this thread has waited for a CPU, because of other processes.
#[cfg(target_os = "linux")]
fn cpu_wait() -> Duration {
    let text =
        std::fs::read_to_string("/proc/thread-self/schedstat").expect("schedstat of this thread");
    let waited = text.split(' ').nth(1).and_then(|ns| ns.parse().ok()).expect("nanoseconds");
    Duration::from_nanos(waited)
}
#[cfg(not(target_os = "linux"))]
fn cpu_wait() -> Duration {
    Duration::ZERO
}

/// Returns the longest time between two polls of this task.
async fn longest_stall(stop: Arc<AtomicBool>) -> Duration {
    let (clock, mut longest) = (SystemClock::new(), Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        let (start_ms, waited) = (clock.monotonic_ms(), cpu_wait());
        tokio::task::yield_now().await;
        let gap = Duration::from_millis(clock.monotonic_ms().abs_diff(start_ms));
        longest = longest.max(gap.saturating_sub(cpu_wait() - waited));
    }
    longest
}

async fn state(client: &Arc<TestClient>, course: &Course) -> State {
    let (id, content) = (course.id.clone(), client.content.clone());
    let state = content.blocking(move |content| content.downloads.state(Kind::Course, &id));
    state.await.expect("the state is read")
}

#[tokio::test]
async fn download_sweep_and_search_do_not_block_other_tasks() {
    // Small blobs are stored in the database, larger ones in files.
    let sizes: Vec<usize> =
        (0..1_000).map(|n| if n % 5 == 0 { 40_000 } else { 2_000 + n }).collect();
    let course = Arc::new(Course::new("river", &[&sizes[..500], &sizes[500..]]));
    let server = FakeServer::new();
    server.publish(&course);
    let opened = {
        let server = server.clone();
        tokio::task::spawn_blocking(move || Arc::new(TestClient::new(&server)))
    };
    let client = opened.await.expect("the client opens");
    assert!(!carrel_system::may_block(), "blocking calls on this thread are forbidden");
    let stop = Arc::new(AtomicBool::new(false));
    let monitor = tokio::spawn(longest_stall(stop.clone()));

    let mut changes = client.changes.subscribe();
    let id = course.id.clone();
    let started = client.content.blocking(move |c| c.downloads.start(Kind::Course, &id));
    started.await.expect("the download starts");
    within_a_minute("the download", async {
        while state(&client, &course).await.phase != Phase::Ready {
            let _ = changes.recv().await;
        }
    })
    .await;
    let files = course.media().len();
    assert!(files >= 1_000, "{files} files");
    let swept =
        client.content.blocking(|c| c.library.storage().sweep()).await.expect("the sweep succeeds");
    assert_eq!((swept.orphans, swept.lost), (0, 0));
    let index = client.content.blocking(|c| c.library.index_missing());
    index.await.expect("the text is indexed");
    let hits = client
        .content
        .blocking(|c| c.library.search("river", 0, 50))
        .await
        .expect("the search succeeds");
    assert!(!hits.hits.is_empty());

    stop.store(true, Ordering::Relaxed);
    let longest = monitor.await.expect("the monitor ends");
    assert!(longest < MAX_STALL, "a task blocked the thread for {longest:?}");
    let (client, course) = (client.clone(), course.clone());
    let whole = tokio::task::spawn_blocking(move || {
        carrel_system::allow_blocking();
        client.assert_complete(&course);
    });
    whole.await.expect("all bytes are stored");
}
