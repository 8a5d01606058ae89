//! Course content on the device.
//!
//! | Module | Content |
//! |---|---|
//! | `kind`, `target` | what can be downloaded, and the state of a download |
//! | `records` | files from which `content.db` can be rebuilt |
//! | `blobs` | blobs by hash in `content.db` and files, partial files |
//! | `fetch` | one blob from the server |
//! | `storage` | quota, eviction, sweep, figures, where content lies |
//! | `library` | courses and stories: catalogue, manifests, bodies, search |
//! | `download` | whole courses and stories onto this device |
//! | `prefetch` | what the learner needs next |
//! | `images` | image variants in the width that a screen needs |
//! | `media` | loopback server for images, audio and video, also while they are being fetched |
//!
//! A module uses those above it in this table, and none below.
//!
//! Not here: a learner's work (`carrel-learning`), files without a network (`carrel-client`).

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

use crate::{download::Downloads, library::Library, prefetch::Ahead};

/// Everything of one account that can be fetched again.
pub struct Content {
    pub library: Library,
    pub downloads: Downloads,
    pub ahead: Ahead,
}

impl Content {
    /// Opens the files and goes on with downloads that were under way. Blocking; needs a Tokio runtime.
    pub fn open(config: ContentConfig) -> Result<Arc<Self>> {
        let library = Library::open(&config)?;
        // The account opens whatever the state of content is.
        if let Err(e) = download::imported::tidy(&library) {
            tracing::warn!(error = %e, "what an import left half done stays for the next start");
        }
        let downloads = Downloads::open(library.clone());
        library.set_repair(Box::new(downloads.waker()));
        downloads.resume();
        let searched = library.clone();
        tokio::spawn(async move {
            if let Err(e) = searched.blocking(Library::index_missing).await {
                tracing::debug!(error = %e, "not everything that is downloaded can be searched");
            }
        });
        let ahead = Ahead::new(library.clone(), downloads.clone());
        Ok(Arc::new(Self { library, downloads, ahead }))
    }
    /// Runs `f`, which may block, on a thread for blocking calls.
    pub async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        f: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let content = self.clone();
        blocking(move || f(&content)).await
    }
    /// The network may be another one now.
    pub fn network_changed(&self) {
        self.library.cache().network_changed();
        self.downloads.resume();
        self.ahead.again();
    }
    /// Nothing is fetched any more; what was under way goes on when it is opened again.
    pub fn close(&self) {
        self.downloads.close();
        self.ahead.stop();
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        self.close();
    }
}
