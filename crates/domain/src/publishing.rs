//! Publications. Everything stored about a course or story is derived from its signed manifest and the blobs it lists,
//! so that a later release can derive it again.
//!
//! Not here: compiling packages (`import`), reading files of courses (`bundle_import`).

use std::{collections::BTreeMap, io, sync::LazyLock};

use carrel_model::{
    BlobHash, ItemId, Slug,
    content::{
        Block, Hours, Manifest, ManifestBlob, ManifestContent, SectionBody, SignedManifest, Story,
    },
    search_text::{self, BodyReader, search_text},
    text::SearchQuery,
    wire::{CourseReply, CourseSummary, StoryReply, StorySummary},
};
use serde::de::DeserializeOwned;
use utoipa::{PartialSchema, ToSchema};

use crate::DomainResult;
use crate::{
    blobs::BlobStore,
    courses::{self, Publishing},
    events::Event,
    facts::{increment, next_revision},
    signing::{Signer, hex},
    store::{
        Filter, Freshness, Kind, Listed, ListedPublication, Publication, Published, PublishedQuiz,
        Store, StoreError, facts, tx::Tx,
    },
};

/// Why a publication cannot be derived.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("read blob {hash}: {source}")]
    Blob { hash: BlobHash, source: io::Error },
    #[error("blob {hash} is damaged: {source}")]
    Damaged { hash: BlobHash, source: serde_json::Error },
    #[error("invalid manifest: {0}")]
    Manifest(serde_json::Error),
}

pub fn sign(manifest: &Manifest, signer: &dyn Signer) -> SignedManifest {
    let text = manifest.to_canonical();
    SignedManifest {
        key: hex(&signer.public_key()),
        signature: hex(&signer.sign(text.as_bytes())),
        manifest: text,
    }
}

/// Returns kind, id and title of a manifest's content.
pub fn identity(manifest: &Manifest) -> (Kind, &Slug, &str) {
    match &manifest.content {
        ManifestContent::Course { meta, .. } => (Kind::Course, &meta.id, &meta.title),
        ManifestContent::Story { meta, .. } => (Kind::Story, &meta.id, &meta.title),
    }
}

/// Derives a publication from its manifest. Blocks, because it reads blobs.
pub fn render(signed: &SignedManifest, blobs: &dyn BlobStore) -> Result<Publication, RenderError> {
    let manifest: Manifest =
        serde_json::from_str(&signed.manifest).map_err(RenderError::Manifest)?;
    let version = signed.version();
    let (kind, id, title) = identity(&manifest);
    let (lang, category, difficulty, level) = match &manifest.content {
        ManifestContent::Course { meta, .. } => (&meta.lang, &meta.category, Some(meta.level()), 0),
        ManifestContent::Story { meta, .. } => (&meta.lang, &meta.category, None, meta.level),
    };
    let hours = match &manifest.content {
        ManifestContent::Course { meta, .. } => meta.hours,
        ManifestContent::Story { .. } => Hours::default(),
    };
    let (summary, reply) = replies(&manifest.content, version).map_err(RenderError::Manifest)?;
    let mut bodies = Bodies { blobs, quizzes: BTreeMap::new() };
    let passages = search_text(&manifest, &mut bodies)?;
    Ok(Publication {
        kind,
        id: id.clone(),
        title: title.to_owned(),
        lang: lang.clone(),
        category: category.clone(),
        difficulty,
        level,
        hours,
        summary,
        reply,
        manifest: serde_json::to_string(signed).map_err(RenderError::Manifest)?,
        version,
        quizzes: bodies.read_quizzes()?,
        rendered_by: rendered_by().to_owned(),
        passages,
        blobs: manifest.blobs,
    })
}

/// Returns the JSON of the summary and of the whole reply.
fn replies(content: &ManifestContent, version: BlobHash) -> serde_json::Result<(String, String)> {
    match content {
        ManifestContent::Course { meta, outline } => {
            let summary = CourseSummary { meta: meta.clone(), version };
            let text = serde_json::to_string(&summary)?;
            let reply = CourseReply { summary, outline: outline.clone() };
            Ok((text, serde_json::to_string(&reply)?))
        }
        ManifestContent::Story { meta, body } => {
            let summary = StorySummary { meta: meta.clone(), version };
            let text = serde_json::to_string(&summary)?;
            Ok((text, serde_json::to_string(&StoryReply { summary, body: *body })?))
        }
    }
}

