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

use crate::desk::{self, Net, Netted, sync, tick};

const OLD: &str = "http://old.test";
const NEW: &str = "http://new.test";
const EVIL: &str = "http://evil.test";

/// Makes `server` reachable under these addresses only.
fn reach(net: &Netted, server: &TestServer, names: &[&'static str]) {
    let (url, names) = (server.url(), names.to_vec());
    net.cast(move |request| Some(sent_on(request, &url, &names)));
}
fn sent_on(request: &Request, url: &str, names: &[&str]) -> Net {
    match names.iter().find_map(|name| request.url.strip_prefix(name)) {
        Some(rest) => Net::Instead(Request { url: format!("{url}{rest}"), ..request.clone() }),
        None => Net::Fail(Failure::new(FailureKind::Connect, "no such host")),
    }
}

struct Moved {
    server: TestServer,
    net: Arc<Netted>,
    core: Arc<Client>,
    id: String,
    _dir: tempfile::TempDir,
}

/// Returns a learner of the server at `OLD` with one row sent and one pending; the server is no longer reachable.
async fn stranded() -> Moved {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let dir = scratch();
    let net = Netted::new(desk::live());
    reach(&net, &server, &[OLD]);
    let core = desk::open(dir.path(), net.clone(), &clock, 1, false).await;
    let account = core.register(OLD, "asha", "Asha", PASSWORD).await.expect("an account");
    account.learning.record(tick(0)).await.expect("a tick");
    assert_eq!(sync(&account).await.waiting, 0);
    reach(&net, &server, &[]);
    account.learning.record(tick(1)).await.expect("a tick");
    let status = account.sync.sync_now().await.expect("a status");
    assert_eq!(status.phase, Phase::Offline);
    assert!(status.waiting > 0);
    let id = account.id().to_owned();
    Moved { server, net, core, id, _dir: dir }
}

async fn sections_at(server: &TestServer, core: &Client) -> usize {
    let user = core.account_info().expect("the account").user.id;
    server.rows(user).await.keys().filter(|k| k.key.starts_with("section")).count()
}
async fn done(account: &OpenAccount) -> usize {
    account.learning.done_sections(content::COURSE).await.expect("finished ones").len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moved_server_is_recognised_and_receives_pending_rows() {
    // Either by signing in there, or by changing the address of the signed-in account.
    for signs_in in [true, false] {
        let m = stranded().await;
        reach(&m.net, &m.server, &[NEW]);
        m.net.seen();
        let account = match signs_in {
            true => m.core.sign_in(NEW, "asha", PASSWORD).await.expect("a sign-in"),
            false => m.core.move_server(NEW).await.expect("it moves"),
        };
        assert_eq!((account.id(), done(&account).await), (m.id.as_str(), 2), "the same account");
        assert_eq!(m.core.accounts().all().len(), 1);
        assert_eq!(sync(&account).await.waiting, 0);
        assert_eq!(sections_at(&m.server, &m.core).await, 2);
        let asked = m.net.seen();
        assert!(asked.iter().all(|r| r.url.starts_with(NEW)), "the old address is not asked");
        if !signs_in {
            assert!(asked.iter().all(|r| !r.url.contains("/auth/login")), "nobody signs in again");
        }
        let info = m.core.account_info().expect("the account");
        assert_eq!(info.server.as_deref(), Some(NEW));
        m.core.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_copies_an_id_receives_no_work() {
    let m = stranded().await;
    // It forwards everything to the real server, so that id, key and user are correct; but it cannot sign for itself.
    let url = m.server.url();
    m.net.cast(move |request| {
        Some(match request.url.contains("challenge=") {
            true => Net::Reply(hostile::reply(404, "text/html", "no")),
            false => sent_on(request, &url, &[EVIL]),
        })
    });
    assert_eq!(
        m.core.move_server(EVIL).await.err().map(|e| e.code()),
        Some(ErrorCode::InvalidRequest)
    );
    assert_eq!(m.core.account_info().expect("open").server.as_deref(), Some(OLD));
    m.net.seen();
    let account = m.core.sign_in(EVIL, "asha", PASSWORD).await.expect("a sign-in");
    assert_ne!(account.id(), m.id, "another account");
    sync(&account).await;
    let pushed = m.net.seen().into_iter().filter(|r| r.url.contains("/sync/push"));
    for push in pushed {
        let waits = content::sections()[1].to_string();
        let body = String::from_utf8_lossy(&push.body.unwrap_or_default()).into_owned();
        assert!(!body.contains(&waits), "the work that waits for another server was sent");
    }
    assert_eq!(sections_at(&m.server, &m.core).await, 1);
    // The real server receives it, in the old account.
    reach(&m.net, &m.server, &[NEW]);
    let account = m.core.sign_in(NEW, "asha", PASSWORD).await.expect("a sign-in");
    assert_eq!(account.id(), m.id);
    assert_eq!(sync(&account).await.waiting, 0);
    assert_eq!(sections_at(&m.server, &m.core).await, 2);
    m.core.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_at_the_old_address_receives_no_work() {
    let m = stranded().await;
    let other = TestServer::with_library(m.server.clock()).await;
    reach(&m.net, &other, &[OLD]);
    assert!(m.core.move_server(OLD).await.is_err());
    m.net.seen();
    let account = m.core.register(OLD, "asha", "Asha", PASSWORD).await.expect("an account");
    assert_ne!(account.id(), m.id);
    assert_eq!((sync(&account).await.waiting, done(&account).await), (0, 0));
    // Nor does it receive the proof that the work belongs to this learner.
    let asked = m.net.seen();
    assert!(!asked.is_empty() && asked.iter().all(|r| !r.url.contains("/adopt")), "{asked:?}");
    m.core.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_without_a_server_id_is_recognised_after_a_move() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let dir = scratch();
    let net = Netted::new(desk::live());
    // An older server that sends no id; its replies are the same otherwise.
    let url = server.url();
    net.cast(move |request| {
        Some(match request.url.contains("challenge=") {
            true => Net::Reply(hostile::reply(404, "text/html", "no")),
            false => sent_on(request, &url, &[OLD]),
        })
    });
    let core = desk::open(dir.path(), net.clone(), &clock, 1, false).await;
    let account = core.register(OLD, "asha", "Asha", PASSWORD).await.expect("an account");
    let info = core.account_info().expect("the account");
    assert_eq!(info.id, AccountInfo::of(OLD, "", info.user.clone()).id, "named by its address");
    assert!(info.identity().is_none());
    account.learning.record(tick(0)).await.expect("a tick");
    sync(&account).await;
    core.close().await;
    drop(account);
    drop(core);
    // The server was updated. The client starts, syncs, and learns the server's id.
    reach(&net, &server, &[OLD]);
    let core = desk::open(dir.path(), net.clone(), &clock, 1, false).await;
    let account = core.account().expect("the account opens");
    sync(&account).await;
    desk::until(&core, "the identity", || async {
        core.account_info().and_then(|a| a.identity()).or_else(|| {
            core.changes().publish_one(Change::Sync);
            None
        })
    })
    .await;
    account.learning.record(tick(1)).await.expect("a tick");
    reach(&net, &server, &[NEW]);
    let moved = core.sign_in(NEW, "asha", PASSWORD).await.expect("a sign-in");
    assert_eq!((moved.id(), done(&moved).await), (info.id.as_str(), 2));
    assert_eq!(sync(&moved).await.waiting, 0);
    assert_eq!(sections_at(&server, &core).await, 2);
    core.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_keeps_the_server_id_and_changes_the_epoch() {
    let clock = FakeClock::noon();
    let mut server = TestServer::with_library(&clock).await;
    let http = desk::live();
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
    let core = desk::open(dir.path(), desk::live(), &clock, 1, false).await;
    let account = core.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    let downloads = &account.content.downloads;
    downloads.start(Kind::Course, &content::course()).expect("it is wanted");
    downloads.pause_whole(Kind::Course, &content::course()).expect("it is paused");
    // From now on nothing else reports the state of sync.
    sync(&account).await;
    account.sync.stop().await;
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let mut forward = Box::pin(events::forward(core.clone(), move |event| {
        let _ = told.send(event);
    }));
    // It listens but is not polled while more events are sent than its buffer holds.
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(forward.as_mut().poll(&mut context).is_pending());
    while hears.try_recv().is_ok() {}
    for _ in 0..2_000 {
        core.changes().publish_one(Change::Words);
    }
    let forward = tokio::spawn(forward);
    let mut missing: BTreeSet<String> = ["sync", "transfer", "download"].map(str::to_owned).into();
    let topic = |t: &Topic| serde_json::to_value(t).expect("JSON")["topic"].to_string();
    missing.extend(Topic::all().iter().map(topic));
    desk::soon("all of it", async {
        while !missing.is_empty() {
            match hears.recv().await.expect("an event") {
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
    core.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_of_a_missing_item_does_not_hide_the_others() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let dir = scratch();
    let core = desk::open(dir.path(), desk::live(), &clock, 1, false).await;
    let account = core.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    sync(&account).await;
    // From now on everything is pending.
    account.sync.stop().await;
    account.learning.record(tick(3)).await.expect("a tick");
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
    let window = Window { core: core.clone() };
    let receipts = dispatch(&window, "list_receipts", json!({})).await.expect("the screen");
    let waiting = receipts["waiting"].as_array().expect("a list");
    let titles: Vec<&str> = waiting.iter().filter_map(|r| r["title"].as_str()).collect();
    assert!(waiting.len() >= 7 && titles.len() == waiting.len(), "{titles:?}");
    for expected in ["how-deep", "gone/a/b", "gone/a"] {
        assert!(titles.contains(&expected), "{expected} in {titles:?}");
    }
    assert!(titles.iter().all(|t| !t.is_empty() && !t.contains('\u{1f}')), "{titles:?}");
    for command in ["get_progress_overview", "get_continue", "list_words", "list_receipts"] {
        dispatch(&window, command, json!({})).await.expect(command);
    }
    core.close().await;
}

/// Two devices use the last attempt at a quiz without knowing of each other: both show their own score as provisional,
/// then the server grades the one that arrives first, and both show which one counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_graded_one_of_two_last_attempts_counts_on_every_device() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let books = scratch();
    content::write_course(books.path(), content::COURSE, "Rivers, with one try").expect("a course");
    for lesson in content::LESSONS {
        let path = books.path().join(lesson).join("check.json");
        let text = std::fs::read_to_string(&path).expect("a quiz");
        std::fs::write(&path, text.replace("\"attempts\": 0", "\"attempts\": 1")).expect("written");
    }
    clock.advance(1_000);
    server.import(&[books.path().to_owned()]).await;
    let (quiz, body, questions) = server.quizzes().await.remove(0);
    assert_eq!(questions.attempts, 1);
    let open = json!({ "quiz": quiz, "body": body });
    let dirs = [scratch(), scratch()];
    let mut windows = Vec::new();
    let mut nets = Vec::new();
    for (n, dir) in (1..).zip(&dirs) {
        let net = Netted::new(desk::live());
        reach(&net, &server, &[OLD]);
        let core = desk::open(dir.path(), net.clone(), &clock, n, false).await;
        match n {
            1 => core.register(OLD, "asha", "Asha", PASSWORD).await.expect("an account"),
            _ => core.sign_in(OLD, "asha", PASSWORD).await.expect("signed in"),
        };
        let window = Window { core };
        dispatch(&window, "open_quiz", open.clone()).await.expect("the quiz");
        dispatch(&window, "get_course", json!({ "course": content::COURSE }))
            .await
            .expect("a course");
        sync(&window.core.account().expect("the account")).await;
        reach(&net, &server, &[]);
        windows.push(window);
        nets.push(net);
    }
    // The first is submitted earlier and has no correct answer; the second one is correct.
    let mut ids = Vec::new();
    for (window, chosen) in windows.iter().zip(["in", "out"]) {
        let attempt = dispatch(window, "start_attempt", open.clone()).await.expect("an attempt");
        let id = attempt["id"].clone();
        let answer = json!({ "attempt": id, "question": "fast", "response": { "kind": "choice", "chosen": [chosen] } });
        dispatch(window, "save_answer", answer).await.expect("saved");
        clock.advance(5_000);
        let done = dispatch(window, "submit_attempt", json!({ "attempt": id })).await;
        let done = done.expect("submitted");
        assert_eq!((&done["counts"], &done["provisional"]), (&json!(true), &json!(true)));
        let view = dispatch(window, "open_quiz", open.clone()).await.expect("the quiz");
        assert_eq!(view["attemptsLeft"], 0);
        assert!(dispatch(window, "start_attempt", open.clone()).await.is_err());
        ids.push(id);
    }
    // The second device is the first to be online.
    for at in [1, 0, 1] {
        reach(&nets[at], &server, &[OLD]);
        sync(&windows[at].core.account().expect("the account")).await;
    }
    let right = 10_000 / 4;
    for window in &windows {
        let view = dispatch(window, "open_quiz", open.clone()).await.expect("the quiz");
        let shown: Vec<_> = view["attempts"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|a| (&a["id"], &a["counts"], &a["provisional"]))
            .collect();
        let (yes, no) = (&json!(true), &json!(false));
        assert_eq!(shown, [(&ids[0], no, yes), (&ids[1], yes, no)]);
        assert_eq!((&view["best"], &view["attemptsLeft"]), (&json!(right), &json!(0)));
        let course = dispatch(window, "get_course", json!({ "course": content::COURSE })).await;
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
        window.core.close().await;
    }
}

struct Window {
    core: Arc<Client>,
}
impl Host for Window {
    fn client(&self) -> &Arc<Client> {
        &self.core
    }
    fn open_url(&self, _: &str) -> Result<(), CommandError> {
        Ok(())
    }
    fn downloads_dir(&self) -> Option<PathBuf> {
        None
    }
}
