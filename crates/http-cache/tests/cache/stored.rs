//! Stored responses: after restarts, in a damaged file, of several accounts; and `refresh`.

use std::time::Duration;

use carrel_http_cache::{Error, Fallback, Origin};
use carrel_model::ErrorCode;
use carrel_sqlite::{Database, Migration};
use carrel_testkit::Answer;

use super::fixture::{DAY, Fixture, LIST, MIN, ONE, first, reply, same, second};

#[tokio::test]
async fn a_stale_response_is_refreshed_in_the_background_and_reported() {
    let fixture = Fixture::new();
    fixture.enqueue([first(), second()]);
    fixture.get(LIST).await.unwrap();
    fixture.clock.advance(11 * MIN);
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let stale = fixture.cache.get(LIST, move || sender.try_send(()).unwrap()).await.unwrap();
    assert_eq!(&stale.body[..], b"[1]");
    receiver.recv().await.expect("a change notification");
    assert_eq!(fixture.last_header("if-none-match").as_deref(), Some("\"v1\""));
    let now = fixture.get(LIST).await.unwrap();
    assert_eq!((&now.body[..], now.stale, fixture.requests()), (&b"[2]"[..], false, 2));
}

#[tokio::test]
async fn suspended_time_counts_as_age() {
    let fixture = Fixture::new();
    fixture.enqueue([first(), same()]);
    fixture.get(LIST).await.unwrap();
    // Suspended for eight hours: the monotonic clock stops.
    fixture.clock.suspend(8 * 60 * MIN);
    assert!(fixture.get(LIST).await.unwrap().stale);
    fixture.settle().await;
    assert_eq!(fixture.requests(), 2);
}

#[tokio::test]
async fn request_duration_counts_as_age() {
    let fixture = Fixture::new();
    let slow = reply(200, &[("cache-control", "max-age=600"), ("age", "570")], "[1]");
    fixture.enqueue([slow.after(&fixture.clock, Duration::from_secs(25)), same()]);
    let pending = fixture.get(LIST);
    tokio::pin!(pending);
    let got = loop {
        tokio::select! {
            biased;
            got = &mut pending => break got.unwrap(),
            is_idle = fixture.run_tasks() => if is_idle { fixture.clock.advance(1_000) },
        }
    };
    assert!(got.status.to_string().contains("ttl=5"), "{}", got.status);
    fixture.clock.advance(5_000);
    assert!(fixture.get(LIST).await.unwrap().stale, "570 + 25 + 5 seconds");
}

#[tokio::test]
async fn a_later_arrival_proves_that_the_clock_was_set_back() {
    let mut fixture = Fixture::new();
    fixture.enqueue([first()]);
    fixture.get(LIST).await.unwrap();
    fixture.clock.advance(2 * DAY);
    fixture.enqueue([first()]);
    fixture.get("/api/stories").await.unwrap();
    // Set back to five minutes after the first arrival: the response would appear fresh, but the file contains a later
    // arrival.
    fixture.clock.jump(-2 * DAY + 5 * MIN);
    fixture.restart();
    fixture.enqueue([same()]);
    assert_eq!(fixture.get(LIST).await.unwrap().origin, Origin::Revalidated);
}

#[tokio::test]
async fn vary_separates_learners() {
    let mut fixture = Fixture::new();
    let vary = [("vary", "Authorization"), ("cache-control", "max-age=600")];
    fixture.enqueue([reply(200, &vary, "[\"asha\"]")]);
    fixture.get(LIST).await.unwrap();
    assert_eq!(fixture.last_header("accept").as_deref(), Some("application/json"));
    fixture.restart_as("noor");
    fixture.enqueue([reply(200, &vary, "[\"noor\"]")]);
    let other = fixture.get(LIST).await.unwrap();
    assert_eq!(&other.body[..], b"[\"noor\"]");
    assert!(other.status.to_string().contains("fwd=vary-miss"), "{}", other.status);
    // Both are stored. At most four responses per path are kept, the newest.
    fixture.restart();
    assert_eq!(fixture.stored(LIST).await.unwrap().body, "[\"asha\"]");
    for account in ["mei", "tomas", "zainab"] {
        fixture.restart_as(account);
        fixture.enqueue([reply(200, &vary, "[0]")]);
        fixture.get(LIST).await.unwrap();
    }
    fixture.restart();
    assert_eq!(fixture.stored(LIST).await.unwrap_err(), ErrorCode::NotDownloaded);
    fixture.restart_as("noor");
    assert_eq!(fixture.stored(LIST).await.unwrap().body, "[\"noor\"]");
}

