//! The destination of compiled blobs. The compiler first stages all blobs, and passes them to a [`BlobSink`] only if
//! the package has no errors.
//!
//! Not here: manifests, and the server's sink.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use carrel_model::BlobHash;

/// Bytes, in memory or in a file, with their hash.
#[derive(Debug, Clone)]
pub struct Blob {
    pub hash: BlobHash,
    /// Size in bytes.
    pub size: u64,
    /// MIME type.
    pub media_type: String,
    content: BlobContent,
}

#[derive(Debug, Clone)]
enum BlobContent {
    Bytes(Vec<u8>),
    File(PathBuf),
}

impl Blob {
    /// Creates a blob in memory.
    pub fn from_bytes(bytes: Vec<u8>, media_type: &str) -> Self {
        Self {
            hash: BlobHash::of(&bytes),
            size: bytes.len() as u64,
            media_type: media_type.to_owned(),
            content: BlobContent::Bytes(bytes),
        }
    }
    /// Creates a blob whose bytes are in a file. Reads the file to compute the hash.
    pub fn from_file(path: &Path, media_type: &str) -> io::Result<Self> {
        let mut hasher = blake3::Hasher::new();
        let size = io::copy(&mut File::open(path)?, &mut hasher)?;
        Ok(Self {
            hash: BlobHash(*hasher.finalize().as_bytes()),
            size,
            media_type: media_type.to_owned(),
            content: BlobContent::File(path.to_owned()),
        })
    }
    /// Opens the bytes for reading from the start.
    pub fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(match &self.content {
            BlobContent::Bytes(bytes) => Box::new(bytes.as_slice()),
            BlobContent::File(path) => Box::new(File::open(path)?),
        })
    }
    /// Copies the bytes. Returns an error if the file has changed and no longer has the hash.
    pub fn copy_to(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut hasher = blake3::Hasher::new();
        let mut from = self.open()?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            let n = from.read(&mut buffer)?;
            if n == 0 {
                break;
            }
            hasher.update(&buffer[..n]);
            out.write_all(&buffer[..n])?;
        }
        if hasher.finalize().as_bytes() != &self.hash.0 {
            return Err(io::Error::other(
                "a file changed while it was being imported: import again",
            ));
        }
        Ok(())
    }
    /// Reads all bytes into memory.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.size).unwrap_or_default());
        self.copy_to(&mut bytes)?;
        Ok(bytes)
    }
}

/// A destination for blobs. `put` must be idempotent: a blob shared by several packages is passed once for each
/// package.
pub trait BlobSink {
    fn put(&mut self, blob: &Blob) -> io::Result<()>;
}

/// Stores blobs in memory, for tests and checks.
#[derive(Debug, Default)]
pub struct MemorySink {
    pub blobs: BTreeMap<BlobHash, (String, Vec<u8>)>,
}

impl MemorySink {
    /// Returns the bytes of a blob.
    pub fn bytes(&self, hash: BlobHash) -> Option<&[u8]> {
        self.blobs.get(&hash).map(|(_, bytes)| bytes.as_slice())
    }
    /// Parses a compiled JSON blob.
    pub fn json<T: serde::de::DeserializeOwned>(&self, hash: BlobHash) -> Option<T> {
        serde_json::from_slice(self.bytes(hash)?).ok()
    }
}

impl BlobSink for MemorySink {
    fn put(&mut self, blob: &Blob) -> io::Result<()> {
        if let Entry::Vacant(slot) = self.blobs.entry(blob.hash) {
            slot.insert((blob.media_type.clone(), blob.read()?));
        }
        Ok(())
    }
}

/// Discards all blobs, for the command `check`, which only reports problems.
#[derive(Debug, Default)]
pub struct NullSink;

impl BlobSink for NullSink {
    fn put(&mut self, _: &Blob) -> io::Result<()> {
        Ok(())
    }
}

/// Stores blobs as files `ab/abcd...` below a folder. A file appears under its name only when it is complete and
/// flushed to disk.
#[derive(Debug)]
pub struct DirSink {
    root: PathBuf,
}

impl DirSink {
    /// Creates the sink. `root` is created if missing.
    pub fn new(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        std::fs::create_dir_all(&root)?;
        Ok(Self { root })
    }
    /// Returns the path of a blob's file.
    pub fn path(&self, hash: BlobHash) -> PathBuf {
        let hex = hash.to_hex();
        self.root.join(&hex[..2]).join(hex)
    }
    /// Stores a blob, unless its file exists.
    pub fn store(&self, blob: &Blob) -> io::Result<()> {
        let path = self.path(blob.hash);
        if path.metadata().is_ok_and(|m| m.len() == blob.size) {
            return Ok(());
        }
        let folder = path.parent().unwrap_or(&self.root);
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        blob.copy_to(&mut file)?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|e| e.error)?;
        Ok(())
    }
}

impl BlobSink for DirSink {
    fn put(&mut self, blob: &Blob) -> io::Result<()> {
        self.store(blob)
    }
}
