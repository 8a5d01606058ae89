//! Spaced repetition (FSRS-6): the state of a card is a fold of its reviews, and its due day a function of the state
//! and the learner's settings. Nothing here is stored as truth or synced: two devices with the same rows compute the
//! same.
//!
//! "The same" means every bit, on every platform: the arithmetic is `f64` with the functions of `libm`, because those
//! of the standard library differ between platforms and versions. Random choices are made by a hash of the card and its
//! last review, so they do not depend on the order in which rows arrive, and a review of one card never moves another.
//!
//! Not here: rows and their storage (`carrel-learning`), training of parameters (`carrel-learning`).

#![warn(missing_docs)]

mod due;
mod fold;
mod memory;
mod params;
mod queue;
mod recommend;

pub use due::{Away, Due, DueSettings, due, seed};
pub use fold::{CardState, Event, fold, is_leech, mastery};
pub use memory::{Memory, interval, retrievability};
pub use params::{ParamSet, Weights};
pub use queue::{Candidate, Kind, Limits, Queue, build};
pub use recommend::{
    MAX_RECOMMENDED, Recommendation, RecommendedWord, Urgency, learner_level, recommend,
};
