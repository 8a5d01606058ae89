//! Files in `records/` from which `content.db` can be rebuilt without a network: a small one for each download, a pack for
//! each version that is ready (the signed manifest, what it needs, and the small bodies that lie in the database), and one
//! for keys and limits. Each begins with the hash of the rest, so a damaged one is not used.
//!
//! A record is written before its download counts as ready, and deleted after its row is gone. Large bodies need no record:
//! they are files named by their hash.
//!
//! Not here: when the database is rebuilt (`index`), who deletes blob files (`sweep`, `evict`).

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use carrel_model::{BlobHash, content::SignedManifest};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Error, Result,
    blobs::hash_at,
    storage::{Storage, signed},
};

pub(super) const RECORDS: &str = "records";
const DOWNLOADS: &str = "downloads";
const PACKS: &str = "packs";
const KEYS: &str = "keys.json";
/// The longest header of a pack that is read: a manifest is at most a few MiB.
const MAX_HEADER: u64 = 64 * 1024 * 1024;

/// What is kept of a row of `download`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DownloadRecord {
    pub account: String,
    pub kind: String,
    pub id: String,
    pub scope: String,
    pub pinned: bool,
    pub requested_ms: i64,
    /// None: nothing is here yet.
    pub ready: Option<ReadyVersion>,
    pub carried: Option<CarriedRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReadyVersion {
    pub hash: BlobHash,
    pub signer: String,
    /// Of the signed manifest and everything it needs: see [`VersionRecord::digest`].
    pub digest: BlobHash,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CarriedRecord {
    pub version: BlobHash,
    pub server: String,
    pub server_name: String,
    pub as_of_ms: i64,
    pub taken_ms: i64,
}

/// What is kept of a row of `version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct VersionRecord {
    pub hash: BlobHash,
    pub scope: String,
    pub signer: String,
    pub kind: String,
    pub id: String,
    pub signed: String,
    /// Hash, size and kind, in the order of the hashes.
    pub needs: Vec<(BlobHash, i64, i64)>,
}

