//! The blobs of a course, lesson or story, in the order of reading: for the order of fetching,
//! downloads of single lessons, and lists of missing blobs. Pure except for the callback `read`, which
//! returns stored texts.
//!
//! Not here: fetching (`attempt`).

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use carrel_model::{
    BlobHash, ItemId,
    content::{
        AudioRef, BlobRef, Block, CourseOutline, FontPack, ForeignLetters, ImageRef, LessonOutline,
        Manifest, ManifestBlob, ManifestContent, Question, Quiz, SectionBody, Story,
        VocabularyEntry, unicode_ranges,
    },
};
use serde::de::DeserializeOwned;

use crate::{
    Error, Result,
    blobs::MediaKind,
    library::{Library, OpenManifest},
    target::DownloadTarget,
};

/// Where a blob is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobUse {
    /// The section or story; `None` for the cover and the vocabulary of a course.
    pub item: Option<ItemId>,
    /// Title of the section or story, or else of the course.
    pub title: String,
    /// Page of a story, from 1; 0 elsewhere.
    pub page: u32,
}

/// The blobs of a target. Blobs are known only if the texts that refer to them are stored.
#[derive(Debug, Default)]
pub struct Plan {
    /// Blobs in the order of first use, without duplicates.
    pub blobs: Vec<ManifestBlob>,
    /// First use of each blob, as an index into `uses`.
    pub first_use: HashMap<BlobHash, usize>,
    /// All uses in the order of reading.
    pub uses: Vec<BlobUse>,
    /// Texts that are not stored; the blobs they refer to are unknown.
    pub missing_texts: Vec<BlobHash>,
}

impl Plan {
    /// Returns where a blob is first used.
    pub fn use_of(&self, hash: BlobHash) -> Option<&BlobUse> {
        self.uses.get(*self.first_use.get(&hash)?)
    }
}

/// Returns the plan of a target. Blocking.
pub fn of_target(
    library: &Library,
    target: &DownloadTarget,
    manifest: &OpenManifest,
    first: Option<&ItemId>,
) -> Result<Plan> {
    let read = |hash| library.blobs().get(hash).ok().flatten();
    if target.is_whole() {
        return Ok(of_whole(&manifest.manifest, first, read));
    }
    of_lesson(&manifest.manifest, &target.scope, read)
        .ok_or_else(|| Error::NotFound(format!("lesson {}", target.scope)))
}

/// Returns all blobs of the manifest, those without a known use last. The fonts are before the lessons;
/// of these, that of `first`, the learner's current section, is first.
pub fn of_whole(
    manifest: &Manifest,
    first: Option<&ItemId>,
    read: impl FnMut(BlobHash) -> Option<Bytes>,
) -> Plan {
    let mut builder = PlanBuilder::new(manifest, read);
    match &manifest.content {
        ManifestContent::Course { meta, outline } => {
            builder.begin_use(None, &meta.title, 0);
            builder.image(meta.cover.image.as_ref());
            builder.fonts(&manifest.fonts);
            let start = lesson_of(outline, first);
            let (before, from) = outline.lessons.split_at(start);
            for lesson in from.iter().chain(before) {
                builder.lesson(manifest, lesson);
            }
            for story in &outline.stories {
                builder.story(ItemId::within(&meta.id, &story.id), &story.title, story.body);
            }
            if let Some(words) = outline.vocabulary {
                builder.words(words, None);
            }
        }
        ManifestContent::Story { meta, body } => {
            builder.begin_use(None, &meta.title, 0);
            builder.image(meta.cover.image.as_ref());
            builder.fonts(&manifest.fonts);
            builder.story(ItemId::from(meta.id.clone()), &meta.title, *body);
        }
    }
    builder.begin_use(None, "", 0);
    for blob in &manifest.blobs {
        builder.add(blob.hash);
    }
    builder.plan
}

