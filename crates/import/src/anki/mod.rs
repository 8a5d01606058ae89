//! Anki packages (`.apkg`, `.colpkg`) as a vocabulary: each note becomes a word with its meaning, sound and picture.
//!
//! `archive` opens the three forms of packages, `protobuf` reads their few messages, `collection` reads the database,
//! `template` renders the sides of cards, `words` makes the course.

pub(crate) mod archive;
pub(crate) mod collection;
mod protobuf;
mod reviews;
mod template;
pub(crate) mod words;

pub use reviews::ImportedReview;
pub(crate) use reviews::read as read_reviews;
