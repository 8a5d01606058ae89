//! Publishing a manifest whose blobs are stored; also the report of an import.

use std::sync::Arc;

use carrel_authoring::report::{CheckReport, CheckedPackage, Conversion, Identity};
use carrel_model::{
    BlobHash, Slug, UserId,
    content::{CourseMeta, Manifest, SignedManifest},
};
use carrel_package::{Declared, Problem};
use carrel_people::permissions::Caller;

use crate::{
    data_dir::DataDir,
    domain::{courses::Publishing, publishing},
    error::Error,
    fonts,
    store::{Kind, Publication, StoreError, tx::CourseRow},
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
    /// Converts a report to the form in which it is shown. A check does not compare with what is published.
    pub fn to_check_report(&self, is_import: bool) -> CheckReport {
        let identity = |outcome: &Imported| Identity {
            id: outcome.id.as_str().to_owned(),
            title: outcome.title.clone(),
            is_unchanged: is_import && !outcome.changed,
        };
        let packages = self.packages.iter().map(|package| CheckedPackage {
            path: package.name.clone(),
            root: package.root.clone(),
            kind: package.kind.map(Kind::as_str),
            declared: package.declared.clone(),
            identity: package.outcome.as_ref().map(identity),
            problems: package.problems.clone(),
            conversion: package.source.as_ref().map(|source| Conversion {
                text: source.to_text(),
                json: serde_json::to_value(source).unwrap_or_default(),
            }),
        });
        CheckReport { packages: packages.collect() }
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

/// How the command line publishes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PublishOptions {
    /// The new owner of the courses; `None`: unchanged.
    pub owner: Option<UserId>,
    /// Courses that were withdrawn or archived stay so.
    pub keeps_state: bool,
}

/// Publishes a manifest whose blobs are stored, with the installed fonts that its texts need.
pub(crate) async fn publish(
    data: &DataDir,
    manifest: &Manifest,
    options: PublishOptions,
) -> Result<Imported, Error> {
    let (outcome, publication) = prepare(data, manifest).await?;
    let before = data.store.published(outcome.kind, &outcome.id).await?;
    let changed = before.is_none_or(|p| p.version != outcome.version);
    data.failpoint("publication prepared");
    let how = Publishing {
        by: Caller::COMMAND_LINE,
        owner: options.owner,
        reopens: !options.keeps_state,
        kept: data.config.settings.course_versions_kept,
    };
    data.store.publish(publication, how, data.config.clock.now_ms()).await?;
    data.failpoint("published");
    Ok(Imported { changed, ..outcome })
}

/// Derives the publication of a manifest whose blobs are stored, with the installed fonts that its texts need.
///
/// # Errors
/// `Refused` if its id cannot be used.
pub(crate) async fn prepare(
    data: &DataDir,
    manifest: &Manifest,
) -> Result<(Imported, Publication), Error> {
    let manifest = &fonts::add(data, manifest.clone()).await?;
    let outcome = imported(manifest, true);
    let is_reserved = CourseMeta::is_reserved_id(&outcome.id) || outcome.id.as_str() == "uploads";
    if outcome.kind == Kind::Course && is_reserved {
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
    let publication = render(data, publishing::sign(manifest, data.signer.as_ref())).await?;
    Ok((outcome, publication))
}

impl DataDir {
    /// Publishes a stored version of a course: the draft, or one that was published before.
    pub async fn publish_version(
        &self,
        by: Caller,
        id: &Slug,
        version: BlobHash,
    ) -> Result<CourseRow, Error> {
        let publication = of_version(self, id, version).await?;
        let kept = self.config.settings.course_versions_kept;
        let now = self.config.clock.now_ms();
        Ok(self.store.publish_version(by, publication, kept, now).await?)
    }
}

/// Derives the publication of a stored version of a course.
async fn of_version(data: &DataDir, id: &Slug, version: BlobHash) -> Result<Publication, Error> {
    let stored = data.store.kept_version(id, version).await?;
    let signed: SignedManifest = serde_json::from_str(&stored.manifest)
        .map_err(|e| StoreError::unreadable("manifest", e))?;
    render(data, signed).await
}

/// Derives a publication from its manifest on a blocking thread.
pub(crate) async fn render(data: &DataDir, signed: SignedManifest) -> Result<Publication, Error> {
    let blobs = Arc::clone(&data.blobs);
    let rendered = tokio::task::spawn_blocking(move || publishing::render(&signed, blobs.as_ref()));
    Ok(rendered.await.map_err(|e| Error::Refused(e.to_string()))??)
}
