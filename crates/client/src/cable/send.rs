//! Out of this device: downloaded courses into one file, a learner's rows into another.
//!
//! A file is written beside its name, as `NAME.part`, and gets its name when all of it is on the disk. Every byte is proved on the way.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use carrel_cable::{
    BundledCourse, COURSE_FORMAT, CourseBundle, CourseHead, WorkBundle, WorkDevice, WorkHead,
    WorkLearner,
};
use carrel_content::{
    Kind,
    blobs::BlobStore,
    library::{Library, OpenManifest},
};
use carrel_learning::store::{Store, checked};
use carrel_model::{
    BlobHash, Slug,
    content::{ManifestBlob, ManifestContent},
    lattice::{Kv, Row, RowType},
};
use carrel_system::blocking;
use data_encoding::HEXLOWER;

use crate::{
    Error, Result,
    cable::{EXTENSION, Refusal, device_key, journey::Journey, places::free_bytes},
    core::Core,
};

/// Left free on the stick, so that the file system has room to work.
const SPARE: u64 = 1024 * 1024;
const CHUNK: usize = 1024 * 1024;
/// The name space in which a device tells the learner's others its key.
pub(super) const DEVICE_KEY: &str = "device_key";

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub path: PathBuf,
    pub bytes: u64,
    /// Courses and stories, or rows.
    pub count: u64,
}

impl Core {
    /// Writes courses and stories that are on this device into one file in the folder `place`. One of the same name is replaced.
    ///
    /// Errors: `Refusal::NotHere`, `Missing` (with what), `NoSpace`, `NoPlace`, `Busy`; `Cancelled`.
    pub async fn export_courses(&self, what: &[(Kind, Slug)], place: &Path) -> Result<Sent> {
        let account = self.need_account()?;
        let info = self.account_info().ok_or(Error::UNAUTHENTICATED)?;
        let library = account.content.library.clone();
        let mut courses = Vec::with_capacity(what.len());
        let mut manifests = Vec::with_capacity(what.len());
        for (kind, id) in what {
            let Some(ready) = library.ready_manifest(*kind, id)? else {
                let title = library.title(*kind, id.as_str())?;
                return Err(Refusal::NotHere(title.unwrap_or_else(|| id.to_string())).into());
            };
            let as_of_ms = library.named_as_of(*kind, id, ready.version)?;
            courses.push(BundledCourse { as_of_ms, signed: ready.signed.clone() });
            manifests.push(ready);
        }
        // A course that came by cable goes on under the name it came with.
        let (server, server_name) = match manifests.first() {
            Some(first) if info.is_demo() => library.came_from(first)?,
            _ => None,
        }
        .unwrap_or_else(|| (account.base_url.clone(), info.server_name.clone()));
        let bundle = CourseBundle::new(CourseHead {
            format: COURSE_FORMAT.to_owned(),
            server,
            server_name,
            made_ms: self.clock().now_ms(),
            made_by: self.made_by(),
            courses,
        })
        .map_err(Refusal::File)?;
        let name = match what {
            [(_, id)] => id.to_string(),
            _ => format!("carrel-{}-courses", what.len()),
        };
        let target = place.join(format!("{name}.{EXTENSION}"));
        let under_way = self.cable().begin()?;
        let journey = under_way.journey.clone();
        let count = what.len() as u64;
        blocking(move || {
            let bytes = write_parcel(&library, &manifests, &bundle, &target, &journey)?;
            tracing::info!(
                cable.courses = count,
                cable.bytes = bytes,
                "courses were written to a file"
            );
            Ok(Sent { path: target, bytes, count })
        })
        .await
    }

