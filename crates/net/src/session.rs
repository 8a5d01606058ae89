//! The session with one server: adds the access token to each request. After a reply 401 it refreshes the token and
//! sends the request again.
//!
//! Concurrent requests with an expired token share one refresh. A new refresh token is stored before it is used. If the
//! reply to a refresh is lost, the server accepts the previous token for another 60 s. Only a reply 401 or 403 with
//! problem details to a refresh ends a session; a network failure or a captive portal does not.

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
use tracing::Instrument;

use crate::{
    Error, Failure, FailureKind, Http, NetworkCause, NetworkSettings, Reply, Request, Result,
    reachability::{Contact, Reachability},
    reply::{ReplyClass, read_small},
};

/// Stores small secrets by name. Calls may block for a few seconds and must be made on a blocking thread.
pub trait SecretStore: Send + Sync + 'static {
    /// Returns a secret; `None` if it does not exist.
    fn get(&self, name: &str) -> Result<Option<String>>;
    /// Stores or replaces a secret.
    fn set(&self, name: &str, secret: &str) -> Result<()>;
    /// Deletes a secret; succeeds if it does not exist.
    fn delete(&self, name: &str) -> Result<()>;
    /// Returns true if secrets are stored in a file because the keychain does not work.
    fn fallback_in_use(&self) -> bool {
        false
    }
}

/// Maximum size of problem details and token replies in bytes.
const MAX_SMALL_REPLY_BYTES: usize = 64 * 1024;

/// The tokens of a session, as stored in the secret store.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Access token.
    pub access: String,
    /// Refresh token.
    pub refresh: String,
    /// Validity of the refresh token from its receipt, in ms; 0 if unknown.
    #[serde(default)]
    pub refresh_ms: i64,
    /// End of that validity (UTC, ms); 0 if unknown.
    #[serde(default)]
    pub good_until_ms: i64,
    /// The server's account certificate, sent with each refresh; empty if there is none.
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

/// An `Http` that adds the access token. Clones share the session.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
}

struct Shared {
    http: Arc<dyn Http>,
    base: String,
    /// Id of the account, under which the secret store contains the tokens.
    account: String,
    secrets: Arc<dyn SecretStore>,
    clock: OnceLock<Arc<dyn Clock>>,
    tokens: Mutex<State>,
    ended: watch::Sender<bool>,
    /// User and account certificate from the last refresh.
    user: watch::Sender<Option<(UserInfo, String)>>,
    /// True after tokens were found in the secret store.
    tokens_found: watch::Sender<bool>,
    reachability: Reachability,
}

enum State {
    /// In the secret store, not yet read.
    Stored,
    Loaded(Tokens),
    Ended,
}

/// Result of a refresh.
enum Refreshed {
    Fresh(String),
    Ended,
    /// The server, or a proxy in front of it, replied with another error, which is returned unchanged.
    Fault(Reply),
}

