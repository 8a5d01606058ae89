//! Storage of blob content: the trait `BlobStore`, and `BlobFolder`, which stores blobs as files. `carrel-object-store`
//! stores them in an object store.
//!
//! Not here: which blobs the catalogue references (`store`).

use std::{
    collections::HashSet,
    fmt, fs,
    io::{self, SeekFrom, Write},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use async_trait::async_trait;
use carrel_model::BlobHash;
use carrel_package::{BlobSink, DirSink};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt};

/// Name of the blobs folder in the data folder.
pub const FOLDER: &str = "blobs";
/// Prefix of temporary file names (set by `tempfile`).
const PARTIAL_PREFIX: &str = ".tmp";

/// A blob being written. The store does not contain it until `finish` is called.
pub trait NewBlob: Write + Send {
    /// Syncs the bytes to disk and adds the blob to the store. The caller must have verified the hash.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// Blob content by hash. All methods except `open` block.
#[async_trait]
pub trait BlobStore: Send + Sync + 'static {
    /// Returns a reader of `len` bytes from offset `first`.
    async fn open(
        &self,
        hash: BlobHash,
        first: u64,
        len: u64,
    ) -> io::Result<Box<dyn AsyncRead + Send + Unpin>>;
    fn read(&self, hash: BlobHash) -> io::Result<Vec<u8>>;
    /// Returns the size in bytes, or `None` if the blob is not stored.
    fn size(&self, hash: BlobHash) -> io::Result<Option<u64>>;
    /// Returns true if the blob is stored with this size and needs not be written again. A clean-up of another process
    /// does not remove it within the next half hour.
    fn reserve(&self, hash: BlobHash, size: u64) -> io::Result<bool> {
        Ok(self.size(hash)? == Some(size))
    }
    fn create(&self, hash: BlobHash) -> io::Result<Box<dyn NewBlob>>;
    /// Returns a sink for the blobs of compiled packages. A blob that is already stored is not written again.
    fn sink(&self) -> io::Result<Box<dyn BlobSink + Send>>;
    /// Copies a blob to the file `to`, as a hard link if both are on the same file system.
    fn copy_to(&self, hash: BlobHash, to: &Path) -> io::Result<()>;
    /// Stores the blob in the file `from`, as a hard link if both are on the same file system. The caller must have
    /// verified the hash. A stored blob of another size is replaced.
    fn put_file(&self, hash: BlobHash, from: &Path) -> io::Result<()>;
    /// Removes blobs not in `keep` and unfinished files, if they were last written before `before_ms`.
    fn remove_others(&self, keep: &HashSet<BlobHash>, before_ms: i64) -> io::Result<Removed>;
}

/// The store does not reply, or refuses all requests. An `io::Error` contains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobsUnavailable {
    pub problem: String,
    /// The settings have to be changed; else a later attempt may succeed.
    pub is_configuration: bool,
}

impl fmt::Display for BlobsUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the object store cannot be used: {}", self.problem)
    }
}
impl std::error::Error for BlobsUnavailable {}

impl BlobsUnavailable {
    /// Returns the value that an error contains, or `None` for other errors.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

/// Number of blobs that were removed, and total size of the files that no longer exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    pub blobs: u64,
    pub bytes: u64,
}

/// Blobs as files `ab/abcd...`, named by their hash.
#[derive(Debug, Clone)]
pub struct BlobFolder(PathBuf);

impl BlobFolder {
    /// Returns the blobs of a data folder or of a backup.
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
    fn size(&self, hash: BlobHash) -> io::Result<Option<u64>> {
        Ok(self.path(hash).metadata().ok().map(|m| m.len()))
    }
    fn create(&self, hash: BlobHash) -> io::Result<Box<dyn NewBlob>> {
        let target = self.path(hash);
        let folder = target.parent().unwrap_or(&self.0);
        fs::create_dir_all(folder)?;
        let part = tempfile::NamedTempFile::new_in(folder)?;
        Ok(Box::new(NewBlobFile { part, target }))
    }
    fn sink(&self) -> io::Result<Box<dyn BlobSink + Send>> {
        Ok(Box::new(DirSink::new(&self.0)?))
    }
    fn copy_to(&self, hash: BlobHash, to: &Path) -> io::Result<()> {
        link_or_copy(&self.path(hash), to)
    }
    fn put_file(&self, hash: BlobHash, from: &Path) -> io::Result<()> {
        let target = self.path(hash);
        let size = from.metadata()?.len();
        // Left by an interrupted copy of an older release.
        if target.metadata().is_ok_and(|m| m.len() != size) {
            fs::remove_file(&target)?;
        }
        link_or_copy(from, &target)
    }
    fn remove_others(&self, keep: &HashSet<BlobHash>, before_ms: i64) -> io::Result<Removed> {
        let mut removed = Removed::default();
        for entry in walkdir::WalkDir::new(&self.0).min_depth(2).max_depth(2) {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy();
            let is_other = match name.parse::<BlobHash>() {
                Ok(hash) => !keep.contains(&hash),
                Err(_) => name.starts_with(PARTIAL_PREFIX),
            };
            let metadata = entry.metadata()?;
            if is_other && metadata.is_file() && modified_ms(&metadata)? < before_ms {
                fs::remove_file(entry.path())?;
                removed.blobs += 1;
                removed.bytes += metadata.len();
            }
        }
        Ok(removed)
    }
}

/// A file of a folder of blobs.
#[derive(Debug)]
pub struct BlobFile {
    pub path: PathBuf,
    /// First two digits of the hash: the name of the folder.
    pub folder: String,
    /// The hash.
    pub name: String,
    pub len: u64,
    /// Number of hard links; 1 where the system does not tell.
    pub links: u64,
}

/// Lists the blobs of a folder, without unfinished files.
pub fn files(root: &Path) -> io::Result<Vec<BlobFile>> {
    let mut files = Vec::new();
    if !root.exists() {
        return Ok(files);
    }
    for entry in walkdir::WalkDir::new(root).min_depth(2).max_depth(2) {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let metadata = entry.metadata()?;
        if metadata.is_file() && name.parse::<BlobHash>().is_ok() {
            let (folder, len) = (name[..2].to_owned(), metadata.len());
            let (path, links) = (entry.into_path(), links(&metadata));
            files.push(BlobFile { path, folder, name, len, links });
        }
    }
    Ok(files)
}

#[cfg(unix)]
fn links(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(metadata)
}
#[cfg(not(unix))]
fn links(_metadata: &fs::Metadata) -> u64 {
    1
}

fn modified_ms(metadata: &fs::Metadata) -> io::Result<i64> {
    let since = metadata.modified()?.duration_since(UNIX_EPOCH);
    Ok(since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
}

struct NewBlobFile {
    part: tempfile::NamedTempFile,
    target: PathBuf,
}

impl Write for NewBlobFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.part.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.part.flush()
    }
}

impl NewBlob for NewBlobFile {
    fn finish(self: Box<Self>) -> io::Result<()> {
        self.part.as_file().sync_all()?;
        self.part.persist(&self.target).map_err(|e| e.error)?;
        Ok(())
    }
}

/// Creates a hard link or, if that fails, a copy. Does nothing if `to` exists. A copy is renamed to `to` when it is
/// complete.
pub fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
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
