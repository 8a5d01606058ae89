//! Publishing a manifest whose blobs are stored; also the report of an import.

use std::sync::Arc;

use carrel_model::{
    BlobHash, Slug,
    content::{CourseMeta, Manifest, SignedManifest},
};
use carrel_package::{Declared, Problem};

use crate::{
    data_dir::DataDir,
    domain::publishing,
    error::Error,
    fonts,
    store::{Kind, Publication},
};

/// Report of everything found under the imported paths.
#[derive(Debug, Default)]
pub struct ImportReport {
    pub packages: Vec<PackageReport>,
}

/// Report of one package.
#[derive(Debug)]
pub struct PackageReport {
    /// Name in messages: the given path and the folder inside it.
    pub name: String,
    /// Folder to which the files of problems are relative.
    pub root: String,
    /// `None` if no package was found.
    pub kind: Option<Kind>,
    /// Id and title that the package states, also if there are errors.
    pub declared: Declared,
    /// Errors and warnings, by file and line.
    pub problems: Vec<Problem>,
    /// `None` if there were errors.
    pub outcome: Option<Imported>,
    /// For a file of another program: what became of its items.
    pub source: Option<carrel_import::Report>,
}

/// A package without errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    pub kind: Kind,
    pub id: Slug,
    pub title: String,
    pub version: BlobHash,
    /// False if this version was already published or the package was only checked.
    pub changed: bool,
}

impl ImportReport {
    /// Returns true if there was at least one package and all packages are without errors.
    pub fn is_ok(&self) -> bool {
        !self.packages.is_empty() && self.packages.iter().all(|p| p.outcome.is_some())
    }
    /// Returns the number of packages with errors.
    pub fn failed(&self) -> usize {
        self.packages.iter().filter(|p| p.outcome.is_none()).count()
    }
    pub(crate) fn refuse(&mut self, name: String, problems: Vec<Problem>) {
        let (root, declared) = (name.clone(), Declared::default());
        let report = PackageReport {
            name,
            root,
            kind: None,
            declared,
            problems,
            outcome: None,
            source: None,
        };
        self.packages.push(report);
    }
}

/// Returns the outcome for a manifest without errors.
pub(crate) fn imported(manifest: &Manifest, changed: bool) -> Imported {
    let version = BlobHash::of(manifest.to_canonical().as_bytes());
    let (kind, id, title) = publishing::identity(manifest);
    Imported { kind, id: id.clone(), title: title.to_owned(), version, changed }
}

/// Publishes a manifest whose blobs are stored, with the installed fonts that its texts need.
pub(crate) async fn publish(data: &DataDir, manifest: &Manifest) -> Result<Imported, Error> {
    let manifest = &fonts::add(data, manifest.clone()).await?;
    let outcome = imported(manifest, true);
    if outcome.kind == Kind::Course && CourseMeta::is_reserved_id(&outcome.id) {
        let message = format!(
            "the id {} is a name that servers use themselves; hint: choose another id",
            outcome.id
        );
        return Err(Error::Refused(message));
    }
    let other = if outcome.kind == Kind::Course { Kind::Story } else { Kind::Course };
    if data.store.published(other, &outcome.id).await?.is_some() {
        // Progress is stored by id, without the kind.
        let message = format!(
            "the id {} is already used by a {}; hint: choose another id",
            outcome.id,
            other.as_str()
        );
        return Err(Error::Refused(message));
    }
    let before = data.store.published(outcome.kind, &outcome.id).await?;
    let changed = before.is_none_or(|p| p.version != outcome.version);
    let publication = render(data, publishing::sign(manifest, data.signer.as_ref())).await?;
    data.failpoint("publication prepared");
    data.store.publish(publication, data.config.clock.now_ms()).await?;
    data.failpoint("published");
    Ok(Imported { changed, ..outcome })
}

/// Derives a publication from its manifest on a blocking thread.
pub(crate) async fn render(data: &DataDir, signed: SignedManifest) -> Result<Publication, Error> {
    let blobs = Arc::clone(&data.blobs);
    let rendered = tokio::task::spawn_blocking(move || publishing::render(&signed, blobs.as_ref()));
    Ok(rendered.await.map_err(|e| Error::Refused(e.to_string()))??)
}
