//! Whether a server can be reached, as observed from all requests to it: sync, lists, downloads, the event stream.
//!
//! | Observation | Contact |
//! |---|---|
//! | the head of a reply, or a piece of a body | `Reached` |
//! | a request failed, or a small request has no reply after `PATIENCE`, and nothing was received since it started | `Unreachable` |
//! | a request failed although something was received meanwhile, or a body ended early | `Doubtful` |
//!
//! A reply of a captive portal counts as received: what it means is decided by the class of the reply (`reply`).
//!
//! Not here: what follows from it (`carrel-sync`, which checks the server and reports the phase).

use std::{
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use carrel_system::Clock;
use futures_util::{
    StreamExt,
    future::{Either, select},
};
use tokio::sync::watch;

use crate::{Failure, FailureKind, Http, NetworkCause, Reply, Request};

/// How long a small request may remain without a reply before the server counts as unreachable. The request itself
/// continues.
pub const PATIENCE: Duration = Duration::from_secs(4);
/// Maximum body of a small request in bytes. While a larger one is sent over a slow line, no reply is expected.
const SMALL_BODY_BYTES: usize = 16 * 1024;

/// The last observation of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contact {
    /// No request was sent yet.
    Unknown,
    /// The server, or a proxy in front of it, replied.
    Reached,
    /// A request failed, but another was answered meanwhile, or a reply was incomplete: another request has to decide.
    Doubtful,
    /// Nothing was received from the server since the start of a request that failed or is not answered in time.
    Unreachable,
}

/// Observes the requests to one server. Clones share the observation.
#[derive(Clone)]
pub(super) struct Reachability {
    shared: Arc<ContactState>,
}

struct ContactState {
    contact: watch::Sender<Contact>,
    /// Number of heads and pieces received.
    received: AtomicU64,
    /// Why the last request failed; `None` after a reply.
    cause: Mutex<Option<NetworkCause>>,
}

impl Reachability {
    pub(super) fn new() -> Self {
        let contact = watch::Sender::new(Contact::Unknown);
        Self {
            shared: Arc::new(ContactState {
                contact,
                received: AtomicU64::new(0),
                cause: Mutex::default(),
            }),
        }
    }

    /// Returns the contact; each observation of `Unreachable` and `Doubtful` counts as a change.
    pub(super) fn contact(&self) -> watch::Receiver<Contact> {
        self.shared.contact.subscribe()
    }

    /// Returns why the last request failed; `None` after a reply, or if the cause is not known.
    pub(super) fn cause(&self) -> Option<NetworkCause> {
        *self.shared.cause.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn set_cause(&self, cause: Option<NetworkCause>) {
        *self.shared.cause.lock().unwrap_or_else(PoisonError::into_inner) = cause;
    }

    /// Sends a request and observes it. Without a clock, a request without a reply is not observed until it fails.
    pub(super) async fn send(
        &self,
        http: &dyn Http,
        clock: Option<&Arc<dyn Clock>>,
        request: Request,
    ) -> Result<Reply, Failure> {
        let before = self.received();
        let is_small = request.body.as_ref().is_none_or(|b| b.len() <= SMALL_BODY_BYTES);
        let mut sending = pin!(http.send(request));
        let reply = match clock.filter(|_| is_small) {
            None => sending.await,
            Some(clock) => match select(sending.as_mut(), clock.sleep(PATIENCE)).await {
                Either::Left((reply, _)) => reply,
                Either::Right(((), _)) => {
                    if self.received() == before {
                        self.shared.contact.send_replace(Contact::Unreachable);
                    }
                    sending.await
                }
            },
        };
        match reply {
            Ok(mut reply) => {
                self.set_cause(None);
                self.record_received();
                let observed = self.clone();
                reply.body = Box::pin(reply.body.inspect(move |piece| match piece {
                    Ok(_) => observed.record_received(),
                    Err(failure) => observed.record_incomplete(failure.kind),
                }));
                Ok(reply)
            }
            Err(failure) => {
                self.set_cause(failure.cause);
                self.record_failure(failure.kind, before);
                Err(failure)
            }
        }
    }

    fn received(&self) -> u64 {
        self.shared.received.load(Ordering::Relaxed)
    }
    fn record_received(&self) {
        self.shared.received.fetch_add(1, Ordering::Relaxed);
        self.shared.contact.send_if_modified(|contact| {
            let is_new = *contact != Contact::Reached;
            *contact = Contact::Reached;
            is_new
        });
    }
    fn record_failure(&self, kind: FailureKind, before: u64) {
        if !is_of_network(kind) {
            return;
        }
        if self.received() == before {
            self.shared.contact.send_replace(Contact::Unreachable);
        } else {
            self.record_incomplete(kind);
        }
    }
    fn record_incomplete(&self, kind: FailureKind) {
        if is_of_network(kind) {
            // An incomplete reply does not prove that an unreachable server can be reached.
            self.shared.contact.send_if_modified(|contact| {
                let was_reachable = *contact != Contact::Unreachable;
                if was_reachable {
                    *contact = Contact::Doubtful;
                }
                was_reachable
            });
        }
    }
}

/// Returns true for failures that the network may have caused.
fn is_of_network(kind: FailureKind) -> bool {
    match kind {
        FailureKind::Connect | FailureKind::Timeout | FailureKind::Broken => true,
        FailureKind::Decode | FailureKind::TooLarge | FailureKind::Request => false,
    }
}
