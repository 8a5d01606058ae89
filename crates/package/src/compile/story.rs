//! Stories (`story.json` and `story.md`), on their own or inside a course.
//!
//! Not here: Global Storybooks texts (`storybook`), how sentences are split (`sentence`).

use std::collections::BTreeSet;

use carrel_model::{
    BlobHash, Slug,
    content::{
        AudioRef, Cover, ImageRef, ManifestContent, Page, Sentence, Story, StoryMeta, StoryQuiz,
        VocabularyEntry,
    },
};
use pulldown_cmark::{Event, HeadingLevel, Tag, TagEnd};

use crate::compile::context::CompileContext;
use crate::compile::media_block::{AllowedMedia, MediaBlock};
use crate::compile::metadata::{self, Metadata};
use crate::compile::quiz;
use crate::compile::vocabulary;
use crate::media::{probe, vtt};
use crate::problem::SourceLocation;
use crate::source::fields::Fields;
use crate::source::paths;
use crate::text::markdown::{self, Lines, LinkTarget, Origin, Scope};
use crate::text::sentence::Paragraph;

/// A compiled story.
pub(crate) struct CompiledStory {
    pub meta: StoryMeta,
    pub body: BlobHash,
}

/// The story at the package's top.
pub(crate) fn compile_package(context: &mut CompileContext<'_>) -> Option<ManifestContent> {
    let made = compile(context, "", &[])?;
    Some(ManifestContent::Story { meta: made.meta, body: made.body })
}

/// The story in `folder` (`""` for the package's top). `course_words` is the vocabulary of the course around it.
pub(crate) fn compile(
    context: &mut CompileContext<'_>,
    folder: &str,
    course_words: &[VocabularyEntry],
) -> Option<CompiledStory> {
    let problems = context.problems;
    let inside =
        |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let file = inside("story.json");
    let node = context.read_json(&file)?;
    let fields = Fields::new(&node, &file, problems, "story.json")?;
    fields.format("carrel-story");
    let metadata = Metadata::read(&fields);
    let level = fields.whole("level", 1..=5);
    if level.is_none() && fields.node("level").is_none() {
        fields.missing("level");
    }
    let credits = metadata::credits(context, &fields);
    let cover = metadata::cover(context, &fields, &metadata.title);
    let mut scope = Scope {
        root: metadata.id.as_ref().map(|i| i.value.clone()),
        lang: metadata.lang.clone(),
        ..Scope::default()
    };
    let mut words = Vec::new();
    if let Some(link) = fields.text("vocabulary")
        && let Some(path) = context.resolve(fields.at(link.line), folder, link.value)
    {
        words = vocabulary::compile(context, &path, &scope);
    }
    let own: BTreeSet<&str> = words.iter().map(|w| w.id.as_str()).collect();
    let borrowed: Vec<&VocabularyEntry> =
        course_words.iter().filter(|w| !own.contains(w.id.as_str())).collect();
    scope.words = own
        .iter()
        .map(|w| (*w).to_owned())
        .chain(borrowed.iter().map(|w| w.id.as_str().to_owned()))
        .collect();
    let quiz = fields.text("quiz").and_then(|link| {
        let path = context.resolve(fields.at(link.line), folder, link.value)?;
        quiz::compile(context, &path, &scope)
            .map(|made| StoryQuiz { id: made.item, body: made.body })
    });
    fields.finish();
    let text_file = inside("story.md");
    if context.entry(&text_file).is_none() {
        problems.error(
            SourceLocation { file: &file, line: 1 },
            "missing-file",
            format!("there is no file {text_file:?}"),
            "write the story there",
        );
        return None;
    }
    let text = context.read_text(&text_file)?;
    let pages = pages(context, &text_file, &text, &scope);
    // A story is read on its own: words of the course that it uses come along.
    let used: BTreeSet<Slug> = pages
        .iter()
        .flat_map(|p| &p.sentences)
        .flat_map(|s| &s.words)
        .map(|w| w.word.clone())
        .collect();
    words.extend(borrowed.into_iter().filter(|w| used.contains(&w.id)).cloned());
    let story = Story {
        id: metadata.id?.value,
        title: metadata.title,
        lang: metadata.lang,
        dir: metadata.dir,
        level: level.map_or(1, |l| u8::try_from(l.value).unwrap_or(5)),
        pages,
        vocabulary: words,
        quiz,
        license: metadata.license,
        credits,
    };
    Some(finish(
        context,
        story,
        metadata.description,
        metadata.category,
        metadata.tags,
        metadata.authors,
        cover,
    ))
}