    /// Writes all rows of the open account into a file in the folder `place`, signed by this device. What waits, waits on.
    pub async fn export_work(&self, place: &Path) -> Result<Sent> {
        let account = self.need_account()?;
        let info = self.account_info().ok_or(Error::UNAUTHENTICATED)?;
        let under_way = self.cable().begin()?;
        let journey = under_way.journey.clone();
        let (secrets, ids) = (self.secrets().clone(), self.config().ids.clone());
        let key = blocking(move || device_key::open(&secrets, ids.as_ref())).await?;
        if !info.is_demo() {
            name_key(&account.store, HEXLOWER.encode(key.verifying_key().as_bytes())).await?;
        }
        let rows = account.store.read(all_rows).await?;
        let device = self.accounts().device();
        let now_ms = self.clock().now_ms();
        let head = WorkHead {
            format: String::new(),
            learner: WorkLearner {
                id: info.user.id,
                login: info.user.login.clone(),
                name: info.user.name.clone(),
            },
            server: info.server.clone().unwrap_or_default(),
            server_name: if info.is_demo() { String::new() } else { info.server_name.clone() },
            server_key: match &info.server {
                Some(server) => account.content.library.key_of(server)?.unwrap_or_default(),
                None => String::new(),
            },
            device: WorkDevice { id: device.id, name: device.name, key: String::new() },
            made_ms: now_ms,
            made_by: self.made_by(),
            certificate: info.certificate.clone(),
            rows: 0,
            row_bytes: 0,
            row_hash: BlobHash([0; 32]),
        };
        let who = if info.is_demo() { "guest" } else { info.user.login.as_str() };
        let target = place.join(format!("{}-work-{}.{EXTENSION}", plain(who), day(now_ms)));
        blocking(move || {
            let file = WorkBundle::write(head, &rows, &key).map_err(Refusal::File)?;
            let count = rows.iter().filter(|r| !r.is_server_only()).count() as u64;
            let bytes = file.len() as u64;
            journey.expect(bytes);
            write_file(&target, bytes, &journey, |out| {
                for piece in file.chunks(CHUNK) {
                    journey.check()?;
                    out.write_all(piece).map_err(|e| written(e, &target))?;
                    journey.add(piece.len() as u64);
                }
                Ok(())
            })?;
            tracing::info!(cable.rows = count, cable.bytes = bytes, "work was written to a file");
            Ok(Sent { path: target.clone(), bytes, count })
        })
        .await
    }

    fn made_by(&self) -> String {
        format!("Carrel {}", self.config().app_version)
    }
}