impl VersionRecord {
    pub(super) fn digest(&self) -> BlobHash {
        let mut hasher = blake3::Hasher::new();
        for text in [&self.scope, &self.signer, &self.kind, &self.id, &self.signed] {
            hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
        hasher.update(&self.hash.0);
        for (hash, size, kind) in &self.needs {
            hasher.update(&hash.0).update(&size.to_le_bytes()).update(&kind.to_le_bytes());
        }
        BlobHash(*hasher.finalize().as_bytes())
    }
    /// True if the manifest is this version's and was signed by the signer. Whether the signer may be believed is decided
    /// when the manifest is opened.
    pub(super) fn is_authentic(&self) -> bool {
        serde_json::from_str::<SignedManifest>(&self.signed)
            .is_ok_and(|m| m.version() == self.hash && m.verify(Some(&self.signer)).is_ok())
    }

    /// The row of this number, with what it needs.
    pub(super) fn of_row(conn: &Connection, version: i64) -> Result<Option<Self>> {
        let row = conn
            .prepare_cached(
                "SELECT hash, scope, signer, kind, id, signed FROM version WHERE version = ?1",
            )?
            .query_row([version], |r| {
                Ok(Self {
                    hash: hash_at(r, 0)?,
                    scope: r.get(1)?,
                    signer: r.get(2)?,
                    kind: r.get(3)?,
                    id: r.get(4)?,
                    signed: r.get(5)?,
                    needs: Vec::new(),
                })
            })
            .optional()?;
        let Some(mut record) = row else { return Ok(None) };
        record.needs = conn
            .prepare_cached("SELECT hash, size, kind FROM need WHERE version = ?1 ORDER BY hash")?
            .query_map([version], |r| Ok((hash_at(r, 0)?, r.get(1)?, r.get(2)?)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Some(record))
    }
}

/// The header of a pack; the bodies follow, compressed together.
#[derive(Serialize, Deserialize)]
struct PackHeader {
    version: VersionRecord,
    bodies: Vec<(BlobHash, u32)>,
}

/// A pack that was read whole.
pub(super) struct Pack {
    pub version: VersionRecord,
    /// Bodies whose hashes were checked.
    pub bodies: HashMap<BlobHash, Vec<u8>>,
}

/// Keys and limits, as in `signing_key`, `accepted_key` and `setting`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Keys {
    pub signing: BTreeMap<String, String>,
    pub accepted: Vec<AcceptedKey>,
    pub limits: BTreeMap<String, i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct AcceptedKey {
    pub account: String,
    pub key: String,
    pub server: String,
    pub server_name: String,
    pub accepted_ms: i64,
}

impl Keys {
    pub(super) fn of_rows(conn: &Connection) -> Result<Self> {
        let signing = conn
            .prepare_cached("SELECT server, key FROM signing_key")?
            .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let accepted = conn
            .prepare_cached(
                "SELECT account, key, server, server_name, accepted_ms FROM accepted_key ORDER BY account, key",
            )?
            .query_map([], |r| {
                Ok(AcceptedKey {
                    account: r.get(0)?,
                    key: r.get(1)?,
                    server: r.get(2)?,
                    server_name: r.get(3)?,
                    accepted_ms: r.get(4)?,
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        let limits = conn
            .prepare_cached("SELECT name, value FROM setting WHERE name IN ('budget', 'floor')")?
            .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Self { signing, accepted, limits })
    }

    /// Puts what is missing or differs into the tables; keys that only the tables have stay, and so do limits that are newer than the record.
    pub(super) fn restore(&self, tx: &Connection) -> Result<()> {
        for (server, key) in &self.signing {
            tx.prepare_cached("INSERT OR REPLACE INTO signing_key (server, key) VALUES (?1, ?2)")?
                .execute([server, key])?;
        }
        for k in &self.accepted {
            tx.prepare_cached(
                "INSERT OR REPLACE INTO accepted_key (account, key, server, server_name, accepted_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![k.account, k.key, k.server, k.server_name, k.accepted_ms])?;
        }
        if has_new_limits(tx)? {
            return Ok(());
        }
        tx.execute("DELETE FROM setting WHERE name IN ('budget', 'floor')", [])?;
        for (name, value) in &self.limits {
            tx.execute("INSERT INTO setting (name, value) VALUES (?1, ?2)", params![name, value])?;
        }
        Ok(())
    }
}

/// The folder `records/` of a store.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    dir: PathBuf,
}

impl Records {
    /// Of the store in `dir`.
    pub(crate) fn of(dir: &Path) -> Self {
        Self { dir: dir.join(RECORDS) }
    }

    fn download_path(&self, account: &str, kind: &str, id: &str, scope: &str) -> PathBuf {
        self.dir.join(DOWNLOADS).join(name_of(&[account, kind, id, scope]) + ".json")
    }
    fn pack_path(&self, hash: BlobHash, scope: &str, signer: &str) -> PathBuf {
        self.dir.join(PACKS).join(name_of(&[&hash.to_hex(), scope, signer]) + ".pack")
    }

    /// All records of downloads that can be read; damaged ones are left out.
    pub(super) fn downloads(&self) -> Result<Vec<DownloadRecord>> {
        let folder = self.dir.join(DOWNLOADS);
        let files = match fs::read_dir(&folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            files => files?,
        };
        let mut records = Vec::new();
        for file in files {
            let path = file?.path();
            if path.extension().is_none_or(|e| e != "json") {
                continue;
            }
            match read_json::<DownloadRecord>(&path) {
                Ok(Some(record)) => records.push(record),
                Ok(None) => {}
                Err(e) => {
                    tracing::warn!(record.file = %path.display(), error = %e, "the record of a download cannot be read");
                }
            }
        }
        records.sort_by(|a, b| a.requested_ms.cmp(&b.requested_ms).then_with(|| a.id.cmp(&b.id)));
        Ok(records)
    }

    pub(super) fn download(
        &self,
        account: &str,
        kind: &str,
        id: &str,
        scope: &str,
    ) -> Result<Option<DownloadRecord>> {
        read_json(&self.download_path(account, kind, id, scope))
    }

    pub(super) fn write_download(&self, record: &DownloadRecord) -> Result<()> {
        let path = self.download_path(&record.account, &record.kind, &record.id, &record.scope);
        self.write(&path, &with_hash(&serde_json::to_vec(record)?))
    }

    fn remove_download(&self, account: &str, kind: &str, id: &str, scope: &str) -> Result<()> {
        gone(&self.download_path(account, kind, id, scope))
    }

    pub(super) fn keys(&self) -> Result<Option<Keys>> {
        read_json(&self.dir.join(KEYS))
    }
    pub(super) fn write_keys(&self, keys: &Keys) -> Result<()> {
        self.write(&self.dir.join(KEYS), &with_hash(&serde_json::to_vec(keys)?))
    }

    /// True if the pack of this version is there and holds this state of it.
    fn has_pack(&self, version: &VersionRecord) -> bool {
        let path = self.pack_path(version.hash, &version.scope, &version.signer);
        let read = || -> io::Result<[u8; 32]> {
            let mut start = [0; 64];
            File::open(&path)?.read_exact(&mut start)?;
            let mut digest = [0; 32];
            digest.copy_from_slice(&start[32..]);
            Ok(digest)
        };
        read().is_ok_and(|digest| digest == version.digest().0)
    }

    /// A pack: the hash of the header, the digest of the version, the header's length, the header, the bodies.
    fn write_pack(&self, version: VersionRecord, bodies: &[(BlobHash, Vec<u8>)]) -> Result<()> {
        let path = self.pack_path(version.hash, &version.scope, &version.signer);
        let digest = version.digest();
        let lengths = bodies
            .iter()
            .map(|(hash, body)| (*hash, u32::try_from(body.len()).unwrap_or(u32::MAX)))
            .collect();
        let header = serde_json::to_vec(&PackHeader { version, bodies: lengths })?;
        let mut bytes = Vec::with_capacity(header.len() + 128);
        bytes.extend_from_slice(&digest.0);
        bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&header);
        let checked = BlobHash::of(&bytes);
        let mut whole = checked.0.to_vec();
        whole.append(&mut bytes);
        let mut packer = flate2::write::ZlibEncoder::new(whole, flate2::Compression::fast());
        for (_, body) in bodies {
            packer.write_all(body)?;
        }
        let whole = packer.finish()?;
        self.write(&path, &whole)
    }

    /// Reads a pack. `None`: there is none, or its header is damaged. Bodies that are damaged are left out.
    pub(super) fn pack(&self, hash: BlobHash, scope: &str, signer: &str) -> Option<Pack> {
        let path = self.pack_path(hash, scope, signer);
        let mut file = io::BufReader::new(File::open(&path).ok()?);
        let (mut checked, mut start) = ([0; 32], [0; 40]);
        file.read_exact(&mut checked).ok()?;
        file.read_exact(&mut start).ok()?;
        let mut len = [0; 8];
        len.copy_from_slice(&start[32..]);
        let len = u64::from_le_bytes(len);
        let mut header = Vec::new();
        (&mut file).take(len.min(MAX_HEADER)).read_to_end(&mut header).ok()?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&start).update(&header);
        let header: PackHeader = (hasher.finalize().as_bytes() == &checked)
            .then(|| serde_json::from_slice(&header).ok())
            .flatten()?;
        let mut bodies = HashMap::new();
        let mut unpacker = flate2::read::ZlibDecoder::new(file);
        for (hash, len) in header.bodies {
            let mut body = Vec::new();
            let read = (&mut unpacker).take(u64::from(len)).read_to_end(&mut body);
            if read.is_err() || body.len() as u64 != u64::from(len) {
                tracing::warn!(record.file = %path.display(), "a pack is damaged");
                break;
            }
            if BlobHash::of(&body) == hash {
                bodies.insert(hash, body);
            }
        }
        Some(Pack { version: header.version, bodies })
    }

    /// The body of a small blob, from the pack of any of these versions (hash, scope, signer).
    pub(crate) fn body(
        &self,
        hash: BlobHash,
        versions: &[(BlobHash, String, String)],
    ) -> Option<Vec<u8>> {
        versions.iter().find_map(|(version, scope, signer)| {
            self.pack(*version, scope, signer)?.bodies.remove(&hash)
        })
    }

    /// Deletes packs that no record names. Call it inside a write transaction of the database: whoever writes a record does
    /// that in one, too.
    fn remove_unused_packs(&self) -> Result<()> {
        let packs = match fs::read_dir(self.dir.join(PACKS)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            packs => packs?,
        };
        let mut used = HashSet::new();
        for record in self.downloads()? {
            if let Some(ready) = &record.ready {
                used.insert(self.pack_path(ready.hash, &record.scope, &ready.signer));
            }
        }
        for pack in packs.flatten() {
            let path = pack.path();
            if path.extension().is_some_and(|e| e == "pack") && !used.contains(&path) {
                gone(&path)?;
            }
        }
        Ok(())
    }

    /// Either the old bytes or the new ones are there, on the disk when this returns.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let folder = path.parent().unwrap_or(&self.dir);
        for dir in [self.dir.as_path(), folder] {
            if !dir.is_dir() {
                fs::create_dir_all(dir)?;
                crate::blobs::modes::share(dir, self.dir.parent().unwrap_or(&self.dir));
            }
        }
        let new = path.with_extension(format!("{}.new", std::process::id()));
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(&new).and_then(|mut file| {
            crate::blobs::modes::share(&new, folder);
            file.write_all(bytes)?;
            file.sync_all()?;
            drop(file);
            fs::rename(&new, path)
        });
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        written?;
        #[cfg(unix)]
        File::open(folder)?.sync_all()?;
        Ok(())
    }

    /// The names of all files, relative to the store's folder; for copying.
    pub(super) fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for folder in [Path::new("."), Path::new(DOWNLOADS), Path::new(PACKS)] {
            let found = match fs::read_dir(self.dir.join(folder)) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                found => found?,
            };
            for file in found {
                let file = file?;
                let name = PathBuf::from(file.file_name());
                let ours = name.extension().is_some_and(|e| e == "json" || e == "pack");
                if file.file_type()?.is_file() && ours {
                    files.push(Path::new(RECORDS).join(folder).join(name));
                }
            }
        }
        Ok(files)
    }

