//! Into this device: a file is looked at, then its courses or rows are taken in.
//!
//! Of courses nothing shows until all of one is here and proved: blobs are put away as they come, and the switch is one transaction. Rows
//! are joined in one transaction, as if they came from the server, and wait for it.

use std::{
    fs::File,
    io::{BufReader, Seek, SeekFrom},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use carrel_cable::{Bundle, CourseBundle, WorkBundle, copy_verified, fingerprint};
use carrel_content::{
    Kind,
    blobs::{Came, INLINE},
    download::{Downloads, Wish, carried},
    library::{Library, OpenManifest},
};
use carrel_learning::store::{Tx, checked, state};
use carrel_model::{
    BlobHash, Slug,
    content::{Manifest, ManifestContent},
    lattice::{Kv, Row, RowKey, RowType},
    wire::AdoptRequest,
};
use carrel_sqlite::{Change, StorageError};
use carrel_system::blocking;

use crate::{
    Error, Result,
    account::{AccountInfo, adopt},
    cable::{Fault, Refusal, journey::Journey, send::DEVICE_KEY, trust, trust::Trust},
    core::{Core, OpenAccount},
};

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Courses(CoursesFound),
    Work(WorkFound),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoursesFound {
    /// The library that it says it is from.
    pub server: String,
    pub server_name: String,
    pub fingerprint: String,
    pub trust: Trust,
    pub made_ms: i64,
    /// Of the whole file, and of what is not on this device yet.
    pub bytes: u64,
    pub new_bytes: u64,
    pub courses: Vec<CourseFound>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CourseFound {
    pub kind: Kind,
    pub id: Slug,
    pub title: String,
    pub bytes: u64,
    pub here: Here,
}

/// How a course of a file stands to what is on this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Here {
    No,
    /// The same version: only what is missing or damaged is taken.
    Same,
    /// An older version is here: it is replaced.
    Older,
    /// A newer version is here: it stays.
    Newer,
    /// Another library's course has this id.
    Others,
}

/// What became of a course.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    pub kind: Kind,
    pub id: Slug,
    pub title: String,
    /// False: a newer version was here and stays.
    pub taken: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkFound {
    pub learner: String,
    pub server_name: String,
    pub device_name: String,
    /// The learner's other devices know this one's key.
    pub device_known: bool,
    pub made_ms: i64,
    pub rows: u64,
    /// Why it is not taken in as it is; `Unclaimed` is taken in after a person said that the work is theirs.
    pub refusal: Option<Refusal>,
}

/// What became of a work file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkTaken {
    pub rows: u64,
    /// Rows that said anything new: they wait for the server.
    pub news: u64,
    /// Rows that this release cannot read: kept for a later one.
    pub unread: u64,
}

impl Core {
    /// Reads a file as far as it can be judged at once: what it carries, from whom, and whether it would be taken in. Writes nothing.
    pub async fn look_at(&self, path: &Path) -> Result<Found> {
        let account = self.need_account()?;
        let info = self.account_info().ok_or(Error::UNAUTHENTICATED)?;
        let path = path.to_owned();
        let (carried, _) = blocking(move || open(&path)).await?;
        match carried {
            Bundle::Courses(bundle) => {
                let library = account.content.library.clone();
                blocking(move || courses_found(&library, ours(&info), &bundle))
                    .await
                    .map(Found::Courses)
            }
            Bundle::Work(work) => work_found(&account, &info, work).await.map(Found::Work),
        }
    }

