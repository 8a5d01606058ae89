//! The signed list of all blobs of a course or story. Mirrors and removable media need not be trusted: the signature
//! covers the manifest, and the manifest contains the hash of each blob.

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{
    catalogue::{CourseMeta, CourseOutline, StoryMeta},
    fonts::FontPack,
};
use crate::{BlobHash, Slug};

/// The manifest format that this release writes and reads.
pub const FORMAT: &str = "carrel-manifest/1";

/// The content of a course or story: metadata, structure and blobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// `carrel-manifest/1`.
    pub format: String,
    /// Metadata and structure.
    pub content: ManifestContent,
    /// Sorted by hash, without duplicates.
    pub blobs: Vec<ManifestBlob>,
    /// Fonts for scripts that the fonts of the UI do not cover. Releases that do not know this field download the files
    /// and show the texts in fonts of the system.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fonts: Vec<FontPack>,
}

/// The course or story in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ManifestContent {
    /// A course.
    Course {
        /// Catalogue entry.
        meta: CourseMeta,
        /// Lessons, sections and stories with the hashes of their bodies.
        outline: CourseOutline,
    },
    /// A story.
    Story {
        /// Catalogue entry.
        meta: StoryMeta,
        /// Hash of the compiled `Story`.
        body: BlobHash,
    },
}

/// A blob of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ManifestBlob {
    /// Hash of the file.
    pub hash: BlobHash,
    /// Size in bytes.
    pub size: u64,
    /// MIME type.
    #[serde(rename = "type")]
    pub media_type: String,
}

