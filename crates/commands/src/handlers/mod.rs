//! Implementation of the commands: each calls the client and converts the result to the reply type. One file per `api`
//! module.
//!
//! Not here: the rules of merging, caching and sync (`carrel_client` and the crates below it).

pub mod app;
pub mod bundle;
pub mod diagnostics;
pub mod dictionary;
pub mod download;
pub mod exercises;
pub mod learning;
pub mod library;
pub mod notes;
pub mod open;
pub mod policies;
mod progress_file;
pub mod quiz;
pub mod reading;
pub mod recommend;
pub mod review;
pub mod search;
pub mod settings;
pub mod staff;
pub mod storage;
pub mod sync;
pub mod update;

use carrel_client::content::library::Dated;

use crate::api::library::Freshness;

type Result<T> = std::result::Result<T, crate::api::error::CommandError>;

fn freshness<T>(dated: &Dated<T>) -> Freshness {
    Freshness { as_of_ms: dated.as_of_ms, stale: dated.stale, offline: dated.offline }
}

/// Returns `done` of `all` in hundredths of a percent.
fn percent(done: u64, all: u64) -> u16 {
    (done.min(all) * 10_000).checked_div(all).map_or(0, |p| u16::try_from(p).unwrap_or(10_000))
}
