//! Course files: a header with the signed manifests, then all blobs that the manifests list, ordered by hash, each
//! once.
//!
//! Blobs have no headers: the position of each blob follows from the signed manifests alone.
//!
//! Not here: the bytes before the header (`frame`).

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
};

use carrel_model::{
    BlobHash, Slug,
    content::{Manifest, ManifestBlob, ManifestContent, SignatureError, SignedManifest},
};
use serde::{Deserialize, Serialize};

use crate::{Fault, PREFIX_BYTES, Result, frame::frame};

/// Value of `format` in the header.
pub const COURSE_FORMAT: &str = "carrel-cable-course/1";
/// Maximum number of courses and stories in a file.
const MAX_COURSES: usize = 1_000;
const CHUNK_BYTES: usize = 256 * 1024;

/// The header of a course file. Only the manifests are signed; the other fields are not trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CourseHeader {
    pub format: String,
    /// Address of the library's server, as stored on the sending device.
    pub server: String,
    /// Display name of the library.
    pub server_name: String,
    /// When the file was written (UTC, ms since 1970).
    pub made_ms: i64,
    /// The program that wrote the file, for example "Carrel 1.0.0".
    pub made_by: String,
    pub courses: Vec<BundledCourse>,
}

/// A course or story of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BundledCourse {
    /// When the sender last knew that the server had no newer version (UTC, ms since 1970); 0: never.
    pub as_of_ms: i64,
    pub signed: SignedManifest,
}

/// A course file whose header was checked. Its blobs are not checked yet.
#[derive(Debug, Clone)]
pub struct CourseBundle {
    pub header: CourseHeader,
    /// In the order of `header.courses`.
    pub manifests: Vec<Manifest>,
    /// The key with which all manifests are signed: 64 hex digits.
    pub key: String,
    /// All blobs of all manifests, each once, ordered by hash as in the file.
    pub blobs: Vec<ManifestBlob>,
    /// Sum of the sizes of `blobs`.
    pub blob_bytes: u64,
    /// Offset of the first blob in the file.
    pub start: u64,
}

impl CourseBundle {
    /// Checks the header of a new file as a reader does, signatures included, so that no file is written that cannot be
    /// read.
    pub fn new(header: CourseHeader) -> Result<Self> {
        let bytes = to_json(&header)?;
        Self::check(header, bytes.len())
    }
    /// Returns the bytes before the first blob.
    pub fn prefix_and_header(&self) -> Result<Vec<u8>> {
        frame(&to_json(&self.header)?)
    }
    /// Returns the length of the whole file in bytes.
    pub fn len(&self) -> u64 {
        self.start + self.blob_bytes
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn from_header(header: &[u8], len: u64) -> Result<Self> {
        let read = serde_json::from_slice(header);
        let bundle =
            Self::check(read.map_err(|e| Fault::HeaderUnreadable(e.to_string()))?, header.len())?;
        match len.cmp(&bundle.len()) {
            std::cmp::Ordering::Less => Err(Fault::Truncated { have: len, need: bundle.len() }),
            std::cmp::Ordering::Greater => Err(Fault::TooLong { extra: len - bundle.len() }),
            std::cmp::Ordering::Equal => Ok(bundle),
        }
    }

    fn check(header: CourseHeader, header_len: usize) -> Result<Self> {
        let first = header.courses.first().ok_or(Fault::NoContent)?;
        if header.courses.len() > MAX_COURSES {
            return Err(Fault::TooManyCourses(header.courses.len(), MAX_COURSES));
        }
        let key = first.signed.key.clone();
        let mut ids: BTreeSet<(bool, Slug)> = BTreeSet::new();
        let mut by_hash: BTreeMap<BlobHash, ManifestBlob> = BTreeMap::new();
        let mut manifests = Vec::with_capacity(header.courses.len());
        for course in &header.courses {
            let manifest = course.signed.verify(None).map_err(signature_fault)?;
            if course.signed.key != key {
                return Err(Fault::DifferentKeys);
            }
            let is_story = matches!(manifest.content, ManifestContent::Story { .. });
            if !ids.insert((is_story, manifest.id().clone())) {
                return Err(Fault::Duplicate(manifest.id().clone()));
            }
            for blob in &manifest.blobs {
                let known = by_hash.entry(blob.hash).or_insert_with(|| blob.clone());
                if known.size != blob.size {
                    return Err(Fault::SizesDiffer(blob.hash));
                }
            }
            check_outline(&manifest)?;
            manifests.push(manifest);
        }
        let blobs: Vec<ManifestBlob> = by_hash.into_values().collect();
        let sum = blobs.iter().try_fold(0_u64, |sum, b| sum.checked_add(b.size));
        let start = (PREFIX_BYTES + header_len) as u64;
        // No file system supports files over 2^63 bytes.
        let blob_bytes = sum.filter(|s| *s < i64::MAX as u64 - start).ok_or(Fault::SizeTooLarge)?;
        Ok(Self { header, manifests, key, blobs, blob_bytes, start })
    }
}

fn to_json(header: &CourseHeader) -> Result<Vec<u8>> {
    serde_json::to_vec(header).map_err(|e| Fault::HeaderUnreadable(e.to_string()))
}

fn signature_fault(e: SignatureError) -> Fault {
    match e {
        SignatureError::Malformed => Fault::KeyMalformed,
        SignatureError::WrongKey | SignatureError::Mismatch => Fault::SignatureWrong,
        SignatureError::Unreadable(why) => Fault::ManifestUnreadable(why),
    }
}

/// Returns an error if a section, a story or the vocabulary refers to a blob that the manifest does not list.
fn check_outline(manifest: &Manifest) -> Result<()> {
    let named: Vec<BlobHash> = match &manifest.content {
        ManifestContent::Course { outline, .. } => {
            let sections = outline.lessons.iter().flat_map(|l| &l.sections).map(|s| s.body);
            sections
                .chain(outline.stories.iter().map(|s| s.body))
                .chain(outline.vocabulary)
                .collect()
        }
        ManifestContent::Story { body, .. } => vec![*body],
    };
    let listed = |h: &BlobHash| manifest.blobs.binary_search_by(|b| b.hash.cmp(h)).is_ok();
    match named.into_iter().find(|h| !listed(h)) {
        Some(blob) => Err(Fault::BlobNotListed { course: manifest.id().clone(), blob }),
        None => Ok(()),
    }
}

/// Reads the bytes of the next blob, passes them to `sink` in pieces, and verifies their hash at the end. The data
/// passed to `sink` is valid only if this returns `Ok`.
pub fn copy_verified<E: From<Fault>>(
    from: &mut impl Read,
    blob: &ManifestBlob,
    mut sink: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut hasher = blake3::Hasher::new();
    let mut left = blob.size;
    let buffer_bytes = usize::try_from(blob.size).unwrap_or(CHUNK_BYTES).clamp(1, CHUNK_BYTES);
    let mut buffer = vec![0; buffer_bytes];
    while left > 0 {
        let max = buffer.len().min(usize::try_from(left).unwrap_or(buffer.len()));
        let n = match from.read(&mut buffer[..max]) {
            Ok(0) => {
                let have = blob.size - left;
                return Err(Fault::Truncated { have, need: blob.size }.into());
            }
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(Fault::from(e).into()),
        };
        hasher.update(&buffer[..n]);
        left -= n as u64;
        sink(&buffer[..n])?;
    }
    if hasher.finalize().as_bytes() != &blob.hash.0 {
        return Err(Fault::BlobDamaged(blob.hash).into());
    }
    Ok(())
}
