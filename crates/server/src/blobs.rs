//! The bytes of blobs: through a trait, so that several processes can share an object store. `BlobFolder` keeps them in files.
//!
//! Not here: which blobs belong to the catalogue (`store`).

use std::{
    collections::HashSet,
    fs,
    io::{self, SeekFrom, Write},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use async_trait::async_trait;
use carrel_model::BlobHash;
use carrel_package::{BlobSink, DirSink};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt};

/// The name of the folder in the data folder.
pub const FOLDER: &str = "blobs";
/// How the names of files begin that are being written (`tempfile`).
const UNFINISHED: &str = ".tmp";

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
    /// Removes blobs that are not among `keep`, and what was not finished, if they were written before `before_ms`.
    fn remove_others(&self, keep: &HashSet<BlobHash>, before_ms: i64) -> io::Result<Removed>;
}

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    pub blobs: u64,
    pub bytes: u64,
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
    fn remove_others(&self, keep: &HashSet<BlobHash>, before_ms: i64) -> io::Result<Removed> {
        let mut removed = Removed::default();
        for entry in walkdir::WalkDir::new(&self.0).min_depth(2).max_depth(2) {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy();
            let is_other = match name.parse::<BlobHash>() {
                Ok(hash) => !keep.contains(&hash),
                Err(_) => name.starts_with(UNFINISHED),
            };
            let facts = entry.metadata()?;
            if is_other && facts.is_file() && modified_ms(&facts)? < before_ms {
                fs::remove_file(entry.path())?;
                removed.blobs += 1;
                removed.bytes += facts.len();
            }
        }
        Ok(removed)
    }
}

fn modified_ms(facts: &fs::Metadata) -> io::Result<i64> {
    let since = facts.modified()?.duration_since(UNIX_EPOCH);
    Ok(since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
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
