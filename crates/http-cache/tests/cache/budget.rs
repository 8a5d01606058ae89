//! Size of `cache.db`: the budget is kept, the least recently used answers are removed, and a full disk removes nothing
//! else.

use bytes::Bytes;
use carrel_http_cache::Origin;

use super::desk::{Desk, Net, Told, told};

fn of(bytes: usize) -> Net {
    let body = Bytes::from(format!("[\"{}\"]", "x".repeat(bytes - 4)));
    Net::Answer(Told { body, ..told(200, &[("cache-control", "max-age=600")], "") })
}

async fn keep(desk: &Desk, n: usize, bytes: usize) {
    desk.will([of(bytes)]);
    desk.get(&format!("/api/courses/c{n}")).await.unwrap();
}
async fn here(desk: &Desk, n: usize) -> Option<Origin> {
    let path = format!("/api/courses/c{n}");
    desk.stored(&path).await.ok().map(|c| c.origin)
}

#[tokio::test]
async fn least_recently_used_answers_are_evicted() {
    let mut desk = Desk::with_disk_budget(1 << 20);
    for n in 0..20 {
        keep(&desk, n, 20_000).await;
    }
    // The first is read from the disk repeatedly, so it is in use.
    for n in 20..200 {
        if n % 10 == 0 {
            desk.restart();
            assert_eq!(here(&desk, 0).await, Some(Origin::Disk), "at {n}");
        }
        keep(&desk, n, 20_000).await;
        assert!(desk.cache.figures().disk_bytes <= 1 << 20, "at {n}");
    }
    let figures = desk.cache.figures();
    assert!(figures.evicted > 0 && figures.disk_bytes > 700_000, "{figures:?}");
    desk.restart();
    assert_eq!(here(&desk, 1).await, None, "the oldest that nobody read");
    assert_eq!(here(&desk, 199).await, Some(Origin::Disk));
    // The file itself stays small: pages are reused.
    let pages: i64 = desk
        .cache
        .database()
        .with_connection(|c| Ok(c.pragma_query_value(None, "page_count", |r| r.get(0))?))
        .unwrap();
    assert!(pages * 4096 < 2 << 20, "{pages} pages");
    // Recounted from the file.
    let before = desk.cache.figures().disk_bytes;
    desk.restart();
    assert_eq!(desk.cache.figures().disk_bytes, before);
}

#[tokio::test]
async fn a_memory_hit_counts_as_a_use() {
    let mut desk = Desk::with_disk_budget(1 << 20);
    for n in 0..20 {
        keep(&desk, n, 20_000).await;
    }
    for n in 20..120 {
        assert_eq!(here(&desk, 0).await, Some(Origin::Memory));
        keep(&desk, n, 20_000).await;
    }
    desk.restart();
    assert_eq!((here(&desk, 0).await, here(&desk, 1).await), (Some(Origin::Disk), None));
}

#[tokio::test]
async fn an_oversized_answer_evicts_nothing() {
    let mut desk = Desk::with_disk_budget(1 << 20);
    for n in 0..10 {
        keep(&desk, n, 20_000).await;
    }
    // Including one that is slightly too large; neither is reported as stored.
    for (n, bytes, stored) in [(10, 900_000, false), (11, 350_000, false), (12, 20_000, true)] {
        desk.will([of(bytes)]);
        let got = desk.get(&format!("/api/courses/c{n}")).await.unwrap();
        assert_eq!(got.status.stored, stored, "{bytes} bytes: {}", got.status);
    }
    desk.restart();
    assert_eq!((here(&desk, 0).await, here(&desk, 10).await), (Some(Origin::Disk), None));
}

#[tokio::test]
async fn a_full_disk_evicts_only_the_oldest_answers() {
    let mut desk = Desk::new();
    for n in 0..30 {
        keep(&desk, n, 20_000).await;
    }
    desk.fill_disk();
    keep(&desk, 30, 20_000).await;
    desk.restart();
    let mut left = 0;
    for n in 0..31 {
        left += u32::from(here(&desk, n).await.is_some());
    }
    assert!((27..=30).contains(&left), "{left} of 31 are left");
    assert!(here(&desk, 30).await.is_some(), "the new one found its place");
    desk.restart();
    assert_eq!(here(&desk, 29).await, Some(Origin::Disk));
}