/// Returns the plan of one lesson, with the font files that its texts need; `None` if the lesson does not
/// exist.
pub fn of_lesson(
    manifest: &Manifest,
    lesson: &str,
    read: impl FnMut(BlobHash) -> Option<Bytes>,
) -> Option<Plan> {
    let ManifestContent::Course { meta, outline } = &manifest.content else { return None };
    let id = lesson.strip_prefix(meta.id.as_str())?.strip_prefix('/')?;
    let lesson = outline.lessons.iter().find(|l| l.id.as_str() == id)?;
    let mut builder = PlanBuilder::new(manifest, read);
    builder.begin_use(None, &meta.title, 0);
    builder.image(meta.cover.image.as_ref());
    if !manifest.fonts.is_empty() {
        let mut letters = ForeignLetters::default();
        letters.add(&meta.title);
        letters.add(&lesson.title);
        lesson.sections.iter().for_each(|s| letters.add(&s.title));
        builder.letters = Some(letters);
    }
    builder.lesson(manifest, lesson);
    if let Some(words) = outline.vocabulary {
        let linked_words = std::mem::take(&mut builder.linked_words);
        builder.words(words, Some(&linked_words));
    }
    builder.begin_use(None, &meta.title, 0);
    builder.fonts(&manifest.fonts);
    Some(builder.plan)
}

fn lesson_of(outline: &CourseOutline, first: Option<&ItemId>) -> usize {
    let Some(lesson) = first.and_then(|i| i.as_str().split('/').nth(1)) else { return 0 };
    outline.lessons.iter().position(|l| l.id.as_str() == lesson).unwrap_or(0)
}

struct PlanBuilder<'a, R> {
    listed: HashMap<BlobHash, &'a ManifestBlob>,
    read: R,
    plan: Plan,
    /// Ids of vocabulary entries that sections link to.
    linked_words: HashSet<String>,
    /// Characters of the texts read so far, if they decide which font files are needed.
    letters: Option<ForeignLetters>,
}

impl<'a, R: FnMut(BlobHash) -> Option<Bytes>> PlanBuilder<'a, R> {
    fn new(manifest: &'a Manifest, read: R) -> Self {
        let listed = manifest.blobs.iter().map(|b| (b.hash, b)).collect();
        Self { listed, read, plan: Plan::default(), linked_words: HashSet::new(), letters: None }
    }

    fn begin_use(&mut self, item: Option<ItemId>, title: &str, page: u32) {
        self.plan.uses.push(BlobUse { item, title: title.to_owned(), page });
    }
    /// Records a use of a blob. Blobs that are not in the signed manifest are ignored.
    fn add(&mut self, hash: BlobHash) {
        let Some(blob) = self.listed.get(&hash) else { return };
        if !self.plan.first_use.contains_key(&hash) {
            self.plan.first_use.insert(hash, self.plan.uses.len() - 1);
            self.plan.blobs.push((*blob).clone());
        }
    }
    /// Reads a compiled text; `None` if it is malformed or not stored.
    fn text<T: DeserializeOwned>(&mut self, hash: BlobHash) -> Option<T> {
        self.add(hash);
        if !self.listed.contains_key(&hash) {
            return None;
        }
        let Some(bytes) = (self.read)(hash) else {
            self.plan.missing_texts.push(hash);
            return None;
        };
        if let Some(letters) = &mut self.letters {
            letters.add(&String::from_utf8_lossy(&bytes));
        }
        serde_json::from_slice(&bytes).ok()
    }
    /// Adds the files of fonts, each font with its licence; if `letters` is set, only those with one of these characters.
    fn fonts(&mut self, fonts: &[FontPack]) {
        let letters = self.letters.take();
        let is_needed = |ranges: &str| {
            let letters = letters.as_ref();
            letters.is_none_or(|l| unicode_ranges(ranges).is_none_or(|ranges| l.are_in(&ranges)))
        };
        for font in fonts {
            let files: Vec<_> = font.files.iter().filter(|file| is_needed(&file.ranges)).collect();
            if !files.is_empty() {
                self.add(font.license);
            }
            files.into_iter().for_each(|file| self.add(file.hash));
        }
    }

