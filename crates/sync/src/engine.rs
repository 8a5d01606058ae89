//! Runs one instruction of the machine with transport and store. Never sleeps or retries: the caller (the scheduler or
//! a simulation) controls time, order and faults.
//!
//! ```text
//! let mut todo = VecDeque::from(engine.handle(Event::Start));
//! while let Some(instruction) = todo.pop_front() {
//!     todo.extend(engine.handle(engine.run(instruction).await));
//! }
//! // then let time pass until engine.next_wake(), and engine.handle(Event::Timer)
//! ```
//! Dropping the future of `run` at any point is equivalent to a crash: the request may or may not have arrived, the
//! transaction may or may not have been committed. For `Listen`, call `listen` to receive events while the stream is
//! open.

use std::{collections::BTreeSet, sync::Arc};

use carrel_learning::store::{Store, outbox, state};
use carrel_model::{
    ErrorCode,
    lattice::RowKey,
    wire::{CatalogueEvent, ChangesEvent},
};
use carrel_system::IdGen;
use futures_util::{StreamExt, future::join};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use crate::{
    Event, Fault, Instruction, Machine, Phase, Result, Transport, batch,
    batch::BatchOutcome,
    clock::LastContact,
    machine::{Lane, PULL_ROWS, Pushed},
    outbound::Outbound,
    pull,
};

/// Maximum length of a line of the event stream in bytes. Lines of the server are far shorter.
const MAX_LINE_BYTES: usize = 64 * 1024;
/// Maximum number of pages of one pull. The machine limits the number of pulls, not of pages.
const MAX_PAGES: usize = 8;

/// The sync engine of one account: machine, transport and store.
pub struct Engine {
    store: Arc<Store>,
    transport: Arc<Transport>,
    outbound: Outbound,
    last_contact: LastContact,
    machine: Mutex<Machine>,
    /// The last reported revision of the catalogue.
    catalogue: watch::Sender<Option<u64>>,
}

impl Engine {
    /// Creates an engine. `ids` generates batch ids.
    pub fn new(
        store: Arc<Store>,
        transport: Transport,
        ids: Arc<dyn IdGen>,
        machine: Machine,
    ) -> Self {
        let transport = Arc::new(transport);
        let outbound = Outbound::new(store.clone(), transport.clone(), ids);
        let last_contact = LastContact::default();
        let (machine, catalogue) = (Mutex::new(machine), watch::Sender::new(None));
        Self { store, transport, outbound, last_contact, machine, catalogue }
    }
    /// Returns the revision of the catalogue that the server reported last. Each report counts as a change, also of the
    /// same revision: the server reports it when a stream opens and after each change.
    pub fn catalogue(&self) -> watch::Receiver<Option<u64>> {
        self.catalogue.subscribe()
    }

    /// Passes an event to the machine at the present monotonic time.
    pub fn handle(&self, event: Event) -> Vec<Instruction> {
        let now = self.store.clock().monotonic_ms();
        self.machine().handle(now, event)
    }
    /// Returns when to call `handle(Event::Timer)`, in ms from now; 0 if due, `None` while signed out.
    pub fn next_wake_in(&self) -> Option<i64> {
        let now = self.store.clock().monotonic_ms();
        self.machine().next_wake().map(|at| (at - now).max(0))
    }
    /// Returns true if neither push nor pull runs or is due. See [`Machine::is_settled`].
    pub fn is_settled(&self) -> bool {
        let now = self.store.clock().monotonic_ms();
        self.machine().is_settled(now)
    }
    /// Returns the phase for display, and the error that caused it.
    pub fn phase(&self) -> (Phase, Option<ErrorCode>) {
        let machine = self.machine();
        (machine.phase(), machine.error())
    }
    /// Returns when the next retry after a fault is due, in ms from now.
    pub fn next_try_in(&self) -> Option<i64> {
        let now = self.store.clock().monotonic_ms();
        self.machine().next_try().map(|at| (at - now).max(0))
    }
    /// Returns the keys of the rows in flight.
    pub fn in_flight(&self) -> BTreeSet<RowKey> {
        self.outbound.in_flight()
    }
    pub(super) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Runs an instruction once and returns its result as an event.
    pub async fn run(&self, instruction: Instruction) -> Event {
        let event = self.execute(instruction).await;
        if event.is_signed_out() {
            self.requeue_acknowledged().await;
        }
        event
    }

