//! Spaced repetition (FSRS-6): the state of a card is a fold of its reviews, and its due day a function of the state
//! and the learner's settings. Nothing here is stored as truth or synced: two devices with the same rows compute the
//! same.
//!
//! "The same" means every bit, on every platform: the arithmetic is `f64` with the functions of `libm`, because those
//! of the standard library differ between platforms and versions. Random choices are made by a hash of the card and its
//! last review, so they do not depend on the order in which rows arrive, and a review of one card never moves another.
//!
//! Device and server compute the cards of a study day and their figures by the same functions (`ReviewDay`).
//!
//! Not here: rows and their storage (`carrel-learning`), training of parameters (`carrel-learning`).

#![warn(missing_docs)]

mod cards;
mod day;
mod due;
mod figures;
mod fold;
mod memory;
mod params;
mod queue;
mod recommend;
mod settings;

pub use cards::{APPLIED, Applied, CardRow, Cards, ParamSets, WordRows};
pub use day::ReviewDay;
pub use due::{Away, Due, DueSettings, due, seed};
pub use figures::{MASTERY_CLASSES, WordCounts, WordFigures};
pub use fold::{CardState, Event, fold, is_leech, mastery};
pub use memory::{Memory, interval, retrievability};
pub use params::{ParamSet, Weights};
pub use queue::{Candidate, Kind, Limits, Queue, build};
pub use recommend::{
    MAX_RECOMMENDED, Recommendation, RecommendedWord, Urgency, course_level, learner_level, rank,
    recommend,
};
pub use settings::{Absence, CardMarks, ReviewSettings};
