//! The network's half of the cache: one request, and what its answer is worth. Only a complete 200 that is what a Carrel server sends is
//! kept; a 304 brings what is here up to date; everything else leaves what is here as it is, but for 404 and 410, which are believed.
//!
//! Not here: who asks and what is used meanwhile (`strategies`).

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
    Ask, Judge, Origin, Rejection, Strategy,
    directives::seconds,
    entries::Entry,
    freshness::{Arrival, Policy},
    head::{Head, Match},
    negative::Known,
    strategies::CacheInner,
};

/// No honest JSON answer is longer.
const BODY_LIMIT: usize = 16 * 1024 * 1024;
/// The longest body that is parsed on the thread of the task.
const MAX_INLINE_BODY: usize = 16 * 1024;
const PORTAL: &str = "is this network's sign-in page in between?";

/// What a request ended with; every waiter gets a copy.
#[derive(Debug, Clone)]
pub(super) struct Fetched {
    pub outcome: Outcome,
    /// Known without asking (`negative`).
    pub negative: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// The server's word.
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
    /// Not what a Carrel server sends.
    Bad {
        status: u16,
        problem: String,
    },
    /// Right in form, but not to be believed.
    Corrupt(String),
    Failed(Failure),
}

impl Outcome {
    /// The server's own no, whatever is here: it is not covered up with an old answer.
    pub fn is_believed(&self) -> bool {
        // 407 is a proxy's, 408, 425 and 429 are "not now".
        matches!(self, Self::Status { status: 400..=499, .. })
            && !matches!(self, Self::Status { status: 407 | 408 | 421 | 425 | 429, .. })
    }
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
    pub(super) async fn request(self: &Arc<Self>, ask: &Ask) -> Fetched {
        let wishes = ask.wishes();
        let now = self.clock.monotonic_ms();
        if !wishes.no_cache
            && let Some(known) = self.negative.known(&ask.path, now)
        {
            return Fetched { outcome: as_before(known), negative: true };
        }
        let keeps = ask.route.strategy != Strategy::NetworkOnly && !wishes.no_store;
        let kept = if keeps { self.look(ask).await.ok().and_then(|look| look.kept) } else { None };
        let kept = kept.map(|k| k.entry);
        let outcome = match self.exchange(ask, kept.as_deref(), keeps).await {
            Some(outcome) => outcome,
            // "Not modified", but not what is here: asked again without a condition.
            None => match self.exchange(ask, None, keeps).await {
                Some(outcome) => outcome,
                None => Outcome::bad(304, "304 to a request without a condition"),
            },
        };
        Fetched { outcome, negative: false }
    }

    /// One request over the network. `None`: a 304 that speaks of nothing that is here.
    async fn exchange(
        self: &Arc<Self>,
        ask: &Ask,
        kept: Option<&Entry>,
        keeps: bool,
    ) -> Option<Outcome> {
        let sent_ms = self.clock.monotonic_ms();
        let reply = match self.http.send(self.conditional(ask, kept)).await {
            Ok(reply) => reply,
            Err(failure) => return Some(self.unreachable(failure)),
        };
        self.negative.reached();
        let arrival = self.now();
        // The time that the request took counts as age (RFC 9111, 4.2.3).
        let delay_ms = u64::try_from(arrival.mono_ms - sent_ms).unwrap_or(0);
        if reply.status == 304 {
            let entry = kept.filter(|e| e.head.matches(&reply.headers) == Match::Same)?;
            return Some(self.revalidated(ask, entry, &reply.headers, arrival, delay_ms).await);
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
            return Some(self.refused(ask, &headers, reply).await);
        }
        if let Err(no) = self.judged(&ask.path, &headers, &body).await {
            return Some(no);
        }
        let head = Head::of(&headers);
        let policy = Policy::of(&head, arrival.wall_ms);
        let changed = kept.is_none_or(|old| old.body != body);
        let entry = Entry {
            selecting: self.selecting(&head, ask),
            policy,
            initial_age_ms: initial_age_ms(&policy, delay_ms),
            head,
            arrival,
            invalid: false,
            body,
        };
        Some(self.take_in(ask, entry, Origin::Network, keeps, changed).await)
    }

    fn conditional(&self, ask: &Ask, kept: Option<&Entry>) -> Request {
        let mut request = Request::get(format!("{}{}", self.base_url, ask.path))
            .header(header::ACCEPT, "application/json");
        let language = self.asker().language.clone();
        if !language.is_empty() {
            request = request.header(header::ACCEPT_LANGUAGE, &language);
        }
        request.headers.extend(ask.headers.clone());
        if let Some(entry) = kept {
            let (tag, modified) =
                (entry.head.get(header::ETAG), entry.head.get(header::LAST_MODIFIED));
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
            self.negative.unreachable(self.clock.monotonic_ms());
        }
        Outcome::Failed(failure)
    }

    fn selecting(&self, head: &Head, ask: &Ask) -> String {
        self.asker().selecting(head.get(header::VARY), &ask.headers)
    }

    async fn revalidated(
        self: &Arc<Self>,
        ask: &Ask,
        old: &Entry,
        headers: &HeaderMap,
        arrival: Arrival,
        delay_ms: u64,
    ) -> Outcome {
        let head = old.head.freshened(headers);
        let policy = Policy::of(&head, arrival.wall_ms);
        let entry = Entry {
            selecting: self.selecting(&head, ask),
            policy,
            initial_age_ms: initial_age_ms(&policy, delay_ms),
            head,
            arrival,
            invalid: false,
            body: old.body.clone(),
        };
        self.take_in(ask, entry, Origin::Revalidated, true, false).await
    }