impl Session {
    /// Creates the session of `account` with the server at `base` (without a trailing slash). Tokens are read on first
    /// use.
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
            tokens_found: watch::Sender::new(false),
            reachability: Reachability::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Sets the clock, which is needed to compute the end of the session and to notice requests without a reply.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        let _ = self.shared.clock.set(clock);
        self
    }

    /// Returns when the session ends if the server is not reached before (UTC, ms); `None` if unknown or if the session
    /// has ended.
    pub async fn good_until_ms(&self) -> Option<i64> {
        let mut state = self.shared.tokens.lock().await;
        let tokens = self.shared.load(&mut state).await.ok().flatten()?;
        (tokens.good_until_ms > 0).then_some(tokens.good_until_ms)
    }

    /// True after the server ended the session or the tokens were deleted, or if there are none; false again after
    /// `renew`.
    pub fn ended(&self) -> watch::Receiver<bool> {
        self.shared.ended.subscribe()
    }
    /// User and account certificate from the last refresh.
    pub fn user(&self) -> watch::Receiver<Option<(UserInfo, String)>> {
        self.shared.user.subscribe()
    }
    /// Whether the server can be reached, as observed from all requests to it.
    pub fn contact(&self) -> watch::Receiver<Contact> {
        self.shared.reachability.contact()
    }
    /// Returns why the last request to the server failed; `None` after a reply, or if the cause is not known.
    pub fn network_cause(&self) -> Option<NetworkCause> {
        self.shared.reachability.cause()
    }
    /// Sends a request without a token, even after the session ended: for public routes.
    pub async fn send_without_token(&self, request: Request) -> Result<Reply, Failure> {
        self.shared.send(request).await
    }
    /// True after tokens were found in the secret store or stored by `renew`: the learner is signed in, even if an
    /// earlier run recorded that the session ended.
    pub fn tokens_found(&self) -> watch::Receiver<bool> {
        self.shared.tokens_found.subscribe()
    }
    /// Returns true if the session has ended. See `ended`.
    pub fn is_ended(&self) -> bool {
        *self.shared.ended.borrow()
    }

    /// Stores new tokens after the learner has signed in again.
    pub async fn renew(&self, tokens: Tokens) -> Result<()> {
        let tokens = self.shared.with_expiry(tokens);
        let mut state = self.shared.tokens.lock().await;
        self.shared.persist(&tokens).await?;
        *state = State::Loaded(tokens);
        self.shared.tokens_found.send_replace(true);
        self.shared.ended.send_replace(false);
        Ok(())
    }

    /// Deletes the tokens. Returns the refresh token, with which the sign-in can be ended on the server.
    pub async fn drop_tokens(&self) -> Result<Option<String>> {
        let mut state = self.shared.tokens.lock().await;
        let tokens = self.shared.load(&mut state).await.unwrap_or_else(|e| {
            tracing::warn!(error = %e, "the tokens cannot be read: the server is not informed of the sign-out");
            None
        });
        *state = State::Ended;
        self.shared.ended.send_replace(true);
        self.shared.delete_stored().await?;
        Ok(tokens.map(|t| t.refresh))
    }

    async fn refresh(&self, used: String) -> Result<Refreshed, Failure> {
        let shared = self.shared.clone();
        // In a separate task, so that the new token is stored even if the caller is dropped.
        let refresh = async move { shared.refresh(&used).await };
        let done = tokio::spawn(refresh.in_current_span()).await;
        done.unwrap_or_else(|e| {
            Err(Failure::new(FailureKind::Broken, format!("the token refresh failed: {e}")))
        })
    }
}

impl Shared {
    /// Returns true if the request is sent to the server that the tokens are for.
    fn is_own_server(&self, request: &Request) -> bool {
        request.url.strip_prefix(self.base.as_str()).is_some_and(|rest| rest.starts_with('/'))
    }
    async fn send(&self, request: Request) -> Result<Reply, Failure> {
        if self.is_own_server(&request) {
            self.reachability.send(self.http.as_ref(), self.clock.get(), request).await
        } else {
            self.http.send(request).await
        }
    }
    fn with_expiry(&self, mut tokens: Tokens) -> Tokens {
        if let Some(clock) = self.clock.get()
            && tokens.refresh_ms > 0
        {
            tokens.good_until_ms = clock.now_ms().saturating_add(tokens.refresh_ms);
        }
        tokens
    }
    /// Returns the tokens, reading them from the secret store on first use. If the store fails, the state is unchanged
    /// and the next call reads again.
    async fn load(&self, state: &mut State) -> Result<Option<Tokens>> {
        if let State::Stored = state {
            let (secrets, name) = (self.secrets.clone(), self.account.clone());
            let found = blocking(move || secrets.get(&name)).await?;
            // Unreadable tokens count as missing: the learner has to sign in again.
            *state = match found.and_then(|text| serde_json::from_str(&text).ok()) {
                Some(tokens) => {
                    self.tokens_found.send_replace(true);
                    State::Loaded(tokens)
                }
                None => {
                    self.ended.send_replace(true);
                    State::Ended
                }
            };
        }
        Ok(match state {
            State::Loaded(tokens) => Some(tokens.clone()),
            _ => None,
        })
    }
    async fn persist(&self, tokens: &Tokens) -> Result<()> {
        let (secrets, name, text) =
            (self.secrets.clone(), self.account.clone(), serde_json::to_string(tokens)?);
        blocking(move || secrets.set(&name, &text)).await
    }
    async fn delete_stored(&self) -> Result<()> {
        let (secrets, name) = (self.secrets.clone(), self.account.clone());
        blocking(move || secrets.delete(&name)).await
    }

