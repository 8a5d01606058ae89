//! Messages with links: new passwords, invitations, and the messages that wait. SMTP itself is tested in `carrel-mail`.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use carrel_mail::{MailSettings, TlsMode};
use carrel_model::{ErrorCode, UserId, wire::Meta};
use carrel_people::permissions::{Caller, Rank};
use carrel_server::{Settings, domain::people::AccountChange, mail};
use serde_json::{Value, json};

use super::{
    smtp_server::{Behaviour, SmtpServer},
    support::{NOW, PASSWORD, Reply, TestServer, config, device, fixture},
};

const MINUTE: i64 = 60_000;
const ADDRESS: &str = "https://rivers.example/school";
const NEW_PASSWORD: &str = "another good password";

/// A server with a mail server.
struct Post {
    server: TestServer,
    smtp: SmtpServer,
}

pub(super) fn settings(smtp: &SmtpServer) -> Settings {
    let mail = MailSettings {
        host: smtp.address.ip().to_string(),
        port: Some(smtp.address.port()),
        tls: TlsMode::None,
        user: String::new(),
        password_file: None,
        sender: "Rivers <carrel@rivers.example>".to_owned(),
        ca: None,
    };
    Settings {
        address: ADDRESS.to_owned(),
        registration_open: true,
        mail: Some(mail),
        ..Settings::default()
    }
}

impl Post {
    async fn new() -> Self {
        let smtp = SmtpServer::start(None).await;
        Self { server: TestServer::with(settings(&smtp)), smtp }
    }
    /// Waits for what continues after the replies.
    async fn settle(&self) {
        let tasks = &self.server.data_dir.tasks;
        tasks.close();
        tasks.wait().await;
        tasks.reopen();
    }
    async fn set_address(&self, id: UserId, address: &str) {
        let change = AccountChange { email: Some(address.to_owned()), ..AccountChange::default() };
        let store = &self.server.data_dir.store;
        store.change_person(Caller::COMMAND_LINE, id, change, NOW).await.unwrap();
    }
    /// Creates a learner with a password and an address.
    async fn learner(&self, login: &str, address: &str) -> carrel_model::wire::TokenReply {
        let learner = self.server.learner(login).await;
        self.set_address(learner.user.id, address).await;
        learner
    }
    async fn request(&self, typed: &str) -> Reply {
        let reply = self.server.post("/api/auth/reset", "", &json!({ "login": typed })).await;
        self.settle().await;
        reply
    }
    async fn run_job(&self) -> Result<String, String> {
        self.server.run_job("mail").await
    }
    /// Returns the path and query of the link in the latest message.
    fn link(&self) -> String {
        // Long lines are quoted-printable.
        let message = self.smtp.messages().pop().unwrap().replace("=\r\n", "").replace("=3D", "=");
        let line = message.lines().find(|line| line.starts_with(ADDRESS)).unwrap();
        line[ADDRESS.len()..].trim_end().to_owned()
    }
    async fn open(&self, link: &str, language: &str) -> Reply {
        let request = Request::get(link).header("accept-language", language);
        self.server.send(request.body(Body::empty()).unwrap()).await
    }
    async fn submit(&self, link: &str, form: &str) -> Reply {
        let request = Request::post(link)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()));
        let reply = self.server.send(request.unwrap()).await;
        self.settle().await;
        reply
    }
    async fn set_password(&self, link: &str) -> StatusCode {
        self.submit(link, "password=another+good+password").await.status
    }
    async fn sign_in(&self, login: &str, password: &str) -> StatusCode {
        let body = json!({"login": login, "password": password, "deviceId": device(5)});
        self.server.post("/api/auth/login", "", &body).await.status
    }
    async fn states(&self) -> Vec<(String, u32, String)> {
        let mails = self.server.data_dir.store.latest_mails(100).await.unwrap();
        let state = |m: carrel_server::domain::mail::ListedMail| {
            (m.mail.state.as_str().to_owned(), m.mail.attempts, m.mail.error)
        };
        mails.into_iter().map(state).collect()
    }
    async fn actions(&self) -> Vec<String> {
        let lines = self.server.data_dir.store.audit(100).await.unwrap();
        lines.into_iter().rev().map(|line| line.action).collect()
    }
}

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.clone()).unwrap()
}

fn one(state: &str, attempts: u32) -> Vec<(String, u32, String)> {
    vec![(state.to_owned(), attempts, String::new())]
}

