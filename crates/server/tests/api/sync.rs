//! Push, pull and events: results of rows, change numbers, limits, notifications.

use std::{sync::Arc, time::Duration};

use axum::http::{Method, StatusCode};
use carrel_server::{
    Config, DataDir, FakeClock, RunningServer, Server, Settings,
    events::{Event, StreamEvent},
    http,
    store::tx::Usage,
};
use futures_util::{FutureExt as _, StreamExt};
use serde_json::{Value, json};

use super::support::{
    NOW, PASSWORD, TestServer, codes, config, device, engine, fixture, progress, push_body,
    write_course,
};

#[tokio::test]
async fn an_invalid_row_never_blocks_the_others() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let far_future = format!("{:016x}", (NOW + 400_000) << 16);
    let rows = [
        progress("a/b/c", 5),
        json!({"type": "hologram", "x": [1, 2]}),
        json!({"type": "grade", "attempt": device(1), "rev": 9, "points": 1, "maxPoints": 1, "gradedMs": NOW}),
        json!({"type": "decision", "course": "a", "rev": 9, "status": "active"}),
        progress("a/b/c", 10_001),
        json!("no row"),
        json!({"type": "kv", "ns": "setting", "key": "k", "value": "1", "hlc": far_future, "device": device(1)}),
        progress("a/b/d", 7),
    ];
    let reply: Value = server.push(&noor.access_token, &rows).await.ok();
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
    let pulled = server.pull(&noor.access_token, 0).await;
    let items: Vec<_> =
        pulled["rows"].as_array().unwrap().iter().map(|r| r["row"]["item"].clone()).collect();
    assert_eq!(items, ["a/b/c", "a/b/d"]);
}

/// Registers that were written while the server's clock was years ahead.
#[tokio::test]
async fn a_register_stamped_in_the_future_can_be_changed_again() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let (hour, year) = (3_600_000, 365 * 24 * 3_600_000_i64);
    let stamp = |ms: i64, counter: i64| format!("{:016x}", (ms << 16) | counter);
    let kv = |key: &str, value: &str, hlc: &str| json!({"type": "kv", "ns": "setting", "key": key, "value": value, "hlc": hlc, "device": device(1)});
    let position = |at: &str, hlc: &str| {
        json!({"type": "progress", "kind": "section", "item": "a/b/c", "percent": 7,
            "pos": {"hlc": hlc, "device": device(1), "at": at}})
    };
    server.clock.set(NOW + 4 * year);
    let future = stamp(NOW + 4 * year, 0);
    let then = server.sign_in("noor", 2).await;
    let rows = [kv("theme", "1", &future), position("b1", &future), kv("font", "1", &future)];
    let reply: Value = server.push(&then.access_token, &rows).await.ok();
    assert_eq!(codes(&reply), ["ok"; 3]);

    server.clock.set(NOW + hour);
    let noor: carrel_model::wire::TokenReply = server.refresh(&noor.refresh_token).await.ok();
    let token = &noor.access_token;
    let values = || async {
        let rows = server.pull(token, 0).await["rows"].clone();
        let find = |key: &str| {
            let found = rows.as_array().unwrap().iter().find(|r| r["row"]["key"] == key).cloned();
            found.unwrap()["row"]["value"].as_str().unwrap().to_owned()
        };
        let pos = rows.as_array().unwrap().iter().find(|r| r["row"]["type"] == "progress");
        (find("theme"), find("font"), pos.unwrap()["row"]["pos"].clone())
    };
    let now = stamp(NOW + hour, 3);
    let old = stamp(NOW - 30 * 24 * hour, 0);
    let rows = [kv("theme", "2", &now), kv("font", "2", &old), position("b2", &now)];
    let reply: Value = server.push(token, &rows).await.ok();
    assert_eq!(codes(&reply), ["ok"; 3]);
    // The values win with a later stamp, so that they win on each device. The old one may be older than the stored one.
    let (theme, font, pos) = values().await;
    assert_eq!((theme.as_str(), font.as_str(), pos["at"].as_str()), ("2", "1", Some("b2")));
    assert_eq!(pos["hlc"], stamp(NOW + 4 * year, 1));
    assert_eq!(reply["ownSince"], Value::Null, "the device pulls the stamps");
    assert_eq!(reply["usn"], 5);
    // A repeated push changes nothing, and a later one wins again.
    let again: Value = server.push(token, &rows).await.ok();
    assert_eq!(again["usn"], 5);
    let rows = [kv("theme", "3", &stamp(NOW + hour, 4))];
    let reply: Value = server.push(token, &rows).await.ok();
    assert_eq!((reply["usn"].as_u64(), values().await.0.as_str()), (Some(6), "3"));
}

