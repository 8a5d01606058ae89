//! The cache: answers of the server in `cache.db` under one route table and five strategies, and blobs by hash in `content.db` and files.
//! docs/CACHE.md tells the whole.
//!
//! Not here: learner's work (`store`), which must never be evicted; what the bytes mean (`library`).

mod blobs;
mod db;
mod entries;
mod flight;
mod freshness;
mod memory;
mod routes;
mod strategies;

pub use blobs::{BlobStore, INLINE, PartFile, Place};
pub use db::Db;
pub(crate) use flight::Flights;
pub use memory::ByteLru;
pub use routes::{ROUTES, Route, Strategy};
pub use strategies::{Cache, CacheCounts, Cached, Judge, Origin};