    async fn take_in(
        self: &Arc<Self>,
        ask: &Ask,
        entry: Entry,
        origin: Origin,
        keeps: bool,
        changed: bool,
    ) -> Outcome {
        let entry = Arc::new(entry);
        self.negative.forget(&ask.path);
        let storable = keeps && !entry.policy.no_store;
        let stored = storable && self.keep(&ask.path, &entry).await;
        if keeps && !storable {
            self.forget(&ask.path).await;
        }
        Outcome::Body { entry, origin, stored, changed }
    }

    /// What is called a page, is no JSON, or is not what belongs to the path is no answer.
    /// What is called a page, is no JSON, or is not what belongs to the path is no answer.
    async fn judged(&self, path: &str, headers: &HeaderMap, body: &Bytes) -> Result<(), Outcome> {
        let is_json = headers
            .get(header::CONTENT_TYPE)
            .and_then(|t| t.to_str().ok())
            .is_some_and(|t| t.to_ascii_lowercase().contains("json"));
        if !is_json {
            return Err(not_json());
        }
        let judge = self.judge.get().cloned();
        if judge.is_none() && body.len() <= MAX_INLINE_BODY {
            return judged(None, path, body);
        }
        // A signature, a hash or a long body takes its time.
        let (path, body) = (path.to_owned(), body.clone());
        blocking(move || Ok::<_, Panicked>(judged(judge.as_deref(), &path, &body)))
            .await
            .unwrap_or_else(|e| Err(Outcome::bad(200, e.to_string())))
    }

    async fn refused(&self, ask: &Ask, headers: &HeaderMap, reply: ClassifiedReply) -> Outcome {
        let (path, status) = (&ask.path, reply.status);
        match reply.class {
            ReplyClass::Portal if reply.is_page => {
                return Outcome::bad(status, format!("a page with status {status}: {PORTAL}"));
            }
            ReplyClass::Portal => {
                return Outcome::bad(status, format!("status {status}: {PORTAL}"));
            }
            // Also "not now" is said by whatever sends pages.
            _ if reply.is_page && status < 500 => {
                return Outcome::bad(status, format!("a page with status {status}: {PORTAL}"));
            }
            // A part that nobody asked for, or an empty reply: not what belongs to the path.
            ReplyClass::Ok | ReplyClass::Partial | ReplyClass::NotModified => {
                return Outcome::bad(status, format!("status {status} in the place of an answer"));
            }
            _ => {}
        }
        let now = self.clock.monotonic_ms();
        let (code, wait) = (reply.code(), reply.retry_after_ms);
        if matches!(status, 404 | 410) {
            let policy = Policy::of(&Head::of(headers), self.clock.now_ms());
            let said = policy
                .lifetime_s
                .map(|s| i64::try_from(s).unwrap_or(i64::MAX).saturating_mul(1000));
            self.negative.missing(path, status, now, if policy.no_store { Some(0) } else { said });
            self.forget(path).await;
        } else if let (429 | 503, Some(wait), false) = (status, wait, reply.is_page) {
            self.negative.hold(path, status, code, now, i64::try_from(wait).unwrap_or(i64::MAX));
        }
        let detail = reply.problem.map(|p| p.detail).unwrap_or_default();
        Outcome::Status { status, code, detail, retry_after_ms: wait }
    }
}

fn judged(judge: Option<&Judge>, path: &str, body: &[u8]) -> Result<(), Outcome> {
    if serde_json::from_slice::<serde::de::IgnoredAny>(body).is_err() {
        return Err(not_json());
    }
    match judge.map_or(Ok(()), |judge| judge(path, body)) {
        Ok(()) => Ok(()),
        Err(Rejection::Corrupt(problem)) => Err(Outcome::Corrupt(problem)),
        Err(Rejection::BadReply(problem)) => Err(Outcome::bad(200, problem)),
    }
}

fn not_json() -> Outcome {
    Outcome::bad(200, format!("the answer is not JSON: {PORTAL}"))
}

/// The whole body, if it is whole: as long as the head says (RFC 9110, 8.6; RFC 9111, 3.3).
async fn complete(reply: Reply) -> Result<Bytes, Failure> {
    let said = reply.header(header::CONTENT_LENGTH).map(|l| seconds(Some(l)));
    let body = reply.bytes(BODY_LIMIT).await?;
    match said {
        Some(said) if said != Some(body.len() as u64) => {
            let message = format!("the answer has {} bytes, its head said otherwise", body.len());
            Err(Failure::new(FailureKind::Broken, message))
        }
        _ => Ok(body),
    }
}

fn initial_age_ms(policy: &Policy, delay_ms: u64) -> u64 {
    policy.age_s.saturating_mul(1000).saturating_add(delay_ms)
}

fn as_before(known: Known) -> Outcome {
    let status = |status, code, detail: &str, retry_after_ms| Outcome::Status {
        status,
        code,
        detail: detail.to_owned(),
        retry_after_ms,
    };
    match known {
        Known::Unreachable => Outcome::Failed(Failure::new(
            FailureKind::Connect,
            "the server could not be reached a moment ago",
        )),
        Known::Missing { status: s } => {
            status(s, ErrorCode::NotFound, "was not there a moment ago", None)
        }
        Known::Held { status: s, code, left_ms } => {
            status(s, code, "asked to wait", u64::try_from(left_ms).ok())
        }
    }
}
