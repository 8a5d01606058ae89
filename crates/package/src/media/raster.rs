//! Decodes images, applies their orientation and colour profile, scales them to the widths that readers request, and
//! computes a placeholder. What is published has no metadata.
//!
//! Not here: SVG (`svg`), alternative texts and captions (`compile::media_block`).

use std::io::Cursor;

use carrel_imaging::Colors;
use data_encoding::HEXLOWER;
use image::{
    AnimationDecoder, DynamicImage, GenericImageView, ImageDecoder, ImageFormat, ImageReader,
    Limits,
    codecs::{gif::GifDecoder, png::PngDecoder, webp::WebPDecoder},
    metadata::Orientation,
};

use super::{
    error::{MediaError, media_error},
    spill::Spill,
};
use crate::sink::Blob;

/// Widths of the variants: those that readers request, in CSS pixels times pixel density.
const WIDTHS: [u32; 6] = [320, 640, 768, 1024, 1280, 1920];
const MAX_WIDTH: u32 = 1920;
/// Maximum number of pixels of each side of a WebP image; a taller one is scaled.
const MAX_SIDE: u32 = 16_383;
/// Number of pixels above which the author is warned that the image is larger than needed.
const LARGE_PIXELS: u64 = 8_000_000;

pub(crate) type ImageResult = Result<ScaledImage, MediaError>;

#[derive(Debug, Clone)]
pub(crate) struct ScaledImage {
    /// Width of the original in pixels, after orientation.
    pub width: u32,
    pub height: u32,
    /// Hex-encoded; empty for SVG.
    pub thumbhash: String,
    /// Narrowest first.
    pub variants: Vec<(u32, Blob)>,
    pub warnings: Vec<MediaError>,
}

/// Decodes and scales an image. `limit` is the maximum number of pixels.
pub(crate) fn compile(bytes: &[u8], quality: f32, limit: u64, spill: &mut Spill) -> ImageResult {
    match compile_file(bytes, quality, limit, spill) {
        // Damaged metadata does not refuse an image.
        Err(error) if error.code == "image-broken" => {
            match carrel_imaging::without_metadata(bytes, false) {
                Some(stripped) if stripped != bytes => {
                    compile_file(&stripped, quality, limit, spill).map_err(|_| error)
                }
                _ => Err(error),
            }
        }
        result => result,
    }
}

