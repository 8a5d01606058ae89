//! The life of one download that is wanted and not ready: it tries, waits for what it lacks, and goes on by itself.
//!
//! Not here: what an attempt does (`attempt`), what a fault means (`stop_reason`), what is allowed (`policy`).

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use carrel_model::ItemId;
use carrel_net::{Retry, RetryPolicy};
use carrel_sqlite::Change;
use futures_util::FutureExt;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    Error, Result,
    download::{
        Downloads, Environment, Phase, Reason, State, Wish, attempt,
        attempt::{AttemptError, Done},
        policy::PolicyInput,
        progress::Meter,
        queue,
        stop_reason::StopReason,
    },
};

/// Bytes after which an attempt counts as one that worked, so that the next wait is a short one.
const WORKED: u64 = 256 * 1024;
/// Without a network it is tried again at least so often: nobody may tell when it is back.
const OFFLINE_MOST_MS: i64 = 120_000;

/// A download under way.
pub struct Run {
    pub wish: Wish,
    /// Its name among those that share the host.
    pub number: u64,
    pub meter: Meter,
    pub stopped: CancellationToken,
    /// The learner said "now".
    nudge: Notify,
    /// Over a metered network or on battery too, for this run.
    anyway: AtomicBool,
    /// By the learner's wish, not by itself.
    own: AtomicBool,
    /// Bytes that came, over all attempts.
    received: AtomicU64,
    opened: Mutex<Option<ItemId>>,
    retry_at_ms: Mutex<Option<i64>>,
    /// How it stopped, while the database could not be told.
    unsaved: Mutex<Option<(Phase, Reason)>>,
}

