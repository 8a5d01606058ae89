//! Tests of the learner's rows: storage, repair, derived values.
//!
//! Clocks and ids are fakes, files are real. No test waits for real time.

mod damage;
mod full;
mod imported_reviews;
mod learning;
mod note_placement;
mod notes;
mod programs;
mod reviews;
mod store;
mod stories;
