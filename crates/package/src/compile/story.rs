//! Compiles the draft of a story: splits its paragraphs into sentences, assigns their times, and adds the words of the
//! course vocabulary that it uses.
//!
//! Not here: how sentences are split (`sentence`).

use std::collections::BTreeSet;

use carrel_model::{
    BlobHash,
    content::{Page, Sentence, Story, StoryMeta, VocabularyEntry},
};

use crate::{
    compile::context::CompileContext,
    draft::{PageDraft, StoryDraft},
    media::{recording, vtt},
    problem::SourceLocation,
};

/// A compiled story.
pub(super) struct CompiledStory {
    pub meta: StoryMeta,
    pub body: BlobHash,
}

/// Compiles a story. `course_words` is the vocabulary of the course that contains it.
pub(super) fn lower(
    context: &mut CompileContext<'_>,
    draft: StoryDraft,
    course_words: &[VocabularyEntry],
) -> Option<CompiledStory> {
    let StoryDraft { file, metadata, family, level, pages, mut vocabulary, quiz } = draft;
    let pages: Vec<_> = pages.into_iter().map(|draft| page(context, &file, draft)).collect();
    // A story can be opened separately, so it includes the course vocabulary that it uses.
    let used: BTreeSet<_> =
        pages.iter().flat_map(|p| &p.sentences).flat_map(|s| &s.words).map(|w| &w.word).collect();
    let own_ids: BTreeSet<_> = vocabulary.iter().map(|word| word.id.clone()).collect();
    let course_entries =
        course_words.iter().filter(|w| used.contains(&w.id) && !own_ids.contains(&w.id));
    vocabulary.extend(course_entries.cloned());
    let page_count = u32::try_from(pages.len()).unwrap_or(u32::MAX);
    let narrated = pages.iter().any(|page| page.narration.is_some());
    let story = Story {
        id: metadata.id?,
        title: metadata.title,
        lang: metadata.lang,
        dir: metadata.dir,
        level,
        pages,
        vocabulary,
        quiz,
        license: metadata.license,
        credits: metadata.credits,
    };
    let body = context.put_json(&story);
    let meta = StoryMeta {
        id: story.id,
        title: story.title,
        description: metadata.description,
        lang: story.lang,
        dir: story.dir,
        level,
        category: metadata.category,
        tags: metadata.tags,
        authors: metadata.authors,
        license: story.license,
        credits: story.credits,
        cover: metadata.cover,
        family,
        page_count,
        narrated,
        total_bytes: 0,
    };
    Some(CompiledStory { meta, body })
}

fn page(context: &mut CompileContext<'_>, file: &str, draft: PageDraft) -> Page {
    let mut sentences = Vec::new();
    for paragraph in &draft.paragraphs {
        let (more, crossing_lines) = paragraph.sentences();
        sentences.extend(more);
        for line in crossing_lines {
            let hint = "link the word within one sentence";
            context.problems.error(
                SourceLocation { file, line },
                "word-torn",
                "a linked word crosses a sentence boundary",
                hint,
            );
        }
    }
    if sentences.is_empty() && draft.image.is_none() {
        let hint = "add a sentence or an image, or remove the ##";
        context.problems.error(
            SourceLocation { file, line: draft.line },
            "empty",
            "the page is empty",
            hint,
        );
    }
    let timing_confidence = draft.narration.as_ref().and_then(|narration| match &draft.timing {
        Some(timing) => {
            apply_timing(context, timing, narration.duration_ms, &mut sentences);
            None
        }
        None => estimate_timing(context, narration.blob.hash, &mut sentences),
    });
    Page { image: draft.image, narration: draft.narration, sentences, timing_confidence }
}

/// Assigns estimated times, if the recording allows an estimate. Returns their confidence.
fn estimate_timing(
    context: &CompileContext<'_>,
    narration: BlobHash,
    sentences: &mut [Sentence],
) -> Option<u8> {
    let texts: Vec<&str> = sentences.iter().map(|s| s.text.as_str()).collect();
    let times = recording::sentence_times(
        context.options.decoder?,
        context.recording_file(narration)?,
        &texts,
    )?;
    for (sentence, start) in sentences.iter_mut().zip(times.starts) {
        sentence.start_ms = Some(start);
    }
    Some(times.confidence)
}

/// Assigns the times of a WebVTT file to the sentences.
fn apply_timing(
    context: &CompileContext<'_>,
    path: &str,
    duration_ms: u64,
    sentences: &mut [Sentence],
) {
    let Some(text) = context.read_text(path) else { return };
    let Some(captions) = vtt::read(text, path, context.problems) else { return };
    let cues = captions.cues;
    if cues.len() != sentences.len() {
        let cue_line = cues.get(sentences.len()).or(cues.last()).map_or(1, |c| c.line);
        let message =
            format!("{} cues for the {} sentences of the page", cues.len(), sentences.len());
        let last = sentences.get(cues.len().saturating_sub(1)).map_or("", |s| s.text.as_str());
        let hint = match sentences.get(cues.len()) {
            Some(next) => format!(
                "write one cue for each sentence; the first sentence without a cue is {:?}",
                next.text
            ),
            None => format!(
                "write one cue for each sentence; the last sentence is {:?}",
                sentences.last().map_or(last, |s| &s.text)
            ),
        };
        context.problems.error(
            SourceLocation { file: path, line: cue_line },
            "timing-count",
            message,
            hint,
        );
        return;
    }
    context.check_range(&cues, path, duration_ms);
    for (sentence, cue) in sentences.iter_mut().zip(cues) {
        sentence.start_ms = Some(cue.start_ms);
        sentence.end_ms = Some(cue.end_ms);
    }
}
