//! One attempt of a download: lists the missing blobs and fetches them, texts first, then the rest in
//! the order of reading.
//!
//! Not here: waiting and retrying (`task`), fetching one blob (`fetch`).

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use carrel_model::{BlobHash, ItemId, content::ManifestBlob};
use carrel_net::Error as Net;
use carrel_sqlite::Change;
use carrel_system::run_or_spawn;
use futures_util::{FutureExt, future::try_join_all};

use crate::{
    Error, Result,
    blobs::BlobOrigin,
    download::{
        DownloadTarget, DownloadsInner, Reason, Run,
        blob_writer::{BlobWriter, Stored},
        plan,
        plan::Plan,
        queue,
    },
    fetch::{Admission, BlobRequest, FetchOptions, Fetched},
    library::{Library, OpenManifest},
    storage::Reservation,
};

/// Consecutive requests for one blob without progress after which its fetch fails.
const MAX_ATTEMPTS: u32 = 3;
/// Largest number of verified blobs that a worker holds in memory until they are stored.
const MAX_PENDING_WRITES: usize = 16;

/// A completed attempt: all bytes are stored.
pub struct Completed {
    pub manifest: Arc<OpenManifest>,
    /// Row number of the version.
    pub version: i64,
}

/// Why an attempt ended before it was complete.
pub enum AttemptError {
    /// The policy does not allow the download.
    NotAllowed(Reason),
    /// The number of transfers allowed has changed; the attempt is restarted immediately.
    Changed,
    Failed(Error),
}

impl From<Error> for AttemptError {
    fn from(e: Error) -> Self {
        Self::Failed(e)
    }
}

/// Fetches the missing blobs, with up to `parallel` concurrent transfers.
pub async fn fetch_all(
    inner: &DownloadsInner,
    run: &Run,
    parallel: usize,
) -> Result<Completed, AttemptError> {
    let library = &inner.library;
    let manifest = library.newest_manifest(run.target.kind, &run.target.id).await?.value;
    loop {
        let (target, first, found) = (run.target.clone(), run.opened_item(), manifest.clone());
        let prepared =
            library.blocking(move |library| prepare(library, &target, &found, first.as_ref()));
        let Prepared { plan, version, missing, total, done } =
            prepared.await?.ok_or(Error::Cancelled)?;
        run.meter.set(done, total);
        emit_progress(inner, run);
        // Checked again, now with the number of missing bytes.
        inner.allow(run).map_err(AttemptError::NotAllowed)?;
        let (texts, rest): (Vec<_>, Vec<_>) = plan
            .blobs
            .iter()
            .filter(|b| missing.contains_key(&b.hash))
            .cloned()
            .partition(plan::is_text);
        let has_texts = !texts.is_empty();
        // Reserved before the first byte is written.
        let reservation = reserve(inner, total - done).await?;
        let job = Job { inner, run, parallel, partial_bytes: &missing, reservation: &reservation };
        job.fetch(&WorkQueue::new(texts, &plan, run)).await?;
        if has_texts && !plan.missing_texts.is_empty() {
            // The texts are stored now: the plan includes the blobs that they refer to.
            continue;
        }
        job.fetch(&WorkQueue::new(rest, &plan, run)).await?;
        return Ok(Completed { manifest, version });
    }
}

/// The work of one attempt.
struct Prepared {
    plan: Plan,
    /// Row number of the version.
    version: i64,
    /// Missing blobs, and for each the bytes stored in its partial file.
    missing: HashMap<BlobHash, u64>,
    /// Bytes of all needed blobs.
    total: u64,
    done: u64,
}

/// Plans the attempt and records its version in the queue. Returns `None` if the download was paused
/// or removed in the meantime. Blocking.
fn prepare(
    library: &Library,
    target: &DownloadTarget,
    manifest: &OpenManifest,
    first: Option<&ItemId>,
) -> Result<Option<Prepared>> {
    let plan = plan::of_target(library, target, manifest, first)?;
    let Some(version) = queue::set_wanted(library, target, manifest, &plan.blobs)? else {
        return Ok(None);
    };
    let missing: HashMap<BlobHash, u64> =
        library.blobs().missing(version)?.into_iter().map(|m| (m.hash, m.partial_bytes)).collect();
    let (mut total, mut done) = (0, 0);
    for blob in &plan.blobs {
        total += blob.size;
        done += missing.get(&blob.hash).copied().unwrap_or(blob.size);
    }
    Ok(Some(Prepared { plan, version, missing, total, done }))
}

async fn reserve(inner: &DownloadsInner, bytes: u64) -> Result<Option<Reservation>> {
    if bytes == 0 {
        return Ok(None);
    }
    inner.library.blocking(move |library| library.storage().reserve(bytes).map(Some)).await
}

/// State shared by the workers of one attempt.
struct Job<'a> {
    inner: &'a DownloadsInner,
    run: &'a Run,
    parallel: usize,
    /// Missing blobs, and for each the bytes stored in its partial file.
    partial_bytes: &'a HashMap<BlobHash, u64>,
    reservation: &'a Option<Reservation>,
}

