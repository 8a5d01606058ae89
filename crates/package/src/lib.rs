//! Compiles course packages, which are folders written by teachers, to manifests and blobs. See docs/PACKAGE.md.
//!
//! [`find`] opens a path and returns the packages that the importers (`importers`) detect. [`Compiler::compile`]
//! compiles one package: either it returns the manifest and passes the blobs to a [`BlobSink`], or it returns all
//! [`Problem`]s with file and line. The server signs the manifest. Each module uses only those before it: `problem`,
//! `sink`, `source`, `text`, `media`, `draft`, `compile`, `importers`, `compiler`, `guard`.
//!
//! Not here: databases and HTTP (the server), search text (`carrel_model::search_text`), and code that runs on
//! learners' devices (`carrel-model` verifies manifests).

mod compile;
mod compiler;
mod draft;
mod guard;
mod importers;
mod media;
mod problem;
mod sink;
mod source;
mod text;

pub use compile::context::{Options, SOURCE_REPORT_TYPE};
pub use compiler::{Compiled, Compiler};
pub use guard::{catch_panic, panic_problem};
pub use importers::{Declared, FoundPackages, Package, find, find_as};
pub use media::{guard::DECODER_THREAD, recording::RecordingDecoder};
pub use problem::{Problem, Severity, is_no_package};
pub use sink::{Blob, BlobSink, DirSink, MemorySink, NullSink};
pub use source::{Limits, Source, fields::suggest_slug};
pub use text::sentence::sentences;

/// These types must be `Send`, because the server compiles packages on another thread.
const _: () = {
    const fn assert_send<T: Send + 'static>() {}
    assert_send::<Package>();
    assert_send::<Compiler>();
    assert_send::<Compiled>();
};