    /// Deletes all of it, and the folders.
    pub(super) fn remove_all(&self) -> io::Result<()> {
        for folder in [self.dir.join(DOWNLOADS), self.dir.join(PACKS), self.dir.clone()] {
            for file in fs::read_dir(&folder).into_iter().flatten().flatten() {
                if file.file_type()?.is_file() {
                    match fs::remove_file(file.path()) {
                        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                        _ => {}
                    }
                }
            }
            let _ = fs::remove_dir(&folder);
        }
        Ok(())
    }
}

impl Storage {
    pub(super) fn records(&self) -> Records {
        Records::of(&self.inner.dir)
    }

    /// Writes the pack of a version that is whole, so that the database can be rebuilt from it. Call it before the version
    /// counts as ready, outside a transaction: it takes a while.
    pub(crate) fn write_pack(&self, version: i64) -> Result<()> {
        let records = self.records();
        let found = self.inner.db.read(|conn| {
            let Some(record) = VersionRecord::of_row(conn, version)? else { return Ok(None) };
            if records.has_pack(&record) {
                return Ok(None);
            }
            let bodies = conn
                .prepare_cached(
                    "SELECT y.hash, y.body FROM need n JOIN blob_body y ON y.hash = n.hash WHERE n.version = ?1",
                )?
                .query_map([version], |r| Ok((hash_at(r, 0)?, r.get(1)?)))?
                .collect::<rusqlite::Result<Vec<(BlobHash, Vec<u8>)>>>()?;
            Ok(Some((record, bodies)))
        })?;
        let Some((record, bodies)) = found else { return Ok(()) };
        let bytes =
            record.signed.len() as u64 + bodies.iter().map(|b| b.1.len() as u64).sum::<u64>();
        self.inner.blobs.with_room(bytes, || records.write_pack(record.clone(), &bodies))?;
        self.step("packed");
        Ok(())
    }

