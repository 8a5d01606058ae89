//! Enrolment tokens: registration and sign-in with a token, its limits, and refusals.

use std::{path::Path, process::Command};

use axum::http::StatusCode;
use carrel_model::{
    ErrorCode, Slug,
    wire::{Problem, TokenReply},
};
use carrel_server::{Settings, domain::enrolment_tokens::NewEnrolmentToken, password::new_token};
use serde_json::{Value, json};

use crate::support::{NOW, PASSWORD, Reply, TestServer, device, fixture};

const DAY_MS: i64 = 24 * 3_600_000;
const COURSE: &str = "how-rivers-work";

/// Creates a token and returns its text.
async fn token(server: &TestServer, name: &str, uses: Option<u32>, courses: &[&str]) -> String {
    let (text, hash) = new_token().unwrap();
    let token = NewEnrolmentToken {
        name: name.into(),
        hash,
        expires_ms: Some(NOW + DAY_MS),
        max_uses: uses,
        courses: courses.iter().map(|id| Slug::new(*id).unwrap()).collect(),
        class: None,
    };
    server.data_dir.store.add_enrolment_token(token, NOW).await.unwrap();
    text
}

async fn register(server: &TestServer, login: &str, token: &str) -> Reply {
    let body = json!({"login": login, "name": login, "password": PASSWORD, "deviceId": device(1),
        "enrolmentToken": token});
    server.post("/api/auth/register", "", &body).await
}
async fn sign_in(server: &TestServer, login: &str, token: &str) -> TokenReply {
    let body = json!({"login": login, "password": PASSWORD, "deviceId": device(2), "enrolmentToken": token});
    server.post("/api/auth/login", "", &body).await.ok()
}
/// Asserts that a registration is refused with this code, and that there is no account.
async fn assert_refused(server: &TestServer, login: &str, token: &str, code: ErrorCode) -> Problem {
    let reply = register(server, login, token).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    let problem = reply.problem();
    assert_eq!(problem.code, code, "{problem:?}");
    assert!(!problem.hint.is_empty() && !problem.retryable);
    assert!(server.data_dir.store.account(login, None).await.unwrap().is_none(), "{login}");
    problem
}
async fn uses(server: &TestServer, name: &str) -> i64 {
    let tokens = server.data_dir.store.enrolment_tokens().await.unwrap();
    tokens.iter().find(|token| token.name == name).unwrap().uses
}
/// Returns the rows of enrolments of a learner.
async fn enrolments(server: &TestServer, learner: &TokenReply) -> Vec<Value> {
    let pulled = server.pull(&learner.access_token, 0).await;
    let rows = pulled["rows"].as_array().unwrap().iter().map(|pulled| &pulled["row"]);
    let is_enrolment = |row: &&Value| row["type"] == "decision" || row["ns"] == "enrolment";
    rows.filter(is_enrolment).cloned().collect()
}

fn closed() -> TestServer {
    TestServer::with(Settings::default())
}

#[tokio::test]
async fn a_token_allows_registration_on_a_closed_server_and_enrols_in_its_courses() {
    let server = closed();
    server.publish().await;
    let token = token(&server, "Class 7b", None, &[COURSE]).await;
    assert_eq!(register(&server, "noor", "").await.problem().code, ErrorCode::Forbidden);
    let noor: TokenReply = register(&server, "noor", &token).await.ok();
    assert_eq!(noor.enrolment_refused, None);
    let rows = enrolments(&server, &noor).await;
    assert_eq!(rows.len(), 2, "{rows:?}");
    let decision = rows.iter().find(|row| row["type"] == "decision").unwrap();
    assert_eq!((&decision["course"], &decision["status"]), (&json!(COURSE), &json!("active")));
    assert_eq!(uses(&server, "Class 7b").await, 1);
    // Without a course.
    let token = self::token(&server, "Staff", None, &[]).await;
    let ben: TokenReply = register(&server, "ben", &token).await.ok();
    assert!(enrolments(&server, &ben).await.is_empty());
}

#[tokio::test]
async fn refused_tokens_are_named_and_create_no_account() {
    let server = closed();
    let once = token(&server, "once", Some(1), &[]).await;
    let problem = assert_refused(&server, "a", "no-such-token", ErrorCode::TokenUnknown).await;
    assert!(problem.detail.contains("no such enrolment token"));
    register(&server, "first", &once).await.ok::<TokenReply>();
    assert_refused(&server, "second", &once, ErrorCode::TokenUsedUp).await;

    let revoked = token(&server, "revoked", None, &[]).await;
    server.data_dir.store.revoke_enrolment_token("revoked", NOW).await.unwrap();
    let problem = assert_refused(&server, "b", &revoked, ErrorCode::TokenExpired).await;
    assert!(problem.detail.contains("revoked"));

    let late = token(&server, "late", None, &[]).await;
    server.clock.set(NOW + DAY_MS - 1);
    register(&server, "c", &late).await.ok::<TokenReply>();
    server.clock.set(NOW + DAY_MS);
    let problem = assert_refused(&server, "d", &late, ErrorCode::TokenExpired).await;
    assert!(problem.detail.contains("expired"));
    // A login that is taken uses nothing up.
    let two = token(&server, "two", Some(2), &[]).await;
    server.clock.set(NOW);
    assert_eq!(register(&server, "first", &two).await.status, StatusCode::CONFLICT);
    assert_eq!(uses(&server, "two").await, 0);
}

