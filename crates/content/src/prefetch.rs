//! Ahead of the learner: what they read last lies in memory before the window asks, and the next two lessons come onto the device while
//! nobody pays for each byte.
//!
//! Not here: whole courses (`download`); which of it goes first when space is short (the store's: what came ahead goes before what was
//! asked for).

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

/// Lessons after the one that is read.
const LESSONS: usize = 2;
/// One blob that comes ahead is not longer, and all of one run together are not ...
const FETCH_EACH: u64 = 8 * 1024 * 1024;
const FETCH_ALL: u64 = 64 * 1024 * 1024;
/// ... and what is put into memory at the start: texts and thumbnails, half of the tier.
const WARM_EACH: u64 = 1024 * 1024;
const WARM_ALL: u64 = 12 * 1024 * 1024;

/// How far it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrefetchState {
    /// Blobs that were put into memory at the start.
    pub warmed: usize,
    /// The start is over: what was to be warm is.
    pub is_warm: bool,
    /// Blobs that came ahead since the start.
    pub fetched: usize,
    /// Waits for a line that costs nothing.
    pub waits: bool,
    /// Nothing more to do until the learner goes on or the network changes.
    pub is_done: bool,
}

/// Clones share the work. One run at a time; a newer place replaces the older one.
#[derive(Clone)]
pub struct Ahead {
    inner: Arc<PrefetchInner>,
}

struct PrefetchInner {
    library: Library,
    downloads: Downloads,
    /// Where the learner is, with the version of the course.
    place: Mutex<Option<Position>>,
    task: Mutex<Option<AbortHandle>>,
    reach: watch::Sender<PrefetchState>,
}

#[derive(Clone, PartialEq, Eq)]
struct Position {
    course: Slug,
    version: BlobHash,
    lesson: usize,
}

