//! Renders variants: decode, scale, rotate upright, encode. CPU-bound, for a thread that may block.

use std::io::Cursor;

use image::{
    DynamicImage, ImageFormat, Rgba, RgbaImage, codecs::jpeg::JpegEncoder, imageops,
    metadata::Orientation,
};

use crate::{Facts, Fit, Format, ImageRequest, Refusal, decode::decode, resize};

/// Returns the encoded variant. `facts` must be those that `probe` returned for the same `bytes`.
pub fn render(bytes: &[u8], facts: &Facts, ask: &ImageRequest) -> Result<Vec<u8>, Refusal> {
    let sizes = ask.sizes((facts.width, facts.height));
    // Rotated after scaling, when there are fewer pixels to move.
    let turned = |(w, h): (u32, u32)| if facts.lies_down() { (h, w) } else { (w, h) };
    let picture = decode(bytes, facts)?;
    let mut small = scaled(&picture, turned(sizes.picture), ask.fit == Fit::Cover)?;
    drop(picture);
    if facts.orientation() != Orientation::NoTransforms {
        small.apply_orientation(facts.orientation());
    }
    if sizes.canvas != sizes.picture {
        small = framed(&small, sizes.canvas);
    }
    encode(small, ask)
}

/// Scales an image; with `crop` both sides are cropped to the new shape.
pub fn scaled(
    picture: &DynamicImage,
    (width, height): (u32, u32),
    crop: bool,
) -> Result<DynamicImage, Refusal> {
    if (picture.width(), picture.height()) == (width, height) {
        return Ok(picture.clone());
    }
    resize(picture, (width, height), crop).map_err(|e| Refusal::Broken(e.to_string()))
}

/// Centres an image on an empty canvas.
fn framed(picture: &DynamicImage, (width, height): (u32, u32)) -> DynamicImage {
    let mut canvas = RgbaImage::new(width, height);
    let middle = |room: u32, taken: u32| i64::from(room.saturating_sub(taken) / 2);
    let (x, y) = (middle(width, picture.width()), middle(height, picture.height()));
    imageops::replace(&mut canvas, &picture.to_rgba8(), x, y);
    DynamicImage::ImageRgba8(canvas)
}

/// Encodes an image in the requested format.
pub fn encode(picture: DynamicImage, ask: &ImageRequest) -> Result<Vec<u8>, Refusal> {
    let broken = |e: image::ImageError| Refusal::Broken(e.to_string());
    let clear = picture.color().has_alpha();
    let mut out = Vec::new();
    match ask.format {
        Format::Webp => {
            let quality = f32::from(ask.quality);
            let (width, height) = (picture.width(), picture.height());
            let made = if clear {
                let pixels = picture.into_rgba8();
                webp::Encoder::from_rgba(&pixels, width, height).encode_simple(false, quality)
            } else {
                let pixels = picture.into_rgb8();
                webp::Encoder::from_rgb(&pixels, width, height).encode_simple(false, quality)
            };
            out.extend_from_slice(&made.map_err(|e| Refusal::Broken(format!("{e:?}")))?);
        }
        Format::Jpeg => {
            let pixels = if clear { on_white(picture) } else { picture };
            let pixels = pixels.into_rgb8();
            let mut encoder = JpegEncoder::new_with_quality(&mut out, ask.quality);
            encoder.encode_image(&pixels).map_err(broken)?;
        }
        Format::Png => {
            let pixels = if clear {
                DynamicImage::ImageRgba8(picture.into_rgba8())
            } else {
                DynamicImage::ImageRgb8(picture.into_rgb8())
            };
            pixels.write_to(&mut Cursor::new(&mut out), ImageFormat::Png).map_err(broken)?;
        }
    }
    Ok(out)
}

fn on_white(picture: DynamicImage) -> DynamicImage {
    let mut paper =
        RgbaImage::from_pixel(picture.width(), picture.height(), Rgba([255, 255, 255, 255]));
    imageops::overlay(&mut paper, &picture.into_rgba8(), 0, 0);
    DynamicImage::ImageRgba8(paper)
}
