//! A fake OpenID Connect provider on loopback. `Answers` changes each of its replies.

use std::sync::{Arc, Mutex, MutexGuard};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Response, StatusCode},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use carrel_server::{Clock, FakeClock};
use futures_util::{StreamExt, stream};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use serde_json::{Map, Value, json};
use url::Url;

pub const CLIENT: &str = "carrel-client";
/// A directory in the address of an issuer.
pub const DIRECTORY: &str = "0b6b3f8a-7d5e-4d0a-9c52-2b1d8f3e4a10";

/// A reply in place of the right one.
#[derive(Debug, Clone)]
pub enum Canned {
    Json(u16, Value),
    Text(&'static str),
    /// A redirect to the same address.
    RedirectToItself,
    /// A body without an end.
    Endless,
    /// A body that never comes.
    Silent,
}

/// How the ID token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    Key,
    /// A P-256 key that is published.
    Es256,
    /// A key that is not published, with its own id.
    UnpublishedKey,
    /// A key that is not published, with the id of the published one.
    UnpublishedKeySameId,
    /// HS256 with the published key as the secret.
    HmacOfPublicKey,
    None,
    /// The payload is changed after it was signed.
    ChangedPayload,
}

/// What the provider replies.
#[derive(Clone)]
pub struct Answers {
    /// Fields of the metadata to set; null: without it.
    pub metadata: Vec<(&'static str, Value)>,
    pub metadata_reply: Option<Canned>,
    pub keys_reply: Option<Canned>,
    pub token_reply: Option<Canned>,
    /// Fields of each published key to set.
    pub keys: Vec<(&'static str, Value)>,
    /// Claims to set; null: without it.
    pub claims: Vec<(&'static str, Value)>,
    pub header: Vec<(&'static str, Value)>,
    pub signing: Signing,
    /// The token is this text.
    pub token: Option<&'static str>,
    /// Seed and id of the key.
    pub key: (u8, &'static str),
    /// Seconds to add to the times of the token.
    pub shift_s: i64,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            metadata: Vec::new(),
            metadata_reply: None,
            keys_reply: None,
            token_reply: None,
            keys: Vec::new(),
            claims: Vec::new(),
            header: Vec::new(),
            signing: Signing::Key,
            token: None,
            key: (1, "key 1"),
            shift_s: 0,
        }
    }
}

/// A sign-in at the provider whose code was not redeemed yet.
struct Issued {
    code: String,
    nonce: String,
    challenge: String,
    redirect: String,
}

struct Inner {
    answers: Answers,
    issued: Vec<Issued>,
    next_code: u32,
    /// Requests for the keys.
    key_requests: u32,
}

#[derive(Clone)]
pub struct FakeProvider {
    /// The issuer.
    pub url: String,
    clock: Arc<FakeClock>,
    ec: Arc<EcdsaKeyPair>,
    inner: Arc<Mutex<Inner>>,
}

fn set(object: &mut Value, changes: &[(&'static str, Value)]) {
    let Some(fields) = object.as_object_mut() else { return };
    for (name, value) in changes {
        match value {
            Value::Null => fields.remove(*name),
            value => fields.insert((*name).to_owned(), value.clone()),
        };
    }
}

fn ed25519(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn reply(canned: Canned, own: &str) -> Response<Body> {
    let body = |status: u16, body: Body| {
        let reply = Response::builder().status(status).header("content-type", "application/json");
        reply.body(body).unwrap()
    };
    match canned {
        Canned::Json(status, value) => body(status, Body::from(value.to_string())),
        Canned::Text(text) => body(200, Body::from(text)),
        Canned::RedirectToItself => {
            Response::builder().status(302).header("location", own).body(Body::empty()).unwrap()
        }
        Canned::Endless => {
            let chunks = stream::repeat_with(|| Ok::<_, std::io::Error>("[1,2,3,4]".repeat(1000)));
            body(200, Body::from_stream(chunks))
        }
        Canned::Silent => {
            let start = stream::once(async { Ok::<_, std::io::Error>("{") });
            body(200, Body::from_stream(start.chain(stream::pending())))
        }
    }
}

impl FakeProvider {
    /// Starts a provider whose issuer ends with this path.
    pub async fn start(clock: Arc<FakeClock>, path: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{path}", listener.local_addr().unwrap());
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let ec = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        let inner = Inner {
            answers: Answers::default(),
            issued: Vec::new(),
            next_code: 1,
            key_requests: 0,
        };
        let provider = Self { url, clock, ec: Arc::new(ec), inner: Arc::new(Mutex::new(inner)) };
        let router = Router::new()
            .route(&format!("{path}/.well-known/openid-configuration"), get(metadata))
            .route(&format!("{path}/keys"), get(keys))
            .route(&format!("{path}/token"), post(token))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
    /// Changes what the provider replies from now on.
    pub fn answer(&self, change: impl FnOnce(&mut Answers)) {
        let mut answers = Answers::default();
        change(&mut answers);
        self.inner().answers = answers;
    }
    /// Sets the subject and further claims of the person who signs in.
    pub fn person(&self, subject: &str, claims: &[(&'static str, Value)]) {
        let subject = json!(subject);
        self.answer(|a| a.claims = [&[("sub", subject)], claims].concat());
    }
    pub fn key_requests(&self) -> u32 {
        self.inner().key_requests
    }
    /// Signs in the person at the address to which the browser was sent. Returns the parameters with which the browser
    /// is sent back.
    pub fn authorize(&self, location: &str) -> Vec<(String, String)> {
        let url = Url::parse(location).unwrap();
        assert!(location.starts_with(&format!("{}/authorize?", self.url)), "{location}");
        let value = |name: &str| {
            let found = url.query_pairs().find(|(key, _)| key == name);
            found.unwrap_or_else(|| panic!("{name} is missing: {location}")).1.into_owned()
        };
        assert_eq!(value("response_type"), "code");
        assert_eq!(value("client_id"), CLIENT);
        assert_eq!(value("code_challenge_method"), "S256");
        let mut inner = self.inner();
        let code = format!("code-{}", inner.next_code);
        inner.next_code += 1;
        inner.issued.push(Issued {
            code: code.clone(),
            nonce: value("nonce"),
            challenge: value("code_challenge"),
            redirect: value("redirect_uri"),
        });
        vec![("state".to_owned(), value("state")), ("code".to_owned(), code)]
    }

    fn id_token(&self, answers: &Answers, nonce: &str) -> String {
        if let Some(token) = answers.token {
            return token.to_owned();
        }
        let now_s = self.clock.now_ms() / 1000 + answers.shift_s;
        let mut claims = json!({
            "iss": self.url, "aud": CLIENT, "sub": "person-1", "nonce": nonce,
            "iat": now_s, "exp": now_s + 300, "preferred_username": "noor.haddad", "name": "Noor Haddad",
        });
        set(&mut claims, &answers.claims);
        let (seed, id) = answers.key;
        let (algorithm, id) = match answers.signing {
            Signing::Es256 => ("ES256", "ec"),
            Signing::HmacOfPublicKey => ("HS256", id),
            Signing::None => ("none", id),
            Signing::UnpublishedKey => ("EdDSA", "unpublished"),
            _ => ("EdDSA", id),
        };
        let mut header = json!({ "alg": algorithm, "kid": id, "typ": "JWT" });
        set(&mut header, &answers.header);
        let part = |value: &Value| BASE64.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let message = signed.as_bytes();
        let signature = match answers.signing {
            Signing::Key | Signing::ChangedPayload => ed25519(seed).sign(message).as_ref().to_vec(),
            Signing::UnpublishedKey | Signing::UnpublishedKeySameId => {
                ed25519(99).sign(message).as_ref().to_vec()
            }
            Signing::Es256 => {
                self.ec.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
            }
            Signing::HmacOfPublicKey => {
                let key = ed25519(seed);
                let secret = hmac::Key::new(hmac::HMAC_SHA256, key.public_key().as_ref());
                hmac::sign(&secret, message).as_ref().to_vec()
            }
            Signing::None => Vec::new(),
        };
        let signed = match answers.signing {
            Signing::ChangedPayload => {
                claims["sub"] = json!("administrator");
                format!("{}.{}", part(&header), part(&claims))
            }
            _ => signed,
        };
        format!("{signed}.{}", BASE64.encode(signature))
    }
}

async fn metadata(State(provider): State<FakeProvider>) -> Response<Body> {
    let answers = provider.inner().answers.clone();
    let url = &provider.url;
    let mut document = json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "jwks_uri": format!("{url}/keys"),
        "code_challenge_methods_supported": ["S256"],
        "id_token_signing_alg_values_supported": ["EdDSA"],
    });
    set(&mut document, &answers.metadata);
    let own = format!("{url}/.well-known/openid-configuration");
    reply(answers.metadata_reply.unwrap_or(Canned::Json(200, document)), &own)
}

async fn keys(State(provider): State<FakeProvider>) -> Response<Body> {
    let answers = {
        let mut inner = provider.inner();
        inner.key_requests += 1;
        inner.answers.clone()
    };
    let (seed, id) = answers.key;
    let point = provider.ec.public_key().as_ref();
    let mut published = [
        json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": id,
            "x": BASE64.encode(ed25519(seed).public_key().as_ref()) }),
        json!({ "kty": "EC", "crv": "P-256", "use": "sig", "kid": "ec",
            "x": BASE64.encode(&point[1..33]), "y": BASE64.encode(&point[33..]) }),
        json!({ "kty": "unknown", "kid": "a key of another kind" }),
    ];
    published.iter_mut().for_each(|key| set(key, &answers.keys));
    let document = json!({ "keys": published });
    let own = format!("{}/keys", provider.url);
    reply(answers.keys_reply.unwrap_or(Canned::Json(200, document)), &own)
}

async fn token(State(provider): State<FakeProvider>, body: String) -> Response<Body> {
    let form: Vec<(String, String)> =
        url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let value = |name: &str| {
        form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    };
    let answers = provider.inner().answers.clone();
    let own = format!("{}/token", provider.url);
    if let Some(canned) = answers.token_reply {
        return reply(canned, &own);
    }
    let issued = {
        let mut inner = provider.inner();
        let at = inner.issued.iter().position(|issued| issued.code == value("code"));
        at.map(|at| inner.issued.remove(at))
    };
    let is_valid = |issued: &Issued| {
        issued.redirect == value("redirect_uri")
            && carrel_oidc::challenge_of(value("code_verifier")) == issued.challenge
            && value("grant_type") == "authorization_code"
            && value("client_id") == CLIENT
    };
    let Some(issued) = issued.filter(is_valid) else {
        let status = StatusCode::BAD_REQUEST.as_u16();
        return reply(Canned::Json(status, json!({ "error": "invalid_grant" })), &own);
    };
    let token = provider.id_token(&answers, &issued.nonce);
    let mut fields = Map::new();
    fields.insert("access_token".to_owned(), json!("not used"));
    fields.insert("token_type".to_owned(), json!("Bearer"));
    fields.insert("id_token".to_owned(), json!(token));
    reply(Canned::Json(200, Value::Object(fields)), &own)
}
