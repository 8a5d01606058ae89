//! Resizes images.
//!
//! Shared by the package compiler and the app, which resize identically. The generic functions of
//! `fast_image_resize` are compiled in the calling crate: here once, and optimised in development
//! builds, too.
//!
//! Not here: the choice of sizes (`request`, `carrel-package`), decoding (`decode`), encoding
//! (`render`).

use fast_image_resize::{
    FilterType, IntoImageView, IntoImageViewMut, ResizeAlg, ResizeError, ResizeOptions, Resizer,
    pixels::U8x4,
};
use image::DynamicImage;

/// Resizes an image to `width` x `height` pixels with a Lanczos filter of three lobes. `crop`: crops the
/// image to the new aspect ratio instead of distorting it. The result has 8 bits per channel, and an alpha channel
/// if the image has one.
///
/// # Errors
///
/// Fails if a side is 0.
pub fn resize(
    image: &DynamicImage,
    (width, height): (u32, u32),
    crop: bool,
) -> Result<DynamicImage, ResizeError> {
    let has_alpha = image.color().has_alpha();
    // Without an alpha channel, the colours are not multiplied by it: each channel is filtered alone.
    let mut options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
        .use_alpha(has_alpha);
    if crop {
        options = options.fit_into_destination(None);
    }
    // Only one type of pixels: the code for all others would make the program 1.9 MB larger.
    let converted;
    let rgba = match image {
        DynamicImage::ImageRgba8(_) => image,
        _ => {
            converted = DynamicImage::ImageRgba8(image.to_rgba8());
            &converted
        }
    };
    let mut out = DynamicImage::new_rgba8(width, height);
    let source = rgba.image_view::<U8x4>().ok_or(ResizeError::PixelTypesAreDifferent)?;
    let mut destination =
        out.image_view_mut::<U8x4>().ok_or(ResizeError::PixelTypesAreDifferent)?;
    Resizer::new().resize_typed(&source, &mut destination, &options)?;
    drop(destination);
    Ok(if has_alpha { out } else { DynamicImage::ImageRgb8(out.into_rgb8()) })
}
