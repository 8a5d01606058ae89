//! The dictionary packs that a server offers: the files `*.carrel` of a folder.
//!
//! Each file is checked except for its database, whose hash the client verifies. What was read is kept until the file
//! changes.

use std::{
    collections::BTreeMap,
    fs,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use carrel_model::BlobHash;
use serde::{Deserialize, Serialize};

use crate::{Bundle, DictionaryBundle, DictionaryHeader, open};

/// Folder of the packs, below the data folder of a server.
pub const OFFERED_FOLDER: &str = "dictionaries";
/// Maximum number of packs that are offered.
pub const MAX_OFFERED: usize = 1_000;

/// The reply to `GET /api/dictionaries`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferedList {
    /// Sorted by the id of the pack; one for each id.
    pub dictionaries: Vec<DictionaryHeader>,
}

/// A pack whose header and signature were checked.
#[derive(Debug)]
pub struct OfferedPack {
    pub path: PathBuf,
    /// `start` is the offset of the database in the file.
    pub bundle: DictionaryBundle,
}

/// The packs of a folder.
#[derive(Debug)]
pub struct OfferedPacks {
    folder: PathBuf,
    known: Mutex<BTreeMap<PathBuf, Known>>,
}

/// What was read of a file: nothing if it is not a pack.
#[derive(Debug, Clone)]
struct Known {
    len: u64,
    modified: Option<SystemTime>,
    pack: Option<Arc<OfferedPack>>,
}

impl OfferedPacks {
    /// Returns the packs below the data folder of a server.
    pub fn of(data_dir: &Path) -> Self {
        Self { folder: data_dir.join(OFFERED_FOLDER), known: Mutex::default() }
    }

    /// Returns the packs, sorted by id; of packs with the same id, the newest one.
    /// Files that are not packs are left out. Blocking.
    pub fn all(&self) -> io::Result<Vec<Arc<OfferedPack>>> {
        let mut packs: BTreeMap<String, Arc<OfferedPack>> = BTreeMap::new();
        for pack in self.read()? {
            let id = pack.bundle.facts.id.to_string();
            let is_older =
                |found: &Arc<OfferedPack>| found.bundle.facts.made_ms >= pack.bundle.facts.made_ms;
            if !packs.get(&id).is_some_and(is_older) {
                packs.insert(id, pack);
            }
        }
        Ok(packs.into_values().take(MAX_OFFERED).collect())
    }
    /// Returns the headers of the packs.
    pub fn list(&self) -> io::Result<OfferedList> {
        let headers = self.all()?.into_iter().map(|pack| pack.bundle.header.clone());
        Ok(OfferedList { dictionaries: headers.collect() })
    }
    /// Returns a pack with this database, also if a newer one with its id is listed.
    pub fn with_database(&self, hash: BlobHash) -> io::Result<Option<Arc<OfferedPack>>> {
        Ok(self.read()?.into_iter().find(|pack| pack.bundle.facts.hash == hash))
    }

    fn read(&self) -> io::Result<Vec<Arc<OfferedPack>>> {
        let files = match fs::read_dir(&self.folder) {
            Ok(files) => files,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(e),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut *known);
        for file in files {
            let path = file?.path();
            // A file may be removed at any time.
            let Ok(facts) = fs::metadata(&path) else { continue };
            if !facts.is_file() || path.extension().is_none_or(|e| e != "carrel") {
                continue;
            }
            let (len, modified) = (facts.len(), facts.modified().ok());
            let found = match before.get(&path) {
                Some(found) if (found.len, found.modified) == (len, modified) => found.clone(),
                _ => Known { len, modified, pack: read_pack(&path, len) },
            };
            known.insert(path, found);
        }
        Ok(known.values().filter_map(|found| found.pack.clone()).collect())
    }
}

fn read_pack(path: &Path, len: u64) -> Option<Arc<OfferedPack>> {
    let mut file = File::open(path).ok()?;
    match open(&mut file, len) {
        Ok(Bundle::Dictionary(bundle)) => {
            Some(Arc::new(OfferedPack { path: path.to_owned(), bundle }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use carrel_model::Slug;
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::{DICTIONARY_FORMAT, DictionaryFacts};

    fn write(folder: &Path, name: &str, id: &str, made_ms: i64, database: &[u8]) -> BlobHash {
        let hash = BlobHash::of(database);
        let facts = DictionaryFacts {
            format: DICTIONARY_FORMAT.to_owned(),
            id: Slug::new(id).unwrap(),
            name: "Words".into(),
            lang: "sw".into(),
            gloss_langs: vec!["en".into()],
            license: "CC0-1.0".into(),
            source: "the school".into(),
            entries: 1,
            made_ms,
            bytes: database.len() as u64,
            hash,
        };
        let bundle = DictionaryBundle::sign(&facts, &SigningKey::from_bytes(&[7; 32])).unwrap();
        let mut bytes = bundle.prefix_and_header().unwrap();
        bytes.extend_from_slice(database);
        fs::write(folder.join(name), bytes).unwrap();
        hash
    }

    #[test]
    fn the_newest_pack_of_each_id_is_listed_and_other_files_are_not() {
        let data = tempfile::tempdir().unwrap();
        let offered = OfferedPacks::of(data.path());
        assert_eq!(offered.list().unwrap(), OfferedList::default(), "without the folder");
        let folder = data.path().join(OFFERED_FOLDER);
        fs::create_dir(&folder).unwrap();
        let old = write(&folder, "a.carrel", "words", 1, b"one");
        let new = write(&folder, "b.carrel", "words", 2, b"three");
        write(&folder, "c.carrel", "animals", 1, b"four");
        write(&folder, "d.txt", "birds", 1, b"five");
        fs::write(folder.join("e.carrel"), "no pack").unwrap();
        let mut damaged = fs::read(folder.join("c.carrel")).unwrap();
        let at = damaged.len() - b"four".len() - 10;
        damaged[at] ^= 1;
        fs::write(folder.join("f.carrel"), damaged).unwrap();

        let listed = |offered: &OfferedPacks| -> Vec<(String, BlobHash)> {
            let all = offered.all().unwrap();
            let facts = all.iter().map(|pack| &pack.bundle.facts);
            facts.map(|facts| (facts.id.to_string(), facts.hash)).collect()
        };
        let animals = ("animals".to_owned(), BlobHash::of(b"four"));
        assert_eq!(listed(&offered), [animals.clone(), ("words".to_owned(), new)]);
        // A device may still be downloading the one before.
        for hash in [old, new] {
            let pack = offered.with_database(hash).unwrap().unwrap();
            let bytes = fs::read(&pack.path).unwrap();
            let start = usize::try_from(pack.bundle.start).unwrap();
            assert_eq!(BlobHash::of(&bytes[start..]), hash);
        }
        assert!(offered.with_database(BlobHash::of(b"none")).unwrap().is_none());

        // A file that is replaced or removed while the server runs.
        let newer = write(&folder, "b.carrel", "words", 3, b"seven");
        assert_eq!(listed(&offered), [animals.clone(), ("words".to_owned(), newer)]);
        fs::remove_file(folder.join("b.carrel")).unwrap();
        assert_eq!(listed(&offered), [animals, ("words".to_owned(), old)]);
    }
}