#[tokio::test]
async fn refresh_always_sends_a_request_and_stored_never_does() {
    let fixture = Fixture::new();
    assert_eq!(fixture.stored(ONE).await.unwrap_err(), ErrorCode::NotDownloaded);
    assert_eq!(fixture.requests(), 0);
    fixture.enqueue([first()]);
    assert_eq!(fixture.get(ONE).await.unwrap().body, "[1]");
    fixture.enqueue([same()]);
    let same = fixture.refresh(ONE).await.unwrap();
    assert_eq!(fixture.last_header("if-none-match").as_deref(), Some("\"v1\""));
    assert!(same.status.to_string().contains("fwd=request; fwd-status=304"), "{}", same.status);
    fixture.enqueue([second()]);
    assert_eq!(fixture.refresh(ONE).await.unwrap().body, "[2]");
    assert_eq!((fixture.stored(ONE).await.unwrap().body, fixture.requests()), ("[2]".into(), 3));
    // A stored response used after a server error is marked.
    fixture.enqueue([reply(503, &[], "")]);
    let fallback = fixture.refresh(ONE).await.unwrap();
    assert_eq!((&fallback.body[..], fallback.fallback()), (&b"[2]"[..], Some(Fallback::Fault)));
    assert!(fallback.is_dated() && !fallback.offline);
    fixture.enqueue([Answer::refused()]);
    let fallback = fixture.refresh(ONE).await.unwrap();
    assert!(fallback.offline && fallback.fallback() == Some(Fallback::Offline));
    // `refresh` stores nothing under a network-only route.
    fixture.cache.network_changed();
    fixture.enqueue([first()]);
    assert!(!fixture.refresh("/api/meta").await.unwrap().status.stored);
    assert_eq!(fixture.stored("/api/meta").await.unwrap_err(), ErrorCode::NotDownloaded);
}

#[tokio::test]
async fn a_file_of_the_first_version_keeps_its_responses() {
    const FIRST: &[Migration] = &[Migration {
        number: 1,
        name: "entries",
        sql: include_str!("../../../../migrations/cache/0001_entries.sql"),
    }];
    let dir = tempfile::tempdir().unwrap();
    let database: Database<Error> =
        Database::open_disposable(&dir.path().join("cache.db"), FIRST, 0).unwrap();
    let stored = database.write("insert", |tx| {
        tx.execute(
            "INSERT INTO entry (path, selecting, head, initial_age_ms, stored_ms, stored_mono_ms, run, invalid, size,
             used, body) VALUES (?1, '', '', 0, 0, 0, zeroblob(16), 0, 300, 1, CAST('[1]' AS BLOB))",
            [LIST],
        )?;
        Ok(())
    });
    stored.await.unwrap();
    drop(database);
    let fixture = Fixture::at(dir);
    assert_eq!(fixture.stored(LIST).await.unwrap().body, "[1]");
    // A response of this version can be stored in the same file.
    fixture.enqueue([first()]);
    assert!(fixture.get(ONE).await.unwrap().status.stored);
}

#[test]
fn a_corrupt_cache_file_is_renamed_and_recreated() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("cache.db"), vec![7; 8192]).unwrap();
    let fixture = Fixture::at(dir);
    assert_eq!(fixture.cache.figures().disk_bytes, 0);
    assert!(fixture.dir.path().join("cache.db.damaged").exists());
}
