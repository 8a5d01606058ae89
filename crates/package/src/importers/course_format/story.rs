//! Reads `story.json` and `story.md`.
//!
//! Not here: splitting paragraphs into sentences (`text::sentence`).

use carrel_model::{
    Slug,
    content::{StoryQuiz, VocabularyEntry},
};
use pulldown_cmark::{Event, HeadingLevel, Tag, TagEnd};

use super::metadata;
use crate::{
    compile::{
        context::CompileContext,
        media_block::{AllowedMedia, MediaBlock},
        quiz, vocabulary,
    },
    draft::{PageDraft, StoryDraft},
    media::probe,
    problem::SourceLocation,
    source::{fields::Fields, paths},
    text::{
        markdown::{self, Lines, LinkTarget, Origin, PreparedText, Scope, Syntax},
        sentence::Paragraph,
    },
};

/// Reads the story in `folder` (`""` for the package's root). `course_words` is the vocabulary of the course that
/// contains it.
pub(super) fn draft(
    context: &mut CompileContext<'_>,
    folder: &str,
    course_words: &[VocabularyEntry],
) -> Option<StoryDraft> {
    let problems = context.problems;
    let in_folder =
        |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let file = in_folder("story.json");
    let node = context.read_json(&file)?;
    let fields = Fields::new(&node, &file, problems, "story.json")?;
    fields.format("carrel-story");
    let metadata = metadata::read(context, &fields);
    let family = fields.slug("family").map(|f| f.value.as_str().to_owned()).unwrap_or_default();
    let level = fields.integer("level", 1..=5);
    if level.is_none() && fields.node("level").is_none() {
        fields.missing("level");
    }
    let mut scope =
        Scope { root: metadata.id.clone(), lang: metadata.lang.clone(), ..Scope::default() };
    let mut words = Vec::new();
    if let Some(link) = fields.text("vocabulary")
        && let Some(path) = context.resolve(fields.at(link.line), folder, link.value)
    {
        words = vocabulary::compile(context, &path, &scope);
    }
    scope.words =
        words.iter().chain(course_words).map(|word| word.id.as_str().to_owned()).collect();
    let quiz = fields.text("quiz").and_then(|link| {
        let path = context.resolve(fields.at(link.line), folder, link.value)?;
        quiz::compile(context, &path, &scope)
            .map(|compiled| StoryQuiz { id: compiled.item, body: compiled.body })
    });
    fields.finish();
    let text_file = in_folder("story.md");
    if context.entry(&text_file).is_none() {
        problems.error(
            SourceLocation { file: &file, line: 1 },
            "missing-file",
            format!("there is no file {text_file:?}"),
            "create it with the text of the story",
        );
        return None;
    }
    let text = context.read_text(&text_file)?;
    let pages = pages(context, &text_file, &text, &scope);
    Some(StoryDraft {
        file: text_file,
        metadata,
        family,
        level: level.map_or(1, |l| u8::try_from(l.value).unwrap_or(5)),
        pages,
        vocabulary: words,
        quiz,
    })
}

