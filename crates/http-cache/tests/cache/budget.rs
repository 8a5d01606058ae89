//! Size of `cache.db`: it stays within the budget, and the least recently used responses are removed, also on a full
//! disk.

use carrel_http_cache::Origin;
use carrel_testkit::Answer;

use super::fixture::{Fixture, reply};

fn reply_of(bytes: usize) -> Answer {
    let body = format!("[\"{}\"]", "x".repeat(bytes - 4));
    reply(200, &[("cache-control", "max-age=600")], body)
}

async fn store(fixture: &Fixture, n: usize, bytes: usize) {
    fixture.enqueue([reply_of(bytes)]);
    fixture.get(&format!("/api/courses/c{n}")).await.unwrap();
}
async fn stored_origin(fixture: &Fixture, n: usize) -> Option<Origin> {
    let path = format!("/api/courses/c{n}");
    fixture.stored(&path).await.ok().map(|c| c.origin)
}

#[tokio::test]
async fn least_recently_used_responses_are_evicted() {
    let mut fixture = Fixture::with_disk_budget(1 << 20);
    for n in 0..20 {
        store(&fixture, n, 20_000).await;
    }
    // The first is read from the disk repeatedly, which counts as use.
    for n in 20..200 {
        if n % 10 == 0 {
            fixture.restart();
            assert_eq!(stored_origin(&fixture, 0).await, Some(Origin::Disk), "at {n}");
        }
        store(&fixture, n, 20_000).await;
        assert!(fixture.cache.figures().disk_bytes <= 1 << 20, "at {n}");
    }
    let figures = fixture.cache.figures();
    assert!(figures.evicted > 0 && figures.disk_bytes > 700_000, "{figures:?}");
    fixture.restart();
    assert_eq!(stored_origin(&fixture, 1).await, None, "the oldest unread response");
    assert_eq!(stored_origin(&fixture, 199).await, Some(Origin::Disk));
    // The file stays small, because its pages are reused.
    let pages: i64 = fixture
        .cache
        .database()
        .with_connection(|c| Ok(c.pragma_query_value(None, "page_count", |r| r.get(0))?))
        .unwrap();
    assert!(pages * 4096 < 2 << 20, "{pages} pages");
    // `disk_bytes` is computed again from the file.
    let before = fixture.cache.figures().disk_bytes;
    fixture.restart();
    assert_eq!(fixture.cache.figures().disk_bytes, before);
}

#[tokio::test]
async fn a_memory_hit_counts_as_a_use() {
    let mut fixture = Fixture::with_disk_budget(1 << 20);
    for n in 0..20 {
        store(&fixture, n, 20_000).await;
    }
    for n in 20..120 {
        assert_eq!(stored_origin(&fixture, 0).await, Some(Origin::Memory));
        store(&fixture, n, 20_000).await;
    }
    fixture.restart();
    assert_eq!(
        (stored_origin(&fixture, 0).await, stored_origin(&fixture, 1).await),
        (Some(Origin::Disk), None)
    );
}

#[tokio::test]
async fn an_oversized_response_evicts_nothing() {
    let mut fixture = Fixture::with_disk_budget(1 << 20);
    for n in 0..10 {
        store(&fixture, n, 20_000).await;
    }
    // 11 is only slightly too large. Neither 10 nor 11 is reported as stored.
    for (n, bytes, stored) in [(10, 900_000, false), (11, 350_000, false), (12, 20_000, true)] {
        fixture.enqueue([reply_of(bytes)]);
        let got = fixture.get(&format!("/api/courses/c{n}")).await.unwrap();
        assert_eq!(got.status.stored, stored, "{bytes} bytes: {}", got.status);
    }
    fixture.restart();
    assert_eq!(
        (stored_origin(&fixture, 0).await, stored_origin(&fixture, 10).await),
        (Some(Origin::Disk), None)
    );
}

#[tokio::test]
async fn a_full_disk_evicts_only_the_oldest_responses() {
    let mut fixture = Fixture::new();
    for n in 0..30 {
        store(&fixture, n, 20_000).await;
    }
    fixture.fill_disk();
    store(&fixture, 30, 20_000).await;
    fixture.restart();
    let mut left = 0;
    for n in 0..31 {
        left += u32::from(stored_origin(&fixture, n).await.is_some());
    }
    assert!((27..=30).contains(&left), "{left} of 31 are left");
    assert!(stored_origin(&fixture, 30).await.is_some(), "the new response is stored");
    fixture.restart();
    assert_eq!(stored_origin(&fixture, 29).await, Some(Origin::Disk));
}
