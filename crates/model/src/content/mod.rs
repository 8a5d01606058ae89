//! The content model: course > lesson > section > blocks; story > page > sentence; vocabulary; quizzes; and the signed
//! manifest with the hashes of all their blobs.
//!
//! Not here: the format that authors write (docs/PACKAGE.md, `carrel-package`).

mod attempts;
mod block;
mod catalogue;
mod fonts;
mod grading;
mod manifest;
mod quiz;
mod story;

pub use attempts::{Submitted, counted_attempts, has_attempts_left, open_attempt};
pub use block::{
    AudioRef, BlobRef, Block, Cover, Dir, ImageRef, ImageVariant, Ornament, SectionBody, VideoRef,
};
pub use catalogue::{
    CourseMeta, CourseOutline, Difficulty, Hours, LessonOutline, SectionOutline, SectionType,
    StoryInCourse, StoryMeta,
};
pub use fonts::{FontFile, FontPack, ForeignLetters, unicode_ranges};
pub use grading::{QuestionResult, Score, grade, grade_question, right_blanks};
pub use manifest::{
    FORMAT as MANIFEST_FORMAT, Manifest, ManifestBlob, ManifestContent, SignatureError,
    SignedManifest, verify_text,
};
pub use quiz::{Choice, Question, QuestionKind, Quiz, Response};
pub use story::{Page, Sentence, Story, StoryQuiz, VocabularyEntry, WordSpan};
