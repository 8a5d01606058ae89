//! Prefetching. At the start, the content read last is loaded into memory. While a lesson is read, it
//! and the next two lessons are fetched over unmetered networks.
//!
//! Not here: whole courses (`download`), the order of eviction (`storage`).

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use carrel_model::{
    BlobHash, ItemId, Slug,
    content::{Cover, ManifestContent},
};
use serde_json::Value;
use tokio::{sync::watch, task::AbortHandle};

use crate::{
    Result,
    download::Downloads,
    kind::Kind,
    library::{Library, OpenManifest},
};

/// Number of lessons prefetched after the current one.
const LESSONS_AHEAD: usize = 2;
/// Largest blob that is prefetched, in bytes.
const MAX_FETCHED_BLOB: u64 = 8 * 1024 * 1024;
/// Largest sum of the blobs that one run fetches, in bytes.
const MAX_FETCHED: u64 = 64 * 1024 * 1024;
/// Largest blob that is loaded into memory at the start, in bytes.
const MAX_LOADED_BLOB: u64 = 1024 * 1024;
/// Largest sum of these blobs, in bytes: half of the memory of the blob store.
const MAX_LOADED: u64 = 12 * 1024 * 1024;

/// Progress of prefetching.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrefetchState {
    /// Blobs that were loaded into memory at the start.
    pub loaded: usize,
    /// Loading into memory at the start is complete.
    pub is_loaded: bool,
    /// Blobs prefetched since the start.
    pub fetched: usize,
    /// Waiting for an unmetered network.
    pub is_waiting: bool,
    /// The last run has ended.
    pub is_done: bool,
}

/// The prefetcher. Clones share state. At most one run is active: a new position aborts the previous run.
#[derive(Clone)]
pub struct Prefetcher {
    inner: Arc<PrefetchInner>,
}

struct PrefetchInner {
    library: Library,
    downloads: Downloads,
    /// The last position.
    position: Mutex<Option<Position>>,
    task: Mutex<Option<AbortHandle>>,
    state: watch::Sender<PrefetchState>,
}

/// The learner's position.
#[derive(Clone, PartialEq, Eq)]
struct Position {
    course: Slug,
    version: BlobHash,
    lesson: usize,
}

