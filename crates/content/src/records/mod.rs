//! Files in `records/` from which `content.db` can be rebuilt without a network: a small one for each download, a pack for
//! each version that is ready (the signed manifest, what it needs, and the small bodies that lie in the database), and one
//! for keys and limits. Each begins with the hash of the rest, so a damaged one is not used.
//!
//! A record is written before its download counts as ready, and deleted after its row is gone. Large bodies need no record:
//! they are files named by their hash.
//!
//! Not here: when the database is rebuilt (`index`), who deletes blob files (`sweep`, `evict`).

mod files;
mod rows;

pub(crate) use files::{RECORDS, Records};
pub(crate) use rows::{
    CarriedRecord, DownloadRecord, Keys, NEW_LIMITS, Pack, ReadyVersion, VersionRecord,
    has_new_limits, note_new_limits, restore_blob, restore_version,
};
