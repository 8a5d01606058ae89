//! The signed list of everything that a course or story needs. A mirror or a USB stick needs no trust: the signature covers the
//! manifest, the manifest names each blob's hash.

use ed25519_dalek::{Signature, VerifyingKey};
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
    Course {
        meta: CourseMeta,
        outline: CourseOutline,
    },
    /// `body` is the compiled `Story`.
    Story {
        meta: StoryMeta,
        body: BlobHash,
    },
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
    pub fn title(&self) -> &str {
        match &self.content {
            ManifestContent::Course { meta, .. } => &meta.title,
            ManifestContent::Story { meta, .. } => &meta.title,
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
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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
    /// Reads the manifest if it may be believed: key and signature are well-formed, the key is the pinned one (64 hex digits; None
    /// on first contact, when the caller pins `key`), the signature fits (strict: RFC 8032 without malleable or small-order
    /// encodings), the format is known, and the blobs are sorted, each once.
    pub fn verify(&self, pinned: Option<&str>) -> Result<Manifest, SignatureError> {
        let key: [u8; 32] = from_hex(&self.key).ok_or(SignatureError::Malformed)?;
        let signature: [u8; 64] = from_hex(&self.signature).ok_or(SignatureError::Malformed)?;
        if pinned.is_some_and(|pinned| pinned != self.key) {
            return Err(SignatureError::WrongKey);
        }
        let key = VerifyingKey::from_bytes(&key).map_err(|_| SignatureError::Malformed)?;
        key.verify_strict(self.manifest.as_bytes(), &Signature::from_bytes(&signature))
            .map_err(|_| SignatureError::Mismatch)?;
        let unreadable = |what: String| SignatureError::Unreadable(what);
        // The format first: a newer manifest should be called newer, not broken.
        #[derive(Deserialize)]
        struct Format {
            format: String,
        }
        let format: Format =
            serde_json::from_str(&self.manifest).map_err(|e| unreadable(e.to_string()))?;
        if format.format != FORMAT {
            return Err(unreadable(format!(
                "its format is {:?}, this version reads {FORMAT:?}",
                format.format
            )));
        }
        let manifest: Manifest =
            serde_json::from_str(&self.manifest).map_err(|e| unreadable(e.to_string()))?;
        if !manifest.blobs.is_sorted_by(|a, b| a.hash < b.hash) {
            return Err(unreadable("its blobs are not sorted, or one is named twice".to_owned()));
        }
        Ok(manifest)
    }
}

/// Exactly `2 * N` lower-case hex digits.
fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
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
