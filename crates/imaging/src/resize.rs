//! Resizes images.
//!
//! The course compiler and the device must resize alike, so both use this crate. The loops of `fast_image_resize` are
//! generic and compiled wherever they are called: here, once, optimised in development too.
//!
//! Not here: which sizes (`request`, `carrel-package`), decoding (`decode`), encoding (`render`).

use fast_image_resize::{FilterType, ResizeAlg, ResizeError, ResizeOptions, Resizer};
use image::DynamicImage;

/// Resizes an image to `width` x `height` pixels, by Lanczos of three lobes. With `crop` its shape is kept, and what does
/// not fit is cut off on both sides. Fails for colour types that cannot be resized, and for an empty size.
pub fn resize(
    picture: &DynamicImage,
    (width, height): (u32, u32),
    crop: bool,
) -> Result<DynamicImage, ResizeError> {
    let mut out = DynamicImage::new(width, height, picture.color());
    let mut options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    if crop {
        options = options.fit_into_destination(None);
    }
    Resizer::new().resize(picture, &mut out, &options)?;
    Ok(out)
}
