//! The cache: answers of the server in `cache.db` under one route table and five strategies, and blobs by hash in `content.db` and files.
//! docs/CACHE.md tells the whole.
//!
//! A question (`ask`) meets the route table (`routes`) and is answered by its strategy (`strategies`) from what is kept (`shelf` over
//! `memory` and `entries`) or by the network (`request`), one request for all who ask (`flight`). `freshness` and `head` know the RFCs; `negative` knows
//! what not to ask for; `status` and `figures` say where an answer came from.
//!
//! Not here: learner's work (`store`), which must never be evicted; what the bytes mean (`library`).

mod ask;
mod below;
mod blobs;
mod db;
mod derived;
mod directives;
mod entries;
mod figures;
mod flight;
mod freshness;
mod growing;
mod head;
mod keep;
mod kind;
mod memory;
pub(crate) mod modes;
mod negative;
mod part;
mod request;
mod room;
mod routes;
mod shelf;
mod status;
mod strategies;

pub use ask::Ask;
pub(crate) use blobs::hash_at;
pub use blobs::{BlobStore, Came, INLINE, Missing, Place};
pub use db::Db;
pub(crate) use db::{Repair, connect, in_memory, set_aside};
pub use entries::Floor;
pub use figures::{Figures, Tally};
pub use flight::{Ends, Flight, Flights};
pub use growing::{End, Follower, Growing, Reach, read_part};
pub(crate) use keep::doom;
pub use kind::MediaKind;
pub use memory::ByteLru;
pub use part::PartFile;
pub(crate) use part::discard_file;
pub use room::Room;
pub use routes::{ROUTES, Route, Strategy, as_markdown};
pub use status::{CacheStatus, Cached, Fallback, Forward, Origin};
pub use strategies::{Cache, Judge};
