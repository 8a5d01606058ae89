//! The way out: reads what waits, packs it, sends it. Full batches go in a row, two at a time.
//!
//! Not here: what a reply does to the outbox (`batch`), and what follows from a fault (`machine`).

use std::{collections::BTreeSet, sync::Arc};

use carrel_learning::store::{Store, outbox};
use carrel_model::{lattice::RowKey, wire::PushReply};
use carrel_system::IdGen;
use futures_util::{
    FutureExt, StreamExt,
    stream::{self, BoxStream},
};
use parking_lot::Mutex;

use crate::{
    Error, Fault, Result, Transport, batch,
    batch::{Batch, BatchOutcome},
    transport::EncodedBatch,
};

/// Full batches that are under way together: the server reads one while it writes the other.
const AT_ONCE: usize = 2;

/// A batch and what came back.
pub(super) type Answer = (Batch, Result<PushReply, Fault>);
type Found = Result<(Batch, EncodedBatch)>;

/// Clones share everything.
#[derive(Clone)]
pub(super) struct Outbound {
    pub(super) store: Arc<Store>,
    pub(super) transport: Arc<Transport>,
    pub(super) ids: Arc<dyn IdGen>,
    /// What is being sent now, for receipts.
    in_flight: Arc<Mutex<BTreeSet<RowKey>>>,
}

impl Outbound {
    pub(super) fn new(store: Arc<Store>, transport: Arc<Transport>, ids: Arc<dyn IdGen>) -> Self {
        Self { store, transport, ids, in_flight: Arc::default() }
    }

    pub(super) fn in_flight(&self) -> BTreeSet<RowKey> {
        self.in_flight.lock().clone()
    }
    pub(super) fn landed(&self, outcome: &BatchOutcome) {
        let mut in_flight = self.in_flight.lock();
        for key in outcome.keys() {
            in_flight.remove(key);
        }
    }
    /// While it lives, rows are on their way.
    pub(super) fn flights(&self) -> Flights {
        Flights(self.clone())
    }

    /// The replies to everything that waits, in the order in which it was sent, `limit` rows at a time. While one is waited for, the
    /// next is read, packed and sent already if both are full; dropping the stream gives up what is under way, as if its reply were lost.
    pub(super) fn send_all(&self, limit: usize) -> BoxStream<'static, Result<Answer>> {
        let (reading, sending) = (self.clone(), self.clone());
        let batches = stream::unfold(Some(0), move |after_rev| {
            reading.clone().next(limit, after_rev).boxed()
        });
        batches.map(move |found| sending.clone().send(found).boxed()).buffered(AT_ONCE).boxed()
    }

    /// The next batch, and after which local revision the one that follows it starts.
    async fn next(self, limit: usize, after_rev: Option<i64>) -> Option<(Found, Option<i64>)> {
        let found = self.batch(limit, after_rev?).await.transpose()?;
        let next = found.as_ref().ok().and_then(|(batch, _)| batch.next_after());
        Some((found, next))
    }

    async fn batch(&self, limit: usize, after_rev: i64) -> Result<Option<(Batch, EncodedBatch)>> {
        let (device, clock, ids) =
            (self.store.device(), self.store.clock().clone(), self.ids.clone());
        let next = self.store.read(move |conn| {
            batch::next(conn, limit, after_rev, device, clock.as_ref(), ids.as_ref())
        });
        let (batch, broken) = next.await?;
        if !broken.is_empty() {
            let put_away =
                self.store.write("put_away", move |tx| outbox::put_away(tx, &broken)).await;
            if let Err(e) = put_away {
                // They are passed over again; what can be sent is sent.
                tracing::warn!(error = %e, "keys that cannot be sent stay in the outbox");
            }
        }
        let Some(batch) = batch else { return Ok(None) };
        let encoded = self
            .transport
            .wrap(batch.request())
            .map_err(|_| Error::Internal("rows cannot be written as JSON".into()))?;
        Ok(Some((batch, encoded)))
    }

    async fn send(self, found: Found) -> Result<Answer> {
        let (batch, encoded) = found?;
        self.in_flight.lock().extend(batch.keys().cloned());
        let reply = self.transport.push(&encoded).await;
        Ok((batch, reply))
    }
}

pub(super) struct Flights(Outbound);

impl Drop for Flights {
    fn drop(&mut self) {
        self.0.in_flight.lock().clear();
    }
}
