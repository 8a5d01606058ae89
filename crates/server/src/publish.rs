//! From a manifest whose blobs are stored to the catalogue, and what is reported about it.

use std::sync::Arc;

use carrel_model::{
    BlobHash, Slug,
    content::{Manifest, SignedManifest},
};
use carrel_package::Problem;

use crate::{
    data_dir::DataDir,
    domain::publishing,
    error::Error,
    store::{Kind, Publication},
};

/// What became of everything that was found under the paths.
#[derive(Debug, Default)]
pub struct ImportReport {
    pub packages: Vec<PackageReport>,
}

/// What became of one package.
#[derive(Debug)]
pub struct PackageReport {
    /// As it is called in messages: the path that was given and the folder inside.
    pub name: String,
    /// Errors and warnings, by file and line.
    pub problems: Vec<Problem>,
    /// None if there were errors.
    pub outcome: Option<Imported>,
}

/// A package without errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    pub kind: Kind,
    pub id: Slug,
    pub title: String,
    pub version: BlobHash,
    /// False: this very version was there already, or it was only checked.
    pub changed: bool,
}

impl ImportReport {
    /// True if every package found was good, and there was one.
    pub fn is_ok(&self) -> bool {
        !self.packages.is_empty() && self.packages.iter().all(|p| p.outcome.is_some())
    }
    /// How many packages have errors.
    pub fn failed(&self) -> usize {
        self.packages.iter().filter(|p| p.outcome.is_none()).count()
    }
    pub(crate) fn refuse(&mut self, name: String, problems: Vec<Problem>) {
        self.packages.push(PackageReport { name, problems, outcome: None });
    }
}

/// The report about a manifest without errors.
pub(crate) fn imported(manifest: &Manifest, changed: bool) -> Imported {
    let version = BlobHash::of(manifest.to_canonical().as_bytes());
    let (kind, id, title) = publishing::identity(manifest);
    Imported { kind, id: id.clone(), title: title.to_owned(), version, changed }
}

/// Publishes a manifest whose blobs are stored.
pub(crate) async fn publish(data: &DataDir, manifest: &Manifest) -> Result<Imported, Error> {
    let outcome = imported(manifest, true);
    let other = if outcome.kind == Kind::Course { Kind::Story } else { Kind::Course };
    if data.store.published(other, &outcome.id).await?.is_some() {
        // Progress is stored by the id alone.
        let message = format!(
            "{} is the id of a {} already: give this one another",
            outcome.id,
            other.as_str()
        );
        return Err(Error::Refused(message));
    }
    let before = data.store.published(outcome.kind, &outcome.id).await?;
    let changed = before.is_none_or(|p| p.version != outcome.version);
    let publication = render(data, publishing::sign(manifest, data.signer.as_ref())).await?;
    data.step("publication prepared");
    data.store.publish(publication, data.config.clock.now_ms()).await?;
    data.step("published");
    Ok(Imported { changed, ..outcome })
}

/// Derives a publication from its manifest on a thread that may block.
pub(crate) async fn render(data: &DataDir, signed: SignedManifest) -> Result<Publication, Error> {
    let blobs = Arc::clone(&data.blobs);
    let rendered = tokio::task::spawn_blocking(move || publishing::render(&signed, blobs.as_ref()));
    Ok(rendered.await.map_err(|e| Error::Refused(e.to_string()))??)
}
