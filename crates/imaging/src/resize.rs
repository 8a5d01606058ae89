//! Resizes images.
//!
//! Shared by the package compiler and the app, which resize identically. The generic functions of
//! `fast_image_resize` are compiled in the calling crate: here once, and optimised in development
//! builds, too.
//!
//! Not here: the choice of sizes (`request`, `carrel-package`), decoding (`decode`), encoding
//! (`render`).

use fast_image_resize::{FilterType, ResizeAlg, ResizeError, ResizeOptions, Resizer};
use image::DynamicImage;

/// Resizes an image to `width` x `height` pixels with a Lanczos filter of three lobes. `crop`: crops the
/// image to the new aspect ratio instead of distorting it.
///
/// # Errors
///
/// Fails for colour types that are not supported, and if a side is 0.
pub fn resize(
    image: &DynamicImage,
    (width, height): (u32, u32),
    crop: bool,
) -> Result<DynamicImage, ResizeError> {
    let mut out = DynamicImage::new(width, height, image.color());
    let mut options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    if crop {
        options = options.fit_into_destination(None);
    }
    Resizer::new().resize(image, &mut out, &options)?;
    Ok(out)
}