fn pages(
    context: &mut CompileContext<'_>,
    file: &str,
    text: &str,
    scope: &Scope,
) -> Vec<PageDraft> {
    let problems = context.problems;
    let prepared = PreparedText::new(text, Syntax::Story);
    let lines = Lines::new(Origin::File(file), &prepared);
    let Some(events) = markdown::events(&prepared, markdown::options(), &lines, problems) else {
        return Vec::new();
    };
    markdown::check(&events, &prepared, &lines, problems);
    let mut drafts: Vec<PageDraft> = Vec::new();
    let mut has_reported_text = false;
    let mut current = Paragraph::default();
    let mut word_links = Vec::new();
    let mut has_title = false;
    let mut i = 0;
    while i < events.len() {
        let (event, range) = &events[i];
        let at = lines.at(range.start);
        match event {
            Event::Start(Tag::Heading { level: HeadingLevel::H2, .. }) => {
                drafts.push(PageDraft { line: at.line, ..PageDraft::default() });
            }
            Event::Start(Tag::Heading { level: HeadingLevel::H1, .. })
                if drafts.is_empty() && !has_title =>
            {
                has_title = true;
                i = markdown::group_end(&events, i);
                continue;
            }
            Event::Start(Tag::Image { dest_url, .. }) => {
                let end = markdown::group_end(&events, i);
                let media =
                    markdown::media_of(&events[i..end], &lines).and_then(|m| m.into_iter().next());
                if let (Some(media), Some(page)) = (media, drafts.last_mut()) {
                    add_media(context, file, &media, page, scope);
                } else {
                    problems.error(
                        at,
                        "before-page",
                        format!("{:?} is before the first page", dest_url.as_ref()),
                        "start the page with a line ##",
                    );
                }
                i = end;
                continue;
            }
            Event::Start(Tag::Link { dest_url, .. }) => {
                let target = markdown::link_target(dest_url, scope, at, problems);
                word_links.push(matches!(target, Some(LinkTarget::Word(_))));
                match target {
                    Some(LinkTarget::Word(word)) => {
                        if let Ok(word) = Slug::new(word) {
                            current.open_word(word, at.line);
                        }
                    }
                    Some(_) => problems.warn(
                        at,
                        "story-markup",
                        format!("the link {:?} was removed", dest_url.as_ref()),
                        "only word: links are supported in stories",
                    ),
                    None => {}
                }
            }
            Event::End(TagEnd::Link) => {
                let is_word = word_links.pop() == Some(true);
                if is_word {
                    current.close_word();
                }
            }
            Event::Text(t) | Event::Code(t) => current.text(t),
            Event::SoftBreak => current.text(" "),
            Event::HardBreak => current.forced_break(),
            Event::Start(Tag::HtmlBlock) => {
                let end = markdown::group_end(&events, i);
                let html = events[i..end].iter().filter_map(|(event, _)| match event {
                    Event::Html(line) => Some(line.as_ref()),
                    _ => None,
                });
                let html: String = html.collect();
                let html = html.trim();
                // A note for authors may have any number of lines.
                let shown = match html.strip_prefix("<!--").and_then(|rest| rest.split_once("-->"))
                {
                    Some((_, after)) => after.trim(),
                    None => html,
                };
                if shown.to_ascii_lowercase().starts_with("<br") {
                    current.forced_break();
                } else if !shown.is_empty() {
                    let message =
                        format!("{:?} was removed", shown.lines().next().unwrap_or(shown));
                    let hint = "use only plain text, images and audio";
                    problems.warn(at, "html-removed", message, hint);
                }
                i = end;
                continue;
            }
            Event::InlineHtml(raw) => {
                if raw.trim_start().to_ascii_lowercase().starts_with("<br") {
                    current.forced_break();
                } else if !raw.starts_with("<!--") {
                    problems.warn(
                        at,
                        "html-removed",
                        format!("{:?} was removed", raw.trim()),
                        "use only plain text, images and audio",
                    );
                }
            }
            Event::Start(Tag::Table(_) | Tag::CodeBlock(_) | Tag::FootnoteDefinition(_)) => {
                problems.warn(
                    at,
                    "story-markup",
                    "tables, code and footnotes are not supported in stories",
                    "write the content as sentences",
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
                        None if !has_reported_text => {
                            has_reported_text = true;
                            problems.error(
                                at,
                                "before-page",
                                "the text is before the first page",
                                "start the page with a line ##",
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
            "start each page with a line ##",
        );
    }
    drafts
}

fn add_media(
    context: &mut CompileContext<'_>,
    file: &str,
    media: &markdown::Media,
    page: &mut PageDraft,
    scope: &Scope,
) {
    let at = SourceLocation { file, line: media.line };
    let folder = paths::parent(file);
    let Some(path) = context.resolve_media(at, folder, &media.link, &media.alt) else { return };
    if context.entry(&path).is_none() {
        context.problems.error(
            at,
            "media-type",
            format!("{path:?} is a folder"),
            "use the path of an image or audio file",
        );
        return;
    }
    let kind = context.entry(&path).map(|e| probe::kind_on_disk(&e.disk));
    let is_image = matches!(kind, Some(probe::Kind::Raster | probe::Kind::Svg));
    let allowed = if is_image { AllowedMedia::Image } else { AllowedMedia::Audio };
    match context.media(at, &path, &media.alt, &media.caption, scope, allowed) {
        Some(MediaBlock::Image(image)) => {
            let is_second = page.image.replace(image).is_some();
            if is_second {
                context.problems.error(
                    at,
                    "page-media",
                    "the page has two images",
                    "start another page with ##",
                );
            }
        }
        Some(MediaBlock::Audio(audio)) => {
            page.timing = context.captions_file(&path);
            let is_second = page.narration.replace(audio).is_some();
            if is_second {
                context.problems.error(
                    at,
                    "page-media",
                    "the page has two narrations",
                    "combine the recordings, or start another page with ##",
                );
            }
        }
        _ => {}
    }
}
