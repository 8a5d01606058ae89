//! Whole courses and stories onto this device: a queue that survives kill and reboot, resumes with `Range`, and proves every byte.
//!
//! Not here: what is evicted and when (nothing yet), metered and battery rules.

mod fetch;
mod queue;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use carrel_model::Slug;
use tokio_util::sync::CancellationToken;

pub use queue::{Phase, Reason, State, Wish};

use crate::{
    Change, Error, Result,
    library::{Kind, Library, OpenManifest},
};

/// Blobs that are fetched at once for one course.
const PARALLEL: usize = 4;

/// What a check of every byte found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    pub files: u32,
    pub bytes: u64,
    /// Missing or damaged; damaged ones were removed, so that they are fetched again.
    pub missing: u32,
    pub checked_ms: i64,
}

/// The downloads of one account.
#[derive(Clone)]
pub struct Downloads {
    inner: Arc<Inner>,
}

struct Inner {
    library: Library,
    /// Those that run now, by kind and id.
    running: Mutex<HashMap<(Kind, Slug), CancellationToken>>,
    /// One course at a time: the next begins when the first is here, so that something is ready soon.
    turn: tokio::sync::Semaphore,
}

impl Downloads {
    pub(crate) fn open(library: Library) -> Result<Self> {
        let inner =
            Inner { library, running: Mutex::default(), turn: tokio::sync::Semaphore::new(1) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The state of one course or story.
    pub fn state(&self, kind: Kind, id: &Slug) -> Result<State> {
        queue::get(&self.inner.library, &Wish::whole(kind, id)).map(Option::unwrap_or_default)
    }
    /// The states of all that were ever wanted, by id.
    pub fn states(&self, kind: Kind) -> Result<HashMap<String, State>> {
        queue::all(&self.inner.library, kind)
    }
    /// Marks a ready download as outdated if the server has another version.
    pub fn is_outdated(&self, state: &State, server: carrel_model::BlobHash) -> bool {
        state.ready_version.is_some_and(|here| here != server)
    }

    /// Wants this course or story on this device. Bytes that are here already are not fetched again.
    pub fn start(&self, kind: Kind, id: &Slug) -> Result<State> {
        queue::want(&self.inner.library, &Wish::whole(kind, id), true)?;
        self.run(kind, id.clone());
        self.state(kind, id)
    }

    /// Stops fetching. What was fetched is kept for the next start; a version that was ready stays.
    pub fn cancel(&self, kind: Kind, id: &Slug) -> Result<State> {
        self.stop(kind, id);
        queue::set_phase(&self.inner.library, &Wish::whole(kind, id), Phase::Paused, Reason::User)?;
        self.inner
            .library
            .changes()
            .tell([Change::Downloads, Change::DownloadMoved(id.clone())].into());
        self.state(kind, id)
    }

    /// Takes it off this device: blobs that no other download names are deleted. Progress is not touched.
    pub fn remove(&self, kind: Kind, id: &Slug) -> Result<State> {
        self.stop(kind, id);
        let library = &self.inner.library;
        queue::remove(library, &Wish::whole(kind, id))?;
        library.unindex(id)?;
        library.changes().tell([Change::Downloads, Change::DownloadMoved(id.clone())].into());
        self.state(kind, id)
    }

    /// Goes on with everything that waits for the network or for its turn.
    pub fn resume(&self) {
        match queue::waiting(&self.inner.library) {
            Ok(waiting) => {
                waiting.into_iter().filter(Wish::is_whole).for_each(|w| self.run(w.kind, w.id))
            }
            Err(e) => tracing::error!(error = %e, "the download queue cannot be read"),
        }
    }

    /// Hashes every byte that this course or story needs.
    pub async fn prove(&self, kind: Kind, id: &Slug) -> Result<Proof> {
        let library = self.inner.library.clone();
        let manifest = library.manifest(kind, id).await?.value;
        let checked_ms = library.clock().now_ms();
        let (work, blobs) = (library.blobs().clone(), manifest.clone());
        let missing = tokio::task::spawn_blocking(move || -> Result<u32> {
            let mut missing = 0;
            for blob in &blobs.manifest.blobs {
                missing += u32::from(!work.prove(blob.hash)?);
            }
            Ok(missing)
        })
        .await
        .map_err(|e| Error::Internal(e.to_string()))??;
        let state = self.state(kind, id)?;
        if state.phase == Phase::Ready {
            if missing == 0 {
                queue::set_checked(&library, &Wish::whole(kind, id), checked_ms)?;
            } else {
                queue::want(&library, &Wish::whole(kind, id), true)?;
                self.run(kind, id.clone());
            }
            library.changes().tell_one(Change::Downloads);
        }
        Ok(Proof {
            files: manifest.manifest.blobs.len() as u32,
            bytes: manifest.manifest.total_bytes(),
            missing,
            checked_ms,
        })
    }

    fn stop(&self, kind: Kind, id: &Slug) {
        if let Some(token) = self.running().remove(&(kind, id.clone())) {
            token.cancel();
        }
    }
    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<(Kind, Slug), CancellationToken>> {
        self.inner.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, kind: Kind, id: Slug) {
        let token = CancellationToken::new();
        match self.running().entry((kind, id.clone())) {
            std::collections::hash_map::Entry::Occupied(_) => return,
            std::collections::hash_map::Entry::Vacant(e) => e.insert(token.clone()),
        };
        let this = self.clone();
        tokio::spawn(async move {
            let outcome = tokio::select! {
                outcome = this.turn(kind, &id) => outcome,
                () = token.cancelled() => return,
            };
            this.running().remove(&(kind, id.clone()));
            if let Err(e) = this.end(kind, &id, outcome) {
                tracing::error!(download.id = %id, error = %e, "the state of a download could not be saved");
            }
        });
    }

    async fn turn(&self, kind: Kind, id: &Slug) -> Result<(Arc<OpenManifest>, i64)> {
        let _turn = self.inner.turn.acquire().await.map_err(|_| Error::Cancelled)?;
        fetch::fetch_all(&self.inner.library, kind, id).await
    }

    fn end(&self, kind: Kind, id: &Slug, outcome: Result<(Arc<OpenManifest>, i64)>) -> Result<()> {
        let library = &self.inner.library;
        match outcome {
            Ok((manifest, version)) => {
                let now = library.clock().now_ms();
                // The switch to the new version is this one statement.
                queue::set_ready(library, &Wish::whole(kind, id), version, now)?;
                if let Err(e) = library.index(&manifest) {
                    tracing::warn!(download.id = %id, error = %e, "a download cannot be searched");
                }
                tracing::info!(download.id = %id, download.bytes = manifest.manifest.total_bytes(), "download ready");
            }
            Err(e) => {
                let (phase, reason) = match &e {
                    Error::Offline(_) | Error::NotDownloaded { .. } => {
                        (Phase::Paused, Reason::Offline)
                    }
                    Error::DiskFull(_) | Error::NoSpace { .. } => (Phase::Paused, Reason::DiskFull),
                    Error::Unauthenticated => (Phase::Paused, Reason::SignIn),
                    Error::Server { .. } | Error::BadReply { .. } => {
                        (Phase::Paused, Reason::Server)
                    }
                    Error::Corrupt(_) => (Phase::Failed, Reason::Corrupt),
                    _ => (Phase::Failed, Reason::Server),
                };
                tracing::warn!(download.id = %id, error = %e, "download stopped");
                queue::set_phase(library, &Wish::whole(kind, id), phase, reason)?;
            }
        }
        // The last word on this download, for whoever follows its bytes.
        library.changes().tell([Change::Downloads, Change::DownloadMoved(id.clone())].into());
        Ok(())
    }
}
