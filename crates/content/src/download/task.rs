//! The task of one download: runs attempts until the download is ready, and waits between them.
//!
//! Not here: an attempt (`attempt`), the classification of errors (`stop_reason`), the rules
//! (`policy`).

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
        DownloadTarget, Downloads, Environment, Phase, Reason, State, attempt,
        attempt::{AttemptError, Completed},
        policy::PolicyInput,
        progress::Meter,
        queue,
        stop_reason::StopReason,
    },
};

/// Bytes that an attempt must receive to reset the backoff.
const MIN_PROGRESS: u64 = 256 * 1024;
/// Longest wait for a network; the system may not report that a network is available again.
const MAX_OFFLINE_WAIT_MS: i64 = 120_000;

/// An active download.
pub struct Run {
    /// The target of the download.
    pub target: DownloadTarget,
    /// Number of the run, as an owner of transfer slots.
    pub number: u64,
    /// Measures the progress.
    pub meter: Meter,
    /// Cancelled when the download is stopped.
    pub stopped: CancellationToken,
    /// Notified when the learner requests a retry.
    retry_signal: Notify,
    /// Metered networks and low battery are allowed for this run.
    anyway: AtomicBool,
    /// Requested by the learner, as opposed to an automatic update.
    requested: AtomicBool,
    /// Bytes received in all attempts.
    received: AtomicU64,
    opened: Mutex<Option<ItemId>>,
    retry_at_ms: Mutex<Option<i64>>,
    /// The last phase and reason, if they could not be written to the database.
    unsaved: Mutex<Option<(Phase, Reason)>>,
}

