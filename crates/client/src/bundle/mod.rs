//! Courses and work as files, for devices without a network. See docs/BUNDLES.md.
//!
//! | Module | Content |
//! |---|---|
//! | `transfer_task` | the running export or import: its progress and cancellation |
//! | `removable_media` | folders for bundles: USB drives, the downloads folder |
//! | `upload` | files uploaded by the UI |
//! | `convert` | conversion of files of other programs to course files |
//! | `device_key` | the key with which this device signs work files and converted courses |
//! | `key_trust` | which signing keys are trusted, and when the user has to accept one |
//! | `rows` | reading and merging the rows of a work file |
//! | `export` | export of downloaded courses, or of a learner's rows, to a file |
//! | `inspect` | the contents of a file, and whether it can be imported |
//! | `kept_work` | work that a shared machine keeps, encrypted, for a claim with a code |
//! | `import_courses`, `import_work`, `import_dictionary` | import of a file of each kind |
//!
//! Not here: the file format (`carrel_bundle`); how rows merge (`carrel_learning`); which content is local
//! (`carrel_content`).

mod convert;
mod device_key;
mod export;
mod import_courses;
mod import_dictionary;
mod import_reviews;
mod import_work;
mod inspect;
mod kept_work;
mod key_trust;
mod removable_media;
mod rows;
mod transfer_task;
mod upload;

use std::sync::Arc;

pub use carrel_bundle::{DictionaryFacts, Fault, fingerprint};

pub use carrel_import::{
    Format as ForeignFormat, Item, Level, PROBLEM_CODES, Remark as ImportRemark, RemarkCode, Report,
};

pub use self::{
    convert::{Conversion, ConversionChoice},
    export::ExportedFile,
    import_courses::ImportedCourse,
    import_dictionary::DictionaryInfo,
    inspect::{BundleInfo, CourseInfo, CoursesInfo, LocalState, WorkInfo},
    key_trust::KeyTrust,
    removable_media::{BundleFile, BundleFolder, FolderKind, bundle_folders, files_in},
    rows::{ImportedWork, join_rows},
    transfer_task::{TransferProgress, Transfers},
};
pub(crate) use self::{
    export::{export_courses, export_file, export_work, file_name},
    import_courses::import_courses,
    import_dictionary::import_dictionary,
    import_reviews::import_reviews,
    import_work::import_work,
    inspect::inspect,
    kept_work::{ClaimCode, claim_work, discard_work, has_kept_work, keep_work, new_code},
    rows::{all_rows, is_device_setting, is_of_device},
    upload::Uploads,
};
use crate::{
    account::AccountInfo,
    dictionary::Dictionaries,
    open_account::{OpenAccount, Shared},
};

/// File name extension of bundles.
pub const EXTENSION: &str = "carrel";

/// The account to export from or import into, with the client's shared state.
pub(crate) struct Context<'c> {
    pub account: Arc<OpenAccount>,
    pub info: AccountInfo,
    pub shared: &'c Shared,
    pub transfers: &'c Transfers,
    pub dictionaries: &'c Arc<Dictionaries>,
}

impl Context<'_> {
    /// Returns the name of the program for the file's header, such as "Carrel 1.0.0".
    fn made_by(&self) -> String {
        format!("Carrel {}", self.shared.config.app_version)
    }
    /// Returns the name of the library of the account's server; none without a server.
    fn library_name(&self) -> Option<String> {
        self.info.server.as_ref().map(|_| self.info.server_name.clone())
    }
}
