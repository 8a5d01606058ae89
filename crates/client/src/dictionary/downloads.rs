//! Downloads of dictionary packs from the server of an account: the blob fetcher of the content, its rules for networks
//! and batteries, and its budget.
//!
//! A requested download is stored as `ID.wanted` in the folder of the packs, so that it goes on after a restart, with
//! the bytes that it has. The database of the pack is moved to the folder when its hash is verified.
//!
//! Not here: which packs the server offers (`offers`).

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use carrel_bundle::DictionaryBundle;
use carrel_content::{
    Content, Limit,
    blobs::{BlobLocation, BlobOrigin},
    download::{Phase, PolicyInput, Reason, State, StopReason},
    fetch::{Admission, BlobRequest, FetchOptions, Fetched},
    storage::{Reservation, Storage},
};
use carrel_model::Slug;
use carrel_net::{Retry, RetryPolicy};
use carrel_sqlite::{Change, Changes};
use carrel_system::blocking;
use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::Dictionaries;
use crate::{Error, Result};

/// Consecutive requests without progress after which an attempt fails.
const MAX_ATTEMPTS: u32 = 3;
/// Longest wait for a network; the system may not report that a network is available again.
const MAX_OFFLINE_WAIT_MS: i64 = 120_000;
/// Bytes between two events with the progress.
const REPORT_EVERY: u64 = 256 * 1024;

/// The downloads of one account.
#[derive(Default)]
pub(crate) struct DictionaryDownloads {
    runs: Mutex<BTreeMap<Slug, Arc<Run>>>,
}

/// A requested download.
pub(crate) struct Run {
    bundle: DictionaryBundle,
    state: Mutex<State>,
    done: AtomicU64,
    reported: AtomicU64,
    /// Metered networks and low battery are allowed.
    anyway: AtomicBool,
    retry_signal: Notify,
    stopped: CancellationToken,
}

impl DictionaryDownloads {
    /// Returns the state of a download; `None` if this version was not requested.
    pub fn state(&self, bundle: &DictionaryBundle) -> Option<State> {
        let runs = self.runs.lock();
        let run = runs.get(&bundle.facts.id)?;
        let state = State { bytes_done: run.done.load(Ordering::Relaxed), ..*run.state.lock() };
        (run.bundle.facts.hash == bundle.facts.hash).then_some(state)
    }
    /// Returns the run to start; `None` if the download is active, which is then retried at once.
    pub fn begin(&self, bundle: &DictionaryBundle, anyway: bool) -> Option<Arc<Run>> {
        let mut runs = self.runs.lock();
        if let Some(run) = runs.get(&bundle.facts.id) {
            let is_active = run.state.lock().phase != Phase::Failed;
            if is_active && run.bundle.facts.hash == bundle.facts.hash {
                run.anyway.fetch_or(anyway, Ordering::Relaxed);
                run.retry_signal.notify_one();
                return None;
            }
            run.stopped.cancel();
        }
        let state =
            State { phase: Phase::Queued, bytes_total: bundle.facts.bytes, ..State::default() };
        let run = Arc::new(Run {
            bundle: bundle.clone(),
            state: Mutex::new(state),
            done: AtomicU64::new(0),
            reported: AtomicU64::new(0),
            anyway: AtomicBool::new(anyway),
            retry_signal: Notify::new(),
            stopped: CancellationToken::new(),
        });
        runs.insert(bundle.facts.id.clone(), run.clone());
        Some(run)
    }
    /// Stops a download. Returns true if there was one.
    pub fn stop(&self, id: &Slug) -> bool {
        let stopped = self.runs.lock().remove(id);
        stopped.inspect(|run| run.stopped.cancel()).is_some()
    }
    fn ended(&self, run: &Arc<Run>) {
        let mut runs = self.runs.lock();
        if runs.get(&run.bundle.facts.id).is_some_and(|found| Arc::ptr_eq(found, run)) {
            runs.remove(&run.bundle.facts.id);
        }
    }
}

/// What a download uses.
pub(crate) struct Downloader {
    pub downloads: Arc<DictionaryDownloads>,
    pub dictionaries: Arc<Dictionaries>,
    pub content: Arc<Content>,
    pub changes: Changes,
}

/// Why an attempt ended before the pack was installed.
enum AttemptError {
    NotAllowed(Reason),
    Failed(Error),
}

