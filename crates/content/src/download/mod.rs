//! Downloads of whole courses, lessons and stories. The queue is stored in `content.db`, transfers
//! resume with `Range`, all bytes are verified, and a waiting download has a reason.
//!
//! | Module | Content |
//! |---|---|
//! | `queue` | requested and ready versions, in `content.db` |
//! | `policy` | whether a download may run, by network, battery and settings. Pure |
//! | `conditions` | network and battery as reported by the system and the UI |
//! | `plan` | the blobs of a course, lesson or story, in the order of reading. Pure |
//! | `task` | runs attempts of one download until it is ready, and waits between them |
//! | `attempt` | one attempt: fetches the manifest and all missing blobs |
//! | `blob_writer` | stores verified blobs, small ones in batches |
//! | `stop_reason` | why an attempt failed, and what starts the next one. Pure |
//! | `progress` | bytes, rate, remaining time |
//! | `verify` | verification of all bytes; lists missing blobs |
//! | `imported` | versions imported from a file |
//!
//! Not here: eviction and quota (`storage`).

mod attempt;
mod blob_writer;
mod conditions;
pub mod imported;
mod plan;
mod policy;
mod progress;
mod queue;
mod stop_reason;
mod task;
mod verify;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub use crate::fetch::MAX_PER_HOST;
use carrel_model::{BlobHash, ItemId, Slug};
use carrel_system::run_or_spawn;
pub use conditions::{ReportedConditions, Sensors, SystemSensors};
pub use plan::BlobUse;
pub use policy::{
    Conditions, LOW_BATTERY, MAX_TRANSFERS, Metered, Network, PolicyInput, Power, Rules,
    SMALL_DOWNLOAD,
};
pub use progress::Progress;
pub use stop_reason::StopReason;
use tokio::{
    sync::{Semaphore, watch},
    task::JoinHandle,
};
pub use verify::{MissingFile, Verification};

use self::{blob_writer::BlobWriter, task::Run};
pub use crate::target::{DownloadTarget, Phase, Reason, State};
use crate::{Result, fetch::Slots, kind::Kind, library::Library};

/// Largest number of concurrent downloads. A low limit makes the first ones ready early; with a limit
/// of 1 a long video would delay all others.
const MAX_ACTIVE: usize = 3;

/// The downloads of one account. Clones share state.
#[derive(Clone)]
pub struct Downloads {
    inner: Arc<DownloadsInner>,
}

struct DownloadsInner {
    library: Library,
    slots: Slots,
    blob_writer: BlobWriter,
    active_limit: Semaphore,
    environment: watch::Sender<Environment>,
    table: Mutex<ActiveRuns>,
}

/// The conditions that downloads depend on. Each change wakes waiting downloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Environment {
    /// Network and battery.
    pub conditions: Conditions,
    /// Settings of the learner and the organisation.
    pub rules: Rules,
    /// Incremented on any other change: network, sign-in, free space.
    pub revision: u64,
}

impl Environment {
    /// Returns the number of transfers that a download may use, or why it must wait.
    pub fn allow(&self, input: PolicyInput) -> Result<usize, Reason> {
        policy::allow(self.conditions, self.rules, input)
    }
}

#[derive(Default)]
struct ActiveRuns {
    active: HashMap<DownloadTarget, Arc<Run>>,
    tasks: HashMap<DownloadTarget, JoinHandle<()>>,
    /// The item opened last in each course.
    opened: HashMap<Slug, ItemId>,
    /// Versions to which this process has started an automatic update; each is tried once.
    updated: HashSet<(DownloadTarget, BlobHash)>,
    number: u64,
    closed: bool,
}

