//! Push, pull, events: results by row, change numbers, limits, news.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::http::Method;
use carrel_server::{Config, FakeClock, Server, Settings};
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::support::{NOW, PASSWORD, World, codes, device, progress, push_body};

#[tokio::test]
async fn a_bad_row_stands_in_the_way_of_none() {
    let w = World::new();
    let noor = w.learner("noor").await;
    let far = format!("{:016x}", (NOW + 400_000) << 16);
    let rows = [
        progress("a/b/c", 5),
        json!({"type": "hologram", "x": [1, 2]}),
        json!({"type": "grade", "attempt": device(1), "rev": 9, "points": 1, "maxPoints": 1, "gradedMs": NOW}),
        json!({"type": "decision", "course": "a", "rev": 9, "status": "active"}),
        progress("a/b/c", 10_001),
        json!("no row"),
        json!({"type": "kv", "ns": "setting", "key": "k", "value": "1", "hlc": far, "device": device(1)}),
        progress("a/b/d", 7),
    ];
    let reply: Value = w.push(&noor.access_token, &rows).await.ok();
    assert_eq!(
        codes(&reply),
        ["ok", "too_new", "forbidden", "forbidden", "invalid", "invalid", "clock_skew", "ok"]
    );
    assert_eq!(reply["usn"], 2);
    for (i, result) in reply["results"].as_array().unwrap().iter().enumerate() {
        assert_eq!(result["index"], i);
        assert_eq!(
            result["code"] == "ok",
            result["reason"].as_str().unwrap_or_default().is_empty(),
            "{result}"
        );
    }
    let pulled = w.pull(&noor.access_token, 0).await;
    let items: Vec<_> =
        pulled["rows"].as_array().unwrap().iter().map(|r| r["row"]["item"].clone()).collect();
    assert_eq!(items, ["a/b/c", "a/b/d"]);
}

#[tokio::test]
async fn a_replay_moves_nothing_and_a_key_named_twice_is_one_row() {
    let w = World::new();
    let noor = w.learner("noor").await;
    let token = &noor.access_token;
    let rows =
        [progress("a/b/c", 5), progress("a/b/c", 9), progress("a/b/c", 7), progress("a/b/d", 1)];
    let first: Value = w.push(token, &rows).await.ok();
    assert_eq!(first["usn"], 2);
    let before = w.pull(token, 0).await;
    for _ in 0..3 {
        let again: Value = w.push(token, &rows).await.ok();
        assert_eq!((again["usn"].as_u64(), codes(&again).len()), (Some(2), 4));
    }
    // A mixture: only what is new takes a number.
    let mixed: Value = w.push(token, &[progress("a/b/c", 8), progress("a/b/d", 2)]).await.ok();
    assert_eq!(mixed["usn"], 3);
    let after = w.pull(token, 0).await;
    assert_eq!(before["rows"][0], after["rows"][0]);
    assert_eq!(
        (&after["rows"][0]["row"]["percent"], &after["rows"][1]["usn"]),
        (&json!(9), &json!(3))
    );
    assert_eq!(w.pull(token, 3).await["rows"], json!([]));
    assert_eq!(w.pull(token, 999).await["next"], 999);
}

#[tokio::test]
async fn who_sent_everything_that_changed_is_told_so() {
    let w = World::new();
    let noor = w.learner("noor").await;
    let token = &noor.access_token;
    let percent_and_done = |percent: u32, done: i64| json!({"type": "progress", "kind": "section", "item": "a/b/c", "percent": percent, "doneMs": NOW + done});
    let wish = json!({"type": "kv", "ns": "enrolment", "key": "nowhere", "value": "wanted", "hlc": format!("{:016x}", NOW << 16), "device": device(1)});
    // (what is sent, whether nothing else changed)
    let table = [
        (vec![progress("a/b/d", 5), percent_and_done(10, 9)], true),
        // Nothing new.
        (vec![progress("a/b/d", 3)], true),
        // An earlier time joined with a greater percentage: more than was sent.
        (vec![percent_and_done(5, 1)], false),
        (vec![percent_and_done(20, 1)], true),
        (vec![progress("a/b/d", 6), percent_and_done(7, 0)], false),
        (vec![progress("a/b/d", 7), json!("no row")], true),
        // Nobody decides on a course that is not here.
        (vec![wish], true),
    ];
    let mut usn = 0;
    for (rows, own) in table {
        let reply: Value = w.push(token, &rows).await.ok();
        let expected = if own { json!(usn) } else { Value::Null };
        assert_eq!(reply["ownSince"], expected, "{rows:?}");
        usn = reply["usn"].as_u64().unwrap();
    }
}

