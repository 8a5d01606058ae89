//! Enrolment tokens from the administrator's command to the course of the learner: from a link, and from a policy.

use carrel_client::open_request::{Link, OpenRequest};
use carrel_commands::{api::error::CommandError, dispatch};
use carrel_model::{
    ErrorCode,
    lattice::{DecisionStatus, Row},
};
use carrel_server::{domain::enrolment_tokens::NewEnrolmentToken, password::new_token};
use carrel_testkit::{FakeClock, ManagedDevice, TestServer, content, device::PASSWORD};
use serde_json::{Value, json};

use crate::client::{CommandHost, rows, sync};

const DAY_MS: i64 = 24 * 3_600_000;

/// A device with a policy file, and the commands of its UI.
struct Managed {
    device: ManagedDevice,
    host: CommandHost,
}

impl Managed {
    async fn new(clock: &FakeClock, seed: u64, policies: &Value) -> Self {
        let device = ManagedDevice::new(clock, seed, policies).await;
        let host = CommandHost { client: device.client.clone() };
        Self { device, host }
    }
    async fn call(&self, command: &str, request: Value) -> Result<Value, CommandError> {
        dispatch(&self.host, command, request).await
    }
    async fn register(
        &self,
        address: &str,
        login: &str,
        token: Option<&str>,
    ) -> Result<Value, CommandError> {
        let mut request =
            json!({ "address": address, "login": login, "name": login, "password": PASSWORD });
        if let Some(token) = token {
            request["enrolmentToken"] = token.into();
        }
        self.call("register", request).await
    }
    /// Returns true if the open account is enrolled in the course of `content`, after a sync.
    async fn is_enrolled(&self) -> bool {
        let account = self.host.client.account().expect("an open account");
        sync(&account).await;
        let is_active =
            |row: &Row| matches!(row, Row::Decision(d) if d.status == DecisionStatus::Active);
        rows(&account).await.values().any(is_active)
    }
}

async fn token(server: &TestServer, name: &str, uses: u32) -> String {
    let (text, hash) = new_token().expect("random bytes");
    add(server, name, uses, hash).await;
    text
}
async fn add(server: &TestServer, name: &str, uses: u32, hash: [u8; 32]) {
    let now_ms = carrel_system::Clock::now_ms(server.clock());
    let token = NewEnrolmentToken {
        name: name.into(),
        hash,
        expires_ms: Some(now_ms + DAY_MS),
        max_uses: Some(uses),
        courses: vec![content::course()],
        class: None,
    };
    let store = &server.running().data().store;
    store.add_enrolment_token(token, now_ms).await.expect("a token");
}

