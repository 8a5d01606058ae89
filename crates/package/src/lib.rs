//! Course packages: what a teacher writes in a folder, compiled to a manifest and blobs (docs/PACKAGE.md).
//!
//! The way through the house: [`find`] lists the packages of a path, [`Compiler::compile`] checks one, reports every [`Problem`] with
//! file and line or fills a [`BlobSink`], and [`sign`] seals the manifest.
//!
//! Not here: databases and HTTP (the server imports), and anything a learner's device runs (`carrel-model` verifies manifests).

mod build;
mod course;
mod fields;
mod find;
mod head;
mod html;
mod json;
mod markdown;
mod maths;
mod media;
mod mp4;
mod paths;
mod picture;
mod problem;
mod quiz;
mod sentence;
mod sign;
mod sink;
mod sound;
mod source;
mod story;
mod storybook;
mod svg;
mod unzip;
mod vocabulary;
mod vtt;
mod webm;

pub use build::{Compiled, Compiler, Options, SearchDoc, compile};
pub use ed25519_dalek::SigningKey;
pub use find::{Package, find};
pub use problem::{Problem, Severity};
pub use sign::sign;
pub use sink::{Blob, BlobSink, DirSink, MemorySink, NullSink};
pub use source::Limits;

/// Compilation runs on a thread of its own beside the server's.
const _: () = {
    const fn can_move<T: Send + 'static>() {}
    can_move::<Package>();
    can_move::<Compiler>();
    can_move::<Compiled>();
};
