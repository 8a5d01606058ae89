//! An HTTP cache for the answers of one server: RFC 9111 freshness and validation, RFC 5861 stale answers, one route
//! table, five strategies. Answers are in memory and in `cache.db`. docs/CACHE.md describes the whole.
//!
//! A request (`ask`) is matched against the route table (`routes`) and answered by its strategy (`strategies`) from what
//! is stored (`shelf` over `memory` and `entries`) or by the network (`request`), one request for all who wait for the
//! same answer (`flight`). `freshness` and `head` implement the RFCs; `negative` remembers what need not be requested;
//! `status` and `figures` report where an answer came from.
//!
//! Not here: what an answer means, blobs, downloads (`carrel-content`).

mod ask;
mod directives;
mod entries;
mod error;
mod figures;
mod flight;
mod freshness;
mod head;
mod memory;
mod negative;
mod request;
mod routes;
mod shelf;
mod status;
mod strategies;

pub use ask::Ask;
pub use entries::Floor;
pub use error::{Error, Result};
pub use figures::{Figures, Tally};
pub use flight::{Ends, Flight, Flights};
pub use memory::ByteLru;
pub use routes::{ROUTES, Route, Strategy, as_markdown};
pub use status::{CacheStatus, Cached, Fallback, Forward, Origin};
pub use strategies::{Cache, Judge, Rejection};