#[tokio::test]
async fn a_replay_changes_nothing_and_a_repeated_key_is_one_row() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let token = &noor.access_token;
    let rows =
        [progress("a/b/c", 5), progress("a/b/c", 9), progress("a/b/c", 7), progress("a/b/d", 1)];
    let first: Value = server.push(token, &rows).await.ok();
    assert_eq!(first["usn"], 2);
    let before = server.pull(token, 0).await;
    for _ in 0..3 {
        let again: Value = server.push(token, &rows).await.ok();
        assert_eq!((again["usn"].as_u64(), codes(&again).len()), (Some(2), 4));
    }
    // Only the changed row gets a change number.
    let mixed: Value = server.push(token, &[progress("a/b/c", 8), progress("a/b/d", 2)]).await.ok();
    assert_eq!(mixed["usn"], 3);
    let after = server.pull(token, 0).await;
    assert_eq!(before["rows"][0], after["rows"][0]);
    assert_eq!(
        (&after["rows"][0]["row"]["percent"], &after["rows"][1]["usn"]),
        (&json!(9), &json!(3))
    );
    assert_eq!(server.pull(token, 3).await["rows"], json!([]));
    assert_eq!(server.pull(token, 999).await["next"], 999);
}

#[tokio::test]
async fn own_since_is_set_if_nothing_else_changed() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let token = &noor.access_token;
    let percent_and_done = |percent: u32, done: i64| json!({"type": "progress", "kind": "section", "item": "a/b/c", "percent": percent, "doneMs": NOW + done});
    let request = json!({"type": "kv", "ns": "enrolment", "key": "nowhere", "value": "true",
        "hlc": format!("{:016x}", NOW << 16), "device": device(1)});
    // Rows to push, and true if nothing else changes.
    let table = [
        (vec![progress("a/b/d", 5), percent_and_done(10, 9)], true),
        // No change.
        (vec![progress("a/b/d", 3)], true),
        // The earlier time is merged with the greater stored percentage, so the stored row differs from the row sent.
        (vec![percent_and_done(5, 1)], false),
        (vec![percent_and_done(20, 1)], true),
        (vec![progress("a/b/d", 6), percent_and_done(7, 0)], false),
        (vec![progress("a/b/d", 7), json!("no row")], true),
        // A course that is not in the catalogue gets no decision.
        (vec![request], true),
    ];
    let mut usn = 0;
    for (rows, own) in table {
        let reply: Value = server.push(token, &rows).await.ok();
        let expected = if own { json!(usn) } else { Value::Null };
        assert_eq!(reply["ownSince"], expected, "{rows:?}");
        usn = reply["usn"].as_u64().unwrap();
    }
}

#[tokio::test]
async fn pages_contain_every_row_once() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let rows: Vec<Value> = (0..25).map(|n| progress(&format!("a/b/s{n}"), n)).collect();
    server.push(&noor.access_token, &rows).await.ok::<Value>();
    let (mut since, mut numbers, mut pages) = (0, Vec::new(), 0);
    loop {
        let page: Value = server
            .get(&format!("/api/sync/pull?since={since}&limit=10"), &noor.access_token)
            .await
            .ok();
        numbers.extend(page["rows"].as_array().unwrap().iter().map(|r| r["usn"].as_u64().unwrap()));
        since = page["next"].as_u64().unwrap();
        pages += 1;
        if page["more"] == false {
            break;
        }
    }
    assert_eq!((pages, numbers), (3, (1..=25).collect::<Vec<_>>()));
}

#[tokio::test]
async fn a_page_of_long_notes_is_shorter_and_no_note_is_missing() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    for batch in 0..10_u128 {
        let note = |n: u128| {
            json!({"type": "note_revision", "rev": device(batch * 10 + n), "note": device(1), "hlc": "01a0000000000000",
                "item": "a/b/c", "body": "n".repeat(64 * 1024)})
        };
        let rows: Vec<Value> = (0..7).map(note).collect();
        assert_eq!(codes(&server.push(&noor.access_token, &rows).await.ok()), ["ok"; 7]);
    }
    let first = server.pull(&noor.access_token, 0).await;
    let count = first["rows"].as_array().unwrap().len();
    assert!((50..70).contains(&count), "{count}");
    assert_eq!((&first["more"], first["next"].as_u64()), (&json!(true), Some(count as u64)));
    let second = server.pull(&noor.access_token, count as u64).await;
    assert_eq!(
        (second["rows"].as_array().unwrap().len(), &second["more"]),
        (70 - count, &json!(false))
    );
}

