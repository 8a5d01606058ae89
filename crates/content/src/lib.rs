//! Course content on the device.
//!
//! | Module | Content |
//! |---|---|
//! | `kind`, `target` | what can be downloaded, and the state of a download |
//! | `records` | files from which `content.db` can be rebuilt |
//! | `blobs` | blobs in `content.db` and in files, partial files |
//! | `fetch` | fetching one blob from the server |
//! | `storage` | quota, eviction, sweep, usage figures, location of the content folder |
//! | `library` | courses and stories: catalogue, manifests, bodies, search |
//! | `download` | downloads of whole courses and stories, and of lessons |
//! | `prefetch` | prefetching of the next lessons |
//! | `images` | image variants for the width of a screen |
//! | `media` | loopback server for images, audio and video, also before they are complete |
//!
//! A module depends only on modules above it in this table.
//!
//! Not here: the learner's work (`carrel-learning`), exchange of files without a network
//! (`carrel-client`).

#![warn(missing_docs)]

pub mod blobs;
pub mod download;
mod error;
pub mod fetch;
pub mod images;
pub mod kind;
pub mod library;
pub mod media;
mod media_type;
mod permissions;
pub mod prefetch;
mod records;
mod sql;
pub mod storage;
pub mod target;

use std::sync::Arc;

use carrel_system::blocking;
pub use error::{Error, Limit, Result};
pub use kind::Kind;
pub use library::ContentConfig;

use crate::{download::Downloads, library::Library, prefetch::Prefetcher};

/// The content of one account: everything that can be fetched from the server again.
pub struct Content {
    /// Catalogue, manifests, bodies and search.
    pub library: Library,
    /// The download queue.
    pub downloads: Downloads,
    /// The prefetcher.
    pub prefetcher: Prefetcher,
}

impl Content {
    /// Opens the databases and files, and resumes interrupted downloads. Blocking; needs a Tokio runtime.
    ///
    /// # Errors
    ///
    /// Fails if `cache.db` cannot be opened. A failure to remove an incomplete import is only logged.
    pub fn open(config: ContentConfig) -> Result<Arc<Self>> {
        let library = Library::open(&config)?;
        if let Err(e) = download::imported::cancel_interrupted(&library) {
            tracing::warn!(error = %e, "cannot remove an incomplete import; retrying at the next start");
        }
        let downloads = Downloads::open(library.clone());
        library.set_repair(Box::new(downloads.waker()));
        downloads.resume();
        let indexed = library.clone();
        tokio::spawn(async move {
            if let Err(e) = indexed.blocking(Library::index_missing).await {
                tracing::debug!(error = %e, "cannot index all downloaded content");
            }
        });
        let prefetcher = Prefetcher::new(library.clone(), downloads.clone());
        Ok(Arc::new(Self { library, downloads, prefetcher }))
    }
    /// Runs `f`, which may block, on a thread for blocking calls.
    pub async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        f: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let content = self.clone();
        blocking(move || f(&content)).await
    }
    /// Retries requests, downloads and prefetching after the network may have changed.
    pub fn network_changed(&self) {
        self.library.cache().network_changed();
        self.downloads.resume();
        self.prefetcher.restart();
    }
    /// Stops downloads and prefetching. They resume when the content is opened again.
    pub fn close(&self) {
        self.downloads.close();
        self.prefetcher.stop();
    }
    /// Returns `cache.db`. It is closed before it is deleted: on Windows, an open file cannot be deleted.
    pub fn cache_database(&self) -> carrel_sqlite::Database<Error> {
        self.library.cache().database().with_error()
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        self.close();
    }
}
