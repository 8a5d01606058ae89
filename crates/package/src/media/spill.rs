//! Stores scaled images in a temporary folder, so that memory use does not grow with their number.
//!
//! Not here: scaling (`raster`).

use std::io;

use carrel_model::BlobHash;

use crate::sink::Blob;

/// The temporary folder; created on the first write, deleted when dropped.
#[derive(Debug, Default)]
pub(crate) struct Spill {
    folder: Option<tempfile::TempDir>,
}

impl Spill {
    /// Writes the bytes to a file named by their hash, and returns the blob of that file.
    pub fn write(&mut self, bytes: &[u8], media_type: &str) -> io::Result<Blob> {
        let folder = match &mut self.folder {
            Some(folder) => folder,
            none => none.insert(tempfile::tempdir()?),
        };
        let path = folder.path().join(BlobHash::of(bytes).to_hex());
        std::fs::write(&path, bytes)?;
        Blob::from_file(&path, media_type)
    }
}
