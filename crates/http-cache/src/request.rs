//! Sends one request and validates its reply. Only a complete and valid 200 is stored; a 304 updates the stored
//! response; 404 and 410 remove it; all other replies leave it unchanged.
//!
//! Not here: when a request is sent and what is used if it fails (`cache`).

use std::sync::Arc;

use bytes::Bytes;
use carrel_model::ErrorCode;
use carrel_net::{
    Failure, FailureKind, Reply, Request,
    reply::{ClassifiedReply, ReplyClass, classify},
};
use carrel_system::{Panicked, blocking};
use http::{HeaderMap, header};

use crate::{
    Origin, Rejection, ResponseValidator,
    cache::{CacheInner, CacheRequest},
    directives::seconds,
    entries::Entry,
    failures::KnownFailure,
    freshness::{Arrival, Policy},
    stored_headers::{Match, StoredHeaders},
};

/// Limit of a JSON response in bytes.
const BODY_LIMIT: usize = 16 * 1024 * 1024;
/// Longest body in bytes that is parsed on the thread of the task.
const MAX_INLINE_BODY: usize = 16 * 1024;
const PORTAL: &str = "hint: the network may require signing in to its portal";

/// Result of a request. Each waiter receives a clone.
#[derive(Debug, Clone)]
pub(super) struct Fetched {
    pub outcome: Outcome,
    /// No request was sent because of a remembered failure (`failures`).
    pub is_known_failure: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// The server's response.
    Body {
        entry: Arc<Entry>,
        origin: Origin,
        stored: bool,
        changed: bool,
    },
    Status {
        status: u16,
        code: ErrorCode,
        detail: String,
        retry_after_ms: Option<u64>,
    },
    /// Not a reply of a Carrel server.
    Bad {
        status: u16,
        problem: String,
    },
    /// Rejected by the validator with `Rejection::Corrupt`.
    Corrupt(String),
    Failed(Failure),
}

impl Outcome {
    /// Returns true if the server refused the request, so that no stored response may be used instead.
    pub fn is_final(&self) -> bool {
        // 407 is from a proxy; 408, 425 and 429 are temporary.
        matches!(self, Self::Status { status: 400..=499, .. })
            && !matches!(self, Self::Status { status: 407 | 408 | 421 | 425 | 429, .. })
    }
    /// Returns the HTTP status of the reply.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } | Self::Bad { status, .. } => Some(*status),
            _ => None,
        }
    }
    fn bad(status: u16, problem: impl Into<String>) -> Self {
        Self::Bad { status, problem: problem.into() }
    }
}

impl CacheInner {
    pub(super) async fn request(self: &Arc<Self>, request: &CacheRequest) -> Fetched {
        let now = self.clock.monotonic_ms();
        if let Some(known) = self.failures.find(&request.path, now) {
            return Fetched { outcome: known_outcome(known), is_known_failure: true };
        }
        let stored = match request.is_storable() {
            true => self.lookup(&request.path).await.ok().and_then(|lookup| lookup.stored),
            false => None,
        };
        let stored = stored.map(|s| s.entry);
        let outcome = match self.exchange(request, stored.as_deref()).await {
            Some(outcome) => outcome,
            // The 304 does not refer to the stored response: repeat the request without a condition.
            None => match self.exchange(request, None).await {
                Some(outcome) => outcome,
                None => Outcome::bad(304, "304 to an unconditional request"),
            },
        };
        Fetched { outcome, is_known_failure: false }
    }

