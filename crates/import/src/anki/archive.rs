//! The three forms of Anki packages. `meta` states the form: 1 has the database `collection.anki2`, 2
//! `collection.anki21`, 3 `collection.anki21b`, where the database, the list of media and each media file are
//! compressed with Zstandard. Packages of the forms 2 and 3 also contain a `collection.anki2` with one note that asks
//! to update Anki, which is not the content.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
};

use carrel_package::{Limits, Source};
use unicode_normalization::UnicodeNormalization;

use super::protobuf;
use crate::error::{Refusal, Result};

/// Maximum size of the unpacked database in bytes.
const MAX_DATABASE: u64 = 1 << 30;
/// Maximum size of one unpacked media file in bytes.
const MAX_MEDIA: u64 = 256 << 20;
/// Maximum size of the unpacked list of media in bytes.
const MAX_MEDIA_LIST: u64 = 64 << 20;
/// Maximum ratio of unpacked to packed size for what is larger than `RATIO_FREE_BYTES`.
const MAX_RATIO: u64 = 200;
const RATIO_FREE_BYTES: u64 = 1 << 20;
/// Largest window of a Zstandard frame: 8 MiB.
const WINDOW_LOG: u32 = 23;

/// An opened package.
pub(crate) struct Archive {
    source: Source,
    /// 1, 2 or 3.
    pub form: u8,
    /// The database, unpacked.
    pub database: PathBuf,
    /// Names in the archive by the names that the notes use, in NFC.
    media: BTreeMap<String, String>,
    folder: tempfile::TempDir,
}

/// Opens a package within the limits of zips.
pub(crate) fn open(path: &Path) -> Result<Archive> {
    let source = Source::open(path, &Limits::default()).map_err(Refusal::of_archive)?;
    let has = |name: &str| source.file(name).is_some();
    let stated = match source.file("meta") {
        Some((file, size)) if size < 1_000 => {
            let bytes = fs::read(file)?;
            protobuf::field(&bytes, 1).and_then(protobuf::Value::number)
        }
        _ => None,
    };
    let form = match stated {
        Some(form @ 1..=3) => form as u8,
        Some(form) => {
            return Err(Refusal::new(
                "import-newer",
                format!("the package has the form {form} of a newer Anki"),
                "export it in Anki with the option for older versions",
            ));
        }
        None if has("collection.anki21b") => 3,
        None if has("collection.anki21") => 2,
        None => 1,
    };
    let name =
        ["collection.anki2", "collection.anki21", "collection.anki21b"][usize::from(form) - 1];
    let Some((packed, size)) = source.file(name) else {
        return Err(Refusal::broken(format!("the package does not contain {name}")));
    };
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("collection");
    if form == 3 {
        unpack(packed, &database, MAX_DATABASE, "the database")?;
    } else if size > MAX_DATABASE {
        return Err(Refusal::limit(format!("the database has over {MAX_DATABASE} bytes")));
    } else {
        fs::copy(packed, &database)?;
    }
    let media = match source.file("media") {
        Some((list, _)) => media_list(list, form, folder.path())?,
        None => BTreeMap::new(),
    };
    Ok(Archive { source, form, database, media, folder })
}

fn media_list(list: &Path, form: u8, folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut media = BTreeMap::new();
    if form == 3 {
        let unpacked = folder.join("media-list");
        unpack(list, &unpacked, MAX_MEDIA_LIST, "the list of media")?;
        let bytes = fs::read(&unpacked)?;
        let entries = protobuf::fields(&bytes)
            .ok_or_else(|| Refusal::broken("the list of media is damaged"))?;
        let entries = entries.into_iter().filter(|(number, _)| *number == 1);
        for (index, (_, entry)) in entries.enumerate() {
            let entry = entry.bytes().unwrap_or_default();
            let name = protobuf::field(entry, 1).and_then(protobuf::Value::text);
            let stored = protobuf::field(entry, 255).and_then(protobuf::Value::number);
            let stored = stored.map_or_else(|| index.to_string(), |n| n.to_string());
            if let Some(name) = name {
                media.insert(name.nfc().collect(), stored);
            }
        }
        return Ok(media);
    }
    let bytes = fs::read(list)?;
    let names: BTreeMap<String, String> = match bytes.is_empty() {
        true => BTreeMap::new(),
        false => serde_json::from_slice(&bytes)
            .map_err(|e| Refusal::broken(format!("the list of media is damaged: {e}")))?,
    };
    for (stored, name) in names {
        media.insert(name.nfc().collect(), stored);
    }
    Ok(media)
}

/// A media file of a package.
pub(crate) enum Media {
    /// The content as a file.
    File(PathBuf),
    /// Not in the package, or damaged.
    Missing,
}

impl Archive {
    /// Returns the number of media files that the list names.
    pub fn media_count(&self) -> usize {
        self.media.len()
    }

    /// Unpacks a media file by the name that a note uses.
    pub fn media(&self, name: &str) -> Result<Media> {
        let name: String = name.nfc().collect();
        let stored = self.media.get(&name).or_else(|| {
            let decoded: String = crate::text::percent_decoded(&name).nfc().collect();
            self.media.get(&decoded)
        });
        let Some((packed, size)) = stored.and_then(|stored| self.source.file(stored)) else {
            return Ok(Media::Missing);
        };
        if self.form < 3 {
            return Ok(if size > MAX_MEDIA {
                Media::Missing
            } else {
                Media::File(packed.to_owned())
            });
        }
        let target = self.folder.path().join("media-file");
        match unpack(packed, &target, MAX_MEDIA, "a media file") {
            Ok(()) => Ok(Media::File(target)),
            Err(_) => Ok(Media::Missing),
        }
    }
}

/// Unpacks a Zstandard file within the limits.
fn unpack(packed: &Path, target: &Path, limit: u64, what: &str) -> Result<()> {
    let packed_size = fs::metadata(packed)?.len();
    let broken =
        |e: std::io::Error| Refusal::broken(format!("{what} cannot be unpacked (Zstandard): {e}"));
    let mut decoder = zstd::Decoder::new(File::open(packed)?).map_err(broken)?;
    decoder.window_log_max(WINDOW_LOG).map_err(broken)?;
    let mut out = File::create(target)?;
    let (mut buffer, mut size) = (vec![0; 1 << 16], 0_u64);
    loop {
        let n = decoder.read(&mut buffer).map_err(broken)?;
        if n == 0 {
            break;
        }
        size += n as u64;
        if size > limit {
            return Err(Refusal::limit(format!("{what} unpacks to more than {limit} bytes")));
        }
        if size > RATIO_FREE_BYTES && size / MAX_RATIO > packed_size {
            return Err(Refusal::limit(format!(
                "{what} unpacks to more than {MAX_RATIO} times its size"
            )));
        }
        out.write_all(&buffer[..n])?;
    }
    Ok(())
}
