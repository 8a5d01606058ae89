//! Records: files in `records/` from which `content.db` can be rebuilt without a network. There is a
//! file for each download, a pack for each ready version (signed manifest, list of blobs, small
//! bodies), and a file for keys and limits. Each file starts with a hash, by which damage is detected.
//!
//! A record is written before its download becomes ready. Large bodies need no record, because they
//! are files named by their hash.
//!
//! Not here: rebuilding the database (`storage::index`), writing records (`storage::records`).

mod files;
mod rows;

pub(crate) use files::{RECORDS, Records};
pub(crate) use rows::{
    DownloadRecord, ImportedRecord, Keys, NEW_LIMITS, Pack, ReadyVersion, VersionRecord,
    has_new_limits, mark_new_limits, restore_blob, restore_version,
};
