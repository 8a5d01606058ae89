//! Blobs by hash: small ones in `content.db`, others in files; partial files that are being fetched.
//!
//! Not here: who fetches them (`library`, `download`), how much space they may take (`storage`).

mod below;
mod derived;
mod growing;
mod keep;
mod kind;
pub mod modes;
mod part;
mod room;
mod store;

pub use growing::{End, Follower, Growing, Reach, read_part};
pub(crate) use keep::doom;
pub use kind::MediaKind;
pub use part::PartFile;
pub(crate) use part::discard_file;
pub use room::Room;
pub(crate) use store::hash_at;
pub use store::{BlobStore, Came, INLINE, Missing, Place};
