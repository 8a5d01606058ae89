//! Dictionary packs (`carrel-dictionary/1`, docs/BUNDLES.md): read-only SQLite files, opened in place; the look-up of a
//! word at a place of a text in any script; and the builder of packs from word lists and from WordNet.
//!
//! Not here: where packs are installed and which keys are trusted (`carrel-client`), the header of the file
//! (`carrel-bundle`).

mod build;
mod entry;
mod error;
mod look_up;
mod pack;
mod segment;
pub mod source;
mod stem;

pub use build::{BuildFault, BuildReport, Facts, build};
pub use entry::{Entry, Sense};
pub use error::{Error, Result};
pub use look_up::{Found, Hit, Lexicon, LookUp, Named, look_up, look_up_phrase};
pub use pack::Pack;
pub use segment::{byte_offset, utf16_offset};
pub use word_list::WordList;

mod word_list;
