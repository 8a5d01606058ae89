//! Blob store: small blobs in `content.db`, large blobs and partial files in `blobs/`.
//!
//! Not here: fetching (`fetch`), quota and eviction (`storage`).

use std::sync::Arc;

mod derived;
mod kind;
mod part;
mod partial;
mod shared_store;
mod space_guard;
mod store;
mod verify;

pub use kind::MediaKind;
pub(crate) use part::{Lease, discard_file};
pub use part::{PartFile, PartPosition};
pub use partial::{PartEnd, PartProgress, PartReader, PartialBlobs, read_part};
pub use space_guard::SpaceGuard;
pub use store::{BlobLocation, BlobOrigin, BlobStore, MAX_INLINE, MissingBlob};
pub(crate) use verify::mark_for_deletion;

/// A callback for tests, called with the name of each step. Tests kill the process at a step and
/// check that nothing is lost.
pub type Failpoints = Arc<dyn Fn(&'static str) + Send + Sync>;
