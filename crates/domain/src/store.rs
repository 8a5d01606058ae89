//! The open database of a server: runs the rules in transactions of the engine (`carrel-store`) and
//! publishes the events of committed writes.
//!
//! Not here: engines and SQL (`carrel-store`), HTTP, blob content (`blobs`).

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
};

use carrel_analytics::Zone;
use carrel_monitoring::{Metrics, QueryKind};
use carrel_store::{PoolUse, TxJob};
use carrel_system::SPAN_TARGET;
use tokio::sync::{Mutex, MutexGuard, oneshot};
use tracing::Span;

pub use carrel_store::{
    Audience, CatalogueState, Engine, Filter, Freshness, Kind, ListOrder, Listed,
    ListedPublication, OpenOptions, Opened, Publication, Published, PublishedQuiz, SignedIn,
    StoreError, facts, sqlite, tx,
};

use crate::{
    erasure::ErasureLedger,
    events::{Event, EventBus},
};
use tx::Tx;

/// Limits on the rows of one learner. At a limit, new rows are refused, and changes to stored rows are accepted. At
/// 125% of `bytes`, changes that make a row larger are also refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    pub rows: u64,
    pub bytes: u64,
}

/// An open database. Clones share one database.
#[derive(Clone)]
pub struct Store(Arc<StoreInner>);

struct StoreInner {
    opened: Opened,
    events: Arc<dyn EventBus>,
    quota: Quota,
    slow_ms: u64,
    ledger: OnceLock<Arc<dyn ErasureLedger>>,
    metrics: OnceLock<Arc<Metrics>>,
    zone: OnceLock<Zone>,
    export_slot: Mutex<()>,
}

impl Store {
    /// `slow_ms`: a transaction that takes at least this time is logged.
    pub fn new(opened: Opened, events: Arc<dyn EventBus>, quota: Quota, slow_ms: u64) -> Self {
        Self(Arc::new(StoreInner {
            opened,
            events,
            quota,
            slow_ms,
            ledger: OnceLock::new(),
            metrics: OnceLock::new(),
            zone: OnceLock::new(),
            export_slot: Mutex::default(),
        }))
    }
    /// Sets where transactions are counted. Only the first call has an effect.
    pub fn set_metrics(&self, metrics: Arc<Metrics>) {
        let _ = self.0.metrics.set(metrics);
    }
    /// Returns how many connections to the database are used; `None` without a pool.
    pub fn pool(&self) -> Option<PoolUse> {
        self.0.opened.transactions.pool()
    }
    /// Sets where deleted accounts are recorded. Only the first call has an effect.
    pub fn set_erasure_ledger(&self, ledger: Arc<dyn ErasureLedger>) {
        let _ = self.0.ledger.set(ledger);
    }
    pub(crate) fn erasure_ledger(&self) -> Option<Arc<dyn ErasureLedger>> {
        self.0.ledger.get().cloned()
    }
    /// Sets the time zone of the school. Only the first call has an effect.
    pub(crate) fn set_zone(&self, zone: Zone) {
        let _ = self.0.zone.set(zone);
    }
    /// Returns the time zone of the school; UTC unless it was set.
    pub fn zone(&self) -> Zone {
        self.0.zone.get().cloned().unwrap_or_default()
    }
    /// Waits until no other export is written by this process.
    pub(crate) async fn export_slot(&self) -> MutexGuard<'_, ()> {
        self.0.export_slot.lock().await
    }
    /// Returns true if the database has replicas, whether they can be used at present or not.
    pub fn has_replicas(&self) -> bool {
        self.0.opened.transactions.has_replicas()
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
        let (job, reply) = self.job(name, once(move |tx, _: &mut Vec<Event>| f(tx)));
        self.0.opened.transactions.read(job).await;
        reply.await.unwrap_or_else(|_| Err(StoreError::closed().into()))
    }

    /// Like `read`, for what may be as old as `freshness` allows: a replica of the database is used if there is one. If
    /// `f` fails there, it is run again on the primary.
    ///
    /// Not for what decides whether somebody may do something, and not for what a device has just written.
    pub async fn read_replica<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        name: &'static str,
        freshness: Freshness,
        f: impl Fn(&dyn Tx) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let (job, reply) = self.job(name, move |tx, _: &mut Vec<Event>| Some(f(tx)));
        self.0.opened.transactions.read_replica(job, freshness).await;
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
        let (job, reply) = self.job(name, once(f));
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
        F: FnMut(&dyn Tx, &mut Vec<Event>) -> Option<Result<T, E>> + Send + 'static,
    {
        let (reply, receiver) = oneshot::channel();
        let job = StoreJob {
            name,
            span: tracing::debug_span!(target: SPAN_TARGET, "transaction", otel.name = name),
            f,
            result: None,
            events: Vec::new(),
            bus: Arc::clone(&self.0.events),
            slow_ms: self.0.slow_ms,
            metrics: self.0.metrics.get().cloned(),
            reply,
        };
        (Box::new(job), receiver)
    }
}

