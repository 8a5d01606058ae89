//! Responses of the server are stored in `cache.db` only above the free-space floor; below it they are
//! kept in memory.

use std::{path::Path, sync::Arc};

use carrel_content::{Content, ContentConfig, storage::Storage};
use carrel_http_cache::{Cached, Origin};
use carrel_sqlite::Changes;
use carrel_testkit::{FakeClock, FakeDisk, Network, SeededIds, disk::length_of, reply::json};

use crate::support::*;

struct TestClient {
    content: Arc<Content>,
    storage: Storage,
}

impl TestClient {
    fn open(dir: &Path, disk: &FakeDisk, clock: &FakeClock, run: u64) -> Self {
        let storage = open(&dir.join("cache"), disk.clone(), clock);
        let content = Content::open(ContentConfig {
            storage: storage.clone(),
            account_dir: dir.join("cache/accounts/asha"),
            account: "asha".to_owned(),
            base_url: "http://x.test".to_owned(),
            mirror_url: None,
            http: Network::new(|request| json(format!("{{\"url\":\"{}\"}}", request.url))),
            clock: Arc::new(clock.clone()),
            ids: Arc::new(SeededIds::new(run)),
            changes: Changes::new(),
        })
        .unwrap();
        Self { content, storage }
    }
    async fn refresh(&self, name: &str) -> Cached {
        self.content.library.cache().refresh(&format!("/api/courses/{name}")).await.unwrap()
    }
    /// Returns where the response is stored.
    async fn stored(&self, name: &str) -> Option<Origin> {
        let path = format!("/api/courses/{name}");
        self.content.library.cache().stored(&path).await.ok().map(|c| c.origin)
    }
}

#[tokio::test]
async fn below_the_floor_responses_stay_in_memory() {
    let (dir, clock) = (scratch(), FakeClock::noon());
    let disk = FakeDisk::new(100 * GIB);
    let client = TestClient::open(dir.path(), &disk, &clock, 1);
    client.storage.set_limits(Some(GIB), Some(60 * MIB)).unwrap();
    assert!(client.refresh("early").await.status.stored);

    // Another program fills the disk.
    disk.set_capacity(60 * MIB);
    clock.advance(5_000);
    let response = client.refresh("late").await;
    assert!(!response.status.stored && !response.stale, "the response of the server is returned");
    assert_eq!(client.stored("late").await, Some(Origin::Memory));
    drop(client);
    let client = TestClient::open(dir.path(), &disk, &clock, 2);
    // No stored response was evicted for the new one, unlike on a full disk.
    assert_eq!(
        (client.stored("late").await, client.stored("early").await),
        (None, Some(Origin::Disk))
    );

    // New free space is used after at most 5 s, when the disk is queried again.
    assert!(!client.refresh("late").await.status.stored);
    disk.set_capacity(100 * GIB);
    clock.advance(5_000);
    assert!(client.refresh("late").await.status.stored);

    // Reserved bytes, and bytes written since the last query, are subtracted.
    let reservation = client.storage.reserve(8 * MIB).unwrap();
    let used = length_of(&dir.path().join("cache/accounts/asha"));
    disk.set_capacity(used + 68 * MIB + 4 * KIB);
    clock.advance(5_000);
    let mut stored = 0;
    for n in 0..40 {
        stored += u64::from(client.refresh(&format!("c{n}")).await.status.stored);
    }
    assert!((10..20).contains(&stored), "{stored} responses of about 270 bytes in 4 KiB");
    drop(reservation);
    clock.advance(5_000);
    assert!(client.refresh("c39").await.status.stored);
}

#[tokio::test]
async fn the_disk_is_not_queried_for_each_response() {
    let (dir, clock) = (scratch(), FakeClock::noon());
    let disk = FakeDisk::new(100 * GIB);
    let client = TestClient::open(dir.path(), &disk, &clock, 1);
    for (what, capacity) in [("with space", 100 * GIB), ("below the floor", MIB)] {
        disk.set_capacity(capacity);
        clock.advance(5_000);
        let before = disk.queries();
        for n in 0..100 {
            client.refresh(&format!("c{n}")).await;
            clock.advance(10);
        }
        assert_eq!(disk.queries() - before, 1, "{what}");
    }
}
