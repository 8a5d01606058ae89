//! Replaces the parts of a course that the compiler refuses, so that one broken picture or formula does not prevent the
//! import of everything else. Each replacement is a reason in the report.

use std::collections::BTreeSet;

use carrel_package::Problem;

use super::media::MediaFolder;
use super::write::{self, FIRST_LINE, VOCABULARY_FILE};
use super::{Draft, Section, SectionContent};
use crate::remark::RemarkCode;
use crate::report::Level;
use crate::text::escape::escaped;

/// Replaces what the errors concern. Returns false if an error concerns nothing that can be replaced: the course cannot
/// be imported.
pub(crate) fn repair(
    draft: &mut Draft,
    media: &MediaFolder,
    broken: &mut BTreeSet<String>,
    errors: &[Problem],
) -> bool {
    let mut repairs = Repairs::default();
    let mut has_changed = false;
    for error in errors {
        has_changed |= match media_of(media, error) {
            Some(path) => broken.insert(path.clone()) && report_media(draft, media, &path, error),
            None => repairs.add(draft, broken, error),
        };
    }
    repairs.apply(draft) || has_changed
}

/// Returns the media file named in an error: its file field, or else a path quoted in its message.
fn media_of(media: &MediaFolder, error: &Problem) -> Option<String> {
    if media.users(&error.file).is_some() {
        return Some(error.file.clone());
    }
    let quoted = error.message.split('"').skip(1).step_by(2);
    let quoted = quoted.map(|path| path.trim_start_matches("../"));
    quoted.into_iter().find(|path| media.users(path).is_some()).map(str::to_owned)
}

fn report_media(draft: &mut Draft, media: &MediaFolder, path: &str, error: &Problem) -> bool {
    for index in media.users(path).into_iter().flatten() {
        if let Some(item) = draft.report.items.get_mut(*index) {
            item.changed(RemarkCode::MediumRefused.because(&error.message));
        }
    }
    true
}

/// The parts to replace, by their indices.
#[derive(Default)]
struct Repairs {
    /// Lesson, section, block, and why.
    blocks: Vec<(usize, usize, usize, String)>,
    /// Lesson, section, question, and why.
    questions: Vec<(usize, usize, usize, String)>,
    /// Word, and why.
    words: Vec<(usize, String)>,
    /// Story, and why.
    stories: Vec<(usize, String)>,
}

impl Repairs {
    /// Finds the part that an error concerns; false if there is none.
    fn add(&mut self, draft: &Draft, broken: &BTreeSet<String>, error: &Problem) -> bool {
        let reason = error.message.clone();
        let course = &draft.course;
        let entry = error.line.checked_sub(FIRST_LINE).map(|n| n as usize);
        if error.file == VOCABULARY_FILE {
            let Some(index) = entry.filter(|n| *n < course.words.len()) else { return false };
            self.words.push((index, reason));
            return true;
        }
        if let Some(rest) = error.file.strip_prefix("stories/") {
            let id = rest.split('/').next().unwrap_or_default();
            let Some(index) = course.stories.iter().position(|s| s.id == id) else { return false };
            self.stories.push((index, reason));
            return true;
        }
        for (l, lesson) in course.lessons.iter().enumerate() {
            for (s, section) in lesson.sections.iter().enumerate() {
                if write::section_file(lesson, section) != error.file {
                    continue;
                }
                match &section.content {
                    SectionContent::Quiz(quiz) => {
                        let Some(q) = entry.filter(|n| *n < quiz.questions.len()) else {
                            return false;
                        };
                        self.questions.push((l, s, q, reason));
                    }
                    SectionContent::Text(blocks) => {
                        let (_, starts) = write::text(blocks, broken);
                        let Some(b) =
                            starts.partition_point(|start| *start <= error.line).checked_sub(1)
                        else {
                            return false;
                        };
                        self.blocks.push((l, s, b, reason));
                    }
                }
                return true;
            }
        }
        false
    }

