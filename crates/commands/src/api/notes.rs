//! Types of the commands for notes, highlights and bookmarks.
//!
//! Not here: how a passage is found in another edition (`carrel_learning::notes`).

use carrel_model::{BlobHash, ItemId, RevisionId, lattice::NoteMark};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct NoteList {
    /// In order of the text; those without a place at the end of their section.
    pub notes: Vec<NoteView>,
}

/// Whether the passage of a note is in the text that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum NoteState {
    /// The text is the one in which the note was written.
    Exact,
    /// Found in another edition of the text.
    Moved,
    /// Not found with certainty. The note is kept with its quote and can be placed by hand.
    Orphan,
    /// The note is about the whole item.
    Whole,
    /// The text is not on this device.
    Unknown,
}

/// A passage: characters (Unicode scalar values) of the text of a block. `block` is its number within the body: in a
/// story, that of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PassageView {
    pub block: u32,
    pub start: u32,
    pub end: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct NoteView {
    pub note: RevisionId,
    pub item: ItemId,
    /// Title of the section or story, or its id if the title is not on this device.
    pub title: String,
    /// The revisions that the next one replaces.
    pub revisions: Vec<RevisionId>,
    /// Text of the note; empty for a highlight or a bookmark.
    pub text: String,
    pub mark: NoteMark,
    pub state: NoteState,
    pub passage: Option<PassageView>,
    /// The marked text: as it is in the open text, else the beginning and the end of the quote. Empty for a note on the
    /// whole item.
    pub quote: String,
    pub created_ms: i64,
    pub changed_ms: i64,
    /// The server does not have the note yet.
    pub waiting: bool,
    /// Other contents, if devices edited the note at the same time.
    pub others: Vec<NoteOther>,
}

/// Another content of a note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct NoteOther {
    pub text: String,
    pub mark: NoteMark,
    pub changed_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SaveNote {
    /// The note that is edited; missing for a new one.
    #[ts(optional)]
    pub note: Option<RevisionId>,
    /// `NoteView::revisions` of the note that is edited. All contents of these are replaced.
    pub base: Vec<RevisionId>,
    pub item: ItemId,
    pub text: String,
    pub mark: NoteMark,
    /// The passage; missing to keep the one of the note that is edited.
    #[ts(optional)]
    pub place: Option<NotePlace>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct NotePlace {
    /// `body_hash` of the section or story in which the passage was selected.
    pub body: BlobHash,
    pub passage: PassageView,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct NoteRef {
    pub note: RevisionId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum NoteFormat {
    /// W3C annotations in a ZIP file, `*.annotations`.
    Annotations,
    Markdown,
    Html,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ExportNotes {
    /// The course, section or story; missing for all notes.
    #[ts(optional)]
    pub item: Option<ItemId>,
    pub format: NoteFormat,
    /// Path of a folder in `BundleFolderList`.
    pub folder: String,
}
