//! Imports courses and stories from a file.
//!
//! A course becomes visible only when all of it is stored and verified: blobs are stored while the file is read, then
//! one transaction per course makes the new version ready.
//!
//! Not here: the checks before an import (`inspect`, `key_trust`).

use std::{
    io::{Seek, SeekFrom},
    path::Path,
};

use bytes::Bytes;
use carrel_bundle::{Bundle, CourseBundle, Fault, copy_verified, fingerprint};
use carrel_content::{
    Kind,
    blobs::{BlobOrigin, MAX_INLINE},
    download::{DownloadTarget, Downloads, imported},
    library::{Library, OpenManifest},
};
use carrel_model::{BlobHash, Slug};
use carrel_sqlite::{Change, StorageError};
use carrel_system::blocking;

use crate::{
    Error, ImportError, Result,
    bundle::{
        Context,
        device_key::public_key,
        inspect::{LocalState, kind_and_title, local_state, open_bundle},
        key_trust,
        key_trust::KeyTrust,
        transfer_task::TransferTask,
    },
};

/// The result of importing a course.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedCourse {
    pub kind: Kind,
    pub id: Slug,
    pub title: String,
    /// False: a newer local version was kept.
    pub imported: bool,
    /// Number of reviews that were taken over from a file of another program.
    pub reviews: u64,
}

/// Imports all courses of a file. `accept`: the fingerprint of the key that the user accepted, if it is not trusted
/// yet.
pub(crate) async fn import_courses(
    context: &Context<'_>,
    path: &Path,
    accept: Option<&str>,
) -> Result<Vec<ImportedCourse>> {
    let content = &context.account.content;
    let (library, downloads) = (content.library.clone(), content.downloads.clone());
    let library_name = context.library_name();
    let running = context.transfers.begin()?;
    let task = running.task.clone();
    let (path, accept) = (path.to_owned(), accept.map(str::to_owned));
    let own_key = public_key(&context.shared.secrets).await?;
    let imported = blocking(move || {
        let Bundle::Courses(bundle) = open_bundle(&path)?.0 else {
            return Err(ImportError::File(Fault::NoContent).into());
        };
        let key = fingerprint(&bundle.key);
        let (name, header) = (library_name.as_deref(), &bundle.header);
        match key_trust::check(&library, name, header, &bundle.key, own_key.as_deref())? {
            KeyTrust::Trusted => {}
            KeyTrust::NotAccepted if accept.as_deref() == Some(&key) => {}
            KeyTrust::NotAccepted => {
                let name = bundle.header.server_name.clone();
                return Err(ImportError::NotAccepted { name, fingerprint: key }.into());
            }
            KeyTrust::Rejected(refusal) => return Err(refusal.into()),
        }
        import_all(&library, &downloads, &path, &bundle, &task)
    })
    .await?;
    content.library.storage().failpoint("import: done");
    Ok(imported)
}

/// A course to import.
struct CourseImport {
    target: DownloadTarget,
    manifest: OpenManifest,
    as_of_ms: i64,
}

fn import_all(
    library: &Library,
    downloads: &Downloads,
    path: &Path,
    bundle: &CourseBundle,
    task: &TransferTask,
) -> Result<Vec<ImportedCourse>> {
    let mut all = Vec::new();
    let mut importing = Vec::new();
    for (course, manifest) in bundle.header.courses.iter().zip(&bundle.manifests) {
        let (kind, title) = kind_and_title(manifest);
        let (id, version) = (manifest.id(), course.signed.version());
        let local = local_state(library, kind, id, version, &bundle.key, course.as_of_ms)?;
        if local == LocalState::OtherLibrary {
            return Err(ImportError::Taken { title }.into());
        }
        let is_imported = local != LocalState::Newer;
        all.push(ImportedCourse { kind, id: id.clone(), title, imported: is_imported, reviews: 0 });
        if is_imported {
            let target = DownloadTarget::whole(kind, id);
            let signed = course.signed.clone();
            importing.push(CourseImport {
                target,
                manifest: OpenManifest { manifest: manifest.clone(), version, signed },
                as_of_ms: course.as_of_ms,
            });
        }
    }
    // Running downloads of these courses are stopped, and started again if the import fails.
    let were_downloading: Vec<bool> =
        importing.iter().map(|t| downloads.stop_for_import(&t.target)).collect();
    if let Err(e) = import(library, path, bundle, &importing, task) {
        for (course, was_downloading) in importing.iter().zip(were_downloading) {
            imported::cancel(library, &course.target)?;
            if was_downloading {
                downloads.start(course.target.kind, &course.target.id)?;
            }
        }
        tracing::info!(error = %e, "import of a course file failed");
        return Err(e);
    }
    tracing::info!(bundle.courses = importing.len(), "imported a course file");
    Ok(all)
}