/// Each page is read from one state of the database, even while another device writes: a pull that reports no more
/// rows has returned all rows that existed when its last page was requested.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_pull_ends_early_while_another_device_pushes() {
    let pulls = if std::env::var_os("CARREL_LONG").is_some() { 1_000 } else { 40 };
    let server = Arc::new(TestServer::new());
    let noor = server.learner("noor").await;
    let token = noor.access_token.clone();
    // Rows of several tables, so that a page needs several statements.
    let rows = |n: u32, round: u32| {
        let stamp = format!("{:016x}", (NOW << 16) + i64::from(round));
        [
            progress(&format!("a/b/s{n}"), round % 10_000),
            json!({"type": "kv", "ns": "setting", "key": format!("k{n}"), "value": "1",
                "hlc": stamp, "device": device(1)}),
            json!({"type": "note_life", "note": device(u128::from(n)), "deleted": stamp}),
        ]
    };
    const KEYS: u32 = 60;
    let all: Vec<Value> = (0..KEYS).flat_map(|n| rows(n, 1)).collect();
    assert!(codes(&server.push(&token, &all).await.ok()).iter().all(|c| c == "ok"));
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writer = tokio::spawn({
        let (server, token, stop) = (server.clone(), token.clone(), stop.clone());
        async move {
            let mut round = 2;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let n = round % KEYS;
                server.push(&token, &rows(n, round)).await.ok::<Value>();
                round += 1;
            }
            round
        }
    });
    for pull in 0..pulls {
        let (mut since, mut keys) = (0, std::collections::BTreeSet::new());
        loop {
            let known: Value = server.get("/api/sync/epoch", &token).await.ok();
            let limit = 20 + pull % 50;
            let uri = format!("/api/sync/pull?since={since}&limit={limit}");
            let page: Value = server.get(&uri, &token).await.ok();
            for row in page["rows"].as_array().unwrap() {
                let row = &row["row"];
                let key = [&row["item"], &row["key"], &row["note"]].map(ToString::to_string);
                keys.insert(key.concat());
            }
            since = page["next"].as_u64().unwrap();
            if page["more"] == false {
                let at_least = known["usn"].as_u64().unwrap();
                assert!(
                    since >= at_least,
                    "pull {pull} ended at {since}, expected at least {at_least}"
                );
                break;
            }
        }
        assert_eq!(keys.len(), 3 * KEYS as usize, "pull {pull} lacks rows");
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(writer.await.unwrap() > 10, "the other device pushed during the pulls");
}

/// The size of a page limits the rows that the store reads, not only those in the reply.
#[tokio::test]
async fn a_pull_reads_no_more_than_it_returns() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    for batch in 0..20_u128 {
        let note = |n: u128| {
            json!({"type": "note_revision", "rev": device(batch * 7 + n), "note": device(1), "hlc": "01a0000000000000",
                "item": "a/b/c", "body": "n".repeat(64 * 1024)})
        };
        let rows: Vec<Value> = (0..7).map(note).collect();
        assert_eq!(codes(&server.push(&noor.access_token, &rows).await.ok()), ["ok"; 7]);
    }
    for (max_bytes, max_rows) in [(0, 1), (200_000, 4), (4 << 20, 65), (usize::MAX, 140)] {
        let (rows, more) =
            server.data_dir.store.pull(noor.user.id, 0, 2_000, max_bytes).await.unwrap();
        assert!((1..=max_rows).contains(&rows.len()), "{} rows of {max_bytes} bytes", rows.len());
        assert_eq!(more, rows.len() < 140);
    }
}

