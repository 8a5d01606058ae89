//! Types shared by client and server: ids, the content model, the lattices and their joins, the wire types and the
//! error codes.
//!
//! Not here: I/O, clocks, randomness, SQL. Everything in this crate is a pure function of its arguments, so that client
//! and server get the same result from a merge.

#![warn(missing_docs)]

#[cfg(feature = "arbitrary")]
pub mod arbitrary;
pub mod card;
pub mod content;
pub mod derive;
pub mod error;
pub mod hash;
pub mod hlc;
pub mod id;
pub mod language_tag;
pub mod lattice;
pub mod range;
pub mod search_text;
pub mod strict;
pub mod text;
pub mod wire;

pub use error::ErrorCode;
pub use hash::BlobHash;
pub use hlc::Hlc;
pub use id::{
    AttemptId, BatchId, CardKey, DeviceId, EventId, ItemId, RevisionId, SessionId, Slug, UserId,
};