#[tokio::test]
async fn pages_follow_each_other_without_a_gap() {
    let w = World::new();
    let noor = w.learner("noor").await;
    let rows: Vec<Value> = (0..25).map(|n| progress(&format!("a/b/s{n}"), n)).collect();
    w.push(&noor.access_token, &rows).await.ok::<Value>();
    let (mut since, mut seen, mut pages) = (0, Vec::new(), 0);
    loop {
        let page: Value =
            w.get(&format!("/api/sync/pull?since={since}&limit=10"), &noor.access_token).await.ok();
        seen.extend(page["rows"].as_array().unwrap().iter().map(|r| r["usn"].as_u64().unwrap()));
        since = page["next"].as_u64().unwrap();
        pages += 1;
        if page["more"] == false {
            break;
        }
    }
    assert_eq!((pages, seen), (3, (1..=25).collect::<Vec<_>>()));
}

#[tokio::test]
async fn a_page_of_long_notes_ends_early_and_loses_none() {
    let w = World::new();
    let noor = w.learner("noor").await;
    for batch in 0..10_u128 {
        let note = |n: u128| {
            json!({"type": "note_revision", "rev": device(batch * 10 + n), "note": device(1), "hlc": "01a0000000000000",
                "item": "a/b/c", "body": "n".repeat(64 * 1024)})
        };
        let rows: Vec<Value> = (0..7).map(note).collect();
        assert_eq!(codes(&w.push(&noor.access_token, &rows).await.ok()), ["ok"; 7]);
    }
    let first = w.pull(&noor.access_token, 0).await;
    let count = first["rows"].as_array().unwrap().len();
    assert!((50..70).contains(&count), "{count}");
    assert_eq!((&first["more"], first["next"].as_u64()), (&json!(true), Some(count as u64)));
    let second = w.pull(&noor.access_token, count as u64).await;
    assert_eq!(
        (second["rows"].as_array().unwrap().len(), &second["more"]),
        (70 - count, &json!(false))
    );
}

#[tokio::test]
async fn fields_of_a_newer_version_come_back() {
    let w = World::new();
    let noor = w.learner("noor").await;
    let mut row = progress("a/b/c", 5);
    row["mood"] = json!({"colour": "blue", "depth": [1, 2]});
    w.push(&noor.access_token, &[row]).await.ok::<Value>();
    assert_eq!(w.pull(&noor.access_token, 0).await["rows"][0]["row"]["mood"]["colour"], "blue");
}

#[tokio::test]
async fn many_at_once_give_each_row_its_own_number() {
    let w = World::new();
    let noor = w.learner("noor").await;
    let w = &w;
    let pushes = (0..40).map(|n| {
        let token = noor.access_token.clone();
        async move {
            w.push(&token, &[progress(&format!("a/b/s{n}"), n), progress("a/b/same", n)])
                .await
                .ok::<Value>()
        }
    });
    let replies = futures_util::future::join_all(pushes).await;
    let greatest = replies.iter().map(|r| r["usn"].as_u64().unwrap()).max().unwrap();
    let pulled = w.pull(&noor.access_token, 0).await;
    let rows = pulled["rows"].as_array().unwrap();
    assert_eq!((rows.len(), rows.last().unwrap()["usn"].as_u64().unwrap()), (41, greatest));
    let numbers: Vec<_> = rows.iter().map(|r| r["usn"].as_u64().unwrap()).collect();
    assert!(numbers.windows(2).all(|p| p[0] < p[1]), "{numbers:?}");
}

#[tokio::test]
async fn versions_are_agreed_on() {
    let w = World::new();
    let noor = w.learner("noor").await;
    for (given, status) in [(None, 200), (Some("1"), 200), (Some("2"), 426), (Some("-1"), 400)] {
        let mut request = axum::http::Request::builder()
            .method(Method::GET)
            .uri("/api/sync/epoch")
            .header("authorization", format!("Bearer {}", noor.access_token));
        if let Some(version) = given {
            request = request.header("sync-version", version);
        }
        let reply = w.send(request.body(axum::body::Body::empty()).unwrap()).await;
        assert_eq!(reply.status.as_u16(), status, "{given:?}");
    }
}

/// A client on a real socket.
struct Socket {
    http: reqwest::Client,
    url: String,
}

/// Settings of a server on which learners make their own accounts.
fn open(data: &std::path::Path) -> Config {
    let settings = Settings { registration_open: true, ..Settings::default() };
    Config { settings, ..Config::new(data) }
}

