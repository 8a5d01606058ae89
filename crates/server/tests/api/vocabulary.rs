//! The words of a learner: the figures are those of the app for the same rows, and recommended words.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use carrel_learning::{
    Learning, ReviewAnswer, ReviewSettings, WordCounts,
    store::{Options, Store},
};
use carrel_model::{
    CardKey, ErrorCode, EventId, ItemId,
    lattice::{ReviewKind, RowType, date_of_day},
};
use carrel_server::domain::DomainError;
use carrel_sqlite::{
    Changes,
    rows::{self, Owner},
};
use carrel_system::{Clock, SystemIds};
use serde_json::{Value, json};

use super::support::{NOW, TestServer, device, write_course};

const DAY: i64 = 24 * 3_600_000;

/// The clock of a device, two hours ahead of UTC.
struct DeviceClock(AtomicI64);

impl DeviceClock {
    fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}
impl Clock for DeviceClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
    fn monotonic_ms(&self) -> i64 {
        self.now_ms()
    }
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }
    fn zone_offset_min(&self, _: i64) -> i32 {
        120
    }
}

fn item(id: &str) -> ItemId {
    ItemId::new(id).unwrap()
}

/// A device that has not synced yet.
struct Device {
    clock: Arc<DeviceClock>,
    store: Arc<Store>,
    learning: Learning,
    _dir: tempfile::TempDir,
}

impl Device {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(DeviceClock(AtomicI64::new(NOW - 30 * DAY)));
        let options = Options {
            device: device(1),
            app_version: "1.0.0".into(),
            has_server: true,
            clock: clock.clone(),
            changes: Changes::new(),
            page_limit: None,
        };
        let store = Arc::new(Store::open(dir.path(), options).unwrap());
        let learning = Learning::new(store.clone(), Arc::new(SystemIds));
        Self { clock, store, learning, _dir: dir }
    }
    async fn add(&self, lang: &str, word: &str) -> CardKey {
        let card = CardKey::of_word(lang, None, word);
        let word = item(&format!("how-rivers-work/{word}"));
        self.learning.save_word(&word, Some(&card), true).await.unwrap();
        card
    }
    async fn answer(&self, card: &CardKey, rating: u8) -> EventId {
        let event = EventId::from_u128(
            u128::from(self.clock.now_ms().unsigned_abs()) << 16 | u128::from(rating),
        );
        let answer = ReviewAnswer {
            event,
            card: card.clone(),
            item: item(&format!("how-rivers-work/{}", card.lemma())),
            kind: ReviewKind::Review,
            rating,
            duration_ms: 2_000,
        };
        self.clock.advance(1_000);
        self.learning.answer_card(answer).await.unwrap();
        event
    }
    /// Returns all rows as a device sends them.
    async fn rows(&self) -> Vec<Value> {
        let found = self.store.read(|conn| {
            let mut found = Vec::new();
            for row_type in RowType::ALL {
                found.extend(rows::all(conn, Owner::Client, *row_type)?);
            }
            Ok(found)
        });
        found.await.unwrap().iter().map(|row| serde_json::to_value(row).unwrap()).collect()
    }
}

/// Returns totals as the route has them.
fn totals(counts: &WordCounts) -> Value {
    let WordCounts { words, new, learning, known, due, classes, .. } = counts;
    json!({"words": words, "new": new, "learning": learning, "known": known, "due": due,
        "mastery": counts.mean(), "levels": classes})
}

