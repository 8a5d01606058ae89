//! Records: files in `records/` from which `content.db` can be rebuilt without a network. There is
//! a small file for each download, a pack for each ready version (the signed manifest, the list of
//! blobs, and the small bodies that are stored in the database), and a file for keys and limits.
//! Each begins with a hash, so that a damaged one is detected.
//!
//! A record is written before its download counts as ready, and deleted after its row is gone.
//! Large bodies need no record, because they are files named by their hash.
//!
//! Not here: when the database is rebuilt (`index`), deletion of blob files (`sweep`, `evict`).

mod files;
mod rows;

pub(crate) use files::{RECORDS, Records};
pub(crate) use rows::{
    DownloadRecord, ImportedRecord, Keys, NEW_LIMITS, Pack, ReadyVersion, VersionRecord,
    has_new_limits, note_new_limits, restore_blob, restore_version,
};
