//! Courses: `course.json`, its lessons and sections.
//!
//! Not here: what a section's text, quiz or story is made of.

use std::collections::HashMap;

use carrel_model::{
    Slug,
    content::{
        Block, CourseMeta, CourseOutline, Difficulty, Dir, Hours, LessonOutline, ManifestContent,
        SectionBody, SectionOutline, SectionType, StoryInCourse, VocabularyEntry,
    },
};

use crate::compile::context::CompileContext;
use crate::compile::media_block::{AllowedMedia, MediaBlock};
use crate::compile::metadata::{self, Metadata};
use crate::compile::quiz;
use crate::compile::story;
use crate::compile::vocabulary;
use crate::problem::SourceLocation;
use crate::source::fields::{Fields, Found};
use crate::source::json::{Node, Value};
use crate::source::paths;
use crate::text::markdown::{self, Media, Origin, Piece, Scope};

const FILE: &str = "course.json";

/// The course at the package's top.
pub(crate) fn compile(context: &mut CompileContext<'_>) -> Option<ManifestContent> {
    let problems = context.problems;
    let node = context.read_json(FILE)?;
    let fields = Fields::new(&node, FILE, problems, FILE)?;
    fields.format("carrel-course");
    let metadata = Metadata::read(&fields);
    let difficulty = fields.one_of(
        "difficulty",
        &[
            ("BEGINNER", Difficulty::Beginner),
            ("INTERMEDIATE", Difficulty::Intermediate),
            ("ADVANCED", Difficulty::Advanced),
        ],
    );
    let hours = hours(&fields);
    let credits = metadata::credits(context, &fields);
    let cover = metadata::cover(context, &fields, &metadata.title);
    let root = metadata.id.as_ref().map(|id| id.value.clone());
    let mut scope = Scope { root: root.clone(), lang: metadata.lang.clone(), ..Scope::default() };
    let vocabulary = match fields.text("vocabulary") {
        Some(link) => {
            let path = context.resolve(fields.at(link.line), "", link.value);
            path.map(|path| vocabulary::compile(context, &path, &scope)).unwrap_or_default()
        }
        None => Vec::new(),
    };
    scope.words = vocabulary.iter().map(|w| w.id.as_str().to_owned()).collect();
    let stories = stories(context, &fields, &vocabulary);
    let plans = lessons(context, &fields, &mut scope);
    fields.finish();

    let mut lessons = Vec::new();
    for plan in plans {
        let mut sections = Vec::new();
        for section in plan.sections {
            if let Some(outline) =
                self::section(context, &plan.lang, plan.dir, section, &scope, &stories)
            {
                sections.push(outline);
            }
        }
        if let Some(id) = plan.id {
            lessons.push(LessonOutline { id, title: plan.title, summary: plan.summary, sections });
        }
    }
    let vocabulary = (!vocabulary.is_empty()).then(|| context.put_json(&vocabulary));
    let section_count = lessons.iter().map(|l| l.sections.len()).sum::<usize>();
    let meta = CourseMeta {
        id: root?,
        title: metadata.title,
        description: metadata.description,
        lang: metadata.lang,
        dir: metadata.dir,
        difficulty: difficulty?,
        category: metadata.category,
        tags: metadata.tags,
        hours,
        authors: metadata.authors,
        license: metadata.license,
        credits,
        cover,
        lesson_count: u32::try_from(lessons.len()).unwrap_or(u32::MAX),
        section_count: u32::try_from(section_count).unwrap_or(u32::MAX),
        total_bytes: 0,
    };
    let stories = stories.into_iter().map(|(_, story)| story).collect();
    Some(ManifestContent::Course { meta, outline: CourseOutline { lessons, stories, vocabulary } })
}

fn hours(fields: &Fields<'_>) -> Hours {
    match fields.number("hours") {
        Some(n) if (0.0..=10_000.0).contains(&n.value) => Hours((n.value * 100.0).round() as u32),
        Some(n) => {
            fields.error(
                n.line,
                "bad-value",
                format!("\"hours\" is {}", n.value),
                "a number from 0 to 10000",
            );
            Hours::default()
        }
        None => Hours::default(),
    }
}

/// The stories of the course by their folders.
fn stories(
    context: &mut CompileContext<'_>,
    fields: &Fields<'_>,
    vocabulary: &[VocabularyEntry],
) -> Vec<(String, StoryInCourse)> {
    let mut stories: Vec<(String, StoryInCourse)> = Vec::new();
    for link in fields.texts("stories") {
        let at = fields.at(link.line);
        let Some(path) = context.resolve(at, "", link.value) else { continue };
        // The folder or its story.json: both name the story.
        let folder = path.strip_suffix("/story.json").unwrap_or(&path).to_owned();
        if context.entry(&format!("{folder}/story.json")).is_none() {
            context.problems.error(
                at,
                "missing-file",
                format!("there is no file \"{folder}/story.json\""),
                "name the folder of a story",
            );
            continue;
        }
        if stories.iter().any(|(f, _)| *f == folder) {
            context.problems.error(
                at,
                "duplicate-id",
                format!("the story {folder:?} is here twice"),
                "name it once",
            );
            continue;
        }
        let Some(made) = story::compile(context, &folder, vocabulary) else { continue };
        if stories.iter().any(|(_, s)| s.id == made.meta.id) {
            let message =
                format!("another story of this course has the id {:?}", made.meta.id.as_str());
            context.problems.error(at, "duplicate-id", message, "give one of them another id");
            continue;
        }
        stories.push((
            folder,
            StoryInCourse { id: made.meta.id, title: made.meta.title, body: made.body },
        ));
    }
    stories
}