    /// Sends one request over the network. `None`: a 304 that does not refer to the stored response.
    async fn exchange(
        self: &Arc<Self>,
        request: &CacheRequest,
        stored: Option<&Entry>,
    ) -> Option<Outcome> {
        let sent_ms = self.clock.monotonic_ms();
        let reply = match self.http.send(self.conditional(&request.path, stored)).await {
            Ok(reply) => reply,
            Err(failure) => return Some(self.unreachable(failure)),
        };
        self.failures.record_reply();
        let arrival = self.now();
        // The duration of the request counts as age (RFC 9111, 4.2.3).
        let delay_ms = u64::try_from(arrival.mono_ms - sent_ms).unwrap_or(0);
        if reply.status == 304 {
            let entry = stored.filter(|e| e.headers.matches(&reply.headers) == Match::Same)?;
            return Some(self.revalidated(request, entry, &reply.headers, arrival, delay_ms).await);
        }
        let (status, headers) = (reply.status, reply.headers.clone());
        let body = match complete(reply).await {
            Ok(body) => body,
            Err(f) if f.kind == FailureKind::TooLarge => {
                return Some(Outcome::bad(status, f.message));
            }
            Err(failure) => return Some(Outcome::Failed(failure)),
        };
        if status != 200 {
            let reply = classify(status, &headers, &body, Some(arrival.wall_ms));
            return Some(self.refused(&request.path, &headers, reply).await);
        }
        if let Err(rejected) = self.validated(&request.path, &headers, &body).await {
            return Some(rejected);
        }
        let headers = StoredHeaders::of(&headers);
        let policy = Policy::of(&headers, arrival.wall_ms);
        let changed = stored.is_none_or(|old| old.body != body);
        let entry = Entry {
            selecting: self.account.selecting(headers.get(header::VARY)),
            policy,
            initial_age_ms: initial_age_ms(&policy, delay_ms),
            headers,
            arrival,
            body,
        };
        Some(self.accept(request, entry, Origin::Network, changed).await)
    }

    fn conditional(&self, path: &str, stored: Option<&Entry>) -> Request {
        let mut request = Request::get(format!("{}{path}", self.base_url))
            .header(header::ACCEPT, "application/json");
        if let Some(entry) = stored {
            let (tag, modified) =
                (entry.headers.get(header::ETAG), entry.headers.get(header::LAST_MODIFIED));
            if !tag.is_empty() {
                request = request.header(header::IF_NONE_MATCH, tag);
            } else if !modified.is_empty() {
                request = request.header(header::IF_MODIFIED_SINCE, modified);
            }
        }
        request
    }

    fn unreachable(&self, failure: Failure) -> Outcome {
        if matches!(failure.kind, FailureKind::Connect | FailureKind::Timeout) {
            self.failures.record_unreachable(self.clock.monotonic_ms());
        }
        Outcome::Failed(failure)
    }

    async fn revalidated(
        self: &Arc<Self>,
        request: &CacheRequest,
        old: &Entry,
        headers: &HeaderMap,
        arrival: Arrival,
        delay_ms: u64,
    ) -> Outcome {
        let headers = old.headers.updated_by(headers);
        let policy = Policy::of(&headers, arrival.wall_ms);
        let entry = Entry {
            selecting: self.account.selecting(headers.get(header::VARY)),
            policy,
            initial_age_ms: initial_age_ms(&policy, delay_ms),
            headers,
            arrival,
            body: old.body.clone(),
        };
        self.accept(request, entry, Origin::Revalidated, false).await
    }

    async fn accept(
        self: &Arc<Self>,
        request: &CacheRequest,
        entry: Entry,
        origin: Origin,
        changed: bool,
    ) -> Outcome {
        let entry = Arc::new(entry);
        self.failures.remove(&request.path);
        let stored = match request.is_storable() {
            true if entry.policy.no_store => {
                self.remove(&request.path).await;
                false
            }
            true => self.store(&request.path, &entry).await,
            false => false,
        };
        Outcome::Body { entry, origin, stored, changed }
    }

