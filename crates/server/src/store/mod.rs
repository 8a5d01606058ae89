//! Persistent data of the server: transactions on the database of an engine. `sqlite` is the only engine so far.
//! Another engine must implement `Engine`, `Transactions` and the traits of `tx`, and pass the same tests
//! (`tests/api`).
//!
//! Not here: the rules (`domain`), HTTP, blob content (`blobs`).

mod engine;
mod error;
pub mod sqlite;
pub mod tx;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use tokio::sync::oneshot;

pub use engine::{CopyMetadata, Engine, OpenOptions, Opened, Transactions, TxJob};
pub use error::{Reason, Result, StoreError};
pub use tx::{Filter, Kind, Listed, Publication, Published, PublishedQuiz, SignedIn};

use crate::events::{Event, EventBus};
use tx::Tx;

/// Limits on the rows of one learner. At a limit, new rows are refused, and changes to stored rows are accepted. At
/// 125% of `bytes`, changes that make a row larger are also refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    pub rows: u64,
    pub bytes: u64,
}

/// Names of facts: single values in the database.
pub mod facts {
    /// Random id of this copy of the database: created with it and replaced by a restore.
    pub const EPOCH: &str = "epoch";
    /// Random id of this server: created with its database and kept by backup and restore.
    pub const SERVER_ID: &str = "server_id";
    /// Random text from which the key of refresh tokens is derived; missing unless a restore has ended all sign-ins.
    pub const TOKEN_SALT: &str = "token_salt";
    /// Revision of the catalogue: incremented by each change.
    pub const CATALOGUE: &str = "catalogue";
}

/// An open database. Clones share one database.
#[derive(Clone)]
pub struct Store(Arc<StoreInner>);

struct StoreInner {
    opened: Opened,
    events: Arc<dyn EventBus>,
    quota: Quota,
    slow_ms: u64,
}

impl Store {
    /// `slow_ms`: a transaction that takes at least this time is logged.
    pub fn new(opened: Opened, events: Arc<dyn EventBus>, quota: Quota, slow_ms: u64) -> Self {
        Self(Arc::new(StoreInner { opened, events, quota, slow_ms }))
    }
    /// Returns the value of `facts::TOKEN_SALT`, or an empty text if it is missing.
    pub fn token_salt(&self) -> &str {
        &self.0.opened.token_salt
    }
    pub fn quota(&self) -> Quota {
        self.0.quota
    }

    /// Runs `f` in a read transaction on one state of the database.
    pub async fn read<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        name: &'static str,
        f: impl FnOnce(&dyn Tx) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let (job, reply) = self.job(name, move |tx, _: &mut Vec<Event>| f(tx));
        self.0.opened.transactions.read(job).await;
        reply.await.unwrap_or_else(|_| Err(StoreError::closed().into()))
    }

    /// Runs `f` in a transaction that is rolled back if `f` fails. Returns after the commit. The transaction is
    /// finished even if the caller is cancelled.
    pub async fn write<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        name: &'static str,
        f: impl FnOnce(&dyn Tx) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        self.write_with_events(name, move |tx, _| f(tx)).await
    }

    /// Like `write`, with a list of events that are published if and only if the transaction is committed.
    pub async fn write_with_events<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        name: &'static str,
        f: impl FnOnce(&dyn Tx, &mut Vec<Event>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let (job, reply) = self.job(name, f);
        self.0.opened.transactions.write(job);
        reply.await.unwrap_or_else(|_| Err(StoreError::closed().into()))
    }

    fn job<T, E, F>(
        &self,
        name: &'static str,
        f: F,
    ) -> (Box<dyn TxJob>, oneshot::Receiver<Result<T, E>>)
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&dyn Tx, &mut Vec<Event>) -> Result<T, E> + Send + 'static,
    {
        let (reply, receiver) = oneshot::channel();
        let job = StoreJob {
            name,
            f: Some(f),
            result: None,
            events: Vec::new(),
            bus: Arc::clone(&self.0.events),
            slow_ms: self.0.slow_ms,
            reply,
        };
        (Box::new(job), receiver)
    }
}

struct StoreJob<T, E, F> {
    name: &'static str,
    f: Option<F>,
    result: Option<Result<T, E>>,
    events: Vec<Event>,
    bus: Arc<dyn EventBus>,
    slow_ms: u64,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> TxJob for StoreJob<T, E, F>
where
    T: Send,
    E: From<StoreError> + Send,
    F: FnOnce(&dyn Tx, &mut Vec<Event>) -> Result<T, E> + Send,
{
    fn run(&mut self, tx: &dyn Tx) -> bool {
        let Some(f) = self.f.take() else { return false };
        let start = crate::clock::stopwatch();
        let events = &mut self.events;
        let result = catch_unwind(AssertUnwindSafe(|| f(tx, events))).unwrap_or_else(|_| {
            let message = format!("not committed: {} panicked", self.name);
            Err(StoreError::Unavailable(message.into()).into())
        });
        let ms = start.elapsed().as_millis() as u64;
        if ms >= self.slow_ms {
            tracing::warn!(query.name = self.name, query.ms = ms, "slow query");
        }
        let is_ok = result.is_ok();
        self.result = Some(result);
        is_ok
    }
    fn finish(mut self: Box<Self>, result: Result<()>) {
        let result = match (self.result.take(), result) {
            (Some(Ok(value)), Ok(())) => {
                for event in self.events {
                    self.bus.publish(event);
                }
                Ok(value)
            }
            (Some(Err(e)), _) => Err(e),
            (_, Err(e)) => Err(e.into()),
            (None, Ok(())) => Err(StoreError::closed().into()),
        };
        // Fails if the caller was cancelled.
        let _ = self.reply.send(result);
    }
}
