//! Types of the bundle commands: folders, files, exports and imports.
//!
//! Not here: the file format (`carrel_bundle`).

use std::collections::BTreeMap;

use carrel_client::bundle::RemarkCode;
use carrel_model::Slug;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::dictionary::DictionaryView;

use super::download::DownloadRef;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum BundleFolderKind {
    /// A USB drive, memory card or external disk.
    Removable,
    /// The system's downloads folder; on a phone the app's documents folder.
    Downloads,
}

/// Folders for bundles, and the bundles in them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct BundleFolderList {
    /// Removable media first.
    pub folders: Vec<BundleFolderView>,
    /// Newest first within each folder.
    pub files: Vec<BundleFileView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct BundleFolderView {
    pub path: String,
    /// The drive's label, or the folder's name.
    pub name: String,
    pub kind: BundleFolderKind,
    pub free_bytes: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct BundleFileView {
    pub path: String,
    pub name: String,
    pub bytes: u64,
    /// Name of the folder in `folders`.
    pub folder: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ExportCourses {
    pub items: Vec<DownloadRef>,
    /// Path of a folder in `BundleFolderList`.
    pub folder: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ExportWork {
    /// Path of a folder in `BundleFolderList`.
    pub folder: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ExportedFile {
    pub path: String,
    pub file_name: String,
    pub bytes: u64,
    /// Number of courses and stories, or of rows.
    pub count: u64,
}

/// Address to which the UI uploads a file that the user chose or dropped. `PUT` with the bytes as body returns the path
/// and the size as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct UploadUrl {
    pub url: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FileRef {
    pub path: String,
    /// BCP 47 tag of the texts of a file that does not state their language: quiz questions, Anki packages.
    #[serde(default)]
    #[ts(optional)]
    pub lang: Option<String>,
    /// Reviews of an Anki package are taken over with its course.
    #[serde(default)]
    #[ts(optional)]
    pub reviews: Option<bool>,
}

/// The course file to which a file of another program was converted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ConvertedFile {
    /// Path of the course file, for `import_courses`.
    pub path: String,
    /// Name of the format, such as "GIFT".
    pub format: String,
    /// BCP 47 tag of the course.
    pub lang: String,
    /// The file states its language.
    pub states_language: bool,
    /// Number of items that work as in the other program.
    pub exact: u32,
    /// Items that were changed, kept as text or refused, at most 200.
    pub others: Vec<ConvertedItem>,
    /// Number of these items in the file.
    pub other_count: u32,
    /// Facts about the whole file.
    pub notes: Vec<RemarkView>,
    /// Number of reviews in the file.
    pub review_count: u64,
    /// The reviews are taken over with the course.
    pub has_reviews: bool,
}

/// An item of a file of another program that does not work exactly as there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ConvertedItem {
    /// Empty if the item has no title; then `line` is set.
    pub title: String,
    /// Line of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub line: Option<u32>,
    pub level: ConversionLevel,
    /// Why the level is not `exact`.
    pub reasons: Vec<RemarkView>,
}

/// A sentence about a converted file. The UI has a message for each code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RemarkView {
    pub code: RemarkCode,
    /// Values by the names in the message; `n` decides about its plural form.
    pub params: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ConversionLevel {
    Exact,
    /// The item is there, with a difference.
    Changed,
    /// The text of the item is there; what the learner did with it is not.
    KeptAsText,
    /// The item is not in the course.
    Refused,
}

/// Contents of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum FileView {
    Courses {
        /// The library named in the file.
        server_name: String,
        /// Five groups of four hex digits, for the user to compare.
        fingerprint: String,
        /// The user has to accept the key before an import.
        needs_confirmation: bool,
        made_ms: i64,
        /// Size of the whole file.
        bytes: u64,
        /// Bytes of blobs that are not on this device yet.
        new_bytes: u64,
        courses: Vec<CourseInFile>,
        refusal: Option<FileRefusal>,
        /// For a file of another program.
        converted: Option<ConvertedFile>,
    },
    Work {
        learner: String,
        server_name: String,
        device_name: String,
        /// A device of the learner has published the key that signed the file.
        device_known: bool,
        made_ms: i64,
        rows: u64,
        /// The work was done without an account: the user has to confirm that it is theirs.
        claim: bool,
        refusal: Option<FileRefusal>,
    },
    Dictionary {
        dictionary: DictionaryView,
        /// Five groups of four hex digits, for the user to compare.
        fingerprint: String,
        /// The user has to accept the key before an import.
        needs_confirmation: bool,
        /// A pack with this id is installed and will be replaced.
        replaces: bool,
        refusal: Option<FileRefusal>,
    },
}

/// Why a file cannot be imported: a code for which the UI has a message, and the name that the message refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FileRefusal {
    pub reason: String,
    pub subject: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum LocalVersion {
    /// The course is not on this device.
    Absent,
    Same,
    /// The local version is older and is replaced.
    Older,
    /// The local version is newer and is kept.
    Newer,
    /// A local course of another library has this id.
    OtherLibrary,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CourseInFile {
    pub id: Slug,
    pub is_story: bool,
    pub title: String,
    pub bytes: u64,
    pub local: LocalVersion,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ImportCourses {
    pub path: String,
    /// Fingerprint of the key that the user accepted; missing if the key is trusted.
    #[ts(optional)]
    pub accept: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ImportedCourses {
    pub courses: Vec<ImportedCourse>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ImportedCourse {
    pub id: Slug,
    pub is_story: bool,
    pub title: String,
    /// False: a newer local version was kept.
    pub imported: bool,
    /// Number of reviews that were taken over.
    pub reviews: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ImportWork {
    pub path: String,
    /// The user confirmed that work without an account is theirs.
    pub claim: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ImportedWork {
    /// Number of rows in the file.
    pub rows: u64,
    /// Number of rows that changed local data.
    pub changed: u64,
    /// Number of rows that this release cannot read; they are kept for a later release.
    pub unreadable: u64,
}

/// Progress of the running export or import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TransferState {
    pub busy: bool,
    pub bytes_done: u64,
    pub bytes_total: u64,
}
