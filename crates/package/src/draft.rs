//! The content of a course or story as read by an importer, in the same form for all formats. `compile::lower` compiles
//! it to the content of a manifest.
//!
//! Media of a draft are already staged. Texts and quizzes of sections are given as paths of files in the package.
//!
//! Not here: the formats (`importers`).

use carrel_model::{
    Slug,
    content::{
        AudioRef, Cover, Difficulty, Dir, Hours, ImageRef, SectionType, StoryQuiz, VocabularyEntry,
    },
};

use crate::text::sentence::Paragraph;

pub(crate) enum Draft {
    Course(CourseDraft),
    Story(StoryDraft),
}

/// Fields common to courses and stories. `id` is `None` if it is missing or invalid, which was reported as a problem.
pub(crate) struct Metadata {
    pub id: Option<Slug>,
    pub title: String,
    /// BCP 47 tag.
    pub lang: String,
    pub dir: Dir,
    pub description: String,
    pub category: String,
    pub tags: Vec<String>,
    pub authors: Vec<String>,
    /// SPDX identifier.
    pub license: String,
    /// Sanitised HTML.
    pub credits: String,
    pub cover: Cover,
}

pub(crate) struct CourseDraft {
    /// File that describes the course, for messages.
    pub file: String,
    pub metadata: Metadata,
    pub difficulty: Option<Difficulty>,
    pub hours: Hours,
    pub vocabulary: Vec<VocabularyEntry>,
    /// The folder and draft of each story.
    pub stories: Vec<(String, StoryDraft)>,
    pub lessons: Vec<LessonDraft>,
}

pub(crate) struct LessonDraft {
    pub id: Option<Slug>,
    pub title: String,
    pub summary: String,
    pub sections: Vec<SectionDraft>,
}

pub(crate) struct SectionDraft {
    /// Line in the file of the course.
    pub line: u32,
    pub id: Option<Slug>,
    pub title: String,
    pub lang: String,
    pub dir: Dir,
    pub section_type: Option<SectionType>,
    pub minutes: u32,
    /// Path of the Markdown file.
    pub text: Option<String>,
    /// Path of the quiz at the end of the section.
    pub quiz: Option<String>,
}

pub(crate) struct StoryDraft {
    /// File of the text, for messages.
    pub file: String,
    pub metadata: Metadata,
    /// Name that the story has in all its languages; may be empty.
    pub family: String,
    /// 1 to 5.
    pub level: u8,
    pub pages: Vec<PageDraft>,
    /// The story's own vocabulary, without that of the course.
    pub vocabulary: Vec<VocabularyEntry>,
    pub quiz: Option<StoryQuiz>,
}

#[derive(Default)]
pub(crate) struct PageDraft {
    /// Line in the file of the text.
    pub line: u32,
    pub image: Option<ImageRef>,
    pub narration: Option<AudioRef>,
    /// Path of a WebVTT file with the times of the sentences.
    pub timing: Option<String>,
    pub paragraphs: Vec<Paragraph>,
}
