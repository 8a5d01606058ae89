//! The session with one server: attaches the access token to each request, and on a 401 refreshes once and sends again.
//!
//! However many requests find the token too old at once, one refresh is made. A new refresh token is on the disk before anything is
//! done with it; a reply that got lost on the way is covered by the server's grace of 60 s. Only the server's own word (problem details
//! with 401 or 403 from the refresh) ends a session: never a dead network, never the sign-in page of a Wi-Fi.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use carrel_model::{
    ErrorCode,
    wire::{Problem, RefreshRequest, TokenReply, UserInfo},
};
use carrel_system::{Clock, blocking};
use futures_util::stream;
use http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};

use crate::{
    Error, Failure, FailureKind, Http, Reply, Request, Result,
    reply::{ReplyClass, read_small},
};

/// Small secrets by name. Calls may block for a few seconds: not on the threads that serve everybody.
pub trait SecretStore: Send + Sync + 'static {
    fn get(&self, name: &str) -> Result<Option<String>>;
    fn set(&self, name: &str, secret: &str) -> Result<()>;
    fn delete(&self, name: &str) -> Result<()>;
    /// True if secrets lie in a file because the keychain does not work: people are told.
    fn fallback_in_use(&self) -> bool {
        false
    }
}

/// Problem details and token replies are small.
const LIMIT: usize = 64 * 1024;

/// What a sign-in gives.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
    /// How long the refresh token is good from the moment it came, in ms; 0 if nobody said.
    #[serde(default)]
    pub refresh_ms: i64,
    /// Until when that is (UTC, ms); 0 if it is not known.
    #[serde(default)]
    pub good_until_ms: i64,
    /// The server's proof that the account exists, sent back with each refresh; empty if there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub certificate: String,
}

impl From<&TokenReply> for Tokens {
    fn from(reply: &TokenReply) -> Self {
        Self {
            access: reply.access_token.clone(),
            refresh: reply.refresh_token.clone(),
            refresh_ms: reply.refresh_expires_in_ms,
            good_until_ms: 0,
            certificate: reply.account_certificate.clone(),
        }
    }
}

/// An `Http` that is signed in. Clones share the session.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
}

struct Shared {
    http: Arc<dyn Http>,
    base: String,
    /// The name of the tokens in the secret store: the account's id.
    account: String,
    secrets: Arc<dyn SecretStore>,
    clock: OnceLock<Arc<dyn Clock>>,
    tokens: Mutex<State>,
    ended: watch::Sender<bool>,
    /// What the last refresh said of the learner.
    user: watch::Sender<Option<(UserInfo, String)>>,
    /// True once tokens were found in the secret store.
    found: watch::Sender<bool>,
}

enum State {
    /// In the secret store, not read yet.
    Stored,
    Have(Tokens),
    Ended,
}

/// What a refresh came to.
enum Refreshed {
    Fresh(String),
    Ended,
    /// The server, or something before it, has another fault: to be handed on as it is.
    Fault(Reply),
}

impl Session {
    /// The session of `account` with the server at `base` (no slash at the end). Tokens are read when they are first needed.
    pub fn new(
        http: Arc<dyn Http>,
        base: &str,
        account: &str,
        secrets: Arc<dyn SecretStore>,
    ) -> Self {
        let shared = Shared {
            http,
            base: base.to_owned(),
            account: account.to_owned(),
            secrets,
            clock: OnceLock::new(),
            tokens: Mutex::new(State::Stored),
            ended: watch::Sender::new(false),
            user: watch::Sender::new(None),
            found: watch::Sender::new(false),
        };
        Self { shared: Arc::new(shared) }
    }

