//! Stores blobs that several tenants have only once: as hard links to one file. The entry in a tenant's own folder is
//! what grants the tenant the blob, and a tenant that deletes its entry takes nothing from the others.

use std::{fs, io as stdio, path::Path};

use async_trait::async_trait;

use super::{HOUR_MS, Job};
use crate::{
    blobs::{self, BlobFolder},
    data_dir::DataDir,
    error::{Error, io},
};

/// Folder with a link to each blob of a tenant, in the folder of the tenants.
const POOL: &str = "shared";

pub struct ShareBlobs;

/// What a run has saved.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shared {
    files: u64,
    bytes: u64,
}

#[async_trait]
impl Job for ShareBlobs {
    fn name(&self) -> &'static str {
        "share-blobs"
    }
    fn every_ms(&self) -> Option<i64> {
        Some(HOUR_MS)
    }
    async fn run(&self, data: &DataDir) -> Result<String, Error> {
        let folder = data.config.data_dir.clone();
        let pool = folder.join("..").join(POOL);
        let own = BlobFolder::of(&folder).root().to_owned();
        let shared = tokio::task::spawn_blocking(move || share(&own, &pool));
        let shared = shared
            .await
            .map_err(|e| Error::Refused(e.to_string()))?
            .map_err(io("share blobs of", &data.config.data_dir))?;
        Ok(format!("{} blobs shared ({} bytes)", shared.files, shared.bytes))
    }
}

/// Replaces each blob that is also in the pool by a link to it, adds the others to the pool, and removes from the pool
/// what no tenant has any more.
fn share(own: &Path, pool: &Path) -> stdio::Result<Shared> {
    let mut shared = Shared::default();
    for entry in blobs::files(own)? {
        let place = pool.join(&entry.folder).join(&entry.name);
        if entry.links > 1 {
            continue;
        }
        match place.metadata() {
            Ok(stored) if stored.len() == entry.len => {
                // The link gets another name first, so that the blob exists at any time.
                let link = entry.path.with_file_name(format!(".tmp-{}", entry.name));
                let _ = fs::remove_file(&link);
                fs::hard_link(&place, &link)?;
                fs::rename(&link, &entry.path)?;
                shared.files += 1;
                shared.bytes += entry.len;
            }
            Ok(_) => {
                tracing::error!(blob.path = %place.display(), "a shared blob has another size")
            }
            Err(_) => {
                fs::create_dir_all(place.parent().unwrap_or(pool))?;
                fs::hard_link(&entry.path, &place)?;
            }
        }
    }
    for entry in blobs::files(pool)? {
        if entry.links == 1 {
            fs::remove_file(&entry.path)?;
        }
    }
    Ok(shared)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn put(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(&name[..2]).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn a_blob_of_two_tenants_is_stored_once_until_both_delete_it() {
        let dir = tempfile::tempdir().unwrap();
        let [a, b, pool] = ["a", "b", "pool"].map(|name| dir.path().join(name));
        let name = "ab".repeat(32);
        let (in_a, in_b) = (put(&a, &name, "text"), put(&b, &name, "text"));
        assert_eq!(share(&a, &pool).unwrap(), Shared::default());
        assert_eq!(share(&b, &pool).unwrap(), Shared { files: 1, bytes: 4 });
        assert_eq!(share(&b, &pool).unwrap(), Shared::default());
        let links = |folder: &Path| blobs::files(folder).unwrap().first().map(|file| file.links);
        assert_eq!(links(&a), Some(3));
        fs::remove_file(&in_a).unwrap();
        share(&a, &pool).unwrap();
        assert_eq!(fs::read_to_string(&in_b).unwrap(), "text");
        fs::remove_file(&in_b).unwrap();
        share(&b, &pool).unwrap();
        assert_eq!(links(&pool), None);
    }
}
