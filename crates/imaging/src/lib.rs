//! Images for the course compiler and the device: what a header reports, decoding within a budget, resizing, variants.
//!
//! | Module | Content |
//! |---|---|
//! | `error` | why an image is not shown |
//! | `request` | the variant that is requested: width, height, quality, format, fit |
//! | `header` | whether a file may be shown as it is, by its header alone |
//! | `decode` | the decode guard: facts of a header, limits, decoding |
//! | `resize` | another size |
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

pub use decode::{BUDGET, Facts, PIXELS, is_svg, probe};
pub use error::Refusal;
pub use header::{check_bytes, check_file};
pub use render::{encode, render, scaled};
pub use request::{Fit, Format, ImageRequest, QUALITY, Sizes, WIDTHS};
pub use resize::resize;

/// Files above this are not decoded, in bytes.
pub const FILE_LIMIT: u64 = 64 * 1024 * 1024;
