//! Helps authors of packages (docs/PACKAGE.md): `template` writes a new package, `report` shows the result of a check
//! as text or JSON, `watch` checks again after each change, `preview` serves the compiled text to a browser on this
//! computer, `dictionary` builds dictionary packs.
//!
//! Not here: the rules of packages (`carrel-package`), publishing (the server).

pub mod dictionary;
pub mod preview;
pub mod report;
mod snapshot;
pub mod template;
pub mod watch;