impl Manifest {
    /// Returns the id of the course or story.
    pub fn id(&self) -> &Slug {
        match &self.content {
            ManifestContent::Course { meta, .. } => &meta.id,
            ManifestContent::Story { meta, .. } => &meta.id,
        }
    }
    /// Returns the title of the course or story.
    pub fn title(&self) -> &str {
        match &self.content {
            ManifestContent::Course { meta, .. } => &meta.title,
            ManifestContent::Story { meta, .. } => &meta.title,
        }
    }
    /// Returns the size of all blobs in bytes.
    pub fn total_bytes(&self) -> u64 {
        self.blobs.iter().map(|b| b.size).sum()
    }
    /// Returns the canonical form that is hashed and signed: compact JSON in field order.
    pub fn to_canonical(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A manifest as transferred: the exact text, the key and the signature over the text's bytes (ed25519).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SignedManifest {
    /// The manifest's canonical JSON, as text.
    pub manifest: String,
    /// ed25519 public key, 64 hex digits. The client pins the first key that it receives from a server.
    pub key: String,
    /// ed25519 signature over `manifest`, 128 hex digits.
    pub signature: String,
}

impl SignedManifest {
    /// Signs a manifest.
    pub fn sign(manifest: &Manifest, key: &SigningKey) -> Self {
        let manifest = manifest.to_canonical();
        Self {
            key: HEXLOWER.encode(key.verifying_key().as_bytes()),
            signature: HEXLOWER.encode(&key.sign(manifest.as_bytes()).to_bytes()),
            manifest,
        }
    }
    /// Returns the version of the content: the hash of the signed text.
    pub fn version(&self) -> BlobHash {
        BlobHash::of(self.manifest.as_bytes())
    }
    /// Verifies the signature and parses the manifest. `pinned` is the expected key (64 hex digits), or `None` on first
    /// contact, after which the caller pins `key`. Verification is strict (RFC 8032 without malleable or small-order
    /// encodings).
    ///
    /// # Errors
    /// The key or the signature is not hex of the right length, the key is not the pinned one, the signature does not
    /// match, the format is unknown, or the blobs are not sorted and unique.
    pub fn verify(&self, pinned: Option<&str>) -> Result<Manifest, SignatureError> {
        if pinned.is_some_and(|pinned| pinned != self.key) {
            return Err(SignatureError::WrongKey);
        }
        verify_text(&self.manifest, &self.key, &self.signature)?;
        let unreadable = |what: String| SignatureError::Unreadable(what);
        // Check the format first, so that the error for a newer manifest names its format.
        #[derive(Deserialize)]
        struct Format {
            format: String,
        }
        let format: Format =
            serde_json::from_str(&self.manifest).map_err(|e| unreadable(e.to_string()))?;
        if format.format != FORMAT {
            return Err(unreadable(format!(
                "unsupported format {:?}, expected {FORMAT:?}",
                format.format
            )));
        }
        let manifest: Manifest =
            serde_json::from_str(&self.manifest).map_err(|e| unreadable(e.to_string()))?;
        if !manifest.blobs.is_sorted_by(|a, b| a.hash < b.hash) {
            return Err(unreadable("blobs are not sorted or not unique".to_owned()));
        }
        Ok(manifest)
    }
}

/// Verifies the ed25519 signature (128 hex digits) of a text by a public key (64 hex digits). Verification is strict,
/// as in `SignedManifest::verify`. The text must begin with its format, so that no text is valid as another one.
///
/// # Errors
/// `Malformed` or `Mismatch`.
pub fn verify_text(text: &str, key: &str, signature: &str) -> Result<(), SignatureError> {
    let key: [u8; 32] = from_hex(key).ok_or(SignatureError::Malformed)?;
    let signature: [u8; 64] = from_hex(signature).ok_or(SignatureError::Malformed)?;
    let key = VerifyingKey::from_bytes(&key).map_err(|_| SignatureError::Malformed)?;
    key.verify_strict(text.as_bytes(), &Signature::from_bytes(&signature))
        .map_err(|_| SignatureError::Mismatch)
}

/// Decodes exactly `2 * N` lower-case hex digits.
fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

/// Why a signed manifest is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The key or the signature is malformed.
    #[error("key or signature is not hex of the expected length")]
    Malformed,
    /// Not signed with the pinned key.
    #[error("the manifest is not signed with this server's key")]
    WrongKey,
    /// The signature is not valid for the text and key.
    #[error("the signature does not match the manifest")]
    Mismatch,
    /// The text is not a valid manifest of a known format; contains the reason.
    #[error("cannot read the manifest: {0}")]
    Unreadable(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{Cover, Dir, FontFile};

    fn resign(manifest: String, key: &SigningKey) -> SignedManifest {
        SignedManifest {
            key: HEXLOWER.encode(key.verifying_key().as_bytes()),
            signature: HEXLOWER.encode(&key.sign(manifest.as_bytes()).to_bytes()),
            manifest,
        }
    }

    fn manifest() -> Manifest {
        let blob = |n: u8| ManifestBlob {
            hash: BlobHash([n; 32]),
            size: 1,
            media_type: "text/plain".into(),
        };
        let meta = StoryMeta {
            id: Slug::new("s").unwrap(),
            title: "Ä".into(),
            description: String::new(),
            lang: "en".into(),
            dir: Dir::Ltr,
            level: 1,
            category: String::new(),
            tags: Vec::new(),
            authors: Vec::new(),
            license: "CC0-1.0".into(),
            credits: String::new(),
            cover: Cover::from_title("Ä"),
            family: String::new(),
            page_count: 1,
            narrated: false,
            total_bytes: 2,
        };
        Manifest {
            format: FORMAT.into(),
            content: ManifestContent::Story { meta, body: BlobHash([1; 32]) },
            blobs: vec![blob(1), blob(2)],
            fonts: Vec::new(),
        }
    }

    #[test]
    fn verification_accepts_signed_and_rejects_changed_manifests() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let signed = SignedManifest::sign(&manifest(), &key);
        assert_eq!(signed.verify(None), Ok(manifest()));
        assert_eq!(signed.verify(Some(&signed.key)), Ok(manifest()));
        assert_eq!(SignedManifest::sign(&manifest(), &key), signed);

        let other = SignedManifest::sign(&manifest(), &SigningKey::from_bytes(&[8; 32]));
        assert_eq!(other.verify(Some(&signed.key)), Err(SignatureError::WrongKey));
        let edited = SignedManifest {
            manifest: signed.manifest.replace("\"level\":1", "\"level\":2"),
            ..signed.clone()
        };
        assert_ne!(edited.manifest, signed.manifest);
        assert_eq!(edited.verify(None), Err(SignatureError::Mismatch));
        let swapped = SignedManifest { key: other.key.clone(), ..signed.clone() };
        assert_eq!(swapped.verify(None), Err(SignatureError::Mismatch));
        for (key, signature) in [
            ("", signed.signature.as_str()),
            (signed.key.as_str(), ""),
            (&signed.key[..62], signed.signature.as_str()),
            (&signed.key.to_uppercase(), signed.signature.as_str()),
            (&"zz".repeat(32), signed.signature.as_str()),
            (signed.key.as_str(), &"é".repeat(64)),
        ] {
            let bad = SignedManifest {
                key: key.to_owned(),
                signature: signature.to_owned(),
                ..signed.clone()
            };
            assert_eq!(bad.verify(None), Err(SignatureError::Malformed), "{key} {signature}");
        }
        // A public key of small order, for which verification that is not strict accepts forged signatures.
        let weak = SignedManifest { key: format!("01{}", "00".repeat(31)), ..signed.clone() };
        assert_eq!(weak.verify(None), Err(SignatureError::Mismatch));
    }

    #[test]
    fn fonts_are_optional() {
        let without = manifest();
        assert!(!without.to_canonical().contains("fonts"), "versions without fonts stay the same");
        let files = vec![FontFile { hash: BlobHash([2; 32]), ranges: "U+0900-097F".into() }];
        let pack = FontPack {
            family: "Noto Sans Devanagari".into(),
            weight: "100 900".into(),
            lang: String::new(),
            license: BlobHash([1; 32]),
            files,
        };
        let with = Manifest { fonts: vec![pack], ..without.clone() };
        let text = with.to_canonical();
        assert!(!text.contains("\"lang\":\"\""), "{text}");
        assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), with);
        assert_eq!(serde_json::from_str::<Manifest>(&without.to_canonical()).unwrap(), without);
    }

    #[test]
    fn signed_invalid_text_is_unreadable() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let resign = |text: String| resign(text, &key);
        let newer = resign(r#"{"format":"carrel-manifest/2"}"#.to_owned()).verify(None);
        assert!(
            matches!(&newer, Err(SignatureError::Unreadable(what)) if what.contains("carrel-manifest/2")),
            "{newer:?}"
        );
        let mut twice = manifest();
        twice.blobs[1].hash = twice.blobs[0].hash;
        let cut: String = manifest().to_canonical().chars().take(50).collect();
        for text in [String::new(), "<html>".into(), cut, twice.to_canonical()] {
            assert!(matches!(resign(text).verify(None), Err(SignatureError::Unreadable(_))));
        }
    }
}
