//! What is stored: over restarts, when the file is damaged, under several request fields.

use carrel_http_cache::{Ask, Origin};
use carrel_model::ErrorCode;
use http::header;

use super::desk::{DAY, Desk, LIST, MIN, ONE, answer, first, same, second, told};

#[tokio::test]
async fn a_stale_answer_is_refreshed_behind_the_learners_back_and_told() {
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
async fn a_sleeping_machine_does_not_stay_young() {
    let desk = Desk::new();
    desk.will([first(), same()]);
    desk.get(LIST).await.unwrap();
    // The lid was closed for eight hours: the monotonic clock stood.
    desk.clock.suspend(8 * 60 * MIN);
    assert!(desk.get(LIST).await.unwrap().stale);
    desk.settle().await;
    assert_eq!(desk.requests(), 2);
}

#[tokio::test]
async fn the_time_that_a_request_took_counts_as_age() {
    let desk = Desk::new();
    let mut slow = told(200, &[("cache-control", "max-age=600"), ("age", "570")], "[1]");
    slow.takes_ms = 25_000;
    desk.will([super::desk::Net::Answer(slow), same()]);
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
async fn another_answers_clock_shows_that_the_clock_ran_back() {
    let mut desk = Desk::new();
    desk.will([first()]);
    desk.get(LIST).await.unwrap();
    desk.clock.advance(2 * DAY);
    desk.will([first()]);
    desk.get("/api/stories").await.unwrap();
    // Back to an hour after the first answer: it alone would look an hour old, but the file has seen later days.
    desk.clock.jump(-2 * DAY + 5 * MIN);
    desk.restart();
    desk.will([same()]);
    assert_eq!(desk.get(LIST).await.unwrap().origin, Origin::Revalidated);
}

#[tokio::test]
async fn answers_in_the_learners_language() {
    let mut desk = Desk::new();
    let vary =
        |body| answer(200, &[("vary", "Accept-Language"), ("cache-control", "max-age=600")], body);
    desk.cache.set_language("fr");
    desk.will([vary("[\"fr\"]")]);
    desk.get(LIST).await.unwrap();
    assert_eq!(desk.last_header("accept-language").as_deref(), Some("fr"));
    desk.cache.set_language("ar");
    desk.will([vary("[\"ar\"]")]);
    let arabic = desk.get(LIST).await.unwrap();
    assert!(arabic.status.to_string().contains("fwd=vary-miss"), "{}", arabic.status);
    desk.restart();
    desk.cache.set_language("fr");
    let french = desk.get(LIST).await.unwrap();
    assert_eq!(
        (&french.body[..], french.origin, desk.requests()),
        (&b"[\"fr\"]"[..], Origin::Disk, 2)
    );
    // No more than four of one path, the newest.
    for language in ["de", "en", "es"] {
        desk.cache.set_language(language);
        desk.will([vary("[0]")]);
        desk.get(LIST).await.unwrap();
    }
    desk.restart();
    desk.cache.set_language("fr");
    desk.will([vary("[\"again\"]")]);
    assert_eq!(desk.get(LIST).await.unwrap().origin, Origin::Network);
}

#[tokio::test]
async fn a_write_marks_what_it_names_on_this_server_and_nothing_else() {
    let desk = Desk::new();
    for path in [LIST, ONE, "/api/stories"] {
        desk.will([first()]);
        desk.get(path).await.unwrap();
    }
    let named = [
        ("location", "http://x.test/api/courses"),
        ("content-location", "//elsewhere.test/api/stories"),
    ];
    desk.will([answer(201, &named, "")]);
    let request = carrel_net::Request::new(http::Method::POST, "http://x.test/api/attempts");
    desk.cache.write(request).await.unwrap();
    let before = desk.requests();
    desk.get("/api/stories").await.unwrap();
    assert_eq!(desk.requests(), before, "another server's word about its own");
    desk.will([second()]);
    assert_eq!(&desk.get(LIST).await.unwrap().body[..], b"[2]");
    // Offline it is not used either: it is known to be wrong.
    desk.will([answer(204, &[], "")]);
    let request = carrel_net::Request::new(http::Method::DELETE, "http://x.test/api/courses");
    desk.cache.write(request).await.unwrap();
    desk.will([super::desk::Net::Refused]);
    assert_eq!(desk.get(LIST).await.unwrap_err(), ErrorCode::Offline);
}

#[tokio::test]
async fn a_request_field_goes_to_the_server_and_a_wish_too() {
    let desk = Desk::new();
    desk.will([first()]);
    desk.ask(
        Ask::of(LIST)
            .header(header::ACCEPT_LANGUAGE, "fr")
            .header(header::CACHE_CONTROL, "no-cache"),
    )
    .await
    .unwrap();
    assert_eq!(desk.last_header("accept-language").as_deref(), Some("fr"));
    assert_eq!(desk.last_header("cache-control").as_deref(), Some("no-cache"));
    assert_eq!(desk.last_header("accept").as_deref(), Some("application/json"));
}

#[test]
fn a_damaged_cache_is_made_anew_and_the_old_one_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("cache.db"), vec![7; 8192]).unwrap();
    let desk = Desk::at(dir);
    assert_eq!(desk.cache.figures().disk_bytes, 0);
    assert!(desk.dir.path().join("cache.db.damaged").exists());
}
