//! Exports the whole catalogue as files whose paths are those of the URLs: a library that can be read without a server
//! or an account.
//!
//! Learners' rows are not exported.

use std::{
    fs,
    path::{Path, PathBuf},
};

use carrel_model::{
    Slug,
    content::{Manifest, SignedManifest},
    wire::Meta,
};
use serde::Deserialize;

use crate::{
    backup::BLOBS,
    blobs::BlobFolder,
    catalogue::{self, page_json},
    data_dir::DataDir,
    error::{Error, io},
    folders::{finish_part, new_part},
    store::{Audience, Filter, Kind},
};

/// Number of exported courses, stories and blobs, and the total size of the blobs in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exported {
    pub courses: u64,
    pub stories: u64,
    pub blobs: u64,
    pub bytes: u64,
}

/// The id in the summary of a course or story.
#[derive(Deserialize)]
pub(crate) struct Summary {
    pub id: Slug,
}

/// Entries of the folder of an exported library.
const ENTRIES: [&str; 6] =
    ["meta.json", "courses.json", "courses", "stories.json", "stories", BLOBS];

/// Writes `meta.json`, `courses.json`, `courses/<id>.json`, `courses/<id>/manifest.json`, the same for stories, and
/// `blobs/ab/<hash>`. Replaces a library exported to the same folder earlier; any other folder that is not empty is
/// refused.
pub async fn export(data: &DataDir, to: &Path) -> Result<Exported, Error> {
    if !is_empty(to) && !is_exported_library(to) {
        return Err(Error::Refused(format!(
            "{to:?} is neither empty nor an exported library; hint: name another folder"
        )));
    }
    let part = new_part(to)?;
    let meta = catalogue::meta(data).await?;
    write(&part.join("meta.json"), &serde_json::to_string(&meta).unwrap_or_default())?;
    // Courses for classes, and those that were withdrawn, are not for everybody who gets the library.
    let all =
        Filter { audience: Audience::Reader(Vec::new()), limit: u32::MAX, ..Filter::default() };
    let mut exported = Exported::default();
    let target_blobs = BlobFolder::of(&part);
    for (kind, name) in [(Kind::Course, "courses"), (Kind::Story, "stories")] {
        let found = data.store.list(kind, None, all.clone()).await?;
        let page_size = found.items.len() as u32;
        write(&part.join(format!("{name}.json")), &page_json(&found, 1, page_size))?;
        for publication in &found.items {
            let Summary { id } = parse(&part, &publication.summary)?;
            let Some(published) = data.store.published(kind, &id).await? else { continue };
            write(&part.join(name).join(format!("{id}.json")), &published.reply)?;
            write(&part.join(name).join(id.as_str()).join("manifest.json"), &published.manifest)?;
            let signed: SignedManifest = parse(&part, &published.manifest)?;
            let manifest: Manifest = parse(&part, &signed.manifest)?;
            for blob in &manifest.blobs {
                let target = target_blobs.path(blob.hash);
                if !target.exists() {
                    data.blobs.copy_to(blob.hash, &target).map_err(io("copy", &target))?;
                    exported.blobs += 1;
                    exported.bytes += blob.size;
                }
            }
            match kind {
                Kind::Course => exported.courses += 1,
                Kind::Story => exported.stories += 1,
            }
        }
    }
    if to.exists() {
        // The old library is renamed first. If the export is killed here, at least one of the two libraries is
        // complete.
        let old = old_path(to);
        fs::rename(to, &old).map_err(io("rename", to))?;
        finish_part(&part, to)?;
        fs::remove_dir_all(&old).map_err(io("remove", &old))?;
    } else {
        finish_part(&part, to)?;
    }
    Ok(exported)
}

fn is_empty(folder: &Path) -> bool {
    match fs::read_dir(folder) {
        Ok(mut found) => found.next().is_none(),
        Err(e) => e.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Returns true if the folder contains what `export` writes and nothing else.
fn is_exported_library(folder: &Path) -> bool {
    let meta = fs::read_to_string(folder.join("meta.json"));
    let is_meta = meta.is_ok_and(|text| serde_json::from_str::<Meta>(&text).is_ok());
    let has_only_known_entries = fs::read_dir(folder).is_ok_and(|found| {
        found
            .into_iter()
            .all(|entry| entry.is_ok_and(|e| ENTRIES.iter().any(|known| e.file_name() == *known)))
    });
    is_meta && has_only_known_entries
}

/// Returns an unused path beside the folder, for the old library.
fn old_path(to: &Path) -> PathBuf {
    let name = |n: u32| {
        let mut name = to.as_os_str().to_owned();
        name.push(format!(".old-{n}"));
        PathBuf::from(name)
    };
    (1..).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(0))
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> Result<T, Error> {
    serde_json::from_str(text)
        .map_err(|e| Error::Damaged { path: path.to_owned(), problem: e.to_string() })
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(io("create", folder))?;
    }
    fs::write(path, text).map_err(io("write", path))
}
