//! Reading and writing record files. Files are replaced atomically and contain a hash of their contents.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use carrel_model::BlobHash;
use serde::de::DeserializeOwned;

use crate::{Error, Result, permissions, records::rows::*};

pub(crate) const RECORDS: &str = "records";
const DOWNLOADS: &str = "downloads";
const PACKS: &str = "packs";
const KEYS: &str = "keys.json";
/// Longest pack header that is read, in bytes; a manifest is at most a few MiB.
const MAX_HEADER: u64 = 64 * 1024 * 1024;

/// The folder `records/` of a store.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    dir: PathBuf,
}

impl Records {
    /// Returns the records of the store in `dir`.
    pub(crate) fn of(dir: &Path) -> Self {
        Self { dir: dir.join(RECORDS) }
    }

    fn download_path(&self, account: &str, kind: &str, id: &str, scope: &str) -> PathBuf {
        self.dir.join(DOWNLOADS).join(name_of(&[account, kind, id, scope]) + ".json")
    }
    fn pack_path(&self, hash: BlobHash, scope: &str, signer: &str) -> PathBuf {
        self.dir.join(PACKS).join(name_of(&[&hash.to_hex(), scope, signer]) + ".pack")
    }

    /// Returns all readable records of downloads, oldest request first; damaged ones are skipped.
    pub(crate) fn downloads(&self) -> Result<Vec<DownloadRecord>> {
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
                    tracing::warn!(record.file = %path.display(), error = %e, "cannot read the record of a download");
                }
            }
        }
        records.sort_by(|a, b| a.requested_ms.cmp(&b.requested_ms).then_with(|| a.id.cmp(&b.id)));
        Ok(records)
    }

    pub(crate) fn download(
        &self,
        account: &str,
        kind: &str,
        id: &str,
        scope: &str,
    ) -> Result<Option<DownloadRecord>> {
        read_json(&self.download_path(account, kind, id, scope))
    }

    pub(crate) fn write_download(&self, record: &DownloadRecord) -> Result<()> {
        let path = self.download_path(&record.account, &record.kind, &record.id, &record.scope);
        self.write(&path, &with_hash(&serde_json::to_vec(record)?))
    }

    pub(crate) fn remove_download(
        &self,
        account: &str,
        kind: &str,
        id: &str,
        scope: &str,
    ) -> Result<()> {
        remove_file(&self.download_path(account, kind, id, scope))
    }

    pub(crate) fn keys(&self) -> Result<Option<Keys>> {
        read_json(&self.dir.join(KEYS))
    }
    pub(crate) fn write_keys(&self, keys: &Keys) -> Result<()> {
        self.write(&self.dir.join(KEYS), &with_hash(&serde_json::to_vec(keys)?))
    }

    /// Returns whether the pack of this version exists and has the same digest.
    pub(crate) fn has_pack(&self, version: &VersionRecord) -> bool {
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

    /// Writes a pack: the hash of the next three parts, the digest of the version, the length of the
    /// header, the header, the compressed bodies.
    pub(crate) fn write_pack(
        &self,
        version: VersionRecord,
        bodies: &[(BlobHash, Vec<u8>)],
    ) -> Result<()> {
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

    /// Reads a pack. Returns `None` if it is missing or its header is damaged. Damaged bodies are left out.
    pub(crate) fn pack(&self, hash: BlobHash, scope: &str, signer: &str) -> Option<Pack> {
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
                tracing::warn!(record.file = %path.display(), "pack is corrupt");
                break;
            }
            if BlobHash::of(&body) == hash {
                bodies.insert(hash, body);
            }
        }
        Some(Pack { version: header.version, bodies })
    }

    /// Reads a body from the packs of these versions (hash, scope, signer).
    pub(crate) fn body(
        &self,
        hash: BlobHash,
        versions: &[(BlobHash, String, String)],
    ) -> Option<Vec<u8>> {
        versions.iter().find_map(|(version, scope, signer)| {
            self.pack(*version, scope, signer)?.bodies.remove(&hash)
        })
    }

    /// Deletes packs that no record refers to. Must be called within a write transaction, in which
    /// records are written, too.
    pub(crate) fn remove_unused_packs(&self) -> Result<()> {
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
                remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// Replaces the file atomically and syncs it.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let folder = path.parent().unwrap_or(&self.dir);
        for dir in [self.dir.as_path(), folder] {
            if !dir.is_dir() {
                fs::create_dir_all(dir)?;
                permissions::share_with_group(dir, self.dir.parent().unwrap_or(&self.dir));
            }
        }
        let new = path.with_extension(format!("{}.new", std::process::id()));
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(&new).and_then(|mut file| {
            permissions::share_with_group(&new, folder);
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

    /// Returns paths whose modification times change whenever a record of a download or of keys is written or deleted.
    pub(crate) fn watched(&self) -> [PathBuf; 2] {
        [self.dir.join(DOWNLOADS), self.dir.join(KEYS)]
    }

    /// Returns the paths of all files, relative to the folder of the store.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for folder in [Path::new("."), Path::new(DOWNLOADS), Path::new(PACKS)] {
            let found = match fs::read_dir(self.dir.join(folder)) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                found => found?,
            };
            for file in found {
                let file = file?;
                let name = PathBuf::from(file.file_name());
                let is_record = name.extension().is_some_and(|e| e == "json" || e == "pack");
                if file.file_type()?.is_file() && is_record {
                    files.push(Path::new(RECORDS).join(folder).join(name));
                }
            }
        }
        Ok(files)
    }

    /// Deletes all records and their folders.
    pub(crate) fn remove_all(&self) -> io::Result<()> {
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

/// Returns `None` if there is no such file, and `Error::Corrupt` if it is damaged.
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

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e.into()),
        _ => Ok(()),
    }
}
