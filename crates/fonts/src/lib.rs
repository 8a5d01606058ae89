//! Font packs: fonts for scripts that the fonts of the UI do not cover. A server installs them from the npm packages of
//! Fontsource; a manifest lists the files that its texts need (docs/adr/0020).
//!
//! [`Packs`] reads and installs packs, [`SCRIPTS`] lists the known ones, [`with_fonts`] adds them to a manifest.
//!
//! Not here: storing blobs and signing (the server), showing the fonts (the UI).

mod choice;
mod manifest;
mod pack;
mod scripts;

pub use choice::{Wanted, wanted};
pub use manifest::{NewBlob, WithFonts, texts_of, with_fonts};
pub use pack::{Pack, PackError, Packs};
pub use scripts::{SCRIPTS, Script};
