//! The whole catalogue as plain files in the layout of its URLs: a library that can be read without a server or an account.
//!
//! Not here: learners' rows.

use std::{fs, path::Path};

use carrel_model::{
    Slug,
    content::{Manifest, SignedManifest},
};
use serde::Deserialize;

use crate::{
    backup::{link_or_copy, part_of},
    blobs::BlobFolder,
    error::{Error, io},
    http::catalogue::{meta_of, page_json},
    server::Library,
    store::{Filter, Kind, Store},
};

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exported {
    pub courses: u64,
    pub stories: u64,
    pub blobs: u64,
    pub bytes: u64,
}

#[derive(Deserialize)]
struct Summary {
    id: Slug,
}

/// Writes `meta.json`, `courses.json`, `courses/<id>.json`, `courses/<id>/manifest.json`, the same for stories, and `blobs/ab/<hash>`.
/// A library that was exported there before is replaced; any other folder that is not empty is refused.
pub async fn export(library: &Library, to: &Path) -> Result<Exported, Error> {
    let occupied = fs::read_dir(to).is_ok_and(|mut d| d.next().is_some());
    if occupied && !to.join("meta.json").is_file() {
        return Err(Error::Refused(format!(
            "{to:?} is not empty and not an exported library: name another folder"
        )));
    }
    let part = part_of(to);
    if part.exists() {
        fs::remove_dir_all(&part).map_err(io("remove", &part))?;
    }
    fs::create_dir_all(&part).map_err(io("create", &part))?;
    let meta = meta_of(&library.app()?).await.map_err(|f| Error::Refused(f.detail))?;
    write(&part.join("meta.json"), &serde_json::to_string(&meta).unwrap_or_default())?;
    let mut done = Exported::default();
    let into = BlobFolder::of(&part);
    for (kind, name) in [(Kind::Course, "courses"), (Kind::Story, "stories")] {
        let found =
            library.store.list(kind, Filter { limit: u32::MAX, ..Filter::default() }).await?;
        let page_size = found.items.len() as u32;
        write(&part.join(format!("{name}.json")), &page_json(&found, 1, page_size))?;
        for summary in &found.items {
            let Summary { id } = parsed(&part, summary)?;
            let Some(published) = library.store.published(kind, &id).await? else { continue };
            write(&part.join(name).join(format!("{id}.json")), &published.reply)?;
            write(&part.join(name).join(id.as_str()).join("manifest.json"), &published.manifest)?;
            let signed: SignedManifest = parsed(&part, &published.manifest)?;
            let manifest: Manifest = parsed(&part, &signed.manifest)?;
            for blob in &manifest.blobs {
                let target = into.path(blob.hash);
                if !target.exists() {
                    link_or_copy(&library.blobs.path(blob.hash), &target)?;
                    done.blobs += 1;
                    done.bytes += blob.size;
                }
            }
            match kind {
                Kind::Course => done.courses += 1,
                Kind::Story => done.stories += 1,
            }
        }
    }
    if to.exists() {
        fs::remove_dir_all(to).map_err(io("remove", to))?;
    }
    fs::rename(&part, to).map_err(io("rename", &part))?;
    Ok(done)
}

fn parsed<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> Result<T, Error> {
    serde_json::from_str(text)
        .map_err(|e| Error::Damaged { path: path.to_owned(), problem: e.to_string() })
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(io("create", folder))?;
    }
    fs::write(path, text).map_err(io("write", path))
}
