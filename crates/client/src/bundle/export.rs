//! Exports downloaded courses, or a learner's rows, to a file.
//!
//! The file is written as `NAME.part` and renamed when it is complete on disk. Every blob is verified while it is
//! copied.
//!
//! Not here: the file format (`carrel_bundle`), and imports.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use carrel_bundle::{
    BundledCourse, COURSE_FORMAT, CourseBundle, CourseHeader, WorkBundle, WorkDevice, WorkHeader,
    WorkLearner,
};
use carrel_content::{
    Kind,
    blobs::BlobStore,
    library::{Library, OpenManifest},
};
use carrel_learning::store::Store;
use carrel_model::{
    BlobHash, Slug,
    content::{ManifestBlob, ManifestContent},
    lattice::Kv,
};
use carrel_system::blocking;
use data_encoding::HEXLOWER;

use crate::{
    Error, ImportError, Result,
    account::{AccountInfo, Device},
    bundle::{
        Context, EXTENSION,
        device_key::device_key,
        removable_media::free_bytes,
        rows::{DEVICE_KEY, all_rows},
        transfer_task::TransferTask,
    },
};

/// Bytes left free on the drive for the file system.
const MIN_FREE_BYTES: u64 = 1024 * 1024;
const CHUNK_BYTES: usize = 1024 * 1024;

/// An exported file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedFile {
    pub path: PathBuf,
    pub bytes: u64,
    /// Number of courses and stories, or of rows.
    pub count: u64,
}

/// Exports local courses and stories to one file in `folder`.
pub(crate) async fn export_courses(
    context: &Context<'_>,
    items: &[(Kind, Slug)],
    folder: &Path,
) -> Result<ExportedFile> {
    let running = context.transfers.begin()?;
    let task = running.task.clone();
    let (account, info, made_by) =
        (context.account.clone(), context.info.clone(), context.made_by());
    let (items, folder) = (items.to_vec(), folder.to_owned());
    blocking(move || {
        let library = &account.content.library;
        let manifests = ready_manifests(library, &items)?;
        let mut courses = Vec::with_capacity(items.len());
        for ((kind, id), ready) in items.iter().zip(&manifests) {
            let as_of_ms = library.newest_as_of(*kind, id, ready.version)?;
            courses.push(BundledCourse { as_of_ms, signed: ready.signed.clone() });
        }
        // Imported courses are exported with the address and name of their own library.
        let (server, server_name) = match manifests.first() {
            Some(first) => library.imported_from(first)?,
            None => None,
        }
        .unwrap_or_else(|| (account.base_url.clone(), info.server_name.clone()));
        let bundle = CourseBundle::new(CourseHeader {
            format: COURSE_FORMAT.to_owned(),
            server,
            server_name,
            made_ms: library.clock().now_ms(),
            made_by,
            courses,
        })
        .map_err(ImportError::File)?;
        let name = match items.as_slice() {
            [(_, id)] => id.to_string(),
            _ => format!("carrel-{}-courses", items.len()),
        };
        let path = folder.join(format!("{name}.{EXTENSION}"));
        let bytes = write_courses(library.blobs(), &manifests, &bundle, &path, &task)?;
        let count = items.len() as u64;
        tracing::info!(bundle.courses = count, bundle.bytes = bytes, "exported a course file");
        Ok(ExportedFile { path, bytes, count })
    })
    .await
}

fn ready_manifests(library: &Library, items: &[(Kind, Slug)]) -> Result<Vec<Arc<OpenManifest>>> {
    let mut manifests = Vec::with_capacity(items.len());
    for (kind, id) in items {
        let Some(ready) = library.ready_manifest(*kind, id)? else {
            let title = library.title(*kind, id.as_str())?;
            return Err(ImportError::NotDownloaded(title.unwrap_or_else(|| id.to_string())).into());
        };
        manifests.push(ready);
    }
    Ok(manifests)
}

/// Exports all rows of the account to a file in `folder`, signed with this device's key.
pub(crate) async fn export_work(context: &Context<'_>, folder: &Path) -> Result<ExportedFile> {
    let running = context.transfers.begin()?;
    let task = running.task.clone();
    let Context { account, info, shared, .. } = context;
    if !info.is_demo() {
        let key = device_key(&shared.secrets, &shared.config.ids).await?;
        publish_key(&account.store, HEXLOWER.encode(key.verifying_key().as_bytes())).await?;
    }
    let work = work_file(context).await?;
    let login = if info.is_demo() { "guest" } else { info.user.login.as_str() };
    let date = date_and_time(account.store.clock().now_ms());
    let path = folder.join(format!("{}-work-{date}.{EXTENSION}", to_file_name(login)));
    blocking(move || {
        let bytes = work.bytes.len() as u64;
        write_content(&path, &work.bytes, &task)?;
        tracing::info!(bundle.rows = work.rows, bundle.bytes = bytes, "exported a work file");
        Ok(ExportedFile { path, bytes, count: work.rows })
    })
    .await
}