fn compile_file(bytes: &[u8], quality: f32, limit: u64, spill: &mut Spill) -> ImageResult {
    let read_error = |what: String| {
        media_error(
            "image-broken",
            format!("the image cannot be read: {what}"),
            "export it again as png, jpeg, webp, gif or svg",
        )
    };
    let decode_error = |e: image::ImageError| read_error(reason(&e));
    let reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|e| read_error(e.to_string()))?;
    let format = reader.format().ok_or_else(|| read_error("it is not an image".to_owned()))?;
    let mut decoder = reader.into_decoder().map_err(decode_error)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limit {
        let message = format!(
            "the image has {width} x {height} pixels; {} megapixels are allowed",
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
    decoder.set_limits(limits).map_err(decode_error)?;
    // The chunk of a PNG may follow the pixels.
    let orientation = match carrel_imaging::png_exif(bytes).filter(|_| format == ImageFormat::Png) {
        Some(exif) => Orientation::from_exif_chunk(exif),
        None => decoder.orientation().ok(),
    };
    let orientation = orientation.unwrap_or(Orientation::NoTransforms);
    let icc = decoder.icc_profile().ok().flatten();
    let mut decoded = DynamicImage::from_decoder(decoder).map_err(decode_error)?;
    let is_cut = format == ImageFormat::Jpeg && !carrel_imaging::has_jpeg_end(bytes);
    if is_cut && ends_empty(&decoded) {
        return Err(read_error(INCOMPLETE.to_owned()));
    }
    let mut colors = carrel_imaging::colors(icc.as_deref(), bytes);
    if let Colors::Profile(profile) = &colors {
        match carrel_imaging::to_srgb(&decoded, profile) {
            Ok(converted) => decoded = converted,
            Err(reason) => colors = Colors::Unusable(reason),
        }
    }
    decoded.apply_orientation(orientation);
    let decoded = if decoded.color().has_alpha() {
        DynamicImage::ImageRgba8(decoded.into_rgba8())
    } else {
        DynamicImage::ImageRgb8(decoded.into_rgb8())
    };
    let (width, height) = (decoded.width(), decoded.height());
    let write_error = |e: std::io::Error| {
        media_error(
            "not-written",
            format!("the scaled image cannot be written: {e}"),
            "free some space",
        )
    };
    let mut result = ScaledImage {
        width,
        height,
        thumbhash: thumbhash(&decoded),
        variants: Vec::new(),
        warnings: Vec::new(),
    };
    if is_cut {
        let message = "the end of the image file is missing; a part of the picture may be missing";
        result.warnings.push(media_error("image-cut", message, "copy or download it again"));
    }
    if is_animated(bytes, format) {
        // The profile is kept, because the frames are not decoded.
        let stripped = carrel_imaging::without_metadata(bytes, true)
            .ok_or_else(|| read_error("its parts cannot be separated".to_owned()))?;
        let blob = spill.write(&stripped, format.to_mime_type()).map_err(write_error)?;
        result.variants.push((width, blob));
        return Ok(result);
    }
    if let Colors::Unusable(reason) = &colors {
        result.warnings.push(media_error(
            "image-color",
            format!("{reason}; the colours may be wrong"),
            "export it again with the colour profile sRGB",
        ));
    }
    // A file of another colour space, or that has to be rotated, is never published as it is.
    let original = match (&colors, orientation) {
        (Colors::Profile(_), _) => None,
        (_, Orientation::NoTransforms) => carrel_imaging::without_metadata(bytes, false),
        _ => None,
    };
    if pixels > LARGE_PIXELS {
        let message = format!("the image has {width} x {height} pixels");
        result.warnings.push(media_error(
            "image-large",
            message,
            "at most 1920 pixels of width are shown: a smaller file imports faster",
        ));
    }
    let tallest = u64::from(width) * u64::from(MAX_SIDE) / u64::from(height.max(1));
    let full = width.min(MAX_WIDTH).min(u32::try_from(tallest).unwrap_or(MAX_WIDTH)).max(1);
    for target in WIDTHS.into_iter().filter(|w| *w < full).chain([full]) {
        let scaled = if target == width { None } else { Some(resized(&decoded, target)?) };
        let image = scaled.as_ref().unwrap_or(&decoded);
        let (w, h) = (image.width(), image.height());
        let encoder = match image {
            DynamicImage::ImageRgba8(p) => webp::Encoder::from_rgba(p.as_raw(), w, h),
            DynamicImage::ImageRgb8(p) => webp::Encoder::from_rgb(p.as_raw(), w, h),
            _ => return Err(read_error("its colour type is not supported".to_owned())),
        };
        let encoded = encoder
            .encode_simple(false, quality)
            .map_err(|_| read_error(format!("{w} x {h} pixels cannot be encoded as WebP")))?;
        let kept = original.as_ref().filter(|original| match format {
            _ if target != width => false,
            ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::Gif => {
                original.len() <= encoded.len()
            }
            // The file is already WebP: re-encoding, which is lossy, must save at least 20 %.
            ImageFormat::WebP => original.len() < encoded.len() * 5 / 4,
            _ => false,
        });
        let blob = match kept {
            Some(original) => spill.write(original, format.to_mime_type()),
            None => spill.write(&encoded, "image/webp"),
        };
        result.variants.push((target, blob.map_err(write_error)?));
    }
    Ok(result)
}

const INCOMPLETE: &str = "it is incomplete, so copy or download it again";

/// Returns an error of a decoder in the terms of an author.
fn reason(error: &image::ImageError) -> String {
    tracing::debug!(%error, "an image cannot be decoded");
    let text = error.to_string().to_lowercase();
    let is_end = ["unexpected end", "unexpectedeof", "end of file", "exhausted", "truncated"];
    match error {
        image::ImageError::Limits(_) => "it needs too much memory".to_owned(),
        image::ImageError::Unsupported(_) => {
            "this variant of its format is not supported".to_owned()
        }
        image::ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            INCOMPLETE.to_owned()
        }
        _ if is_end.iter().any(|part| text.contains(part)) => INCOMPLETE.to_owned(),
        _ if text.contains("bits of precision") => {
            "it has 12 bits per channel, which browsers do not show".to_owned()
        }
        _ => "it is damaged".to_owned(),
    }
}

/// Returns true if the last pixels are those that the decoder of JPEG writes where the file has none.
fn ends_empty(decoded: &DynamicImage) -> bool {
    let (width, height) = (decoded.width(), decoded.height());
    let last = (width.saturating_sub(8)..width).map(|x| decoded.get_pixel(x, height - 1));
    last.into_iter().all(|pixel| pixel.0[..3] == [128; 3])
}

/// Scales to a width and keeps the aspect ratio; the height is at least one pixel.
fn resized(decoded: &DynamicImage, width: u32) -> Result<DynamicImage, MediaError> {
    let height = (u64::from(decoded.height()) * u64::from(width) + u64::from(decoded.width()) / 2)
        / u64::from(decoded.width().max(1));
    resized_to(decoded, width, u32::try_from(height).unwrap_or(1).max(1))
}

fn resized_to(decoded: &DynamicImage, width: u32, height: u32) -> Result<DynamicImage, MediaError> {
    carrel_imaging::resize(decoded, (width, height), false).map_err(|e| {
        media_error("image-broken", format!("the image cannot be scaled: {e}"), "export it again")
    })
}

/// Computes a placeholder of about 25 bytes (evanw/thumbhash accepts at most 100 x 100 pixels).
fn thumbhash(decoded: &DynamicImage) -> String {
    let (w, h) = (u64::from(decoded.width()), u64::from(decoded.height()));
    let longest = w.max(h).max(1);
    let side = |n: u64| u32::try_from((n * 100 / longest).clamp(1, 100)).unwrap_or(1);
    let small = if longest > 100 {
        resized_to(decoded, side(w), side(h)).ok()
    } else {
        Some(decoded.clone())
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
            // Compressed metadata in the file may decompress to any size.
            let mut limits = Limits::no_limits();
            limits.max_alloc = Some(64 << 20);
            PngDecoder::with_limits(cursor(), limits).is_ok_and(|d| d.is_apng().unwrap_or(false))
        }
        _ => false,
    }
}