/// The merge of valid rows is a valid row, which devices and the server accept.
#[tokio::test]
async fn unknown_fields_of_many_pushes_merge_into_a_valid_row() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let token = &noor.access_token;
    let with = |fields: std::ops::Range<u32>, len: usize| {
        let mut row = progress("a/b/c", 5);
        for n in fields {
            row[format!("f{n:05}")] = json!("v".repeat(len));
        }
        row
    };
    let body = |pulled: &Value| pulled["rows"][0]["row"].clone();
    for fields in [with(0..1, 3_000), with(1..2, 3_000), with(2..300, 1), with(300..316, 4_000)] {
        assert_eq!(codes(&server.push(token, &[fields]).await.ok()), ["ok"]);
    }
    let joined = body(&server.pull(token, 0).await);
    assert_eq!(joined["f00000"], "v".repeat(3_000), "the fields of the first two rows are kept");
    assert_eq!(joined["f00001"], "v".repeat(3_000));
    assert_eq!(codes(&server.push(token, std::slice::from_ref(&joined)).await.ok()), ["ok"]);
    // 60 pushes of half a MiB each.
    for push in 0..60_u32 {
        let rows: Vec<Value> =
            (0..7).map(|n| with((push * 7 + n) * 16..(push * 7 + n + 1) * 16, 4_000)).collect();
        assert_eq!(codes(&server.push(token, &rows).await.ok()), ["ok"; 7]);
    }
    let reply = server.get("/api/sync/pull?since=0&limit=2000", token).await;
    assert!(reply.body.len() < 80 * 1024, "{} bytes", reply.body.len());
    let joined = body(&reply.ok());
    assert_eq!(codes(&server.push(token, &[joined]).await.ok()), ["ok"]);
    // A single row over the limits is refused.
    for over in [with(0..1, 5_000), with(0..17, 1_000)] {
        assert_eq!(codes(&server.push(token, &[over]).await.ok()), ["invalid"]);
    }
}

/// If the device disconnects after its rows were queued, they are committed and the other devices are notified.
#[tokio::test]
async fn a_push_of_a_disconnected_client_still_notifies_other_devices() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let user = noor.user.id;
    let other = uuid::Uuid::from_u128(7);
    let mut stream = server.data_dir.events.subscribe(user, other).unwrap();
    let row = serde_json::from_value(progress("a/b/c", 5)).unwrap();
    let mut push = Box::pin(server.data_dir.store.push(user, vec![row], false, NOW));
    // The first poll queues the rows; the future is then dropped.
    let _ = futures_util::poll!(push.as_mut());
    drop(push);
    let received = tokio::time::timeout(Duration::from_secs(20), stream.events.recv()).await;
    let expected = Event::RowsChanged { user, usn: 1, from: None };
    assert_eq!(received.expect("no event within 20 s").unwrap(), StreamEvent::Event(expected));
    assert_eq!(server.data_dir.store.usn(user).await.unwrap(), 1);
}

impl TestServer {
    async fn usage(&self, user: carrel_model::UserId) -> Usage {
        self.data_dir.store.read("usage", move |tx| tx.usage(user)).await.unwrap()
    }
    /// Returns the size of all rows in bytes, computed from the tables.
    fn stored_bytes(&self) -> i64 {
        fixture().stored_bytes(&self.folder())
    }
}

#[tokio::test]
async fn a_learner_over_the_quota_keeps_stored_rows_and_does_not_affect_others() {
    let settings =
        Settings { max_rows_per_learner: 10, max_mib_per_learner: 1, ..Settings::default() };
    let server = TestServer::with(settings);
    let (noor, amin) = (server.learner("noor").await, server.learner("amin").await);
    let token = &noor.access_token;
    let rows: Vec<Value> = (0..12).map(|n| progress(&format!("a/b/s{n:02}"), 1)).collect();
    let reply: Value = server.push(token, &rows).await.ok();
    let mut expected = vec!["ok"; 10];
    expected.extend(["forbidden"; 2]);
    assert_eq!(codes(&reply), expected);
    assert!(reply["results"][11]["reason"].as_str().unwrap().contains("quota"), "{reply}");
    // Stored rows can still change. Each item with a refused key has its own result, even if the key occurs twice.
    let again = [progress("a/b/s00", 9_000), progress("a/b/s99", 1), progress("a/b/s99", 2)];
    assert_eq!(codes(&server.push(token, &again).await.ok()), ["ok", "forbidden", "forbidden"]);
    let updates = json!([{"kind": "section", "item": "a/b/s01", "percent": 77},
        {"kind": "section", "item": "a/b/s98", "percent": 1}]);
    let reply: Value = server.post("/api/progress/update", token, &updates).await.ok();
    assert_eq!(codes(&reply), ["ok", "forbidden"]);
    assert_eq!(
        (&reply["results"][0]["row"]["percent"], &reply["results"][1]["row"]),
        (&json!(77), &Value::Null)
    );
    // Other learners are not affected, and the usage matches the stored bytes.
    assert_eq!(codes(&server.push(&amin.access_token, &rows[..5]).await.ok()), ["ok"; 5]);
    let (a, b) = (server.usage(noor.user.id).await, server.usage(amin.user.id).await);
    assert_eq!((a.rows + b.rows, a.bytes + b.bytes), (15, server.stored_bytes()));
}