/// The bytes of a work file.
pub(super) struct WorkFile {
    pub bytes: Vec<u8>,
    /// Number of rows.
    pub rows: u64,
}

/// Returns all rows of the account as a work file, signed with this device's key.
pub(super) async fn work_file(context: &Context<'_>) -> Result<WorkFile> {
    let Context { account, info, shared, .. } = context;
    let key = device_key(&shared.secrets, &shared.config.ids).await?;
    let rows = account.store.read(all_rows).await?;
    let now_ms = account.store.clock().now_ms();
    let (account, info, made_by) = (account.clone(), info.clone(), context.made_by());
    let device = shared.accounts.device();
    blocking(move || {
        let header = work_header(&account.content.library, info, device, made_by, now_ms)?;
        let bytes = WorkBundle::write(header, &rows, &key).map_err(ImportError::File)?;
        let rows = rows.iter().filter(|r| !r.is_server_only()).count() as u64;
        Ok(WorkFile { bytes, rows })
    })
    .await
}

/// Writes a file that was made in memory to `folder`. A file of the same name is replaced. `count`: number of entries.
pub(crate) async fn export_file(
    context: &Context<'_>,
    folder: &Path,
    name: &str,
    content: Vec<u8>,
    count: u64,
) -> Result<ExportedFile> {
    let running = context.transfers.begin()?;
    let task = running.task.clone();
    let path = folder.join(name);
    blocking(move || {
        let bytes = content.len() as u64;
        write_content(&path, &content, &task)?;
        Ok(ExportedFile { path, bytes, count })
    })
    .await
}

/// Writes `content` to `target` in pieces, so that it can be cancelled.
fn write_content(target: &Path, content: &[u8], task: &TransferTask) -> Result<()> {
    let bytes = content.len() as u64;
    task.set_total(bytes);
    write_file(target, bytes, task, |out| {
        for piece in content.chunks(CHUNK_BYTES) {
            task.check()?;
            out.write_all(piece).map_err(|e| write_error(e, target))?;
            task.add(piece.len() as u64);
        }
        Ok(())
    })
}

fn work_header(
    library: &Library,
    info: AccountInfo,
    device: Device,
    made_by: String,
    made_ms: i64,
) -> Result<WorkHeader> {
    let server_key = match &info.server {
        Some(server) => library.key_of(server)?.unwrap_or_default(),
        None => String::new(),
    };
    let server_name = if info.is_demo() { String::new() } else { info.server_name };
    Ok(WorkHeader {
        format: String::new(),
        learner: WorkLearner { id: info.user.id, login: info.user.login, name: info.user.name },
        server: info.server.unwrap_or_default(),
        server_name,
        server_key,
        device: WorkDevice { id: device.id, name: device.name, key: String::new() },
        made_ms,
        made_by,
        certificate: info.certificate,
        rows: 0,
        row_bytes: 0,
        row_hash: BlobHash([0; 32]),
    })
}

/// Writes this device's public key to a register that syncs to the learner's other devices, which then recognise files
/// of this device.
async fn publish_key(store: &Store, key: String) -> carrel_learning::Result<()> {
    let value = format!("\"{key}\"");
    store
        .write("publish_key", move |tx| {
            let device = tx.device();
            let before: Option<Kv> = tx.find(&[DEVICE_KEY.to_owned(), device.to_string()])?;
            if before.is_none_or(|b| b.value != value) {
                let (ns, key, hlc) = (DEVICE_KEY.to_owned(), device.to_string(), tx.hlc());
                let value = value.clone();
                tx.join(Kv { ns, key, value, hlc, device, extra: Default::default() })?;
            }
            Ok(())
        })
        .await
}

fn write_courses(
    blobs: &BlobStore,
    manifests: &[Arc<OpenManifest>],
    bundle: &CourseBundle,
    target: &Path,
    task: &TransferTask,
) -> Result<u64> {
    for manifest in manifests {
        check_complete(blobs, manifest)?;
    }
    task.set_total(bundle.len());
    write_file(target, bundle.len(), task, |out| {
        let header = bundle.prefix_and_header().map_err(ImportError::File)?;
        out.write_all(&header).map_err(|e| write_error(e, target))?;
        task.add(header.len() as u64);
        for blob in &bundle.blobs {
            if !write_blob(blobs, blob, out, target, task)? {
                // Removed or damaged since the check above. `verify` removes a damaged blob; `check_complete` then
                // reports it as missing.
                blobs.verify(blob.hash)?;
                for manifest in manifests {
                    check_complete(blobs, manifest)?;
                }
                return Err(carrel_content::Error::Corrupt(format!("blob {:?}", blob.hash)).into());
            }
        }
        Ok(())
    })?;
    Ok(bundle.len())
}

