//! An HTTP cache for the answers of one server, in memory and in `cache.db`. See docs/CACHE.md.
//!
//! Scope: `GET` requests of one account for JSON documents, all with the same header fields. Answers are stored and
//! used as in RFC 9111 (freshness, validation, `Vary`) and RFC 5861 (stale answers). Request directives and
//! invalidation by writes are not implemented, because no caller needs them.
//!
//! The route table (`routes`) alone defines how a path is cached. `Cache::get` follows it: cache-first,
//! stale-while-revalidate or network-only. `Cache::refresh` always sends a request first, `Cache::stored` never does.
//!
//! `cache` implements the three over `lookup` (stored answers, in `memory` and `entries`) and `request` (the network,
//! one request at a time for each path: `in_flight`). `freshness`, `stored_headers` and `vary` implement the RFCs;
//! `failures` records what need not be requested; `status` and `figures` report where an answer came from.
//!
//! Not here: the content of answers, blobs, downloads (`carrel-content`).

#![warn(missing_docs)]

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
pub use figures::{Figures, RouteCounts};
pub use in_flight::{InFlight, Waiter};
pub use memory::ByteLru;
pub use routes::{ROUTES, Route, Strategy};
pub use status::{CacheStatus, Cached, Fallback, Forward, Origin};
