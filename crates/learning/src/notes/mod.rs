//! Notes, highlights and bookmarks.
//!
//! | Module | Content |
//! |---|---|
//! | `text` | the text of a block, to which offsets refer |
//! | `placement` | the passage of a note in the edition that is open |
//! | `myers` | approximate search |
//! | `export` | notes as files for other programs |
//! | `store` | the learner's notes, from their rows |
//!
//! Not here: the rows (`carrel_model::lattice::note`) and the anchor (`carrel_model::lattice::anchor`).

mod export;
mod myers;
mod placement;
mod store;
mod text;

pub use export::{ExportedNote, to_annotations, to_html, to_markdown};
pub use placement::{BodyText, Passage, Placement};
pub use store::{Note, NoteDraft, NoteVersion};
pub use text::{block_text, html_text, page_text};
