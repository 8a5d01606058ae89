//! Reads the outbox, and compresses and sends batches, of which two full ones may be in flight.
//!
//! Not here: applying the reply (`batch`), handling faults (`machine`).

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

/// Maximum number of full batches in flight: the server reads one while it writes the other.
const MAX_IN_FLIGHT: usize = 2;

/// A batch and its reply.
pub(super) type SentBatch = (Batch, Result<PushReply, Fault>);
type EncodedResult = Result<(Batch, EncodedBatch)>;

/// Sends the outbox. Clones share all state.
#[derive(Clone)]
pub(super) struct Outbound {
    pub(super) store: Arc<Store>,
    pub(super) transport: Arc<Transport>,
    pub(super) ids: Arc<dyn IdGen>,
    /// Keys of the rows in flight, for receipts.
    in_flight: Arc<Mutex<BTreeSet<RowKey>>>,
}

impl Outbound {
    pub(super) fn new(store: Arc<Store>, transport: Arc<Transport>, ids: Arc<dyn IdGen>) -> Self {
        Self { store, transport, ids, in_flight: Arc::default() }
    }

    pub(super) fn in_flight(&self) -> BTreeSet<RowKey> {
        self.in_flight.lock().clone()
    }
    pub(super) fn settled(&self, outcome: &BatchOutcome) {
        let mut in_flight = self.in_flight.lock();
        for key in outcome.keys() {
            in_flight.remove(key);
        }
    }
    /// Returns a guard that clears `in_flight` when it is dropped.
    pub(super) fn in_flight_guard(&self) -> InFlightGuard {
        InFlightGuard(self.clone())
    }

    /// Sends the whole outbox in batches of at most `limit` rows, and returns the replies in order. If a batch is full,
    /// the next one is read, compressed and sent before its reply arrives. Dropping the stream abandons the batches in
    /// flight, which is equivalent to losing their replies.
    pub(super) fn send_all(&self, limit: usize) -> BoxStream<'static, Result<SentBatch>> {
        let (reading, sending) = (self.clone(), self.clone());
        let batches = stream::unfold(Some(0), move |after_rev| {
            reading.clone().next(limit, after_rev).boxed()
        });
        batches
            .map(move |found| sending.clone().send(found).boxed())
            .buffered(MAX_IN_FLIGHT)
            .boxed()
    }

    /// Returns the next batch, and the local revision after which the following one starts.
    async fn next(
        self,
        limit: usize,
        after_rev: Option<i64>,
    ) -> Option<(EncodedResult, Option<i64>)> {
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
            let quarantine_broken = self
                .store
                .write("quarantine_broken", move |tx| outbox::quarantine_broken(tx, &broken))
                .await;
            if let Err(e) = quarantine_broken {
                // The keys are skipped at the next push too; the other rows are sent.
                tracing::warn!(error = %e, "keys that cannot be sent could not be removed from the outbox");
            }
        }
        let Some(batch) = batch else { return Ok(None) };
        let encoded = self
            .transport
            .encode(batch.request())
            .map_err(|_| Error::Internal("a batch cannot be serialised".into()))?;
        Ok(Some((batch, encoded)))
    }

    async fn send(self, found: EncodedResult) -> Result<SentBatch> {
        let (batch, encoded) = found?;
        self.in_flight.lock().extend(batch.keys().cloned());
        let reply = self.transport.push(&encoded).await;
        Ok((batch, reply))
    }
}

pub(super) struct InFlightGuard(Outbound);

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.in_flight.lock().clear();
    }
}
