//! What the blob store asks of whoever watches over space. Without one (a store on its own, in tests) there is always room.

use std::{any::Any, sync::Arc};

use crate::Result;

/// Watches over the space that blobs take: `storage`.
pub trait Room: Send + Sync {
    /// Before a blob that somebody asked for is written: `Error::NoSpace` if it must not be. What comes back is held until it is written.
    fn before(self: Arc<Self>, bytes: u64) -> Result<Box<dyn Any + Send>>;
    /// The disk was full while `bytes` were written. `Ok`: there is space now, once.
    fn after_full(self: Arc<Self>, bytes: u64) -> Result<()>;
    /// There was space, but not enough: `bytes` were not written.
    fn still_full(self: Arc<Self>, bytes: u64);
    /// So many bytes came in.
    fn after(self: Arc<Self>, bytes: u64);
}