#[tokio::test]
async fn device_and_server_compute_the_same_figures_from_the_same_rows() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let amin = server.learner("amin").await;
    let d = Device::new();
    let mut cards = Vec::new();
    for (lang, word) in [
        ("en", "river"),
        ("en", "bend"),
        ("en", "lake"),
        ("en", "silt"),
        ("fr", "fleuve"),
        ("fr", "rive"),
        ("sw", "mto"),
        ("en", "eddy"),
    ] {
        cards.push(d.add(lang, word).await);
    }
    let settings = |s: &mut ReviewSettings| {
        s.retention = 0.85;
        s.day_start_minutes = 0;
        s.easy_days = [1.0, 0.5, 1.0, 0.0, 1.0, 1.0, 0.5];
    };
    d.learning.set_review_settings(settings).await.unwrap();
    for (n, rating) in [3, 1, 4, 2, 3, 3, 1, 3, 4, 3].into_iter().enumerate() {
        d.answer(&cards[n % 5], rating).await;
        if n == 8 {
            d.answer(&cards[7], 1).await;
        }
        d.clock.advance(3 * DAY);
    }
    // What a learner may do besides: undo, mark as known, suspend, remove.
    let undone = d.answer(&cards[0], 4).await;
    d.learning.undo_review(undone).await.unwrap();
    d.learning.mark_card(&cards[5], |marks, _| marks.known = true).await.unwrap();
    d.learning.mark_card(&cards[1], |marks, _| marks.suspended = true).await.unwrap();
    let removed = item("how-rivers-work/silt");
    d.learning.save_word(&removed, Some(&cards[3]), false).await.unwrap();
    server.clock.set(d.clock.now_ms());

    let figures = d.learning.word_figures(30).await.unwrap();
    let moment = d.learning.moment().await.unwrap();
    let pushed: Value = server.push(&noor.access_token, &d.rows().await).await.ok();
    for result in pushed["results"].as_array().unwrap() {
        assert_eq!(result["code"], "ok", "{result}");
    }
    let found: Value = server.get("/api/vocabulary/progress", &noor.access_token).await.ok();
    assert_eq!(
        (&found["day"], &found["offMin"]),
        (&json!(date_of_day(moment.day).to_string()), &json!(120))
    );
    let all = totals(&figures.all);
    for (name, expected) in all.as_object().unwrap() {
        assert_eq!(&found[name], expected, "{name}");
    }
    assert_eq!(found["learned"], json!(figures.learned));
    let languages: Vec<Value> = figures
        .languages
        .iter()
        .map(|(language, counts)| {
            let mut totals = totals(counts);
            totals["language"] = json!(language);
            totals
        })
        .collect();
    assert_eq!(found["languages"], json!(languages));
    // The figures say something: each kind of word occurs.
    let counted = (figures.all.words, figures.all.new, figures.all.known, figures.languages.len());
    assert_eq!(counted, (7, 1, 2, 3));
    assert!(figures.all.learning > 0 && figures.all.due > 0, "{figures:?}");
    // The answers, the newest first; the undone one is not among them.
    let latest: Vec<EventId> =
        d.learning.recent_reviews().await.unwrap().iter().map(|review| review.event).collect();
    let ids: Vec<&Value> =
        found["latest"].as_array().unwrap().iter().map(|answer| &answer["id"]).collect();
    assert_eq!(json!(ids), json!(latest));
    assert_eq!(ids.len(), 11);
    // Another learner has no words.
    let other: Value = server.get("/api/vocabulary/progress", &amin.access_token).await.ok();
    assert_eq!((&other["words"], &other["latest"]), (&json!(0), &json!([])));
}

