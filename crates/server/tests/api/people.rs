//! Accounts managed by staff: list, rank, disabled, deletion, one-time codes. Who may do what is in `permissions`.

use axum::http::{Method, StatusCode};
use carrel_model::{ErrorCode, UserId};
use carrel_people::permissions::Rank;
use carrel_server::{
    Settings,
    domain::{people::AccountChange, retention::Expired},
};
use serde_json::{Value, json};

use super::{
    permissions::Member,
    support::{NOW, PASSWORD, TestServer, device, fixture, progress},
};

const DAY_MS: i64 = 24 * 3_600_000;

impl TestServer {
    async fn change(&self, by: &Member, id: impl ToString, change: Value) -> super::support::Reply {
        let uri = format!("/api/v1/admin/people/{}", id.to_string());
        self.call(Method::PATCH, &uri, &by.token, Some(&change)).await
    }
    async fn code(&self, by: &Member, id: impl ToString) -> String {
        let uri = format!("/api/v1/admin/people/{}/code", id.to_string());
        let reply: Value = self.call(Method::POST, &uri, &by.token, None).await.ok();
        reply["code"].as_str().unwrap().to_owned()
    }
    async fn sign_in_with(&self, login: &str, password: &str) -> super::support::Reply {
        let body = json!({"login": login, "password": password, "deviceId": device(9)});
        self.post("/api/auth/login", "", &body).await
    }
    async fn actions(&self) -> Vec<String> {
        let lines = self.data_dir.store.audit(100).await.unwrap();
        lines.into_iter().rev().map(|line| line.action).collect()
    }
}