/// A lesson as `course.json` has it; its sections are compiled when all ids are known.
struct Plan<'a> {
    id: Option<Slug>,
    title: String,
    summary: String,
    lang: String,
    dir: Dir,
    sections: Vec<SectionPlan<'a>>,
}

struct SectionPlan<'a> {
    id: Option<Slug>,
    title: String,
    lang: Option<(String, Dir)>,
    section_type: Option<SectionType>,
    minutes: u32,
    file: Option<Found<&'a str>>,
    quiz: Option<Found<&'a str>>,
    line: u32,
}

/// A list of objects that must not be empty.
fn objects<'a>(
    context: &CompileContext<'a>,
    fields: &Fields<'a>,
    key: &'static str,
    what: &str,
) -> Vec<Fields<'a>> {
    match fields.node(key) {
        None => fields.missing(key),
        Some(Node { value: Value::List(list), line }) if list.is_empty() => {
            fields.error(*line, "empty", format!("{key:?} is empty"), &format!("add {what}"));
        }
        Some(_) => {}
    }
    fields
        .list(key)
        .iter()
        .filter_map(|node| Fields::new(node, fields.file, context.problems, what))
        .collect()
}

fn lessons<'a>(
    context: &CompileContext<'a>,
    fields: &Fields<'a>,
    scope: &mut Scope,
) -> Vec<Plan<'a>> {
    let problems = context.problems;
    let twice = |lines: &mut HashMap<Slug, u32>, id: &Option<Found<Slug>>, what: &str| {
        let Some(id) = id else { return };
        if let Some(first) = lines.insert(id.value.clone(), id.line) {
            let message = format!(
                "{what} with the id {:?} is here twice (first in line {first})",
                id.value.as_str()
            );
            problems.error(
                fields.at(id.line),
                "duplicate-id",
                message,
                "give one of them another id",
            );
        }
    };
    let types = [
        ("TEXT", SectionType::Text),
        ("VIDEO", SectionType::Video),
        ("QUIZ", SectionType::Quiz),
        ("ACTIVITY", SectionType::Activity),
        ("ASSESSMENT", SectionType::Assessment),
    ];
    let mut plans = Vec::new();
    let mut lesson_lines = HashMap::new();
    for lesson in objects(context, fields, "lessons", "a lesson") {
        let id = lesson.need_slug("id");
        twice(&mut lesson_lines, &id, "a lesson");
        let lang = metadata::language(&lesson, false).unwrap_or_else(|| scope.lang.clone());
        let dir = metadata::direction(&lesson, &lang);
        let mut section_lines = HashMap::new();
        let mut sections = Vec::new();
        for section in objects(context, &lesson, "sections", "a section") {
            let section_id = section.need_slug("id");
            twice(&mut section_lines, &section_id, "a section of this lesson");
            if let (Some(lesson), Some(section)) = (&id, &section_id) {
                scope.sections.insert(format!("{}/{}", lesson.value, section.value));
            }
            let own = metadata::language(&section, false);
            let own_dir = own.as_ref().map(|lang| metadata::direction(&section, lang));
            section.node("dir");
            sections.push(SectionPlan {
                id: section_id.map(|i| i.value),
                title: section.need_text("title").map(|t| t.value.to_owned()).unwrap_or_default(),
                lang: own.zip(own_dir),
                section_type: section.one_of("type", &types),
                minutes: section.whole("minutes", 0..=6000).map_or(0, |n| n.value),
                file: section.text("file"),
                quiz: section.text("quiz"),
                line: section.line,
            });
            section.finish();
        }
        plans.push(Plan {
            id: id.map(|i| i.value),
            title: lesson.need_text("title").map(|t| t.value.to_owned()).unwrap_or_default(),
            summary: lesson.text_or_empty("summary"),
            lang,
            dir,
            sections,
        });
        lesson.finish();
    }
    plans
}