impl Run {
    /// Creates a run; `now_ms` is monotonic.
    pub fn new(target: DownloadTarget, number: u64, now_ms: i64) -> Self {
        Self {
            target,
            number,
            meter: Meter::new(now_ms),
            stopped: CancellationToken::new(),
            retry_signal: Notify::new(),
            anyway: AtomicBool::new(false),
            requested: AtomicBool::new(false),
            received: AtomicU64::new(0),
            opened: Mutex::default(),
            retry_at_ms: Mutex::default(),
            unsaved: Mutex::default(),
        }
    }
    /// Marks the run as requested by the learner.
    pub fn set_requested(&self) {
        self.requested.store(true, Ordering::Relaxed);
    }
    /// Ends the current wait, or else the next one.
    pub fn retry_now(&self) {
        self.retry_signal.notify_one();
    }
    async fn retry_requested(&self) {
        self.retry_signal.notified().await;
    }
    /// Allows metered networks and low battery for this run.
    pub fn allow_anyway(&self) {
        self.anyway.store(true, Ordering::Relaxed);
    }
    /// Returns the section that the learner opened last; its blobs are fetched first.
    pub fn opened_item(&self) -> Option<ItemId> {
        lock(&self.opened).clone()
    }
    /// Sets the section that the learner opened last.
    pub fn set_opened(&self, item: Option<ItemId>) {
        *lock(&self.opened) = item;
    }
    /// Counts received bytes.
    pub fn count_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }
    /// Returns the input of the policy.
    pub fn policy_input(&self, now_ms: i64) -> PolicyInput {
        let progress = self.meter.progress(now_ms);
        PolicyInput {
            missing: (progress.total > 0).then(|| progress.total - progress.done),
            anyway: self.anyway.load(Ordering::Relaxed),
            is_requested: self.requested.load(Ordering::Relaxed),
        }
    }
    /// Sets the fields of `state` that are not in the database: progress, rate, time of the next
    /// attempt.
    pub fn with_progress(&self, mut state: State, now_ms: i64) -> State {
        if let Some((phase, reason)) = *lock(&self.unsaved) {
            (state.phase, state.reason) = (phase, reason);
        }
        match state.phase {
            Phase::Running => {
                let progress = self.meter.progress(now_ms);
                if progress.total > 0 {
                    (state.bytes_done, state.bytes_total) = (progress.done, progress.total);
                    (state.rate, state.left_ms) = (progress.rate, progress.left_ms);
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
    /// Runs until the download is ready, removed, or needs an action of the learner.
    pub(super) async fn run_until_ready(&self, run: &Run) {
        let library = &self.inner.library;
        let mut environment = self.inner.environment.subscribe();
        // The seed differs by account and target, so that devices retry at different times.
        let seed = blake3::hash(format!("{}{}", library.account(), run.target.name()).as_bytes());
        let seed = u64::from_le_bytes(seed.as_bytes()[..8].try_into().unwrap_or_default());
        let mut policy = RetryPolicy::new(seed).max_on_change_ms(MAX_OFFLINE_WAIT_MS);
        loop {
            let before = run.received.load(Ordering::Relaxed);
            let (stop, is_held) = match self.attempt(run, &mut environment).await {
                Ok(done) => match self.finish(run, done).await {
                    Ok(true) => return,
                    // Another version was requested in the meantime.
                    Ok(false) => continue,
                    Err(e) => (StopReason::of(&e), false),
                },
                Err(AttemptError::Changed) => continue,
                Err(AttemptError::NotAllowed(reason)) => {
                    (StopReason { phase: Phase::Paused, reason, retry: Retry::OnChange }, true)
                }
                // Paused or removed before the version was recorded.
                Err(AttemptError::Failed(Error::Cancelled)) => return,
                Err(AttemptError::Failed(e)) => {
                    tracing::warn!(download.id = run.target.name(), error = %e, "download attempt failed");
                    (StopReason::of(&e), false)
                }
            };
            if run.received.load(Ordering::Relaxed) >= before + MIN_PROGRESS {
                policy.reset();
            }
            // A download that the policy forbids is retried only after a change.
            let wait_ms = if is_held { None } else { policy.next_wait(stop.retry) };
            *lock(&run.retry_at_ms) = wait_ms.map(|ms| library.clock().now_ms().saturating_add(ms));
            self.record_stop(run, stop).await;
            if stop.retry == Retry::ByUser {
                return;
            }
            if self.wait(run, &stop, wait_ms, &mut environment).await {
                policy.reset();
            }
            *lock(&run.retry_at_ms) = None;
        }
    }

    /// Runs one attempt; aborts it when the policy no longer allows it.
    async fn attempt(
        &self,
        run: &Run,
        environment: &mut watch::Receiver<Environment>,
    ) -> Result<Completed, AttemptError> {
        environment.borrow_and_update();
        *lock(&run.unsaved) = None;
        // Discards an earlier signal, which must not end the wait after this attempt.
        let _ = run.retry_requested().now_or_never();
        let parallel = self.inner.allow(run).map_err(AttemptError::NotAllowed)?;
        let running = async {
            let permit = self.inner.active_limit.acquire().await;
            let _permit = permit.map_err(|_| AttemptError::Failed(Error::Cancelled))?;
            attempt::fetch_all(&self.inner, run, parallel).await
        };
        tokio::pin!(running);
        loop {
            tokio::select! {
                outcome = &mut running => return outcome,
                // `self` holds the sender.
                Ok(()) = environment.changed() => match self.inner.allow(run) {
                    Ok(n) if n == parallel => {}
                    Ok(_) => return Err(AttemptError::Changed),
                    Err(reason) => return Err(AttemptError::NotAllowed(reason)),
                },
            }
        }
    }

    /// Waits for the next attempt. Returns `true` if a change or the learner ended the wait, `false`
    /// after the timeout.
    async fn wait(
        &self,
        run: &Run,
        stop: &StopReason,
        wait_ms: Option<i64>,
        environment: &mut watch::Receiver<Environment>,
    ) -> bool {
        let timeout = async {
            match wait_ms {
                Some(ms) => {
                    let wait = std::time::Duration::from_millis(ms.unsigned_abs());
                    self.inner.library.clock().sleep(wait).await;
                }
                None => std::future::pending().await,
            }
        };
        let changed = async {
            if !stop.retry.is_on_change() || environment.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = timeout => false,
            () = changed => true,
            () = run.retry_requested() => true,
        }
    }

    async fn record_stop(&self, run: &Run, stop: StopReason) {
        let progress = run.meter.progress(self.inner.library.clock().monotonic_ms());
        let target = run.target.clone();
        let recorded = self.inner.library.blocking(move |library| {
            if stop.reason == Reason::DiskFull {
                library.storage().report_full();
            }
            queue::set_stopped(library, &target, stop.phase, stop.reason)?;
            if progress.total == 0 {
                Ok(())
            } else {
                queue::set_done(library, &target, progress.done)
            }
        });
        if let Err(e) = recorded.await {
            *lock(&run.unsaved) = Some((stop.phase, stop.reason));
            tracing::error!(download.id = run.target.name(), error = %e, "cannot write the state of a download");
        }
        self.emit_changed(&run.target);
    }

    /// Makes the version ready and indexes its text. Returns `false` if the download requests another
    /// version by now.
    async fn finish(&self, run: &Run, done: Completed) -> Result<bool> {
        let library = &self.inner.library;
        let now = library.clock().now_ms();
        let (target, version) = (run.target.clone(), done.version);
        let switched =
            library.blocking(move |library| queue::set_ready(library, &target, version, now));
        if !switched.await? {
            return Ok(false);
        }
        let bytes = done.manifest.manifest.total_bytes();
        tracing::info!(download.id = run.target.name(), download.bytes = bytes, "download ready");
        self.emit_changed(&run.target);
        let name = run.target.name().to_owned();
        let target = run.target.clone();
        let indexed = library.blocking(move |library| {
            library.index(&done.manifest)?;
            // The download may have been removed before its text was indexed.
            if queue::get(library, &target)?.is_none() {
                library.unindex(&target.id)
            } else {
                Ok(())
            }
        });
        match indexed.await {
            // Search results that the UI has read are stale now.
            Ok(()) => library.changes().publish_one(Change::Downloads),
            Err(e) => {
                tracing::warn!(download.id = name, error = %e, "cannot index a download");
            }
        }
        Ok(true)
    }

    /// Emits events for the list of downloads and for the progress of this download.
    pub(super) fn emit_changed(&self, target: &DownloadTarget) {
        let progress = Change::DownloadProgress(target.name().to_owned());
        self.inner.library.changes().publish([Change::Downloads, progress].into());
    }
}

/// Runs the task until it ends or is stopped.
pub async fn run_to_end(downloads: Downloads, run: Arc<Run>) {
    tokio::select! {
        () = downloads.run_until_ready(&run) => {
            downloads.ended(&run);
            // Requested again before the run was removed.
            let target = run.target.clone();
            let state = downloads.inner.library.blocking(move |library| queue::get(library, &target));
            if state.await.is_ok_and(|s| s.is_some_and(|s| s.phase == Phase::Queued)) {
                downloads.run(run.target.clone(), Run::set_requested);
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
    fn a_retry_requested_before_a_wait_ends_only_that_wait() {
        let course = Slug::new("river").expect("a valid slug");
        let run = Run::new(DownloadTarget::whole(Kind::Course, &course), 1, 0);
        run.retry_now();
        assert!(run.retry_requested().now_or_never().is_some(), "the first wait ends at once");
        assert!(run.retry_requested().now_or_never().is_none(), "the second wait does not end");
    }
}
