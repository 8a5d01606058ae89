//! Makes a course of a bank of questions: a lesson for each category, with its quizzes, and the questions that are kept
//! as text.

use std::collections::BTreeSet;

use super::lower::{Context, Lowered, lower, question_id};
use super::{Bank, Kind};
use crate::course::media::MediaFolder;
use crate::course::repair::TASKS;
use crate::course::{Block, Course, Lesson, Quiz, Section, SectionContent, WrittenQuestion};
use crate::error::{Refusal, Result};
use crate::ids::{OriginalIds, id_of};
use crate::remark::RemarkCode;
use crate::report::{Item, Level, Report};

/// Maximum number of questions of one quiz; a longer category has several.
const MAX_QUESTIONS: usize = 100;
/// Maximum number of questions and rejected parts of a file.
const MAX_ITEMS: usize = 20_000;

/// What a category becomes.
#[derive(Default)]
struct Category {
    path: Vec<String>,
    descriptions: Vec<Block>,
    questions: Vec<WrittenQuestion>,
    tasks: Vec<Block>,
    shuffles: BTreeSet<bool>,
}

/// Adds the questions to the course, and an item for each to the report.
pub(crate) fn add(
    bank: Bank,
    course: &mut Course,
    report: &mut Report,
    media: &mut MediaFolder,
) -> Result<()> {
    if bank.questions.len() + bank.rejected.len() > MAX_ITEMS {
        return Err(Refusal::limit(format!("the file has more than {MAX_ITEMS} questions")));
    }
    let mut originals = OriginalIds::default();
    let mut categories: Vec<Category> = Vec::new();
    for question in &bank.questions {
        let place = match categories.iter().position(|c| c.path == question.category) {
            Some(place) => place,
            None => {
                categories
                    .push(Category { path: question.category.clone(), ..Category::default() });
                categories.len() - 1
            }
        };
        let category = &mut categories[place];
        let named = match (&question.title, question.id.as_str()) {
            (_, id) if !id.is_empty() => format!("id:{id}"),
            (Some(title), _) => format!("{}/{title}", question.category.join("/")),
            (None, _) => format!("{}//{}", question.category.join("/"), question.prompt.text),
        };
        let id = question_id(question, &originals.unique(&named));
        let title = question
            .title
            .clone()
            .unwrap_or_else(|| question.prompt.text.replace(super::GAP, "_____"));
        let original = match question.id.as_str() {
            "" => format!("line {}", question.line),
            id => id.to_owned(),
        };
        let mut item = Item::exact(original, question.kind.name(), &title);
        let index = report.items.len();
        let mut context = Context { lang: &course.lang, media, item: &mut item, index };
        let lesson = lesson_id(&category.path);
        match lower(question, &id, &mut context)? {
            Lowered::Question(written) => {
                if let Kind::Choice { shuffle, .. } = &question.kind {
                    category.shuffles.insert(*shuffle);
                }
                let quiz = quiz_section(category.questions.len() / MAX_QUESTIONS);
                item.target = Some(format!("{lesson}/{quiz}/{id}"));
                category.questions.push(written);
            }
            Lowered::Description(block) => {
                item.target = Some(format!("{lesson}/read"));
                category.descriptions.push(block);
            }
            Lowered::Task(block) => {
                item.target = Some(format!("{lesson}/{TASKS}"));
                category.tasks.push(block);
            }
            Lowered::Refused => {}
        }
        report.items.push(item);
    }
    for rejected in bank.rejected {
        let mut item = Item::exact(format!("line {}", rejected.line), "unreadable", &rejected.text);
        item.lower(Level::Refused, rejected.reason);
        report.items.push(item);
    }
    for category in categories {
        let lesson = lesson(category, course, report);
        if !lesson.sections.is_empty() {
            course.lessons.push(lesson);
        }
    }
    if course.lessons.is_empty() {
        let reason = report
            .items
            .first()
            .and_then(|item| Some(format!(": {}: {}", item.original, item.reasons.first()?)));
        return Err(Refusal::empty(format!(
            "the file contains no question that can be read{}",
            reason.unwrap_or_default()
        )));
    }
    Ok(())
}

fn lesson_id(path: &[String]) -> String {
    let title = path.last().map_or("questions", String::as_str);
    id_of(title, &format!("category:{}", path.join("/")))
}

fn quiz_section(number: usize) -> String {
    match number {
        0 => "quiz".to_owned(),
        n => format!("quiz-{}", n + 1),
    }
}

fn lesson(category: Category, course: &Course, report: &mut Report) -> Lesson {
    let title = category.path.last().cloned().unwrap_or_else(|| course.title.clone());
    let mut sections = Vec::new();
    if !category.descriptions.is_empty() {
        sections.push(text_section("read", &title, category.descriptions));
    }
    if category.shuffles.len() == 2 {
        report.note(RemarkCode::MixedShuffle.with("title", &title));
    }
    let shuffle = category.shuffles == BTreeSet::from([true]);
    let count = category.questions.len().div_ceil(MAX_QUESTIONS);
    let mut rest = category.questions;
    for number in 0..count {
        let tail = rest.split_off(rest.len().min(MAX_QUESTIONS));
        let questions = std::mem::replace(&mut rest, tail);
        sections.push(Section {
            id: quiz_section(number),
            title: if count > 1 { format!("{title} ({})", number + 1) } else { title.clone() },
            lang: None,
            content: SectionContent::Quiz(Quiz { shuffle, questions }),
        });
    }
    if !category.tasks.is_empty() {
        sections.push(text_section(TASKS, &title, category.tasks));
    }
    Lesson { id: lesson_id(&category.path), title, sections }
}

fn text_section(id: &str, title: &str, blocks: Vec<Block>) -> Section {
    let (id, title) = (id.to_owned(), title.to_owned());
    Section { id, title, lang: None, content: SectionContent::Text(blocks) }
}