/// Stages a story and makes what the library shows of it.
pub(crate) fn finish(
    context: &mut CompileContext<'_>,
    story: Story,
    description: String,
    category: String,
    tags: Vec<String>,
    authors: Vec<String>,
    cover: Cover,
) -> CompiledStory {
    let body = context.put_json(&story);
    let meta = StoryMeta {
        page_count: u32::try_from(story.pages.len()).unwrap_or(u32::MAX),
        narrated: story.pages.iter().any(|p| p.narration.is_some()),
        id: story.id,
        title: story.title,
        description,
        lang: story.lang,
        dir: story.dir,
        level: story.level,
        category,
        tags,
        authors,
        license: story.license,
        credits: story.credits,
        cover,
        total_bytes: 0,
    };
    CompiledStory { meta, body }
}

/// A page while it is read.
#[derive(Default)]
struct Draft {
    line: u32,
    image: Option<ImageRef>,
    narration: Option<AudioRef>,
    /// The file of the narration, for the times beside it.
    sound: Option<String>,
    paragraphs: Vec<Paragraph>,
}

fn pages(context: &mut CompileContext<'_>, file: &str, text: &str, scope: &Scope) -> Vec<Page> {
    let problems = context.problems;
    let lines = Lines::new(Origin::File(file), text);
    let options = markdown::options() - pulldown_cmark::Options::ENABLE_MATH;
    let Some(events) = markdown::events(text, options, &lines, problems) else {
        return Vec::new();
    };
    let mut drafts: Vec<Draft> = Vec::new();
    let mut early = false;
    let mut current = Paragraph::default();
    let mut in_word = Vec::new();
    let mut title = false;
    let mut i = 0;
    while i < events.len() {
        let (event, range) = &events[i];
        let at = lines.at(range.start);
        match event {
            Event::Start(Tag::Heading { level: HeadingLevel::H2, .. }) => {
                drafts.push(Draft { line: at.line, ..Draft::default() });
            }
            Event::Start(Tag::Heading { level: HeadingLevel::H1, .. })
                if drafts.is_empty() && !title =>
            {
                title = true;
                i = markdown::group_end(&events, i);
                continue;
            }
            Event::Start(Tag::Image { dest_url, .. }) => {
                let end = markdown::group_end(&events, i);
                let media =
                    markdown::media_of(&events[i..end], &lines).and_then(|m| m.into_iter().next());
                if let (Some(media), Some(page)) = (media, drafts.last_mut()) {
                    place_media(context, file, &media, page, scope);
                } else {
                    problems.error(
                        at,
                        "before-page",
                        format!("{dest_url:?} stands before the first page"),
                        "begin the page with a line ##",
                    );
                }
                i = end;
                continue;
            }
            Event::Start(Tag::Link { dest_url, .. }) => {
                let target = markdown::link_target(dest_url, scope, at, problems);
                in_word.push(matches!(target, Some(LinkTarget::Word(_))));
                match target {
                    Some(LinkTarget::Word(word)) => {
                        if let Ok(word) = Slug::new(word) {
                            current.open_word(word, at.line);
                        }
                    }
                    Some(_) => problems.warn(
                        at,
                        "story-markup",
                        format!("a story has no links: {dest_url:?}"),
                        "only word: links count here",
                    ),
                    None => {}
                }
            }
            Event::End(TagEnd::Link) => {
                let of_word = in_word.pop() == Some(true);
                if of_word {
                    current.close_word();
                }
            }
            Event::Text(t) | Event::Code(t) => current.text(t),
            Event::SoftBreak => current.text(" "),
            Event::HardBreak => current.forced_break(),
            Event::Html(raw) | Event::InlineHtml(raw) => {
                if raw.trim_start().to_ascii_lowercase().starts_with("<br") {
                    current.forced_break();
                } else if !raw.trim_start().starts_with("<!--") {
                    problems.warn(
                        at,
                        "html-removed",
                        format!("{:?} was removed", raw.trim()),
                        "a story is plain text, pictures and sound",
                    );
                }
            }
            Event::Start(Tag::Table(_) | Tag::CodeBlock(_) | Tag::FootnoteDefinition(_)) => {
                problems.warn(
                    at,
                    "story-markup",
                    "a story has no tables, code or footnotes",
                    "write it as sentences",
                );
                i = markdown::group_end(&events, i);
                continue;
            }
            Event::End(
                TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::Item | TagEnd::BlockQuote(_),
            ) => {
                let paragraph = std::mem::take(&mut current);
                if !paragraph.is_empty() {
                    match drafts.last_mut() {
                        Some(page) => page.paragraphs.push(paragraph),
                        None if !early => {
                            early = true;
                            problems.error(
                                at,
                                "before-page",
                                "this stands before the first page",
                                "begin the page with a line ##",
                            );
                        }
                        None => {}
                    }
                }
            }
            _ => {}
        }
        i += 1;
    }
    if drafts.is_empty() {
        problems.error(
            lines.at(0),
            "empty",
            "the story has no page",
            "begin each page with a line ##",
        );
    }
    drafts.into_iter().map(|draft| page(context, file, draft)).collect()
}