    /// Replaces the parts; false if nothing could be replaced.
    fn apply(self, draft: &mut Draft) -> bool {
        let mut has_changed = false;
        let (course, items) = (&mut draft.course, &mut draft.report.items);
        let mut seen = BTreeSet::new();
        for (l, s, b, reason) in self.blocks {
            let SectionContent::Text(blocks) = &mut course.lessons[l].sections[s].content else {
                continue;
            };
            let block = &mut blocks[b];
            if seen.insert((l, s, b)) {
                let plain = escaped(&block.plain);
                has_changed |= plain != block.markdown;
                block.markdown = plain;
                items[block.item].changed(RemarkCode::PartAsText.because(&reason));
            }
        }
        let (mut handled, mut removed) = (BTreeSet::new(), BTreeSet::new());
        for (l, s, q, reason) in self.questions {
            let SectionContent::Quiz(quiz) = &mut course.lessons[l].sections[s].content else {
                continue;
            };
            // One replacement of a question answers all errors of this round.
            if !handled.insert((l, s, q)) {
                continue;
            }
            has_changed = true;
            let question = &mut quiz.questions[q];
            let item = &mut items[question.text.item];
            match question.without_formulas.take() {
                Some(json) => {
                    question.json = json;
                    item.changed(RemarkCode::FormulasAsText.because(&reason));
                }
                None => {
                    item.lower(Level::KeptAsText, RemarkCode::QuestionRefused.because(&reason));
                    removed.insert((l, s, q));
                }
            }
        }
        for (l, s, q) in removed.into_iter().rev() {
            let lesson = &mut course.lessons[l];
            let SectionContent::Quiz(quiz) = &mut lesson.sections[s].content else { continue };
            let question = quiz.questions.remove(q);
            let is_empty = quiz.questions.is_empty();
            if let Some(target) = &mut items[question.text.item].target {
                *target = format!("{}/{}", lesson.id, TASKS);
            }
            let (id, title) = (TASKS.to_owned(), lesson.sections[s].title.clone());
            match lesson.sections.iter_mut().find(|section| section.id == TASKS) {
                Some(Section { content: SectionContent::Text(blocks), .. }) => {
                    blocks.push(question.text);
                }
                _ => lesson.sections.push(Section {
                    id,
                    title,
                    lang: None,
                    content: SectionContent::Text(vec![question.text]),
                }),
            }
            if is_empty {
                lesson.sections.remove(s);
            }
        }
        let mut words: Vec<(usize, String)> = self.words;
        words.sort();
        words.dedup_by_key(|(index, _)| *index);
        for (index, reason) in words.into_iter().rev() {
            let word = course.words.remove(index);
            items[word.item].lower(Level::Refused, RemarkCode::WordRefused.because(&reason));
            remove_links(course, &word.id);
            has_changed = true;
        }
        let mut stories: Vec<(usize, String)> = self.stories;
        stories.sort();
        stories.dedup_by_key(|(index, _)| *index);
        for (index, reason) in stories.into_iter().rev() {
            let story = course.stories.remove(index);
            items[story.item].changed(RemarkCode::StoryRefused.because(&reason));
            let link = format!("](<stories/{}>)", story.id);
            for_each_block(course, &mut |markdown| {
                if markdown.contains(&link) {
                    markdown.clear();
                }
            });
            has_changed = true;
        }
        has_changed
    }
}

/// Id of the section for the questions of a lesson that are shown as text.
pub(crate) const TASKS: &str = "tasks";

fn for_each_block(course: &mut super::Course, change: &mut dyn FnMut(&mut String)) {
    for section in course.lessons.iter_mut().flat_map(|lesson| &mut lesson.sections) {
        if let SectionContent::Text(blocks) = &mut section.content {
            for block in blocks {
                change(&mut block.markdown);
            }
        }
    }
}

/// Removes the links to a word that is not in the vocabulary; their text stays.
fn remove_links(course: &mut super::Course, id: &str) {
    let link = format!("](word:{id})");
    for_each_block(course, &mut |markdown| {
        while let Some(at) = markdown.find(&link) {
            let Some(open) = markdown[..at].rfind('[') else { return };
            markdown.replace_range(at..at + link.len(), "");
            markdown.remove(open);
        }
    });
}