impl Ahead {
    pub fn new(library: Library, downloads: Downloads) -> Self {
        let inner = PrefetchInner {
            library,
            downloads,
            place: Mutex::default(),
            task: Mutex::default(),
            reach: watch::Sender::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    pub fn reach(&self) -> watch::Receiver<PrefetchState> {
        self.inner.reach.subscribe()
    }

    /// At the start: puts what was read last into memory, from this device alone, and then looks ahead. `false`: nothing of it is here.
    pub async fn begin(&self, item: &ItemId) -> Result<bool> {
        let parts: Vec<&str> = item.as_str().split('/').collect();
        let Ok(root) = Slug::new(parts[0]) else { return Ok(false) };
        let library = &self.inner.library;
        let kind = if parts.len() == 1 { Kind::Story } else { Kind::Course };
        let Some(manifest) = library.known_manifest(kind, &root).await? else { return Ok(false) };
        let (first, covers, place) = match &manifest.manifest.content {
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
        let warmed = library.blocking(move |library| warm(library, first, covers)).await?;
        self.inner.reach.send_modify(|r| (r.warmed, r.is_warm) = (warmed, true));
        if let Some(lesson) = place {
            self.reading(&manifest, lesson);
        }
        Ok(true)
    }

    /// The learner is in this lesson.
    pub fn reading(&self, manifest: &OpenManifest, lesson: usize) {
        let course = manifest.manifest.id().clone();
        let place = Position { course, version: manifest.version, lesson };
        let mut known = self.inner.place.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref() == Some(&place) {
            return;
        }
        *known = Some(place);
        drop(known);
        self.again();
    }

    /// The line is another one, or there is one again.
    pub fn again(&self) {
        let place = self.inner.place.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(place) = place else { return };
        let me = self.clone();
        let run = tokio::spawn(async move {
            if let Err(e) = me.look_ahead(&place).await {
                tracing::debug!(ahead.course = %place.course, error = %e, "nothing more comes ahead");
            }
            me.inner.reach.send_modify(|r| r.is_done = true);
        });
        let mut task = self.inner.task.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = task.replace(run.abort_handle()) {
            before.abort();
        }
    }

    /// Stops; what came so far stays.
    pub fn stop(&self) {
        if let Some(task) = self.inner.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }

    async fn look_ahead(&self, place: &Position) -> Result<()> {
        self.inner.reach.send_modify(|r| r.is_done = false);
        let library = &self.inner.library;
        let Some(manifest) = library.known_manifest(Kind::Course, &place.course).await? else {
            return Ok(());
        };
        let ManifestContent::Course { outline, .. } = &manifest.manifest.content else {
            return Ok(());
        };
        let lessons: Vec<Vec<BlobHash>> = outline
            .lessons
            .iter()
            .skip(place.lesson)
            .take(1 + LESSONS)
            .map(|lesson| lesson.sections.iter().map(|s| s.body).collect())
            .collect();
        // Texts of all lessons first: a short line brings what can be read.
        let mut left = FETCH_ALL;
        for hash in lessons.iter().flatten() {
            self.bring(&manifest, *hash, &mut left).await?;
        }
        let mut near = HashSet::new();
        for (n, bodies) in lessons.into_iter().enumerate() {
            let (mut waiting, mut seen) = (bodies, HashSet::new());
            while let Some(hash) = waiting.pop() {
                if !seen.insert(hash) {
                    continue;
                }
                let size = self.bring(&manifest, hash, &mut left).await?;
                let named = library.blocking(move |library| named_by(library, hash, size));
                waiting.extend(named.await?.into_iter().map(|n| n.hash));
            }
            // The lesson that is read and the next one go last when space is short.
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

    /// Fetches one blob if it is not here, not too long, and costs nothing. Gives its size.
    async fn bring(&self, manifest: &OpenManifest, hash: BlobHash, left: &mut u64) -> Result<u64> {
        let library = &self.inner.library;
        let blobs = &manifest.manifest.blobs;
        let size =
            blobs.binary_search_by(|b| b.hash.cmp(&hash)).map_or(u64::MAX, |at| blobs[at].size);
        let is_short = size <= FETCH_EACH.min(*left);
        if !is_short || library.blocking(move |library| library.blobs().has(hash)).await? {
            return Ok(size);
        }
        self.inner.reach.send_modify(|r| r.waits = true);
        self.inner.downloads.until_free().await;
        self.inner.reach.send_modify(|r| r.waits = false);
        library.fetch_ahead(hash).await?;
        *left -= size;
        self.inner.reach.send_modify(|r| r.fetched += 1);
        Ok(size)
    }
}

/// Puts bodies, what is small of what they name, and covers into memory. Says how many blobs that were.
fn warm(library: &Library, bodies: Vec<BlobHash>, covers: Vec<BlobHash>) -> Result<usize> {
    let (mut waiting, mut seen, mut left, mut warmed) = (bodies, HashSet::new(), WARM_ALL, 0);
    waiting.extend(covers);
    waiting.reverse();
    while let Some(hash) = waiting.pop() {
        if !seen.insert(hash) {
            continue;
        }
        let Some(place) = library.blobs().locate(hash)? else { continue };
        let size = place.size();
        if size > WARM_EACH.min(left) || library.blobs().get(hash)?.is_none() {
            continue;
        }
        (left, warmed) = (left - size, warmed + 1);
        let named = named_by(library, hash, size)?;
        // Of a picture the narrowest; sound comes in pieces when it is played.
        waiting.extend(named.into_iter().filter(|n| n.is_text || n.is_thumbnail).map(|n| n.hash));
    }
    Ok(warmed)
}

fn thumbnails(cover: &Cover) -> Vec<BlobHash> {
    cover.image.iter().filter_map(|i| i.variants.first()).map(|v| v.blob.hash).collect()
}

/// A blob that another one names.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    hash: BlobHash,
    is_text: bool,
    is_thumbnail: bool,
}

/// What a section, quiz or story names, if it is here and it is one of them.
fn named_by(library: &Library, hash: BlobHash, size: u64) -> Result<Vec<Named>> {
    if size > WARM_EACH {
        return Ok(Vec::new());
    }
    let Some(bytes) = library.blobs().get(hash)? else { return Ok(Vec::new()) };
    Ok(names_in(&bytes))
}

/// Compiled bodies name pictures, sound and other bodies in a few shapes that all kinds share: `{hash, size, type}`, the variants of a
/// picture, and `body`. One walk over the JSON finds them, also in kinds that this version does not know.
fn names_in(bytes: &Bytes) -> Vec<Named> {
    let mut found = Vec::new();
    if bytes.first() == Some(&b'{')
        && let Ok(value) = serde_json::from_slice(bytes)
    {
        walk(&value, false, &mut found);
    }
    found
}

fn walk(value: &Value, is_thumbnail: bool, found: &mut Vec<Named>) {
    let hash = |v: Option<&Value>| v.and_then(Value::as_str).and_then(|t| t.parse().ok());
    match value {
        Value::Object(fields) => {
            if let (Some(hash), true) = (hash(fields.get("hash")), fields.contains_key("size")) {
                found.push(Named { hash, is_text: false, is_thumbnail });
            }
            if let Some(hash) = hash(fields.get("body")) {
                found.push(Named { hash, is_text: true, is_thumbnail: false });
            }
            for (name, field) in fields {
                match field {
                    // The narrowest variant is the first.
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
mod tests {
    use super::*;

    #[test]
    fn a_body_names_pictures_sound_and_other_bodies() {
        let hash = |n: u8| BlobHash([n; 32]);
        let blob =
            |n| serde_json::json!({ "hash": hash(n), "size": 9, "type": "x/y", "width": 320 });
        let body = serde_json::json!({ "lang": "en", "blocks": [
            { "kind": "rich_text", "html": "<p>body" },
            { "kind": "image", "image": { "variants": [blob(1), blob(2)], "width": 640 } },
            { "kind": "audio", "audio": { "hash": hash(3), "size": 9, "type": "audio/mpeg", "durationMs": 1, "captions": blob(4) } },
            { "kind": "quiz", "quiz": "a/b", "title": "", "body": hash(5) },
        ] });
        let mut found = names_in(&Bytes::from(body.to_string()));
        found.sort_by_key(|n| n.hash);
        let seen: Vec<_> = found.iter().map(|n| (n.hash.0[0], n.is_text, n.is_thumbnail)).collect();
        assert_eq!(
            seen,
            [
                (1, false, true),
                (2, false, false),
                (3, false, false),
                (4, false, false),
                (5, true, false)
            ]
        );
        assert_eq!(names_in(&Bytes::from_static(b"\x89PNG")), []);
        assert_eq!(names_in(&Bytes::from_static(b"{\"body\": \"no hash\"}")), []);
    }
}
