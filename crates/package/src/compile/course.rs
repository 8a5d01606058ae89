//! Compiles the draft of a course: first its stories, then its sections to blocks.
//!
//! Not here: compiling a section's text, quiz or story.

use carrel_model::content::{
    Block, CourseMeta, CourseOutline, LessonOutline, ManifestContent, SectionBody, SectionOutline,
    SectionType, StoryInCourse,
};

use crate::{
    compile::{
        context::CompileContext,
        media_block::{AllowedMedia, MediaBlock},
        quiz, story,
    },
    draft::{CourseDraft, SectionDraft},
    problem::SourceLocation,
    source::paths,
    text::markdown::{self, Media, Origin, Piece, Scope},
};

/// The stories of a course, by folder.
type Stories = Vec<(String, StoryInCourse)>;

pub(super) fn lower(
    context: &mut CompileContext<'_>,
    draft: CourseDraft,
) -> Option<ManifestContent> {
    let CourseDraft { file, metadata, difficulty, hours, vocabulary, stories, lessons } = draft;
    let scope = Scope {
        root: metadata.id.clone(),
        words: vocabulary.iter().map(|w| w.id.as_str().to_owned()).collect(),
        sections: lessons
            .iter()
            .flat_map(|lesson| lesson.sections.iter().map(|s| (&lesson.id, &s.id)))
            .filter_map(|(lesson, s)| Some(format!("{}/{}", lesson.as_ref()?, s.as_ref()?)))
            .collect(),
        ..Scope::default()
    };
    let stories: Stories = stories
        .into_iter()
        .filter_map(|(folder, draft)| {
            let compiled = story::lower(context, draft, &vocabulary)?;
            let story = StoryInCourse {
                id: compiled.meta.id,
                title: compiled.meta.title,
                body: compiled.body,
            };
            Some((folder, story))
        })
        .collect();
    let mut outlines = Vec::new();
    for lesson in lessons {
        let sections = lesson
            .sections
            .into_iter()
            .filter_map(|s| section(context, &file, s, &scope, &stories))
            .collect();
        if let Some(id) = lesson.id {
            let (title, summary) = (lesson.title, lesson.summary);
            outlines.push(LessonOutline { id, title, summary, sections });
        }
    }
    let lessons = outlines;
    let vocabulary = (!vocabulary.is_empty()).then(|| context.put_json(&vocabulary));
    let section_count = lessons.iter().map(|l| l.sections.len()).sum::<usize>();
    let (difficulty, is_expert) = CourseMeta::level_fields(difficulty?);
    let meta = CourseMeta {
        id: metadata.id?,
        title: metadata.title,
        description: metadata.description,
        lang: metadata.lang,
        dir: metadata.dir,
        difficulty,
        is_expert,
        category: metadata.category,
        tags: metadata.tags,
        hours,
        authors: metadata.authors,
        license: metadata.license,
        credits: metadata.credits,
        cover: metadata.cover,
        lesson_count: u32::try_from(lessons.len()).unwrap_or(u32::MAX),
        section_count: u32::try_from(section_count).unwrap_or(u32::MAX),
        total_bytes: 0,
    };
    let stories = stories.into_iter().map(|(_, story)| story).collect();
    Some(ManifestContent::Course { meta, outline: CourseOutline { lessons, stories, vocabulary } })
}

fn section(
    context: &mut CompileContext<'_>,
    file: &str,
    draft: SectionDraft,
    scope: &Scope,
    stories: &Stories,
) -> Option<SectionOutline> {
    let scope = Scope { lang: draft.lang.clone(), ..scope.clone() };
    let mut blocks = Vec::new();
    if let Some(path) = &draft.text
        && let Some(text) = context.read_text(path)
    {
        if text.trim().is_empty() {
            context.problems.error(
                SourceLocation { file: path, line: 1 },
                "empty",
                "the section has no text",
                "add text, or remove the section",
            );
        }
        blocks = body(context, path, &text, &scope, stories);
    }
    let mut quiz = None;
    if let Some(compiled) = draft.quiz.and_then(|path| quiz::compile(context, &path, &scope)) {
        let block =
            Block::Quiz { quiz: compiled.item.clone(), title: compiled.title, body: compiled.body };
        if !blocks.contains(&block) {
            blocks.push(block);
        }
        quiz = Some(compiled.item);
    }
    if draft.section_type == Some(SectionType::Video)
        && draft.text.is_some()
        && !blocks.iter().any(|b| matches!(b, Block::Video { .. }))
    {
        context.problems.warn(
            SourceLocation { file, line: draft.line },
            "video-missing",
            "the VIDEO section has no video",
            "add ![Title](video.mp4) to its text, or change its type to TEXT",
        );
    }
    let id = draft.id?;
    let body = context.put_json(&SectionBody { lang: draft.lang, dir: draft.dir, blocks });
    Some(SectionOutline {
        id,
        section_type: draft.section_type?,
        title: draft.title,
        minutes: draft.minutes,
        body,
        quiz,
    })
}

/// Compiles a Markdown file to blocks.
fn body(
    context: &mut CompileContext<'_>,
    file: &str,
    text: &str,
    scope: &Scope,
    stories: &Stories,
) -> Vec<Block> {
    let pieces = markdown::read(text, Origin::File(file), scope, context.problems);
    let mut blocks = Vec::new();
    for piece in pieces {
        blocks.extend(match piece {
            Piece::Rich(html) => Some(Block::RichText { html }),
            Piece::Math { mathml, tex } => Some(Block::Math { mathml, tex }),
            Piece::Code { language, text, editable, check } => {
                Some(Block::Code { language, text, editable, check })
            }
            Piece::Media(media) => media_block(context, file, &media, scope, stories),
        });
    }
    blocks
}

fn media_block(
    context: &mut CompileContext<'_>,
    file: &str,
    media: &Media,
    scope: &Scope,
    stories: &Stories,
) -> Option<Block> {
    let at = SourceLocation { file, line: media.line };
    let path = context.resolve_media(at, paths::parent(file), &media.link, &media.alt)?;
    let folder = path.strip_suffix("/story.json").unwrap_or(&path);
    if let Some((_, story)) = stories.iter().find(|(f, _)| f == folder) {
        let title = if media.alt.is_empty() { story.title.clone() } else { media.alt.clone() };
        return Some(Block::Story { story: story.id.clone(), title, body: story.body });
    }
    if context.entry(&path).is_none() || path.ends_with("/story.json") {
        let (message, hint) = if context.entry(&format!("{folder}/story.json")).is_some() {
            (
                format!("the story {folder:?} is not listed in the course"),
                "add it to \"stories\" in course.json",
            )
        } else {
            (
                format!("{path:?} is a folder without story.json"),
                "use the path of a file or of a story's folder",
            )
        };
        context.problems.error(at, "story-unlisted", message, hint);
        return None;
    }
    if paths::extension(&path) == "json" {
        let compiled = quiz::compile(context, &path, scope)?;
        let title = if media.alt.is_empty() { compiled.title } else { media.alt.clone() };
        return Some(Block::Quiz { quiz: compiled.item, title, body: compiled.body });
    }
    Some(match context.media(at, &path, &media.alt, &media.caption, scope, AllowedMedia::Any)? {
        MediaBlock::Image(image) => Block::Image { image },
        MediaBlock::Audio(audio) => Block::Audio { audio },
        MediaBlock::Video(video) => Block::Video { video },
    })
}
