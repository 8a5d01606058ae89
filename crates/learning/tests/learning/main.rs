//! The learner's work: how it is saved, repaired and what it means.
//!
//! Clocks and ids are given, files are real. Nothing here waits for real time.

mod damage;
mod full;
mod learning;
mod store;
