//! Reads `course.json`: metadata, vocabulary, stories, lessons and sections.
//!
//! Not here: the files that it refers to (`compile`).

use carrel_model::content::{CourseMeta, Difficulty, Hours, SectionType, VocabularyEntry};

use super::{metadata, story};
use crate::{
    compile::{context::CompileContext, vocabulary},
    draft::{CourseDraft, LessonDraft, Metadata, SectionDraft, StoryDraft},
    source::{
        fields::{Fields, Located, UniqueIds},
        json::{Node, Value},
    },
    text::markdown::{self, Scope},
};

const FILE: &str = "course.json";

/// Reads the course in the package's root folder.
pub(super) fn draft(context: &mut CompileContext<'_>) -> Option<CourseDraft> {
    let problems = context.problems;
    let node = context.read_json(FILE)?;
    let fields = Fields::new(&node, FILE, problems, FILE)?;
    fields.format("carrel-course");
    let metadata = metadata::read(context, &fields);
    if metadata.id.as_ref().is_some_and(CourseMeta::is_reserved_id) {
        let line = fields.text("id").map_or(1, |id| id.line);
        let message = "\"id\" is a name that servers use themselves";
        fields.error(line, "bad-id", message.to_owned(), "choose another id");
    }
    let difficulty = fields.one_of(
        "difficulty",
        &[
            ("BEGINNER", Difficulty::Beginner),
            ("INTERMEDIATE", Difficulty::Intermediate),
            ("ADVANCED", Difficulty::Advanced),
            ("EXPERT", Difficulty::Expert),
        ],
    );
    let hours = hours(&fields);
    let vocabulary = match fields.text("vocabulary") {
        Some(link) => {
            let scope = Scope {
                root: metadata.id.clone(),
                lang: metadata.lang.clone(),
                ..Scope::default()
            };
            let path = context.resolve(fields.at(link.line), "", link.value);
            path.map(|path| vocabulary::compile(context, &path, &scope)).unwrap_or_default()
        }
        None => Vec::new(),
    };
    let stories = stories(context, &fields, &vocabulary);
    let lessons = lessons(context, &fields, &metadata);
    fields.finish();
    let file = FILE.to_owned();
    Some(CourseDraft { file, metadata, difficulty, hours, vocabulary, stories, lessons })
}

fn hours(fields: &Fields<'_>) -> Hours {
    match fields.number("hours") {
        Some(n) if (0.0..=10_000.0).contains(&n.value) => Hours((n.value * 100.0).round() as u32),
        Some(n) => {
            fields.error(
                n.line,
                "bad-value",
                format!("\"hours\" is {}", n.value),
                "use a number from 0 to 10000",
            );
            Hours::default()
        }
        None => Hours::default(),
    }
}

/// Reads the stories of the course, with their folders.
fn stories(
    context: &mut CompileContext<'_>,
    fields: &Fields<'_>,
    vocabulary: &[VocabularyEntry],
) -> Vec<(String, StoryDraft)> {
    let mut stories: Vec<(String, StoryDraft)> = Vec::new();
    for link in fields.strings("stories") {
        let at = fields.at(link.line);
        let Some(path) = context.resolve(at, "", link.value) else { continue };
        // A story can be given by its folder or by its story.json.
        let folder = path.strip_suffix("/story.json").unwrap_or(&path).to_owned();
        if context.entry(&format!("{folder}/story.json")).is_none() {
            context.problems.error(
                at,
                "missing-file",
                format!("there is no file \"{folder}/story.json\""),
                "use the path of a story's folder",
            );
            continue;
        }
        if stories.iter().any(|(f, _)| *f == folder) {
            context.problems.error(
                at,
                "duplicate-id",
                format!("the story {folder:?} is listed twice"),
                "list it once",
            );
            continue;
        }
        let Some(draft) = story::draft(context, &folder, vocabulary) else { continue };
        if let Some(id) = &draft.metadata.id
            && stories.iter().any(|(_, other)| other.metadata.id.as_ref() == Some(id))
        {
            let message = format!("another story of this course has the id {:?}", id.as_str());
            context.problems.error(at, "duplicate-id", message, "give one of them another id");
            continue;
        }
        stories.push((folder, draft));
    }
    stories
}