fn import(
    library: &Library,
    path: &Path,
    bundle: &CourseBundle,
    importing: &[CourseImport],
    task: &TransferTask,
) -> Result<()> {
    let mut blobs: Vec<BlobHash> =
        importing.iter().flat_map(|t| &t.manifest.manifest.blobs).map(|b| b.hash).collect();
    blobs.sort_unstable();
    let mut versions = Vec::with_capacity(importing.len());
    let failpoint = |name| library.storage().failpoint(name);
    for course in importing {
        versions.push(imported::begin(library, &course.target, &course.manifest)?);
        failpoint("import: target added");
    }
    let local = library.blobs().find_stored(&blobs)?;
    let is_missing = |h: &BlobHash| blobs.binary_search(h).is_ok() && !local.contains(h);
    let need: u64 = bundle.blobs.iter().filter(|b| is_missing(&b.hash)).map(|b| b.size).sum();
    // Reserved as for a download, so that no other transfer uses the same space.
    let reservation = match need {
        0 => None,
        need => Some(library.storage().reserve(need).map_err(|e| no_space(e.into(), need))?),
    };
    failpoint("import: space reserved");
    let copied = |bytes: usize| {
        failpoint("import: bytes copied");
        if let Some(reservation) = &reservation {
            reservation.used(bytes as u64);
        }
        task.add(bytes as u64);
    };
    task.set_total(bundle.blob_bytes);
    let (_, mut file) = open_bundle(path)?;
    file.seek(SeekFrom::Start(bundle.start)).map_err(|e| ImportError::File(e.into()))?;
    for blob in &bundle.blobs {
        task.check()?;
        if !is_missing(&blob.hash) {
            let skipped = i64::try_from(blob.size).unwrap_or(i64::MAX);
            file.seek_relative(skipped).map_err(|e| ImportError::File(e.into()))?;
            task.add(blob.size);
        } else if blob.size <= MAX_INLINE {
            let mut bytes = Vec::with_capacity(MAX_INLINE as usize);
            copy_verified(&mut file, blob, |piece| {
                bytes.extend_from_slice(piece);
                Ok::<_, Error>(())
            })?;
            // `Requested` would reserve the space a second time.
            let bytes = Bytes::from(bytes);
            library.blobs().put_with_origin(blob.hash, &bytes, BlobOrigin::Prefetched)?;
            copied(bytes.len());
        } else {
            let mut part = library.blobs().part(blob.hash)?;
            part.restart()?;
            let copied_all = copy_verified(&mut file, blob, |piece| {
                task.check()?;
                part.write(piece)?;
                copied(piece.len());
                Ok::<_, Error>(())
            });
            if copied_all.is_err() {
                // A download must not continue from the unverified bytes of this file.
                part.restart()?;
            }
            copied_all?;
            part.finish()?;
        }
    }
    // The key is trusted, or the user has accepted it. It is stored unless it is the account's pinned key.
    if library.key_of(library.base_url())?.as_deref() != Some(&bundle.key) {
        library.accept(&bundle.key, &bundle.header.server, &bundle.header.server_name)?;
        failpoint("import: key accepted");
    }
    for (course, version) in importing.iter().zip(&versions) {
        let missing = library.blobs().missing(*version)?;
        if let Some(first) = missing.first() {
            let text = format!("blob {:?} was removed during the import", first.hash);
            return Err(StorageError::other(text).into());
        }
        let origin = imported::Origin {
            server: &bundle.header.server,
            server_name: &bundle.header.server_name,
            as_of_ms: course.as_of_ms,
        };
        if !imported::finish(library, &course.target, *version, &course.manifest, origin)? {
            return Err(Error::Cancelled);
        }
        failpoint("import: course ready");
        if let Err(e) = library.index(&course.manifest) {
            tracing::warn!(download.id = %course.target.id, error = %e, "an imported course could not be indexed");
        }
        failpoint("import: course indexed");
        library.add_to_list(&course.manifest)?;
        failpoint("import: course listed");
        let changes = [
            Change::Downloads,
            Change::Catalogue,
            Change::DownloadProgress(course.target.id.to_string()),
        ];
        library.changes().publish(changes.into());
    }
    Ok(())
}

/// Converts a failed reservation to the error of an import.
fn no_space(e: Error, need: u64) -> Error {
    match e {
        Error::Content(carrel_content::Error::NoSpace { missing, .. }) => {
            ImportError::NoSpace { need, free: need.saturating_sub(missing) }.into()
        }
        e => e,
    }
}
