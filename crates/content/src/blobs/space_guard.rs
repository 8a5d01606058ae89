//! The interface of the blob store to the quota. A store without a guard, as in some tests, has no
//! limit.

use std::{any::Any, sync::Arc};

use crate::Result;

/// Limits the space used by blobs; implemented in `storage`.
pub trait SpaceGuard: Send + Sync {
    /// Called before a requested blob is written. The returned guard is held until the write is
    /// complete.
    ///
    /// # Errors
    ///
    /// `Error::NoSpace` if the blob must not be written.
    fn before_write(self: Arc<Self>, bytes: u64) -> Result<Box<dyn Any + Send>>;
    /// Called after a write of `bytes` failed because the disk is full. Returns `Ok` if space was
    /// freed; the write is then retried once.
    fn on_disk_full(self: Arc<Self>, bytes: u64) -> Result<()>;
    /// Called after the retry failed because the disk is full; `bytes` were not written.
    fn on_retry_failed(self: Arc<Self>, bytes: u64);
    /// Called after `bytes` were stored.
    fn after_write(self: Arc<Self>, bytes: u64);
}