/// Reads the bodies of a publication and collects the quizzes they reference.
struct Bodies<'a> {
    blobs: &'a dyn BlobStore,
    quizzes: BTreeMap<BlobHash, ItemId>,
}

impl Bodies<'_> {
    fn read<T: DeserializeOwned>(&self, hash: BlobHash) -> Result<T, RenderError> {
        let bytes = self.blobs.read(hash).map_err(|source| RenderError::Blob { hash, source })?;
        serde_json::from_slice(&bytes).map_err(|source| RenderError::Damaged { hash, source })
    }
    /// Reads the compiled quizzes referenced by the bodies read so far.
    fn read_quizzes(self) -> Result<Vec<PublishedQuiz>, RenderError> {
        let read = |(hash, item)| {
            let read_error = |source| RenderError::Blob { hash, source };
            let body = String::from_utf8(self.blobs.read(hash).map_err(read_error)?)
                .map_err(|e| read_error(io::Error::other(e)))?;
            Ok(PublishedQuiz { hash, item, body })
        };
        self.quizzes.into_iter().map(read).collect()
    }
}

impl BodyReader for Bodies<'_> {
    type Error = RenderError;
    fn section(&mut self, hash: BlobHash) -> Result<Option<SectionBody>, RenderError> {
        let section: SectionBody = self.read(hash)?;
        for block in &section.blocks {
            if let Block::Quiz { quiz, body, .. } = block {
                self.quizzes.insert(*body, quiz.clone());
            }
        }
        Ok(Some(section))
    }
    fn story(&mut self, hash: BlobHash) -> Result<Option<Story>, RenderError> {
        let story: Story = self.read(hash)?;
        self.quizzes.extend(story.quiz.iter().map(|quiz| (quiz.body, quiz.id.clone())));
        Ok(Some(story))
    }
}

/// Identifies how this release derives publications: the schema of its replies, the revision of the search text and
/// the version of the release. Publications with another identifier are derived again.
pub fn rendered_by() -> &'static str {
    static NAME: LazyLock<String> = LazyLock::new(|| {
        let mut schemas = vec![
            (String::new(), CourseReply::schema()),
            (String::new(), CourseSummary::schema()),
            (String::new(), StoryReply::schema()),
            (String::new(), StorySummary::schema()),
        ];
        CourseReply::schemas(&mut schemas);
        StoryReply::schemas(&mut schemas);
        let schema_text = serde_json::to_string(&schemas).unwrap_or_default();
        let schema_text = &BlobHash::of(schema_text.as_bytes()).to_hex()[..16];
        format!("{}-{schema_text}-{}", env!("CARGO_PKG_VERSION"), search_text::REVISION)
    });
    &NAME
}

/// Stores a publication. The figures of a course depend on its sections.
pub(crate) fn put_and_mark(
    tx: &dyn Tx,
    p: &Publication,
    revision: u64,
    now_ms: i64,
) -> Result<(), StoreError> {
    if p.kind == Kind::Course {
        tx.mark_course_dirty(&p.id)?;
    }
    tx.put_publication(p, revision, now_ms)
}

/// Stores a publication. Returns the new revision of the catalogue, and false if this version, derived by this release,
/// is already published.
pub(crate) fn put(
    tx: &dyn Tx,
    p: &Publication,
    now_ms: i64,
) -> Result<(Option<u64>, bool), StoreError> {
    let is_current = tx.published(p.kind, &p.id)?.is_some_and(|old| {
        old.version == p.version
            && old.rendered_by == p.rendered_by
            && old.reply == p.reply
            && old.manifest == p.manifest
    });
    if is_current {
        return Ok((None, false));
    }
    let revision = next_revision(tx)?;
    put_and_mark(tx, p, revision, now_ms)?;
    Ok((Some(revision), true))
}

/// Returns the filter with what was typed; `None` if nothing can be found by it.
pub(crate) fn with_search(q: Option<&str>, filter: Filter) -> Option<Filter> {
    let search = match q.filter(|q| !q.trim().is_empty()) {
        Some(q) => Some(SearchQuery::parse(q)?),
        None => None,
    };
    Some(Filter { search, ..filter })
}

