//! Fetches single blobs for readers. A blob is stored if there is space, and otherwise held in memory.
//!
//! Not here: the transfer (`fetch`), whole courses (`download`).

use bytes::Bytes;
use carrel_model::{BlobHash, ErrorCode};
use carrel_net::Reply;
use carrel_system::blocking;
use futures_util::FutureExt;

use crate::{
    Error, Result,
    blobs::BlobOrigin,
    fetch::{Admission, BlobRequest, FetchOptions, Fetched, MAX_IN_MEMORY, for_readers},
    library::Library,
};

/// Consecutive attempts without progress after which a fetch fails. Readers may retry.
const MAX_ATTEMPTS: u32 = 1;

impl Library {
    /// Fetches a blob, or waits for another task that is writing it. A prefetched blob is not fetched if
    /// there is no space to store it.
    pub(super) async fn store_blob(&self, hash: BlobHash, origin: BlobOrigin) -> Result<()> {
        let blobs = self.blobs();
        if blobs.wait_for_writer(hash).await? {
            return Ok(());
        }
        let admit = |total: u64, stored: u64| {
            let (library, missing) = (self.clone(), total.saturating_sub(stored));
            let may_use_memory = stored == 0 && total <= MAX_IN_MEMORY;
            blocking(move || match (origin, library.blobs().space_guard()) {
                (BlobOrigin::Prefetched, _) => {
                    Ok(Admission::Disk(Some(Box::new(library.storage().reserve(missing)?))))
                }
                (_, Some(guard)) => match guard.before_write(missing) {
                    Ok(reservation) => Ok(Admission::Disk(Some(reservation))),
                    Err(Error::NoSpace { .. }) if may_use_memory => Ok(Admission::Memory),
                    Err(e) => Err(e),
                },
                (_, None) => Ok(Admission::Disk(None)),
            })
            .boxed()
        };
        let options = FetchOptions {
            attempts: MAX_ATTEMPTS,
            slots: None,
            admit: &admit,
            received: &|_| (),
            corrected: &|_| (),
        };
        let size = self.blocking(move |library| library.blobs().needed_size(hash)).await?;
        let request = BlobRequest { hash, size, media_type: "", origin };
        let fetched = self.inner.fetcher.fetch(request, 0, &options).await.map_err(for_readers)?;
        let library = self.clone();
        blocking(move || match fetched {
            Fetched::File(file) => file.finish(),
            Fetched::Bytes(bytes) if origin == BlobOrigin::Prefetched => {
                library.blobs().put_with_origin(hash, &bytes, origin)
            }
            Fetched::Bytes(bytes) => library.store_or_hold_in_memory(hash, &bytes),
        })
        .await
    }

    fn store_or_hold_in_memory(&self, hash: BlobHash, bytes: &Bytes) -> Result<()> {
        match self.blobs().put(hash, bytes) {
            Err(e)
                if e.code() == ErrorCode::DiskFull && self.blobs().hold_in_memory(hash, bytes) =>
            {
                Ok(())
            }
            other => other,
        }
    }

    /// Requests bytes `start..end` of a blob and returns the reply. The bytes are neither verified nor stored.
    pub async fn fetch_range(&self, hash: BlobHash, start: u64, end: u64) -> Result<Reply> {
        self.inner.fetcher.range(hash, start, end).await
    }
}
