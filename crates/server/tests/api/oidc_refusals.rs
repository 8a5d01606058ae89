//! Hostile and broken replies of an identity provider: each ends with a page in words, and there is no account.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{
    fake_provider::{Answers, CLIENT, Canned, Signing},
    oidc::{Browser, Sso, start_uri, text},
    support::fixture,
};

/// What differs in a case.
enum Change {
    /// The replies of the provider.
    Replies(fn(&mut Answers)),
    /// The parameters with which the browser returns.
    Parameters(fn(&mut Vec<(String, String)>)),
    /// The browser returns after this time.
    Late(i64),
    /// Another browser returns.
    Cookie(&'static str),
}

fn put(parameters: &mut Vec<(String, String)>, name: &str, value: &str) {
    parameters.retain(|(key, _)| key != name);
    if !value.is_empty() {
        parameters.push((name.to_owned(), value.to_owned()));
    }
}

/// Name of the case, the change, and a part of the message.
const CASES: &[(&str, Change, &str)] = {
    use Change::{Cookie, Late, Parameters, Replies};
    &[
        ("another nonce", Replies(|a| a.claims = vec![("nonce", json!("x"))]), "(nonce)"),
        ("no nonce", Replies(|a| a.claims = vec![("nonce", Value::Null)]), "claim nonce"),
        (
            "another audience",
            Replies(|a| a.claims = vec![("aud", json!("x"))]),
            "for another client",
        ),
        (
            "audiences without this one",
            Replies(|a| a.claims = vec![("aud", json!(["x", "y"]))]),
            "for another client",
        ),
        ("no audience", Replies(|a| a.claims = vec![("aud", Value::Null)]), "claim aud"),
        ("several audiences", Replies(|a| a.claims = vec![("aud", json!([CLIENT, "x"]))]), "(azp)"),
        ("another authorized party", Replies(|a| a.claims = vec![("azp", json!("x"))]), "(azp)"),
        ("expired", Replies(|a| a.claims = vec![("exp", json!(1_700_000_000))]), "has expired"),
        ("no expiry", Replies(|a| a.claims = vec![("exp", Value::Null)]), "claim exp"),
        (
            "expiry as a text",
            Replies(|a| a.claims = vec![("exp", json!("9999999999"))]),
            "claim exp",
        ),
        (
            "issued in the future",
            Replies(|a| a.claims = vec![("iat", json!(9_000_000_000_i64))]),
            "from the future",
        ),
        (
            "valid in the future",
            Replies(|a| a.claims = vec![("nbf", json!(9_000_000_000_i64))]),
            "from the future",
        ),
        ("no time of issue", Replies(|a| a.claims = vec![("iat", Value::Null)]), "claim iat"),
        ("no subject", Replies(|a| a.claims = vec![("sub", Value::Null)]), "claim sub"),
        ("an empty subject", Replies(|a| a.claims = vec![("sub", json!(""))]), "claim sub"),
        ("a number as subject", Replies(|a| a.claims = vec![("sub", json!(1))]), "claim sub"),
        (
            "a long subject",
            Replies(|a| a.claims = vec![("sub", json!("x".repeat(256)))]),
            "claim sub",
        ),
        (
            "another issuer",
            Replies(|a| a.claims = vec![("iss", json!("https://evil.example"))]),
            "another issuer",
        ),
        ("no issuer", Replies(|a| a.claims = vec![("iss", Value::Null)]), "claim iss"),
        (
            "no login",
            Replies(|a| a.claims = vec![("preferred_username", Value::Null)]),
            "no login that can be used",
        ),
        (
            "a bad login",
            Replies(|a| a.claims = vec![("preferred_username", json!("a b\u{202e}"))]),
            "no login that",
        ),
        ("alg none", Replies(|a| a.signing = Signing::None), "&quot;none&quot;"),
        (
            "HS256 with the public key",
            Replies(|a| a.signing = Signing::HmacOfPublicKey),
            "&quot;HS256&quot;",
        ),
        (
            "an unknown algorithm",
            Replies(|a| a.header = vec![("alg", json!("PS256"))]),
            "&quot;PS256&quot;",
        ),
        (
            "the algorithm of another key",
            Replies(|a| a.header = vec![("alg", json!("ES256"))]),
            "no key of the provider",
        ),
        (
            "a key that is not published",
            Replies(|a| a.signing = Signing::UnpublishedKey),
            "no key of the provider",
        ),
        (
            "another key with the same id",
            Replies(|a| a.signing = Signing::UnpublishedKeySameId),
            "signature is wrong",
        ),
        (
            "a changed payload",
            Replies(|a| a.signing = Signing::ChangedPayload),
            "signature is wrong",
        ),
        ("extensions", Replies(|a| a.header = vec![("crit", json!(["b64"]))]), "extensions"),
        ("no algorithm", Replies(|a| a.header = vec![("alg", Value::Null)]), "not a signed JWT"),
        ("an encrypted token", Replies(|a| a.token = Some("a.b.c.d.e")), "is encrypted"),
        ("not a token", Replies(|a| a.token = Some("token")), "three parts"),
        ("not base64", Replies(|a| a.token = Some("a+/=.b.c")), "not base64url"),
        (
            "a key for encryption",
            Replies(|a| a.keys = vec![("use", json!("enc"))]),
            "no key of the provider",
        ),
        (
            "a key for another algorithm",
            Replies(|a| a.keys = vec![("alg", json!("RS256"))]),
            "no key of the provider",
        ),
        ("a broken key", Replies(|a| a.keys = vec![("x", json!("AA"))]), "signature is wrong"),
        (
            "no keys",
            Replies(|a| a.keys_reply = Some(Canned::Json(200, json!({ "keys": [] })))),
            "no key of the provider",
        ),
        (
            "keys that are not JSON",
            Replies(|a| a.keys_reply = Some(Canned::Text("<html>"))),
            "list of keys",
        ),
        (
            "keys without an end",
            Replies(|a| a.keys_reply = Some(Canned::Endless)),
            "list of keys of the identity provider cannot be used: it has more than",
        ),
        (
            "keys that redirect",
            Replies(|a| a.keys_reply = Some(Canned::RedirectToItself)),
            "an error or a redirect",
        ),
        (
            "keys that never come",
            Replies(|a| a.keys_reply = Some(Canned::Silent)),
            "takes too long",
        ),
        (
            "a token endpoint that redirects",
            Replies(|a| a.token_reply = Some(Canned::RedirectToItself)),
            "reply of the token endpoint",
        ),
        (
            "a token reply that is not JSON",
            Replies(|a| a.token_reply = Some(Canned::Text("no"))),
            "not the expected JSON",
        ),
        (
            "a token reply without an end",
            Replies(|a| a.token_reply = Some(Canned::Endless)),
            "it has more than",
        ),
        (
            "a token reply that never comes",
            Replies(|a| a.token_reply = Some(Canned::Silent)),
            "takes too long",
        ),
        (
            "a token reply without a token",
            Replies(|a| a.token_reply = Some(Canned::Json(200, json!({})))),
            "missing in the reply",
        ),
        (
            "a refused code",
            Replies(|a| {
                a.token_reply = Some(Canned::Json(400, json!({ "error": "invalid_grant" })))
            }),
            "invalid_grant",
        ),
        (
            "markup in an error",
            Replies(|a| a.token_reply = Some(Canned::Json(400, json!({ "error": "<script>" })))),
            "&lt;script&gt;",
        ),
        (
            "an error without a code",
            Replies(|a| a.token_reply = Some(Canned::Json(500, json!([])))),
            "not the expected JSON",
        ),
        ("a cancelled sign-in", Parameters(|p| put(p, "error", "access_denied")), "access_denied"),
        ("no code", Parameters(|p| put(p, "code", "")), "it sent no code"),
        ("an unknown code", Parameters(|p| put(p, "code", "code-0")), "invalid_grant"),
        (
            "the reply of another provider",
            Parameters(|p| put(p, "iss", "https://evil.example")),
            "another identity provider",
        ),
        ("another state", Parameters(|p| put(p, "state", "x")), "unknown or has expired"),
        ("no state", Parameters(|p| put(p, "state", "")), "unknown or has expired"),
        ("too late", Late(15 * 60_000), "unknown or has expired"),
        ("another browser", Cookie("carrel_sign_in=x"), "unknown or has expired"),
        ("a browser without the cookie", Cookie("a=b"), "unknown or has expired"),
    ]
};

#[tokio::test]
async fn each_hostile_reply_ends_with_a_page_in_words_and_no_account() {
    assert!(CASES.len() >= 25);
    let sso = Sso::new().await;
    for (name, change, message) in CASES {
        // Metadata and keys are read again.
        sso.server.clock.advance(2 * 3_600_000);
        sso.provider.answer(|_| ());
        let Browser { location, mut cookie } = sso.begin().await;
        let mut parameters = sso.provider.authorize(&location);
        match change {
            Change::Replies(change) => sso.provider.answer(change),
            Change::Parameters(change) => change(&mut parameters),
            Change::Late(ms) => sso.server.clock.advance(*ms),
            Change::Cookie(other) => cookie = (*other).to_owned(),
        }
        let page = sso.return_with(&cookie, &parameters).await;
        let shown = text(&page);
        assert!(page.status.is_client_error() || page.status.is_server_error(), "{name}: {shown}");
        assert!(page.header("content-type").starts_with("text/html"), "{name}: {shown}");
        assert!(shown.contains("The sign-in failed") && shown.contains(message), "{name}: {shown}");
        assert!(!shown.contains("carrel://"), "{name}");
        assert_eq!(sso.accounts(), 0, "{name}");
        assert_eq!(fixture().count(&sso.server.folder(), "external_code"), 0, "{name}");
        // The same reply again, as of somebody who has seen it.
        let again = sso.return_with(&cookie, &parameters).await;
        assert!(!again.status.is_success(), "{name}");
    }
    // The right reply is accepted, once.
    sso.server.clock.advance(2 * 3_600_000);
    sso.provider.answer(|_| ());
    let browser = sso.begin().await;
    let parameters = sso.provider.authorize(&browser.location);
    assert_eq!(sso.return_with(&browser.cookie, &parameters).await.status, StatusCode::OK);
    let replayed = sso.return_with(&browser.cookie, &parameters).await;
    assert_eq!(replayed.status, StatusCode::BAD_REQUEST, "{}", text(&replayed));
    // A code of the provider that was redeemed is refused by it, with another state too.
    let browser = sso.begin().await;
    let mut second = sso.provider.authorize(&browser.location);
    put(&mut second, "code", &parameters[1].1);
    assert_eq!(sso.return_with(&browser.cookie, &second).await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(sso.accounts(), 1);
}

#[tokio::test]
async fn the_reply_to_one_sign_in_does_not_finish_another() {
    let sso = Sso::new().await;
    let (mine, theirs) = (sso.begin().await, sso.begin().await);
    let reply = sso.provider.authorize(&theirs.location);
    // The state of another browser.
    assert_eq!(sso.return_with(&mine.cookie, &reply).await.status, StatusCode::BAD_REQUEST);
    // One's own state, with the code of the other sign-in: nonce and PKCE differ.
    let mut mixed = sso.provider.authorize(&mine.location);
    let other = sso.provider.authorize(&theirs.location);
    put(&mut mixed, "code", &other[1].1);
    assert_eq!(sso.return_with(&mine.cookie, &mixed).await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(sso.accounts(), 0);
}

/// Name of a case, the change of the replies, and a part of the message.
type MetadataCase = (&'static str, fn(&mut Answers), &'static str);

/// Metadata that cannot be used: the browser is not sent anywhere.
const METADATA: &[MetadataCase] = &[
    ("redirects", |a| a.metadata_reply = Some(Canned::RedirectToItself), "an error or a redirect"),
    (
        "an error",
        |a| a.metadata_reply = Some(Canned::Json(500, json!({}))),
        "an error or a redirect",
    ),
    ("not JSON", |a| a.metadata_reply = Some(Canned::Text("<html>")), "not the expected JSON"),
    ("without an end", |a| a.metadata_reply = Some(Canned::Endless), "it has more than"),
    ("never comes", |a| a.metadata_reply = Some(Canned::Silent), "takes too long"),
    (
        "of another issuer",
        |a| a.metadata = vec![("issuer", json!("https://evil.example"))],
        "the issuer is",
    ),
    ("without keys", |a| a.metadata = vec![("jwks_uri", Value::Null)], "jwks_uri"),
    (
        "keys on another host",
        |a| a.metadata = vec![("jwks_uri", json!("https://evil.example/keys"))],
        "oidc.allowed_hosts",
    ),
    (
        "a token endpoint on another port",
        |a| a.metadata = vec![("token_endpoint", json!("http://127.0.0.1:1/token"))],
        "oidc.allowed_hosts",
    ),
    (
        "a token endpoint without TLS",
        |a| a.metadata = vec![("token_endpoint", json!("http://login.school.example/token"))],
        "not an https address",
    ),
    (
        "an authorization endpoint that is a script",
        |a| a.metadata = vec![("authorization_endpoint", json!("javascript:alert(1)"))],
        "not an https address",
    ),
    (
        "without PKCE",
        |a| a.metadata = vec![("code_challenge_methods_supported", json!(["plain"]))],
        "PKCE",
    ),
];

#[tokio::test]
async fn metadata_that_cannot_be_used_sends_the_browser_nowhere() {
    let sso = Sso::new().await;
    for (name, change, message) in METADATA {
        sso.server.clock.advance(2 * 3_600_000);
        sso.provider.answer(change);
        let page = sso.server.get(&start_uri(), "").await;
        assert_eq!(page.status, StatusCode::BAD_GATEWAY, "{name}");
        assert!(text(&page).contains(message), "{name}: {}", text(&page));
        assert_eq!(page.header("location"), "");
        // Not requested again at once.
        assert_eq!(
            sso.server.get(&start_uri(), "").await.status,
            StatusCode::BAD_GATEWAY,
            "{name}"
        );
    }
    assert_eq!(fixture().count(&sso.server.folder(), "external_flow"), 0);
}

#[tokio::test]
async fn a_provider_that_requires_the_issuer_in_its_reply_is_obeyed() {
    let sso = Sso::new().await;
    let requires = |a: &mut Answers| {
        a.metadata = vec![("authorization_response_iss_parameter_supported", json!(true))];
    };
    sso.provider.answer(requires);
    assert_eq!(sso.browse().await.status, StatusCode::BAD_GATEWAY);
    let browser = sso.begin().await;
    let mut parameters = sso.provider.authorize(&browser.location);
    put(&mut parameters, "iss", &sso.provider.url);
    assert_eq!(sso.return_with(&browser.cookie, &parameters).await.status, StatusCode::OK);
}

#[tokio::test]
async fn requests_of_an_app_that_cannot_be_right_are_refused() {
    let sso = Sso::new().await;
    let device = "00000000-0000-0000-0000-000000000001";
    for query in [
        String::new(),
        format!("challenge=short&device={device}"),
        format!("challenge={}&device={device}", "+".repeat(43)),
        format!("challenge={}&device=x", "a".repeat(43)),
        format!("challenge={}&device={device}&redirect=https://evil.example", "a".repeat(43)),
    ] {
        let reply = sso.server.get(&format!("/api/auth/oidc/start?{query}"), "").await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{query}");
    }
}
