//! Compiles course packages, which are folders written by teachers, to manifests and blobs. See docs/PACKAGE.md.
//!
//! Flow: [`find`] opens a path and calls each importer (`importers`) to detect packages; [`Compiler::compile`] checks
//! one package, and reports every [`Problem`] with file and line or fills a [`BlobSink`]. The server signs the
//! manifest. Modules, each using only those before it: `problem`, `sink`, `source`, `text`, `media`, `draft`,
//! `compile`, `importers`, `compiler`.
//!
//! Not here: databases and HTTP (the server imports), search text (`carrel_model::search_text`), and code that runs on
//! learners' devices (`carrel-model` verifies manifests).

mod compile;
mod compiler;
mod draft;
mod importers;
mod media;
mod problem;
mod sink;
mod source;
mod text;

pub use compile::context::Options;
pub use compiler::{Compiled, Compiler};
pub use importers::{Package, find};
pub use problem::{Problem, Severity};
pub use sink::{Blob, BlobSink, DirSink, MemorySink, NullSink};
pub use source::Limits;

/// Compilation runs on a thread of its own in the server.
const _: () = {
    const fn can_move<T: Send + 'static>() {}
    can_move::<Package>();
    can_move::<Compiler>();
    can_move::<Compiled>();
};