fn section(
    context: &mut CompileContext<'_>,
    lang: &str,
    dir: Dir,
    plan: SectionPlan<'_>,
    scope: &Scope,
    stories: &[(String, StoryInCourse)],
) -> Option<SectionOutline> {
    let problems = context.problems;
    let here = SourceLocation { file: FILE, line: plan.line };
    let (lang, dir) = plan.lang.unwrap_or_else(|| (lang.to_owned(), dir));
    let scope = Scope { lang: lang.clone(), ..scope.clone() };
    let wants_quiz = matches!(plan.section_type, Some(SectionType::Quiz | SectionType::Assessment));
    let mut blocks = Vec::new();
    if let Some(link) = plan.file {
        if let Some(path) =
            context.resolve(SourceLocation { file: FILE, line: link.line }, "", link.value)
            && let Some(text) = context.read_text(&path)
        {
            if text.trim().is_empty() {
                problems.error(
                    SourceLocation { file: &path, line: 1 },
                    "empty",
                    "the section has no text",
                    "write something, or take the section out",
                );
            }
            blocks = body(context, &path, &text, &scope, stories);
        }
    } else if !wants_quiz && plan.section_type.is_some() {
        problems.error(
            here,
            "missing-field",
            "\"file\" is missing",
            "a TEXT, VIDEO or ACTIVITY section needs the Markdown file of its text",
        );
    }
    let mut quiz = None;
    match (plan.quiz, wants_quiz) {
        (Some(link), true) => {
            let path =
                context.resolve(SourceLocation { file: FILE, line: link.line }, "", link.value);
            if let Some(made) = path.and_then(|path| quiz::compile(context, &path, &scope)) {
                let block =
                    Block::Quiz { quiz: made.item.clone(), title: made.title, body: made.body };
                if !blocks.contains(&block) {
                    blocks.push(block);
                }
                quiz = Some(made.item);
            }
        }
        (None, true) => {
            problems.error(
                here,
                "missing-field",
                "\"quiz\" is missing",
                "a QUIZ or ASSESSMENT section needs the file of its quiz",
            );
        }
        (Some(link), false) => {
            let at = SourceLocation { file: FILE, line: link.line };
            problems.error(
                at,
                "quiz-misplaced",
                "only QUIZ and ASSESSMENT sections have \"quiz\"",
                "change the type, or show the quiz inside the text with ![Title](quiz.json)",
            );
        }
        (None, false) => {}
    }
    if plan.section_type == Some(SectionType::Video)
        && plan.file.is_some()
        && !blocks.iter().any(|b| matches!(b, Block::Video { .. }))
    {
        problems.warn(
            here,
            "video-missing",
            "the VIDEO section shows no film",
            "put ![Title](film.mp4) into its text, or make it TEXT",
        );
    }
    let id = plan.id?;
    let body = context.put_json(&SectionBody { lang, dir, blocks });
    Some(SectionOutline {
        id,
        section_type: plan.section_type?,
        title: plan.title,
        minutes: plan.minutes,
        body,
        quiz,
    })
}

/// A Markdown file as blocks.
fn body(
    context: &mut CompileContext<'_>,
    file: &str,
    text: &str,
    scope: &Scope,
    stories: &[(String, StoryInCourse)],
) -> Vec<Block> {
    let pieces = markdown::read(text, Origin::File(file), scope, context.problems);
    let mut blocks = Vec::new();
    for piece in pieces {
        blocks.extend(match piece {
            Piece::Rich(html) => Some(Block::RichText { html }),
            Piece::Math { mathml, tex } => Some(Block::Math { mathml, tex }),
            Piece::Code { language, text, editable } => {
                Some(Block::Code { language, text, editable })
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
    stories: &[(String, StoryInCourse)],
) -> Option<Block> {
    let at = SourceLocation { file, line: media.line };
    let path = context.resolve(at, paths::parent(file), &media.link)?;
    let folder = path.strip_suffix("/story.json").unwrap_or(&path);
    if let Some((_, story)) = stories.iter().find(|(f, _)| f == folder) {
        let title = if media.alt.is_empty() { story.title.clone() } else { media.alt.clone() };
        return Some(Block::Story { story: story.id.clone(), title, body: story.body });
    }
    if context.entry(&path).is_none() || path.ends_with("/story.json") {
        let (message, hint) = if context.entry(&format!("{folder}/story.json")).is_some() {
            (
                format!("the story {folder:?} is not one of the course's stories"),
                "add it to \"stories\" in course.json",
            )
        } else {
            (
                format!("{path:?} is a folder without story.json"),
                "name a file, or the folder of a story",
            )
        };
        context.problems.error(at, "story-unlisted", message, hint);
        return None;
    }
    if paths::extension(&path) == "json" {
        let made = quiz::compile(context, &path, scope)?;
        let title = if media.alt.is_empty() { made.title } else { media.alt.clone() };
        return Some(Block::Quiz { quiz: made.item, title, body: made.body });
    }
    Some(match context.media(at, &path, &media.alt, &media.caption, scope, AllowedMedia::Any)? {
        MediaBlock::Image(image) => Block::Image { image },
        MediaBlock::Audio(audio) => Block::Audio { audio },
        MediaBlock::Video(video) => Block::Video { video },
    })
}
