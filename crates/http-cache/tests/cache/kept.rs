//! Stored answers: over restarts, with a damaged file, for several accounts; and refreshes on demand.

use carrel_http_cache::{Error, Fallback, Origin};
use carrel_model::ErrorCode;
use carrel_sqlite::{Database, Migration};

use super::desk::{DAY, Desk, LIST, MIN, Net, ONE, answer, first, same, second, told};

#[tokio::test]
async fn a_stale_answer_is_refreshed_in_the_background_and_reported() {
    let desk = Desk::new();
    desk.will([first(), second()]);
    desk.get(LIST).await.unwrap();
    desk.clock.advance(11 * MIN);
    let (told, mut heard) = tokio::sync::mpsc::channel(1);
    let stale = desk.cache.get(LIST, move || told.try_send(()).unwrap()).await.unwrap();
    assert_eq!(&stale.body[..], b"[1]");
    heard.recv().await.expect("the change is told");
    assert_eq!(desk.last_header("if-none-match").as_deref(), Some("\"v1\""));
    let now = desk.get(LIST).await.unwrap();
    assert_eq!((&now.body[..], now.stale, desk.requests()), (&b"[2]"[..], false, 2));
}

#[tokio::test]
async fn suspended_time_counts_as_age() {
    let desk = Desk::new();
    desk.will([first(), same()]);
    desk.get(LIST).await.unwrap();
    // Suspended for eight hours: the monotonic clock stops.
    desk.clock.suspend(8 * 60 * MIN);
    assert!(desk.get(LIST).await.unwrap().stale);
    desk.settle().await;
    assert_eq!(desk.requests(), 2);
}

#[tokio::test]
async fn request_duration_counts_as_age() {
    let desk = Desk::new();
    let mut slow = told(200, &[("cache-control", "max-age=600"), ("age", "570")], "[1]");
    slow.takes_ms = 25_000;
    desk.will([Net::Answer(slow), same()]);
    let asking = desk.get(LIST);
    tokio::pin!(asking);
    let got = loop {
        tokio::select! {
            biased;
            got = &mut asking => break got.unwrap(),
            is_idle = desk.turn() => if is_idle { desk.clock.advance(1_000) },
        }
    };
    assert!(got.status.to_string().contains("ttl=5"), "{}", got.status);
    desk.clock.advance(5_000);
    assert!(desk.get(LIST).await.unwrap().stale, "570 + 25 + 5 seconds");
}

#[tokio::test]
async fn a_later_answer_reveals_a_clock_set_back() {
    let mut desk = Desk::new();
    desk.will([first()]);
    desk.get(LIST).await.unwrap();
    desk.clock.advance(2 * DAY);
    desk.will([first()]);
    desk.get("/api/stories").await.unwrap();
    // Set back to an hour after the first answer: alone it would appear an hour old, but the file contains later
    // arrivals.
    desk.clock.jump(-2 * DAY + 5 * MIN);
    desk.restart();
    desk.will([same()]);
    assert_eq!(desk.get(LIST).await.unwrap().origin, Origin::Revalidated);
}

#[tokio::test]
async fn vary_separates_learners() {
    let mut desk = Desk::new();
    let vary = [("vary", "Authorization"), ("cache-control", "max-age=600")];
    desk.will([answer(200, &vary, "[\"asha\"]")]);
    desk.get(LIST).await.unwrap();
    assert_eq!(desk.last_header("accept").as_deref(), Some("application/json"));
    desk.restart_as("noor");
    desk.will([answer(200, &vary, "[\"noor\"]")]);
    let other = desk.get(LIST).await.unwrap();
    assert_eq!(&other.body[..], b"[\"noor\"]");
    assert!(other.status.to_string().contains("fwd=vary-miss"), "{}", other.status);
    // Both are stored. At most four answers per path are kept, the newest.
    desk.restart();
    assert_eq!(desk.stored(LIST).await.unwrap().body, "[\"asha\"]");
    for account in ["mei", "tomas", "zainab"] {
        desk.restart_as(account);
        desk.will([answer(200, &vary, "[0]")]);
        desk.get(LIST).await.unwrap();
    }
    desk.restart();
    assert_eq!(desk.stored(LIST).await.unwrap_err(), ErrorCode::NotDownloaded);
    desk.restart_as("noor");
    assert_eq!(desk.stored(LIST).await.unwrap().body, "[\"noor\"]");
}

#[tokio::test]
async fn refresh_always_sends_a_request_and_stored_never_does() {
    let desk = Desk::new();
    assert_eq!(desk.stored(ONE).await.unwrap_err(), ErrorCode::NotDownloaded);
    assert_eq!(desk.requests(), 0);
    desk.will([first()]);
    assert_eq!(desk.get(ONE).await.unwrap().body, "[1]");
    desk.will([same()]);
    let same = desk.refresh(ONE).await.unwrap();
    assert_eq!(desk.last_header("if-none-match").as_deref(), Some("\"v1\""));
    assert!(same.status.to_string().contains("fwd=request; fwd-status=304"), "{}", same.status);
    desk.will([second()]);
    assert_eq!(desk.refresh(ONE).await.unwrap().body, "[2]");
    assert_eq!((desk.stored(ONE).await.unwrap().body, desk.requests()), ("[2]".into(), 3));
    // A stored answer used after a server error is marked.
    desk.will([answer(503, &[], "")]);
    let instead = desk.refresh(ONE).await.unwrap();
    assert_eq!((&instead.body[..], instead.fallback()), (&b"[2]"[..], Some(Fallback::Fault)));
    assert!(instead.is_dated() && !instead.offline);
    desk.will([Net::Refused]);
    let instead = desk.refresh(ONE).await.unwrap();
    assert!(instead.offline && instead.fallback() == Some(Fallback::Offline));
    // A refresh does not store a path that the table does not store.
    desk.cache.network_changed();
    desk.will([first()]);
    assert!(!desk.refresh("/api/meta").await.unwrap().status.stored);
    assert_eq!(desk.stored("/api/meta").await.unwrap_err(), ErrorCode::NotDownloaded);
}

#[tokio::test]
async fn a_file_of_the_first_version_keeps_its_answers() {
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
    let desk = Desk::at(dir);
    assert_eq!(desk.stored(LIST).await.unwrap().body, "[1]");
    // An answer of this version can be stored in the same file.
    desk.will([first()]);
    assert!(desk.get(ONE).await.unwrap().status.stored);
}

#[test]
fn a_corrupt_cache_file_is_renamed_and_recreated() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("cache.db"), vec![7; 8192]).unwrap();
    let desk = Desk::at(dir);
    assert_eq!(desk.cache.figures().disk_bytes, 0);
    assert!(desk.dir.path().join("cache.db.damaged").exists());
}
