//! An HTTP cache for the responses of one server, in memory and in `cache.db`. See docs/CACHE.md.
//!
//! Scope: `GET` requests of one account for JSON documents, all with the same header fields. Responses are stored and
//! used as in RFC 9111 (freshness, validation, `Vary`) and RFC 5861 (use of stale responses). Not implemented, because
//! no caller needs them: request directives and invalidation by writes.
//!
//! The route table (`routes`) alone defines how a path is cached. `Cache::get` follows it: cache-first,
//! stale-while-revalidate, network-first or network-only. `Cache::refresh` always sends a request, `Cache::stored`
//! never does.
//!
//! `cache` implements these three calls with `lookup` (stored responses, in `memory` and `entries`) and `request` (the
//! network, one request at a time for each path: `in_flight`). `freshness`, `stored_headers` and `vary` implement the
//! RFCs; `failures` records recent failures, after which no request is sent; `status` and `figures` report the origin
//! of responses.
//!
//! Not here: the content of responses, blobs, downloads (`carrel-content`).

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

pub use cache::{Cache, CacheConfig, MIGRATIONS, Rejection, ResponseValidator};
pub use entries::{DISK_BUDGET, FreeSpaceCheck};
pub use error::{Error, Result};
pub use figures::{Figures, RouteCounts};
pub use in_flight::{InFlight, Waiter};
pub use memory::ByteLru;
pub use routes::{ROUTES, Route, Strategy};
pub use status::{CacheStatus, Cached, Fallback, Forward, Origin};
