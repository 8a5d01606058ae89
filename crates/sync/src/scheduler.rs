//! The sync task, which waits for timers, changes of the outbox, server events and user actions. No other part of sync
//! sleeps.

use std::{collections::BTreeSet, pin::Pin, sync::Arc, time::Duration};

use carrel_learning::store::{Store, outbox, state};
use carrel_model::{ErrorCode, lattice::RowKey};
use carrel_net::{Contact, Session};
use carrel_sqlite::Change;
use carrel_system::SPAN_TARGET;
use futures_util::{Future, StreamExt, stream::FuturesUnordered};
use parking_lot::Mutex;
use tokio::{
    sync::{broadcast::error::RecvError, mpsc, oneshot, watch},
    task::JoinHandle,
};

use crate::{Engine, Event, Instruction, Phase, Result};

/// State of sync for display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// State of the machine.
    pub phase: Phase,
    /// When the phase began, in UTC milliseconds.
    pub since_ms: i64,
    /// Number of keys in the outbox.
    pub waiting: u32,
    /// Number of refused rows.
    pub refused: u32,
    /// Time of the last successful sync, in UTC milliseconds.
    pub last_ok_ms: Option<i64>,
    /// Time of the next automatic retry, in UTC milliseconds.
    pub next_try_ms: Option<i64>,
    /// The error that caused the phase.
    pub error: Option<ErrorCode>,
}

enum Command {
    Handle(Event),
    /// Handles the event, and replies when `Engine::is_settled`.
    Settle(Event, oneshot::Sender<()>),
    Stop,
}

/// Sync of one account. Dropping it stops the task.
pub struct Sync {
    store: Arc<Store>,
    /// `None` for an account without a server.
    running: Option<Running>,
}

struct Running {
    engine: Arc<Engine>,
    commands: mpsc::UnboundedSender<Command>,
    since: watch::Receiver<(Phase, i64)>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Sync {
    /// Creates the `Sync` of an account without a server, which sends nothing.
    pub fn local(store: Arc<Store>) -> Self {
        Self { store, running: None }
    }

    /// Starts the task. `session` reports sign-in and sign-out, and whether the server can be reached.
    pub fn start(engine: Arc<Engine>, session: Option<Session>) -> Self {
        let store = engine.store().clone();
        let (commands, receiver) = mpsc::unbounded_channel();
        let (phase, since) = watch::channel((Phase::Idle, store.clock().now_ms()));
        let task = SyncTask {
            engine: engine.clone(),
            ended: session.as_ref().map(Session::ended),
            contact: session.as_ref().map(Session::contact),
            phase,
            events: commands.clone(),
            jobs: FuturesUnordered::new(),
            listener: None,
            waiters: Vec::new(),
            live: None,
        };
        let task = tokio::spawn(task.run(receiver));
        let running = Running { engine, commands, since, task: Mutex::new(Some(task)) };
        Self { store, running: Some(running) }
    }

    /// Returns the state for display.
    pub async fn status(&self) -> Result<Status> {
        let ((waiting, refused), last_ok_ms) = self
            .store
            .read(|conn| Ok((outbox::counts(conn)?, state::load(conn)?.last_ok_ms)))
            .await?;
        let Some(running) = &self.running else {
            let phase = Phase::Local;
            return Ok(Status {
                phase,
                since_ms: 0,
                waiting,
                refused,
                last_ok_ms,
                next_try_ms: None,
                error: None,
            });
        };
        let (phase, error) = running.engine.phase();
        let next_try_ms = running.engine.next_try_in().map(|ms| self.store.clock().now_ms() + ms);
        let since_ms = running.since.borrow().1;
        Ok(Status { phase, since_ms, waiting, refused, last_ok_ms, next_try_ms, error })
    }

    /// Resets all waits, then pushes and pulls. Returns when both are done or wait after a fault.
    pub async fn sync_now(&self) -> Result<Status> {
        if let Some(running) = &self.running {
            let (done, settled) = oneshot::channel();
            if running.commands.send(Command::Settle(Event::SyncNow, done)).is_ok() {
                let _ = settled.await;
            }
        }
        self.status().await
    }

    /// Returns the revision of the catalogue that the server reported last (`Engine::catalogue`); `None` for an account
    /// without a server.
    pub fn catalogue(&self) -> Option<watch::Receiver<Option<u64>>> {
        self.running.as_ref().map(|running| running.engine.catalogue())
    }
    /// Reports that the network address changed or the device is online again.
    pub fn network_changed(&self) {
        self.send(Event::NetworkChanged);
    }
    /// Reports that the device resumed from suspend, or the window was brought to the foreground.
    pub fn resume(&self) {
        self.send(Event::Resume);
    }

    /// Stops the task. Requests in progress are cancelled, which is safe at any point.
    pub async fn stop(&self) {
        if let Some(running) = &self.running {
            let _ = running.commands.send(Command::Stop);
            let task = running.task.lock().take();
            if let Some(task) = task {
                let _ = task.await;
            }
        }
    }

    pub(super) fn store(&self) -> &Arc<Store> {
        &self.store
    }
    pub(super) fn in_flight(&self) -> BTreeSet<RowKey> {
        self.running.as_ref().map(|r| r.engine.in_flight()).unwrap_or_default()
    }
    fn send(&self, event: Event) {
        if let Some(running) = &self.running {
            let _ = running.commands.send(Command::Handle(event));
        }
    }
}

impl Drop for Sync {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            let _ = running.commands.send(Command::Stop);
        }
    }
}