fn names(page: &Value) -> Vec<&str> {
    page["people"].as_array().unwrap().iter().map(|p| p["login"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn accounts_are_listed_in_pages_and_found_by_a_part_of_their_names() {
    let server = TestServer::new();
    let ada = server.staff("ada", Rank::Administrator).await;
    for login in ["noor", "peter", "zoé", "bo"] {
        server.staff(login, Rank::Student).await;
    }
    let list = async |query: &str| -> Value {
        server.get(&format!("/api/v1/admin/people?{query}"), &ada.token).await.ok()
    };
    let first = list("limit=2").await;
    assert_eq!(names(&first), ["ada", "bo"]);
    let after = first["next"].as_str().unwrap();
    let second = list(&format!("limit=2&after={after}")).await;
    assert_eq!(names(&second), ["noor", "peter"]);
    let after = second["next"].as_str().unwrap();
    let third = list(&format!("limit=2&after={after}")).await;
    assert_eq!((names(&third), &third["next"]), (vec!["zoé"], &Value::Null));
    assert_eq!(names(&list("q=ZOE").await), ["zoé"]);
    assert_eq!(names(&list("q=o&rank=student").await), ["bo", "noor", "zoé"]);
    assert_eq!(names(&list("rank=administrator").await), ["ada"]);
    assert_eq!(names(&list("state=left").await), [""; 0]);
    for bad in ["limit=0", "limit=201", "rank=boss", "state=x", "class=x", "other=1"] {
        let reply = server.get(&format!("/api/v1/admin/people?{bad}"), &ada.token).await;
        assert_eq!(reply.problem().code, ErrorCode::InvalidRequest, "{bad}");
    }
}

#[tokio::test]
async fn staff_set_the_address_of_an_account_which_others_may_share() {
    let server = TestServer::new();
    let ada = server.staff("ada", Rank::Administrator).await;
    let olga = server.staff("olga", Rank::Operator).await;
    let noor = server.staff("noor", Rank::Student).await;
    let peter = server.staff("peter", Rank::Student).await;
    for id in [noor.id, peter.id] {
        let set = json!({"email": " Parents <Parents@Home.example> "});
        let reply: Value = server.change(&ada, id, set).await.ok();
        assert_eq!(reply["email"], "Parents@Home.example");
    }
    let uri = "/api/v1/admin/people?q=home.example";
    assert_eq!(names(&server.get(uri, &ada.token).await.ok()), ["noor", "peter"]);
    for bad in ["noor", "noor@home.example\r\nBcc: all@home.example", "a@b"] {
        let reply = server.change(&ada, noor.id, json!({"email": bad, "disabled": true})).await;
        assert_eq!(reply.problem().code, ErrorCode::InvalidRequest, "{bad}");
    }
    // Nobody sets the address of somebody of a higher rank, or one's own.
    for (by, id) in [(&ada, olga.id), (&ada, ada.id), (&noor, peter.id)] {
        let reply = server.change(by, id, json!({"email": "x@home.example"})).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN);
    }
    let removed: Value = server.change(&ada, noor.id, json!({"email": ""})).await.ok();
    assert_eq!((&removed["email"], &removed["disabled"]), (&Value::Null, &json!(false)));
    assert_eq!(server.actions().await, ["person.email"; 3]);
}

#[tokio::test]
async fn nobody_gives_a_rank_above_their_own() {
    let server = TestServer::new();
    let ada = server.staff("ada", Rank::Administrator).await;
    let olga = server.staff("olga", Rank::Operator).await;
    let noor = server.staff("noor", Rank::Student).await;
    for (by, rank, expected) in [
        (&ada, "operator", 403),
        (&ada, "administrator", 200),
        (&ada, "instructor", 200),
        (&olga, "operator", 200),
        // Now an operator, whom an administrator does not change.
        (&ada, "student", 403),
        (&olga, "student", 200),
        (&ada, "boss", 400),
    ] {
        let reply = server.change(by, noor.id, json!({"rank": rank})).await;
        assert_eq!(reply.status.as_u16(), expected, "{rank}");
        if expected == 200 {
            assert_eq!(reply.json::<Value>()["rank"], rank);
        }
    }
    assert_eq!(server.actions().await, ["person.role"; 4]);
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let server = TestServer::new();
    let olga = server.staff("olga", Rank::Operator).await;
    let store = &server.data_dir.store;
    let by = carrel_people::permissions::Caller::COMMAND_LINE;
    let rank = Some(Rank::Student);
    let e = store
        .change_person(by, olga.id, AccountChange { rank, ..AccountChange::default() }, NOW)
        .await
        .unwrap_err();
    assert_eq!(e.code(), ErrorCode::Conflict);
    let e = store
        .change_person(
            by,
            olga.id,
            AccountChange { disabled: Some(true), ..AccountChange::default() },
            NOW,
        )
        .await
        .unwrap_err();
    assert_eq!(e.code(), ErrorCode::Conflict);
    let e = store.delete_person(by, olga.id, NOW).await.unwrap_err();
    assert_eq!(e.code(), ErrorCode::Conflict);
    assert_eq!(server.get("/api/sync/epoch", &olga.token).await.status, StatusCode::OK);
    assert_eq!(server.actions().await, [""; 0]);
}

#[tokio::test]
async fn a_disabled_account_cannot_sign_in_until_it_is_enabled() {
    let server = TestServer::new();
    let ada = server.staff("ada", Rank::Administrator).await;
    let noor = server.learner("noor").await;
    let code = server.code(&ada, noor.user.id).await;
    let reply = server.change(&ada, noor.user.id, json!({"disabled": true})).await;
    assert_eq!(reply.ok::<Value>()["disabled"], true);
    let epoch = server.get("/api/sync/epoch", &noor.access_token).await;
    assert_eq!(epoch.status, StatusCode::UNAUTHORIZED);
    for password in [PASSWORD, &code] {
        let reply = server.sign_in_with("noor", password).await;
        assert_eq!(reply.problem().code, ErrorCode::BadCredentials);
    }
    let uri = format!("/api/v1/admin/people/{}/code", noor.user.id);
    let refused = server.call(Method::POST, &uri, &ada.token, None).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    server.change(&ada, noor.user.id, json!({"disabled": false})).await.ok::<Value>();
    assert_eq!(server.sign_in_with("noor", PASSWORD).await.status, StatusCode::OK);
    // The code was deleted.
    assert_eq!(server.sign_in_with("noor", &code).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(server.actions().await, ["code.issue", "person.disable", "person.enable"]);
}

#[tokio::test]
async fn a_code_works_once() {
    let server = TestServer::new();
    let ada = server.staff("ada", Rank::Administrator).await;
    let noor = server.staff("noor", Rank::Student).await;
    let first = server.code(&ada, noor.id).await;
    let code = server.code(&ada, noor.id).await;
    // The second code replaced the first one.
    assert_eq!(server.sign_in_with("noor", &first).await.status, StatusCode::UNAUTHORIZED);
    // Of another account.
    assert_eq!(server.sign_in_with("ada", &code).await.status, StatusCode::UNAUTHORIZED);
    let typed = code.to_lowercase().replace('-', " ");
    let signed_in: Value = server.sign_in_with("noor", &typed).await.ok();
    assert_eq!(signed_in["user"]["login"], "noor");
    let token = signed_in["accessToken"].as_str().unwrap();
    assert_eq!(server.get("/api/sync/epoch", token).await.status, StatusCode::OK);
    assert_eq!(server.sign_in_with("noor", &code).await.status, StatusCode::UNAUTHORIZED);
    // Only its hash is stored, and the log does not contain it.
    let code = server.code(&ada, noor.id).await;
    let bytes = super::support::fixture().raw_bytes(&server.folder());
    for text in [code.clone(), code.replace('-', "")] {
        assert!(!bytes.windows(text.len()).any(|part| part == text.as_bytes()));
    }
}

#[tokio::test]
async fn a_code_expires() {
    let server = TestServer::new();
    let ada = server.staff("ada", Rank::Administrator).await;
    let noor = server.staff("noor", Rank::Student).await;
    let code = server.code(&ada, noor.id).await;
    server.clock.set(NOW + 7 * DAY_MS);
    assert_eq!(server.sign_in_with("noor", &code).await.status, StatusCode::UNAUTHORIZED);
    server.clock.set(NOW + 7 * DAY_MS - 1);
    assert_eq!(server.sign_in_with("noor", &code).await.status, StatusCode::OK);
    let uri = format!("/api/v1/admin/people/{}/code?days=", noor.id);
    for days in ["0", "91", "x"] {
        let reply = server.call(Method::POST, &format!("{uri}{days}"), &ada.token, None).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{days}");
    }
}

#[tokio::test]
async fn a_code_sets_a_new_password_and_ends_the_other_sign_ins() {
    let server = TestServer::new();
    let ada = server.staff("ada", Rank::Administrator).await;
    let noor = server.learner("noor").await;
    let code = server.code(&ada, noor.user.id).await;
    let body = |code: &str, password: &str| json!({"login": "noor", "code": code, "newPassword": password, "deviceId": device(3)});
    let short = server.post("/api/auth/code", "", &body(&code, "short")).await;
    assert_eq!(short.status, StatusCode::BAD_REQUEST);
    let wrong =
        server.post("/api/auth/code", "", &body("2222-2222-2222", "another password")).await;
    assert_eq!(wrong.problem().code, ErrorCode::BadCredentials);
    let reply: Value =
        server.post("/api/auth/code", "", &body(&code, "another password")).await.ok();
    let token = reply["accessToken"].as_str().unwrap();
    assert_eq!(server.get("/api/sync/epoch", token).await.status, StatusCode::OK);
    let before = server.get("/api/sync/epoch", &noor.access_token).await;
    assert_eq!(before.status, StatusCode::UNAUTHORIZED);
    assert_eq!(server.sign_in_with("noor", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(server.sign_in_with("noor", "another password").await.status, StatusCode::OK);
}

/// Nobody learns from a reply whether an account exists.
#[tokio::test]
async fn a_wrong_code_and_an_unknown_login_have_the_same_reply_and_are_limited() {
    let server = TestServer::new();
    let ada = server.staff("ada", Rank::Administrator).await;
    let noor = server.staff("noor", Rank::Student).await;
    let code = server.code(&ada, noor.id).await;
    let send = async |login: &str, code: &str| {
        let body = json!({"login": login, "code": code, "deviceId": device(3)});
        server.post("/api/auth/code", "", &body).await
    };
    let mut replies = Vec::new();
    for login in ["noor", "nobody"] {
        let mut problem = send(login, "2222-2222-2222").await.problem();
        problem.correlation_id.clear();
        replies.push(problem);
    }
    assert_eq!(replies[0], replies[1]);
    for _ in 0..9 {
        send("noor", "not a code").await;
    }
    assert_eq!(send("noor", &code).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_deleted_account_is_gone_with_its_rows_and_does_not_return() {
    let server = TestServer::new();
    let ada = server.staff("ada", Rank::Administrator).await;
    let noor = server.learner("noor").await;
    let amin = server.learner("amin").await;
    for learner in [&noor, &amin] {
        let rows = [progress("how-rivers-work/meanders/read", 10_000)];
        server.push(&learner.access_token, &rows).await.ok::<Value>();
    }
    let uri = format!("/api/v1/admin/people/{}", noor.user.id);
    server.change(&ada, noor.user.id, json!({"rank": "instructor"})).await.ok::<Value>();
    let reply = server.call(Method::DELETE, &uri, &ada.token, None).await;
    assert_eq!(reply.status, StatusCode::OK);
    let lines = server.data_dir.store.audit(9).await.unwrap();
    assert_eq!(lines.last().map(|line| line.detail.as_str()), Some("{}"));
    assert_eq!(super::support::fixture().count(&server.folder(), "progress"), 1);
    assert_eq!(super::support::fixture().count(&server.folder(), "account"), 2);
    assert_eq!(server.call(Method::DELETE, &uri, &ada.token, None).await.status, 404);
    // Neither the tokens nor the certificate of a device recreate it.
    let refresh =
        json!({"refreshToken": noor.refresh_token, "accountCertificate": noor.account_certificate});
    let reply = server.post("/api/auth/refresh", "", &refresh).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    let sign_in = json!({"login": "noor", "password": PASSWORD, "deviceId": device(1),
        "accountCertificate": noor.account_certificate});
    let reply = server.post("/api/auth/login", "", &sign_in).await;
    assert_eq!(reply.problem().code, ErrorCode::BadCredentials);
    assert_eq!(super::support::fixture().count(&server.folder(), "account"), 2);
    // The others are as before.
    assert_eq!(server.pull(&amin.access_token, 0).await["rows"].as_array().unwrap().len(), 1);
    assert_eq!(server.actions().await, ["person.role", "person.delete"]);
    // The login is free again.
    server.learner("noor").await;
}

#[tokio::test]
async fn an_instructor_lists_their_own_classes_only() {
    let server = TestServer::new();
    let [tina, otto] = [
        server.staff("tina", Rank::Instructor).await,
        server.staff("otto", Rank::Instructor).await,
    ];
    let ada = server.staff("ada", Rank::Administrator).await;
    let noor = server.staff("noor", Rank::Student).await;
    server.class("5A", &tina, &[&noor]).await;
    server.class("5B", &otto, &[]).await;
    let list = async |by: &Member| -> Vec<(String, u64)> {
        let reply: Value = server.get("/api/v1/admin/classes", &by.token).await.ok();
        let classes = reply.as_array().unwrap().iter();
        classes
            .map(|c| (c["name"].as_str().unwrap().to_owned(), c["students"].as_u64().unwrap()))
            .collect()
    };
    assert_eq!(list(&tina).await, [("5A".to_owned(), 1)]);
    assert_eq!(list(&otto).await, [("5B".to_owned(), 0)]);
    assert_eq!(list(&ada).await, [("5A".to_owned(), 1), ("5B".to_owned(), 0)]);
}

#[tokio::test]
async fn a_sign_in_sheet_has_a_code_for_each_active_student() {
    let server = TestServer::new();
    let tina = server.staff("tina", Rank::Instructor).await;
    let ada = server.staff("ada", Rank::Administrator).await;
    let noor = server.staff("noor", Rank::Student).await;
    let out = server.staff("out", Rank::Student).await;
    // An instructor who is a student in another instructor's class.
    let otto = server.staff("otto", Rank::Instructor).await;
    server.change(&ada, out.id, json!({"disabled": true})).await.ok::<Value>();
    let class = server.class("<5A>", &tina, &[&noor, &out, &otto]).await;
    let uri = format!("/api/v1/admin/classes/{class}/sign-in-sheet");
    for (query, lang) in
        [("", "lang=\"en\""), ("?lang=ar", "dir=\"rtl\""), ("?lang=fr", "lang=\"fr\"")]
    {
        let reply = server.call(Method::POST, &format!("{uri}{query}"), &tina.token, None).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert!(reply.header("content-security-policy").contains("default-src 'none'"));
        assert_eq!(reply.header("cache-control"), "no-store");
        let page = String::from_utf8(reply.body).unwrap();
        assert!(page.contains(lang) && page.contains("&lt;5A&gt;") && !page.contains("<5A>"));
        let codes: Vec<&str> = page.split("<code dir=\"ltr\">").skip(1).map(|s| &s[..14]).collect();
        assert_eq!((codes.len(), page.matches("<svg").count()), (1, 1), "{page}");
        if lang.contains("fr") {
            let body = json!({"login": "noor", "password": codes[0], "deviceId": device(9),
                "enrolmentToken": codes[0]});
            let signed_in: Value = server.post("/api/auth/login", "", &body).await.ok();
            assert_eq!(signed_in["enrolmentRefused"], Value::Null);
        }
    }
    let reply = server.call(Method::POST, &format!("{uri}?lang=xx"), &tina.token, None).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    // An administrator issues codes for everybody who can sign in.
    let reply = server.call(Method::POST, &uri, &ada.token, None).await;
    assert_eq!(String::from_utf8(reply.body).unwrap().matches("<svg").count(), 2);
}

/// The code of a class enrols; it never authenticates.
#[tokio::test]
async fn people_register_as_students_of_a_class_with_its_code() {
    let server = TestServer::with(Settings { registration_open: false, ..Settings::default() });
    let tina = server.staff("tina", Rank::Instructor).await;
    let class = server.class("5A", &tina, &[]).await;
    let uri = format!("/api/v1/admin/classes/{class}/code?uses=1");
    let issued: Value = server.call(Method::POST, &uri, &tina.token, None).await.ok();
    let code = issued["code"].as_str().unwrap();
    let body = |login: &str, token: &str| {
        json!({"login": login, "name": login, "password": PASSWORD, "deviceId": device(2),
            "enrolmentToken": token})
    };
    let closed = server.post("/api/auth/register", "", &body("noor", "")).await;
    assert_eq!(closed.status, StatusCode::FORBIDDEN);
    let typed = code.to_lowercase().replace('-', " ");
    let noor: Value = server.post("/api/auth/register", "", &body("noor", &typed)).await.ok();
    let used_up = server.post("/api/auth/register", "", &body("amin", code)).await;
    assert_eq!(used_up.problem().code, ErrorCode::TokenUsedUp);
    // The instructor now reaches the student.
    let uri = format!("/api/v1/admin/people/{}/code", noor["user"]["id"].as_str().unwrap());
    assert_eq!(
        server.call(Method::POST, &uri, &tina.token, None).await.status,
        StatusCode::CREATED
    );
    assert_eq!(server.sign_in_with("noor", code).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(server.actions().await, ["membership.add", "code.issue"]);
    let unknown = format!("/api/v1/admin/classes/{}/code", device(5));
    let ada = server.staff("ada", Rank::Administrator).await;
    let reply = server.call(Method::POST, &unknown, &ada.token, None).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn consents_are_recorded_withdrawn_and_never_changed() {
    let server = TestServer::with(Settings { registration_open: true, ..Settings::default() });
    let ada = server.staff("ada", Rank::Administrator).await;
    let noor = server.learner("noor").await;
    let of_noor = format!("/api/v1/admin/people/{}/consents", noor.user.id);
    let given = json!({"kind": "privacy", "version": "2026-08", "given": true, "givenBy": "Mother, on paper"});
    let recorded = server.post(&of_noor, &ada.token, &given).await;
    assert_eq!(recorded.status, StatusCode::CREATED, "{recorded:?}");
    // The same line again is not written again.
    server.clock.advance(60_000);
    server.post(&of_noor, &ada.token, &given).await.ok::<Value>();
    let withdrawn = json!({"kind": "privacy", "version": "2026-08", "given": false});
    server.post("/api/me/consents", &noor.access_token, &withdrawn).await.ok::<Value>();
    let own: Value = server.get("/api/me/consents", &noor.access_token).await.ok();
    let line = |given: bool, by: &str, recorded_by: UserId, at_ms: i64| {
        json!({"kind": "privacy", "version": "2026-08", "given": given, "givenBy": by,
            "recordedBy": recorded_by, "atMs": at_ms})
    };
    let expected = json!([
        line(true, "Mother, on paper", ada.id, NOW),
        line(false, "", noor.user.id, NOW + 60_000),
    ]);
    assert_eq!(own, expected);
    assert_eq!(server.get(&of_noor, &ada.token).await.ok::<Value>(), expected);
    for (field, value) in
        [("kind", json!(" ")), ("version", json!("x".repeat(65))), ("givenBy", json!("a\nb"))]
    {
        let mut bad = given.clone();
        bad[field] = value;
        let refused = server.post(&of_noor, &ada.token, &bad).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{field}");
        assert!(refused.problem().detail.contains(field), "{refused:?}");
    }
    let log: Value = server.get("/api/v1/admin/audit", &ada.token).await.ok();
    assert_eq!(log.to_string().matches("person.consent").count(), 2, "{log}");
}

#[tokio::test]
async fn a_preview_of_the_retention_counts_and_deletes_nothing() {
    let server = TestServer::with(Settings { registration_open: true, ..Settings::default() });
    let ada = server.staff("ada", Rank::Administrator).await;
    server.learner("noor").await;
    server.sign_in("noor", 2).await;
    let sign_ins = fixture().count(&server.folder(), "sign_in");
    server.clock.advance(400 * 24 * 3_600_000);
    let expected = server.data_dir.store.preview_purge(server.data_dir.config.clock.now_ms()).await;
    let of = |kinds: &[Expired]| kinds.iter().find(|kind| kind.kind == "signIns").unwrap().deleted;
    // The sign-in of the administrator does not expire.
    assert_eq!(of(&expected.unwrap()), sign_ins as u64 - 1);
    assert_eq!(fixture().count(&server.folder(), "sign_in"), sign_ins, "a preview deleted rows");
    let preview: Value = server.get("/api/v1/admin/retention", &ada.token).await.ok();
    assert_eq!(preview["asOf"], json!(server.data_dir.config.clock.now_ms()));
    assert!(preview["kinds"].as_array().unwrap().len() >= 9, "{preview}");
}