#[tokio::test]
async fn the_last_use_is_given_to_one_of_many_at_the_same_time() {
    let server = closed();
    let token = token(&server, "three", Some(3), &[]).await;
    let logins: Vec<String> = (0..8).map(|n| format!("learner{n}")).collect();
    let replies = logins.iter().map(|login| register(&server, login, &token));
    let replies = futures_util::future::join_all(replies).await;
    let created = replies.iter().filter(|r| r.status == StatusCode::CREATED).count();
    let accounts = server.data_dir.store.accounts().await.unwrap().len();
    assert_eq!((created, accounts, uses(&server, "three").await), (3, 3, 3));
}

#[tokio::test]
async fn a_sign_in_uses_a_token_once_and_is_never_refused_because_of_it() {
    let server = TestServer::new();
    server.publish().await;
    server.learner("noor").await;
    let token = token(&server, "Class 7b", Some(1), &[COURSE]).await;
    let wrong = json!({"login": "noor", "password": "wrong password", "deviceId": device(2), "enrolmentToken": token});
    let refused = server.post("/api/auth/login", "", &wrong).await;
    assert_eq!(refused.problem().code, ErrorCode::BadCredentials);
    assert_eq!(uses(&server, "Class 7b").await, 0);
    let noor = sign_in(&server, "noor", &token).await;
    assert_eq!((noor.enrolment_refused, uses(&server, "Class 7b").await), (None, 1));
    assert_eq!(enrolments(&server, &noor).await.len(), 2);

    // The learner leaves the course. The token, used up by themselves, changes nothing.
    let path = format!("/api/courses/{COURSE}/enrolment");
    server.call(axum::http::Method::DELETE, &path, &noor.access_token, None).await.ok::<Value>();
    let before = enrolments(&server, &noor).await;
    let again = sign_in(&server, "noor", &token).await;
    assert_eq!((again.enrolment_refused, uses(&server, "Class 7b").await), (None, 1));
    assert_eq!(enrolments(&server, &again).await, before);

    server.learner("ben").await;
    let ben = sign_in(&server, "ben", &token).await;
    assert_eq!(ben.enrolment_refused, Some(ErrorCode::TokenUsedUp));
    assert!(server.accepts(&ben.access_token).await && enrolments(&server, &ben).await.is_empty());
    let ben = sign_in(&server, "ben", "unknown").await;
    assert_eq!(ben.enrolment_refused, Some(ErrorCode::TokenUnknown));
}

#[tokio::test]
async fn unknown_tokens_are_limited_by_network() {
    let server = closed();
    let token = token(&server, "used", Some(1), &[]).await;
    register(&server, "first", &token).await.ok::<TokenReply>();
    for _ in 0..60 {
        // Knowing a token is no guess.
        assert_eq!(register(&server, "x", &token).await.problem().code, ErrorCode::TokenUsedUp);
    }
    for n in 0..50 {
        let problem = register(&server, "x", &format!("guess-{n}")).await.problem();
        assert_eq!(problem.code, ErrorCode::TokenUnknown, "{n}");
    }
    let limited = register(&server, "x", "guess-51").await.problem();
    assert_eq!(limited.code, ErrorCode::RateLimited);
    assert!(limited.retry_after_ms.is_some());
}

#[tokio::test]
async fn tokens_are_checked_when_they_are_created() {
    let server = closed();
    server.publish().await;
    token(&server, "Class 7b", None, &[COURSE]).await;
    let new = |name: &str| NewEnrolmentToken {
        name: name.into(),
        hash: new_token().unwrap().1,
        expires_ms: Some(NOW + DAY_MS),
        max_uses: Some(1),
        courses: Vec::new(),
        class: None,
    };
    let cases = [
        (new("Class 7b"), "there is a token with this name"),
        (new(""), "must have 1 to 100 characters"),
        (new(&"x".repeat(101)), "must have 1 to 100 characters"),
        (new("a\nb"), "must have 1 to 100 characters"),
        (NewEnrolmentToken { expires_ms: Some(NOW), ..new("a") }, "has passed"),
        (NewEnrolmentToken { max_uses: Some(0), ..new("a") }, "at least 1"),
        (
            NewEnrolmentToken { courses: vec![Slug::new("no-such-course").unwrap()], ..new("a") },
            "no-such-course: is not in the catalogue",
        ),
    ];
    for (token, expected) in cases {
        let error = server.data_dir.store.add_enrolment_token(token, NOW).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.code(), ErrorCode::InvalidRequest);
    }
    let error = server.data_dir.store.revoke_enrolment_token("other", NOW).await.unwrap_err();
    assert!(error.to_string().contains("other") && error.hint().contains("token list"));
}

