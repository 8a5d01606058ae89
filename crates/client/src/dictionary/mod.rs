//! The dictionary packs of this device: installed, listed, removed, opened for look-ups. All accounts of the device use
//! them; they contain no work.
//!
//! A pack is two files in the folder: `HASH.sqlite`, its database, and `ID.json`, its signed header. The header is
//! written last, so an interrupted installation leaves only a database without header, which the next start deletes.
//!
//! `ID.wanted` names the pack of a download that goes on when the account of its server is open.
//!
//! Not here: the format and the look-up (`carrel_dictionary`), reading a file (`bundle::import_dictionary`).

mod downloads;
mod offers;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use carrel_bundle::{DictionaryBundle, DictionaryFacts, DictionaryHeader};
use carrel_dictionary::Pack;
use carrel_model::{Slug, text::language};
use carrel_system::{blocking, files::write_atomic};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

pub use self::offers::OfferedDictionary;
pub(crate) use self::{
    downloads::{DictionaryDownloads, Downloader},
    offers::{PATH, check_key, parse},
};
use crate::{Error, Result};

/// Folder of the packs, below the data folder.
const FOLDER: &str = "dictionaries";

/// The packs of a device.
#[derive(Debug)]
pub struct Dictionaries {
    folder: PathBuf,
    /// Read with the first use.
    packs: Mutex<Option<Packs>>,
}

type Packs = BTreeMap<Slug, Arc<Dictionary>>;

/// A requested download, in its file.
#[derive(Serialize, Deserialize)]
struct Wanted {
    /// Address of the server, without a trailing slash.
    server: String,
    header: DictionaryHeader,
}

/// An installed pack.
#[derive(Debug)]
pub struct Dictionary {
    pub facts: DictionaryFacts,
    /// ed25519 public key of the signature, 64 hex digits.
    pub key: String,
    pub pack: Pack,
}

