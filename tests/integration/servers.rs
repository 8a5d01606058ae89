//! A server that moves, one that impersonates another, and a UI that missed events.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use carrel_client::{Client, OpenAccount, account::AccountInfo};
use carrel_commands::{
    Host,
    api::{
        error::CommandError,
        event::{Topic, UiEvent},
    },
    dispatch, events,
};
use carrel_content::Kind;
use carrel_learning::Step;
use carrel_model::{
    ErrorCode,
    lattice::{ItemKind, Row, RowKey, RowType},
};
use carrel_net::{Failure, FailureKind, Request};
use carrel_sqlite::Change;
use carrel_sync::Phase;
use carrel_testkit::{FakeClock, TestServer, content, device::PASSWORD, hostile, scratch::scratch};
use serde_json::json;

use crate::client::{self, InterceptedHttp, Interception, finish_section, sync};

const OLD: &str = "http://old.test";
const NEW: &str = "http://new.test";
const IMPOSTOR: &str = "http://evil.test";

/// Makes `server` reachable under these addresses only.
fn route_only(net: &InterceptedHttp, server: &TestServer, names: &[&'static str]) {
    let (url, names) = (server.url(), names.to_vec());
    net.intercept(move |request| Some(forward_to(request, &url, &names)));
}
fn forward_to(request: &Request, url: &str, names: &[&str]) -> Interception {
    match names.iter().find_map(|name| request.url.strip_prefix(name)) {
        Some(rest) => {
            Interception::Replace(Request { url: format!("{url}{rest}"), ..request.clone() })
        }
        None => Interception::Fail(Failure::new(FailureKind::Connect, "no such host")),
    }
}

struct Unreachable {
    server: TestServer,
    net: Arc<InterceptedHttp>,
    client: Arc<Client>,
    id: String,
    _dir: tempfile::TempDir,
}

/// Returns a learner of the server at `OLD` with one row sent and one pending; the server is no longer reachable.
async fn unreachable_server() -> Unreachable {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let dir = scratch();
    let net = InterceptedHttp::new(client::live_http());
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
    Unreachable { server, net, client, id, _dir: dir }
}

async fn sections_at(server: &TestServer, client: &Client) -> usize {
    let user = client.account_info().expect("the account").user.id;
    server.rows(user).await.keys().filter(|k| k.key.starts_with("section")).count()
}
async fn done(account: &OpenAccount) -> usize {
    account.learning.done_sections(content::COURSE).await.expect("finished ones").len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moved_server_is_recognised_and_receives_pending_rows() {
    // Either by signing in there, or by changing the address of the signed-in account.
    for signs_in in [true, false] {
        let m = unreachable_server().await;
        route_only(&m.net, &m.server, &[NEW]);
        m.net.take_requests();
        let account = match signs_in {
            true => m.client.sign_in(NEW, "asha", PASSWORD).await.expect("a sign-in"),
            false => m.client.move_server(NEW).await.expect("it moves"),
        };
        assert_eq!((account.id(), done(&account).await), (m.id.as_str(), 2), "the same account");
        assert_eq!(m.client.accounts().all().len(), 1);
        assert_eq!(sync(&account).await.waiting, 0);
        assert_eq!(sections_at(&m.server, &m.client).await, 2);
        let requests = m.net.take_requests();
        assert!(requests.iter().all(|r| r.url.starts_with(NEW)), "no request to the old address");
        if !signs_in {
            assert!(requests.iter().all(|r| !r.url.contains("/auth/login")), "no new sign-in");
        }
        let info = m.client.account_info().expect("the account");
        assert_eq!(info.server.as_deref(), Some(NEW));
        m.client.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_copies_an_id_receives_no_work() {
    let m = unreachable_server().await;
    // It forwards everything to the real server, so that id, key and user are correct; but it cannot sign for itself.
    let url = m.server.url();
    m.net.intercept(move |request| {
        Some(match request.url.contains("challenge=") {
            true => Interception::Reply(hostile::reply(404, "text/html", "no")),
            false => forward_to(request, &url, &[IMPOSTOR]),
        })
    });
    assert_eq!(
        m.client.move_server(IMPOSTOR).await.err().map(|e| e.code()),
        Some(ErrorCode::InvalidRequest)
    );
    assert_eq!(m.client.account_info().expect("open").server.as_deref(), Some(OLD));
    m.net.take_requests();
    let account = m.client.sign_in(IMPOSTOR, "asha", PASSWORD).await.expect("a sign-in");
    assert_ne!(account.id(), m.id, "another account");
    sync(&account).await;
    let pushed = m.net.take_requests().into_iter().filter(|r| r.url.contains("/sync/push"));
    for push in pushed {
        let waits = content::sections()[1].to_string();
        let body = String::from_utf8_lossy(&push.body.unwrap_or_default()).into_owned();
        assert!(!body.contains(&waits), "pending work of another server was sent");
    }
    assert_eq!(sections_at(&m.server, &m.client).await, 1);
    // The real server receives it, in the old account.
    route_only(&m.net, &m.server, &[NEW]);
    let account = m.client.sign_in(NEW, "asha", PASSWORD).await.expect("a sign-in");
    assert_eq!(account.id(), m.id);
    assert_eq!(sync(&account).await.waiting, 0);
    assert_eq!(sections_at(&m.server, &m.client).await, 2);
    m.client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_at_the_old_address_receives_no_work() {
    let m = unreachable_server().await;
    let other = TestServer::with_library(m.server.clock()).await;
    route_only(&m.net, &other, &[OLD]);
    assert!(m.client.move_server(OLD).await.is_err());
    m.net.take_requests();
    let account = m.client.register(OLD, "asha", "Asha", PASSWORD).await.expect("an account");
    assert_ne!(account.id(), m.id);
    assert_eq!((sync(&account).await.waiting, done(&account).await), (0, 0));
    // Nor does it receive the proof that the work belongs to this learner.
    let requests = m.net.take_requests();
    assert!(
        !requests.is_empty() && requests.iter().all(|r| !r.url.contains("/adopt")),
        "{requests:?}"
    );
    m.client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_without_a_server_id_is_recognised_after_a_move() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let dir = scratch();
    let net = InterceptedHttp::new(client::live_http());
    // An older server that sends no id; its replies are the same otherwise.
    let url = server.url();
    net.intercept(move |request| {
        Some(match request.url.contains("challenge=") {
            true => Interception::Reply(hostile::reply(404, "text/html", "no")),
            false => forward_to(request, &url, &[OLD]),
        })
    });
    let client = client::open(dir.path(), net.clone(), &clock, 1, false).await;
    let account = client.register(OLD, "asha", "Asha", PASSWORD).await.expect("an account");
    let info = client.account_info().expect("the account");
    assert_eq!(
        info.id,
        AccountInfo::of(OLD, "", info.user.clone()).id,
        "its id is derived from the address"
    );
    assert!(info.identity().is_none());
    account.learning.record(finish_section(0)).await.expect("recorded");
    sync(&account).await;
    client.close().await;
    drop(account);
    drop(client);
    // The server was updated. The client starts, syncs, and learns the server's id.
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
                .expect("it answers")
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
        assert_eq!(http.send(request).await.expect("an answer").status, 400, "{bad:?}");
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
    downloads.pause_whole(Kind::Course, &content::course()).expect("it is paused");
    // From now on nothing else reports the state of sync.
    sync(&account).await;
    account.sync.stop().await;
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let mut forward = Box::pin(events::forward(client.clone(), move |event| {
        let _ = sender.send(event);
    }));
    // It listens but is not polled while more events are sent than its buffer holds.
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
    client::within_a_minute("everything", async {
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
                UiEvent::Download { .. } => {}
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
    // From now on everything is pending.
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
        // A key whose row does not exist.
        tx.mark_dirty(&RowKey::of(RowType::Progress, &["section", "lost/a/b"]))
    });
    written.await.expect("the rows");
    let host = CommandHost { client: client.clone() };
    let receipts = dispatch(&host, "list_receipts", json!({})).await.expect("the screen");
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

/// Two devices use the last attempt at a quiz without knowing of each other: both show their own score as provisional,
/// then the server grades the one that arrives first, and both show which one counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_graded_one_of_two_last_attempts_counts_on_every_device() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let packages = scratch();
    content::write_course(packages.path(), content::COURSE, "Rivers, with one try")
        .expect("a course");
    for lesson in content::LESSONS {
        let path = packages.path().join(lesson).join("check.json");
        let text = std::fs::read_to_string(&path).expect("a quiz");
        std::fs::write(&path, text.replace("\"attempts\": 0", "\"attempts\": 1")).expect("written");
    }
    clock.advance(1_000);
    server.import(&[packages.path().to_owned()]).await;
    let (quiz, body, questions) = server.quizzes().await.remove(0);
    assert_eq!(questions.attempts, 1);
    let open = json!({ "quiz": quiz, "body": body });
    let dirs = [scratch(), scratch()];
    let mut hosts = Vec::new();
    let mut nets = Vec::new();
    for (n, dir) in (1..).zip(&dirs) {
        let net = InterceptedHttp::new(client::live_http());
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
    // The first is submitted earlier and has no correct answer; the second one is correct.
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
    // The second device is the first to be online.
    for at in [1, 0, 1] {
        route_only(&nets[at], &server, &[OLD]);
        sync(&hosts[at].client.account().expect("the account")).await;
    }
    let right = 10_000 / 4;
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
        assert_eq!((&view["best"], &view["attemptsLeft"]), (&json!(right), &json!(0)));
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
        assert_eq!(best, [json!(right)]);
        host.client.close().await;
    }
}

struct CommandHost {
    client: Arc<Client>,
}
impl Host for CommandHost {
    fn client(&self) -> &Arc<Client> {
        &self.client
    }
    fn open_url(&self, _: &str) -> Result<(), CommandError> {
        Ok(())
    }
    fn downloads_dir(&self) -> Option<PathBuf> {
        None
    }
}
