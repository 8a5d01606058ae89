//! The cache: answers of the server in `cache.db` under one route table and five strategies, and blobs by hash in `content.db` and files.
//! docs/CACHE.md tells the whole.
//!
//! Not here: learner's work (`store`), which must never be evicted; what the bytes mean (`library`).

mod blobs;
mod db;
mod entries;
mod flight;
mod freshness;
mod kind;
mod memory;
mod part;
mod room;
mod routes;
mod strategies;

pub use blobs::{BlobStore, Came, INLINE, Missing, Place};
pub(crate) use blobs::{doom, hash_at};
pub use db::Db;
pub(crate) use flight::Flights;
pub use kind::MediaKind;
pub use memory::ByteLru;
pub use part::PartFile;
pub(crate) use part::discard_file;
pub use room::Room;
pub use routes::{ROUTES, Route, Strategy};
pub use strategies::{Cache, CacheCounts, Cached, Judge, Origin};
