//! Compiles course packages, i.e. folders that teachers write, to manifests and blobs (docs/PACKAGE.md).
//!
//! Flow: [`find`] opens a path and asks each importer (`importers`) for the packages that it recognises;
//! [`Compiler::compile`] checks one package, reports every [`Problem`] with file and line or fills a [`BlobSink`]. The
//! server signs the manifest. Modules, each using only those before it: `problem`, `sink`, `source`, `text`, `media`,
//! `draft`, `compile`, `importers`, `compiler`.
//!
//! Not here: databases and HTTP (the server imports), search text (`carrel_model::search_text`), and anything that a
//! learner's device runs (`carrel-model` verifies manifests).

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

/// Compilation runs on a thread of its own beside the server's.
const _: () = {
    const fn can_move<T: Send + 'static>() {}
    can_move::<Package>();
    can_move::<Compiler>();
    can_move::<Compiled>();
};