/// Returns the objects of a list, and reports a list that is missing or empty.
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

const TYPES: [(&str, SectionType); 5] = [
    ("TEXT", SectionType::Text),
    ("VIDEO", SectionType::Video),
    ("QUIZ", SectionType::Quiz),
    ("ACTIVITY", SectionType::Activity),
    ("ASSESSMENT", SectionType::Assessment),
];

fn lessons<'a>(
    context: &CompileContext<'a>,
    fields: &Fields<'a>,
    metadata: &Metadata,
) -> Vec<LessonDraft> {
    let mut lessons = Vec::new();
    let mut lesson_ids = UniqueIds::default();
    for lesson in objects(context, fields, "lessons", "a lesson") {
        let id = lesson.require_slug("id");
        lesson_ids.add(&lesson, id.as_ref(), "lesson id");
        markdown::check_plain_fields(&lesson, &["title", "summary"], context.problems);
        let lang = lesson.language().unwrap_or_else(|| metadata.lang.clone());
        let dir = metadata::direction(&lesson, &lang);
        let mut section_ids = UniqueIds::default();
        let mut sections = Vec::new();
        for section in objects(context, &lesson, "sections", "a section") {
            let section_id = section.require_slug("id");
            section_ids.add(&section, section_id.as_ref(), "section id");
            let own_language = section.language();
            let own_language =
                own_language.map(|lang| (metadata::direction(&section, &lang), lang));
            section.node("dir");
            markdown::check_plain_fields(&section, &["title"], context.problems);
            let (dir, lang) = own_language.unwrap_or_else(|| (dir, lang.clone()));
            let section_type = section.one_of("type", &TYPES);
            let (text, quiz) = files(context, &section, section_type);
            sections.push(SectionDraft {
                line: section.line,
                id: section_id.map(|i| i.value),
                title: section
                    .require_text("title")
                    .map(|t| t.value.to_owned())
                    .unwrap_or_default(),
                lang,
                dir,
                section_type,
                minutes: section.integer("minutes", 0..=6000).map_or(0, |n| n.value),
                text,
                quiz,
            });
            section.finish();
        }
        lessons.push(LessonDraft {
            id: id.map(|i| i.value),
            title: lesson.require_text("title").map(|t| t.value.to_owned()).unwrap_or_default(),
            summary: lesson.text_or_empty("summary"),
            sections,
        });
        lesson.finish();
    }
    lessons
}

/// Returns the paths of a section's text and quiz; the section's type determines which of them are required.
fn files(
    context: &CompileContext<'_>,
    section: &Fields<'_>,
    section_type: Option<SectionType>,
) -> (Option<String>, Option<String>) {
    let needs_quiz = matches!(section_type, Some(SectionType::Quiz | SectionType::Assessment));
    let resolve = |link: Located<&str>| context.resolve(section.at(link.line), "", link.value);
    let (text, quiz) = (section.text("file"), section.text("quiz"));
    if text.is_none() && !needs_quiz && section_type.is_some() {
        section.error(
            section.line,
            "missing-field",
            "\"file\" is missing",
            "a TEXT, VIDEO or ACTIVITY section requires a Markdown file",
        );
    }
    let quiz = match quiz {
        Some(link) if needs_quiz => resolve(link),
        None if needs_quiz => {
            section.error(
                section.line,
                "missing-field",
                "\"quiz\" is missing",
                "a QUIZ or ASSESSMENT section requires a quiz file",
            );
            None
        }
        Some(link) => {
            section.error(
                link.line,
                "quiz-misplaced",
                "only QUIZ and ASSESSMENT sections may have \"quiz\"",
                "change the type, or show the quiz inside the text with ![Title](quiz.json)",
            );
            None
        }
        None => None,
    };
    (text.and_then(resolve), quiz)
}