/// Tells the learner's other devices the key that this one signs with, so that they know its files.
async fn name_key(store: &Store, key: String) -> carrel_learning::Result<()> {
    let value = format!("\"{key}\"");
    store
        .write("name_key", move |tx| {
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

/// One snapshot, in the order of kinds and keys.
pub(crate) fn all_rows(conn: &rusqlite::Connection) -> carrel_learning::Result<Vec<Row>> {
    let mut all = Vec::new();
    for row_type in RowType::ALL {
        all.extend(checked::all(conn, *row_type)?);
    }
    Ok(all)
}

fn write_parcel(
    library: &Library,
    manifests: &[Arc<OpenManifest>],
    bundle: &CourseBundle,
    target: &Path,
    journey: &Journey,
) -> Result<u64> {
    let blobs = library.blobs();
    for manifest in manifests {
        nothing_missing(blobs, manifest)?;
    }
    journey.expect(bundle.len());
    write_file(target, bundle.len(), journey, |out| {
        let beginning = bundle.beginning().map_err(Refusal::File)?;
        out.write_all(&beginning).map_err(|e| written(e, target))?;
        journey.add(beginning.len() as u64);
        for blob in &bundle.blobs {
            if !write_blob(blobs, blob, out, target, journey)? {
                // Lost or damaged since it was counted: said with its course, and gone, so that a check fetches it again.
                blobs.prove(blob.hash)?;
                for manifest in manifests {
                    nothing_missing(blobs, manifest)?;
                }
                return Err(carrel_content::Error::Corrupt(format!("blob {:?}", blob.hash)).into());
            }
        }
        Ok(())
    })?;
    Ok(bundle.len())
}

/// False if it is not here or its bytes are not its own.
fn write_blob(
    blobs: &BlobStore,
    blob: &ManifestBlob,
    out: &mut File,
    target: &Path,
    journey: &Journey,
) -> Result<bool> {
    let Some(place) = blobs.locate(blob.hash)? else { return Ok(false) };
    if place.size() != blob.size {
        return Ok(false);
    }
    let mut hasher = blake3::Hasher::new();
    let mut at = 0;
    while at < blob.size {
        journey.check()?;
        let piece = place.read_at(at, CHUNK)?;
        if piece.is_empty() {
            return Ok(false);
        }
        hasher.update(&piece);
        out.write_all(&piece).map_err(|e| written(e, target))?;
        at += piece.len() as u64;
        journey.add(piece.len() as u64);
    }
    Ok(hasher.finalize().as_bytes() == &blob.hash.0)
}

/// `Refusal::Missing` says what.
fn nothing_missing(blobs: &BlobStore, open: &OpenManifest) -> Result<()> {
    let all = &open.manifest.blobs;
    let here = blobs.have_all(&all.iter().map(|b| b.hash).collect::<Vec<_>>())?;
    let missing: Vec<&ManifestBlob> = all.iter().filter(|b| !here.contains(&b.hash)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let (title, names) = titles(open);
    let name = |blob: &&ManifestBlob| match names.iter().find(|(hash, _)| *hash == blob.hash) {
        Some((_, name)) => name.clone(),
        None => format!("{} of {} bytes", blob.media_type, blob.size),
    };
    Err(Refusal::Missing {
        title,
        files: missing.len() as u32,
        bytes: missing.iter().map(|b| b.size).sum(),
        what: missing.iter().take(5).map(name).collect::<Vec<_>>().join(", "),
    }
    .into())
}

/// The title of the whole, and of what its outline names.
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

/// Writes `target` whole or not at all. The space is looked for first.
fn write_file(
    target: &Path,
    bytes: u64,
    journey: &Journey,
    fill: impl FnOnce(&mut File) -> Result<()>,
) -> Result<()> {
    let nowhere = |path: &Path| Refusal::NoPlace(path.display().to_string());
    let folder = target.parent().filter(|f| f.is_dir()).ok_or_else(|| nowhere(target))?;
    if let Some(free) = free_bytes(folder)
        && free < bytes.saturating_add(SPARE)
    {
        return Err(Refusal::NoSpace { need: bytes.saturating_add(SPARE), free }.into());
    }
    let part = part_of(target);
    let mut file = File::create(&part).map_err(|_| nowhere(target))?;
    let filled = fill(&mut file)
        .and_then(|()| journey.check())
        .and_then(|()| file.sync_all().map_err(|e| written(e, target)));
    drop(file);
    let done = filled.and_then(|()| fs::rename(&part, target).map_err(|e| written(e, target)));
    if done.is_err() {
        let _ = fs::remove_file(&part);
    }
    #[cfg(unix)]
    if done.is_ok()
        && let Err(e) = File::open(folder).and_then(|f| f.sync_all())
    {
        // FAT and network folders have no such thing.
        tracing::debug!(error = %e, "the folder of a file was not synced");
    }
    done
}

fn part_of(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// A stick formatted as FAT takes no file of 4 GiB: that is no fault of the disk.
fn written(e: std::io::Error, target: &Path) -> Error {
    match e.kind() {
        std::io::ErrorKind::FileTooLarge => {
            Refusal::NoSpace { need: u64::from(u32::MAX) + 1, free: u64::from(u32::MAX) }.into()
        }
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            Refusal::NoPlace(target.display().to_string()).into()
        }
        _ => e.into(),
    }
}

/// For the name of a file on any system.
fn plain(text: &str) -> String {
    let fine = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' };
    let name: String = text.chars().take(40).map(fine).collect();
    if name.trim_matches('-').is_empty() { "learner".to_owned() } else { name }
}

/// `2026-11-20-1405`, UTC.
fn day(now_ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(now_ms) {
        Ok(at) => at.strftime("%Y-%m-%d-%H%M").to_string(),
        Err(_) => now_ms.to_string(),
    }
}
