//! The content model: course > lesson > section > blocks; story > page > sentence; vocabulary; quizzes; and the signed
//! manifest with the hashes of all their blobs.
//!
//! Not here: the format that authors write (docs/PACKAGE.md, `carrel-package`).

mod attempts;
mod block;
mod catalogue;
mod exercises;
mod fonts;
mod grading;
mod manifest;
mod numeric;
mod paper;
mod quiz;
mod story;
mod typed;

pub use attempts::{Submitted, counted_attempts, has_attempts_left, open_attempt};
pub use block::{
    AudioRef, BlobRef, Block, CodeCheck, Cover, Dir, ImageRef, ImageVariant, Ornament, SectionBody,
    VideoRef,
};
pub use catalogue::{
    CourseMeta, CourseOutline, Difficulty, Hours, LessonOutline, SectionOutline, SectionType,
    StoryInCourse, StoryMeta,
};
pub use exercises::{Exercise, ExerciseKind, SoundClip, grade_exercise, story_exercises};
pub use fonts::{FontFile, FontPack, ForeignLetters, unicode_ranges};
pub use grading::{PartResult, QuestionResult, Score, check_answer, grade, is_passed};
pub use manifest::{
    FORMAT as MANIFEST_FORMAT, Manifest, ManifestBlob, ManifestContent, SignatureError,
    SignedManifest, verify_text,
};
pub use numeric::{AcceptedNumber, NumberProblem, NumberResult, ReadingChoice, UnitPolicy};
pub use quiz::{
    Choice, Gap, GivenAnswer, Pool, Question, QuestionKind, Quiz, Region, RegionShape, Response,
    ResultFeedback, ReviewPolicy,
};
pub use story::{Page, Sentence, Story, StoryQuiz, VocabularyEntry, WordSpan};
pub use typed::{TextMatch, TextRule, TextRules, TypedAnswer};