impl Job<'_> {
    /// Fetches and stores all blobs of the queue.
    async fn fetch(&self, work_queue: &WorkQueue<'_>) -> Result<()> {
        let library = &self.inner.library;
        let received = |bytes: usize| self.received(bytes);
        let correct = |by: i64| self.run.meter.correct(by);
        // The space for all blobs is reserved already.
        let admit = |_, _| std::future::ready(Ok(Admission::Disk(None))).boxed();
        let options = FetchOptions {
            attempts: MAX_ATTEMPTS,
            slots: Some((&self.inner.slots, self.run.number)),
            admit: &admit,
            received: &received,
            corrected: &correct,
        };
        let workers =
            (0..self.parallel.max(1)).map(|_| self.run_worker(library, &options, work_queue));
        try_join_all(workers).await?.into_iter().collect()
    }

    /// Fetches blobs until the queue is empty. `Err` aborts all workers. `Ok(Err)`: a blob could not
    /// be fetched, and the others were.
    async fn run_worker(
        &self,
        library: &Library,
        options: &FetchOptions<'_>,
        work_queue: &WorkQueue<'_>,
    ) -> Result<Result<()>> {
        let mut pending: VecDeque<Stored> = VecDeque::new();
        let mut last = Ok(());
        while let Some(blob) = work_queue.next() {
            let partial_bytes = self.partial_bytes.get(&blob.hash).copied().unwrap_or(0);
            // May have been fetched by a reader in the meantime.
            if library.blocking(move |library| library.blobs().has(blob.hash)).await? {
                let rest = blob.size.saturating_sub(partial_bytes);
                self.run.meter.correct(i64::try_from(rest).unwrap_or(i64::MAX));
                continue;
            }
            let request = BlobRequest {
                hash: blob.hash,
                size: Some(blob.size),
                media_type: &blob.media_type,
                origin: BlobOrigin::Prefetched,
            };
            match library.fetcher().fetch(request, partial_bytes, options).await {
                Ok(Fetched::Bytes(bytes)) => {
                    pending.push_back(self.inner.blob_writer.store_small(blob.hash, bytes));
                }
                Ok(Fetched::File(file)) => pending.push_back(BlobWriter::store_large(*file)),
                // The other blobs are still fetched.
                Err(e) if is_single_file_error(&e) => last = Err(e),
                Err(e) => return Err(e),
            }
            if pending.len() > MAX_PENDING_WRITES
                && let Some(oldest) = pending.pop_front()
            {
                wait_for_write(oldest).await?;
            }
        }
        for stored in pending {
            wait_for_write(stored).await?;
        }
        Ok(last)
    }

    fn received(&self, bytes: usize) {
        self.run.count_received(bytes);
        if let Some(reservation) = self.reservation {
            reservation.used(bytes as u64);
        }
        let due = self.run.meter.received(bytes, self.inner.library.clock().monotonic_ms());
        if due.emit {
            emit_progress(self.inner, self.run);
        }
        if due.record {
            record_progress(self.inner, self.run);
        }
    }
}

async fn wait_for_write(stored: Stored) -> Result<()> {
    stored.await.unwrap_or_else(|_| Err(Error::Internal("the blob writer was dropped".into())))
}

/// Returns whether the error concerns only this blob.
fn is_single_file_error(e: &Error) -> bool {
    matches!(e, Error::Corrupt(_) | Error::Net(Net::Server { status: 404 | 410, .. }))
}

/// The blobs to be fetched. When the learner opens a section, its blobs are moved to the front.
struct WorkQueue<'a> {
    run: &'a Run,
    plan: &'a Plan,
    inner: Mutex<(VecDeque<ManifestBlob>, Option<ItemId>)>,
}

impl<'a> WorkQueue<'a> {
    fn new(blobs: Vec<ManifestBlob>, plan: &'a Plan, run: &'a Run) -> Self {
        Self { run, plan, inner: Mutex::new((blobs.into(), None)) }
    }
    fn next(&self) -> Option<ManifestBlob> {
        let first = self.run.opened_item();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, seen) = &mut *inner;
        if *seen != first {
            if let Some(item) = &first {
                let is_elsewhere = |b: &ManifestBlob| {
                    self.plan.use_of(b.hash).and_then(|s| s.item.as_ref()) != Some(item)
                };
                left.make_contiguous().sort_by_key(is_elsewhere);
            }
            *seen = first;
        }
        left.pop_front()
    }
}

/// Emits a progress event.
pub fn emit_progress(inner: &DownloadsInner, run: &Run) {
    inner.library.changes().publish_one(Change::DownloadProgress(run.target.name().to_owned()));
}

/// Writes the progress to the database.
fn record_progress(inner: &DownloadsInner, run: &Run) {
    let progress = run.meter.progress(inner.library.clock().monotonic_ms());
    let (library, target) = (inner.library.clone(), run.target.clone());
    run_or_spawn(move || {
        if let Err(e) = queue::set_done(&library, &target, progress.done) {
            tracing::warn!(download.id = target.name(), error = %e, "cannot write the progress of a download");
        }
    });
}
