//! The interface between the blob store and the quota. A store without it, as in some tests, is
//! unlimited.

use std::{any::Any, sync::Arc};

use crate::Result;

/// Guards the space that blobs take; implemented in `storage`.
pub trait SpaceGuard: Send + Sync {
    /// Called before a requested blob is written. The returned guard is held until the write is
    /// complete.
    ///
    /// # Errors
    ///
    /// `Error::NoSpace` if the blob must not be written.
    fn before_write(self: Arc<Self>, bytes: u64) -> Result<Box<dyn Any + Send>>;
    /// Called when the disk was full while writing `bytes`. `Ok` means that space was freed: retry
    /// once.
    fn on_disk_full(self: Arc<Self>, bytes: u64) -> Result<()>;
    /// Called when the retry failed as well: `bytes` were not written.
    fn on_retry_failed(self: Arc<Self>, bytes: u64);
    /// Called after `bytes` were stored.
    fn after_write(self: Arc<Self>, bytes: u64);
}