#[tokio::test]
async fn a_link_sets_a_password_once_and_ends_all_sign_ins() {
    let post = Post::new().await;
    let noor = post.learner("noor", "parent@home.example").await;
    let reply = post.request("NOOR").await;
    assert_eq!((reply.status, text(&reply)), (StatusCode::ACCEPTED, "{}".to_owned()));
    let message = post.smtp.messages().pop().unwrap();
    for expected in ["RCPT TO:<parent@home.example>", "Subject: New password: Carrel", "noor"] {
        assert!(message.contains(expected), "{message}");
    }
    let link = post.link();
    // Programs that check links open them.
    for language in ["en", "fr-CA,en;q=0.5", "ar"] {
        let page = post.open(&link, language).await;
        let text = text(&page);
        assert_eq!(page.status, StatusCode::OK);
        assert!(text.contains(&format!("<html lang=\"{}\"", &language[..2])), "{text}");
        assert!(text.contains("name=\"password\"") && !text.contains("<script"), "{text}");
        assert!(page.header("content-security-policy").contains("form-action 'self'"));
        assert_eq!(page.header("referrer-policy"), "no-referrer");
    }
    assert_eq!(post.submit(&link, "password=short").await.status, StatusCode::BAD_REQUEST);
    let page = post.submit(&link, "password=another+good+password").await;
    assert_eq!(page.status, StatusCode::OK, "{}", text(&page));
    assert!(text(&page).contains(">noor</code>"), "{}", text(&page));
    assert_eq!(post.sign_in("noor", PASSWORD).await, StatusCode::UNAUTHORIZED);
    assert_eq!(post.sign_in("noor", NEW_PASSWORD).await, StatusCode::OK);
    let epoch = post.server.get("/api/sync/epoch", &noor.access_token).await;
    assert_eq!(epoch.status, StatusCode::UNAUTHORIZED);
    let again = post.submit(&link, "password=a+third+good+password").await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
    assert_eq!(post.sign_in("noor", NEW_PASSWORD).await, StatusCode::OK);
    assert_eq!(post.actions().await, ["person.email", "password.reset"]);
    let line = &post.server.data_dir.store.audit(1).await.unwrap()[0];
    assert_eq!((line.actor, line.subject), (Some(noor.user.id), Some(noor.user.id)));
}

#[tokio::test]
async fn the_reply_does_not_tell_whether_there_is_an_account() {
    let post = Post::new().await;
    post.learner("noor", "noor@home.example").await;
    post.server.learner("peter").await;
    let lea = post.learner("lea", "lea@home.example").await;
    let change = AccountChange { disabled: Some(true), ..AccountChange::default() };
    let store = &post.server.data_dir.store;
    store.change_person(Caller::COMMAND_LINE, lea.user.id, change, NOW).await.unwrap();
    let known = post.request("noor").await;
    let long = "x".repeat(5_000);
    for typed in ["nobody", "nobody@home.example", "peter", "lea", "lea@home.example", "", &long] {
        let reply = post.request(typed).await;
        let seen = |reply: &Reply| (reply.status, text(reply), reply.headers.len());
        assert_eq!(seen(&reply), seen(&known), "{typed}");
    }
    assert_eq!(post.smtp.messages().len(), 1);
    // The page tells no more.
    let pages = ["noor", "nobody"].map(|login| format!("login={login}"));
    let replies =
        [post.submit("/password", &pages[0]).await, post.submit("/password", &pages[1]).await];
    let body = |reply: &Reply| {
        let text = text(reply);
        text.split("<body>").nth(1).unwrap().to_owned()
    };
    assert_eq!(body(&replies[0]), body(&replies[1]));
    assert_eq!(post.smtp.messages().len(), 2);
}

#[tokio::test]
async fn each_account_of_a_shared_address_gets_its_own_link() {
    let post = Post::new().await;
    for login in ["bo", "cy"] {
        post.learner(login, "Parents@Home.example").await;
    }
    post.request("parents@home.example").await;
    let messages = post.smtp.messages();
    assert_eq!(messages.len(), 2);
    let has = |login: &str| messages.iter().any(|m| m.contains(&format!("account {login} ")));
    assert!(has("bo") && has("cy"), "{messages:?}");
    assert_eq!(post.set_password(&post.link()).await, StatusCode::OK);
    let changed = [post.sign_in("bo", PASSWORD).await, post.sign_in("cy", PASSWORD).await];
    assert_eq!(changed.iter().filter(|s| **s == StatusCode::OK).count(), 1, "one account only");
}

