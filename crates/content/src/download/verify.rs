//! Verification of a download: hashes all bytes and lists missing blobs by section, story and page.
//!
//! Not here: whether the UI can play the media, and how long the session is valid (`carrel-commands`).

use std::collections::BTreeSet;

use carrel_model::BlobHash;
use carrel_system::blocking;

use crate::{
    Result,
    blobs::MediaKind,
    download::{BlobUse, DownloadTarget, Downloads, Phase, plan, plan::Plan, queue},
    library::{Library, OpenManifest},
};

/// A missing or damaged blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingFile {
    /// Hash of the blob.
    pub hash: BlobHash,
    /// First use of the blob.
    pub first_use: BlobUse,
    /// Media kind, from the manifest.
    pub kind: MediaKind,
    /// Size in bytes.
    pub bytes: u64,
    /// The stored bytes were damaged and have been removed.
    pub damaged: bool,
}

/// Result of a verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Number of blobs that the target needs.
    pub files: u32,
    /// Their bytes.
    pub bytes: u64,
    /// Missing and damaged blobs, in the order of reading.
    pub missing_files: Vec<MissingFile>,
    /// Media types of audio and video, without duplicates.
    pub media_types: Vec<String>,
    /// When the verification ended (UTC, ms).
    pub checked_ms: i64,
}

impl Verification {
    /// Returns the number of missing and damaged blobs.
    pub fn missing(&self) -> u32 {
        u32::try_from(self.missing_files.len()).unwrap_or(u32::MAX)
    }
    /// Returns their bytes.
    pub fn missing_bytes(&self) -> u64 {
        self.missing_files.iter().map(|l| l.bytes).sum()
    }
}

impl Downloads {
    /// Hashes all bytes that the target needs. If the target was ready, missing blobs are fetched
    /// again.
    pub async fn verify(&self, target: &DownloadTarget) -> Result<Verification> {
        let manifest = self.inner.library.manifest(target.kind, &target.id).await?.value;
        let (downloads, target) = (self.clone(), target.clone());
        blocking(move || downloads.verify_blobs(&target, &manifest)).await
    }

    fn verify_blobs(
        &self,
        target: &DownloadTarget,
        manifest: &OpenManifest,
    ) -> Result<Verification> {
        let library = &self.inner.library;
        let verification = check(library, &plan::of_target(library, target, manifest, None)?)?;
        let state = self.state_of(target)?;
        if state.ready_version.is_some() || state.phase == Phase::Ready {
            if verification.missing_files.is_empty() {
                queue::set_checked(library, target, verification.checked_ms)?;
                self.emit_changed(target);
            } else if !library.storage().is_degraded() {
                self.request(target, false)?;
            }
        }
        Ok(verification)
    }
}

fn check(library: &Library, plan: &Plan) -> Result<Verification> {
    let mut missing_files = Vec::new();
    let mut media_types = BTreeSet::new();
    for blob in &plan.blobs {
        let kind = MediaKind::of_type(&blob.media_type);
        if matches!(kind, MediaKind::Audio | MediaKind::Video) {
            media_types.insert(blob.media_type.clone());
        }
        let was_stored = library.blobs().has(blob.hash)?;
        if !library.blobs().verify(blob.hash)? {
            let unknown = || BlobUse { item: None, title: String::new(), page: 0 };
            let first_use = plan.use_of(blob.hash).cloned().unwrap_or_else(unknown);
            missing_files.push(MissingFile {
                hash: blob.hash,
                first_use,
                kind,
                bytes: blob.size,
                damaged: was_stored,
            });
        }
    }
    Ok(Verification {
        files: u32::try_from(plan.blobs.len()).unwrap_or(u32::MAX),
        bytes: plan.blobs.iter().map(|b| b.size).sum(),
        missing_files,
        media_types: media_types.into_iter().collect(),
        checked_ms: library.clock().now_ms(),
    })
}
