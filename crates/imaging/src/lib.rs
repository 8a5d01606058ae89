//! Images for the package compiler and the app: headers, decoding within a memory budget, variants.
//!
//! | Module | Content |
//! |---|---|
//! | `error` | why an image is not shown |
//! | `request` | the requested variant: width, height, quality, format, fit |
//! | `header` | whether an original may be shown, by its header |
//! | `decode` | reading headers, limits, decoding |
//! | `resize` | scaling |
//! | `color` | conversion to sRGB |
//! | `strip` | removing metadata |
//! | `render` | creating a variant from a file |
//!
//! Not here: storing and requests (`carrel-content`), the choice of variants in packages
//! (`carrel-package`).

mod color;
mod decode;
mod error;
mod header;
mod render;
mod request;
mod resize;
mod strip;

pub use color::{Colors, colors, to_srgb};
pub use decode::{ImageInfo, MAX_PIXELS, MEMORY_BUDGET, is_svg, probe};
pub use error::ImageError;
pub use header::{check_bytes, check_file, has_jpeg_end};
pub use render::{encode, render, scale};
pub use request::{DEFAULT_QUALITY, Fit, Format, ImageRequest, Sizes, WIDTHS};
pub use resize::resize;
pub use strip::{png_exif, without_metadata};

/// Largest file, in bytes, that is decoded.
pub const MAX_FILE_SIZE: u64 = 64 * 1024 * 1024;