    /// Rejects a body that is not declared as JSON, is not valid JSON, or is not valid for the path.
    async fn validated(
        &self,
        path: &str,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<(), Outcome> {
        let is_json = headers
            .get(header::CONTENT_TYPE)
            .and_then(|t| t.to_str().ok())
            .is_some_and(|t| t.to_ascii_lowercase().contains("json"));
        if !is_json {
            return Err(not_json());
        }
        let validator = self.validator.clone();
        if validator.is_none() && body.len() <= MAX_INLINE_BODY {
            return validated(None, path, body);
        }
        // Signatures, hashes and long bodies are checked on a blocking thread.
        let (path, body) = (path.to_owned(), body.clone());
        blocking(move || Ok::<_, Panicked>(validated(validator.as_deref(), &path, &body)))
            .await
            .unwrap_or_else(|e| Err(Outcome::bad(200, e.to_string())))
    }

    async fn refused(&self, path: &str, headers: &HeaderMap, reply: ClassifiedReply) -> Outcome {
        let status = reply.status;
        match reply.class {
            ReplyClass::Portal if reply.is_html => {
                return Outcome::bad(
                    status,
                    format!("an HTML page with status {status}; {PORTAL}"),
                );
            }
            ReplyClass::Portal => {
                return Outcome::bad(status, format!("status {status}; {PORTAL}"));
            }
            // Captive portals use any status, including 429.
            _ if reply.is_html && status < 500 => {
                return Outcome::bad(
                    status,
                    format!("an HTML page with status {status}; {PORTAL}"),
                );
            }
            // A partial reply that was not requested, or an empty one.
            ReplyClass::Ok | ReplyClass::Partial | ReplyClass::NotModified => {
                return Outcome::bad(status, format!("unexpected status {status}"));
            }
            _ => {}
        }
        let now = self.clock.monotonic_ms();
        let (code, wait) = (reply.code(), reply.retry_after_ms);
        if matches!(status, 404 | 410) {
            let policy = Policy::of(&StoredHeaders::of(headers), self.clock.now_ms());
            let max_age_ms = policy
                .lifetime_s
                .map(|s| i64::try_from(s).unwrap_or(i64::MAX).saturating_mul(1000));
            self.failures.record_missing(
                path,
                status,
                now,
                if policy.no_store { Some(0) } else { max_age_ms },
            );
            self.remove(path).await;
        } else if let (429 | 503, Some(wait), false) = (status, wait, reply.is_html) {
            self.failures.record_retry_after(
                path,
                status,
                code,
                now,
                i64::try_from(wait).unwrap_or(i64::MAX),
            );
        }
        let detail = reply.problem.map(|p| p.detail).unwrap_or_default();
        Outcome::Status { status, code, detail, retry_after_ms: wait }
    }
}

fn validated(
    validator: Option<&ResponseValidator>,
    path: &str,
    body: &[u8],
) -> Result<(), Outcome> {
    if serde_json::from_slice::<serde::de::IgnoredAny>(body).is_err() {
        return Err(not_json());
    }
    match validator.map_or(Ok(()), |validate| validate(path, body)) {
        Ok(()) => Ok(()),
        Err(Rejection::Corrupt(problem)) => Err(Outcome::Corrupt(problem)),
        Err(Rejection::BadReply(problem)) => Err(Outcome::bad(200, problem)),
    }
}

fn not_json() -> Outcome {
    Outcome::bad(200, format!("the response is not JSON; {PORTAL}"))
}

/// Reads the body. Fails if it is shorter or longer than its `Content-Length` (RFC 9110, 8.6; RFC 9111, 3.3).
async fn complete(reply: Reply) -> Result<Bytes, Failure> {
    let length = reply.header(header::CONTENT_LENGTH).map(|l| seconds(Some(l)));
    let body = reply.bytes(BODY_LIMIT).await?;
    match length {
        Some(length) if length != Some(body.len() as u64) => {
            let message =
                format!("received {} bytes, which differs from the Content-Length", body.len());
            Err(Failure::new(FailureKind::Broken, message))
        }
        _ => Ok(body),
    }
}

fn initial_age_ms(policy: &Policy, delay_ms: u64) -> u64 {
    policy.age_s.saturating_mul(1000).saturating_add(delay_ms)
}

fn known_outcome(known: KnownFailure) -> Outcome {
    let status = |status, code, detail: &str, retry_after_ms| Outcome::Status {
        status,
        code,
        detail: detail.to_owned(),
        retry_after_ms,
    };
    match known {
        KnownFailure::Unreachable => Outcome::Failed(Failure::new(
            FailureKind::Connect,
            "the server could not be reached; not retried yet",
        )),
        KnownFailure::Missing { status: s } => status(
            s,
            ErrorCode::NotFound,
            "not found at the last request; not requested again yet",
            None,
        ),
        KnownFailure::RetryAfter { status: s, code, left_ms } => status(
            s,
            code,
            "the server requested a delay (Retry-After)",
            u64::try_from(left_ms).ok(),
        ),
    }
}
