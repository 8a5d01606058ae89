//! The result of one check with the compiled content, which the preview shows.
//!
//! Not here: checking (`watch`).

use std::{collections::BTreeMap, path::PathBuf};

use carrel_model::{BlobHash, content::Manifest};

use crate::report::CheckReport;

/// The result of one check.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// Number of this check, from 1; 0 before the first one.
    pub generation: u64,
    pub report: CheckReport,
    /// The manifests by index in the report; packages with errors have none.
    pub manifests: BTreeMap<usize, Manifest>,
    /// File and media type of each blob.
    pub blobs: BTreeMap<BlobHash, (PathBuf, String)>,
}
