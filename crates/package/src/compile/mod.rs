//! The steps of a compilation, each over one [`context::CompileContext`]: media, metadata, vocabulary, quizzes, stories, courses.
//! A step uses only the steps before it in this list.

pub(crate) mod context;
pub(crate) mod course;
pub(crate) mod media_block;
pub(crate) mod metadata;
pub(crate) mod quiz;
pub(crate) mod story;
pub(crate) mod vocabulary;
