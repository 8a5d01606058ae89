//! What crosses the boundary between the window and the core: requests, replies, events, errors. TypeScript is generated from here.
//!
//! Not here: what the commands do (`crate::handlers`).

pub mod app;
pub mod bundle;
pub mod diagnostics;
pub mod download;
pub mod error;
pub mod event;
pub mod learning;
pub mod library;
pub mod quiz;
pub mod reading;
pub mod settings;
pub mod storage;
pub mod sync;
