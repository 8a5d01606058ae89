//! The signed list of everything that a course or story needs. A mirror or a USB stick needs no trust: the signature covers the
//! manifest, the manifest names each blob's hash.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::catalogue::{CourseMeta, CourseOutline, StoryMeta};
use crate::{BlobHash, Slug};

/// The newest manifest format this code reads.
pub const FORMAT: &str = "carrel-manifest/1";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// `carrel-manifest/1`.
    pub format: String,
    pub content: ManifestContent,
    /// Sorted by hash, each once.
    pub blobs: Vec<ManifestBlob>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ManifestContent {
    Course { meta: CourseMeta, outline: CourseOutline },
    /// `body` is the compiled `Story`.
    Story { meta: StoryMeta, body: BlobHash },
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ManifestBlob {
    pub hash: BlobHash,
    pub size: u64,
    #[serde(rename = "type")]
    pub media_type: String,
}

impl Manifest {
    pub fn id(&self) -> &Slug {
        match &self.content {
            ManifestContent::Course { meta, .. } => &meta.id,
            ManifestContent::Story { meta, .. } => &meta.id,
        }
    }
    pub fn total_bytes(&self) -> u64 {
        self.blobs.iter().map(|b| b.size).sum()
    }
    /// The one spelling that is hashed and signed: compact JSON in field order.
    pub fn to_canonical(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A manifest as it travels: the exact text, the key and the signature over the text's bytes (ed25519).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SignedManifest {
    /// The manifest's canonical JSON, as text.
    pub manifest: String,
    /// ed25519 public key, 64 hex digits. The client pins the key it first saw from a server.
    pub key: String,
    /// ed25519 signature over `manifest`, 128 hex digits.
    pub signature: String,
}

impl SignedManifest {
    /// The version of the content: the hash of the signed text.
    pub fn version(&self) -> BlobHash {
        BlobHash::of(self.manifest.as_bytes())
    }
}

/// Why a signed manifest is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the key or the signature is not hex of the right length")]
    Malformed,
    #[error("the manifest is signed with another key than this server's")]
    WrongKey,
    #[error("the signature does not fit the manifest")]
    Mismatch,
    #[error("the manifest is not one this version reads: {0}")]
    Unreadable(String),
}
