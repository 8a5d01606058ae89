//! The bytes of blobs: through a trait, so that several processes can share an object store. `BlobFolder` keeps them in files.
//!
//! Not here: which blobs belong to the catalogue (`store`).

use std::{
    fs,
    io::{self, SeekFrom, Write},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use carrel_model::BlobHash;
use carrel_package::{BlobSink, DirSink};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt};

/// The name of the folder in the data folder.
pub const FOLDER: &str = "blobs";

/// A blob that is being written. It has no name until `finish`.
pub trait NewBlob: Write + Send {
    /// Waits until the bytes are on disk and gives them their name. The caller has checked their hash.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// Bytes by their hash. All calls but `open` block.
#[async_trait]
pub trait BlobStore: Send + Sync + 'static {
    /// `len` bytes from `first`.
    async fn open(
        &self,
        hash: BlobHash,
        first: u64,
        len: u64,
    ) -> io::Result<Box<dyn AsyncRead + Send + Unpin>>;
    fn read(&self, hash: BlobHash) -> io::Result<Vec<u8>>;
    /// The size of a blob that is there.
    fn size(&self, hash: BlobHash) -> Option<u64>;
    fn create(&self, hash: BlobHash) -> io::Result<Box<dyn NewBlob>>;
    /// Where compiled packages put their blobs. A blob that is there is not written again.
    fn sink(&self) -> io::Result<Box<dyn BlobSink + Send>>;
    /// Makes a file of a blob; a hard link if both are on one disk.
    fn copy_to(&self, hash: BlobHash, to: &Path) -> io::Result<()>;
}

/// Files `ab/abcd...`, named by their hash.
#[derive(Debug, Clone)]
pub struct BlobFolder(PathBuf);

impl BlobFolder {
    /// The blobs of a data folder or a backup.
    pub fn of(folder: &Path) -> Self {
        Self(folder.join(FOLDER))
    }
    pub fn root(&self) -> &Path {
        &self.0
    }
    pub fn path(&self, hash: BlobHash) -> PathBuf {
        let hex = hash.to_hex();
        self.0.join(&hex[..2]).join(hex)
    }
}

#[async_trait]
impl BlobStore for BlobFolder {
    async fn open(
        &self,
        hash: BlobHash,
        first: u64,
        len: u64,
    ) -> io::Result<Box<dyn AsyncRead + Send + Unpin>> {
        let mut file = tokio::fs::File::open(self.path(hash)).await?;
        if first > 0 {
            file.seek(SeekFrom::Start(first)).await?;
        }
        Ok(Box::new(file.take(len)))
    }
    fn read(&self, hash: BlobHash) -> io::Result<Vec<u8>> {
        fs::read(self.path(hash))
    }
    fn size(&self, hash: BlobHash) -> Option<u64> {
        self.path(hash).metadata().ok().map(|m| m.len())
    }
    fn create(&self, hash: BlobHash) -> io::Result<Box<dyn NewBlob>> {
        let target = self.path(hash);
        let folder = target.parent().unwrap_or(&self.0);
        fs::create_dir_all(folder)?;
        let part = tempfile::NamedTempFile::new_in(folder)?;
        Ok(Box::new(NewFile { part, target }))
    }
    fn sink(&self) -> io::Result<Box<dyn BlobSink + Send>> {
        Ok(Box::new(DirSink::new(&self.0)?))
    }
    fn copy_to(&self, hash: BlobHash, to: &Path) -> io::Result<()> {
        link_or_copy(&self.path(hash), to)
    }
}

struct NewFile {
    part: tempfile::NamedTempFile,
    target: PathBuf,
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.part.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.part.flush()
    }
}

impl NewBlob for NewFile {
    fn finish(self: Box<Self>) -> io::Result<()> {
        self.part.as_file().sync_all()?;
        self.part.persist(&self.target).map_err(|e| e.error)?;
        Ok(())
    }
}

/// Blobs never change, so two names for one file are as good as two files. A copy gets its name when it is whole.
pub(crate) fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        return Ok(());
    }
    let folder = to.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    match fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(e),
        Err(_) => {
            let part = tempfile::NamedTempFile::new_in(folder)?;
            fs::copy(from, part.path())?;
            fs::OpenOptions::new().write(true).open(part.path())?.sync_all()?;
            part.persist(to).map_err(|e| e.error)?;
            Ok(())
        }
    }
}