impl Dictionaries {
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self { folder: data_dir.join(FOLDER), packs: Mutex::default() }
    }

    /// Returns the installed packs, sorted by id.
    pub fn all(&self) -> Result<Vec<Arc<Dictionary>>> {
        self.with_packs(|packs| Ok(packs.values().cloned().collect()))
    }
    /// Returns the packs for words of a language, whatever its region and script.
    pub fn for_language(&self, lang: &str) -> Result<Vec<Arc<Dictionary>>> {
        let wanted = language::primary(lang);
        let suits = |found: &Arc<Dictionary>| language::primary(&found.facts.lang) == wanted;
        Ok(self.all()?.into_iter().filter(suits).collect())
    }
    /// Returns true if an installed pack is signed with this key.
    pub(crate) fn has_key(&self, key: &str) -> Result<bool> {
        self.with_packs(|packs| Ok(packs.values().any(|found| found.key == key)))
    }
    /// Returns the path to which the database of a pack is written before `install`.
    pub(crate) fn prepare(&self, bundle: &DictionaryBundle) -> Result<PathBuf> {
        fs::create_dir_all(&self.folder)?;
        Ok(self.folder.join(format!("{}.part", bundle.facts.hash.to_hex())))
    }
    /// Installs a pack whose database was written to the path of `prepare` and verified. Replaces the pack with its id.
    pub(crate) fn install(&self, bundle: &DictionaryBundle) -> Result<()> {
        self.with_packs(|packs| {
            let part = self.prepare(bundle)?;
            let database = self.database(&bundle.facts);
            let checked = Pack::open(&part).and_then(|pack| pack.check());
            if let Err(e) = checked {
                let _ = fs::remove_file(&part);
                return Err(e.into());
            }
            let id = bundle.facts.id.clone();
            let before = packs.remove(&id).map(|before| before.facts.clone());
            fs::rename(&part, &database)?;
            let header = serde_json::to_vec(&bundle.header)?;
            write_atomic(&self.header(&id), &header)?;
            packs.insert(id, Arc::new(self.open(bundle.clone())?));
            if let Some(before) = before
                && !packs.values().any(|p| p.facts.hash == before.hash)
            {
                remove(&self.database(&before));
            }
            Ok(())
        })
    }
    /// Removes a pack. Returns true if it was installed.
    pub fn remove(&self, id: &Slug) -> Result<bool> {
        self.with_packs(|packs| {
            let Some(removed) = packs.remove(id) else { return Ok(false) };
            fs::remove_file(self.header(id))?;
            if !packs.values().any(|p| p.facts.hash == removed.facts.hash) {
                // A look-up may still use it; then the next start deletes it.
                remove(&self.database(&removed.facts));
            }
            Ok(true)
        })
    }

    /// Stores that a pack is to be downloaded from a server. Blocking.
    pub(crate) fn set_wanted(&self, server: &str, bundle: &DictionaryBundle) -> Result<()> {
        fs::create_dir_all(&self.folder)?;
        let wanted = Wanted { server: server.to_owned(), header: bundle.header.clone() };
        Ok(write_atomic(&self.wanted_file(&bundle.facts.id), &serde_json::to_vec(&wanted)?)?)
    }
    /// Ends the request of a download. An error is only logged: the download is then repeated after the next start.
    pub(crate) async fn forget_wanted(&self, id: &Slug) {
        let path = self.wanted_file(id);
        let _ = blocking(move || {
            remove(&path);
            Ok::<_, Error>(())
        })
        .await;
    }
    /// Returns the downloads that were requested and have not ended, with the server of each. Blocking.
    pub(crate) fn wanted(&self) -> Result<Vec<(String, DictionaryBundle)>> {
        let mut wanted = Vec::new();
        for path in self.files()?.iter().filter(|path| has_extension(path, "wanted")) {
            let read = || -> Result<_> {
                let Wanted { server, header } = serde_json::from_slice(&fs::read(path)?)?;
                Ok((server, DictionaryBundle::checked(header)?))
            };
            match read() {
                Ok(found) => wanted.push(found),
                Err(e) => {
                    tracing::warn!(path = %path.display(), error = %e, "a download cannot go on");
                    remove(path);
                }
            }
        }
        Ok(wanted)
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        let files = match fs::read_dir(&self.folder) {
            Ok(files) => files,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(e.into()),
        };
        Ok(files.map(|f| Ok(f?.path())).collect::<std::io::Result<_>>()?)
    }
    fn wanted_file(&self, id: &Slug) -> PathBuf {
        self.folder.join(format!("{id}.wanted"))
    }
    fn with_packs<T>(&self, f: impl FnOnce(&mut Packs) -> Result<T>) -> Result<T> {
        let mut packs = self.packs.lock();
        match packs.as_mut() {
            Some(packs) => f(packs),
            None => f(packs.insert(self.load()?)),
        }
    }
    fn database(&self, facts: &DictionaryFacts) -> PathBuf {
        self.folder.join(format!("{}.sqlite", facts.hash.to_hex()))
    }
    fn header(&self, id: &Slug) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }
    fn open(&self, bundle: DictionaryBundle) -> Result<Dictionary> {
        let path = self.database(&bundle.facts);
        let pack = Pack::open(&path)?;
        Ok(Dictionary { facts: bundle.facts, key: bundle.header.key, pack })
    }

    /// Opens the packs in the folder. A pack that cannot be opened is left out and reported in the log. Databases
    /// without a header are deleted.
    fn load(&self) -> Result<Packs> {
        let mut packs = Packs::new();
        let paths = self.files()?;
        let mut kept = Vec::new();
        for path in paths.iter().filter(|path| has_extension(path, "json")) {
            let mut read = || -> Result<Dictionary> {
                let bundle = DictionaryBundle::from_installed(&fs::read(path)?)?;
                kept.push(self.database(&bundle.facts));
                let bytes = fs::metadata(self.database(&bundle.facts))?.len();
                if path.file_stem().and_then(|s| s.to_str()) != Some(bundle.facts.id.as_str())
                    || bytes != bundle.facts.bytes
                {
                    return Err(Error::Invalid("the header is that of another pack".to_owned()));
                }
                self.open(bundle)
            };
            match read() {
                Ok(found) => drop(packs.insert(found.facts.id.clone(), Arc::new(found))),
                Err(e) => {
                    tracing::warn!(path = %path.display(), error = %e, "a dictionary cannot be opened")
                }
            }
        }
        for path in paths {
            let is_left = has_extension(&path, "sqlite") && !kept.contains(&path);
            if is_left || has_extension(&path, "part") {
                remove(&path);
            }
        }
        Ok(packs)
    }
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|e| e == extension)
}

fn remove(path: &Path) {
    if let Err(e) = fs::remove_file(path) {
        tracing::debug!(path = %path.display(), error = %e, "the file of a dictionary could not be deleted");
    }
}