#[tokio::test]
async fn the_text_of_a_token_is_not_stored() {
    let server = closed();
    let token = token(&server, "Class 7b", None, &[]).await;
    register(&server, "noor", &token).await.ok::<TokenReply>();
    let data = server.folder();
    drop(server.router);
    let bytes = fixture().raw_bytes(&data);
    let contains = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(contains("Class 7b") && !contains(&token));
}

fn run(data: &Path, args: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carrel-server"));
    command.arg("token").args(args).arg("--data").arg(data).envs(fixture().variables(data));
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test]
async fn tokens_are_managed_by_commands_while_the_server_runs() {
    let server = closed();
    server.publish().await;
    // The commands use the clock of the system.
    let system_ms = carrel_server::Clock::now_ms(&carrel_server::SystemClock);
    server.clock.set(system_ms);
    let folder = server.folder();
    let address = "https://school.example/a&b";
    let add = ["add", "Class 7b", "--uses", "2", "--course", COURSE, "--address", address];
    let (is_ok, text) = run(&folder, &add);
    assert!(is_ok, "{text}");
    let token = text.lines().find_map(|line| line.strip_prefix("token: ")).unwrap();
    let link = format!("link: carrel://enrol?server=https://school.example/a%26b&token={token}");
    assert!(text.lines().any(|line| line == link), "{text}");
    let noor: TokenReply = register(&server, "noor", token).await.ok();
    assert_eq!(enrolments(&server, &noor).await.len(), 2);

    let (_, list) = run(&folder, &["list"]);
    for part in ["Class 7b", "expires in 89 days", "1 of 2 uses", COURSE] {
        assert!(list.contains(part), "{part}: {list}");
    }
    assert!(!list.contains(token));
    for (args, error) in [
        (&["add", "Class 7b"][..], "there is a token with this name"),
        (&["add", "b", "--course", "nowhere"], "course nowhere: is not in the catalogue"),
        (&["add", "b", "--uses", "0"], "--uses"),
        (&["add", "b", "--days", "0"], "--days"),
        (&["revoke", "nobody"], "no enrolment token has the name \"nobody\""),
    ] {
        let (is_ok, text) = run(&folder, args);
        assert!(!is_ok && text.contains(error), "{args:?}: {text}");
    }
    assert!(run(&folder, &["revoke", "Class 7b"]).0);
    assert_refused(&server, "ben", token, ErrorCode::TokenExpired).await;
    assert!(run(&folder, &["list"]).1.contains("revoked"));
}

#[tokio::test]
async fn a_signed_in_learner_enters_the_code_of_a_course() {
    let server = TestServer::new();
    server.publish().await;
    let noor = server.learner("noor").await;
    let text = token(&server, "Course", Some(1), &[COURSE]).await;
    let enter = async |code: &str, by: &str| {
        server.post("/api/me/enrolment-codes", by, &json!({ "code": code })).await
    };
    assert_eq!(enter(&text, "").await.status, StatusCode::UNAUTHORIZED);
    for _ in 0..2 {
        // Repeating it changes nothing.
        let reply: Value = enter(&format!(" {text} "), &noor.access_token).await.ok();
        assert_eq!(reply, json!({ "courses": [COURSE] }));
    }
    assert_eq!(enrolments(&server, &noor).await.len(), 2);
    assert_eq!(uses(&server, "Course").await, 1);
    let peter = server.learner("peter").await;
    let refused = enter(&text, &peter.access_token).await;
    assert_eq!(refused.problem().code, ErrorCode::TokenUsedUp);
    server.clock.advance(DAY_MS);
    let peter = server.sign_in("peter", 1).await;
    let refused = enter(&text, &peter.access_token).await;
    assert_eq!(refused.problem().code, ErrorCode::TokenExpired);
    assert!(enrolments(&server, &peter).await.is_empty());
}

#[tokio::test]
async fn wrong_codes_of_a_learner_are_limited() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let mut replies = Vec::new();
    for n in 0..21 {
        let body = json!({ "code": format!("AAAA-BBBB-22{n:02}") });
        replies.push(server.post("/api/me/enrolment-codes", &noor.access_token, &body).await);
    }
    let last = replies.pop().unwrap();
    assert!(replies.iter().all(|reply| reply.problem().code == ErrorCode::TokenUnknown));
    assert_eq!(last.problem().code, ErrorCode::RateLimited);
    // Another learner is not affected.
    let peter = server.learner("peter").await;
    let body = json!({ "code": "AAAA-BBBB-CCCC" });
    let reply = server.post("/api/me/enrolment-codes", &peter.access_token, &body).await;
    assert_eq!(reply.problem().code, ErrorCode::TokenUnknown);
}
