//! Sign-in with an identity provider: the flow of the app, which account a person gets, links, groups, and a real
//! provider.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use carrel_model::{
    ErrorCode, UserId,
    wire::{Meta, Role, TokenReply},
};
use carrel_oidc::{OidcSettings, challenge_of};
use carrel_people::permissions::{Caller, Rank};
use carrel_server::{
    Clock, Config, DataDir, Settings, SystemClock, domain::people::AccountChange, http,
    store::tx::PersonKey,
};
use serde_json::{Value, json};

use super::{
    fake_provider::{CLIENT, DIRECTORY, FakeProvider, Signing},
    support::{NOW, PASSWORD, Reply, TestServer, config, device, fixture},
};

pub const VERIFIER: &str = "a verifier that only this app knows, 43 to 128";
const ADDRESS: &str = "https://school.example";

/// A server with a fake provider.
pub struct Sso {
    pub server: TestServer,
    pub provider: FakeProvider,
}

/// A browser in which a sign-in has begun.
pub struct Browser {
    pub location: String,
    pub cookie: String,
}

pub fn settings(issuer: &str) -> OidcSettings {
    OidcSettings {
        issuer: issuer.to_owned(),
        client_id: CLIENT.to_owned(),
        create_accounts: true,
        timeout_s: 1,
        ..OidcSettings::default()
    }
}