impl Run {
    pub fn new(wish: Wish, number: u64, now_ms: i64) -> Self {
        Self {
            wish,
            number,
            meter: Meter::new(now_ms),
            stopped: CancellationToken::new(),
            nudge: Notify::new(),
            anyway: AtomicBool::new(false),
            own: AtomicBool::new(false),
            received: AtomicU64::new(0),
            opened: Mutex::default(),
            retry_at_ms: Mutex::default(),
            unsaved: Mutex::default(),
        }
    }
    pub fn is_own(&self) {
        self.own.store(true, Ordering::Relaxed);
    }
    /// Waiting ends, once; if it is only about to begin, it ends as it does.
    pub fn hurry(&self) {
        self.nudge.notify_one();
    }
    async fn hurried(&self) {
        self.nudge.notified().await;
    }
    pub fn go_anyway(&self) {
        self.anyway.store(true, Ordering::Relaxed);
    }
    /// The section that the learner opened last: what it needs is fetched first.
    pub fn first(&self) -> Option<ItemId> {
        lock(&self.opened).clone()
    }
    pub fn open(&self, item: Option<ItemId>) {
        *lock(&self.opened) = item;
    }
    pub fn count(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }
    /// What is asked of the rules.
    pub fn ask(&self, now_ms: i64) -> PolicyInput {
        let pace = self.meter.pace(now_ms);
        PolicyInput {
            missing: (pace.total > 0).then(|| pace.total - pace.done),
            anyway: self.anyway.load(Ordering::Relaxed),
            own: self.own.load(Ordering::Relaxed),
        }
    }
    /// What only this run knows of the state.
    pub fn dress(&self, mut state: State, now_ms: i64) -> State {
        if let Some((phase, reason)) = *lock(&self.unsaved) {
            (state.phase, state.reason) = (phase, reason);
        }
        match state.phase {
            Phase::Running => {
                let pace = self.meter.pace(now_ms);
                if pace.total > 0 {
                    (state.bytes_done, state.bytes_total) = (pace.done, pace.total);
                    (state.rate, state.left_ms) = (pace.rate, pace.left_ms);
                }
            }
            Phase::Paused => state.retry_at_ms = *lock(&self.retry_at_ms),
            _ => {}
        }
        state
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Downloads {
    /// Until it is ready, or only a person can help.
    pub(super) async fn live(&self, run: &Run) {
        let library = &self.inner.library;
        let mut world = self.inner.world.subscribe();
        // Another device of the same class waits other times.
        let seed = blake3::hash(format!("{}{}", library.account(), run.wish.name()).as_bytes());
        let seed = u64::from_le_bytes(seed.as_bytes()[..8].try_into().unwrap_or_default());
        let mut policy = RetryPolicy::new(seed).max_on_change_ms(OFFLINE_MOST_MS);
        loop {
            let before = run.received.load(Ordering::Relaxed);
            let (stop, held) = match self.attempt(run, &mut world).await {
                Ok(done) => match self.finish(run, done).await {
                    Ok(true) => return,
                    // Something newer is wanted meanwhile.
                    Ok(false) => continue,
                    Err(e) => (StopReason::of(&e), false),
                },
                Err(AttemptError::Changed) => continue,
                Err(AttemptError::Held(reason)) => {
                    (StopReason { phase: Phase::Paused, reason, retry: Retry::OnChange }, true)
                }
                // Paused or removed in the moment before it was to be noted as running.
                Err(AttemptError::Failed(Error::Cancelled)) => return,
                Err(AttemptError::Failed(e)) => {
                    tracing::warn!(download.id = run.wish.name(), error = %e, "download stopped");
                    (StopReason::of(&e), false)
                }
            };
            if run.received.load(Ordering::Relaxed) >= before + WORKED {
                policy.reset();
            }
            // What the rules forbid is allowed only when they, or what they depend on, change.
            let wait_ms = if held { None } else { policy.next_wait(stop.retry) };
            *lock(&run.retry_at_ms) = wait_ms.map(|ms| library.clock().now_ms().saturating_add(ms));
            self.note(run, stop).await;
            if stop.retry == Retry::ByUser {
                return;
            }
            if self.wait(run, &stop, wait_ms, &mut world).await {
                policy.reset();
            }
            *lock(&run.retry_at_ms) = None;
        }
    }

    /// One attempt, which ends when it is not allowed any more.
    async fn attempt(
        &self,
        run: &Run,
        world: &mut watch::Receiver<Environment>,
    ) -> Result<Done, AttemptError> {
        world.borrow_and_update();
        *lock(&run.unsaved) = None;
        // What was said before is heeded by this attempt: it does not end the wait after it.
        let _ = run.hurried().now_or_never();
        let parallel = self.inner.allow(run).map_err(AttemptError::Held)?;
        let work = async {
            let turn = self.inner.turn.acquire().await;
            let _turn = turn.map_err(|_| AttemptError::Failed(Error::Cancelled))?;
            attempt::fetch_all(&self.inner, run, parallel).await
        };
        tokio::pin!(work);
        loop {
            tokio::select! {
                outcome = &mut work => return outcome,
                // Its sender lives as long as this.
                Ok(()) = world.changed() => match self.inner.allow(run) {
                    Ok(n) if n == parallel => {}
                    Ok(_) => return Err(AttemptError::Changed),
                    Err(reason) => return Err(AttemptError::Held(reason)),
                },
            }
        }
    }

    /// True if the world or a person ended it, and not the clock.
    async fn wait(
        &self,
        run: &Run,
        stop: &StopReason,
        wait_ms: Option<i64>,
        world: &mut watch::Receiver<Environment>,
    ) -> bool {
        let due = async {
            match wait_ms {
                Some(ms) => {
                    let wait = std::time::Duration::from_millis(ms.unsigned_abs());
                    self.inner.library.clock().sleep(wait).await;
                }
                None => std::future::pending().await,
            }
        };
        let changed = async {
            if !stop.retry.is_on_change() || world.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = due => false,
            () = changed => true,
            () = run.hurried() => true,
        }
    }

    async fn note(&self, run: &Run, stop: StopReason) {
        let pace = run.meter.pace(self.inner.library.clock().monotonic_ms());
        let wish = run.wish.clone();
        let noted = self.inner.library.blocking(move |library| {
            if stop.reason == Reason::DiskFull {
                library.storage().note_full();
            }
            queue::note_stop(library, &wish, stop.phase, stop.reason)?;
            if pace.total == 0 { Ok(()) } else { queue::set_done(library, &wish, pace.done) }
        });
        if let Err(e) = noted.await {
            *lock(&run.unsaved) = Some((stop.phase, stop.reason));
            tracing::error!(download.id = run.wish.name(), error = %e, "the state of a download could not be saved");
        }
        self.told(&run.wish);
    }

    /// The switch. False if another version is wanted by now.
    async fn finish(&self, run: &Run, done: Done) -> Result<bool> {
        let library = &self.inner.library;
        let now = library.clock().now_ms();
        // Until here the old version was read; from here on the new one is. One statement.
        let (wish, version) = (run.wish.clone(), done.version);
        let switched =
            library.blocking(move |library| queue::set_ready(library, &wish, version, now));
        if !switched.await? {
            return Ok(false);
        }
        let bytes = done.manifest.manifest.total_bytes();
        tracing::info!(download.id = run.wish.name(), download.bytes = bytes, "download ready");
        self.told(&run.wish);
        let name = run.wish.name().to_owned();
        let wish = run.wish.clone();
        let indexed = library.blocking(move |library| {
            library.index(&done.manifest)?;
            // Removed while its pages were read: then the removal may have come before them.
            if queue::get(library, &wish)?.is_none() { library.unindex(&wish.id) } else { Ok(()) }
        });
        match indexed.await {
            // Lists that were read when the download was ready may be searched now.
            Ok(()) => library.changes().tell_one(Change::Downloads),
            Err(e) => {
                tracing::warn!(download.id = name, error = %e, "a download cannot be searched");
            }
        }
        Ok(true)
    }

    /// The last word for now, for whoever shows the list and whoever follows the bytes.
    pub(super) fn told(&self, wish: &Wish) {
        let moved = Change::DownloadMoved(wish.name().to_owned());
        self.inner.library.changes().tell([Change::Downloads, moved].into());
    }
}

/// Runs to its end, unless it is stopped.
pub async fn spawned(downloads: Downloads, run: Arc<Run>) {
    tokio::select! {
        () = downloads.live(&run) => {
            downloads.left(&run);
            // Wanted again in its last moment.
            let wish = run.wish.clone();
            let again = downloads.inner.library.blocking(move |library| queue::get(library, &wish));
            if again.await.is_ok_and(|s| s.is_some_and(|s| s.phase == Phase::Queued)) {
                downloads.run(run.wish.clone(), Run::is_own);
            }
        }
        () = run.stopped.cancelled() => {}
    }
}

#[cfg(test)]
mod tests {
    use carrel_model::Slug;

    use super::*;
    use crate::kind::Kind;

    #[test]
    fn a_tap_in_the_moment_before_the_wait_ends_it_and_only_it() {
        let course = Slug::new("river").expect("a name");
        let run = Run::new(Wish::whole(Kind::Course, &course), 1, 0);
        run.hurry();
        assert!(run.hurried().now_or_never().is_some(), "it was said already");
        assert!(run.hurried().now_or_never().is_none(), "once");
    }
}
