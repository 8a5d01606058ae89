//! Keeps scaled pictures in a temporary folder, so that memory use does not grow with their number.

use std::io;

use carrel_model::BlobHash;

use crate::sink::Blob;

/// The temporary folder; made by the first write, removed with this value.
#[derive(Debug, Default)]
pub(crate) struct Spill {
    folder: Option<tempfile::TempDir>,
}

impl Spill {
    /// Writes the bytes under their hash and returns the blob that names the file.
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
