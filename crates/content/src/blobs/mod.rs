//! Blob store: small blobs in `content.db`, large ones in files, and partial files.
//!
//! Not here: fetching (`library`, `download`), quota (`storage`).

use std::sync::Arc;

mod below;
mod derived;
mod growing;
mod keep;
mod kind;
mod part;
mod room;
mod store;

pub use growing::{End, Follower, Growing, Reach, read_part};
pub(crate) use keep::doom;
pub use kind::MediaKind;
pub(crate) use part::{Lease, discard_file};
pub use part::{Mark, PartFile};
pub use room::Room;
pub use store::{BlobStore, Came, INLINE, Missing, Place};

/// A failpoint callback, called with the name of each step that must survive a kill. Tests exit
/// there.
pub type Failpoints = Arc<dyn Fn(&'static str) + Send + Sync>;
