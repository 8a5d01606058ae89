//! Media files: detects their kind, size and duration, scales images, removes metadata. Not
//! here: packages, the content of SVG drawings (`carrel-svg`).

pub(crate) mod error;
pub(crate) mod formats;
pub(crate) mod guard;
pub(crate) mod probe;
pub(crate) mod prologue;
pub(crate) mod raster;
pub(crate) mod recording;
pub(crate) mod spill;
pub(crate) mod vtt;
