//! Tests of a server that is moved, a server that impersonates another, a UI that missed events, receipts of missing
//! items, the last attempt at a quiz on two devices, and attempts at several versions of a quiz.

use std::{collections::BTreeSet, sync::Arc};

use carrel_client::{Client, OpenAccount, account::AccountInfo};
use carrel_commands::{
    api::event::{Topic, UiEvent},
    dispatch, events,
};
use carrel_content::Kind;
use carrel_learning::Step;
use carrel_model::{
    BlobHash, ErrorCode, ItemId,
    lattice::{ItemKind, Row, RowKey, RowType},
};
use carrel_net::Request;
use carrel_sqlite::Change;
use carrel_sync::Phase;
use carrel_testkit::{
    Answer, FakeClock, Network, TestServer, content, device::PASSWORD, reply, scratch::scratch,
};
use serde_json::json;

use crate::client::{self, CommandHost, finish_section, sync};

const OLD: &str = "http://old.test";
const NEW: &str = "http://new.test";
const IMPOSTOR: &str = "http://evil.test";

/// Makes `server` reachable at these addresses only.
fn route_only(net: &Network, server: &TestServer, names: &[&'static str]) {
    let (url, names) = (server.url(), names.to_vec());
    net.intercept(move |request| Some(forward_to(request, &url, &names)));
}
fn forward_to(request: &Request, url: &str, names: &[&str]) -> Answer {
    match names.iter().find_map(|name| request.url.strip_prefix(name)) {
        Some(rest) => Answer::Replace(Request { url: format!("{url}{rest}"), ..request.clone() }),
        None => Answer::refused(),
    }
}

struct UnreachableServer {
    server: TestServer,
    net: Arc<Network>,
    client: Arc<Client>,
    id: String,
    _dir: tempfile::TempDir,
}

/// Returns a client whose account on the server at `OLD` has sent one finished section; another is pending. The server
/// is no longer reachable.
async fn unreachable_server() -> UnreachableServer {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let dir = scratch();
    let net = Network::over(client::live_http());
    route_only(&net, &server, &[OLD]);
    let client = client::open(dir.path(), net.clone(), &clock, 1, false).await;
    let account = client.register(OLD, "asha", "Asha", PASSWORD).await.expect("an account");
    account.learning.record(finish_section(0)).await.expect("recorded");
    assert_eq!(sync(&account).await.waiting, 0);
    route_only(&net, &server, &[]);
    account.learning.record(finish_section(1)).await.expect("recorded");
    let status = account.sync.sync_now().await.expect("a status");
    assert_eq!(status.phase, Phase::Offline);
    assert!(status.waiting > 0);
    let id = account.id().to_owned();
    UnreachableServer { server, net, client, id, _dir: dir }
}

async fn sections_at(server: &TestServer, client: &Client) -> usize {
    let user = client.account_info().expect("the account").user.id;
    server.rows(user).await.keys().filter(|k| k.key.starts_with("section")).count()
}
async fn done(account: &OpenAccount) -> usize {
    account.learning.done_sections(content::COURSE).await.expect("the finished sections").len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moved_server_is_recognised_and_receives_pending_rows() {
    // The learner signs in at the new address, or changes the address of the signed-in account.
    for signs_in in [true, false] {
        let fixture = unreachable_server().await;
        route_only(&fixture.net, &fixture.server, &[NEW]);
        fixture.net.take_requests();
        let account = match signs_in {
            true => fixture.client.sign_in(NEW, "asha", PASSWORD).await.expect("a sign-in"),
            false => fixture.client.move_server(NEW).await.expect("the server is moved"),
        };
        assert_eq!(
            (account.id(), done(&account).await),
            (fixture.id.as_str(), 2),
            "the same account"
        );
        assert_eq!(fixture.client.accounts().all().len(), 1);
        assert_eq!(sync(&account).await.waiting, 0);
        assert_eq!(sections_at(&fixture.server, &fixture.client).await, 2);
        let requests = fixture.net.take_requests();
        assert!(requests.iter().all(|r| r.url.starts_with(NEW)), "no request to the old address");
        if !signs_in {
            assert!(requests.iter().all(|r| !r.url.contains("/auth/login")), "no new sign-in");
        }
        let info = fixture.client.account_info().expect("the account");
        assert_eq!(info.server.as_deref(), Some(NEW));
        fixture.client.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_copies_an_id_receives_no_work() {
    let fixture = unreachable_server().await;
    // The impostor forwards requests to the real server: id, key and user are correct. It does not forward the
    // challenge, and cannot sign it.
    let url = fixture.server.url();
    fixture.net.intercept(move |request| {
        Some(match request.url.contains("challenge=") {
            true => Answer::Reply(reply::reply(404, "text/html", "no")),
            false => forward_to(request, &url, &[IMPOSTOR]),
        })
    });
    assert_eq!(
        fixture.client.move_server(IMPOSTOR).await.err().map(|e| e.code()),
        Some(ErrorCode::InvalidRequest)
    );
    assert_eq!(fixture.client.account_info().expect("the account").server.as_deref(), Some(OLD));
    fixture.net.take_requests();
    let account = fixture.client.sign_in(IMPOSTOR, "asha", PASSWORD).await.expect("a sign-in");
    assert_ne!(account.id(), fixture.id, "another account");
    sync(&account).await;
    let pushed = fixture.net.take_requests().into_iter().filter(|r| r.url.contains("/sync/push"));
    for push in pushed {
        let pending = content::sections()[1].to_string();
        let body = String::from_utf8_lossy(&push.body.unwrap_or_default()).into_owned();
        assert!(!body.contains(&pending), "pending work of another server was sent");
    }
    assert_eq!(sections_at(&fixture.server, &fixture.client).await, 1);
    // The real server at its new address receives the pending work, in the same account.
    route_only(&fixture.net, &fixture.server, &[NEW]);
    let account = fixture.client.sign_in(NEW, "asha", PASSWORD).await.expect("a sign-in");
    assert_eq!(account.id(), fixture.id);
    assert_eq!(sync(&account).await.waiting, 0);
    assert_eq!(sections_at(&fixture.server, &fixture.client).await, 2);
    fixture.client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_at_the_old_address_receives_no_work() {
    let fixture = unreachable_server().await;
    let other = TestServer::with_library(fixture.server.clock()).await;
    route_only(&fixture.net, &other, &[OLD]);
    assert!(fixture.client.move_server(OLD).await.is_err());
    fixture.net.take_requests();
    let account = fixture.client.register(OLD, "asha", "Asha", PASSWORD).await.expect("an account");
    assert_ne!(account.id(), fixture.id);
    assert_eq!((sync(&account).await.waiting, done(&account).await), (0, 0));
    // The other server receives no request to adopt the work either.
    let requests = fixture.net.take_requests();
    assert!(
        !requests.is_empty() && requests.iter().all(|r| !r.url.contains("/adopt")),
        "{requests:?}"
    );
    fixture.client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_without_a_server_id_is_recognised_after_a_move() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let dir = scratch();
    let net = Network::over(client::live_http());
    // Simulate an older server, which cannot prove its id.
    let url = server.url();
    net.intercept(move |request| {
        Some(match request.url.contains("challenge=") {
            true => Answer::Reply(reply::reply(404, "text/html", "no")),
            false => forward_to(request, &url, &[OLD]),
        })
    });
    let client = client::open(dir.path(), net.clone(), &clock, 1, false).await;
    let account = client.register(OLD, "asha", "Asha", PASSWORD).await.expect("an account");
    let info = client.account_info().expect("the account");
    assert_eq!(
        info.id,
        AccountInfo::of(OLD, "", info.user.clone()).id,
        "the account's id is derived from the address"
    );
    assert!(info.identity().is_none());
    account.learning.record(finish_section(0)).await.expect("recorded");
    sync(&account).await;
    client.close().await;
    drop(account);
    drop(client);
    // The server is updated. The client starts, syncs and stores the server's id.
    route_only(&net, &server, &[OLD]);
    let client = client::open(dir.path(), net.clone(), &clock, 1, false).await;
    let account = client.account().expect("the account opens");
    sync(&account).await;
    client::wait_until(&client, "the identity", || async {
        client.account_info().and_then(|a| a.identity()).or_else(|| {
            client.changes().publish_one(Change::Sync);
            None
        })
    })
    .await;
    account.learning.record(finish_section(1)).await.expect("recorded");
    route_only(&net, &server, &[NEW]);
    let moved = client.sign_in(NEW, "asha", PASSWORD).await.expect("a sign-in");
    assert_eq!((moved.id(), done(&moved).await), (info.id.as_str(), 2));
    assert_eq!(sync(&moved).await.waiting, 0);
    assert_eq!(sections_at(&server, &client).await, 2);
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_keeps_the_server_id_and_changes_the_epoch() {
    let clock = FakeClock::noon();
    let mut server = TestServer::with_library(&clock).await;
    let http = client::live_http();
    let meta = |url: String| {
        let (http, clock) = (http.clone(), clock.clone());
        async move {
            carrel_client::account::check_server(http.as_ref(), &clock, &url)
                .await
                .expect("the server replies")
                .meta
        }
    };
    let before = meta(server.url()).await;
    let backup = server.backup();
    server.restart().await;
    let again = meta(server.url()).await;
    assert_eq!((&again.server_id, &again.epoch), (&before.server_id, &before.epoch));
    server.restore(&backup).await;
    let after = meta(server.url()).await;
    assert!(!before.server_id.is_empty());
    assert_eq!((&after.server_id, &after.signing_key), (&before.server_id, &before.signing_key));
    assert_ne!(after.epoch, before.epoch);
    // An invalid challenge is refused.
    for bad in ["", "xyz", &"0".repeat(63), &"g".repeat(64)] {
        let request = Request::get(format!("{}/api/meta?challenge={bad}", server.url()));
        assert_eq!(http.send(request).await.expect("a reply").status, 400, "{bad:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ui_that_missed_events_receives_every_topic_and_state() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let dir = scratch();
    let client = client::open(dir.path(), client::live_http(), &clock, 1, false).await;
    let account =
        client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    let downloads = &account.content.downloads;
    downloads.start(Kind::Course, &content::course()).expect("the download starts");
    downloads.pause_whole(Kind::Course, &content::course()).expect("the download is paused");
    // Stop sync, so that the state of sync is reported only because events were lost.
    sync(&account).await;
    account.sync.stop().await;
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let mut forward = Box::pin(events::forward(client.clone(), move |event| {
        let _ = sender.send(event);
    }));
    // The forwarder has subscribed, but is not polled while more events are sent than the buffer holds.
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(forward.as_mut().poll(&mut context).is_pending());
    while receiver.try_recv().is_ok() {}
    for _ in 0..2_000 {
        client.changes().publish_one(Change::Words);
    }
    let forward = tokio::spawn(forward);
    let mut missing: BTreeSet<String> = ["sync", "transfer", "download"].map(str::to_owned).into();
    let topic = |t: &Topic| serde_json::to_value(t).expect("JSON")["topic"].to_string();
    missing.extend(Topic::all().iter().map(topic));
    client::within_a_minute("an event of every topic and state", async {
        while !missing.is_empty() {
            match receiver.recv().await.expect("an event") {
                UiEvent::Changed { topics } => {
                    topics.iter().for_each(|t| {
                        missing.remove(&topic(t));
                    });
                }
                UiEvent::Sync { .. } => {
                    missing.remove("sync");
                }
                UiEvent::Transfer { .. } => {
                    missing.remove("transfer");
                }
                UiEvent::Download { id, .. } if id == content::COURSE => {
                    missing.remove("download");
                }
                UiEvent::Download { .. } | UiEvent::OpenRequested => {}
            }
        }
    })
    .await;
    forward.abort();
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_of_a_missing_item_does_not_hide_the_others() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let dir = scratch();
    let client = client::open(dir.path(), client::live_http(), &clock, 1, false).await;
    let account =
        client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    sync(&account).await;
    // Stop sync, so that all further rows stay pending.
    account.sync.stop().await;
    account.learning.record(finish_section(3)).await.expect("recorded");
    for unknown in ["gone/a/b", "gone/a"] {
        let kind = if unknown == "gone/a" { ItemKind::Story } else { ItemKind::Section };
        let step = Step { percent: Some(100), ..Step::at(kind, content::item(unknown)) };
        account.learning.record(step).await.expect("a step");
    }
    let id = |n: u8| format!("0190a000-0000-7000-8000-0000000000{n:02}");
    let rows = [
        json!({ "type": "answer", "attempt": id(1), "question": "how-deep", "seq": 1,
                "value": r#"{"kind":"choice","chosen":[]}"# }),
        json!({ "type": "grade", "attempt": id(2), "rev": 1, "points": 1, "maxPoints": 2,
                "gradedMs": FakeClock::NOON }),
        json!({ "type": "note_life", "note": id(3), "deleted": carrel_model::Hlc::new(FakeClock::NOON, 0) }),
    ];
    let written = account.store.write("test", move |tx| {
        for row in &rows {
            let row = Row::from_json(&row.to_string()).expect("a row");
            assert!(tx.join(row)?);
        }
        // A key in the outbox without a row.
        tx.mark_dirty(&RowKey::of(RowType::Progress, &["section", "lost/a/b"]))
    });
    written.await.expect("the rows");
    let host = CommandHost { client: client.clone() };
    let receipts = dispatch(&host, "list_receipts", json!({})).await.expect("the receipts");
    let waiting = receipts["waiting"].as_array().expect("a list");
    let titles: Vec<&str> = waiting.iter().filter_map(|r| r["title"].as_str()).collect();
    assert!(waiting.len() >= 7 && titles.len() == waiting.len(), "{titles:?}");
    for expected in ["how-deep", "gone/a/b", "gone/a"] {
        assert!(titles.contains(&expected), "{expected} in {titles:?}");
    }
    assert!(titles.iter().all(|t| !t.is_empty() && !t.contains('\u{1f}')), "{titles:?}");
    for command in ["get_progress_overview", "get_continue", "list_words", "list_receipts"] {
        dispatch(&host, command, json!({})).await.expect(command);
    }
    client.close().await;
}

/// Two offline devices each use the last attempt at a quiz. Both show their own score as provisional. Then the server
/// grades the attempt that it receives first, and both devices show that this attempt counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_last_attempts_the_graded_one_counts_on_all_devices() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let (quiz, body) = publish_with_one_attempt(&server, &clock, "Check yourself").await;
    let open = json!({ "quiz": quiz, "body": body });
    let dirs = [scratch(), scratch()];
    let mut hosts = Vec::new();
    let mut nets = Vec::new();
    for (n, dir) in (1..).zip(&dirs) {
        let net = Network::over(client::live_http());
        route_only(&net, &server, &[OLD]);
        let client = client::open(dir.path(), net.clone(), &clock, n, false).await;
        match n {
            1 => client.register(OLD, "asha", "Asha", PASSWORD).await.expect("an account"),
            _ => client.sign_in(OLD, "asha", PASSWORD).await.expect("signed in"),
        };
        let host = CommandHost { client };
        dispatch(&host, "open_quiz", open.clone()).await.expect("the quiz");
        dispatch(&host, "get_course", json!({ "course": content::COURSE }))
            .await
            .expect("a course");
        sync(&host.client.account().expect("the account")).await;
        route_only(&net, &server, &[]);
        hosts.push(host);
        nets.push(net);
    }
    // The first device submits earlier, with a wrong answer; the second device submits a correct answer.
    let mut ids = Vec::new();
    for (host, chosen) in hosts.iter().zip(["in", "out"]) {
        let attempt = dispatch(host, "start_attempt", open.clone()).await.expect("an attempt");
        let id = attempt["id"].clone();
        let answer = json!({ "attempt": id, "question": "fast", "response": { "kind": "choice", "chosen": [chosen] } });
        dispatch(host, "save_answer", answer).await.expect("saved");
        clock.advance(5_000);
        let done = dispatch(host, "submit_attempt", json!({ "attempt": id })).await;
        let done = done.expect("submitted");
        assert_eq!((&done["counts"], &done["provisional"]), (&json!(true), &json!(true)));
        let view = dispatch(host, "open_quiz", open.clone()).await.expect("the quiz");
        assert_eq!(view["attemptsLeft"], 0);
        assert!(dispatch(host, "start_attempt", open.clone()).await.is_err());
        ids.push(id);
    }
    // The second device is online first, so its attempt is graded.
    for at in [1, 0, 1] {
        route_only(&nets[at], &server, &[OLD]);
        sync(&hosts[at].client.account().expect("the account")).await;
    }
    // One of four points, in ten-thousandths.
    let score = 10_000 / 4;
    for host in &hosts {
        let view = dispatch(host, "open_quiz", open.clone()).await.expect("the quiz");
        let shown: Vec<_> = view["attempts"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|a| (&a["id"], &a["counts"], &a["provisional"]))
            .collect();
        let (yes, no) = (&json!(true), &json!(false));
        assert_eq!(shown, [(&ids[0], no, yes), (&ids[1], yes, no)]);
        assert_eq!((&view["best"], &view["attemptsLeft"]), (&json!(score), &json!(0)));
        let course = dispatch(host, "get_course", json!({ "course": content::COURSE })).await;
        let course = course.expect("the course");
        let best: Vec<_> = course["lessons"]
            .as_array()
            .expect("lessons")
            .iter()
            .flat_map(|l| l["sections"].as_array().expect("sections"))
            .filter(|s| !s["bestScore"].is_null())
            .map(|s| s["bestScore"].clone())
            .collect();
        assert_eq!(best, [json!(score)]);
        host.client.close().await;
    }
}

/// Publishes the course with quizzes of this title that allow one attempt. Returns a quiz and the hash of its version.
async fn publish_with_one_attempt(
    server: &TestServer,
    clock: &FakeClock,
    title: &str,
) -> (ItemId, BlobHash) {
    let packages = scratch();
    content::write_course(packages.path(), content::COURSE, "Rivers, with one attempt")
        .expect("a course");
    for lesson in content::LESSONS {
        let path = packages.path().join(lesson).join("check.json");
        let text = std::fs::read_to_string(&path).expect("a quiz");
        let text = text.replace("\"attempts\": 0", "\"attempts\": 1");
        std::fs::write(&path, text.replace("Check yourself", title)).expect("written");
    }
    clock.advance(1_000);
    server.import(&[packages.path().to_owned()]).await;
    let (quiz, body, questions) = server.quizzes().await.remove(0);
    assert_eq!((questions.attempts, questions.title.as_str()), (1, title));
    (quiz, body)
}

/// A quiz that allows one attempt is published three times. The attempt that was open at the first version is continued
/// at the second one and is the only one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_of_a_quiz_share_its_attempts() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let dir = scratch();
    let net = Network::over(client::live_http());
    route_only(&net, &server, &[OLD]);
    let client = client::open(dir.path(), net.clone(), &clock, 1, false).await;
    client.register(OLD, "asha", "Asha", PASSWORD).await.expect("an account");
    let host = CommandHost { client };
    let mut versions = Vec::new();
    for title in ["First", "Second", "Third"] {
        let (quiz, body) = publish_with_one_attempt(&server, &clock, title).await;
        versions.push(json!({ "quiz": quiz, "body": body }));
    }
    let [first, second, third] = &versions[..] else { panic!("three versions") };
    let started = dispatch(&host, "start_attempt", first.clone()).await.expect("an attempt");
    assert_eq!(started["isEarlierVersion"], false);
    clock.advance(5_000);
    let view = dispatch(&host, "open_quiz", second.clone()).await.expect("the quiz");
    assert_eq!((&view["open"], &view["attemptsLeft"]), (&started["id"], &json!(1)));
    let continued = dispatch(&host, "start_attempt", second.clone()).await.expect("an attempt");
    assert_eq!((&continued["id"], &continued["isEarlierVersion"]), (&started["id"], &json!(true)));
    assert_eq!(
        (&continued["quiz"]["title"], &view["quiz"]["title"]),
        (&json!("First"), &json!("Second"))
    );
    let answers = [
        ("fast", json!({ "kind": "choice", "chosen": ["out"] })),
        ("both", json!({ "kind": "choice", "chosen": ["a", "b"] })),
        ("name", json!({ "kind": "fill", "texts": ["OX\u{2010}BOW\u{200b}"] })),
    ];
    for (question, response) in answers {
        let answer =
            json!({ "attempt": started["id"], "question": question, "response": response });
        let saved = dispatch(&host, "save_answer", answer).await.expect("saved");
        assert_eq!(saved["points"], saved["maxPoints"], "{question}");
    }
    let submit = json!({ "attempt": started["id"] });
    dispatch(&host, "submit_attempt", submit).await.expect("submitted");
    sync(&host.client.account().expect("the account")).await;
    for version in [first, second, third] {
        let view = dispatch(&host, "open_quiz", version.clone()).await.expect("the quiz");
        assert_eq!((&view["open"], &view["attemptsLeft"]), (&json!(null), &json!(0)), "{version}");
        assert!(dispatch(&host, "start_attempt", version.clone()).await.is_err(), "{version}");
        let attempt = &view["attempts"][0];
        assert_eq!((&attempt["provisional"], &attempt["counts"]), (&json!(false), &json!(true)));
        assert_eq!(
            (&attempt["score"]["points"], &attempt["score"]["passed"]),
            (&json!(4000), &json!(true))
        );
    }
    host.client.close().await;
}