#[tokio::test]
async fn words_to_review_come_first_then_new_words_of_courses_and_stories() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    publish_words(&server).await;
    let none: Value = server.get("/api/vocabulary/recommendations", &noor.access_token).await.ok();
    assert_eq!((&none["items"], &none["level"]), (&json!([]), &json!(1.0)));

    server.post("/api/courses/how-rivers-work/enroll", &noor.access_token, &json!({})).await;
    let d = Device::new();
    let (river, bend) = (d.add("en", "river").await, d.add("en", "bend").await);
    d.answer(&river, 3).await;
    d.answer(&bend, 4).await;
    let lake = d.add("en", "lake").await;
    d.learning.mark_card(&lake, |marks, _| marks.suspended = true).await.unwrap();
    d.add("en", "eddy").await;
    d.clock.advance(29 * DAY);
    server.clock.set(d.clock.now_ms());
    let mut rows = d.rows().await;
    rows.push(json!({"type": "progress", "kind": "story", "item": "the-storm", "percent": 9_000}));
    server.push(&noor.access_token, &rows).await.ok::<Value>();

    let uri = "/api/vocabulary/recommendations";
    let found: Value = server.get(uri, &noor.access_token).await.ok();
    // The story that was read has level 2; a word of level 5 is too difficult.
    assert_eq!(found["level"], json!(2.0));
    let items = found["items"].as_array().unwrap();
    let words: Vec<(&str, &str)> = items
        .iter()
        .map(|word| (word["word"].as_str().unwrap(), word["reason"].as_str().unwrap()))
        .collect();
    let expected = [
        ("River", "due"),
        ("bend", "due"),
        ("thunder", "new"),
        ("cloud", "new"),
        // On the list without an entry: at the level of the learner, its frequency is not known.
        ("eddy", "new"),
        ("silt", "new"),
    ];
    assert_eq!(words, expected);
    assert_eq!(items[0]["meaning"], "water that flows");
    assert!(items[0]["dueDay"].is_string() && items[0]["mastery"].as_f64().unwrap() > 0.0);
    assert_eq!(items[2]["item"], "the-storm/thunder");
    let page: Value =
        server.get(&format!("{uri}?page=2&pageSize=4"), &noor.access_token).await.ok();
    assert_eq!(page["items"], json!(items[4..]));
    assert_eq!((&page["total"], &page["page"]), (&json!(6), &json!(2)));
    for bad in ["page=0", "pageSize=201", "offMin=900"] {
        let reply = server.get(&format!("{uri}?{bad}"), &noor.access_token).await;
        assert_eq!(reply.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn a_learner_with_too_many_rows_gets_no_figures_of_a_part() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let d = Device::new();
    d.add("en", "river").await;
    d.add("en", "bend").await;
    server.push(&noor.access_token, &d.rows().await).await.ok::<Value>();
    let store = &server.data_dir.store;
    assert!(store.learner_words(noor.user.id, None, NOW, 2).await.is_ok());
    let refused = store.learner_words(noor.user.id, None, NOW, 1).await.unwrap_err();
    assert!(matches!(refused, DomainError::TooManyRows(1)), "{refused}");
    assert_eq!(refused.code(), ErrorCode::TooLarge);
}

/// Publishes a course of level 3 and a story of level 2, each with words.
async fn publish_words(server: &TestServer) {
    let course = server.dir.path().join("package");
    write_course(&course);
    let text = std::fs::read_to_string(course.join("course.json")).unwrap();
    let text = text.replace("\"lessons\":", "\"vocabulary\":\"words.json\",\"lessons\":");
    std::fs::write(course.join("course.json"), text).unwrap();
    std::fs::write(
        course.join("words.json"),
        r#"{"format":"carrel-vocabulary/1","lang":"en","entries":[
        {"id":"river","word":"River","meaning":"water that flows","level":2,"frequency":90},
        {"id":"bend","word":"bend","meaning":"a curve","level":2},
        {"id":"lake","word":"lake","meaning":"still water","level":2},
        {"id":"silt","word":"silt","meaning":"fine sand","level":1,"frequency":5},
        {"id":"anabranch","word":"anabranch","meaning":"a side channel","level":5}]}"#,
    )
    .unwrap();
    let story = server.dir.path().join("the-storm");
    std::fs::create_dir_all(&story).unwrap();
    std::fs::write(
        story.join("story.json"),
        r#"{"format":"carrel-story/1","id":"the-storm","title":"The Storm","lang":"en","level":2,
        "license":"CC0-1.0","vocabulary":"words.json"}"#,
    )
    .unwrap();
    std::fs::write(
        story.join("story.md"),
        "# The Storm\n\n##\n\nA [cloud](word:cloud) came. Then [thunder](word:thunder).\n",
    )
    .unwrap();
    std::fs::write(
        story.join("words.json"),
        r#"{"format":"carrel-vocabulary/1","lang":"en","entries":[
        {"id":"cloud","word":"cloud","meaning":"water in the sky","frequency":3},
        {"id":"thunder","word":"thunder","meaning":"a loud sound","frequency":70}]}"#,
    )
    .unwrap();
    let report = server.data_dir.import(&[course, story]).await.unwrap();
    assert!(report.is_ok(), "{report:?}");
}
