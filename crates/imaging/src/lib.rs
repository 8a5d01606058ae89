//! Images for the course compiler and the device: facts from headers, decoding within a budget,
//! variants.
//!
//! | Module | Content |
//! |---|---|
//! | `error` | why an image is not shown |
//! | `request` | the requested variant: width, height, quality, format, fit |
//! | `header` | whether a file may be shown as it is, by its header alone |
//! | `decode` | facts from a header, limits, decoding |
//! | `resize` | scaling |
//! | `render` | from the bytes of a file to the bytes of a variant |
//!
//! Not here: where files are stored and who requests variants (`carrel-content`), the variants of a course
//! (`carrel-package`).

mod decode;
mod error;
mod header;
mod render;
mod request;
mod resize;

pub use decode::{ImageInfo, MAX_PIXELS, MEMORY_BUDGET, is_svg, probe};
pub use error::ImageError;
pub use header::{check_bytes, check_file};
pub use render::{encode, render, scale};
pub use request::{DEFAULT_QUALITY, Fit, Format, ImageRequest, Sizes, WIDTHS};
pub use resize::resize;

/// Largest file, in bytes, that is decoded.
pub const MAX_FILE_SIZE: u64 = 64 * 1024 * 1024;