impl Downloads {
    /// Creates the queue without starting downloads; see `resume`.
    pub fn open(library: Library) -> Self {
        let inner = DownloadsInner {
            slots: Slots::new(MAX_PER_HOST),
            blob_writer: BlobWriter::new(library.blobs().clone()),
            active_limit: Semaphore::new(MAX_ACTIVE),
            environment: watch::Sender::new(Environment::default()),
            table: Mutex::default(),
            library,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Returns the state of a whole course or story.
    pub fn state(&self, kind: Kind, id: &Slug) -> Result<State> {
        self.state_of(&DownloadTarget::whole(kind, id))
    }
    /// Returns the state of any target.
    pub fn state_of(&self, target: &DownloadTarget) -> Result<State> {
        let state = queue::get(&self.inner.library, target)?.unwrap_or_default();
        Ok(self.with_progress(target, state))
    }
    /// Returns the states of all requested whole courses or stories, by id.
    pub fn states(&self, kind: Kind) -> Result<HashMap<String, State>> {
        let mut states = queue::all(&self.inner.library, kind)?;
        for (target, run) in &self.table().active {
            if target.kind == kind
                && target.is_whole()
                && let Some(state) = states.get_mut(target.id.as_str())
            {
                *state = run.with_progress(*state, self.now());
            }
        }
        Ok(states)
    }
    /// Returns the states of all requested lessons of a course, by the lesson's item id.
    pub fn lessons(&self, course: &Slug) -> Result<HashMap<String, State>> {
        let states = queue::lessons(&self.inner.library, course)?;
        let states = states.into_iter().map(|(lesson, state)| {
            let state = self.with_progress(&DownloadTarget::lesson(course, &lesson), state);
            (lesson, state)
        });
        Ok(states.collect())
    }
    /// Returns the states of all requested targets.
    pub fn all_states(&self) -> Result<Vec<(DownloadTarget, State)>> {
        let states = queue::all_targets(&self.inner.library)?.into_iter();
        Ok(states
            .map(|(target, state)| (target.clone(), self.with_progress(&target, state)))
            .collect())
    }
    fn with_progress(&self, target: &DownloadTarget, state: State) -> State {
        match self.table().active.get(target) {
            Some(run) => run.with_progress(state, self.now()),
            None => state,
        }
    }

    /// Requests a whole course or story. Stored bytes are not fetched again.
    pub fn start(&self, kind: Kind, id: &Slug) -> Result<State> {
        self.request(&DownloadTarget::whole(kind, id), false)
    }
    /// Requests a target and pins it. `anyway` allows metered networks and low battery. If the
    /// download is waiting, it is retried immediately.
    pub fn request(&self, target: &DownloadTarget, anyway: bool) -> Result<State> {
        queue::request(&self.inner.library, target, true)?;
        let active = self.run(target.clone(), |run| {
            run.set_requested();
            if anyway {
                run.allow_anyway();
            }
        });
        if let Some(run) = active {
            run.retry_now();
        }
        self.emit_changed(target);
        self.state_of(target)
    }

    /// Pauses the download of a whole course or story. Fetched bytes are kept.
    pub fn pause_whole(&self, kind: Kind, id: &Slug) -> Result<State> {
        self.pause(&DownloadTarget::whole(kind, id))
    }
    /// Pauses the download of any target.
    pub fn pause(&self, target: &DownloadTarget) -> Result<State> {
        let library = &self.inner.library;
        if let Some(run) = self.stop(target) {
            let progress = run.meter.progress(self.now());
            if progress.total > 0 {
                queue::set_done(library, target, progress.done)?;
            }
        }
        queue::set_phase(library, target, Phase::Paused, Reason::User)?;
        self.emit_changed(target);
        self.state_of(target)
    }

    /// Removes the download of a whole course or story, with the blobs that no other version needs.
    /// The learner's progress is kept.
    pub fn remove(&self, kind: Kind, id: &Slug) -> Result<State> {
        self.remove_target(&DownloadTarget::whole(kind, id))
    }
    /// Removes the download of any target.
    pub fn remove_target(&self, target: &DownloadTarget) -> Result<State> {
        self.stop(target);
        let library = &self.inner.library;
        queue::remove(library, target)?;
        if target.is_whole() {
            library.unindex(&target.id)?;
            library.remove_from_list(target.kind, &target.id)?;
        }
        self.emit_changed(target);
        self.state_of(target)
    }

    /// Resumes all downloads that do not need an action of the learner. Does not block.
    pub fn resume(&self) {
        let downloads = self.clone();
        run_or_spawn(move || downloads.resume_waiting());
    }

    fn resume_waiting(&self) {
        if self.inner.library.storage().is_degraded() {
            return;
        }
        match queue::waiting(&self.inner.library) {
            Ok(waiting) => waiting.into_iter().for_each(|(target, is_requested)| {
                self.run(target, |run| {
                    if is_requested {
                        run.set_requested();
                    }
                });
            }),
            Err(e) => tracing::error!(error = %e, "cannot read the download queue"),
        }
        self.inner.environment.send_modify(|w| w.revision += 1);
    }

    /// Returns a callback that calls `resume` if the queue still exists.
    pub fn waker(&self) -> impl Fn() + Send + Sync + 'static {
        let inner = Arc::downgrade(&self.inner);
        move || {
            if let Some(inner) = inner.upgrade() {
                Self { inner }.resume();
            }
        }
    }

    /// Sets the current conditions of network and battery.
    pub fn set_conditions(&self, conditions: Conditions) {
        self.inner.environment.send_if_modified(|w| {
            let before = std::mem::replace(&mut w.conditions, conditions);
            before != conditions
        });
    }
    /// Waits until prefetching is allowed: unmetered network and sufficient power.
    pub async fn until_prefetch_allowed(&self) {
        let free = |w: &Environment| w.allow(PolicyInput::default()).is_ok();
        let _ = self.environment().wait_for(free).await;
    }
    /// Returns a receiver of the conditions, for downloads of other crates.
    pub fn environment(&self) -> watch::Receiver<Environment> {
        self.inner.environment.subscribe()
    }
    /// Returns the current conditions.
    pub fn conditions(&self) -> Conditions {
        self.inner.environment.borrow().conditions
    }
    /// Sets the rules of the learner and the organisation.
    pub fn set_rules(&self, rules: Rules) {
        self.inner
            .environment
            .send_if_modified(|w| std::mem::replace(&mut w.rules, rules) != rules);
    }

    /// Makes current and later downloads of the course fetch the blobs of this section first.
    pub fn prioritize(&self, item: &ItemId) {
        let Ok(course) = Slug::new(item.root()) else { return };
        let mut table = self.table();
        for (_, run) in table.active.iter().filter(|(target, _)| target.id == course) {
            run.set_opened(Some(item.clone()));
        }
        table.opened.insert(course, item.clone());
    }

    /// Updates ready downloads for which the catalogue lists another version, over unmetered networks.
    /// The old version is used until the new one is complete. Returns the number of updates started.
    pub fn update(&self) -> Result<usize> {
        let library = &self.inner.library;
        let mut started = 0;
        if library.storage().is_degraded() {
            return Ok(started);
        }
        for (target, local) in queue::ready(library)? {
            let Some(listed) = library.known_version(target.kind, &target.id)? else { continue };
            if listed == local {
                continue;
            }
            // A version imported from another library is not replaced by this server's version. Checked last, because it
            // verifies the signature of the manifest.
            if library.has_accepted_key(target.kind, &target.id)?
                || !self.table().updated.insert((target.clone(), listed))
            {
                continue;
            }
            queue::request(library, &target, false)?;
            self.run(target.clone(), |_| ());
            self.emit_changed(&target);
            started += 1;
        }
        Ok(started)
    }

    /// Stops all downloads without changing the queue; they resume at the next start.
    pub fn close(&self) {
        let mut table = self.table();
        table.closed = true;
        for run in table.active.values() {
            run.stopped.cancel();
        }
    }

    /// Stops the download of a target that is about to be imported. Returns whether it was running.
    pub fn stop_for_import(&self, target: &DownloadTarget) -> bool {
        self.stop(target).is_some()
    }

    fn stop(&self, target: &DownloadTarget) -> Option<Arc<Run>> {
        let run = self.table().active.remove(target);
        if let Some(run) = &run {
            run.stopped.cancel();
        }
        run
    }
    /// Removes a run whose task has ended without being stopped.
    fn ended(&self, run: &Arc<Run>) {
        let mut table = self.table();
        if table.active.get(&run.target).is_some_and(|r| Arc::ptr_eq(r, run)) {
            table.active.remove(&run.target);
        }
    }

    /// Starts a run of this target and returns `None`, or returns the active run. `configure` is called
    /// with the new or active run.
    fn run(&self, target: DownloadTarget, configure: impl FnOnce(&Run)) -> Option<Arc<Run>> {
        let mut table = self.table();
        if let Some(run) = table.active.get(&target) {
            configure(run);
            return Some(run.clone());
        }
        table.number += 1;
        let run = Arc::new(Run::new(target.clone(), table.number, self.now()));
        run.set_opened(table.opened.get(&target.id).cloned());
        configure(&run);
        if table.closed {
            return None;
        }
        table.active.insert(target.clone(), run.clone());
        table.tasks.retain(|_, task| !task.is_finished());
        // The previous run may still have its files open.
        let before = table.tasks.remove(&target);
        let (this, mine) = (self.clone(), run.clone());
        let task = tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            task::run_to_end(this, mine).await;
        });
        table.tasks.insert(target, task);
        None
    }
    fn now(&self) -> i64 {
        self.inner.library.clock().monotonic_ms()
    }
    fn table(&self) -> MutexGuard<'_, ActiveRuns> {
        self.inner.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DownloadsInner {
    /// Returns the number of transfers that the run may use, or why it must wait.
    fn allow(&self, run: &Run) -> Result<usize, Reason> {
        let input = run.policy_input(self.library.clock().monotonic_ms());
        self.environment.borrow().allow(input)
    }
}
