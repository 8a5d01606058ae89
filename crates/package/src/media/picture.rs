//! Decodes pictures by content, applies their orientation, scales them to the widths used by screens, and computes a
//! placeholder.
//!
//! Not here: SVG (`svg`), alternative texts and captions (`compile::media_block`), and which pictures a package has.

use std::io::Cursor;

use data_encoding::HEXLOWER;
use image::{
    AnimationDecoder, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits,
    codecs::{gif::GifDecoder, png::PngDecoder, webp::WebPDecoder},
    metadata::Orientation,
};

use super::{
    error::{MediaError, media_error},
    spill::Spill,
};
use crate::sink::Blob;

/// Widths requested by readers, in CSS pixels times density.
const WIDTHS: [u32; 6] = [320, 640, 768, 1024, 1280, 1920];
const MAX_WIDTH: u32 = 1920;
/// Number of pixels above which the author is informed that at most 1920 pixels of width are shown.
const LARGE_PIXELS: u64 = 8_000_000;

pub(crate) type PictureResult = Result<Picture, MediaError>;

#[derive(Debug, Clone)]
pub(crate) struct Picture {
    /// Width of the original in pixels, after orientation.
    pub width: u32,
    pub height: u32,
    /// Hex-encoded; empty for SVG.
    pub thumbhash: String,
    /// Narrowest first.
    pub variants: Vec<(u32, Blob)>,
    pub warning: Option<MediaError>,
}

/// Decodes and scales a picture. `limit` is the maximum number of pixels decoded.
pub(crate) fn compile(bytes: &[u8], quality: f32, limit: u64, spill: &mut Spill) -> PictureResult {
    let read_error = |what: String| {
        media_error(
            "image-broken",
            format!("the picture cannot be read: {what}"),
            "export it again as png, jpeg, webp, gif or svg",
        )
    };
    let reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|e| read_error(e.to_string()))?;
    let format = reader.format().ok_or_else(|| read_error("it is not a picture".to_owned()))?;
    let mut decoder = reader.into_decoder().map_err(|e| read_error(e.to_string()))?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limit {
        let message = format!(
            "the picture has {width} x {height} pixels; {} megapixels are allowed",
            limit / 1_000_000
        );
        return Err(media_error(
            "image-huge",
            message,
            "make it smaller: at most 1920 pixels of width are shown",
        ));
    }
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(limit.saturating_mul(16).max(64 << 20));
    decoder.set_limits(limits).map_err(|e| read_error(e.to_string()))?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    // EXIF data may contain the location of the photo, so such a file is never published unchanged.
    let has_exif = decoder.exif_metadata().ok().flatten().is_some();
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|e| read_error(e.to_string()))?;
    picture.apply_orientation(orientation);
    let picture = if picture.color().has_alpha() {
        DynamicImage::ImageRgba8(picture.into_rgba8())
    } else {
        DynamicImage::ImageRgb8(picture.into_rgb8())
    };
    let (width, height) = (picture.width(), picture.height());
    let write_error = |e: std::io::Error| {
        media_error(
            "not-written",
            format!("the scaled picture cannot be written: {e}"),
            "free some space",
        )
    };
    let mut result = Picture {
        width,
        height,
        thumbhash: thumbhash(&picture),
        variants: Vec::new(),
        warning: None,
    };
    if is_animated(bytes, format) {
        let blob = spill.write(bytes, format.to_mime_type()).map_err(write_error)?;
        result.variants.push((width, blob));
        return Ok(result);
    }
    if pixels > LARGE_PIXELS {
        let message = format!("the picture has {width} x {height} pixels");
        result.warning = Some(media_error(
            "image-large",
            message,
            "at most 1920 pixels of width are shown: a smaller file imports faster",
        ));
    }
    let full = width.min(MAX_WIDTH);
    for target in WIDTHS.into_iter().filter(|w| *w < full).chain([full]) {
        let scaled = if target == width { None } else { Some(resized(&picture, target)?) };
        let image = scaled.as_ref().unwrap_or(&picture);
        let (w, h) = (image.width(), image.height());
        let encoder = match image {
            DynamicImage::ImageRgba8(p) => webp::Encoder::from_rgba(p.as_raw(), w, h),
            DynamicImage::ImageRgb8(p) => webp::Encoder::from_rgb(p.as_raw(), w, h),
            _ => return Err(read_error("its colour type is not supported".to_owned())),
        };
        let encoded =
            encoder.encode_simple(false, quality).map_err(|e| read_error(format!("{e:?}")))?;
        let keeps_original = match format {
            ImageFormat::Jpeg | ImageFormat::Png => bytes.len() < encoded.len(),
            // The file is already WebP: re-encoding with loss must save enough.
            ImageFormat::WebP => bytes.len() < encoded.len() * 5 / 4,
            _ => false,
        };
        let blob = if keeps_original
            && target == width
            && !has_exif
            && orientation == Orientation::NoTransforms
        {
            spill.write(bytes, format.to_mime_type())
        } else {
            spill.write(&encoded, "image/webp")
        };
        result.variants.push((target, blob.map_err(write_error)?));
    }
    Ok(result)
}

/// Scales to a width; the height follows, with a minimum of one pixel.
fn resized(picture: &DynamicImage, width: u32) -> Result<DynamicImage, MediaError> {
    let height = (u64::from(picture.height()) * u64::from(width) + u64::from(picture.width()) / 2)
        / u64::from(picture.width().max(1));
    resized_to(picture, width, u32::try_from(height).unwrap_or(1).max(1))
}

fn resized_to(picture: &DynamicImage, width: u32, height: u32) -> Result<DynamicImage, MediaError> {
    carrel_imaging::resize(picture, (width, height), false).map_err(|e| {
        media_error("image-broken", format!("the picture cannot be scaled: {e}"), "export it again")
    })
}

/// Computes a placeholder of about 25 bytes (evanw/thumbhash accepts at most 100 x 100 pixels).
fn thumbhash(picture: &DynamicImage) -> String {
    let (w, h) = (u64::from(picture.width()), u64::from(picture.height()));
    let longest = w.max(h).max(1);
    let side = |n: u64| u32::try_from((n * 100 / longest).clamp(1, 100)).unwrap_or(1);
    let small = if longest > 100 {
        resized_to(picture, side(w), side(h)).ok()
    } else {
        Some(picture.clone())
    };
    let Some(small) = small.map(DynamicImage::into_rgba8) else { return String::new() };
    HEXLOWER.encode(&thumbhash::rgba_to_thumb_hash(
        small.width() as usize,
        small.height() as usize,
        small.as_raw(),
    ))
}

fn is_animated(bytes: &[u8], format: ImageFormat) -> bool {
    let cursor = || Cursor::new(bytes);
    match format {
        ImageFormat::Gif => GifDecoder::new(cursor())
            .is_ok_and(|d| d.into_frames().take(2).filter_map(Result::ok).count() > 1),
        ImageFormat::WebP => WebPDecoder::new(cursor()).is_ok_and(|d| d.has_animation()),
        ImageFormat::Png => {
            // Other data in the header may decompress to any size.
            let mut limits = Limits::no_limits();
            limits.max_alloc = Some(64 << 20);
            PngDecoder::with_limits(cursor(), limits).is_ok_and(|d| d.is_apng().unwrap_or(false))
        }
        _ => false,
    }
}
