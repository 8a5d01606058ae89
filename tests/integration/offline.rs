//! The main use case: online, offline with the port closed, restarted offline, online again, a second device.

use std::{collections::BTreeMap, net::TcpStream};

use carrel_commands::{api::event::UiEvent, events};
use carrel_content::{Kind, download::Phase as DownloadPhase};
use carrel_learning::Step;
use carrel_model::{
    content::{ManifestContent, Quiz, Response, SectionBody},
    lattice::{DecisionStatus, ItemKind, Row, RowType},
};
use carrel_sqlite::Change;
use carrel_sync::Phase;
use carrel_testkit::{
    FakeClock, Network, TestServer, content, device::PASSWORD, oracle::compare, scratch::scratch,
};
use serde_json::json;

use crate::client::{self, ALL, finish_section, sync, wait_until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_done_offline_reaches_a_second_device_after_a_restart() {
    let clock = FakeClock::noon();
    let mut server = TestServer::with_library(&clock).await;
    let (first, second) = (scratch(), scratch());
    let client = client::open(first.path(), client::live_http(), &clock, 1, false).await;
    let account =
        client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    let other = client::open(second.path(), client::live_http(), &clock, 2, false).await;
    let other_account = other.sign_in(&server.url(), "asha", PASSWORD).await.expect("a sign-in");

    // Downloads the course while the network is available.
    account.content.library.courses(&ALL).await.expect("the list of courses");
    account.content.library.stories(&ALL).await.expect("the list of stories");
    account.content.downloads.start(Kind::Course, &content::course()).expect("a download");
    wait_until(&client, "the download", || async {
        let state =
            account.content.downloads.state(Kind::Course, &content::course()).expect("its state");
        (state.phase == DownloadPhase::Ready).then_some(())
    })
    .await;
    account.learning.record(finish_section(0)).await.expect("recorded");
    assert_eq!(sync(&account).await.waiting, 0);
    sync(&other_account).await;

    // Closes the port.
    server.stop().await;
    let address = server.url().trim_start_matches("http://").to_owned();
    assert!(TcpStream::connect(&address).is_err(), "the port is closed");

    let quizzes = open_all_content(&account).await;
    for n in 1..6 {
        account.learning.record(finish_section(n)).await.expect("recorded");
    }
    let place = Step {
        pos: Some("b3".into()),
        percent: Some(6_300),
        ..Step::at(ItemKind::Section, content::sections()[7].clone())
    };
    account.learning.record(place).await.expect("a position");
    let section = &content::sections()[7];
    account.learning.study_heartbeat(section, true).await.expect("a heartbeat");
    for ms in [10_000, 12_345, 14_999] {
        clock.advance(ms);
        account.learning.study_heartbeat(section, true).await.expect("a heartbeat");
    }
    account.learning.study_heartbeat(section, false).await.expect("a heartbeat");
    let (quiz, hash, questions) = &quizzes[0];
    let attempt = account.learning.start_attempt(quiz, *hash).await.expect("an attempt").attempt.id;
    let answer = Response::Choice { chosen: vec!["out".parse().expect("an id")] };
    account
        .learning
        .save_answer(attempt, &questions.questions[0].id, &answer)
        .await
        .expect("an answer");
    account.learning.submit_attempt(attempt).await.expect("submitted");
    account.learning.save_word(&content::words()[0], None, true).await.expect("a word");
    account
        .learning
        .set_settings(BTreeMap::from([("theme".to_owned(), json!("dark"))]))
        .await
        .expect("a setting");
    account.learning.request_enrolment(&content::course(), true).await.expect("a request");

    let status = account.sync.sync_now().await.expect("the state");
    assert_eq!(status.phase, Phase::Offline);
    let (waiting, rows_before) = (status.waiting, client::rows(&account).await);
    assert!(waiting >= 11, "{waiting} rows pending");

    // Closes the app and opens it again offline.
    client.close().await;
    drop((account, client));
    let client = client::open(first.path(), client::live_http(), &clock, 3, false).await;
    let account = client.account().expect("the account opens without a network");
    assert!(client::rows(&account).await == rows_before, "all rows are stored after a restart");
    let status = account.sync.sync_now().await.expect("the state");
    assert_eq!((status.phase, status.waiting), (Phase::Offline, waiting));
    assert_eq!(account.learning.time_spent(section).await.expect("the time"), 37_344);
    assert_eq!(account.learning.words().await.expect("the words").len(), 1);
    assert_eq!(
        account.learning.done_sections(content::COURSE).await.expect("the finished sections").len(),
        6
    );
    open_all_content(&account).await;

    // Connects again.
    server.start().await;
    account.network_changed();
    let status = sync(&account).await;
    assert_eq!((status.phase, status.waiting, status.refused), (Phase::Idle, 0, 0), "{status:?}");
    sync(&other_account).await;
    let user = client.account_info().expect("the account").user.id;
    let (first_rows, second_rows, server_rows) =
        (client::rows(&account).await, client::rows(&other_account).await, server.rows(user).await);
    // The grade of the attempt and the decision on the enrolment.
    let is_server_row = |r: &&Row| matches!(r.row_type(), RowType::Grade | RowType::Decision);
    assert_eq!(server_rows.values().filter(is_server_row).count(), 2);
    let final_sync = sync(&account).await;
    assert_eq!(final_sync.waiting, 0);
    let first_rows = if first_rows.len() < server_rows.len() {
        client::rows(&account).await
    } else {
        first_rows
    };
    compare(("server", &server_rows), ("first", &first_rows))
        .expect("server and first device agree");
    compare(("server", &server_rows), ("second", &second_rows))
        .expect("server and second device agree");
    assert_eq!(
        other_account.learning.time_spent_total().await.expect("the time"),
        37_344,
        "exact to the millisecond"
    );
    assert_eq!(
        other_account
            .learning
            .done_sections(content::COURSE)
            .await
            .expect("the finished sections")
            .len(),
        6
    );
}

/// Opens the lists, every section, quiz and blob. Returns the quizzes.
async fn open_all_content(
    account: &carrel_client::OpenAccount,
) -> Vec<(carrel_model::ItemId, carrel_model::BlobHash, Quiz)> {
    let library = &account.content.library;
    let listed = library.courses(&ALL).await.expect("the list");
    assert_eq!(listed.value.items.len(), 1);
    assert_eq!(library.stories(&ALL).await.expect("the list").value.items.len(), 1);
    let manifest =
        library.manifest(Kind::Course, &content::course()).await.expect("the manifest").value;
    let ManifestContent::Course { outline, .. } = &manifest.manifest.content else {
        panic!("not a course")
    };
    let mut quizzes = Vec::new();
    for section in outline.lessons.iter().flat_map(|l| &l.sections) {
        let body: SectionBody = library.body(section.body).await.expect("a section");
        for block in body.blocks {
            if let carrel_model::content::Block::Quiz { quiz, body, .. } = block {
                quizzes.push((quiz, body, library.body::<Quiz>(body).await.expect("a quiz")));
            }
        }
    }
    for blob in &manifest.manifest.blobs {
        library.blob(blob.hash).await.expect("every blob is stored");
    }
    assert_eq!(quizzes.len(), content::LESSONS.len());
    quizzes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replayed_push_writes_no_row_and_consumes_no_change_number() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let dir = scratch();
    let http = Network::over(client::live_http());
    let client = client::open(dir.path(), http.clone(), &clock, 1, false).await;
    let account =
        client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    for n in 0..12 {
        account.learning.record(finish_section(n)).await.expect("recorded");
    }
    account.learning.save_word(&content::words()[1], None, true).await.expect("a word");
    account.learning.request_enrolment(&content::course(), true).await.expect("a request");
    assert_eq!(sync(&account).await.waiting, 0);
    let user = client.account_info().expect("the account").user.id;
    let (rows, usn) = (server.rows(user).await, server.usn(user).await);
    let pushes: Vec<_> =
        http.take_requests().into_iter().filter(|r| r.url.ends_with("/api/sync/push")).collect();
    assert!(!pushes.is_empty());
    for push in pushes.into_iter().cycle().take(10) {
        clock.advance(1_000);
        let reply = carrel_net::Http::send(http.as_ref(), push).await.expect("a reply");
        assert_eq!(reply.status, 200);
    }
    assert_eq!(server.usn(user).await, usn, "no change number was consumed");
    compare(("before", &rows), ("after", &server.rows(user).await)).expect("no row was written");
    assert_eq!(account.sync.sync_now().await.expect("the state").waiting, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finished_section_is_pushed_to_the_second_device() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let (first, second) = (scratch(), scratch());
    let client = client::open(first.path(), client::live_http(), &clock, 1, false).await;
    let account =
        client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    let http = Network::over(client::live_http());
    let other = client::open(second.path(), http.clone(), &clock, 2, true).await;
    let other_account = other.sign_in(&server.url(), "asha", PASSWORD).await.expect("a sign-in");
    sync(&other_account).await;
    let mut changes = other.changes().subscribe();
    account.learning.record(finish_section(0)).await.expect("recorded");
    assert_eq!(sync(&account).await.waiting, 0);
    // Only the server's event stream can notify the second device: the clock does not advance, so no timer expires.
    client::within_a_minute("the finished section on the second device", async {
        while other_account
            .learning
            .done_sections(content::COURSE)
            .await
            .expect("the finished sections")
            .is_empty()
        {
            let topics = changes.recv().await.expect("changes");
            assert!(!topics.contains(&Change::Account));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_restarted_during_sync_receives_all_rows() {
    let clock = FakeClock::noon();
    let mut server = TestServer::with_library(&clock).await;
    let dir = scratch();
    let client = client::open(dir.path(), client::live_http(), &clock, 1, false).await;
    let account =
        client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    for n in 0..12 {
        account.learning.record(finish_section(n)).await.expect("recorded");
        if n % 3 == 1 {
            let (_, ()) = tokio::join!(account.sync.sync_now(), server.restart());
            clock.advance(2_000);
        }
    }
    assert_eq!(sync(&account).await.waiting, 0);
    let user = client.account_info().expect("the account").user.id;
    compare(("server", &server.rows(user).await), ("device", &client::rows(&account).await))
        .expect("both agree");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_decision_about_an_enrolment_arrives_with_the_push() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let dir = scratch();
    let client = client::open(dir.path(), client::live_http(), &clock, 1, false).await;
    let account =
        client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    sync(&account).await;
    let course = content::course();
    let asked = account.learning.request_enrolment(&course, true).await.expect("a request");
    assert_eq!(asked.status(), Some(DecisionStatus::Pending), "asked, not enrolled");
    // The clock stands still, so the decision is not pulled by a timer.
    sync(&account).await;
    let decided = account.learning.enrolment(&course).await.expect("the enrolment");
    assert_eq!((decided.status(), decided.waiting), (Some(DecisionStatus::Active), false));
}

/// Sync has nothing to do when the server stops; another part of the app notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_request_of_any_part_is_shown_as_offline_until_the_next_reply() {
    let clock = FakeClock::noon();
    let mut server = TestServer::with_library(&clock).await;
    let dir = scratch();
    let client = client::open(dir.path(), client::live_http(), &clock, 1, false).await;
    let account =
        client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    assert_eq!(sync(&account).await.phase, Phase::Idle);
    let phase_becomes = |expected| {
        let account = account.clone();
        let check = move || {
            let account = account.clone();
            async move {
                let status = account.sync.status().await.expect("the state of sync");
                (status.phase == expected).then_some(())
            }
        };
        wait_until(&client, "the phase", check)
    };
    server.stop().await;
    let meta = || carrel_net::Request::get(format!("{}/api/meta", account.base_url));
    assert!(account.http.send(meta()).await.is_err());
    phase_becomes(Phase::Offline).await;
    server.start().await;
    assert_eq!(account.http.send(meta()).await.expect("a reply").status, 200);
    phase_becomes(Phase::Idle).await;
}

/// The navigation bar shows the number of pending changes, so the UI must be notified of each new one, also offline.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ui_is_notified_of_pending_changes_while_offline() {
    let (dir, clock) = (scratch(), FakeClock::noon());
    let mut server = TestServer::with_library(&clock).await;
    let client = client::open(dir.path(), client::live_http(), &clock, 1, false).await;
    let account =
        client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    sync(&account).await;
    server.stop().await;
    let before = account.sync.sync_now().await.expect("a status").waiting;

    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let forwarding = tokio::spawn(events::forward(client.clone(), move |event| {
        if let UiEvent::Sync { status } = event {
            let _ = sender.send(status.waiting);
        }
    }));
    client::within_a_minute("the forwarding to start", async {
        while receiver.try_recv().is_err() {
            client.changes().publish_one(Change::Sync);
            tokio::task::yield_now().await;
        }
    })
    .await;
    for n in 0..3 {
        account.learning.record(finish_section(n)).await.expect("recorded");
        let waiting = account.sync.status().await.expect("a status").waiting;
        assert!(waiting > before, "{waiting} rows pending after section {n}");
        client::within_a_minute("the count in the UI", async {
            while receiver.recv().await.expect("an event") != waiting {}
        })
        .await;
    }
    forwarding.abort();
    client.close().await;
}