    /// Takes courses and stories in. `accept`: the fingerprint that a person agreed to, if the key is new here.
    ///
    /// Errors leave every course as it was. `Refusal::NotAccepted`, `WrongKey`, `OtherLibrary`, `Taken`, `NoSpace`, `Busy`, and all faults of
    /// the file; `Cancelled`. Blobs that were proved before an error stay as cache, so that a second try has less to do.
    pub async fn import_courses(&self, path: &Path, accept: Option<&str>) -> Result<Vec<Imported>> {
        let account = self.need_account()?;
        let info = self.account_info().ok_or(Error::UNAUTHENTICATED)?;
        let (library, downloads) =
            (account.content.library.clone(), account.content.downloads.clone());
        let under_way = self.cable().begin()?;
        let journey = under_way.journey.clone();
        let (path, accept) = (path.to_owned(), accept.map(str::to_owned));
        let from = path.clone();
        let done = blocking(move || {
            let Bundle::Courses(bundle) = open(&path)?.0 else {
                return Err(Refusal::File(Fault::Nothing).into());
            };
            let key = fingerprint(&bundle.key);
            match trust::judge(&library, ours(&info), &bundle.head, &bundle.key)? {
                Trust::Known => {}
                Trust::Ask if accept.as_deref() == Some(&key) => {}
                Trust::Ask => {
                    let name = bundle.head.server_name.clone();
                    return Err(Refusal::NotAccepted { name, fingerprint: key }.into());
                }
                Trust::Never(refusal) => return Err(refusal.into()),
            }
            take_courses(&library, &downloads, &path, &bundle, &journey)
        })
        .await?;
        account.content.library.storage().step("import: done");
        self.uploads().discard(&from);
        Ok(done)
    }

    /// Joins the rows of a work file with what is here. `claim`: a person said that work without an account is theirs.
    ///
    /// Errors: `Refusal::OtherLearner`, `OtherServer`, `Unclaimed`, and all faults of the file. Taking the same file in twice writes nothing.
    pub async fn import_work(&self, path: &Path, claim: bool) -> Result<WorkTaken> {
        let account = self.need_account()?;
        let info = self.account_info().ok_or(Error::UNAUTHENTICATED)?;
        let from = path.to_owned();
        let work = blocking(move || match open(&from)?.0 {
            Bundle::Work(work) => Ok::<_, Error>(work),
            Bundle::Courses(_) => Err(Refusal::File(Fault::Nothing).into()),
        })
        .await?;
        if let Some(refusal) = judge_work(&account.content.library, &info, &work)? {
            let is_accepted = match &refusal {
                Refusal::Unclaimed => claim,
                Refusal::OtherLearner { .. } => {
                    !info.is_demo() && is_adopted(&account, &work).await?
                }
                _ => false,
            };
            if !is_accepted {
                return Err(refusal.into());
            }
        }
        let claimed = work.head.is_guest();
        let rows: Arc<[String]> = work.rows.into();
        let storage = account.content.library.storage().clone();
        let written = storage.clone();
        let taken = account
            .store
            .write("import_work", move |tx| {
                storage.step("import: work begun");
                let taken = join_rows(tx, &rows, claimed);
                storage.step("import: work joined");
                taken
            })
            .await?;
        written.step("import: work written");
        tracing::info!(
            cable.rows = taken.rows,
            cable.news = taken.news,
            "work was taken in from a file"
        );
        self.uploads().discard(path);
        Ok(taken)
    }
}

