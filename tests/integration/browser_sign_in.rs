//! Sign-in with an identity provider, from the button of the UI over browser, server and provider to the open account.

use std::sync::{Arc, Mutex};

use axum::{Json, Router, extract::State, routing};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use carrel_client::open_request::{Link, OpenRequest};
use carrel_commands::dispatch;
use carrel_net::{Http, Request};
use carrel_server::{Settings, oidc::OidcSettings};
use carrel_testkit::{FakeClock, ManagedDevice, TestServer};
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use url::Url;

use crate::client::{CommandHost, finish_section, live_http, rows, sync};

const ADDRESS: &str = "https://school.example";

/// A provider that signs in one person.
#[derive(Clone)]
struct Provider {
    url: String,
    clock: FakeClock,
    key: Arc<SigningKey>,
    nonce: Arc<Mutex<String>>,
}

impl Provider {
    async fn start(clock: &FakeClock) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let key = Arc::new(SigningKey::from_bytes(&[7; 32]));
        let provider = Self { url, clock: clock.clone(), key, nonce: Arc::default() };
        let router = Router::new()
            .route("/.well-known/openid-configuration", routing::get(Self::metadata))
            .route("/keys", routing::get(Self::keys))
            .route("/token", routing::post(Self::token))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }
    async fn metadata(State(provider): State<Self>) -> Json<Value> {
        let url = &provider.url;
        Json(json!({ "issuer": url, "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"), "jwks_uri": format!("{url}/keys") }))
    }
    async fn keys(State(provider): State<Self>) -> Json<Value> {
        let x = BASE64.encode(provider.key.verifying_key().as_bytes());
        Json(json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": x }] }))
    }
    async fn token(State(provider): State<Self>) -> Json<Value> {
        use carrel_system::Clock;
        let now_s = provider.clock.now_ms() / 1000;
        let nonce = provider.nonce.lock().expect("the nonce").clone();
        let claims = json!({ "iss": provider.url, "aud": "carrel", "sub": "person-1", "nonce": nonce,
            "iat": now_s, "exp": now_s + 300, "preferred_username": "noor", "name": "Noor" });
        let part = |value: Value| BASE64.encode(value.to_string());
        let signed = format!("{}.{}", part(json!({ "alg": "EdDSA" })), part(claims));
        let signature = BASE64.encode(provider.key.sign(signed.as_bytes()).to_bytes());
        Json(json!({ "id_token": format!("{signed}.{signature}") }))
    }
}

/// Follows the browser from the address that the app opens to the page at the end. Returns the link to the app.
async fn browse(http: &dyn Http, server: &TestServer, provider: &Provider, url: &str) -> String {
    let started = http.send(Request::get(url)).await.expect("a reply");
    assert_eq!(started.status, 303);
    let location = Url::parse(started.header(http::header::LOCATION).expect("a location"))
        .expect("an address");
    let cookie = started.header(http::header::SET_COOKIE).expect("a cookie");
    let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    let value = |name: &str| {
        let found = location.query_pairs().find(|(key, _)| key == name);
        found.expect("a parameter").1.into_owned()
    };
    assert_eq!(value("redirect_uri"), format!("{ADDRESS}/api/auth/oidc/callback"));
    *provider.nonce.lock().expect("the nonce") = value("nonce");
    let back = format!("{}/api/auth/oidc/callback?state={}&code=x", server.url(), value("state"));
    let request = Request::get(back).header(http::header::COOKIE, &cookie);
    let page = http.send(request).await.expect("a page");
    assert_eq!(page.status, 200);
    let page = page.bytes(100_000).await.expect("a page");
    let page = String::from_utf8_lossy(&page).into_owned();
    let start = page.find("carrel://").expect("a link");
    let link = &page[start..];
    link[..link.find('"').expect("its end")].replace("&amp;", "&")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_learner_signs_in_with_a_school_account_and_syncs() {
    let clock = FakeClock::noon();
    let provider = Provider::start(&clock).await;
    let oidc = OidcSettings {
        issuer: provider.url.clone(),
        client_id: "carrel".to_owned(),
        create_accounts: true,
        ..OidcSettings::default()
    };
    let settings =
        Settings { oidc: Some(oidc), address: ADDRESS.to_owned(), ..Settings::default() };
    let server = TestServer::with_library_and(&clock, settings).await;
    let http = live_http();
    let mut accounts = Vec::new();
    for seed in [1, 2] {
        let device = ManagedDevice::new(&clock, seed, &json!({})).await;
        let host = CommandHost { client: device.client.clone() };
        let call = |command: &'static str, request: Value| dispatch(&host, command, request);
        let checked =
            call("check_server", json!({ "address": server.url() })).await.expect("a server");
        assert_eq!(checked["externalSignIn"], "School account");
        let begun = call("begin_browser_sign_in", json!({ "address": server.url() })).await;
        let url = begun.expect("a sign-in")["url"].as_str().expect("an address").to_owned();
        let link = browse(http.as_ref(), &server, &provider, &url).await;
        let OpenRequest::Link(Link::SignIn { server: named, code }) = OpenRequest::of_link(&link)
        else {
            panic!("{link}")
        };
        assert_eq!(named, ADDRESS);
        // A device that saw the link, but did not begin the sign-in.
        let other = ManagedDevice::new(&clock, 10 + seed, &json!({})).await;
        let thief = CommandHost { client: other.client.clone() };
        let stolen = dispatch(&thief, "finish_browser_sign_in", json!({ "code": code })).await;
        assert!(stolen.is_err());
        let state =
            call("finish_browser_sign_in", json!({ "code": code })).await.expect("signed in");
        assert_eq!(state["account"]["user"]["login"], "noor");
        accounts.push(state["account"]["user"]["id"].clone());
        let account = host.client.account().expect("an open account");
        if seed == 1 {
            account.learning.record(finish_section(3)).await.expect("recorded");
        }
        sync(&account).await;
        assert!(!rows(&account).await.is_empty(), "the work of the first device");
        drop(account);
        other.client.close().await;
        device.client.close().await;
    }
    assert_eq!(accounts[0], accounts[1]);
}