    /// Inside a write transaction: writes the record of a download whose version of this number is whole (`None`: of one
    /// that is wanted). The version's pack was written before.
    pub(crate) fn write_record(
        &self,
        tx: &Connection,
        [account, kind, id, scope]: [&str; 4],
        ready: Option<i64>,
    ) -> Result<()> {
        let records = self.records();
        let row = tx
            .prepare_cached(
                "SELECT pinned, requested_ms, ready FROM download WHERE account = ?1 AND kind = ?2 AND id = ?3 AND scope = ?4",
            )?
            .query_row([account, kind, id, scope], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
            .optional()?;
        let Some((pinned, requested_ms, now_ready)) = row else { return Ok(()) };
        let now_ready: Option<i64> = now_ready;
        let version = match ready.or(now_ready) {
            Some(version) => VersionRecord::of_row(tx, version)?,
            None => None,
        };
        if version.as_ref().is_some_and(|version| !records.has_pack(version)) {
            // One that became ready before there were records gets both later.
            return match ready {
                Some(_) => Err(Error::Internal("the pack of a version is not written".into())),
                None => Ok(()),
            };
        }
        let ready =
            version.map(|v| ReadyVersion { hash: v.hash, digest: v.digest(), signer: v.signer });
        let carried = tx
            .prepare_cached(
                "SELECT version, server, server_name, as_of_ms, taken_ms FROM carried WHERE account = ?1 AND kind = ?2 AND id = ?3",
            )?
            .query_row([account, kind, id], |r| {
                Ok(CarriedRecord {
                    version: hash_at(r, 0)?,
                    server: r.get(1)?,
                    server_name: r.get(2)?,
                    as_of_ms: r.get(3)?,
                    taken_ms: r.get(4)?,
                })
            })
            .optional()?;
        let [account, kind, id, scope] = [account, kind, id, scope].map(str::to_owned);
        let record =
            DownloadRecord { account, kind, id, scope, pinned, requested_ms, ready, carried };
        let path = (&*record.account, &*record.kind, &*record.id, &*record.scope);
        if records.download(path.0, path.1, path.2, path.3).ok().flatten().as_ref() == Some(&record)
        {
            return Ok(());
        }
        records.write_download(&record)?;
        self.step("recorded");
        Ok(())
    }

    /// Writes keys and limits beside the database. Call it after they changed.
    pub(crate) fn write_keys(&self) -> Result<()> {
        if self.is_degraded() {
            return Ok(());
        }
        // Under the write lock: another process may write its keys at the same moment.
        self.inner.db.write(|tx| {
            let (records, keys) = (self.records(), Keys::of_rows(tx)?);
            if records.keys().ok().flatten().as_ref() != Some(&keys) {
                records.write_keys(&keys)?;
            }
            tx.execute("DELETE FROM setting WHERE name = ?1", [NEW_LIMITS])?;
            Ok(())
        })
    }

    /// Deletes the record of a download that is being taken back, before its row is gone for good: a record without a row would bring the
    /// download back when the index is rebuilt. The next sweep writes the record of a row that has none.
    pub(crate) fn remove_record(&self, [account, kind, id, scope]: [&str; 4]) {
        if let Err(e) = self.records().remove_download(account, kind, id, scope) {
            // Tried again by `remove_records`.
            tracing::warn!(error = %e, "the record of a download stays for now");
        }
    }

    /// Deletes the records of downloads that were taken back.
    pub(crate) fn remove_records(&self) -> Result<()> {
        if self.is_degraded() {
            return Ok(());
        }
        let records = self.records();
        self.inner.db.write(|tx| {
            let dropped = tx
                .prepare_cached("SELECT account, kind, id, scope FROM dropped_download")?
                .query_map([], |r| Ok([r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?]))?
                .collect::<rusqlite::Result<Vec<[String; 4]>>>()?;
            if dropped.is_empty() {
                return Ok(());
            }
            for [account, kind, id, scope] in &dropped {
                records.remove_download(account, kind, id, scope)?;
                self.step("record removed");
            }
            tx.execute("DELETE FROM dropped_download", [])?;
            records.remove_unused_packs()
        })
    }

    /// Writes the records that are missing: of downloads from before there were records.
    pub(super) fn write_missing_records(&self) -> Result<()> {
        type Row = ([String; 4], Option<i64>, bool);
        let rows: Vec<Row> = self.inner.db.read(|conn| {
            Ok(conn
                .prepare_cached(
                    "SELECT account, kind, id, scope, ready, phase = 'ready' FROM download WHERE reason <> 'cable'",
                )?
                .query_map([], |r| {
                    Ok(([r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?], r.get(4)?, r.get(5)?))
                })?
                .collect::<rusqlite::Result<_>>()?)
        })?;
        let records = self.records();
        for ([account, kind, id, scope], ready, whole) in rows {
            let known = records.download(&account, &kind, &id, &scope).ok().flatten();
            let wanted = match (&known, ready) {
                (None, _) => true,
                (Some(known), Some(_)) => whole && known.ready.is_none(),
                (Some(_), None) => false,
            };
            if !wanted || (ready.is_some() && !whole) {
                continue;
            }
            if let Some(version) = ready {
                self.write_pack(version)?;
            }
            let key = [&account, &kind, &id, &scope].map(String::as_str);
            self.inner.db.write(|tx| self.write_record(tx, key, None))?;
        }
        self.write_keys()
    }
}

/// The setting that tells that the limits in the database are newer than those in the record.
const NEW_LIMITS: &str = "limits are new";

/// Notes that limits changed; `write_keys` takes it back.
pub(super) fn note_new_limits(tx: &Connection) -> Result<()> {
    tx.execute("INSERT OR REPLACE INTO setting (name, value) VALUES (?1, 1)", [NEW_LIMITS])?;
    Ok(())
}
pub(super) fn has_new_limits(conn: &Connection) -> Result<bool> {
    Ok(conn.prepare_cached("SELECT 1 FROM setting WHERE name = ?1")?.exists([NEW_LIMITS])?)
}

/// The row of a version, made or corrected; gives its number.
pub(super) fn restore_version(tx: &Connection, record: &VersionRecord) -> Result<i64> {
    let known: Option<i64> = tx
        .prepare_cached(
            "SELECT version FROM version WHERE hash = ?1 AND scope = ?2 AND signer = ?3",
        )?
        .query_row(params![record.hash.0, record.scope, record.signer], |r| r.get(0))
        .optional()?;
    let version = match known {
        Some(version) => {
            tx.execute("DELETE FROM need WHERE version = ?1", [version])?;
            tx.execute(
                "UPDATE version SET kind = ?2, id = ?3, signed = ?4 WHERE version = ?1",
                params![version, record.kind, record.id, record.signed],
            )?;
            version
        }
        None => {
            tx.execute(
                "INSERT INTO version (hash, scope, signer, kind, id, files, bytes, text_bytes, picture_bytes, audio_bytes,
                                      video_bytes, other_bytes, signed)
                 VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, 0, 0, 0, 0, 0, ?6)",
                params![record.hash.0, record.scope, record.signer, record.kind, record.id, record.signed],
            )?;
            tx.last_insert_rowid()
        }
    };
    let mut need = tx.prepare_cached(
        "INSERT OR REPLACE INTO need (version, hash, size, kind) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for (hash, size, kind) in &record.needs {
        need.execute(params![version, hash.0, size, kind])?;
    }
    tx.execute(
        "UPDATE version SET (files, bytes, text_bytes, picture_bytes, audio_bytes, video_bytes, other_bytes) = (
           SELECT count(*), coalesce(sum(size), 0), coalesce(sum(iif(kind = 0, size, 0)), 0), coalesce(sum(iif(kind = 1, size, 0)), 0),
                  coalesce(sum(iif(kind = 2, size, 0)), 0), coalesce(sum(iif(kind = 3, size, 0)), 0),
                  coalesce(sum(iif(kind = 4, size, 0)), 0)
           FROM need WHERE version = ?1)
         WHERE version = ?1",
        [version],
    )?;
    Ok(version)
}