/// Stored rows may grow up to 125% of the byte quota. Changes that do not make them larger are always accepted.
#[tokio::test]
async fn a_learner_over_the_byte_quota_can_still_change_stored_rows() {
    let server = TestServer::with(Settings { max_mib_per_learner: 1, ..Settings::default() });
    let noor = server.learner("noor").await;
    let token = &noor.access_token;
    const MIB: i64 = 1 << 20;
    let kv = |n: u32, at: i64, len: usize| {
        json!({"type": "kv", "ns": "setting", "key": format!("k{n:03}"), "value": "v".repeat(len),
            "hlc": format!("{:016x}", (NOW << 16) + at), "device": device(1)})
    };
    let mut refused = 0;
    for (at, field) in (1..).zip(["a", "b", "c", "d"]) {
        for from in [0, 8, 16] {
            let mut rows: Vec<Value> = (from..from + 8).map(|n| kv(n, at, 16 * 1024)).collect();
            for row in &mut rows {
                for n in 0..4 {
                    row[format!("{field}{n}")] = json!("v".repeat(4_000));
                }
            }
            let reply: Value = server.push(token, &rows).await.ok();
            refused += codes(&reply).iter().filter(|c| *c == "forbidden").count();
        }
    }
    assert!(refused > 0);
    let used = server.stored_bytes();
    assert!((MIB * 5 / 4..MIB * 5 / 4 + 100 * 1024).contains(&used), "{used}");
    assert_eq!(server.usage(noor.user.id).await.bytes, server.stored_bytes());
    assert_eq!(
        codes(&server.push(token, &[progress("a/b/c", 1)]).await.ok()),
        ["forbidden"],
        "new"
    );
    let shorter: Vec<Value> = (0..20).map(|n| kv(n, 100, 5)).collect();
    assert_eq!(codes(&server.push(token, &shorter).await.ok()), ["ok"; 20], "stored rows");
}

#[tokio::test]
async fn fields_of_a_newer_version_are_returned() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let mut row = progress("a/b/c", 5);
    row["mood"] = json!({"colour": "blue", "depth": [1, 2]});
    server.push(&noor.access_token, &[row]).await.ok::<Value>();
    assert_eq!(
        server.pull(&noor.access_token, 0).await["rows"][0]["row"]["mood"]["colour"],
        "blue"
    );
}

#[tokio::test]
async fn concurrent_pushes_give_each_row_its_own_number() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let server = &server;
    let pushes = (0..40).map(|n| {
        let token = noor.access_token.clone();
        async move {
            server
                .push(&token, &[progress(&format!("a/b/s{n}"), n), progress("a/b/same", n)])
                .await
                .ok::<Value>()
        }
    });
    let replies = futures_util::future::join_all(pushes).await;
    let max = replies.iter().map(|r| r["usn"].as_u64().unwrap()).max().unwrap();
    let pulled = server.pull(&noor.access_token, 0).await;
    let rows = pulled["rows"].as_array().unwrap();
    assert_eq!((rows.len(), rows.last().unwrap()["usn"].as_u64().unwrap()), (41, max));
    let numbers: Vec<_> = rows.iter().map(|r| r["usn"].as_u64().unwrap()).collect();
    assert!(numbers.windows(2).all(|p| p[0] < p[1]), "{numbers:?}");
}

#[tokio::test]
async fn sync_versions_are_checked() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    for (header, status) in
        [(None, 200), (Some("1"), 200), (Some("2"), 200), (Some("3"), 426), (Some("-1"), 400)]
    {
        let mut request = axum::http::Request::builder()
            .method(Method::GET)
            .uri("/api/sync/epoch")
            .header("authorization", format!("Bearer {}", noor.access_token));
        if let Some(version) = header {
            request = request.header("sync-version", version);
        }
        let reply = server.send(request.body(axum::body::Body::empty()).unwrap()).await;
        assert_eq!(reply.status.as_u16(), status, "{header:?}");
    }
}

/// A client on a real socket.
struct Socket {
    http: reqwest::Client,
    url: String,
}

