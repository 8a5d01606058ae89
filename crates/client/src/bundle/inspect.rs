//! Inspects a file: its contents, its origin, and whether it can be imported. Changes nothing in the library.
//!
//! Not here: the import itself (`import_courses`, `import_work`).

use std::{fs::File, io::BufReader, path::Path};

use carrel_bundle::{Bundle, CourseBundle, Fault, WorkBundle, fingerprint};
use carrel_content::{Kind, library::Library};
use carrel_learning::store::checked;
use carrel_model::{
    BlobHash, Slug,
    content::{Manifest, ManifestContent},
    lattice::{Kv, Row, RowKey, RowType},
};
use carrel_system::blocking;

use crate::{
    Error, ImportError, Result,
    account::AccountInfo,
    bundle::{
        Context,
        convert::{Conversion, ConversionChoice, convert, foreign_format},
        device_key::public_key,
        import_dictionary::{DictionaryInfo, inspect_dictionary},
        key_trust,
        key_trust::KeyTrust,
        rows::DEVICE_KEY,
        upload::Uploads,
    },
};

/// The contents of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BundleInfo {
    Courses(CoursesInfo),
    Work(WorkInfo),
    Dictionary(Box<DictionaryInfo>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoursesInfo {
    /// The library named in the file.
    pub server: String,
    pub server_name: String,
    pub fingerprint: String,
    pub trust: KeyTrust,
    pub made_ms: i64,
    /// Size of the whole file.
    pub bytes: u64,
    /// Size of the blobs that are not on this device yet.
    pub new_bytes: u64,
    pub courses: Vec<CourseInfo>,
    /// For a file of another program: the course file to which it was converted.
    pub conversion: Option<Box<Conversion>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CourseInfo {
    pub kind: Kind,
    pub id: Slug,
    pub title: String,
    pub bytes: u64,
    pub local: LocalState,
}

/// Comparison of a course in a file with the local one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalState {
    Absent,
    /// The same version is local: only missing or damaged blobs are imported.
    Same,
    /// The local version is older: it is replaced.
    Older,
    /// The local version is newer: it is kept.
    Newer,
    /// A local course of another library has this id.
    OtherLibrary,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkInfo {
    pub learner: String,
    pub server_name: String,
    pub device_name: String,
    /// A device of the learner has published the key that signed the file.
    pub device_known: bool,
    pub made_ms: i64,
    pub rows: u64,
    /// Why the file cannot be imported. `Unclaimed` work can be imported once the user confirms that it is theirs.
    pub refusal: Option<ImportError>,
}

/// Reads and checks as much of a file as is possible without importing it. A file of another program is converted
/// first. `lang`: BCP 47 tag of a file that does not state its language.
pub(crate) async fn inspect(
    context: &Context<'_>,
    path: &Path,
    choice: ConversionChoice<'_>,
    uploads: &Uploads,
) -> Result<BundleInfo> {
    let source = path.to_owned();
    let Some(format) = blocking(move || Ok::<_, Error>(foreign_format(&source))).await? else {
        return inspect_bundle(context, path).await;
    };
    context.shared.policies.check_course_import()?;
    let folder = uploads.folder_for(path).await?;
    let conversion = convert(context, path, format, choice, &folder).await?;
    let mut inspected = inspect_bundle(context, &conversion.path).await?;
    if let BundleInfo::Courses(info) = &mut inspected {
        info.conversion = Some(Box::new(conversion));
    }
    Ok(inspected)
}

async fn inspect_bundle(context: &Context<'_>, path: &Path) -> Result<BundleInfo> {
    let path = path.to_owned();
    match blocking(move || open_bundle(&path)).await?.0 {
        Bundle::Courses(bundle) => {
            let (account, name) = (context.account.clone(), context.library_name());
            let own_key = public_key(&context.shared.secrets).await?;
            let info = blocking(move || {
                let (library, name) = (&account.content.library, name.as_deref());
                inspect_courses(library, name, own_key.as_deref(), &bundle)
            });
            info.await.map(BundleInfo::Courses)
        }
        Bundle::Dictionary(bundle) => {
            let (account, dictionaries) = (context.account.clone(), context.dictionaries.clone());
            let info = blocking(move || {
                inspect_dictionary(&account.content.library, &dictionaries, &bundle)
            });
            info.await.map(|info| BundleInfo::Dictionary(Box::new(info)))
        }
        Bundle::Work(work) => inspect_work(context, work).await.map(BundleInfo::Work),
    }
}

/// Opens a file and checks it, except its blobs. Returns `Fault::NotCarrel` if it is not a regular file, because
/// reading a pipe might never end.
pub(super) fn open_bundle(path: &Path) -> Result<(Bundle, BufReader<File>)> {
    let unreadable = |e: std::io::Error| Error::from(ImportError::File(e.into()));
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(ImportError::File(Fault::NotCarrel).into());
    }
    let mut file = BufReader::with_capacity(256 * 1024, File::open(path).map_err(unreadable)?);
    let bundle = carrel_bundle::open(&mut file, metadata.len()).map_err(ImportError::File)?;
    Ok((bundle, file))
}

fn inspect_courses(
    library: &Library,
    library_name: Option<&str>,
    own_key: Option<&str>,
    bundle: &CourseBundle,
) -> Result<CoursesInfo> {
    let header = &bundle.header;
    let mut courses = Vec::with_capacity(bundle.manifests.len());
    for (course, manifest) in header.courses.iter().zip(&bundle.manifests) {
        let (kind, title) = kind_and_title(manifest);
        let (id, version) = (manifest.id(), course.signed.version());
        courses.push(CourseInfo {
            kind,
            id: id.clone(),
            title,
            bytes: manifest.total_bytes(),
            local: local_state(library, kind, id, version, &bundle.key, course.as_of_ms)?,
        });
    }
    let hashes: Vec<BlobHash> = bundle.blobs.iter().map(|b| b.hash).collect();
    let have = library.blobs().find_stored(&hashes)?;
    Ok(CoursesInfo {
        server: header.server.clone(),
        server_name: header.server_name.clone(),
        fingerprint: fingerprint(&bundle.key),
        trust: key_trust::check(library, library_name, header, &bundle.key, own_key)?,
        made_ms: header.made_ms,
        bytes: bundle.len(),
        new_bytes: bundle.blobs.iter().filter(|b| !have.contains(&b.hash)).map(|b| b.size).sum(),
        courses,
        conversion: None,
    })
}

pub(super) fn kind_and_title(manifest: &Manifest) -> (Kind, String) {
    match &manifest.content {
        ManifestContent::Course { meta, .. } => (Kind::Course, meta.title.clone()),
        ManifestContent::Story { meta, .. } => (Kind::Story, meta.title.clone()),
    }
}

/// Compares a version with the local one. Versions have no order, so the times are compared at which each was last known
/// to be the server's newest; the later one is newer.
pub(super) fn local_state(
    library: &Library,
    kind: Kind,
    id: &Slug,
    version: BlobHash,
    key: &str,
    as_of_ms: i64,
) -> Result<LocalState> {
    let Some(ready) = library.ready_manifest(kind, id)? else { return Ok(LocalState::Absent) };
    if ready.signed.key != key {
        return Ok(LocalState::OtherLibrary);
    }
    if ready.version == version {
        return Ok(LocalState::Same);
    }
    let is_newest = library.known_version(kind, id)? == Some(version);
    let local_as_of_ms = library.newest_as_of(kind, id, ready.version)?;
    Ok(if is_newest || as_of_ms > local_as_of_ms { LocalState::Older } else { LocalState::Newer })
}

/// Returns the work file, with the reason why this account cannot import it, if any.
pub(super) async fn check_work(
    context: &Context<'_>,
    work: WorkBundle,
) -> Result<(WorkBundle, Option<ImportError>)> {
    let (account, info) = (context.account.clone(), context.info.clone());
    blocking(move || {
        let refusal = check_learner(&account.content.library, &info, &work)?;
        Ok((work, refusal))
    })
    .await
}

fn check_learner(
    library: &Library,
    info: &AccountInfo,
    work: &WorkBundle,
) -> Result<Option<ImportError>> {
    let header = &work.header;
    if header.is_guest() {
        return Ok(Some(ImportError::Unclaimed));
    }
    if info.server.is_some() && info.user.id == header.learner.id {
        return Ok(None);
    }
    let is_same_server = match &info.server {
        None => true,
        Some(server) => {
            let key = library.key_of(server)?;
            *server == header.server || key.is_some_and(|k| k == header.server_key)
        }
    };
    Ok(Some(if is_same_server {
        ImportError::OtherLearner { name: header.learner.name.clone() }
    } else {
        ImportError::OtherServer { server: header.server_name.clone() }
    }))
}

async fn inspect_work(context: &Context<'_>, work: WorkBundle) -> Result<WorkInfo> {
    let (work, refusal) = check_work(context, work).await?;
    let (id, key) = (work.header.device.id, work.header.device.key.clone());
    let device_known = context
        .account
        .store
        .read(move |conn| {
            let row = RowKey::of(RowType::Kv, &[DEVICE_KEY, &id.to_string()]);
            let known = checked::get(conn, &row)?;
            Ok(matches!(known, Some(Row::Kv(Kv { value, .. })) if value == format!("\"{key}\"")))
        })
        .await?;
    let header = work.header;
    Ok(WorkInfo {
        learner: header.learner.name,
        server_name: header.server_name,
        device_name: header.device.name,
        device_known,
        made_ms: header.made_ms,
        rows: header.rows,
        refusal,
    })
}