    async fn access(&self) -> Result<Option<String>, Failure> {
        let mut state = self.tokens.lock().await;
        let tokens = self.load(&mut state).await.map_err(unreadable)?;
        Ok(tokens.map(|t| t.access))
    }

    async fn refresh(&self, used: &str) -> Result<Refreshed, Failure> {
        // The lock is held until the end: one refresh at a time.
        let mut state = self.tokens.lock().await;
        let Some(tokens) = self.load(&mut state).await.map_err(unreadable)? else {
            return Ok(Refreshed::Ended);
        };
        if tokens.access != used {
            // Another request has refreshed the token.
            return Ok(Refreshed::Fresh(tokens.access));
        }
        let url = format!("{}/api/auth/refresh", self.base);
        let Tokens { refresh, certificate, .. } = tokens;
        let body =
            RefreshRequest { refresh_token: refresh, account_certificate: certificate.clone() };
        let request = Request::post_json(&url, &body)
            .map_err(|e| Failure::new(FailureKind::Request, e.to_string()))?;
        let reply = self.send(request).await?;
        let (classified, headers, body) = read_small(reply, MAX_SMALL_REPLY_BYTES).await?;
        match classified.status {
            200..=299 => {
                let not_carrel = |_| {
                    Failure::new(
                        FailureKind::Broken,
                        "the reply to a token refresh is not from a Carrel server",
                    )
                };
                let fresh: TokenReply = serde_json::from_slice(&body).map_err(not_carrel)?;
                let mut tokens = self.with_expiry(Tokens::from(&fresh));
                if tokens.certificate.is_empty() {
                    tokens.certificate = certificate;
                }
                if let Err(e) = self.persist(&tokens).await {
                    // The token is used until the app exits.
                    tracing::error!(error = %e, "the new token could not be saved");
                }
                let access = tokens.access.clone();
                self.user.send_replace(Some((fresh.user, tokens.certificate.clone())));
                *state = State::Loaded(tokens);
                Ok(Refreshed::Fresh(access))
            }
            401 | 403 if classified.problem.is_some() => {
                tracing::info!("the session ended: sign in again");
                *state = State::Ended;
                if let Err(e) = self.delete_stored().await {
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
    fn set_network(&self, settings: &NetworkSettings) -> Result<()> {
        self.shared.http.set_network(settings)
    }
    fn network_changed(&self) {
        self.shared.http.network_changed();
    }
    async fn send(&self, request: Request) -> Result<Reply, Failure> {
        if !self.shared.is_own_server(&request) {
            // The token is only sent to its own server.
            return self.shared.send(request).await;
        }
        let Some(access) = self.shared.access().await? else { return Ok(sign_in_again()) };
        let reply = self.shared.send(with_token(&request, &access)).await?;
        if reply.status != 401 {
            return Ok(reply);
        }
        let (classified, headers, body) = read_small(reply, MAX_SMALL_REPLY_BYTES).await?;
        let reply = of_bytes(classified.status, headers, body);
        if classified.class != ReplyClass::Unauthenticated {
            return Ok(reply);
        }
        match self.refresh(access).await? {
            Refreshed::Fresh(access) => self.shared.send(with_token(&request, &access)).await,
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

/// Returns the reply 401 for an ended session, without a request to the server.
fn sign_in_again() -> Reply {
    let problem = Problem {
        problem_type: "about:blank#unauthenticated".into(),
        title: "sign in again".into(),
        status: 401,
        code: ErrorCode::Unauthenticated,
        detail: "the session has ended".into(),
        hint: "sign in again; unsent changes are kept".into(),
        retryable: false,
        correlation_id: String::new(),
        retry_after_ms: None,
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    of_bytes(401, headers, serde_json::to_vec(&problem).unwrap_or_default().into())
}
