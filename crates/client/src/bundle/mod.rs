//! Courses and work as files, for machines without a network (docs/BUNDLES.md).
//!
//! | Module | Content |
//! |---|---|
//! | `transfer_task` | the one export or import that runs: its progress, and how it is cancelled |
//! | `removable_media` | where files may be: USB drives, the folder for downloads |
//! | `upload` | files that the window uploads |
//! | `device_key` | the key that this device signs work with |
//! | `key_trust` | which signing keys are trusted, and when a person is asked |
//! | `rows` | rows of a work file, read and joined |
//! | `export` | downloaded courses, or a learner's rows, into one file |
//! | `inspect` | what a file contains, and whether it would be imported |
//! | `import_courses`, `import_work` | the content of a file onto this device |
//!
//! Not here: the format of the files (`carrel_bundle`); how rows merge (`learning`); what is on this device (`content`).

mod device_key;
mod export;
mod import_courses;
mod import_work;
mod inspect;
mod key_trust;
mod removable_media;
mod rows;
mod transfer_task;
mod upload;

use std::sync::Arc;

pub use carrel_bundle::{Fault, fingerprint};

pub use self::{
    export::ExportedFile,
    import_courses::ImportedCourse,
    inspect::{BundleInfo, CourseInfo, CoursesInfo, LocalState, WorkInfo},
    key_trust::KeyTrust,
    removable_media::{BundleFile, BundleFolder, FolderKind, bundle_folders, files_in},
    rows::{ImportedWork, join_rows},
    transfer_task::{TransferProgress, Transfers},
};
pub(crate) use self::{
    export::{export_courses, export_work},
    import_courses::import_courses,
    import_work::import_work,
    inspect::inspect,
    rows::all_rows,
    upload::Uploads,
};
use crate::{
    account::AccountInfo,
    open_account::{OpenAccount, Shared},
};

/// How the names of files end.
pub const EXTENSION: &str = "carrel";

/// The account that is exported from or imported into.
pub(crate) struct Context<'c> {
    pub account: Arc<OpenAccount>,
    pub info: AccountInfo,
    pub shared: &'c Shared,
    pub transfers: &'c Transfers,
}

impl Context<'_> {
    /// The program that makes files: "Carrel 1.0.0".
    fn made_by(&self) -> String {
        format!("Carrel {}", self.shared.config.app_version)
    }
    /// The name of the account's own library; none without a server.
    fn library_name(&self) -> Option<String> {
        self.info.server.as_ref().map(|_| self.info.server_name.clone())
    }
}
