//! EPUB 2 and 3 books as courses: each document of the spine becomes a section; the table of contents makes the
//! lessons; a document with a media overlay is also a story that is read along.
//!
//! `package` reads what the book consists of, `contents` its table of contents, `chapter` converts a document,
//! `overlay` the times of a narration, `book` makes the course.

pub(crate) mod book;
mod chapter;
mod contents;
mod overlay;
mod package;
