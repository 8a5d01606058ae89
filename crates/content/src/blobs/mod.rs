//! Blob store: small blobs in `content.db`, large ones in files, and partial files.
//!
//! Not here: fetching (`library`, `download`), quota (`storage`).

use std::sync::Arc;

mod shared_store;
mod derived;
mod partial;
mod verify;
mod kind;
mod part;
mod space_guard;
mod store;

pub use partial::{PartEnd, PartReader, PartialBlobs, PartProgress, read_part};
pub(crate) use verify::mark_for_deletion;
pub use kind::MediaKind;
pub(crate) use part::{Lease, discard_file};
pub use part::{PartPosition, PartFile};
pub use space_guard::SpaceGuard;
pub use store::{BlobStore, BlobOrigin, MAX_INLINE, MissingBlob, BlobLocation};

/// A failpoint callback, called with the name of each step that must survive a kill. Tests exit
/// there.
pub type Failpoints = Arc<dyn Fn(&'static str) + Send + Sync>;