type Job = Pin<Box<dyn Future<Output = Event> + Send>>;

struct SyncTask {
    engine: Arc<Engine>,
    ended: Option<watch::Receiver<bool>>,
    contact: Option<watch::Receiver<Contact>>,
    phase: watch::Sender<(Phase, i64)>,
    events: mpsc::UnboundedSender<Command>,
    jobs: FuturesUnordered<Job>,
    listener: Option<JoinHandle<()>>,
    waiters: Vec<oneshot::Sender<()>>,
    /// Span from an announcement of the server until its rows are applied.
    live: Option<tracing::Span>,
}

impl SyncTask {
    async fn run(mut self, mut receiver: mpsc::UnboundedReceiver<Command>) {
        let mut changes = self.engine.store().changes().subscribe();
        let clock = self.engine.store().clock().clone();
        self.handle(Event::Start);
        loop {
            let wait_ms = self.engine.next_wake_in().unwrap_or(i64::MAX);
            let timer = clock.sleep(Duration::from_millis(wait_ms.unsigned_abs()));
            let event = tokio::select! {
                // Checked in this order, so that "Sync now" after signing in uses the new session.
                biased;
                ended = change_of(&mut self.ended) => if ended { Event::SignedOut } else { Event::SignedIn },
                Some(event) = self.jobs.next(), if !self.jobs.is_empty() => event,
                command = receiver.recv() => match command {
                    Some(Command::Handle(event)) => event,
                    Some(Command::Settle(event, done)) => {
                        self.waiters.push(done);
                        event
                    }
                    Some(Command::Stop) | None => break,
                },
                change = changes.recv() => match change {
                    Ok(changed) if changed.contains(&Change::Outbox) => Event::LocalChange,
                    // A lagging receiver may have missed a change of the outbox.
                    Err(RecvError::Lagged(_)) => Event::LocalChange,
                    Ok(_) => continue,
                    Err(RecvError::Closed) => break,
                },
                contact = change_of(&mut self.contact) => match contact {
                    Contact::Unreachable => Event::Unreachable,
                    Contact::Doubtful => Event::Doubtful,
                    Contact::Reached => Event::Reached,
                    Contact::Unknown => continue,
                },
                () = timer => Event::Timer,
            };
            self.handle(event);
        }
        self.close_stream();
    }

    fn handle(&mut self, event: Event) {
        // A request of the previous session may fail after the learner has signed in again.
        let is_outdated = event.is_signed_out() && self.has_session();
        let is_announced = matches!(event, Event::Changes { .. });
        match &event {
            Event::Pulled(_) => self.live = None,
            Event::PullFailed(_) => {
                if let Some(live) = self.live.take() {
                    live.record("failed", true);
                }
            }
            _ => {}
        }
        let mut instructions = self.engine.handle(event);
        let pulls = |i: &Instruction| matches!(i, Instruction::Pull { .. });
        if is_announced && instructions.iter().any(pulls) {
            let failed = tracing::field::Empty;
            self.live = Some(tracing::info_span!(target: SPAN_TARGET, "live", failed));
        }
        if is_outdated {
            instructions.extend(self.engine.handle(Event::SignedIn));
        }
        for instruction in instructions {
            match instruction {
                Instruction::Listen { stream } => self.listen(stream),
                Instruction::CloseStream => self.close_stream(),
                other => {
                    let engine = self.engine.clone();
                    self.jobs.push(Box::pin(async move { engine.run(other).await }));
                }
            }
        }
        self.publish_phase();
        if self.engine.is_settled() {
            for waiter in self.waiters.drain(..) {
                let _ = waiter.send(());
            }
        }
    }

    fn listen(&mut self, stream: u64) {
        self.close_stream();
        let (engine, events) = (self.engine.clone(), self.events.clone());
        self.listener = Some(tokio::spawn(async move {
            let emit = |event| {
                let _ = events.send(Command::Handle(event));
            };
            emit(engine.listen(stream, emit).await);
        }));
    }
    fn close_stream(&mut self) {
        if let Some(listener) = self.listener.take() {
            listener.abort();
        }
    }

    /// Returns false without a session and after it ended.
    fn has_session(&self) -> bool {
        self.ended.as_ref().is_some_and(|ended| !*ended.borrow())
    }

    fn publish_phase(&self) {
        let store = self.engine.store();
        let (phase, _) = self.engine.phase();
        let changed = self.phase.send_if_modified(|now| {
            let changed = now.0 != phase;
            if changed {
                *now = (phase, store.clock().now_ms());
            }
            changed
        });
        if changed {
            store.changes().publish_one(Change::Sync);
        }
    }
}

/// Resolves with the next value that the session reports. Never resolves without a session.
async fn change_of<T: Copy>(watch: &mut Option<watch::Receiver<T>>) -> T {
    if let Some(watch) = watch
        && watch.changed().await.is_ok()
    {
        return *watch.borrow_and_update();
    }
    std::future::pending().await
}
