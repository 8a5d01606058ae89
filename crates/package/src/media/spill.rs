//! Stores scaled images and changed recordings in a temporary folder, so that memory use does not grow with their
//! number.
//!
//! Not here: scaling (`raster`), removing metadata (`recording`).

use std::{fs::File, io, path::PathBuf};

use carrel_model::BlobHash;

use crate::sink::Blob;

/// The temporary folder; created on the first write, deleted when dropped.
#[derive(Debug, Default)]
pub(crate) struct Spill {
    folder: Option<tempfile::TempDir>,
    /// Number of files without a hash as their name.
    count: u64,
}

impl Spill {
    /// Writes the bytes to a file named by their hash, and returns the blob of that file.
    pub fn write(&mut self, bytes: &[u8], media_type: &str) -> io::Result<Blob> {
        let path = self.path(&BlobHash::of(bytes).to_hex())?;
        std::fs::write(&path, bytes)?;
        Blob::from_file(&path, media_type)
    }
    /// Lets `write` fill a new file, and returns its blob and its path.
    pub fn write_with(
        &mut self,
        media_type: &str,
        write: impl FnOnce(File) -> io::Result<()>,
    ) -> io::Result<(Blob, PathBuf)> {
        self.count += 1;
        let path = self.path(&format!("recording-{}", self.count))?;
        write(File::create(&path)?)?;
        Ok((Blob::from_file(&path, media_type)?, path))
    }
    fn path(&mut self, name: &str) -> io::Result<PathBuf> {
        let folder = match &mut self.folder {
            Some(folder) => folder,
            none => none.insert(tempfile::tempdir()?),
        };
        Ok(folder.path().join(name))
    }
}