#[tokio::test]
async fn requests_are_limited_by_what_is_typed_and_by_account() {
    let post = Post::new().await;
    post.learner("noor", "noor@home.example").await;
    for typed in ["noor", "noor@home.example", "Noor", "NOOR@home.example"] {
        assert_eq!(post.request(typed).await.status, StatusCode::ACCEPTED);
    }
    assert_eq!(post.smtp.messages().len(), 3, "three messages for an account in an hour");
    for typed in ["nobody", "noor"] {
        let mut replies = Vec::new();
        for _ in 0..6 {
            replies.push(post.request(typed).await.status);
        }
        assert_eq!(replies[5], StatusCode::TOO_MANY_REQUESTS, "{typed}");
    }
    post.server.clock.advance(60 * MINUTE);
    assert_eq!(post.request("noor").await.status, StatusCode::ACCEPTED);
    assert_eq!(post.smtp.messages().len(), 4);
}

#[tokio::test]
async fn links_are_void_after_half_an_hour_and_when_there_is_a_newer_one() {
    let post = Post::new().await;
    let noor = post.learner("noor", "noor@home.example").await;
    post.request("noor").await;
    let first = post.link();
    post.request("noor").await;
    let second = post.link();
    assert_ne!(first, second);
    assert_eq!(post.set_password(&first).await, StatusCode::BAD_REQUEST);
    post.server.clock.advance(30 * MINUTE);
    assert_eq!(post.set_password(&second).await, StatusCode::BAD_REQUEST);
    // Another address, and a password that was set by hand, void a link as well.
    post.request("noor").await;
    let third = post.link();
    post.set_address(noor.user.id, "other@home.example").await;
    assert_eq!(post.set_password(&third).await, StatusCode::BAD_REQUEST);
    post.server.clock.advance(60 * MINUTE);
    post.request("noor").await;
    let store = &post.server.data_dir.store;
    let hash = carrel_server::password::hash_blocking(PASSWORD).unwrap();
    store.reset_password("noor", hash, NOW + 90 * MINUTE).await.unwrap();
    assert_eq!(post.set_password(&post.link()).await, StatusCode::BAD_REQUEST);
    assert_eq!(post.sign_in("noor", PASSWORD).await, StatusCode::OK);
}

