use carrel_model::Slug;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::download::DownloadRef;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum PlaceKind {
    /// A stick, a card, another disk.
    Stick,
    /// The system's folder for downloads; on a phone the app's documents.
    Downloads,
}

/// Where files can be written to, and the files of ours that lie there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PlaceList {
    /// Sticks first.
    pub places: Vec<PlaceView>,
    /// Newest first within each place.
    pub files: Vec<FileHere>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PlaceView {
    pub path: String,
    /// The stick's label, or the folder's name.
    pub name: String,
    pub kind: PlaceKind,
    pub free_bytes: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FileHere {
    pub path: String,
    pub name: String,
    pub bytes: u64,
    /// The name of its place.
    pub place: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ExportCourses {
    pub items: Vec<DownloadRef>,
    /// The path of a place.
    pub place: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ExportWork {
    /// The path of a place.
    pub place: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ExportedFile {
    pub path: String,
    pub file_name: String,
    pub bytes: u64,
    /// Courses and stories, or things that were done.
    pub count: u64,
}

/// Where the window puts a file that a person chose or dropped: `PUT`, the bytes as the body; the answer is `{ path, bytes }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SlotView {
    pub url: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FileRef {
    pub path: String,
}

/// What a file carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum FileView {
    Courses {
        /// The library it says it is from.
        server_name: String,
        /// Five groups of four digits, for a person to compare.
        fingerprint: String,
        /// A person must agree to the key first.
        ask: bool,
        made_ms: i64,
        bytes: u64,
        /// Of it, not on this device yet.
        new_bytes: u64,
        courses: Vec<CourseInFile>,
        refusal: Option<FileRefusal>,
    },
    Work {
        learner: String,
        server_name: String,
        device_name: String,
        /// The learner's other devices know this one.
        device_known: bool,
        made_ms: i64,
        rows: u64,
        /// It was done without an account: a person must say that it is theirs.
        claim: bool,
        refusal: Option<FileRefusal>,
    },
}

/// Why a file will not be taken in: a word for the UI's sentence, and whom or what it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FileRefusal {
    pub reason: String,
    pub subject: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum CourseHere {
    No,
    Same,
    /// An older version is here.
    Older,
    /// A newer version is here and stays.
    Newer,
    /// Another library's course has this id.
    Others,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CourseInFile {
    pub id: Slug,
    pub is_story: bool,
    pub title: String,
    pub bytes: u64,
    pub here: CourseHere,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ImportCourses {
    pub path: String,
    /// The fingerprint that a person agreed to.
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
    /// False: a newer version was here and stays.
    pub taken: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ImportWork {
    pub path: String,
    /// A person said that work without an account is theirs.
    pub claim: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ImportedWork {
    pub rows: u64,
    /// Of them, new here.
    pub news: u64,
    /// Kept for a later release, which can read them.
    pub unread: u64,
}

/// How far the file that is under way came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CableState {
    pub busy: bool,
    pub bytes_done: u64,
    pub bytes_total: u64,
}