    fn lesson(&mut self, manifest: &Manifest, lesson: &LessonOutline) {
        for section in &lesson.sections {
            let item = ItemId::section(manifest.id(), &lesson.id, &section.id);
            self.begin_use(Some(item), &section.title, 0);
            if let Some(body) = self.text::<SectionBody>(section.body) {
                self.blocks(manifest, &body);
            }
        }
    }
    fn blocks(&mut self, manifest: &Manifest, body: &SectionBody) {
        for block in &body.blocks {
            match block {
                Block::RichText { html } => self.link_words(html),
                Block::Image { image } => self.image(Some(image)),
                Block::Audio { audio } => self.audio(Some(audio)),
                Block::Video { video } => {
                    self.blob(&video.blob);
                    self.image(video.poster.as_ref());
                    if let Some(captions) = &video.captions {
                        self.blob(captions);
                    }
                }
                Block::Quiz { body, .. } => self.quiz(*body),
                Block::Story { story, title, body } => {
                    let outer = self.plan.uses.last().cloned();
                    self.story(ItemId::within(manifest.id(), story), title, *body);
                    if let Some(BlobUse { item, title, .. }) = outer {
                        self.begin_use(item, &title, 0);
                    }
                }
                Block::Math { .. } | Block::Code { .. } => {}
            }
        }
    }
    fn story(&mut self, item: ItemId, title: &str, body: BlobHash) {
        self.begin_use(Some(item.clone()), title, 0);
        let Some(story) = self.text::<Story>(body) else { return };
        for (n, page) in (1..).zip(&story.pages) {
            self.begin_use(Some(item.clone()), title, n);
            self.image(page.image.as_ref());
            self.audio(page.narration.as_ref());
        }
        self.begin_use(Some(item), title, 0);
        if let Some(quiz) = &story.quiz {
            self.quiz(quiz.body);
        }
        self.entries(&story.vocabulary, None);
    }
    fn quiz(&mut self, body: BlobHash) {
        let Some(quiz) = self.text::<Quiz>(body) else { return };
        for Question { image, audio, .. } in &quiz.questions {
            self.image(image.as_ref());
            self.audio(audio.as_ref());
        }
    }
    fn words(&mut self, hash: BlobHash, only: Option<&HashSet<String>>) {
        if let Some(first) = self.plan.uses.first().cloned() {
            self.begin_use(None, &first.title, 0);
        }
        if let Some(entries) = self.text::<Vec<VocabularyEntry>>(hash) {
            self.entries(&entries, only);
        }
    }
    fn entries(&mut self, entries: &[VocabularyEntry], only: Option<&HashSet<String>>) {
        for entry in entries.iter().filter(|e| only.is_none_or(|o| o.contains(e.id.as_str()))) {
            self.image(entry.image.as_ref());
            self.audio(entry.audio.as_ref());
        }
    }
    fn image(&mut self, image: Option<&ImageRef>) {
        for variant in image.iter().flat_map(|i| &i.variants) {
            self.blob(&variant.blob);
        }
    }
    fn audio(&mut self, audio: Option<&AudioRef>) {
        if let Some(audio) = audio {
            self.blob(&audio.blob);
            if let Some(captions) = &audio.captions {
                self.blob(captions);
            }
        }
    }
    fn blob(&mut self, blob: &BlobRef) {
        self.add(blob.hash);
    }
    /// Collects the ids of `<a data-word="id">`, as written by the package compiler.
    fn link_words(&mut self, html: &str) {
        let found = html.split("data-word=\"").skip(1).filter_map(|rest| rest.split('"').next());
        self.linked_words.extend(found.map(str::to_owned));
    }
}

/// Returns whether the blob is text. Texts are fetched first.
pub fn is_text(blob: &ManifestBlob) -> bool {
    MediaKind::of_type(&blob.media_type) == MediaKind::Text
}
