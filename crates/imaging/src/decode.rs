//! Reading image headers, and decoding within the memory budget.

use std::io::{BufRead, Cursor, Seek};

use image::{
    ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits,
    codecs::{png::PngDecoder, webp::WebPDecoder},
    metadata::Orientation,
};

use crate::{Fit, ImageError, ImageRequest, header::first_frame};

/// Largest memory for decoding, in bytes, for all images together. An image that needs more is refused.
pub const MEMORY_BUDGET: u64 = 256 * 1024 * 1024;
/// Largest decompressed metadata of a file, such as profiles and EXIF, in bytes.
pub(super) const METADATA_LIMIT: u64 = 16 * 1024 * 1024;
/// Largest number of pixels of an image.
pub const MAX_PIXELS: u64 = 50_000_000;

/// Information from the header of an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImageInfo {
    format: SourceFormat,
    /// Width in pixels after EXIF orientation; 0 for SVG.
    pub width: u32,
    /// Height in pixels after EXIF orientation; 0 for SVG.
    pub height: u32,
    /// More than one frame. Animations are not scaled.
    pub animated: bool,
    /// Estimated memory for decoding, in bytes.
    pub cost: u64,
    orientation: Orientation,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum SourceFormat {
    Svg,
    Raster(ImageFormat),
}

impl ImageInfo {
    /// Returns whether the original satisfies the request: an SVG, an animation, or, with `Fit::Inside`,
    /// an image that needs neither rotation nor scaling.
    pub fn satisfies(&self, request: &ImageRequest) -> bool {
        let size = (self.width, self.height);
        self.format == SourceFormat::Svg
            || self.animated
            || self.orientation == Orientation::NoTransforms
                && request.fit == Fit::Inside
                && request.sizes(size).image == size
    }
    /// Returns whether the orientation swaps width and height.
    pub(super) fn swaps_sides(&self) -> bool {
        use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
        matches!(self.orientation, Rotate90 | Rotate90FlipH | Rotate270 | Rotate270FlipH)
    }
    pub(super) fn orientation(&self) -> Orientation {
        self.orientation
    }
}

/// Returns whether the first bytes are those of an SVG.
pub fn is_svg(bytes: &[u8]) -> bool {
    let head = bytes.get(..512).unwrap_or(bytes);
    // The metadata of a raster image may contain this text, too.
    image::guess_format(head).is_err() && head.windows(4).any(|w| w == b"<svg")
}

/// Reads the header, without decoding pixels.
pub fn probe(bytes: &[u8]) -> Result<ImageInfo, ImageError> {
    if is_svg(bytes) {
        return Ok(ImageInfo {
            format: SourceFormat::Svg,
            width: 0,
            height: 0,
            animated: false,
            cost: 0,
            orientation: Orientation::NoTransforms,
        });
    }
    let (format, mut decoder) = open(Cursor::new(bytes))?;
    let frame = match format {
        ImageFormat::Gif => first_frame(&mut Cursor::new(bytes))?,
        _ => (0, 0),
    };
    let cost = decode_cost(format, &decoder, frame, is_progressive(bytes))?;
    let (width, height) = decoder.dimensions();
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut info = ImageInfo {
        format: SourceFormat::Raster(format),
        width,
        height,
        animated: is_animated(bytes, format),
        cost,
        orientation,
    };
    if info.swaps_sides() {
        (info.width, info.height) = (height, width);
    }
    Ok(info)
}

/// Detects the format and reads the header.
pub(super) fn open<'a, R: BufRead + Seek + 'a>(
    input: R,
) -> Result<(ImageFormat, impl ImageDecoder + 'a), ImageError> {
    let reader = reader(input)?;
    let format = reader.format().ok_or(ImageError::UnsupportedFormat)?;
    let decoder = reader.into_decoder().map_err(|e| match e {
        // One row exceeds `METADATA_LIMIT`.
        image::ImageError::Limits(_) => ImageError::TooLarge { width: 0, height: 0 },
        e => ImageError::Decode(e.to_string()),
    })?;
    Ok((format, decoder))
}

/// Returns the estimated memory for decoding, in bytes, or the reason of a refusal. `frame`: extent of
/// a frame, which may exceed the size in the header; (0, 0) if unknown.
pub(super) fn decode_cost(
    format: ImageFormat,
    decoder: &impl ImageDecoder,
    frame: (u32, u32),
    progressive: bool,
) -> Result<u64, ImageError> {
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(ImageError::Decode("no pixels".to_owned()));
    }
    let (width, height) = (width.max(frame.0), height.max(frame.1));
    let pixels = u64::from(width) * u64::from(height);
    let bytes_per_pixel = u64::from(decoder.color_type().bytes_per_pixel());
    // Additional bytes per pixel: coefficients of a progressive JPEG, WebP planes, the canvas of a
    // GIF.
    let extra = match format {
        ImageFormat::Jpeg if progressive => 6,
        ImageFormat::Jpeg => 1,
        ImageFormat::WebP | ImageFormat::Gif => 4,
        _ => 1,
    };
    let cost = pixels.saturating_mul(bytes_per_pixel + extra);
    if pixels > MAX_PIXELS || cost > MEMORY_BUDGET {
        return Err(ImageError::TooLarge { width, height });
    }
    Ok(cost)
}

