//! "Ready for offline": every byte is hashed again, and what is missing is named in a learner's words.
//!
//! Not here: what the window can play, and how long the sign-in lasts (the commands ask for those).

use std::collections::BTreeSet;

use carrel_model::BlobHash;
use carrel_system::blocking;

use crate::{
    Result,
    blobs::MediaKind,
    download::{Downloads, Phase, Spot, Wish, plan, plan::Needs, queue},
    library::{Library, OpenManifest},
};

/// Something that is missing or damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingFile {
    pub hash: BlobHash,
    /// Where a learner would miss it.
    pub spot: Spot,
    pub kind: MediaKind,
    pub bytes: u64,
    /// It was here, with other bytes. It was removed, so that it is fetched again.
    pub damaged: bool,
}

/// What a check of every byte found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    pub files: u32,
    pub bytes: u64,
    /// In the order of reading.
    pub lacks: Vec<MissingFile>,
    /// Of audio and video, each once.
    pub media_types: Vec<String>,
    pub checked_ms: i64,
}

impl Verification {
    pub fn missing(&self) -> u32 {
        u32::try_from(self.lacks.len()).unwrap_or(u32::MAX)
    }
    pub fn missing_bytes(&self) -> u64 {
        self.lacks.iter().map(|l| l.bytes).sum()
    }
}

impl Downloads {
    /// Hashes every byte that this needs. What is missing of something that is to be on this device is fetched.
    pub async fn prove(&self, wish: &Wish) -> Result<Verification> {
        let manifest = self.inner.library.manifest(wish.kind, &wish.id).await?.value;
        let (downloads, wish) = (self.clone(), wish.clone());
        blocking(move || downloads.prove_blobs(&wish, &manifest)).await
    }

    fn prove_blobs(&self, wish: &Wish, manifest: &OpenManifest) -> Result<Verification> {
        let library = &self.inner.library;
        let proof = check(library, &plan::of_wish(library, wish, manifest, None)?)?;
        let state = self.state_of(wish)?;
        if state.ready_version.is_some() || state.phase == Phase::Ready {
            if proof.lacks.is_empty() {
                queue::set_checked(library, wish, proof.checked_ms)?;
                self.told(wish);
            } else if !library.storage().is_degraded() {
                self.want(wish, false)?;
            }
        }
        Ok(proof)
    }
}

fn check(library: &Library, needs: &Needs) -> Result<Verification> {
    let mut lacks = Vec::new();
    let mut media_types = BTreeSet::new();
    for blob in &needs.blobs {
        let kind = MediaKind::of_type(&blob.media_type);
        if matches!(kind, MediaKind::Audio | MediaKind::Video) {
            media_types.insert(blob.media_type.clone());
        }
        let was_here = library.blobs().has(blob.hash)?;
        if !library.blobs().prove(blob.hash)? {
            let nowhere = || Spot { item: None, title: String::new(), page: 0 };
            let spot = needs.spot(blob.hash).cloned().unwrap_or_else(nowhere);
            lacks.push(MissingFile {
                hash: blob.hash,
                spot,
                kind,
                bytes: blob.size,
                damaged: was_here,
            });
        }
    }
    Ok(Verification {
        files: u32::try_from(needs.blobs.len()).unwrap_or(u32::MAX),
        bytes: needs.blobs.iter().map(|b| b.size).sum(),
        lacks,
        media_types: media_types.into_iter().collect(),
        checked_ms: library.clock().now_ms(),
    })
}
