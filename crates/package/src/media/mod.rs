//! Media files: detects their kind, size and duration, scales images, sanitises SVG drawings, removes metadata. Not
//! here: packages.

pub(crate) mod error;
pub(crate) mod formats;
pub(crate) mod guard;
pub(crate) mod probe;
pub(crate) mod raster;
pub(crate) mod recording;
pub(crate) mod spill;
pub(crate) mod svg;
pub(crate) mod vtt;