#[tokio::test]
async fn guessed_codes_are_limited_and_codes_of_links_do_not_sign_in() {
    let post = Post::new().await;
    let noor = post.learner("noor", "noor@home.example").await;
    let by = Caller::COMMAND_LINE;
    let paper = carrel_people::codes::code_text([7; 12]);
    let hash = post.server.data_dir.token_keys().code_hash(noor.user.id, &paper);
    post.server.data_dir.store.issue_code(by, noor.user.id, hash, 7, NOW).await.unwrap();
    post.request("noor").await;
    let link = post.link();
    let code = link.split("code=").nth(1).unwrap();
    assert_eq!(post.sign_in("noor", code).await, StatusCode::UNAUTHORIZED);
    // A code on paper is not replaced by a message that anybody can cause, and does not set a password here.
    let other = link.replace(code, &paper);
    assert_eq!(post.set_password(&other).await, StatusCode::BAD_REQUEST);
    assert_eq!(post.sign_in("noor", &paper).await, StatusCode::OK);
    let mut last = StatusCode::OK;
    for _ in 0..5 {
        last = post.set_password(&other).await;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(post.set_password(&link).await, StatusCode::TOO_MANY_REQUESTS);
    post.server.clock.advance(16 * MINUTE);
    assert_eq!(post.set_password(&link).await, StatusCode::OK);
}

#[tokio::test]
async fn a_message_is_sent_again_after_temporary_failures_only() {
    let post = Post::new().await;
    let ada = post.server.staff("ada", Rank::Administrator).await;
    let noor = post.learner("noor", "noor@home.example").await;
    post.smtp.set(Behaviour::Refuse("450 4.2.1 busy"));
    post.request("noor").await;
    assert_eq!(post.states().await[0].0, "waiting");
    assert!(post.states().await[0].2.contains("busy"), "{:?}", post.states().await);
    // Not before it is due.
    post.smtp.set(Behaviour::Accept);
    post.server.clock.advance(MINUTE - 1);
    post.run_job().await.unwrap();
    assert_eq!(post.smtp.messages().len(), 0);
    post.server.clock.advance(1);
    assert_eq!(post.run_job().await.unwrap(), "1 messages sent, 0 not sent");
    assert_eq!(post.states().await, one("sent", 2));
    assert_eq!(post.run_job().await.unwrap(), "0 messages sent, 0 not sent");
    assert_eq!(post.smtp.messages().len(), 1);
    // Refused for good: staff see it, and it is not sent again.
    post.smtp.set(Behaviour::Refuse("550 5.1.1 no such mailbox"));
    post.request("noor").await;
    post.smtp.set(Behaviour::Accept);
    post.server.clock.advance(10 * MINUTE);
    assert_eq!(post.run_job().await.unwrap(), "0 messages sent, 0 not sent");
    let list: Value = post.server.get("/api/v1/admin/mail", &ada.token).await.ok();
    assert_eq!((&list[0]["state"], &list[0]["login"]), (&json!("refused"), &json!("noor")));
    assert_eq!(list[0]["user"], json!(noor.user.id));
    assert!(list[0]["error"].as_str().unwrap().contains("no such mailbox"), "{list}");
    assert_eq!(list[1]["state"], "sent");
}

#[tokio::test]
async fn messages_wait_while_the_mail_server_cannot_be_reached() {
    let smtp = SmtpServer::start(None).await;
    let mut settings = settings(&smtp);
    // Nobody listens on a port that was just free.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    settings.mail.as_mut().unwrap().port = Some(free);
    let post = Post { server: TestServer::with(settings), smtp };
    for login in ["noor", "peter"] {
        post.learner(login, &format!("{login}@home.example")).await;
        assert_eq!(post.request(login).await.status, StatusCode::ACCEPTED);
    }
    let states = post.states().await;
    assert!(states.iter().all(|(state, _, _)| state == "waiting"), "{states:?}");
    assert!(states[1].2.contains(&free.to_string()), "{states:?}");
    // The job is not repeated later than usual.
    post.server.clock.advance(MINUTE);
    assert!(post.run_job().await.unwrap().starts_with("0 messages sent; "));
    let jobs = post.server.data_dir.store.jobs().await.unwrap();
    let job = jobs.iter().find(|job| job.name == "mail").unwrap();
    assert_eq!((job.error.as_str(), job.due_ms), ("", NOW + 2 * MINUTE));
}

#[tokio::test]
async fn a_message_with_an_unknown_result_is_sent_again_with_the_same_id() {
    let post = Post::new().await;
    post.learner("noor", "noor@home.example").await;
    post.smtp.set(Behaviour::DropAfterMessage);
    post.request("noor").await;
    post.smtp.set(Behaviour::Accept);
    post.server.clock.advance(MINUTE);
    post.run_job().await.unwrap();
    let messages = post.smtp.messages();
    assert_eq!((messages.len(), &messages[0]), (2, &messages[1]));
    assert_eq!(post.states().await, one("sent", 2));
    assert_eq!(post.set_password(&post.link()).await, StatusCode::OK);
}

#[tokio::test]
async fn a_message_is_not_sent_after_its_deadline_or_to_an_account_that_was_disabled() {
    let post = Post::new().await;
    let noor = post.learner("noor", "noor@home.example").await;
    post.smtp.set(Behaviour::Refuse("450 4.2.1 busy"));
    post.request("noor").await;
    post.smtp.set(Behaviour::Accept);
    post.server.clock.advance(30 * MINUTE);
    post.run_job().await.unwrap();
    assert_eq!(post.states().await[0].0, "expired");
    post.smtp.set(Behaviour::Refuse("450 4.2.1 busy"));
    post.request("noor").await;
    post.smtp.set(Behaviour::Accept);
    let change = AccountChange { disabled: Some(true), ..AccountChange::default() };
    let store = &post.server.data_dir.store;
    store.change_person(Caller::COMMAND_LINE, noor.user.id, change, NOW).await.unwrap();
    post.server.clock.advance(10 * MINUTE);
    post.run_job().await.unwrap();
    assert_eq!(post.smtp.messages().len(), 0);
    // The audit log and the database contain no code.
    let raw = fixture().raw_bytes(&post.server.folder());
    let keys = post.server.data_dir.token_keys();
    for mail in store.latest_mails(10).await.unwrap() {
        let code = keys.mail_code(mail.mail.id);
        assert!(!raw.windows(code.len()).any(|bytes| bytes == code.as_bytes()));
    }
}

#[tokio::test]
async fn two_processes_send_a_message_once() {
    let post = Post::new().await;
    post.learner("noor", "noor@home.example").await;
    let store = &post.server.data_dir.store;
    let keys = post.server.data_dir.token_keys();
    let count = store.request_password_reset("noor".into(), "en".into(), keys, NOW).await.unwrap();
    let (a, b) = (mail::send_due(&post.server.data_dir), mail::send_due(&post.server.data_dir));
    let (a, b) = tokio::join!(a, b);
    assert!(a.is_ok() && b.is_ok());
    assert_eq!((count, post.smtp.messages().len()), (1, 1));
}

#[tokio::test]
async fn staff_invite_a_person_or_the_students_of_a_class_without_a_password() {
    let post = Post::new().await;
    let server = &post.server;
    let tina = server.staff("tina", Rank::Instructor).await;
    let (bo, cy) =
        (server.staff("bo", Rank::Student).await, server.staff("cy", Rank::Student).await);
    let other = server.staff("other", Rank::Student).await;
    let noor = post.learner("noor", "noor@home.example").await;
    let member = super::permissions::Member { id: noor.user.id, token: noor.access_token.clone() };
    let class = server.class("5A", &tina, &[&bo, &cy, &member]).await;
    for (id, address) in [(bo.id, "bo@home.example"), (other.id, "other@home.example")] {
        post.set_address(id, address).await;
    }
    let uri = format!("/api/v1/admin/classes/{class}/invitations");
    let invited: Value = server.call(Method::POST, &uri, &tina.token, None).await.ok();
    post.settle().await;
    assert_eq!(invited, json!({"invited": 1, "withoutAddress": 1}));
    let message = post.smtp.messages().pop().unwrap();
    for expected in ["RCPT TO:<bo@home.example>", "Your login:", "bo", ADDRESS, "7 days"] {
        assert!(message.contains(expected), "{expected} in {message}");
    }
    // The link is valid for seven days, and signs nobody in by itself.
    let link = post.link();
    server.clock.advance(7 * 24 * 60 * MINUTE - 1);
    assert_eq!(post.set_password(&link).await, StatusCode::OK);
    assert_eq!(post.sign_in("bo", NEW_PASSWORD).await, StatusCode::OK);
    // One person, also with a password; nobody outside the own classes.
    let invite = async |id: UserId| {
        let uri = format!("/api/v1/admin/people/{id}/invitation");
        let reply = server.call(Method::POST, &uri, &tina.token, None).await;
        post.settle().await;
        reply
    };
    assert_eq!(invite(noor.user.id).await.status, StatusCode::ACCEPTED);
    assert_eq!(post.smtp.messages().len(), 2);
    assert_eq!(invite(cy.id).await.problem().code, ErrorCode::Conflict);
    assert_eq!(invite(other.id).await.status, StatusCode::FORBIDDEN);
    let actions = post.actions().await;
    let count = |action: &str| actions.iter().filter(|a| *a == action).count();
    assert_eq!((count("invitation.send"), count("password.reset")), (2, 1));
}

#[tokio::test]
async fn a_server_without_mail_says_so_and_mail_needs_an_address() {
    let server = TestServer::new();
    let reply = server.post("/api/auth/reset", "", &json!({"login": "noor"})).await;
    assert_eq!(reply.problem().code, ErrorCode::NotFound);
    assert_eq!(server.get("/password", "").await.status, StatusCode::NOT_FOUND);
    assert!(!text(&server.get("/", "").await).contains("/password"));
    let offers = |reply: Reply| reply.json::<Meta>().password_reset;
    assert!(!offers(server.get("/api/meta", "").await));
    let post = Post::new().await;
    assert!(offers(post.server.get("/api/meta", "").await));
    assert!(text(&post.server.get("/", "").await).contains("<a href=\"/password\">"));
    let form = text(&post.open("/password", "fr").await);
    assert!(form.contains("name=\"login\"") && form.contains("Envoyer le lien"), "{form}");
    // Links are not made of the address of a request.
    let mut settings = settings(&post.smtp);
    settings.address = String::new();
    let folder = tempfile::tempdir().unwrap();
    let config =
        carrel_server::Config { settings: settings.clone(), ..config(folder.path().join("d")) };
    let error = carrel_server::DataDir::open(config).err().unwrap().to_string();
    assert!(error.contains("messages contain links"), "{error}");
    settings.address = ADDRESS.to_owned();
    mail::send_test(&settings, "ada@school.example", NOW).await.unwrap();
    assert!(post.smtp.messages()[0].contains("Subject: Test message: Carrel"));
    assert!(mail::send_test(&settings, "ada", NOW).await.is_err());
    post.smtp.set(Behaviour::Refuse("550 5.7.1 no relaying"));
    let error = mail::send_test(&settings, "ada@school.example", NOW).await.unwrap_err();
    assert!(error.to_string().contains("no relaying"), "{error}");
}