impl<E: Into<Error>> From<E> for AttemptError {
    fn from(e: E) -> Self {
        Self::Failed(e.into())
    }
}

impl Downloader {
    /// Runs until the pack is installed, the download is stopped, or only the learner can start it again.
    pub async fn run(self, run: Arc<Run>) {
        tokio::select! {
            () = self.run_until_installed(&run) => {}
            () = run.stopped.cancelled() => {}
        }
    }

    async fn run_until_installed(&self, run: &Arc<Run>) {
        let id = &run.bundle.facts.id;
        let clock = self.content.library.clock().clone();
        let seed = u64::from_le_bytes(run.bundle.facts.hash.0[..8].try_into().unwrap_or_default());
        let mut policy = RetryPolicy::new(seed).max_on_change_ms(MAX_OFFLINE_WAIT_MS);
        let mut environment = self.content.downloads.environment();
        loop {
            environment.borrow_and_update();
            let done_before = run.done.load(Ordering::Relaxed);
            let (stop, is_held) = match self.attempt(run).await {
                Ok(()) => {
                    tracing::info!(dictionary.id = %id, "dictionary installed");
                    self.dictionaries.forget_wanted(id).await;
                    self.downloads.ended(run);
                    return self.changes.publish_one(Change::Storage);
                }
                Err(AttemptError::NotAllowed(reason)) => {
                    (StopReason { phase: Phase::Paused, reason, retry: Retry::OnChange }, true)
                }
                Err(AttemptError::Failed(e)) => {
                    tracing::warn!(dictionary.id = %id, error = %e, "download of a dictionary failed");
                    (stop_reason(&e), false)
                }
            };
            if run.done.load(Ordering::Relaxed) > done_before {
                policy.reset();
            }
            let wait_ms = if is_held { None } else { policy.next_wait(stop.retry) };
            self.set(run, |state| {
                (state.phase, state.reason) = (stop.phase, stop.reason);
                state.retry_at_ms = wait_ms.map(|ms| clock.now_ms().saturating_add(ms));
            });
            if stop.retry == Retry::ByUser {
                return self.dictionaries.forget_wanted(id).await;
            }
            let timeout = async {
                match wait_ms {
                    Some(ms) => {
                        clock.sleep(std::time::Duration::from_millis(ms.unsigned_abs())).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = timeout => {}
                Ok(()) = environment.changed(), if stop.retry.is_on_change() => policy.reset(),
                () = run.retry_signal.notified() => policy.reset(),
            }
        }
    }

    /// Fetches the database and installs the pack.
    async fn attempt(&self, run: &Run) -> Result<(), AttemptError> {
        let blob = run.bundle.database();
        let library = &self.content.library;
        let partial = library.blocking(move |l| Ok(l.blobs().partial_len(blob.hash))).await?;
        let missing = blob.size.saturating_sub(partial);
        let is_stored = library.blocking(move |l| l.blobs().has(blob.hash)).await?;
        run.done.store(partial, Ordering::Relaxed);
        let input = PolicyInput {
            missing: Some(missing),
            anyway: run.anyway.load(Ordering::Relaxed),
            is_requested: true,
        };
        if !is_stored {
            let mut environment = self.content.downloads.environment();
            environment.borrow_and_update().allow(input).map_err(AttemptError::NotAllowed)?;
            self.set(run, |state| {
                (state.phase, state.reason) = (Phase::Running, Reason::None);
                state.retry_at_ms = None;
            });
            let reservation = self.reserve(missing).await?;
            let fetch = self.fetch(run, &reservation, partial);
            let refused = refusal(&mut environment, input);
            tokio::select! {
                fetched = fetch => fetched?,
                reason = refused => return Err(AttemptError::NotAllowed(reason)),
            }
        }
        let (bundle, dictionaries) = (run.bundle.clone(), self.dictionaries.clone());
        let storage = library.storage().clone();
        Ok(blocking(move || install(&storage, &dictionaries, &bundle)).await?)
    }

    /// Reserves the missing bytes. The budget for content also holds for the packs.
    async fn reserve(&self, missing: u64) -> Result<Reservation> {
        let dictionaries = self.dictionaries.clone();
        let storage = self.content.library.storage().clone();
        blocking(move || {
            let reservation = storage.reserve(missing)?;
            let installed: u64 = dictionaries.all()?.iter().map(|found| found.facts.bytes).sum();
            let over = || -> Result<u64> {
                let now = storage.measure()?;
                let all = now.used.saturating_add(now.reserved).saturating_add(installed);
                Ok(all.saturating_sub(storage.limits()?.budget(now)))
            };
            let excess = over()?;
            if excess > 0 {
                storage.evict(excess)?;
            }
            match over()? {
                0 => Ok(reservation),
                missing => {
                    let limit = Limit::Budget;
                    Err(carrel_content::Error::NoSpace { missing, limit }.into())
                }
            }
        })
        .await
    }

    async fn fetch(&self, run: &Run, reservation: &Reservation, partial: u64) -> Result<()> {
        let blob = run.bundle.database();
        let received = |bytes: usize| {
            let done = run.done.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
            reservation.used(bytes as u64);
            if done >= run.reported.load(Ordering::Relaxed) + REPORT_EVERY {
                run.reported.store(done, Ordering::Relaxed);
                self.changes.publish_one(Change::Storage);
            }
        };
        let corrected = |by: i64| {
            let correct = |done: u64| Some(done.saturating_add_signed(by));
            let _ = run.done.fetch_update(Ordering::Relaxed, Ordering::Relaxed, correct);
        };
        // The space is reserved already.
        let admit = |_, _| std::future::ready(Ok(Admission::Disk(None))).boxed();
        let options = FetchOptions {
            attempts: MAX_ATTEMPTS,
            slots: None,
            admit: &admit,
            received: &received,
            corrected: &corrected,
        };
        let request = BlobRequest {
            hash: blob.hash,
            size: Some(blob.size),
            media_type: &blob.media_type,
            origin: BlobOrigin::Requested,
        };
        let library = &self.content.library;
        let stored = match library.fetcher().fetch(request, partial, &options).await? {
            Fetched::Bytes(bytes) => {
                library.blocking(move |l| l.blobs().put(blob.hash, &bytes)).await
            }
            Fetched::File(file) => library.blocking(move |_| file.finish()).await,
        };
        Ok(stored?)
    }

    fn set(&self, run: &Run, change: impl FnOnce(&mut State)) {
        let mut state = run.state.lock();
        let before = *state;
        change(&mut state);
        let is_changed = *state != before;
        drop(state);
        if is_changed {
            self.changes.publish_one(Change::Storage);
        }
    }
}

/// Waits until the conditions no longer allow the download.
async fn refusal(
    environment: &mut watch::Receiver<carrel_content::download::Environment>,
    input: PolicyInput,
) -> Reason {
    loop {
        if environment.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        if let Err(reason) = environment.borrow_and_update().allow(input) {
            return reason;
        }
    }
}

fn stop_reason(e: &Error) -> StopReason {
    let of = |phase, reason, retry| StopReason { phase, reason, retry };
    match e {
        Error::Net(e) => StopReason::of(&carrel_content::Error::Net(e.clone())),
        Error::Content(e) => StopReason::of(e),
        Error::NotFound(_) => of(Phase::Failed, Reason::Server, Retry::ByUser),
        // Verified, and still not a pack that this app can read.
        Error::Import(_) => of(Phase::Failed, Reason::Corrupt, Retry::ByUser),
        Error::Storage(e) => StopReason::of(&carrel_content::Error::Storage(e.clone())),
        _ => of(Phase::Failed, Reason::Storage, Retry::ByUser),
    }
}

/// Moves the verified database from the blobs to the folder of the packs. Blocking.
fn install(
    storage: &Storage,
    dictionaries: &Dictionaries,
    bundle: &DictionaryBundle,
) -> Result<()> {
    let hash = bundle.facts.hash;
    let part = dictionaries.prepare(bundle)?;
    let _ = std::fs::remove_file(&part);
    match storage.blobs().locate(hash)? {
        Some(BlobLocation::File { path, .. }) => {
            if std::fs::hard_link(&path, &part).is_err() {
                std::fs::copy(&path, &part)?;
                sync(&part)?;
            }
        }
        Some(BlobLocation::Memory(bytes)) => {
            std::fs::write(&part, &bytes)?;
            sync(&part)?;
        }
        None => return Err(Error::Internal(format!("the blob {hash} is gone"))),
    }
    dictionaries.install(bundle)?;
    // The pack has the bytes now.
    Ok(storage.blobs().remove(hash)?)
}

fn sync(path: &Path) -> std::io::Result<()> {
    std::fs::OpenOptions::new().write(true).open(path)?.sync_all()
}
