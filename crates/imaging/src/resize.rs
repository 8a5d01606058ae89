//! Resizes images.
//!
//! Shared by the package compiler and the app, which resize identically. The generic functions of
//! `fast_image_resize` are compiled in the calling crate: here once, and optimised in development
//! builds, too.
//!
//! Not here: the choice of sizes (`request`, `carrel-package`), decoding (`decode`), encoding
//! (`render`).

use fast_image_resize::{
    FilterType, IntoImageView, IntoImageViewMut, PixelTrait, ResizeAlg, ResizeError, ResizeOptions,
    Resizer,
    pixels::{U8x3, U8x4},
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
    let mut options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    if crop {
        options = options.fit_into_destination(None);
    }
    // Only these two types of pixels: the code for all others would make the program 1.4 MB larger.
    match image {
        DynamicImage::ImageRgb8(_) => {
            resize_typed::<U8x3>(image, DynamicImage::new_rgb8(width, height), &options)
        }
        DynamicImage::ImageRgba8(_) => {
            resize_typed::<U8x4>(image, DynamicImage::new_rgba8(width, height), &options)
        }
        _ if image.color().has_alpha() => {
            resize(&DynamicImage::ImageRgba8(image.to_rgba8()), (width, height), crop)
        }
        _ => resize(&DynamicImage::ImageRgb8(image.to_rgb8()), (width, height), crop),
    }
}

fn resize_typed<P: PixelTrait>(
    image: &DynamicImage,
    mut out: DynamicImage,
    options: &ResizeOptions,
) -> Result<DynamicImage, ResizeError> {
    let source = image.image_view::<P>().ok_or(ResizeError::PixelTypesAreDifferent)?;
    let mut destination = out.image_view_mut::<P>().ok_or(ResizeError::PixelTypesAreDifferent)?;
    Resizer::new().resize_typed(&source, &mut destination, options)?;
    drop(destination);
    Ok(out)
}