    /// Called when the session ended. If the server was restored from a backup, rows it acknowledged may be missing
    /// there: puts all rows back into the outbox, so that they are displayed as waiting until the server acknowledges
    /// them.
    async fn requeue_acknowledged(&self) {
        let Ok(epoch) = self.transport.epoch().await else { return };
        let requeued = self.store.write("requeue_acknowledged", move |tx| {
            let known = tx.state().epoch.clone();
            if !known.is_empty() && !epoch.is_empty() && known != epoch {
                batch::change_epoch(tx, &epoch)?;
            }
            Ok(())
        });
        if let Err(e) = requeued.await {
            tracing::error!(error = %e, "rows could not be put back into the outbox");
        }
    }

    async fn execute(&self, instruction: Instruction) -> Event {
        match instruction {
            Instruction::Push { limit } => self.push(limit).await,
            Instruction::Quarantine { key, rev, code, reason } => {
                self.quarantine(key, rev, code, reason).await
            }
            Instruction::Pull { limit } => self.pull(limit).await,
            Instruction::Listen { stream } => self.listen(stream, |_| {}).await,
            Instruction::CloseStream => Event::Timer,
        }
    }

    /// Sends the outbox. While the server handles a batch, the reply to the previous one is applied. A reply that does
    /// not accept all rows ends the push.
    async fn push(&self, limit: usize) -> Event {
        if let Err(event) = self.recheck_clock().await {
            return event;
        }
        let _guard = self.outbound.in_flight_guard();
        let mut replies = self.outbound.send_all(limit);
        let mut done = Pushed::default();
        let mut unsettled = None;
        loop {
            let (settled, next) = join(self.settle(unsettled.take(), None), replies.next()).await;
            match settled {
                Ok(settled) => done = done.plus(settled),
                Err(e) => return store_failed(Lane::Push, &e),
            }
            if done.other_epoch {
                // The rows of the batches in flight are sent again with all others.
                return Event::Pushed(done);
            }
            let (batch, reply) = match next {
                None => return Event::Pushed(done),
                Some(Err(e)) => return store_failed(Lane::Push, &e),
                Some(Ok(sent)) => sent,
            };
            let (sent, first) = (batch.len(), batch.first());
            let outcome = match reply {
                Ok(reply) => BatchOutcome::new(batch, reply),
                Err(fault) => return Event::PushFailed { fault, sent, first },
            };
            if !outcome.is_all_accepted() {
                return self.finish_push(outcome, done, sent, first).await;
            }
            unsettled = Some(outcome);
        }
    }

    async fn settle(
        &self,
        outcome: Option<BatchOutcome>,
        offset_ms: Option<i64>,
    ) -> Result<Pushed> {
        match outcome {
            None => Ok(Pushed::default()),
            Some(outcome) => {
                let outcome = Arc::new(outcome);
                let shared = outcome.clone();
                let settled = self
                    .store
                    .write("settle_push", move |tx| batch::settle(tx, &shared, offset_ms))
                    .await;
                self.outbound.settled(&outcome);
                settled
            }
        }
    }

    /// Fetches the server's clock while the local one is corrected, because the wrong clock may have been the server's,
    /// which may be right now, and if rows with times wait and the local clock may be wrong. Without an answer nothing
    /// is sent: stamps and times may be wrong.
    async fn recheck_clock(&self) -> std::result::Result<(), Event> {
        let failed = |e: &crate::Error| store_failed(Lane::Push, e);
        let read = self.store.read(|conn| Ok((state::load(conn)?, outbox::has_timed(conn)?)));
        let (state, has_timed) = read.await.map_err(|e| failed(&e))?;
        let clock = self.store.clock().clone();
        let is_doubtful = has_timed && self.last_contact.is_doubtful(clock.as_ref());
        if state.clock_offset_ms == 0 && !is_doubtful {
            return Ok(());
        }
        let offset_ms = self.clock_offset().await.map_err(|fault| Event::PushFailed {
            fault,
            sent: 0,
            first: None,
        })?;
        self.last_contact.store(clock.as_ref());
        if !batch::is_other_clock(state.clock_offset_ms, offset_ms) && !is_doubtful {
            return Ok(());
        }
        let applied = self.store.write("apply_clock", move |tx| batch::apply_clock(tx, offset_ms));
        applied.await.map_err(|e| failed(&e))
    }