/// Returns a function that runs `f` at its first call.
fn once<T, E>(
    f: impl FnOnce(&dyn Tx, &mut Vec<Event>) -> Result<T, E> + Send + 'static,
) -> impl FnMut(&dyn Tx, &mut Vec<Event>) -> Option<Result<T, E>> + Send + 'static {
    let mut f = Some(f);
    move |tx, events| f.take().map(|f| f(tx, events))
}

struct StoreJob<T, E, F> {
    name: &'static str,
    /// From the call to the end of the transaction.
    span: Span,
    /// Returns `None` if it cannot be run again.
    f: F,
    result: Option<Result<T, E>>,
    events: Vec<Event>,
    bus: Arc<dyn EventBus>,
    slow_ms: u64,
    metrics: Option<Arc<Metrics>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> TxJob for StoreJob<T, E, F>
where
    T: Send,
    E: From<StoreError> + Send,
    F: FnMut(&dyn Tx, &mut Vec<Event>) -> Option<Result<T, E>> + Send,
{
    fn run(&mut self, tx: &dyn Tx) -> bool {
        let _entered = self.span.clone().entered();
        let start = crate::clock::stopwatch();
        let (f, events) = (&mut self.f, &mut self.events);
        let result = catch_unwind(AssertUnwindSafe(|| f(tx, events))).unwrap_or_else(|_| {
            let message = format!("not committed: {} panicked", self.name);
            Some(Err(StoreError::Unavailable(message.into()).into()))
        });
        let Some(result) = result else { return false };
        let elapsed = start.elapsed();
        let ms = elapsed.as_millis() as u64;
        let is_slow = ms >= self.slow_ms;
        if let Some(metrics) = &self.metrics {
            metrics.transaction(self.name, elapsed.as_secs_f64() * 1_000.0, is_slow);
        }
        if is_slow {
            let kind = QueryKind::of(self.name).as_str();
            tracing::warn!(query.name = self.name, query.kind = kind, query.ms = ms, "slow query");
        }
        let is_ok = result.is_ok();
        self.result = Some(result);
        is_ok
    }
    fn finish(mut self: Box<Self>, result: Result<(), StoreError>) {
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
        drop(self.span);
        // Fails if the caller was cancelled.
        let _ = self.reply.send(result);
    }
}

#[cfg(test)]
mod tests {
    use carrel_sqlite::rusqlite::Connection;

    use super::*;
    use crate::{events::EventHub, store::sqlite::SqliteEngine};

    fn store(folder: &std::path::Path) -> Store {
        let options = OpenOptions { readers: 1, now_ms: 1_790_000_000_000 };
        let opened = SqliteEngine.open(folder, options).unwrap();
        Store::new(opened, Arc::new(EventHub::default()), Quota { rows: 1, bytes: 1 }, 1_000)
    }

    #[tokio::test]
    async fn a_read_transaction_sees_one_state() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let path = dir.path().join(sqlite::FILE);
        // Two reads on one connection. The connection is returned to the pool without a transaction, so the second read
        // finds the earlier write.
        for expected in [0, 1] {
            let path = path.clone();
            let read = store.read("test", move |tx| {
                let count = || {
                    let found = ["test-0", "test-1"].map(|name| tx.fact(name).map(|f| f.is_some()));
                    let [a, b] = found;
                    Ok::<_, StoreError>(usize::from(a?) + usize::from(b?))
                };
                let first = count()?;
                let insert = "INSERT INTO server_fact (name, value) VALUES (?1, '')";
                let other = Connection::open(&path).unwrap();
                other.execute(insert, [format!("test-{first}")]).unwrap();
                Ok::<_, StoreError>((first, count()?))
            });
            assert_eq!(read.await.unwrap(), (expected, expected));
        }
    }

    #[tokio::test]
    async fn a_failed_job_does_not_affect_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let store = &store(dir.path());
        let put = |name: &'static str, fail: u8| {
            store.write_with_events("put", move |tx, _: &mut Vec<Event>| {
                tx.set_fact(name, "1")?;
                match fail {
                    0 => Ok(()),
                    1 => Err(StoreError::closed()),
                    _ => panic!("test panic"),
                }
            })
        };
        let (a, b, c, d) = tokio::join!(put("a", 0), put("b", 1), put("c", 2), put("d", 0));
        assert!(a.is_ok() && b.is_err() && c.is_err() && d.is_ok());
        // Failed jobs that are committed alone, without a savepoint, are rolled back too.
        assert!(put("e", 1).await.is_err());
        assert!(put("f", 2).await.is_err());
        for (name, expected) in
            [("a", true), ("b", false), ("c", false), ("d", true), ("e", false), ("f", false)]
        {
            let found = store.read("get", move |tx| tx.fact(name)).await.unwrap();
            assert_eq!(found.is_some(), expected, "{name}");
        }
    }
}