async fn closed_server(clock: &FakeClock) -> TestServer {
    let mut server = TestServer::with_library(clock).await;
    server.close_registration().await;
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_leads_to_an_account_with_the_course_and_a_refusal_says_why() {
    let clock = FakeClock::noon();
    let server = closed_server(&clock).await;
    let code = token(&server, "Class 7b", 1).await;
    let link = format!("carrel://enrol?server={}&token={code}", server.url());
    let OpenRequest::Link(Link::Enrol { server: address, token: sent }) =
        OpenRequest::of_link(&link)
    else {
        panic!("{link} is a link with a code")
    };
    let device = Managed::new(&clock, 1, &json!({})).await;
    let found = device.call("check_server", json!({ "address": address })).await.expect("a server");
    assert_eq!(found["registrationOpen"], false);
    let refused = device.register(&address, "asha", None).await.expect_err("closed");
    assert_eq!(refused.code, ErrorCode::Forbidden);
    let state = device.register(&address, "asha", Some(&sent)).await.expect("an account");
    assert_eq!(state["account"]["user"]["login"], "asha");
    assert!(device.is_enrolled().await);
    assert!(!device.device.contains(&sent), "the code is not stored on the device");

    for (login, code, expected) in [
        ("ben", sent.as_str(), ErrorCode::TokenUsedUp),
        ("ben", "never-issued", ErrorCode::TokenUnknown),
    ] {
        let refused = device.register(&address, login, Some(code)).await.expect_err("refused");
        assert_eq!(refused.code, expected, "{refused:?}");
        assert!(refused.message.contains("enrolment token"), "{refused:?}");
    }
    let late = token(&server, "late", 5).await;
    clock.advance(DAY_MS);
    let refused = device.register(&address, "ben", Some(&late)).await.expect_err("expired");
    assert_eq!(refused.code, ErrorCode::TokenExpired);
    // A sign-in succeeds with any code, and says that it was refused.
    let sign_in = json!({ "address": address, "login": "asha", "password": PASSWORD, "enrolmentToken": late });
    let state = device.call("sign_in", sign_in).await.expect("signed in");
    assert_eq!(state["enrolmentRefused"], "token_expired");
    let state = device.call("get_app_state", json!({})).await.expect("a state");
    assert_eq!(state.get("enrolmentRefused"), None);
    device.host.client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn provisioned_devices_register_with_the_token_of_the_policy() {
    let clock = FakeClock::noon();
    let server = closed_server(&clock).await;
    let code = token(&server, "Tablets", 2).await;
    let policies = json!({ "ServerAddress": server.url(), "EnrolmentToken": code });
    let device = Managed::new(&clock, 1, &policies).await;
    let found =
        device.call("check_server", json!({ "address": server.url() })).await.expect("a server");
    assert_eq!(found["registrationOpen"], true, "the form offers to create an account");
    device.register(&server.url(), "asha", None).await.expect("an account");
    assert!(device.is_enrolled().await);

    // Somebody who has an account.
    let mut open = TestServer::with_library(&clock).await;
    let elsewhere = Managed::new(&clock, 2, &json!({})).await;
    elsewhere.register(&open.url(), "ben", None).await.expect("an account");
    elsewhere.host.client.close().await;
    let code = token(&open, "Tablets", 1).await;
    open.close_registration().await;
    let policies = json!({ "ServerAddress": open.url(), "EnrolmentToken": code });
    let device = Managed::new(&clock, 3, &policies).await;
    let sign_in = json!({ "address": open.url(), "login": "ben", "password": PASSWORD });
    for _ in 0..2 {
        let state = device.call("sign_in", sign_in.clone()).await.expect("signed in");
        assert_eq!(state.get("enrolmentRefused"), None);
        assert!(device.is_enrolled().await);
    }
    // The token is used up now: the sign-in of others works as without it.
    let refused = device.register(&open.url(), "cleo", None).await.expect_err("used up");
    assert_eq!(refused.code, ErrorCode::TokenUsedUp);
    device.host.client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_of_a_policy_is_sent_to_its_server_only_and_never_in_the_way() {
    let clock = FakeClock::noon();
    let server = closed_server(&clock).await;
    let other = closed_server(&clock).await;
    // Both would accept it.
    let (code, hash) = new_token().expect("random bytes");
    add(&server, "Tablets", 5, hash).await;
    add(&other, "Tablets", 5, hash).await;
    let policies = json!({ "ServerAddress": server.url(), "EnrolmentToken": code });
    let device = Managed::new(&clock, 1, &policies).await;
    let refused = device.register(&other.url(), "asha", None).await.expect_err("closed");
    assert_eq!(refused.code, ErrorCode::Forbidden, "no token was sent");
    let store = &other.running().data().store;
    assert_eq!(store.enrolment_tokens().await.expect("a list")[0].uses, 0);
    device.host.client.close().await;

    // On a server with open registration, a token that has expired prevents nothing.
    let open = TestServer::with_library(&clock).await;
    let policies = json!({ "ServerAddress": open.url(), "EnrolmentToken": "expired-long-ago" });
    let device = Managed::new(&clock, 2, &policies).await;
    device.register(&open.url(), "asha", None).await.expect("an account");
    let sign_in = json!({ "address": open.url(), "login": "asha", "password": PASSWORD });
    let state = device.call("sign_in", sign_in).await.expect("signed in");
    assert_eq!(state.get("enrolmentRefused"), None, "the learner cannot do anything about it");
    // A code that the learner opened is their concern.
    let refused = device.register(&open.url(), "ben", Some("wrong")).await.expect_err("unknown");
    assert_eq!(refused.code, ErrorCode::TokenUnknown);
    device.host.client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_learner_who_is_signed_in_enters_the_code_of_a_course() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let code = token(&server, "Course", 1).await;
    let device = Managed::new(&clock, 1, &json!({})).await;
    device.register(&server.url(), "asha", None).await.expect("an account");
    assert!(!device.is_enrolled().await);
    let refused = device.call("enter_code", json!({ "code": "no such code" })).await;
    assert_eq!(refused.expect_err("a refusal").code, ErrorCode::TokenUnknown);
    let entered = device.call("enter_code", json!({ "code": format!(" {code}\n") })).await;
    let courses = entered.expect("accepted")["courses"].as_array().expect("a list").len();
    assert_eq!(courses, 1);
    assert!(device.is_enrolled().await);
}