    /// Returns the server's clock minus the local one, in ms. A fault of `/api/meta` is not caused by a row.
    async fn clock_offset(&self) -> std::result::Result<i64, Fault> {
        self.transport.clock_offset().await.map_err(|fault| match fault {
            Fault::Offline => fault,
            fault => Fault::Busy { status: 0, retry_after_ms: fault.retry_after_ms() },
        })
    }

    /// Settles the last batch. Fetches the server's clock first if the server rejected stamps.
    async fn finish_push(
        &self,
        outcome: BatchOutcome,
        done: Pushed,
        sent: usize,
        first: Option<(RowKey, i64)>,
    ) -> Event {
        let mut offset_ms = None;
        if outcome.has_clock_skew() {
            // Without the server's time, stamps cannot be corrected: nothing is settled, and all rows are sent again.
            match self.clock_offset().await {
                Ok(ms) => {
                    self.last_contact.store(self.store.clock().as_ref());
                    offset_ms = Some(ms);
                }
                Err(fault) => return Event::PushFailed { fault, sent, first },
            }
        }
        match self.settle(Some(outcome), offset_ms).await {
            Ok(settled) => Event::Pushed(done.plus(settled)),
            Err(e) => store_failed(Lane::Push, &e),
        }
    }

    async fn quarantine(&self, key: RowKey, rev: i64, code: &'static str, reason: String) -> Event {
        let refused = self
            .store
            .write("quarantine", move |tx| outbox::refuse(tx, &key, rev, code, &reason))
            .await;
        match refused {
            Ok(_) => Event::Quarantined,
            Err(e) => store_failed(Lane::Push, &e),
        }
    }

    /// Pulls up to `MAX_PAGES` pages. While a full page is applied, the next one is requested. A fault after the first
    /// page ends the pull without an error: the pages before it are applied, and the next pull reports the fault if it
    /// persists.
    async fn pull(&self, limit: u32) -> Event {
        let state = match self.store.read(state::load).await {
            Ok(state) => state,
            Err(e) => return store_failed(Lane::Pull, &e),
        };
        let (mut since, mut epoch) = (state.pulled, state.epoch);
        let mut reply = match self.transport.pull(since, limit).await {
            Ok(reply) => reply,
            Err(fault) => return Event::PullFailed(fault),
        };
        let mut page = 1;
        loop {
            // A smaller limit means that a reply could not be read: the machine raises it again after each page.
            let is_full = limit == PULL_ROWS && reply.rows.len() == PULL_ROWS as usize;
            let is_pipelined = is_full && reply.more && reply.next > since && page < MAX_PAGES;
            let next_since = reply.next;
            let next = async {
                if is_pipelined { self.transport.pull(next_since, limit).await.ok() } else { None }
            };
            let applied =
                self.store.write("apply_pull", move |tx| pull::apply(tx, since, &epoch, &reply));
            let (applied, next) = join(applied, next).await;
            let done = match applied {
                Ok(done) => done,
                Err(e) => return store_failed(Lane::Pull, &e),
            };
            match next.filter(|_| !done.other_epoch && done.usn == next_since) {
                Some(next) => (since, epoch, reply, page) = (done.usn, done.epoch, next, page + 1),
                None => return Event::Pulled(done),
            }
        }
    }

    /// Reads the event stream until it ends, and passes its events to `emit`. `stream` is the number from the
    /// instruction.
    pub async fn listen(&self, stream: u64, emit: impl Fn(Event)) -> Event {
        let ended = |fault| Event::ListenEnded { stream, fault };
        let reply = match self.transport.events().await {
            Ok(reply) => reply,
            Err(fault) => return ended(fault),
        };
        emit(Event::ListenOpened { stream });
        let mut body = reply.body;
        let mut lines = EventLines::default();
        while let Some(piece) = body.next().await {
            let Ok(piece) = piece else { return ended(Fault::Offline) };
            match lines.feed(&piece) {
                Some(found) => found.into_iter().for_each(|announced| match announced {
                    Announced::Rows(n) => emit(Event::Changes { usn: n.usn, epoch: n.epoch }),
                    Announced::Catalogue(n) => drop(self.catalogue.send_replace(Some(n.revision))),
                }),
                None => return ended(Fault::BadReply),
            }
        }
        // The server closes the stream when the access token expires; the next stream uses a new token.
        ended(Fault::Offline)
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock()
    }
}

