//! Blob store: small blobs in `content.db`, large ones in files, and partial files.
//!
//! Not here: fetching (`library`, `download`), quota (`storage`).

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

/// A failpoint callback, called with the name of each step that must survive a kill. Tests exit
/// there.
pub type Failpoints = Arc<dyn Fn(&'static str) + Send + Sync>;
