//! The catalogue changes at the server: the lists of the app change without being opened again.

use std::sync::Arc;

use carrel_commands::dispatch;
use carrel_content::Kind;
use carrel_people::permissions::Caller;
use carrel_server::{domain::courses::CourseChange, store::tx::CourseState};
use carrel_system::Clock as _;
use carrel_testkit::{
    FakeClock, TestServer, content,
    device::PASSWORD,
    network::{Answer, Network},
    scratch::scratch,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    client::{ALL, CommandHost, live_http, open, sync, wait_until},
    exported::download,
};

struct Fixture {
    clock: FakeClock,
    server: TestServer,
    net: Arc<Network>,
    host: CommandHost,
    _dir: TempDir,
}

impl Fixture {
    async fn new(event_stream: bool) -> Self {
        let clock = FakeClock::noon();
        let (server, dir) = (TestServer::with_library(&clock).await, scratch());
        let net = Network::over(live_http());
        let client = open(dir.path(), net.clone(), &clock, 1, event_stream).await;
        client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
        Self { clock, server, net, host: CommandHost { client }, _dir: dir }
    }
    async fn set_state(&self, state: CourseState) {
        let store = &self.server.running().data().store;
        let (course, now_ms) = (content::course(), self.clock.now_ms());
        let changed = store.set_course_state(Caller::COMMAND_LINE, &course, state, now_ms);
        changed.await.expect("another state");
    }
    /// Returns the courses that the library shows: (id, withdrawn).
    async fn listed(&self) -> Vec<(String, bool)> {
        let request = json!({ "onDevice": false });
        let reply: Value = dispatch(&self.host, "list_courses", request).await.expect("a list");
        let items = reply["items"].as_array().expect("items").iter();
        items
            .map(|card| {
                let id = card["course"]["id"].as_str().expect("an id");
                (id.to_owned(), card["withdrawn"].as_bool().expect("a flag"))
            })
            .collect()
    }
    /// Waits until the library shows this. No time passes, so that a stored list does not become too old.
    async fn shows(&self, expected: &[(&str, bool)]) {
        let expected: Vec<(String, bool)> =
            expected.iter().map(|(id, withdrawn)| ((*id).to_owned(), *withdrawn)).collect();
        wait_until(&self.host.client, "the list", || async {
            (self.listed().await == expected).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawn_course_leaves_the_list_or_is_shown_as_such() {
    let f = Fixture::new(true).await;
    f.shows(&[(content::COURSE, false)]).await;
    f.set_state(CourseState::Withdrawn).await;
    f.shows(&[]).await;
    f.set_state(CourseState::Published).await;
    f.shows(&[(content::COURSE, false)]).await;
    // A course on this device stays, and says that the school no longer offers it.
    let account = f.host.client.account().expect("an open account");
    download(&f.host.client, &account, Kind::Course).await;
    f.set_state(CourseState::Withdrawn).await;
    f.shows(&[(content::COURSE, true)]).await;
    let request = json!({ "course": content::COURSE });
    let view: Value = dispatch(&f.host, "get_course", request).await.expect("the course");
    assert_eq!(view["withdrawn"], true);
    f.set_state(CourseState::Published).await;
    f.shows(&[(content::COURSE, false)]).await;
    f.host.client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_while_the_device_was_offline_is_listed_afterwards() {
    let f = Fixture::new(true).await;
    f.shows(&[(content::COURSE, false)]).await;
    let account = f.host.client.account().expect("an open account");
    f.net.intercept(|_| Answer::refused());
    account.network_changed();
    f.set_state(CourseState::Withdrawn).await;
    assert_eq!(f.listed().await, [(content::COURSE.to_owned(), false)]);
    f.net.stop_intercepting();
    account.network_changed();
    f.shows(&[]).await;
    f.host.client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_token_does_not_hide_the_courses_of_a_class() {
    let f = Fixture::new(false).await;
    let account = f.host.client.account().expect("an open account");
    account.learning.request_enrolment(&content::course(), true).await.expect("a request");
    sync(&account).await;
    let change = CourseChange { owner: None, for_classes: Some(true), policy: None };
    let store = &f.server.running().data().store;
    let (course, now_ms) = (content::course(), f.clock.now_ms());
    let changed = store.change_course(Caller::COMMAND_LINE, &course, change, now_ms);
    changed.await.expect("a course for classes");
    // After the access token has expired.
    f.clock.advance(16 * 60_000);
    f.net.take_requests();
    let library = &account.content.library;
    library.refresh(Kind::Course).await.expect("a list");
    let listed = library.courses(&ALL).await.expect("the list").value.items;
    assert_eq!(listed.iter().map(|c| c.meta.id.as_str()).collect::<Vec<_>>(), [content::COURSE]);
    let refreshes =
        f.net.requests().iter().filter(|r| r.url.ends_with("/api/auth/refresh")).count();
    assert_eq!(refreshes, 1);
    f.host.client.close().await;
}