/// A row for a blob whose bytes are here and have no row: in the pack, or in a file of this length.
pub(super) fn restore_blob(
    tx: &Connection,
    (hash, kind): (BlobHash, i64),
    size: u64,
    body: Option<&[u8]>,
    proved_ms: i64,
) -> Result<()> {
    tx.prepare_cached("DELETE FROM blob WHERE hash = ?1")?.execute([hash.0])?;
    tx.prepare_cached(
        "INSERT INTO blob (hash, size, inline, kind, origin, used_ms, proved_ms) VALUES (?1, ?2, ?3, ?4, 1, ?5, ?5)",
    )?
    .execute(params![hash.0, signed(size), body.is_some(), kind, proved_ms])?;
    if let Some(body) = body {
        tx.prepare_cached("INSERT OR REPLACE INTO blob_body (hash, body) VALUES (?1, ?2)")?
            .execute(params![hash.0, body])?;
    }
    tx.prepare_cached("DELETE FROM doomed WHERE hash = ?1")?.execute([hash.0])?;
    Ok(())
}

fn name_of(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

fn with_hash(body: &[u8]) -> Vec<u8> {
    let mut bytes = BlobHash::of(body).to_hex().into_bytes();
    bytes.push(b'\n');
    bytes.extend_from_slice(body);
    bytes
}

/// `None`: there is no such file. `Error::Corrupt`: it is damaged.
fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let bytes = match fs::read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes?,
    };
    let body =
        bytes.get(65..).filter(|body| bytes[..64] == *BlobHash::of(body).to_hex().as_bytes());
    let damaged = || Error::Corrupt(format!("{}", path.display()));
    serde_json::from_slice(body.ok_or_else(damaged)?).map(Some).map_err(|_| damaged())
}

fn gone(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e.into()),
        _ => Ok(()),
    }
}