    /// With a clock the session knows how long it lasts.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        let _ = self.shared.clock.set(clock);
        self
    }

    /// Until when the sign-in lasts if the server is not met meanwhile (UTC, ms); none if it is not known, or over.
    pub async fn good_until_ms(&self) -> Option<i64> {
        let mut state = self.shared.tokens.lock().await;
        let tokens = self.shared.load(&mut state).await.ok().flatten()?;
        (tokens.good_until_ms > 0).then_some(tokens.good_until_ms)
    }

    /// True once the server said that the session is over, or there are no tokens; false again after `renew`.
    pub fn ended(&self) -> watch::Receiver<bool> {
        self.shared.ended.subscribe()
    }
    /// The learner and the account certificate, as the last refresh told them.
    pub fn user(&self) -> watch::Receiver<Option<(UserInfo, String)>> {
        self.shared.user.subscribe()
    }
    /// Sends a request without a token, also when the session is over: for what the server tells everybody.
    pub async fn send_without_token(&self, request: Request) -> Result<Reply, Failure> {
        self.shared.http.send(request).await
    }
    /// True once tokens were found in the secret store: whatever was noted in an earlier run, the learner is signed in.
    pub fn found(&self) -> watch::Receiver<bool> {
        self.shared.found.subscribe()
    }
    pub fn is_ended(&self) -> bool {
        *self.shared.ended.borrow()
    }

    /// New tokens after signing in again.
    pub async fn renew(&self, tokens: Tokens) -> Result<()> {
        let tokens = self.shared.dated(tokens);
        let mut state = self.shared.tokens.lock().await;
        self.shared.persist(&tokens).await?;
        *state = State::Have(tokens);
        self.shared.found.send_replace(true);
        self.shared.ended.send_replace(false);
        Ok(())
    }

    /// Forgets the tokens. Gives the refresh token, so that the server can be told.
    pub async fn drop_tokens(&self) -> Result<Option<String>> {
        let mut state = self.shared.tokens.lock().await;
        let tokens = self.shared.load(&mut state).await.unwrap_or_else(|e| {
            tracing::warn!(error = %e, "the tokens could not be read: the server is not told of the sign-out");
            None
        });
        *state = State::Ended;
        self.shared.ended.send_replace(true);
        self.shared.forget().await?;
        Ok(tokens.map(|t| t.refresh))
    }

    async fn refresh(&self, used: String) -> Result<Refreshed, Failure> {
        let shared = self.shared.clone();
        // Not cut off by whoever waits for it: a rotated token must reach the disk.
        let done = tokio::spawn(async move { shared.refresh(&used).await }).await;
        done.unwrap_or_else(|e| {
            Err(Failure::new(FailureKind::Broken, format!("the refresh ended badly: {e}")))
        })
    }
}

impl Shared {
    fn dated(&self, mut tokens: Tokens) -> Tokens {
        if let Some(clock) = self.clock.get()
            && tokens.refresh_ms > 0
        {
            tokens.good_until_ms = clock.now_ms().saturating_add(tokens.refresh_ms);
        }
        tokens
    }
    /// `Err`: the secret store does not answer now. Nothing follows from that, and it is asked again at the next use.
    async fn load(&self, state: &mut State) -> Result<Option<Tokens>> {
        if let State::Stored = state {
            let (secrets, name) = (self.secrets.clone(), self.account.clone());
            let found = blocking(move || secrets.get(&name)).await?;
            // What cannot be read is as good as none: sign in again.
            *state = match found.and_then(|text| serde_json::from_str(&text).ok()) {
                Some(tokens) => {
                    self.found.send_replace(true);
                    State::Have(tokens)
                }
                None => {
                    self.ended.send_replace(true);
                    State::Ended
                }
            };
        }
        Ok(match state {
            State::Have(tokens) => Some(tokens.clone()),
            _ => None,
        })
    }
    async fn persist(&self, tokens: &Tokens) -> Result<()> {
        let (secrets, name, text) =
            (self.secrets.clone(), self.account.clone(), serde_json::to_string(tokens)?);
        blocking(move || secrets.set(&name, &text)).await
    }
    async fn forget(&self) -> Result<()> {
        let (secrets, name) = (self.secrets.clone(), self.account.clone());
        blocking(move || secrets.delete(&name)).await
    }

    async fn access(&self) -> Result<Option<String>, Failure> {
        let mut state = self.tokens.lock().await;
        let tokens = self.load(&mut state).await.map_err(unreadable)?;
        Ok(tokens.map(|t| t.access))
    }