/// Returns the configuration of a server with open registration.
fn open(data: &std::path::Path) -> Config {
    let settings = Settings { registration_open: true, ..Settings::default() };
    Config { settings, ..config(data) }
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
    async fn push(&self, tokens: &Value, items: &[Value]) -> Value {
        let request =
            self.http.post(format!("{}/api/sync/push", self.url)).bearer_auth(token(tokens));
        request.json(&push_body(items)).send().await.unwrap().json().await.unwrap()
    }
    async fn events(&self, tokens: &Value) -> Events {
        let reply = self
            .http
            .get(format!("{}/api/sync/events", self.url))
            .bearer_auth(token(tokens))
            .send()
            .await
            .unwrap();
        assert_eq!(reply.headers()["content-type"], "text/event-stream");
        Events { stream: reply.bytes_stream().boxed(), text: String::new() }
    }
}

fn token(tokens: &Value) -> &str {
    tokens["accessToken"].as_str().unwrap()
}

struct Events {
    stream: futures_util::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    text: String,
}

impl Events {
    /// Returns the data of the next `changes` event, or `None` at the end of the stream.
    async fn next(&mut self) -> Option<Value> {
        self.next_of("changes").await
    }
    async fn next_of(&mut self, name: &str) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let data =
                    event.lines().find_map(|l| l.strip_prefix("data: ")).map(ToOwned::to_owned);
                let is_wanted = event.lines().any(|l| l.strip_prefix("event: ") == Some(name));
                self.text = rest.to_owned();
                if let (true, Some(data)) = (is_wanted, data) {
                    return Some(serde_json::from_str(&data).unwrap());
                }
                continue;
            }
            let chunk = self.stream.next().await?.ok()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

/// Two servers of one database: the laptop uses the first, and the phone gets events of the second.
struct TwoServers {
    dir: tempfile::TempDir,
    servers: [RunningServer; 2],
    a: Socket,
    b: Socket,
    laptop: Value,
    phone: Value,
    events: Events,
}

