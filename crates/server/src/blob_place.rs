//! Where a data folder has its blobs: in the folder itself, or in an object store. Also their copy to the other place.
//!
//! A data folder whose blobs are in an object store has the file `object-store.toml` with the settings, without the
//! secret, so that commands find the blobs without the configuration file.

use std::{fs, path::Path, sync::Arc};

use carrel_object_store::{ObjectStore, ObjectStoreSettings};

use crate::{
    blobs::{self, BlobFolder, BlobStore, BlobsUnavailable},
    clock::{Clock, SystemClock},
    config::Config,
    data_dir::DataDir,
    error::{Error, io},
    folders::{remove_file, write_synced},
    signing::hex,
    tenants,
};

/// File with the settings of the object store.
pub(crate) const MARKER: &str = "object-store.toml";

/// Opens the blobs of a data folder. The caller has to call `mark` when the database is open.
///
/// # Errors
/// If the blobs are in another place than the settings name: a server would find none of them.
pub(crate) fn open(config: &Config) -> Result<Arc<dyn BlobStore>, Error> {
    let (dir, stored) = (&config.data_dir, stored(&config.data_dir)?);
    let Some(settings) = config.settings.blobs.as_ref().or(stored.as_ref()) else {
        let folder = BlobFolder::of(dir);
        fs::create_dir_all(folder.root()).map_err(io("create", folder.root()))?;
        return Ok(Arc::new(folder));
    };
    let store = object_store(dir, settings, Arc::clone(&config.clock))?;
    match &stored {
        Some(stored) if !stored.is_same_place(settings) => {
            return Err(Error::Refused(format!(
                "the blobs of {dir:?} are in {:?} and not in {:?}; hint: correct blobs.url; if you have moved the \
                 objects, delete {MARKER:?} and the folder {:?} in the data folder",
                stored.url,
                settings.url,
                blobs::FOLDER
            )));
        }
        None if has_files(dir)? => {
            return Err(Error::Refused(format!(
                "the blobs of {dir:?} are still in this folder; hint: run `carrel-server blobs copy --to object-store` \
                 with the same --config"
            )));
        }
        _ => {}
    }
    Ok(Arc::new(store))
}

/// Writes down in which object store of the configuration the blobs are. Not before there is a database: the file without
/// a database means that the database was lost.
pub(crate) fn mark(config: &Config) -> Result<(), Error> {
    let dir = &config.data_dir;
    match &config.settings.blobs {
        Some(settings) if stored(dir)?.as_ref() != Some(settings) => write_marker(dir, settings),
        _ => Ok(()),
    }
}

/// Opens the blobs of a data folder whose server is not opened, as its last one had them.
pub(crate) fn of_folder(dir: &Path) -> Result<Arc<dyn BlobStore>, Error> {
    Ok(match stored(dir)? {
        Some(settings) => Arc::new(object_store(dir, &settings, Arc::new(SystemClock))?),
        None => Arc::new(BlobFolder::of(dir)),
    })
}

/// Returns true if the blobs of a data folder are in an object store.
pub(crate) fn is_remote(dir: &Path) -> bool {
    dir.join(MARKER).exists()
}

/// Checks the object store of a server that starts. While the store does not reply, the server starts all the same:
/// learners' work needs no blobs.
///
/// # Errors
/// If the settings have to be changed. A server without courses forgets them then.
pub(crate) async fn check(data: &DataDir) -> Result<(), Error> {
    let dir = &data.config.data_dir;
    let Some(settings) = stored(dir)? else { return Ok(()) };
    let store = object_store(dir, &settings, Arc::clone(&data.config.clock))?;
    let key = hex(&data.signer.public_key());
    let checked = tokio::task::spawn_blocking(move || store.check(&key)).await;
    let Err(e) = checked.map_err(|e| Error::Refused(e.to_string()))? else { return Ok(()) };
    if BlobsUnavailable::of(&e).is_some_and(|found| !found.is_configuration) {
        tracing::error!(blobs.url = settings.url, error = %e, "courses cannot be read now");
        return Ok(());
    }
    if data.store.blobs().await?.is_empty() {
        remove_file(&dir.join(MARKER))?;
    }
    Err(Error::Refused(e.to_string()))
}

/// What a copy has done.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    pub blobs: u64,
    pub bytes: u64,
    /// Blobs that were there before.
    pub found: u64,
}

