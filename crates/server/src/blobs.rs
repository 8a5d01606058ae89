//! Where blobs lie: `blobs/ab/abcd...`, named by their hash.
//!
//! Not here: writing them (`carrel_package::DirSink` does: whole, synced, then renamed).

use std::path::{Path, PathBuf};

use carrel_model::BlobHash;

/// The name of the folder in the data folder.
pub const FOLDER: &str = "blobs";

#[derive(Debug, Clone)]
pub struct BlobFolder(PathBuf);

impl BlobFolder {
    /// The blobs of a data folder.
    pub fn of(data_dir: &Path) -> Self {
        Self(data_dir.join(FOLDER))
    }
    pub fn root(&self) -> &Path {
        &self.0
    }
    pub fn path(&self, hash: BlobHash) -> PathBuf {
        let hex = hash.to_hex();
        self.0.join(&hex[..2]).join(hex)
    }
}