impl Store {
    /// Publishes a course or story, replacing an older version, in one transaction. Returns false if this version,
    /// derived by this release, is already published.
    pub async fn publish(
        &self,
        publication: Publication,
        how: Publishing,
        now_ms: i64,
    ) -> DomainResult<bool> {
        let write = self.write_with_events("publish", move |tx, events| {
            let p = &publication;
            let (mut changed, is_new) = put(tx, p, now_ms)?;
            if p.kind == Kind::Course && courses::record_published(tx, p, &how, now_ms)? {
                changed = Some(next_revision(tx)?);
            }
            events.extend(changed.map(|revision| Event::CatalogueChanged { revision }));
            Ok::<_, StoreError>(is_new)
        });
        Ok(write.await?)
    }
    /// Replaces a publication with a new derivation of the same version. Does nothing if the published version is no
    /// longer `version`.
    pub async fn replace(
        &self,
        publication: Publication,
        version: BlobHash,
        now_ms: i64,
    ) -> DomainResult<()> {
        let write = self.write("replace", move |tx| {
            let p = &publication;
            if tx.published(p.kind, &p.id)?.is_some_and(|stored| stored.version == version) {
                let revision = next_revision(tx)?;
                put_and_mark(tx, p, revision, now_ms)?;
            }
            Ok::<_, StoreError>(())
        });
        Ok(write.await?)
    }
    /// Removes a course or story from the catalogue. Content downloaded to devices stays usable; learners' rows and the
    /// quizzes used for grading stay in the database. Returns false if it is not published.
    pub async fn unpublish(&self, kind: Kind, id: &Slug) -> DomainResult<bool> {
        let id = id.clone();
        let write = self.write_with_events("unpublish", move |tx, events| {
            let existed = tx.delete_publication(kind, &id)?;
            if existed {
                if kind == Kind::Course {
                    tx.mark_course_dirty(&id)?;
                    tx.delete_course(&id)?;
                }
                events.push(Event::CatalogueChanged { revision: next_revision(tx)? });
            }
            Ok::<_, StoreError>(existed)
        });
        Ok(write.await?)
    }
    /// Returns up to 100 publications derived by another release, by kind and id, starting after `after`.
    pub async fn rendered_by_others(
        &self,
        after: Option<(Kind, Slug)>,
    ) -> DomainResult<Vec<(Kind, Slug)>> {
        let read = self.read("rendered_by_others", move |tx| {
            tx.rendered_by_others(rendered_by(), after.as_ref(), 100)
        });
        Ok(read.await?)
    }
    /// Deletes the records of blobs that no publication has referenced since `before_ms`. Returns their number.
    pub async fn delete_unused_blobs(&self, now_ms: i64, before_ms: i64) -> DomainResult<u64> {
        let write =
            self.write("delete_unused_blobs", move |tx| tx.delete_unused_blobs(now_ms, before_ms));
        Ok(write.await?)
    }
    /// Returns publications in the order of the filter, by relevance first if `q` is given.
    pub async fn list(
        &self,
        kind: Kind,
        q: Option<&str>,
        filter: Filter,
    ) -> DomainResult<Listed<ListedPublication>> {
        let Some(filter) = with_search(q, filter) else { return Ok(Listed::default()) };
        Ok(self.read("list", move |tx| tx.publications(kind, &filter)).await?)
    }
    /// Counts the enrolled learners of each course. Returns the number of courses whose number changed.
    pub async fn count_learners(&self) -> DomainResult<usize> {
        // Read before the write, because counting takes long.
        let read = |tx: &dyn Tx| tx.changed_learner_counts();
        let counts = self.read_replica("count_learners", Freshness::Delayed, read).await?;
        let changed = counts.len();
        if changed > 0 {
            let write = self.write("set_learner_counts", move |tx| {
                tx.set_learner_counts(&counts)?;
                increment(tx, facts::LEARNER_COUNTS)
            });
            write.await?;
        }
        Ok(changed)
    }
    pub async fn published(&self, kind: Kind, id: &Slug) -> DomainResult<Option<Published>> {
        let id = id.clone();
        Ok(self.read("published", move |tx| tx.published(kind, &id)).await?)
    }
    pub async fn blob(&self, hash: BlobHash) -> DomainResult<Option<ManifestBlob>> {
        Ok(self.read("blob", move |tx| tx.blob(hash)).await?)
    }
    /// Returns all blobs recorded in the catalogue, for backups and exports.
    pub async fn blobs(&self) -> DomainResult<Vec<ManifestBlob>> {
        Ok(self.read("blobs", |tx| tx.blobs()).await?)
    }
}
