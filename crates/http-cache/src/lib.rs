//! An HTTP cache for the answers of one server, in memory and in `cache.db`. docs/CACHE.md describes the whole.
//!
//! Scope: `GET` requests of one account for JSON documents, all with the same header fields. Answers are stored and used
//! by RFC 9111 (freshness, validation, `Vary`) and RFC 5861 (stale answers); request directives and the invalidation by
//! writes are left out, because no caller needs them.
//!
//! The route table (`routes`) alone says how a path is cached. `Cache::get` answers by it: cache-first,
//! stale-while-revalidate or network-only. `Cache::refresh` asks the server first, `Cache::stored` never.
//!
//! `cache` implements the three over `lookup` (what is stored, in `memory` and `entries`) and `request` (the network, one
//! request at a time for each path: `in_flight`). `freshness`, `stored_headers` and `vary` implement the RFCs; `failures`
//! remembers what need not be requested; `status` and `figures` report where an answer came from.
//!
//! Not here: what an answer means, blobs, downloads (`carrel-content`).

mod cache;
mod directives;
mod entries;
mod error;
mod failures;
mod figures;
mod freshness;
mod in_flight;
mod lookup;
mod memory;
mod request;
mod routes;
mod status;
mod stored_headers;
mod vary;

pub use cache::{Cache, CacheConfig, Rejection, ResponseValidator};
pub use entries::{DISK_BUDGET, FreeSpaceCheck};
pub use error::{Error, Result};
pub use figures::{Figures, Tally};
pub use in_flight::{InFlight, Waiter};
pub use memory::ByteLru;
pub use routes::{ROUTES, Route, Strategy};
pub use status::{CacheStatus, Cached, Fallback, Forward, Origin};