impl TwoServers {
    /// Returns `None` if only one server can use a database of the engine under test.
    async fn start() -> Option<Self> {
        Self::start_with(|config| config).await
    }
    /// Like `start`, with a changed configuration.
    async fn start_with(change: impl Fn(Config) -> Config) -> Option<Self> {
        if !engine().is_shared() {
            eprintln!("skipped on {}: one server uses the database", engine().name());
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        // Creates the database.
        drop(DataDir::open(open(dir.path())).unwrap());
        let clock = Arc::new(FakeClock::new(NOW));
        let config = || change(Config { clock: Arc::clone(&clock) as _, ..open(dir.path()) });
        let start = || Server::start(config());
        let servers = [start().await.unwrap(), start().await.unwrap()];
        let [a, b] = [servers[0].url(), servers[1].url()].map(Socket::new);
        let (laptop, phone) = (a.sign_in("register", 1).await, b.sign_in("login", 2).await);
        let mut events = b.events(&phone).await;
        assert_eq!(events.next().await.unwrap()["usn"], 0);
        Some(Self { dir, servers, a, b, laptop, phone, events })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_published_course_is_reported_to_everybody() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::new(NOW));
    let server = Server::start(Config { clock: clock as _, ..open(dir.path()) }).await.unwrap();
    let socket = Socket::new(server.url());
    let tokens = socket.sign_in("register", 1).await;
    let mut events = socket.events(&tokens).await;
    assert_eq!(events.next().await.unwrap()["usn"], 0);
    let package = dir.path().join("package");
    write_course(&package);
    assert!(server.import(&[package]).await.unwrap().is_ok());
    let revision = server.data().store.catalogue_revision().await.unwrap();
    let mut reported = 0;
    while reported < revision {
        reported = events.next_of("catalogue").await.unwrap()["revision"].as_u64().unwrap();
    }
    assert_eq!(reported, revision);
    // A stream that opens later, as after a time offline, reports it at once.
    let mut later = socket.events(&tokens).await;
    assert_eq!(later.next_of("catalogue").await.unwrap()["revision"], json!(revision));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_published_course_is_reported_by_another_server_of_the_database() {
    let Some(pair) = TwoServers::start().await else { return };
    let TwoServers { dir, servers: [first, second], mut events, .. } = pair;
    let package = dir.path().join("package");
    write_course(&package);
    assert!(first.import(&[package]).await.unwrap().is_ok());
    // The first event has the revision at the opening of the stream.
    assert_eq!(events.next_of("catalogue").await.unwrap()["revision"], 0);
    let reported = events.next_of("catalogue").await.unwrap()["revision"].as_u64().unwrap();
    assert!(reported > 0);
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_are_notified_by_another_server_of_the_database() {
    let Some(pair) = TwoServers::start().await else { return };
    let TwoServers { servers: [first, second], a, b, laptop, phone, mut events, .. } = pair;
    for n in 1..=50_u64 {
        let rows = [progress("a/b/c", n as u32)];
        let (_, change) = tokio::join!(a.push(&laptop, &rows), events.next());
        assert_eq!(change.unwrap()["usn"].as_u64(), Some(n));
    }
    // Both servers assign numbers of one sequence.
    b.push(&phone, &[progress("a/b/d", 1)]).await;
    a.push(&laptop, &[progress("a/b/e", 1)]).await;
    assert_eq!(events.next().await.unwrap()["usn"], 52);
    // A sign-out at one server ends the stream at the other.
    let body = json!({"refreshToken": phone["refreshToken"]});
    a.http.post(format!("{}/api/auth/logout", a.url)).json(&body).send().await.unwrap();
    assert_eq!(events.next().await, None);
    first.shutdown().await;
    // The other one goes on.
    let laptop = b.sign_in("login", 1).await;
    b.push(&laptop, &[progress("a/b/f", 1)]).await;
    second.shutdown().await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_are_notified_by_another_server_if_listen_is_impossible() {
    use std::sync::{Mutex, atomic::Ordering};
    let proxies = Mutex::new(Vec::new());
    let without_listen = |config: Config| {
        let (engine, proxy) = super::postgres::engine_without_listen(&config.data_dir);
        proxies.lock().unwrap().push(proxy);
        Config { engine, ..config }
    };
    let Some(pair) = TwoServers::start_with(without_listen).await else { return };
    let TwoServers { dir, servers: [first, second], a, b, laptop, phone, mut events } = pair;
    for n in 1..=10_u64 {
        a.push(&laptop, &[progress("a/b/c", n as u32)]).await;
        assert_eq!(events.next().await.unwrap()["usn"].as_u64(), Some(n));
    }
    b.push(&phone, &[progress("a/b/d", 1)]).await;
    a.push(&laptop, &[progress("a/b/e", 1)]).await;
    assert_eq!(events.next().await.unwrap()["usn"], 12);
    let package = dir.path().join("package");
    write_course(&package);
    assert!(first.import(&[package]).await.unwrap().is_ok());
    assert!(events.next_of("catalogue").await.unwrap()["revision"].as_u64().unwrap() > 0);
    // The end of a sign-in crosses processes, too.
    let body = json!({"refreshToken": phone["refreshToken"]});
    a.http.post(format!("{}/api/auth/logout", a.url)).json(&body).send().await.unwrap();
    assert_eq!(events.next().await, None);
    let closed = |proxies: &[super::postgres::NoListen]| -> usize {
        proxies.iter().map(|proxy| proxy.closed.load(Ordering::SeqCst)).sum()
    };
    assert_eq!(closed(&proxies.lock().unwrap()), 0, "LISTEN or NOTIFY was sent");
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_of_a_database_allow_a_limit_once() {
    let Some(pair) = TwoServers::start().await else { return };
    let TwoServers { dir, servers, a, b, .. } = pair;
    let sign_in = async |socket: &Socket, login: &str, password: &str| {
        let body = json!({"login": login, "password": password, "deviceId": device(9)});
        let request = socket.http.post(format!("{}/api/auth/login", socket.url)).json(&body);
        request.send().await.unwrap().status().as_u16()
    };
    // Right passwords are refunded, whichever server counted them.
    for _ in 0..6 {
        assert_eq!(sign_in(&a, "noor", PASSWORD).await, 200);
        assert_eq!(sign_in(&b, "noor", PASSWORD).await, 200);
    }
    // Five wrong passwords in a minute, not five at each server.
    let mut replies = Vec::new();
    for _ in 0..4 {
        replies.push(sign_in(&a, "sami", "a wrong password").await);
        replies.push(sign_in(&b, "sami", "a wrong password").await);
    }
    assert_eq!(replies, [401, 401, 401, 401, 401, 429, 429, 429]);
    // Without the shared count, each server still counts by itself.
    fixture().drop_table(dir.path(), "rate_limit");
    let mut replies = Vec::new();
    for _ in 0..7 {
        replies.push(sign_in(&a, "lena", "a wrong password").await);
    }
    assert_eq!(replies, [401, 401, 401, 401, 401, 429, 429]);
    assert_eq!(sign_in(&b, "noor", PASSWORD).await, 200);
    drop(servers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_reads_what_changed_while_it_got_no_messages() {
    let Some(pair) = TwoServers::start().await else { return };
    let TwoServers { dir, servers: _servers, a, laptop, mut events, .. } = pair;
    assert_eq!(super::postgres::end_listeners(dir.path()), 2);
    a.push(&laptop, &[progress("a/b/c", 1)]).await;
    assert_eq!(events.next().await.unwrap()["usn"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_devices_are_notified_and_the_sender_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::new(NOW));
    let server =
        Server::start(Config { clock: Arc::clone(&clock) as _, ..open(dir.path()) }).await.unwrap();
    let socket = Socket::new(server.url());
    let laptop = socket.sign_in("register", 1).await;
    let phone = socket.sign_in("login", 2).await;
    let (mut phone_events, mut laptop_events) =
        (socket.events(&phone).await, socket.events(&laptop).await);
    assert_eq!(phone_events.next().await.unwrap()["usn"], 0);
    assert_eq!(laptop_events.next().await.unwrap()["usn"], 0);
    for n in 1..=20_u64 {
        let rows = [progress("a/b/c", n as u32)];
        let (reply, change) = tokio::join!(socket.push(&laptop, &rows), phone_events.next());
        let change = change.unwrap();
        assert_eq!((change["usn"].as_u64(), &change["epoch"]), (Some(n), &reply["epoch"]));
    }
    // A replay causes no event; the next event of the phone is for the next change.
    socket.push(&laptop, &[progress("a/b/c", 3)]).await;
    socket.push(&laptop, &[progress("a/b/d", 1)]).await;
    assert_eq!(phone_events.next().await.unwrap()["usn"], 21);
    // The laptop gets an event for the change by the phone, but none for its own changes.
    socket.push(&phone, &[progress("a/b/e", 1)]).await;
    assert_eq!(laptop_events.next().await.unwrap()["usn"], 22);
    // Signing out ends the stream of the device; stopping the server ends the other streams.
    let body = json!({"refreshToken": phone["refreshToken"]});
    socket.http.post(format!("{}/api/auth/logout", socket.url)).json(&body).send().await.unwrap();
    assert_eq!(phone_events.next().await, None);
    server.shutdown().await;
    assert_eq!(laptop_events.next().await, None);
    assert!(socket.http.get(format!("{}/api/meta", socket.url)).send().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_has_the_same_rows_and_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(open(dir.path())).await.unwrap();
    let socket = Socket::new(server.url());
    let noor = socket.sign_in("register", 1).await;
    let pushed = socket.push(&noor, &[progress("a/b/c", 1)]).await;
    server.shutdown().await;
    let server = Server::start(open(dir.path())).await.unwrap();
    let socket = Socket::new(server.url());
    let again = socket.push(&noor, &[progress("a/b/c", 1)]).await;
    for field in ["epoch", "usn", "results"] {
        assert_eq!(again[field], pushed[field], "{field}");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn complete_syncs_beyond_the_limit_are_refused_and_others_are_served() {
    let server = TestServer::with(Settings { complete_syncs: 1, ..Settings::default() });
    let noor = server.learner("noor").await;
    let app = server.data_dir.app().unwrap();
    let admission = Arc::clone(&app.admission);
    let server = TestServer { router: http::app(app), ..server };
    let rows = |count: u32| -> Vec<Value> {
        (0..count).map(|n| progress(&format!("a/b/{n}"), 1)).collect()
    };
    // One request runs, and four wait for it.
    let running = admission.admit(NOW).await.unwrap();
    let mut waiting: Vec<_> = (0..4).map(|_| Box::pin(admission.admit(NOW))).collect();
    assert!(waiting.iter_mut().all(|request| request.as_mut().now_or_never().is_none()));
    let pulled = server.get("/api/sync/pull?since=0", &noor.access_token).await;
    let pushed = server.push(&noor.access_token, &rows(200)).await;
    for refused in [pulled, pushed] {
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(["1", "2"].contains(&refused.header("retry-after")), "{refused:?}");
        let problem = refused.problem();
        assert!(problem.retryable && problem.retry_after_ms >= Some(1_000), "{problem:?}");
    }
    // Devices that send and fetch what is new are served.
    let pushed: Value = server.push(&noor.access_token, &rows(199)).await.ok();
    assert_eq!(pushed["usn"], 199);
    assert_eq!(server.pull(&noor.access_token, 190).await["rows"].as_array().unwrap().len(), 9);
    drop((running, waiting));
    let pushed: Value = server.push(&noor.access_token, &rows(200)).await.ok();
    assert_eq!(pushed["usn"], 200);
    assert_eq!(server.pull(&noor.access_token, 0).await["rows"].as_array().unwrap().len(), 200);
}