/// Decodes the pixels, without applying the orientation.
pub(super) fn decode(bytes: &[u8], info: &ImageInfo) -> Result<DynamicImage, ImageError> {
    let decode_error = |e: image::ImageError| match e {
        // Frames and chunks may be larger than stated in the header.
        image::ImageError::Limits(_) => {
            ImageError::TooLarge { width: info.width, height: info.height }
        }
        e => ImageError::Decode(e.to_string()),
    };
    let mut decoder = reader(Cursor::new(bytes))?.into_decoder().map_err(decode_error)?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MEMORY_BUDGET);
    decoder.set_limits(limits).map_err(decode_error)?;
    let image = DynamicImage::from_decoder(decoder).map_err(decode_error)?;
    // `resize` handles these two types of pixels.
    Ok(match image.color() {
        ColorType::Rgb8 | ColorType::Rgba8 => image,
        color if color.has_alpha() => DynamicImage::ImageRgba8(image.into_rgba8()),
        _ => DynamicImage::ImageRgb8(image.into_rgb8()),
    })
}

fn reader<R: BufRead + Seek>(input: R) -> Result<ImageReader<R>, ImageError> {
    let reader = ImageReader::new(input).with_guessed_format();
    let mut reader = reader.map_err(|e| ImageError::Decode(e.to_string()))?;
    if reader.format().is_none() {
        return Err(ImageError::UnsupportedFormat);
    }
    reader.limits(metadata_limits());
    Ok(reader)
}

fn metadata_limits() -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(METADATA_LIMIT);
    limits
}

fn is_animated(bytes: &[u8], format: ImageFormat) -> bool {
    let cursor = || Cursor::new(bytes);
    match format {
        ImageFormat::Gif => gif_frames(bytes) > 1,
        ImageFormat::WebP => WebPDecoder::new(cursor()).is_ok_and(|d| d.has_animation()),
        ImageFormat::Png => PngDecoder::with_limits(cursor(), metadata_limits())
            .is_ok_and(|d| d.is_apng().unwrap_or(false)),
        _ => false,
    }
}

/// Counts the frames of a GIF, up to two, by its blocks (GIF89a, 15 to 23), without decompression.
fn gif_frames(bytes: &[u8]) -> u32 {
    fn walk(bytes: &[u8]) -> Option<u32> {
        let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
        let sub_blocks = |mut at: usize| {
            loop {
                let length = usize::from(*bytes.get(at)?);
                at += 1 + length;
                if length == 0 {
                    return Some(at);
                }
            }
        };
        let mut at = 13 + table(*bytes.get(10)?);
        let mut frames = 0;
        while frames < 2 {
            at = match bytes.get(at) {
                Some(0x21) => sub_blocks(at + 2)?,
                Some(0x2c) => {
                    frames += 1;
                    let Some(flags) = bytes.get(at + 9) else { return Some(frames) };
                    match sub_blocks(at + 11 + table(*flags)) {
                        Some(next) => next,
                        None => return Some(frames),
                    }
                }
                _ => return Some(frames),
            };
        }
        Some(frames)
    }
    walk(bytes).unwrap_or(0)
}

/// Returns whether a JPEG is progressive, by the marker of its frame header (ITU T.81, table B.1).
pub(super) fn is_progressive(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some([0xff, marker, rest @ ..]) = bytes.get(at..) {
        match marker {
            0xc2 | 0xc6 | 0xca | 0xce => return true,
            0xc0 | 0xc1 | 0xc3 | 0xda | 0xd9 => return false,
            0xff => at += 1,
            _ => match rest {
                [high, low, ..] => at += 2 + usize::from(u16::from_be_bytes([*high, *low])),
                _ => return false,
            },
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raster_images_that_contain_svg_text_are_not_svg() {
        // A logical screen of 65,535 x 65,535 pixels, then a comment with `<svg`, then a frame.
        let mut gif = b"GIF89a\xff\xff\xff\xff\x00\x00\x00".to_vec();
        gif.extend_from_slice(b"\x21\xfe\x04<svg\x00");
        gif.extend_from_slice(b"\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\x3b");
        let found = probe(&gif);
        assert!(matches!(found, Err(ImageError::TooLarge { .. })), "{found:?}");
        assert!(is_svg(b"<?xml version=\"1.0\"?><svg/>"));
    }
}
