//! Media files: detects their kind, size and duration, scales images, sanitises SVG drawings. Not here: packages.

pub(crate) mod audio;
pub(crate) mod error;
pub(crate) mod mp4;
pub(crate) mod probe;
pub(crate) mod raster;
pub(crate) mod spill;
pub(crate) mod svg;
pub(crate) mod vtt;
pub(crate) mod webm;
