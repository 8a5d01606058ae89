//! Creates variants: decodes, scales, rotates upright, encodes. Blocking.

use std::io::Cursor;

use image::{
    DynamicImage, ImageFormat, Rgba, RgbaImage, codecs::jpeg::JpegEncoder, imageops,
    metadata::Orientation,
};

use crate::{Fit, Format, ImageError, ImageInfo, ImageRequest, decode::decode, resize};

/// Returns the encoded variant. `info` must be the result of `probe` for `bytes`.
pub fn render(
    bytes: &[u8],
    info: &ImageInfo,
    request: &ImageRequest,
) -> Result<Vec<u8>, ImageError> {
    let sizes = request.sizes((info.width, info.height));
    // Rotated after scaling, when there are fewer pixels.
    let oriented = |(w, h): (u32, u32)| if info.swaps_sides() { (h, w) } else { (w, h) };
    let image = decode(bytes, info)?;
    let mut scaled = scale(&image, oriented(sizes.image), request.fit == Fit::Cover)?;
    drop(image);
    if info.orientation() != Orientation::NoTransforms {
        scaled.apply_orientation(info.orientation());
    }
    if sizes.canvas != sizes.image {
        scaled = on_canvas(&scaled, sizes.canvas);
    }
    encode(scaled, request)
}

/// Scales an image. `crop`: crops the image to the new aspect ratio instead of distorting it.
pub fn scale(
    image: &DynamicImage,
    (width, height): (u32, u32),
    crop: bool,
) -> Result<DynamicImage, ImageError> {
    if (image.width(), image.height()) == (width, height) {
        return Ok(image.clone());
    }
    resize(image, (width, height), crop).map_err(|e| ImageError::Decode(e.to_string()))
}

/// Centres an image on a transparent canvas.
fn on_canvas(image: &DynamicImage, (width, height): (u32, u32)) -> DynamicImage {
    let mut canvas = RgbaImage::new(width, height);
    let middle = |available: u32, used: u32| i64::from(available.saturating_sub(used) / 2);
    let (x, y) = (middle(width, image.width()), middle(height, image.height()));
    imageops::replace(&mut canvas, &image.to_rgba8(), x, y);
    DynamicImage::ImageRgba8(canvas)
}

/// Encodes an image in the requested format.
pub fn encode(image: DynamicImage, request: &ImageRequest) -> Result<Vec<u8>, ImageError> {
    let encode_error = |e: image::ImageError| ImageError::Decode(e.to_string());
    let has_alpha = image.color().has_alpha();
    let mut out = Vec::new();
    match request.format {
        Format::Webp => {
            let quality = f32::from(request.quality);
            let (width, height) = (image.width(), image.height());
            let encoded = if has_alpha {
                let pixels = image.into_rgba8();
                webp::Encoder::from_rgba(&pixels, width, height).encode_simple(false, quality)
            } else {
                let pixels = image.into_rgb8();
                webp::Encoder::from_rgb(&pixels, width, height).encode_simple(false, quality)
            };
            out.extend_from_slice(&encoded.map_err(|e| ImageError::Decode(format!("{e:?}")))?);
        }
        Format::Jpeg => {
            let pixels = if has_alpha { on_white(image) } else { image };
            let pixels = pixels.into_rgb8();
            let mut encoder = JpegEncoder::new_with_quality(&mut out, request.quality);
            encoder.encode_image(&pixels).map_err(encode_error)?;
        }
        Format::Png => {
            let pixels = if has_alpha {
                DynamicImage::ImageRgba8(image.into_rgba8())
            } else {
                DynamicImage::ImageRgb8(image.into_rgb8())
            };
            pixels.write_to(&mut Cursor::new(&mut out), ImageFormat::Png).map_err(encode_error)?;
        }
    }
    Ok(out)
}

fn on_white(image: DynamicImage) -> DynamicImage {
    let mut background =
        RgbaImage::from_pixel(image.width(), image.height(), Rgba([255, 255, 255, 255]));
    imageops::overlay(&mut background, &image.into_rgba8(), 0, 0);
    DynamicImage::ImageRgba8(background)
}