impl Prefetcher {
    /// Creates a prefetcher that does nothing until `start` or `set_position` is called.
    pub fn new(library: Library, downloads: Downloads) -> Self {
        let inner = PrefetchInner {
            library,
            downloads,
            position: Mutex::default(),
            task: Mutex::default(),
            state: watch::Sender::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Returns a receiver of the progress.
    pub fn state(&self) -> watch::Receiver<PrefetchState> {
        self.inner.state.subscribe()
    }

    /// Loads the stored content of `item`, which was read last, into memory, and then starts
    /// prefetching. Returns `false` if the manifest is not on this device or does not contain `item`.
    pub async fn start(&self, item: &ItemId) -> Result<bool> {
        let parts: Vec<&str> = item.as_str().split('/').collect();
        let Ok(root) = Slug::new(parts[0]) else { return Ok(false) };
        let library = &self.inner.library;
        let kind = if parts.len() == 1 { Kind::Story } else { Kind::Course };
        let Some(manifest) = library.known_manifest(kind, &root).await? else { return Ok(false) };
        let (first, covers, position) = match &manifest.manifest.content {
            ManifestContent::Story { meta, body } => (vec![*body], thumbnails(&meta.cover), None),
            ManifestContent::Course { meta, outline } => {
                let at = outline.lessons.iter().position(|l| Some(&l.id.as_str()) == parts.get(1));
                let story = outline.stories.iter().find(|s| Some(&s.id.as_str()) == parts.get(1));
                let bodies = match (at, story) {
                    (Some(at), _) => outline.lessons[at].sections.iter().map(|s| s.body).collect(),
                    (None, Some(story)) => vec![story.body],
                    (None, None) => return Ok(false),
                };
                (bodies, thumbnails(&meta.cover), at)
            }
        };
        let loaded =
            library.blocking(move |library| load_into_memory(library, first, covers)).await?;
        self.inner.state.send_modify(|r| (r.loaded, r.is_loaded) = (loaded, true));
        if let Some(lesson) = position {
            self.set_position(&manifest, lesson);
        }
        Ok(true)
    }

    /// Sets the learner's position to lesson number `lesson` (from 0) of a course and starts prefetching.
    pub fn set_position(&self, manifest: &OpenManifest, lesson: usize) {
        let course = manifest.manifest.id().clone();
        let position = Position { course, version: manifest.version, lesson };
        let mut current = self.inner.position.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref() == Some(&position) {
            return;
        }
        *current = Some(position);
        drop(current);
        self.restart();
    }

    /// Starts a new run for the last position, after a change of network.
    pub fn restart(&self) {
        let position = self.inner.position.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(position) = position else { return };
        let this = self.clone();
        let run = tokio::spawn(async move {
            if let Err(e) = this.prefetch(&position).await {
                tracing::debug!(prefetch.course = %position.course, error = %e, "prefetching stopped");
            }
            this.inner.state.send_modify(|r| r.is_done = true);
        });
        let mut task = self.inner.task.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = task.replace(run.abort_handle()) {
            before.abort();
        }
    }

    /// Aborts the current run. Fetched blobs are kept.
    pub fn stop(&self) {
        if let Some(task) = self.inner.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }

    async fn prefetch(&self, position: &Position) -> Result<()> {
        self.inner.state.send_modify(|r| r.is_done = false);
        let library = &self.inner.library;
        let Some(manifest) = library.known_manifest(Kind::Course, &position.course).await? else {
            return Ok(());
        };
        let ManifestContent::Course { outline, .. } = &manifest.manifest.content else {
            return Ok(());
        };
        let lessons: Vec<Vec<BlobHash>> = outline
            .lessons
            .iter()
            .skip(position.lesson)
            .take(1 + LESSONS_AHEAD)
            .map(|lesson| lesson.sections.iter().map(|s| s.body).collect())
            .collect();
        // Texts of all lessons first, so that they can be read early on a slow network.
        let mut left = MAX_FETCHED;
        for hash in lessons.iter().flatten() {
            self.fetch(&manifest, *hash, &mut left).await?;
        }
        let mut near = HashSet::new();
        for (n, bodies) in lessons.into_iter().enumerate() {
            let (mut waiting, mut seen) = (bodies, HashSet::new());
            while let Some(hash) = waiting.pop() {
                if !seen.insert(hash) {
                    continue;
                }
                let size = self.fetch(&manifest, hash, &mut left).await?;
                let references =
                    library.blocking(move |library| references_of(library, hash, size));
                waiting.extend(references.await?.into_iter().map(|r| r.hash));
            }
            // The current and the next lesson are evicted last.
            if n < 2 {
                near.extend(seen);
                let near: Vec<BlobHash> = near.iter().copied().collect();
                let set = library
                    .blocking(move |library| library.storage().set_near(library.account(), &near));
                set.await?;
            }
        }
        Ok(())
    }

    /// Fetches one blob if it is missing and within the limits; waits for an unmetered network first.
    /// Returns its size in bytes.
    async fn fetch(&self, manifest: &OpenManifest, hash: BlobHash, left: &mut u64) -> Result<u64> {
        let library = &self.inner.library;
        let blobs = &manifest.manifest.blobs;
        let size =
            blobs.binary_search_by(|b| b.hash.cmp(&hash)).map_or(u64::MAX, |at| blobs[at].size);
        let is_within_limits = size <= MAX_FETCHED_BLOB.min(*left);
        if !is_within_limits || library.blocking(move |library| library.blobs().has(hash)).await? {
            return Ok(size);
        }
        self.inner.state.send_modify(|r| r.is_waiting = true);
        self.inner.downloads.until_prefetch_allowed().await;
        self.inner.state.send_modify(|r| r.is_waiting = false);
        library.prefetch_blob(hash).await?;
        *left -= size;
        self.inner.state.send_modify(|r| r.fetched += 1);
        Ok(size)
    }
}

/// Loads bodies, covers, and the texts and thumbnails that bodies refer to into memory. Returns the
/// number of blobs.
fn load_into_memory(
    library: &Library,
    bodies: Vec<BlobHash>,
    covers: Vec<BlobHash>,
) -> Result<usize> {
    let (mut waiting, mut seen, mut left, mut loaded) = (bodies, HashSet::new(), MAX_LOADED, 0);
    waiting.extend(covers);
    waiting.reverse();
    while let Some(hash) = waiting.pop() {
        if !seen.insert(hash) {
            continue;
        }
        let Some(location) = library.blobs().locate(hash)? else { continue };
        let size = location.size();
        if size > MAX_LOADED_BLOB.min(left) || library.blobs().get(hash)?.is_none() {
            continue;
        }
        (left, loaded) = (left - size, loaded + 1);
        let references = references_of(library, hash, size)?;
        // Of images only the narrowest variant; no audio, which is read in pieces during playback.
        waiting
            .extend(references.into_iter().filter(|r| r.is_text || r.is_thumbnail).map(|r| r.hash));
    }
    Ok(loaded)
}

fn thumbnails(cover: &Cover) -> Vec<BlobHash> {
    cover.image.iter().filter_map(|i| i.variants.first()).map(|v| v.blob.hash).collect()
}

/// A blob that another blob refers to.
#[derive(Debug, PartialEq, Eq)]
struct Reference {
    hash: BlobHash,
    is_text: bool,
    is_thumbnail: bool,
}

/// Returns the blobs that a section, quiz or story refers to; empty if it is not stored or too large.
fn references_of(library: &Library, hash: BlobHash, size: u64) -> Result<Vec<Reference>> {
    if size > MAX_LOADED_BLOB {
        return Ok(Vec::new());
    }
    let Some(bytes) = library.blobs().get(hash)? else { return Ok(Vec::new()) };
    Ok(references_in(&bytes))
}

/// Returns the references in a compiled body. All block kinds use the same forms: objects with `hash`
/// and `size`, the `variants` of an image, and `body`. Therefore references in unknown block kinds are found, too.
fn references_in(bytes: &Bytes) -> Vec<Reference> {
    let mut found = Vec::new();
    if bytes.first() == Some(&b'{')
        && let Ok(value) = serde_json::from_slice(bytes)
    {
        walk(&value, false, &mut found);
    }
    found
}

fn walk(value: &Value, is_thumbnail: bool, found: &mut Vec<Reference>) {
    let hash = |v: Option<&Value>| v.and_then(Value::as_str).and_then(|t| t.parse().ok());
    match value {
        Value::Object(fields) => {
            if let (Some(hash), true) = (hash(fields.get("hash")), fields.contains_key("size")) {
                found.push(Reference { hash, is_text: false, is_thumbnail });
            }
            if let Some(hash) = hash(fields.get("body")) {
                found.push(Reference { hash, is_text: true, is_thumbnail: false });
            }
            for (name, field) in fields {
                match field {
                    // Ordered by width.
                    Value::Array(all) if name == "variants" => {
                        all.iter().enumerate().for_each(|(n, v)| walk(v, n == 0, found));
                    }
                    field => walk(field, false, found),
                }
            }
        }
        Value::Array(all) => all.iter().for_each(|v| walk(v, false, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
