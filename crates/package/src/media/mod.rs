//! Media files: detects their kind, size and duration, scales pictures, sanitises drawings. Not here: packages.

pub(crate) mod error;
pub(crate) mod mp4;
pub(crate) mod picture;
pub(crate) mod probe;
pub(crate) mod sound;
pub(crate) mod spill;
pub(crate) mod svg;
pub(crate) mod vtt;
pub(crate) mod webm;