pub fn query(parameters: &[(String, String)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

impl Sso {
    pub async fn new() -> Self {
        Self::with("", |_| ()).await
    }
    /// Starts a provider at this path, and a server with changed settings.
    pub async fn with(path: &str, change: impl FnOnce(&mut OidcSettings)) -> Self {
        let clock = Arc::new(carrel_server::FakeClock::new(NOW));
        let provider = FakeProvider::start(Arc::clone(&clock), path).await;
        let mut oidc = settings(&provider.url);
        change(&mut oidc);
        let server = server(oidc, clock);
        Self { server, provider }
    }
    /// Begins a sign-in of the app on device 1.
    pub async fn begin(&self) -> Browser {
        let uri = start_uri();
        let reply = self.server.get(&uri, "").await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", text(&reply));
        let cookie = reply.header("set-cookie");
        for attribute in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/api/auth/oidc"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Browser { location: reply.header("location").to_owned(), cookie }
    }
    pub async fn return_with(&self, cookie: &str, parameters: &[(String, String)]) -> Reply {
        let uri = format!("/api/auth/oidc/callback?{}", query(parameters));
        let request = Request::builder().method(Method::GET).uri(uri).header("cookie", cookie);
        self.server.send(request.body(Body::empty()).unwrap()).await
    }
    /// Signs in the person of the provider in a browser. Returns the page.
    pub async fn browse(&self) -> Reply {
        let browser = self.begin().await;
        let parameters = self.provider.authorize(&browser.location);
        self.return_with(&browser.cookie, &parameters).await
    }
    pub async fn redeem(&self, code: &str, verifier: &str, device_no: u128) -> Reply {
        let body = json!({ "code": code, "verifier": verifier, "deviceId": device(device_no) });
        self.server.post("/api/auth/oidc/redeem", "", &body).await
    }
    /// Signs in the person of the provider in the app.
    pub async fn sign_in(&self) -> TokenReply {
        let code = code(&self.browse().await);
        self.redeem(&code, VERIFIER, 1).await.ok()
    }
    pub fn accounts(&self) -> i64 {
        fixture().count(&self.server.folder(), "account")
    }
    async fn link(&self, user: UserId, subject: &str) {
        let identity = (self.provider.url.clone(), subject.to_owned());
        let store = &self.server.data_dir.store;
        store.link_identity(Caller::COMMAND_LINE, user, identity, NOW).await.unwrap();
    }
    async fn rank(&self, user: UserId) -> Rank {
        let store = &self.server.data_dir.store;
        let read = store.read("test", move |tx| carrel_people::permissions::rank_of(tx, user));
        read.await.unwrap().unwrap()
    }
}

fn server(oidc: OidcSettings, clock: Arc<carrel_server::FakeClock>) -> TestServer {
    let settings = Settings {
        oidc: Some(oidc),
        address: ADDRESS.to_owned(),
        route_limits: false,
        registration_open: true,
        ..Settings::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let config =
        Config { settings, clock: Arc::clone(&clock) as _, ..config(dir.path().join("data")) };
    let data_dir = DataDir::open(config).unwrap();
    let router = http::app(data_dir.app().unwrap());
    TestServer { dir, clock, data_dir, router }
}

pub fn start_uri() -> String {
    let challenge = challenge_of(VERIFIER);
    format!("/api/auth/oidc/start?challenge={challenge}&device={}", device(1))
}

pub fn text(reply: &Reply) -> String {
    String::from_utf8_lossy(&reply.body).into_owned()
}

/// Returns the code on the page.
fn code(page: &Reply) -> String {
    let text = text(page);
    assert_eq!(page.status, StatusCode::OK, "{text}");
    let start = text.find("<code dir=\"ltr\">").expect("a code") + "<code dir=\"ltr\">".len();
    text[start..start + 14].to_owned()
}

#[tokio::test]
async fn a_person_signs_in_with_the_provider_and_gets_the_same_account_again() {
    let sso = Sso::new().await;
    let meta: Meta = sso.server.get("/api/meta", "").await.ok();
    assert_eq!(meta.external_sign_in.as_deref(), Some("School account"));
    let page = sso.browse().await;
    let code = code(&page);
    let link = format!("carrel://sign-in?server={ADDRESS}&amp;code={code}");
    assert_eq!(text(&page).matches(&link).count(), 2, "{}", text(&page));
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    // As typed: in any case, without the separators.
    let typed = code.replace('-', " ").to_lowercase();
    let first: TokenReply = sso.redeem(&typed, VERIFIER, 1).await.ok();
    assert_eq!(
        (first.user.login.as_str(), first.user.name.as_str()),
        ("noor.haddad", "Noor Haddad")
    );
    assert_eq!(first.user.role, Role::Student);
    let profile = sso.server.get("/api/users/profile", &first.access_token).await;
    assert_eq!(profile.status, StatusCode::OK);
    let body = json!({ "refreshToken": first.refresh_token, "accountCertificate": first.account_certificate });
    sso.server.post("/api/auth/refresh", "", &body).await.ok::<TokenReply>();
    // Nobody signs in to it with a password.
    for password in ["", PASSWORD] {
        let body = json!({ "login": "noor.haddad", "password": password, "deviceId": device(1),
            "accountCertificate": first.account_certificate });
        let refused = sso.server.post("/api/auth/login", "", &body).await;
        assert_eq!(refused.problem().code, ErrorCode::BadCredentials, "{password}");
    }
    // The subject identifies the person, not the login, which may change.
    sso.provider.person("person-1", &[("preferred_username", json!("noor.renamed"))]);
    assert_eq!(sso.sign_in().await.user.id, first.user.id);
    sso.provider.person("person-2", &[("preferred_username", json!("asha"))]);
    assert_ne!(sso.sign_in().await.user.id, first.user.id);
    assert_eq!(sso.accounts(), 2);
}

#[tokio::test]
async fn a_code_is_for_the_app_that_began_and_for_one_use() {
    let sso = Sso::new().await;
    let refused = |reply: Reply| assert_eq!(reply.problem().code, ErrorCode::BadCredentials);
    let other = "another verifier, which has also 43 to 128 signs";
    // Whoever sees the code has no verifier; and a code that was tried cannot be used any more.
    for (verifier, device) in [(other, 1), (VERIFIER, 2), ("short", 1)] {
        let code = code(&sso.browse().await);
        refused(sso.redeem(&code, verifier, device).await);
        let again = sso.redeem(&code, VERIFIER, 1).await;
        assert_eq!(again.status.is_success(), verifier == "short", "{verifier} {device}");
    }
    let code_once = code(&sso.browse().await);
    sso.redeem(&code_once, VERIFIER, 1).await.ok::<TokenReply>();
    refused(sso.redeem(&code_once, VERIFIER, 1).await);
    let late = code(&sso.browse().await);
    sso.server.clock.advance(5 * 60_000);
    refused(sso.redeem(&late, VERIFIER, 1).await);
    for guess in ["", "AAAA-AAAA-AAAA", "x"] {
        refused(sso.redeem(guess, VERIFIER, 1).await);
    }
    // Somebody who was disabled in the meantime.
    let last = code(&sso.browse().await);
    let id = sso.server.data_dir.store.account("noor.haddad", None).await.unwrap().unwrap().user.id;
    let store = &sso.server.data_dir.store;
    store
        .change_person(
            Caller::COMMAND_LINE,
            id,
            AccountChange { disabled: Some(true), ..AccountChange::default() },
            NOW,
        )
        .await
        .unwrap();
    refused(sso.redeem(&last, VERIFIER, 1).await);
    assert_eq!(fixture().count(&sso.server.folder(), "external_code"), 0);
}

#[tokio::test]
async fn an_account_is_never_found_by_its_login_or_its_address() {
    let sso = Sso::new().await;
    let asha = sso.server.learner("asha").await.user;
    let email = Some("asha@school.example".to_owned());
    let change = AccountChange { email, ..AccountChange::default() };
    let (by, store) = (Caller::COMMAND_LINE, &sso.server.data_dir.store);
    store.change_person(by, asha.id, change, NOW).await.unwrap();
    let claims = [("preferred_username", json!("asha")), ("email", json!("asha@school.example"))];
    sso.provider.person("someone", &claims);
    let page = sso.browse().await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    assert!(text(&page).contains("&quot;asha&quot;"), "{}", text(&page));
    assert_eq!(sso.accounts(), 1);
    // The administrator links the account.
    let ada = sso.server.staff("ada", Rank::Administrator).await;
    let uri = format!("/api/v1/admin/people/{}/identities", asha.id);
    let body = json!({ "issuer": sso.provider.url, "subject": "someone" });
    let linked = sso.server.post(&uri, &ada.token, &body).await;
    assert_eq!(linked.status, StatusCode::NO_CONTENT, "{}", text(&linked));
    assert_eq!(sso.sign_in().await.user.id, asha.id);
    let links: Value = sso.server.get(&uri, &ada.token).await.ok();
    assert_eq!(links[0]["subject"], "someone");
    // The subject of one account cannot be linked to another one.
    let bob = sso.server.learner("bob").await.user;
    let other = format!("/api/v1/admin/people/{}/identities", bob.id);
    let refused = sso.server.post(&other, &ada.token, &body).await;
    assert_eq!(refused.problem().code, ErrorCode::Conflict);
    let unlinked = sso.server.call(Method::DELETE, &uri, &ada.token, None).await;
    assert_eq!(unlinked.status, StatusCode::NO_CONTENT);
    assert_eq!(sso.browse().await.status, StatusCode::CONFLICT);
    let audit: Value = sso.server.get("/api/v1/admin/audit", &ada.token).await.ok();
    let actions: Vec<&str> =
        audit.as_array().unwrap().iter().map(|line| line["action"].as_str().unwrap()).collect();
    assert!(
        actions.contains(&"identity.link") && actions.contains(&"identity.unlink"),
        "{actions:?}"
    );
}

#[tokio::test]
async fn without_new_accounts_only_linked_people_sign_in() {
    let sso = Sso::with("", |settings| settings.create_accounts = false).await;
    let page = sso.browse().await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(text(&page).contains("no account is linked to this person"));
    assert_eq!(sso.accounts(), 0);
    let asha = sso.server.learner("asha").await.user;
    sso.link(asha.id, "person-1").await;
    assert_eq!(sso.sign_in().await.user.id, asha.id);
}

#[tokio::test]
async fn a_roster_links_people_by_their_source_id_if_configured() {
    let sso = Sso::with("", |settings| {
        settings.create_accounts = false;
        settings.source_id_claim = "student_number".to_owned();
    })
    .await;
    let mut ids = Vec::new();
    for (login, source, rank) in [("asha", "s-1", Rank::Student), ("olga", "s-2", Rank::Operator)] {
        let id = sso.server.staff(login, rank).await.id;
        let write = sso.server.data_dir.store.write("test", move |tx| {
            let mut person = tx.person(PersonKey::Id(id))?.unwrap();
            person.source_id = Some(source.to_owned());
            tx.put_person(&person)
        });
        write.await.unwrap();
        ids.push(id);
    }
    sso.provider.person("person-1", &[("student_number", json!("s-1"))]);
    assert_eq!(sso.sign_in().await.user.id, ids[0]);
    // The link stays, whatever the claim is later.
    sso.provider.person("person-1", &[("student_number", json!("s-2"))]);
    assert_eq!(sso.sign_in().await.user.id, ids[0]);
    for (subject, number, status) in [
        ("person-2", "s-1", StatusCode::CONFLICT),
        ("person-2", "s-2", StatusCode::FORBIDDEN),
        ("person-2", "s-3", StatusCode::FORBIDDEN),
        ("person-2", "", StatusCode::FORBIDDEN),
    ] {
        sso.provider.person(subject, &[("student_number", json!(number))]);
        assert_eq!(sso.browse().await.status, status, "{number}");
    }
}

#[tokio::test]
async fn people_who_are_suspended_disabled_or_deleted_stay_out() {
    let sso = Sso::new().await;
    let user = sso.sign_in().await.user.id;
    let store = &sso.server.data_dir.store;
    let set_state = |state| {
        store.write("test", move |tx| {
            let mut person = tx.person(PersonKey::Id(user))?.unwrap();
            person.state = state;
            tx.put_person(&person)
        })
    };
    for state in [carrel_roster::State::Suspended, carrel_roster::State::Left] {
        set_state(state).await.unwrap();
        assert_eq!(sso.browse().await.status, StatusCode::FORBIDDEN, "{state:?}");
    }
    set_state(carrel_roster::State::Active).await.unwrap();
    assert_eq!(sso.sign_in().await.user.id, user);
    let by = Caller::COMMAND_LINE;
    store
        .change_person(
            by,
            user,
            AccountChange { disabled: Some(true), ..AccountChange::default() },
            NOW,
        )
        .await
        .unwrap();
    assert_eq!(sso.browse().await.status, StatusCode::FORBIDDEN);
    store
        .change_person(
            by,
            user,
            AccountChange { disabled: Some(false), ..AccountChange::default() },
            NOW,
        )
        .await
        .unwrap();
    store.delete_person(by, user, NOW).await.unwrap();
    let page = sso.browse().await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(text(&page).contains("was deleted"), "{}", text(&page));
    assert_eq!(sso.accounts(), 0);
    // Only a hash of the subject is kept.
    let read = store.read("test", move |tx| tx.external_identities_of(user));
    let links = read.await.unwrap();
    assert_eq!(links.len(), 1);
    assert!(links[0].issuer.is_empty() && links[0].subject.is_empty(), "{links:?}");
}

#[tokio::test]
async fn groups_give_the_rank_at_each_sign_in_but_never_that_of_an_operator() {
    let sso = Sso::with("", |settings| {
        settings.groups_claim = "groups".to_owned();
        settings.instructor_groups = vec!["teachers".to_owned()];
        settings.administrator_groups = vec!["heads".to_owned(), "operator".to_owned()];
    })
    .await;
    let groups = |groups: Value| sso.provider.person("person-1", &[("groups", groups)]);
    let mut user = None;
    for (sent, rank) in [
        (json!(["teachers", "choir"]), Rank::Instructor),
        (json!(["teachers", "heads"]), Rank::Administrator),
        // The last administrator stays one.
        (json!([]), Rank::Administrator),
    ] {
        groups(sent.clone());
        let id = sso.sign_in().await.user.id;
        assert_eq!(sso.rank(id).await, rank, "{sent}");
        user = Some(id);
    }
    let user = user.unwrap();
    sso.server.staff("ada", Rank::Administrator).await;
    for (sent, rank) in [
        // The provider did not send groups: nothing is known.
        (Value::Null, Rank::Administrator),
        (json!(7), Rank::Administrator),
        (json!("teachers"), Rank::Instructor),
        (json!(["choir"]), Rank::Student),
        (json!(["operator"]), Rank::Administrator),
        (json!([]), Rank::Student),
    ] {
        groups(sent.clone());
        sso.sign_in().await;
        assert_eq!(sso.rank(user).await, rank, "{sent}");
    }
    // An operator whom the administrator linked stays one.
    let olga = sso.server.staff("olga", Rank::Operator).await.id;
    sso.link(olga, "person-9").await;
    sso.provider.person("person-9", &[("groups", json!([]))]);
    assert_eq!(sso.sign_in().await.user.id, olga);
    assert_eq!(sso.rank(olga).await, Rank::Operator);
}

#[tokio::test]
async fn without_groups_in_the_settings_a_rank_stays() {
    let sso = Sso::with("", |settings| settings.groups_claim = "groups".to_owned()).await;
    let ada = sso.server.staff("ada", Rank::Instructor).await.id;
    sso.link(ada, "person-1").await;
    sso.provider.person("person-1", &[("groups", json!(["administrator"]))]);
    sso.sign_in().await;
    assert_eq!(sso.rank(ada).await, Rank::Instructor);
}

#[tokio::test]
async fn the_id_in_a_directory_identifies_a_person_if_the_issuer_is_that_of_the_directory() {
    let person = "7f1f4c1e-3c2b-4b57-8f0a-64f6f2a7d001";
    let ids = [("tid", json!(DIRECTORY)), ("oid", json!(person))];
    for (path, is_same) in [(format!("/{DIRECTORY}/v2.0"), true), ("/other".to_owned(), false)] {
        let sso = Sso::with(&path, |_| ()).await;
        sso.provider.person("subject for the first client", &ids);
        let first = sso.sign_in().await.user.id;
        let login = ("preferred_username", json!("noor2"));
        sso.provider.person("subject for another client", &[&ids[..], &[login]].concat());
        assert_eq!(sso.sign_in().await.user.id == first, is_same, "{path}");
    }
}

#[tokio::test]
async fn new_keys_of_the_provider_are_read_once_they_are_used() {
    let sso = Sso::new().await;
    sso.sign_in().await;
    assert_eq!(sso.provider.key_requests(), 1);
    sso.sign_in().await;
    assert_eq!(sso.provider.key_requests(), 1);
    sso.provider.answer(|a| a.signing = Signing::Es256);
    sso.sign_in().await;
    assert_eq!(sso.provider.key_requests(), 1);
    sso.server.clock.advance(31_000);
    sso.provider.answer(|a| a.key = (2, "key 2"));
    sso.sign_in().await;
    assert_eq!(sso.provider.key_requests(), 2);
    // Tokens with unknown keys do not cause further requests for a while.
    for _ in 0..3 {
        sso.provider.answer(|a| {
            a.key = (2, "key 2");
            a.signing = Signing::UnpublishedKey;
        });
        assert_eq!(sso.browse().await.status, StatusCode::BAD_GATEWAY);
    }
    assert_eq!(sso.provider.key_requests(), 2);
}

#[tokio::test]
async fn times_may_differ_by_a_minute() {
    let sso = Sso::new().await;
    for (shift_s, is_accepted) in [(-359, true), (-361, false), (59, true), (62, false)] {
        sso.provider.answer(|a| a.shift_s = shift_s);
        assert_eq!(sso.browse().await.status.is_success(), is_accepted, "{shift_s}");
    }
}

#[tokio::test]
async fn pages_are_in_the_language_of_the_browser() {
    let sso = Sso::new().await;
    for (accepted, lang, dir) in [
        ("", "en", "ltr"),
        ("fr-CH, en;q=0.5", "fr", "ltr"),
        ("sw, ar-EG;q=0.8", "ar", "rtl"),
        ("sw", "en", "ltr"),
    ] {
        let request = Request::builder()
            .uri("/api/auth/oidc/callback?state=x")
            .header("accept-language", accepted);
        let page = sso.server.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST);
        let start = format!("<!doctype html><html lang=\"{lang}\" dir=\"{dir}\">");
        assert!(text(&page).starts_with(&start), "{accepted}");
    }
}

#[tokio::test]
async fn mistakes_of_the_settings_are_reported_at_the_start() {
    let start = |address: &str, oidc: OidcSettings| {
        let dir = tempfile::tempdir().unwrap();
        let settings =
            Settings { oidc: Some(oidc), address: address.to_owned(), ..Settings::default() };
        let config = Config { settings, ..config(dir.path().join("data")) };
        DataDir::open(config).unwrap().app().err().map(|e| e.to_string()).unwrap_or_default()
    };
    let good = settings("https://login.school.example");
    assert_eq!(start(ADDRESS, good.clone()), "");
    assert!(start("", good.clone()).starts_with("address is missing"));
    let wrong = OidcSettings { issuer: "login.school.example".to_owned(), ..good.clone() };
    assert!(start(ADDRESS, wrong).starts_with("oidc.issuer: "));
    let wrong = OidcSettings { client_secret_file: Some("/nonexistent".into()), ..good };
    assert!(start(ADDRESS, wrong).starts_with("oidc.client_secret_file: cannot read"));
}

#[tokio::test]
async fn without_a_provider_there_are_no_routes_of_it() {
    let server = TestServer::new();
    let meta: Meta = server.get("/api/meta", "").await.ok();
    assert_eq!(meta.external_sign_in, None);
    assert_eq!(server.get(&start_uri(), "").await.problem().code, ErrorCode::NotFound);
    assert_eq!(server.get("/api/auth/oidc/callback", "").await.problem().code, ErrorCode::NotFound);
}

/// A browser that keeps cookies and follows redirects on loopback.
struct Follower {
    http: reqwest::Client,
    cookies: BTreeMap<String, String>,
}

impl Follower {
    /// Follows redirects until one leads to `end`. Returns its address.
    async fn follow(&mut self, mut url: String, end: &str) -> String {
        for _ in 0..12 {
            if url.starts_with(end) {
                return url;
            }
            let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
            let cookies = cookies.collect::<Vec<_>>().join("; ");
            let reply = self.http.get(&url).header("cookie", cookies).send().await.unwrap();
            for cookie in reply.headers().get_all("set-cookie") {
                let pair = cookie.to_str().unwrap().split(';').next().unwrap();
                let (name, value) = pair.split_once('=').unwrap();
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
            let next = reply.headers().get("location").map(|l| l.to_str().unwrap().to_owned());
            let Some(next) = next else { panic!("{url}: {}", reply.text().await.unwrap()) };
            url = url::Url::parse(&url).unwrap().join(&next).unwrap().into();
        }
        panic!("too many redirects: {url}");
    }
}

#[tokio::test]
async fn a_person_signs_in_with_a_real_provider() {
    if Command::new("node").arg("--version").output().is_err() {
        eprintln!("skipped: node is not installed");
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/oidc");
    assert!(folder.join("node_modules").exists(), "hint: run `npm ci` in tests/oidc");
    let mut child = Command::new("node")
        .arg(folder.join("provider.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut issuer = String::new();
    // Kept open: the provider ends when it cannot print.
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut issuer).unwrap();
    let issuer = issuer.trim();
    let secret = tempfile::NamedTempFile::new().unwrap();
    // With characters that are encoded in the header.
    std::fs::write(secret.path(), "a_secret:_50%_+_/\n").unwrap();
    let end = format!("{ADDRESS}/api/auth/oidc/callback");
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let has_secret = algorithm == "RS256";
        let oidc = OidcSettings {
            client_id: format!("carrel-{algorithm}"),
            client_secret_file: has_secret.then(|| secret.path().to_owned()),
            groups_claim: "groups".to_owned(),
            instructor_groups: vec!["teachers".to_owned()],
            timeout_s: 30,
            ..settings(issuer)
        };
        let clock = Arc::new(carrel_server::FakeClock::new(SystemClock.now_ms()));
        let server = server(oidc, clock);
        let started = server.get(&start_uri(), "").await;
        assert_eq!(started.status, StatusCode::SEE_OTHER, "{}", text(&started));
        let cookie = started.header("set-cookie").split(';').next().unwrap().to_owned();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let mut browser = Follower { http, cookies: BTreeMap::new() };
        let back = browser.follow(started.header("location").to_owned(), &end).await;
        let uri = back.strip_prefix(ADDRESS).unwrap();
        let request = Request::builder().uri(uri).header("cookie", cookie);
        let page = server.send(request.body(Body::empty()).unwrap()).await;
        let body = json!({ "code": code(&page), "verifier": VERIFIER, "deviceId": device(1) });
        let reply: TokenReply = server.post("/api/auth/oidc/redeem", "", &body).await.ok();
        assert_eq!(reply.user.login, "noor.haddad", "{algorithm}");
        assert_eq!(reply.user.role, Role::Instructor, "{algorithm}");
    }
    drop(child.stdin.take());
    child.wait().unwrap();
    drop(stdout);
}