/// Copies a blob to `out`. Returns false if it is missing or damaged.
fn write_blob(
    blobs: &BlobStore,
    blob: &ManifestBlob,
    out: &mut File,
    target: &Path,
    task: &TransferTask,
) -> Result<bool> {
    let Some(stored) = blobs.locate(blob.hash)? else { return Ok(false) };
    if stored.size() != blob.size {
        return Ok(false);
    }
    let mut hasher = blake3::Hasher::new();
    let mut offset = 0;
    while offset < blob.size {
        task.check()?;
        let piece = stored.read_at(offset, CHUNK_BYTES)?;
        if piece.is_empty() {
            return Ok(false);
        }
        hasher.update(&piece);
        out.write_all(&piece).map_err(|e| write_error(e, target))?;
        offset += piece.len() as u64;
        task.add(piece.len() as u64);
    }
    Ok(hasher.finalize().as_bytes() == &blob.hash.0)
}

/// Returns `ImportError::Missing` if blobs of the manifest are not on this device.
fn check_complete(blobs: &BlobStore, open: &OpenManifest) -> Result<()> {
    let all = &open.manifest.blobs;
    let local = blobs.find_stored(&all.iter().map(|b| b.hash).collect::<Vec<_>>())?;
    let missing: Vec<&ManifestBlob> = all.iter().filter(|b| !local.contains(&b.hash)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let (title, names) = titles(open);
    let name = |blob: &&ManifestBlob| match names.iter().find(|(hash, _)| *hash == blob.hash) {
        Some((_, name)) => name.clone(),
        None => format!("{} of {} bytes", blob.media_type, blob.size),
    };
    Err(ImportError::Missing {
        title,
        files: missing.len() as u32,
        bytes: missing.iter().map(|b| b.size).sum(),
        what: missing.iter().take(5).map(name).collect::<Vec<_>>().join(", "),
    }
    .into())
}

/// Returns the title of the course or story, and for each of its sections and stories the hash of the body and the
/// title.
fn titles(open: &OpenManifest) -> (String, Vec<(BlobHash, String)>) {
    match &open.manifest.content {
        ManifestContent::Course { meta, outline } => {
            let sections = outline.lessons.iter().flat_map(|l| &l.sections);
            let mut names: Vec<_> = sections.map(|s| (s.body, s.title.clone())).collect();
            names.extend(outline.stories.iter().map(|s| (s.body, s.title.clone())));
            (meta.title.clone(), names)
        }
        ManifestContent::Story { meta, body } => {
            (meta.title.clone(), vec![(*body, meta.title.clone())])
        }
    }
}

/// Writes `target` completely or not at all, after a check of the free space.
pub(super) fn write_file(
    target: &Path,
    bytes: u64,
    task: &TransferTask,
    write: impl FnOnce(&mut File) -> Result<()>,
) -> Result<()> {
    let not_writable = |path: &Path| ImportError::NotWritable(path.display().to_string());
    let folder = target.parent().filter(|f| f.is_dir()).ok_or_else(|| not_writable(target))?;
    if let Some(free) = free_bytes(folder)
        && free < bytes.saturating_add(MIN_FREE_BYTES)
    {
        return Err(
            ImportError::NoSpace { need: bytes.saturating_add(MIN_FREE_BYTES), free }.into()
        );
    }
    let part = part_path(target);
    let mut file = File::create(&part).map_err(|_| not_writable(target))?;
    let written = write(&mut file)
        .and_then(|()| task.check())
        .and_then(|()| file.sync_all().map_err(|e| write_error(e, target)));
    drop(file);
    let done = written.and_then(|()| fs::rename(&part, target).map_err(|e| write_error(e, target)));
    if done.is_err() {
        let _ = fs::remove_file(&part);
    }
    #[cfg(unix)]
    if done.is_ok()
        && let Err(e) = File::open(folder).and_then(|f| f.sync_all())
    {
        // Not supported on FAT and on network folders.
        tracing::debug!(error = %e, "the folder of an exported file could not be synced");
    }
    done
}

fn part_path(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// Converts a write error. A file that is too large for the file system (4 GiB on FAT) is reported as missing space.
pub(super) fn write_error(e: std::io::Error, target: &Path) -> Error {
    match e.kind() {
        std::io::ErrorKind::FileTooLarge => {
            ImportError::NoSpace { need: u64::from(u32::MAX) + 1, free: u64::from(u32::MAX) }.into()
        }
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            ImportError::NotWritable(target.display().to_string()).into()
        }
        _ => e.into(),
    }
}

/// Returns at most 40 characters of `text`, with hyphens for all but ASCII letters and digits, as a valid file name.
fn to_file_name(text: &str) -> String {
    let to_allowed = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' };
    let name: String = text.chars().take(40).map(to_allowed).collect();
    if name.trim_matches('-').is_empty() { "learner".to_owned() } else { name }
}

/// Returns a file name such as `carrel-notes-2026-11-20-1405.md`.
pub(crate) fn file_name(what: &str, now_ms: i64, extension: &str) -> String {
    format!("carrel-{what}-{}.{extension}", date_and_time(now_ms))
}

/// Formats a time as `2026-11-20-1405`, in UTC.
fn date_and_time(now_ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(now_ms) {
        Ok(time) => time.strftime("%Y-%m-%d-%H%M").to_string(),
        Err(_) => now_ms.to_string(),
    }
}