fn place_media(
    context: &mut CompileContext<'_>,
    file: &str,
    media: &markdown::Media,
    page: &mut Draft,
    scope: &Scope,
) {
    let at = SourceLocation { file, line: media.line };
    let Some(path) = context.resolve(at, paths::parent(file), &media.link) else { return };
    if context.entry(&path).is_none() {
        context.problems.error(
            at,
            "media-type",
            format!("{path:?} is a folder"),
            "a page has a picture and a narration",
        );
        return;
    }
    let kind = context.entry(&path).map(|e| probe::kind_on_disk(&e.disk));
    let is_image = matches!(kind, Some(probe::Kind::Picture | probe::Kind::Drawing));
    let allowed = if is_image { AllowedMedia::Image } else { AllowedMedia::Audio };
    match context.media(at, &path, &media.alt, &media.caption, scope, allowed) {
        Some(MediaBlock::Image(image)) => {
            let second = page.image.replace(image).is_some();
            if second {
                context.problems.error(
                    at,
                    "page-media",
                    "the page has two pictures",
                    "begin another page with ##",
                );
            }
        }
        Some(MediaBlock::Audio(audio)) => {
            page.sound = Some(path);
            let second = page.narration.replace(audio).is_some();
            if second {
                context.problems.error(
                    at,
                    "page-media",
                    "the page has two narrations",
                    "join the recordings, or begin another page with ##",
                );
            }
        }
        _ => {}
    }
}

fn page(context: &mut CompileContext<'_>, file: &str, draft: Draft) -> Page {
    let mut sentences = Vec::new();
    for paragraph in &draft.paragraphs {
        let (more, torn) = paragraph.sentences();
        sentences.extend(more);
        for line in torn {
            let hint = "mark the word in one of the sentences";
            context.problems.error(
                SourceLocation { file, line },
                "word-torn",
                "a word lies across the end of a sentence",
                hint,
            );
        }
    }
    if sentences.is_empty() && draft.image.is_none() {
        let hint = "write a sentence, show a picture, or take the ## out";
        context.problems.error(
            SourceLocation { file, line: draft.line },
            "empty",
            "the page is empty",
            hint,
        );
    }
    if let (Some(sound), Some(narration)) = (&draft.sound, &draft.narration) {
        time(context, sound, narration.duration_ms, &mut sentences);
    }
    Page { image: draft.image, narration: draft.narration, sentences }
}

/// Gives the sentences the times of the `.vtt` beside the narration.
fn time(context: &CompileContext<'_>, sound: &str, duration_ms: u64, sentences: &mut [Sentence]) {
    let path = paths::with_extension(sound, "vtt");
    if context.entry(&path).is_none() {
        return;
    }
    let Some(text) = context.read_text(&path) else { return };
    let Some(cues) = vtt::parse(&text, &path, context.problems) else { return };
    if cues.len() != sentences.len() {
        let surplus = cues.get(sentences.len()).or(cues.last()).map_or(1, |c| c.line);
        let message =
            format!("{} cues for the {} sentences of the page", cues.len(), sentences.len());
        let last = sentences.get(cues.len().saturating_sub(1)).map_or("", |s| s.text.as_str());
        let hint = match sentences.get(cues.len()) {
            Some(next) => format!("one cue for each sentence: the next one is {:?}", next.text),
            None => format!(
                "one cue for each sentence: the last one is {:?}",
                sentences.last().map_or(last, |s| &s.text)
            ),
        };
        context.problems.error(
            SourceLocation { file: &path, line: surplus },
            "timing-count",
            message,
            hint,
        );
        return;
    }
    context.check_range(&cues, &path, duration_ms);
    for (sentence, cue) in sentences.iter_mut().zip(cues) {
        sentence.start_ms = Some(cue.start_ms);
        sentence.end_ms = Some(cue.end_ms);
    }
}
