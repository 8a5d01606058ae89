//! The interface between the blob store and the quota. A store without it, as in some tests, is
//! unlimited.

use std::{any::Any, sync::Arc};

use crate::Result;

/// Guards the space that blobs take; implemented in `storage`.
pub trait Room: Send + Sync {
    /// Called before a requested blob is written. The returned guard is held until the write is
    /// complete.
    ///
    /// # Errors
    ///
    /// `Error::NoSpace` if the blob must not be written.
    fn before(self: Arc<Self>, bytes: u64) -> Result<Box<dyn Any + Send>>;
    /// Called when the disk was full while writing `bytes`. `Ok` means that space was freed: retry
    /// once.
    fn after_full(self: Arc<Self>, bytes: u64) -> Result<()>;
    /// Called when the retry failed as well: `bytes` were not written.
    fn still_full(self: Arc<Self>, bytes: u64);
    /// Called after `bytes` were stored.
    fn after(self: Arc<Self>, bytes: u64);
}