/// Copies the blobs of the catalogue to the object store of the configuration, or to the data folder if `to_folder`, and
/// makes it their place. The old ones are kept. A copy that was interrupted is continued by a new one.
///
/// # Errors
/// If a blob cannot be read or its content does not match its hash. Then the place is the old one.
pub async fn copy(config: &Config, to_folder: bool) -> Result<Copied, Error> {
    let (dir, settings) = (&config.data_dir, config.settings.blobs.clone());
    // Opened where the blobs are, whatever the configuration names.
    let mut at_source = config.clone();
    at_source.settings.blobs = None;
    let data = DataDir::open_existing(at_source)?;
    let from = Arc::clone(&data.blobs);
    let into: Arc<dyn BlobStore> = match (to_folder, &settings) {
        (true, _) => Arc::new(BlobFolder::of(dir)),
        (false, Some(settings)) => {
            let store = object_store(dir, settings, Arc::clone(&config.clock))?;
            let server = match tenants::name_of(dir) {
                Some(_) => tenants::server_folder(dir),
                None => dir.clone(),
            };
            let key = crate::key_file::read(&server)?;
            let key = hex(&crate::signing::Signer::public_key(&key));
            store.check(&key).map_err(|e| Error::Refused(e.to_string()))?;
            Arc::new(store)
        }
        (false, None) => {
            return Err(Error::Refused(
                "no object store is configured; hint: name the file with [blobs] as --config"
                    .to_owned(),
            ));
        }
    };
    let Some(lock) = data.lock_blobs()? else {
        return Err(Error::Refused("an import is running; hint: wait for its end".to_owned()));
    };
    let all = data.store.blobs().await?;
    let (folder, name) = (dir.clone(), io("copy the blobs of", dir));
    let copied = tokio::task::spawn_blocking(move || {
        let mut copied = Copied::default();
        let parts = tempfile::tempdir_in(&folder)?;
        for blob in all {
            if into.reserve(blob.hash, blob.size)? {
                copied.found += 1;
                continue;
            }
            let part = parts.path().join("blob");
            from.copy_to(blob.hash, &part)?;
            verify(&part, blob.hash)?;
            into.put_file(blob.hash, &part)?;
            fs::remove_file(&part)?;
            (copied.blobs, copied.bytes) = (copied.blobs + 1, copied.bytes + blob.size);
        }
        drop(lock);
        Ok(copied)
    });
    let copied = copied.await.map_err(|e| Error::Refused(e.to_string()))?.map_err(name)?;
    match settings.filter(|_| !to_folder) {
        Some(settings) => write_marker(dir, &settings)?,
        None => remove_file(&dir.join(MARKER))?,
    }
    Ok(copied)
}

fn verify(path: &Path, hash: carrel_model::BlobHash) -> std::io::Result<()> {
    let mut hasher = blake3::Hasher::new();
    std::io::copy(&mut fs::File::open(path)?, &mut hasher)?;
    if hasher.finalize().as_bytes() == &hash.0 {
        return Ok(());
    }
    let problem = format!("the content of the blob {hash} does not match its hash");
    Err(std::io::Error::new(std::io::ErrorKind::InvalidData, problem))
}

fn object_store(
    dir: &Path,
    settings: &ObjectStoreSettings,
    clock: Arc<dyn Clock>,
) -> Result<ObjectStore, Error> {
    let tenant = tenants::name_of(dir);
    ObjectStore::open(settings, tenant.as_deref(), clock).map_err(|e| Error::Refused(e.to_string()))
}

fn stored(dir: &Path) -> Result<Option<ObjectStoreSettings>, Error> {
    let path = dir.join(MARKER);
    match fs::read_to_string(&path) {
        Ok(text) => toml::from_str(&text)
            .map(Some)
            .map_err(|e| Error::Damaged { path, problem: e.to_string() }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(io("read", &path)(e)),
    }
}

fn write_marker(dir: &Path, settings: &ObjectStoreSettings) -> Result<(), Error> {
    let text = toml::to_string(settings).map_err(|e| Error::Refused(e.to_string()))?;
    write_synced(&dir.join(MARKER), &text)
}

fn has_files(dir: &Path) -> Result<bool, Error> {
    let folder = BlobFolder::of(dir);
    Ok(!blobs::files(folder.root()).map_err(io("list", folder.root()))?.is_empty())
}