    async fn refresh(&self, used: &str) -> Result<Refreshed, Failure> {
        // Held until the end: one refresh at a time.
        let mut state = self.tokens.lock().await;
        let Some(tokens) = self.load(&mut state).await.map_err(unreadable)? else {
            return Ok(Refreshed::Ended);
        };
        if tokens.access != used {
            // Somebody else was faster.
            return Ok(Refreshed::Fresh(tokens.access));
        }
        let url = format!("{}/api/auth/refresh", self.base);
        let Tokens { refresh, certificate, .. } = tokens;
        let body =
            RefreshRequest { refresh_token: refresh, account_certificate: certificate.clone() };
        let request = Request::post_json(&url, &body)
            .map_err(|e| Failure::new(FailureKind::Request, e.to_string()))?;
        let reply = self.http.send(request).await?;
        let (classified, headers, body) = read_small(reply, LIMIT).await?;
        match classified.status {
            200..=299 => {
                let strange = |_| {
                    Failure::new(
                        FailureKind::Broken,
                        "the answer to a refresh is not a Carrel server's",
                    )
                };
                let fresh: TokenReply = serde_json::from_slice(&body).map_err(strange)?;
                let mut tokens = self.dated(Tokens::from(&fresh));
                if tokens.certificate.is_empty() {
                    tokens.certificate = certificate;
                }
                if let Err(e) = self.persist(&tokens).await {
                    // It is still good until the end of this run.
                    tracing::error!(error = %e, "the new token could not be saved");
                }
                let access = tokens.access.clone();
                self.user.send_replace(Some((fresh.user, tokens.certificate.clone())));
                *state = State::Have(tokens);
                Ok(Refreshed::Fresh(access))
            }
            401 | 403 if classified.problem.is_some() => {
                tracing::info!("the session ended: sign in again");
                *state = State::Ended;
                if let Err(e) = self.forget().await {
                    tracing::warn!(error = %e, "the old tokens could not be deleted");
                }
                self.ended.send_replace(true);
                Ok(Refreshed::Ended)
            }
            status => Ok(Refreshed::Fault(of_bytes(status, headers, body))),
        }
    }
}

#[async_trait]
impl Http for Session {
    async fn send(&self, request: Request) -> Result<Reply, Failure> {
        let ours = request
            .url
            .strip_prefix(self.shared.base.as_str())
            .is_some_and(|rest| rest.starts_with('/'));
        if !ours {
            // A token is shown to nobody else.
            return self.shared.http.send(request).await;
        }
        let Some(access) = self.shared.access().await? else { return Ok(sign_in_again()) };
        let reply = self.shared.http.send(with_token(&request, &access)).await?;
        if reply.status != 401 {
            return Ok(reply);
        }
        let (classified, headers, body) = read_small(reply, LIMIT).await?;
        let reply = of_bytes(classified.status, headers, body);
        if classified.class != ReplyClass::Unauthenticated {
            return Ok(reply);
        }
        match self.refresh(access).await? {
            Refreshed::Fresh(access) => self.shared.http.send(with_token(&request, &access)).await,
            Refreshed::Ended => Ok(reply),
            Refreshed::Fault(fault) => Ok(fault),
        }
    }
}

fn with_token(request: &Request, access: &str) -> Request {
    let mut request = request.clone();
    if let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {access}")) {
        value.set_sensitive(true);
        request.headers.insert(header::AUTHORIZATION, value);
    }
    request
}

fn of_bytes(status: u16, headers: HeaderMap, body: Bytes) -> Reply {
    Reply { status, headers, body: Box::pin(stream::iter([Ok(body)])) }
}

fn unreadable(e: Error) -> Failure {
    Failure::new(FailureKind::Broken, format!("the tokens cannot be read: {e}"))
}

/// What is answered here, without the network, once the session is over.
fn sign_in_again() -> Reply {
    let problem = Problem {
        problem_type: "about:blank#unauthenticated".into(),
        title: "sign in again".into(),
        status: 401,
        code: ErrorCode::Unauthenticated,
        detail: "the session is over".into(),
        hint: "sign in again; everything that waits is kept".into(),
        retryable: false,
        correlation_id: String::new(),
        retry_after_ms: None,
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    of_bytes(401, headers, serde_json::to_vec(&problem).unwrap_or_default().into())
}
