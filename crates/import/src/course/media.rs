//! The media files of a package that is being written. Each content is stored once, under a name of its hash.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use super::ItemIndex;
use crate::error::{Refusal, Result};

/// Maximum number of media files of a course.
const MAX_FILES: usize = 15_000;

/// The media folder of a package.
#[derive(Debug)]
pub(crate) struct MediaFolder {
    root: PathBuf,
    /// The items that use each file, by its path in the package.
    users: BTreeMap<String, BTreeSet<ItemIndex>>,
}

impl MediaFolder {
    /// Creates the folder `media` of the package in `root`.
    pub fn new(root: &Path) -> Result<Self> {
        fs::create_dir_all(root.join("media"))?;
        Ok(Self { root: root.to_owned(), users: BTreeMap::new() })
    }

    /// Stores bytes for an item and returns the path in the package.
    pub fn add(&mut self, bytes: &[u8], name: &str, item: ItemIndex) -> Result<String> {
        let hash = blake3::hash(bytes).to_hex();
        let path = self.path_of(hash.as_str(), name)?;
        if !self.users.contains_key(&path) {
            fs::write(self.root.join(&path), bytes)?;
        }
        self.users.entry(path.clone()).or_default().insert(item);
        Ok(path)
    }

    /// Copies a file for an item and returns the path in the package.
    pub fn add_file(&mut self, file: &Path, name: &str, item: ItemIndex) -> Result<String> {
        let mut hasher = blake3::Hasher::new();
        let mut from = fs::File::open(file)?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            let n = from.read(&mut buffer)?;
            if n == 0 {
                break;
            }
            hasher.update(&buffer[..n]);
        }
        let path = self.path_of(hasher.finalize().to_hex().as_str(), name)?;
        if !self.users.contains_key(&path) {
            fs::copy(file, self.root.join(&path))?;
        }
        self.users.entry(path.clone()).or_default().insert(item);
        Ok(path)
    }

    fn path_of(&self, hash: &str, name: &str) -> Result<String> {
        let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
        let extension = extension
            .filter(|e| (1..=5).contains(&e.len()) && e.bytes().all(|b| b.is_ascii_alphanumeric()));
        let path = format!("media/{}.{}", &hash[..24], extension.as_deref().unwrap_or("bin"));
        if self.users.len() >= MAX_FILES && !self.users.contains_key(&path) {
            return Err(Refusal::limit(format!("the file has more than {MAX_FILES} media files")));
        }
        Ok(path)
    }

    /// Returns the items that use a file, if it is one of this folder.
    pub fn users(&self, path: &str) -> Option<&BTreeSet<ItemIndex>> {
        self.users.get(path)
    }
}

/// Returns the kind of a media file by its first bytes: true for an image, false for sound or film, `None` for others.
/// The compiler decides again by the whole file.
pub(crate) fn is_image(head: &[u8]) -> Option<bool> {
    let text = String::from_utf8_lossy(&head[..head.len().min(2_000)]);
    let starts = |magic: &[u8]| head.starts_with(magic);
    if starts(b"\x89PNG") || starts(b"\xff\xd8\xff") || starts(b"GIF8") || starts(b"BM") {
        return Some(true);
    }
    if starts(b"RIFF") {
        return Some(head.get(8..12) == Some(b"WEBP"));
    }
    if text.contains("<svg") {
        return Some(true);
    }
    let is_sound = starts(b"ID3")
        || starts(b"OggS")
        || starts(b"fLaC")
        || starts(b"\x1a\x45\xdf\xa3")
        || head.get(4..8) == Some(b"ftyp")
        || head.len() > 2 && head[0] == 0xff && head[1] & 0xe0 == 0xe0;
    is_sound.then_some(false)
}