fn store_failed(lane: Lane, e: &crate::Error) -> Event {
    tracing::error!(error = %e, "sync could not read or write user.db");
    Event::StoreFailed(lane)
}

/// What an event of the stream reports.
#[derive(Debug, PartialEq)]
enum Announced {
    Rows(ChangesEvent),
    Catalogue(CatalogueEvent),
}

impl Announced {
    /// Returns `None` for an event that this release does not know or cannot read.
    fn of(event: &str, data: &str) -> Option<Self> {
        match event {
            "changes" => serde_json::from_str(data).ok().map(Self::Rows),
            "catalogue" => serde_json::from_str(data).ok().map(Self::Catalogue),
            _ => None,
        }
    }
}

/// Parser of server-sent events (WHATWG HTML, 9.2), limited to events with one line of data.
#[derive(Default)]
struct EventLines {
    partial: Vec<u8>,
    event: String,
    data: String,
}

impl EventLines {
    /// Returns the events completed by `bytes`; `None` if a line exceeds the limit.
    fn feed(&mut self, bytes: &[u8]) -> Option<Vec<Announced>> {
        self.partial.extend_from_slice(bytes);
        let mut events = Vec::new();
        // The lines are removed from `partial` once, at the end: a chunk may contain thousands.
        let mut read = 0;
        while let Some(len) = self.partial[read..].iter().position(|b| *b == b'\n') {
            let line = String::from_utf8_lossy(&self.partial[read..=read + len]);
            read += len + 1;
            let line = line.trim_end_matches(['\n', '\r']);
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut self.event),
                "data" => self.data.push_str(value),
                "" if line.is_empty() => {
                    let (event, data) =
                        (std::mem::take(&mut self.event), std::mem::take(&mut self.data));
                    events.extend(Announced::of(&event, &data));
                }
                _ => {}
            }
        }
        self.partial.drain(..read);
        (self.partial.len() <= MAX_LINE_BYTES && self.data.len() <= MAX_LINE_BYTES)
            .then_some(events)
    }
}

/// For tests and tools.
impl Engine {
    /// Handles `event` and runs all instructions that result, except `Listen`. Time does not advance.
    pub async fn step(&self, event: Event) -> Result<()> {
        let mut todo = std::collections::VecDeque::from(self.handle(event));
        while let Some(instruction) = todo.pop_front() {
            if !matches!(instruction, Instruction::Listen { .. }) {
                let event = self.run(instruction).await;
                todo.extend(self.handle(event));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_parsed_across_chunk_boundaries() {
        let stream = b": hello\n\nevent: changes\nid: 7\ndata: {\"usn\":7,\"epoch\":\"e\"}\n\n\
            event: other\ndata: {}\n\nevent: catalogue\ndata: {\"revision\":5}\n\n\
            event: changes\r\ndata: {\"usn\":8,\"epoch\":\"e\"}\r\n\r\nevent: changes\ndata: nonsense\n\n";
        for cut in 1..stream.len() {
            let mut lines = EventLines::default();
            let mut found = Vec::new();
            for piece in stream.chunks(cut) {
                found.extend(lines.feed(piece).unwrap());
            }
            let rows = |usn| Announced::Rows(ChangesEvent { usn, epoch: "e".into() });
            let catalogue = Announced::Catalogue(CatalogueEvent { revision: 5 });
            assert_eq!(found, [rows(7), catalogue, rows(8)], "pieces of {cut}");
        }
    }

    #[test]
    fn an_overlong_line_is_rejected() {
        let mut lines = EventLines::default();
        assert!((0..100).any(|_| lines.feed(&[b'x'; 1024]).is_none()));
    }
}
