//! Font packs of a data folder: installs them and adds them to what is published.
//!
//! Not here: which fonts texts need, and the packages (`carrel-fonts`).

use std::{io::Write, path::PathBuf, sync::Arc};

use carrel_fonts::{PackError, Packs, SCRIPTS, WithFonts, texts_of, wanted, with_fonts};
use carrel_model::content::{Manifest, SignedManifest};

use crate::{
    blobs::BlobStore,
    data_dir::DataDir,
    domain::publishing::RenderError,
    error::{Error, io},
    export::Summary,
    publish::{PublishOptions, publish},
    store::{Filter, Kind, ListedPublication, StoreError},
};

/// Folder of the installed packs in the data folder.
pub(crate) const FOLDER: &str = "fonts";

impl From<PackError> for Error {
    fn from(e: PackError) -> Self {
        Self::Refused(e.to_string())
    }
}

/// A font pack, and how many published courses and stories contain its script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FontUse {
    /// Name of the script.
    pub script: &'static str,
    /// Family, number of files and their bytes, if the pack is installed.
    pub installed: Option<(String, usize, u64)>,
    /// Number of courses and stories that need it.
    pub needed: u64,
    /// Number of courses and stories that bring it along.
    pub included: u64,
}

/// Copies the packages below `sources` to the data folder and publishes again what needs them. Returns the number of
/// courses and stories that changed.
pub async fn install(data: &DataDir, sources: Vec<PathBuf>) -> Result<u64, Error> {
    let _lock = data.begin_import().await?;
    let to = data.config.data_dir.join(FOLDER);
    blocking(move || Ok(Packs::install(&sources, &to)?)).await?;
    let options = PublishOptions { keeps_state: true, ..PublishOptions::default() };
    let mut changed = 0;
    for manifest in published(data).await? {
        changed += u64::from(publish(data, &manifest, options).await?.changed);
    }
    Ok(changed)
}

/// Returns all known packs with their use.
pub async fn list(data: &DataDir) -> Result<Vec<FontUse>, Error> {
    let manifests = published(data).await?;
    let (folder, blobs) = (data.config.data_dir.join(FOLDER), Arc::clone(&data.blobs));
    blocking(move || {
        let packs = Packs::installed(&folder)?;
        let use_of = |script: &carrel_fonts::Script| {
            let pack = packs.get(script.font);
            let installed = pack.map(|pack| (pack.family.clone(), pack.size().0, pack.size().1));
            FontUse { script: script.name, installed, needed: 0, included: 0 }
        };
        let mut uses: Vec<_> = SCRIPTS.iter().map(use_of).collect();
        for manifest in &manifests {
            let needed = wanted(&texts_of(manifest, |hash| read(blobs.as_ref(), hash))?);
            for (script, found) in SCRIPTS.iter().zip(&mut uses) {
                found.needed += u64::from(needed.contains_key(script.font));
                let is_included = found.installed.as_ref().is_some_and(|(family, ..)| {
                    manifest.fonts.iter().any(|font| font.family == *family)
                });
                found.included += u64::from(is_included);
            }
        }
        Ok(uses)
    })
    .await
}

/// Returns the manifest with the installed fonts that its texts need, whose files are stored as blobs.
pub(crate) async fn add(data: &DataDir, manifest: Manifest) -> Result<Manifest, Error> {
    let (folder, blobs) = (data.config.data_dir.join(FOLDER), Arc::clone(&data.blobs));
    blocking(move || {
        let packs = Packs::installed(&folder)?;
        let WithFonts { manifest, blobs: new } =
            with_fonts(&manifest, &packs, |hash| read(blobs.as_ref(), hash))?;
        for blob in &new {
            if blobs.reserve(blob.entry.hash, blob.entry.size).map_err(io("write", &folder))? {
                continue;
            }
            let stored = blobs.create(blob.entry.hash).and_then(|mut part| {
                part.write_all(&blob.bytes)?;
                part.finish()
            });
            stored.map_err(io("write", &folder))?;
        }
        Ok(manifest)
    })
    .await
}

fn read(blobs: &dyn BlobStore, hash: carrel_model::BlobHash) -> Result<Vec<u8>, Error> {
    blobs.read(hash).map_err(|source| RenderError::Blob { hash, source }.into())
}

async fn published(data: &DataDir) -> Result<Vec<Manifest>, Error> {
    let mut manifests = Vec::new();
    for kind in [Kind::Course, Kind::Story] {
        let all = Filter { limit: u32::MAX, ..Filter::default() };
        for ListedPublication { summary, .. } in data.store.list(kind, None, all).await?.items {
            let unreadable = |e| StoreError::unreadable("publication", e);
            let Summary { id } = serde_json::from_str(&summary).map_err(unreadable)?;
            let Some(published) = data.store.published(kind, &id).await? else { continue };
            let signed: SignedManifest =
                serde_json::from_str(&published.manifest).map_err(unreadable)?;
            manifests.push(serde_json::from_str(&signed.manifest).map_err(unreadable)?);
        }
    }
    Ok(manifests)
}

async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(f).await.map_err(|e| Error::Refused(e.to_string()))?
}