/// Asks the server whether the work of an account that it does not know belongs to this learner. `false`: it does not, or the file
/// proves nothing.
async fn is_adopted(account: &OpenAccount, work: &WorkBundle) -> Result<bool> {
    if work.head.certificate.is_empty() {
        return Ok(false);
    }
    let request = AdoptRequest {
        refresh_token: String::new(),
        account_certificate: work.head.certificate.clone(),
    };
    match adopt(account.http.as_ref(), &account.base_url, &request).await {
        Ok(()) => Ok(true),
        Err(carrel_net::Error::Server { status: 400..=499, .. }) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// The name of the account's own library; none without a server.
fn ours(info: &AccountInfo) -> Option<&str> {
    info.server.as_ref().map(|_| info.server_name.as_str())
}

/// Opens a file and judges its head. It is a plain file: a pipe would never end.
fn open(path: &Path) -> Result<(Bundle, BufReader<File>)> {
    let unreadable = |e: std::io::Error| Error::from(Refusal::File(e.into()));
    let about = std::fs::metadata(path).map_err(unreadable)?;
    if !about.is_file() {
        return Err(Refusal::File(Fault::NotCarrel).into());
    }
    let mut file = BufReader::with_capacity(256 * 1024, File::open(path).map_err(unreadable)?);
    let carried = carrel_cable::open(&mut file, about.len()).map_err(Refusal::File)?;
    Ok((carried, file))
}

fn courses_found(
    library: &Library,
    ours: Option<&str>,
    bundle: &CourseBundle,
) -> Result<CoursesFound> {
    let head = &bundle.head;
    let mut courses = Vec::with_capacity(bundle.manifests.len());
    for (course, manifest) in head.courses.iter().zip(&bundle.manifests) {
        let (kind, title) = about(manifest);
        let version = course.signed.version();
        courses.push(CourseFound {
            kind,
            id: manifest.id().clone(),
            title,
            bytes: manifest.total_bytes(),
            here: here(library, kind, manifest.id(), version, &bundle.key, course.as_of_ms)?,
        });
    }
    let have =
        library.blobs().have_all(&bundle.blobs.iter().map(|b| b.hash).collect::<Vec<_>>())?;
    Ok(CoursesFound {
        server: head.server.clone(),
        server_name: head.server_name.clone(),
        fingerprint: fingerprint(&bundle.key),
        trust: trust::judge(library, ours, head, &bundle.key)?,
        made_ms: head.made_ms,
        bytes: bundle.len(),
        new_bytes: bundle.blobs.iter().filter(|b| !have.contains(&b.hash)).map(|b| b.size).sum(),
        courses,
    })
}

pub(super) fn about(manifest: &Manifest) -> (Kind, String) {
    match &manifest.content {
        ManifestContent::Course { meta, .. } => (Kind::Course, meta.title.clone()),
        ManifestContent::Story { meta, .. } => (Kind::Story, meta.title.clone()),
    }
}

/// Versions have no order of their own: the newer one is that which a server was known to name at the later time.
fn here(
    library: &Library,
    kind: Kind,
    id: &Slug,
    version: BlobHash,
    key: &str,
    as_of_ms: i64,
) -> Result<Here> {
    let Some(ready) = library.ready_manifest(kind, id)? else { return Ok(Here::No) };
    if ready.signed.key != key {
        return Ok(Here::Others);
    }
    if ready.version == version {
        return Ok(Here::Same);
    }
    let named = library.known_version(kind, id)? == Some(version);
    let ours = library.named_as_of(kind, id, ready.version)?;
    Ok(if named || as_of_ms > ours { Here::Older } else { Here::Newer })
}

/// One course that is taken in.
struct Taking {
    wish: Wish,
    manifest: OpenManifest,
    as_of_ms: i64,
}

fn take_courses(
    library: &Library,
    downloads: &Downloads,
    path: &Path,
    bundle: &CourseBundle,
    journey: &Journey,
) -> Result<Vec<Imported>> {
    let mut all = Vec::new();
    let mut taking = Vec::new();
    for (course, manifest) in bundle.head.courses.iter().zip(&bundle.manifests) {
        let (kind, title) = about(manifest);
        let (id, version) = (manifest.id(), course.signed.version());
        let here = here(library, kind, id, version, &bundle.key, course.as_of_ms)?;
        if here == Here::Others {
            return Err(Refusal::Taken { title }.into());
        }
        let taken = here != Here::Newer;
        all.push(Imported { kind, id: id.clone(), title, taken });
        if taken {
            let wish = Wish::whole(kind, id);
            let signed = course.signed.clone();
            taking.push(Taking {
                wish,
                manifest: OpenManifest { manifest: manifest.clone(), version, signed },
                as_of_ms: course.as_of_ms,
            });
        }
    }
    // A download over the network goes on if the file breaks off.
    let fetched: Vec<bool> = taking.iter().map(|t| downloads.leave_to_cable(&t.wish)).collect();
    let taken = take(library, path, bundle, &taking, journey);
    if let Err(e) = taken {
        for (one, was_fetched) in taking.iter().zip(fetched) {
            carried::give_up(library, &one.wish)?;
            if was_fetched {
                downloads.start(one.wish.kind, &one.wish.id)?;
            }
        }
        tracing::info!(error = %e, "a file of courses was not taken in");
        return Err(e);
    }
    tracing::info!(cable.courses = taking.len(), "courses were taken in from a file");
    Ok(all)
}

fn take(
    library: &Library,
    path: &Path,
    bundle: &CourseBundle,
    taking: &[Taking],
    journey: &Journey,
) -> Result<()> {
    let mut wanted: Vec<BlobHash> =
        taking.iter().flat_map(|t| &t.manifest.manifest.blobs).map(|b| b.hash).collect();
    wanted.sort_unstable();
    let mut versions = Vec::with_capacity(taking.len());
    let step = |name| library.storage().step(name);
    for one in taking {
        versions.push(carried::begin(library, &one.wish, &one.manifest)?);
        step("import: course wanted");
    }
    let here = library.blobs().have_all(&wanted)?;
    let is_wanted = |h: &BlobHash| wanted.binary_search(h).is_ok() && !here.contains(h);
    let need: u64 = bundle.blobs.iter().filter(|b| is_wanted(&b.hash)).map(|b| b.size).sum();
    // Promised as to a download, so that nobody else on this device believes in the same space.
    let promise = match need {
        0 => None,
        need => Some(library.storage().reserve(need).map_err(|e| no_space(e.into(), need))?),
    };
    step("import: space reserved");
    let came = |bytes: usize| {
        step("import: bytes copied");
        if let Some(promise) = &promise {
            promise.used(bytes as u64);
        }
        journey.add(bytes as u64);
    };
    journey.expect(bundle.blob_bytes);
    let (_, mut file) = open(path)?;
    file.seek(SeekFrom::Start(bundle.start)).map_err(|e| Refusal::File(e.into()))?;
    for blob in &bundle.blobs {
        journey.check()?;
        if !is_wanted(&blob.hash) {
            let over = i64::try_from(blob.size).unwrap_or(i64::MAX);
            file.seek_relative(over).map_err(|e| Refusal::File(e.into()))?;
            journey.add(blob.size);
        } else if blob.size <= INLINE {
            let mut bytes = Vec::with_capacity(INLINE as usize);
            copy_verified(&mut file, blob, |piece| {
                bytes.extend_from_slice(piece);
                Ok::<_, Error>(())
            })?;
            // Not `Asked`, which would want space beside the promise.
            let bytes = Bytes::from(bytes);
            library.blobs().put_from(blob.hash, &bytes, Came::Ahead)?;
            came(bytes.len());
        } else {
            let mut part = library.blobs().part(blob.hash)?;
            part.restart()?;
            let poured = copy_verified(&mut file, blob, |piece| {
                journey.check()?;
                part.write(piece)?;
                came(piece.len());
                Ok::<_, Error>(())
            });
            if poured.is_err() {
                // Bytes of a file that is not to be trusted are no beginning for a download.
                part.restart()?;
            }
            poured?;
            part.finish()?;
        }
    }
    // Whoever asked agreed to the key, or it was known; it is noted with the first course that came with it.
    if library.key_of(library.base_url())?.as_deref() != Some(&bundle.key) {
        library.accept(&bundle.key, &bundle.head.server, &bundle.head.server_name)?;
        step("import: key accepted");
    }
    for (one, version) in taking.iter().zip(&versions) {
        let missing = library.blobs().missing(*version)?;
        if let Some(first) = missing.first() {
            let text = format!("blob {:?} was removed during the import", first.hash);
            return Err(StorageError::other(text).into());
        }
        let origin = carried::Origin {
            server: &bundle.head.server,
            server_name: &bundle.head.server_name,
            as_of_ms: one.as_of_ms,
        };
        if !carried::finish(library, &one.wish, *version, &one.manifest, origin)? {
            return Err(Error::Cancelled);
        }
        step("import: course ready");
        if let Err(e) = library.index(&one.manifest) {
            tracing::warn!(download.id = %one.wish.id, error = %e, "a course cannot be searched");
        }
        step("import: course indexed");
        library.relist(&one.manifest)?;
        step("import: course listed");
        let changes =
            [Change::Downloads, Change::Catalogue, Change::DownloadMoved(one.wish.id.to_string())];
        library.changes().tell(changes.into());
    }
    Ok(())
}

/// A promise that could not be made, in the words of a file.
fn no_space(e: Error, need: u64) -> Error {
    match e {
        Error::Content(carrel_content::Error::NoSpace { missing, .. }) => {
            Refusal::NoSpace { need, free: need.saturating_sub(missing) }.into()
        }
        e => e,
    }
}

/// Why a learner's file is not for this account as it is.
fn judge_work(library: &Library, info: &AccountInfo, work: &WorkBundle) -> Result<Option<Refusal>> {
    let head = &work.head;
    if head.is_guest() {
        return Ok(Some(Refusal::Unclaimed));
    }
    if info.server.is_some() && info.user.id == head.learner.id {
        return Ok(None);
    }
    let same_server = match &info.server {
        None => true,
        Some(server) => {
            let key = library.key_of(server)?;
            *server == head.server || key.is_some_and(|k| k == head.server_key)
        }
    };
    Ok(Some(if same_server {
        Refusal::OtherLearner { name: head.learner.name.clone() }
    } else {
        Refusal::OtherServer { server: head.server_name.clone() }
    }))
}

async fn work_found(
    account: &OpenAccount,
    info: &AccountInfo,
    work: WorkBundle,
) -> Result<WorkFound> {
    let refusal = judge_work(&account.content.library, info, &work)?;
    let (id, key) = (work.head.device.id, work.head.device.key.clone());
    let device_known = account
        .store
        .read(move |conn| {
            let row = RowKey::of(RowType::Kv, &[DEVICE_KEY, &id.to_string()]);
            let known = checked::get(conn, &row)?;
            Ok(matches!(known, Some(Row::Kv(Kv { value, .. })) if value == format!("\"{key}\"")))
        })
        .await?;
    let head = work.head;
    Ok(WorkFound {
        learner: head.learner.name,
        server_name: head.server_name,
        device_name: head.device.name,
        device_known,
        made_ms: head.made_ms,
        rows: head.rows,
        refusal,
    })
}

/// The rows of a work file into one transaction. What cannot be read here is kept for a later release, as from the wire. `claimed`: they
/// were made without an account.
pub fn join_rows(
    tx: &mut Tx<'_>,
    rows: &[String],
    claimed: bool,
) -> carrel_learning::Result<WorkTaken> {
    let mut taken = WorkTaken { rows: rows.len() as u64, news: 0, unread: 0 };
    for text in rows {
        let row = match Row::from_json(text) {
            Ok(mut row) => {
                if row.extra_mut().limit() {
                    state::keep_foreign(tx, text)?;
                }
                row
            }
            Err(_) => {
                state::keep_foreign(tx, text)?;
                taken.unread += 1;
                continue;
            }
        };
        // How the guests' desk is set up is not the learner's choice for their own.
        let of_the_desk = matches!(&row, Row::Kv(kv) if ["setting", "device", DEVICE_KEY].contains(&kv.ns.as_str()));
        if row.is_server_only() || (claimed && of_the_desk) {
            continue;
        }
        match tx.carry(row) {
            Ok(changed) => taken.news += u64::from(changed),
            Err(carrel_learning::Error::Invalid(_)) => {
                state::keep_foreign(tx, text)?;
                taken.unread += 1;
            }
            Err(e) => return Err(e),
        }
    }
    Ok(taken)
}