impl Socket {
    fn new(url: String) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { http: reqwest::Client::builder().no_proxy().build().unwrap(), url }
    }
    async fn sign_in(&self, route: &str, device_no: u128) -> Value {
        let body = json!({"login": "noor", "name": "Noor", "password": PASSWORD, "deviceId": device(device_no)});
        let reply = self
            .http
            .post(format!("{}/api/auth/{route}", self.url))
            .json(&body)
            .send()
            .await
            .unwrap();
        assert!(reply.status().is_success(), "{}", reply.status());
        reply.json().await.unwrap()
    }
    async fn push(&self, who: &Value, items: &[Value]) -> Value {
        let request = self.http.post(format!("{}/api/sync/push", self.url)).bearer_auth(token(who));
        request.json(&push_body(items)).send().await.unwrap().json().await.unwrap()
    }
    async fn events(&self, who: &Value) -> Events {
        let reply = self
            .http
            .get(format!("{}/api/sync/events", self.url))
            .bearer_auth(token(who))
            .send()
            .await
            .unwrap();
        assert_eq!(reply.headers()["content-type"], "text/event-stream");
        Events { stream: reply.bytes_stream().boxed(), text: String::new() }
    }
}

fn token(who: &Value) -> &str {
    who["accessToken"].as_str().unwrap()
}

struct Events {
    stream: futures_util::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    text: String,
}

impl Events {
    /// The data of the next `news`, or none at the end of the stream.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let data =
                    event.lines().find_map(|l| l.strip_prefix("data: ")).map(ToOwned::to_owned);
                let is_news = event.lines().any(|l| l == "event: news");
                self.text = rest.to_owned();
                if let (true, Some(data)) = (is_news, data) {
                    return Some(serde_json::from_str(&data).unwrap());
                }
                continue;
            }
            let chunk = self.stream.next().await?.ok()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_device_hears_of_it_at_once_and_the_sender_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::new(NOW));
    let server =
        Server::start(Config { clock: Arc::clone(&clock) as _, ..open(dir.path()) }).await.unwrap();
    let socket = Socket::new(server.url());
    let laptop = socket.sign_in("register", 1).await;
    let phone = socket.sign_in("login", 2).await;
    let (mut on_phone, mut on_laptop) = (socket.events(&phone).await, socket.events(&laptop).await);
    assert_eq!(on_phone.next().await.unwrap()["usn"], 0);
    assert_eq!(on_laptop.next().await.unwrap()["usn"], 0);
    let mut times = Vec::new();
    for n in 1..=20_u64 {
        let start = Instant::now();
        let rows = [progress("a/b/c", n as u32)];
        let (reply, news) = tokio::join!(socket.push(&laptop, &rows), on_phone.next());
        times.push(start.elapsed());
        let news = news.unwrap();
        assert_eq!((news["usn"].as_u64(), &news["epoch"]), (Some(n), &reply["epoch"]));
    }
    times.sort();
    assert!(times[times.len() / 2] < Duration::from_millis(100), "{times:?}");
    // A replay is no news; the next thing that the phone hears of is the next change.
    socket.push(&laptop, &[progress("a/b/c", 3)]).await;
    socket.push(&laptop, &[progress("a/b/d", 1)]).await;
    assert_eq!(on_phone.next().await.unwrap()["usn"], 21);
    // The laptop hears of the phone, and of nothing that it did itself.
    socket.push(&phone, &[progress("a/b/e", 1)]).await;
    assert_eq!(on_laptop.next().await.unwrap()["usn"], 22);
    // Signing out ends the stream of that device; stopping the server ends the others.
    let body = json!({"refreshToken": phone["refreshToken"]});
    socket.http.post(format!("{}/api/auth/logout", socket.url)).json(&body).send().await.unwrap();
    assert_eq!(on_phone.next().await, None);
    server.shutdown().await;
    assert_eq!(on_laptop.next().await, None);
    assert!(socket.http.get(format!("{}/api/meta", socket.url)).send().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_stopped_comes_back_with_everything() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(open(dir.path())).await.unwrap();
    let socket = Socket::new(server.url());
    let noor = socket.sign_in("register", 1).await;
    let pushed = socket.push(&noor, &[progress("a/b/c", 1)]).await;
    server.shutdown().await;
    let server = Server::start(open(dir.path())).await.unwrap();
    let socket = Socket::new(server.url());
    let again = socket.push(&noor, &[progress("a/b/c", 1)]).await;
    for same in ["epoch", "usn", "results"] {
        assert_eq!(again[same], pushed[same], "{same}");
    }
    server.shutdown().await;
}
