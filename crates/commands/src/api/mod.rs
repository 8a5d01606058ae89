//! Types exchanged between the UI and the core: requests, replies, events, errors. The TypeScript types are generated
//! from them.
//!
//! Not here: the implementation of the commands (`crate::handlers`).

pub mod app;
pub mod bundle;
pub mod diagnostics;
pub mod dictionary;
pub mod download;
pub mod error;
pub mod event;
pub mod exercises;
pub mod learning;
pub mod library;
pub mod notes;
pub mod open;
pub mod policies;
pub mod quiz;
pub mod reading;
pub mod review;
pub mod settings;
pub mod staff;
pub mod storage;
pub mod sync;
pub mod update;
