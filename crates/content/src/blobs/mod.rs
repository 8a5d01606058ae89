//! Blobs by hash: small ones in `content.db`, others in files; partial files that are being fetched.
//!
//! Not here: who fetches them (`library`, `download`), how much space they may take (`storage`).

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

/// Called at each step of what must be safe under a kill, with the step's name. Tests end the process there.
pub type Steps = Arc<dyn Fn(&'static str) + Send + Sync>;
