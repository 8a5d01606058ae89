//! Generated image files: rotated, animated, with wrong sizes, damaged.

use std::io::{Cursor, Write};

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, codecs::jpeg::JpegEncoder};

/// Colours of the quarters of the upright image: top left, top right, bottom left, bottom right.
pub const QUARTERS: [[u8; 3]; 4] = [[220, 30, 30], [30, 200, 30], [30, 30, 220], [240, 240, 240]];

/// Returns the colour of the quarter of a `w` x `h` image that contains a point.
fn quarter(x: u32, y: u32, w: u32, h: u32) -> [u8; 3] {
    QUARTERS[usize::from(x >= w / 2) + 2 * usize::from(y >= h / 2)]
}

pub fn quarters(w: u32, h: u32) -> RgbImage {
    RgbImage::from_fn(w, h, |x, y| Rgb(quarter(x, y, w, h)))
}

pub fn jpeg(image: &RgbImage) -> Vec<u8> {
    let mut out = Vec::new();
    JpegEncoder::new_with_quality(&mut out, 92).encode_image(image).unwrap();
    out
}

pub fn encode(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    image.write_to(&mut out, format).unwrap();
    out.into_inner()
}

/// Returns a JPEG with this EXIF orientation, whose upright image has `w` x `h` pixels.
pub fn rotated_jpeg(orientation: u16, w: u32, h: u32) -> Vec<u8> {
    // From the EXIF standard: whether stored rows are rows of the upright image, whether the first row
    // is its top or left side, whether the first column is its left or top side.
    let (upright, row, column) = match orientation {
        1 => (true, true, true),
        2 => (true, true, false),
        3 => (true, false, false),
        4 => (true, false, true),
        5 => (false, true, true),
        6 => (false, false, true),
        7 => (false, false, false),
        _ => (false, true, false),
    };
    let from = |n: u32, size: u32, forward: bool| if forward { n } else { size - 1 - n };
    let stored = if upright {
        RgbImage::from_fn(w, h, |x, y| Rgb(quarter(from(x, w, column), from(y, h, row), w, h)))
    } else {
        // A stored row is a column of the upright image.
        RgbImage::from_fn(h, w, |x, y| Rgb(quarter(from(y, w, row), from(x, h, column), w, h)))
    };
    let plain = jpeg(&stored);
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend_from_slice(&u32::from(orientation).to_le_bytes());
    exif.extend_from_slice(&[0; 4]);
    let mut out = plain[..2].to_vec();
    out.extend_from_slice(&[0xff, 0xe1]);
    out.extend_from_slice(&(exif.len() as u16 + 2).to_be_bytes());
    out.extend_from_slice(&exif);
    out.extend_from_slice(&plain[2..]);
    out
}

fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut sum = flate2::Crc::new();
    sum.update(name);
    sum.update(data);
    [&(data.len() as u32).to_be_bytes(), &name[..], data, &sum.sum().to_be_bytes()].concat()
}

/// Returns a small PNG whose header states `w` x `h` pixels, of this PNG colour type and bit depth.
pub fn png_with_size(w: u32, h: u32, depth: u8, colour: u8) -> Vec<u8> {
    let header = [&w.to_be_bytes()[..], &h.to_be_bytes(), &[depth, colour, 0, 0, 0]].concat();
    let data = deflated(&[0; 64]);
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        chunk(b"IDAT", &data),
        chunk(b"IEND", &[]),
    ]
    .concat()
}

/// Returns a complete PNG of black pixels of 1 bit. The file is small even with 100 million pixels.
pub fn png_with_pixels(w: u32, h: u32) -> Vec<u8> {
    let header = [&w.to_be_bytes()[..], &h.to_be_bytes(), &[1, 0, 0, 0, 0]].concat();
    let rows = vec![0; (w as usize).div_ceil(8).saturating_add(1) * h as usize];
    let data = deflated(&rows);
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        chunk(b"IDAT", &data),
        chunk(b"IEND", &[]),
    ]
    .concat()
}

/// Returns a PNG with a colour profile of `unpacked` bytes after decompression.
pub fn png_with_profile(unpacked: usize) -> Vec<u8> {
    let plain = encode(&DynamicImage::ImageRgb8(quarters(400, 200)), ImageFormat::Png);
    let mut profile = b"bomb\0\0".to_vec();
    profile.extend_from_slice(&deflated(&vec![0; unpacked]));
    [&plain[..33], &chunk(b"iCCP", &profile), &plain[33..]].concat()
}

/// Returns a PNG marked as an animation.
pub fn apng() -> Vec<u8> {
    let plain = encode(&DynamicImage::ImageRgb8(quarters(400, 200)), ImageFormat::Png);
    [&plain[..33], &chunk(b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]), &plain[33..]].concat()
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// Returns a GIF whose header states `w` x `h` pixels.
pub fn gif_with_size(w: u16, h: u16) -> Vec<u8> {
    let (w, h) = (w.to_le_bytes(), h.to_le_bytes());
    [
        &b"GIF89a"[..],
        &w,
        &h,
        b"\x80\0\0\0\0\0\xff\xff\xff\x2c\0\0\0\0",
        &w,
        &h,
        b"\0\x02\x02\x4c\x01\0\x3b",
    ]
    .concat()
}

/// Returns a GIF with `frames` frames of 400 x 200 pixels.
pub fn gif(frames: u8) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut out);
    for n in 0..frames {
        let colour = image::Rgba([n * 40, 80, 120, 255]);
        let frame = image::Frame::new(image::RgbaImage::from_pixel(400, 200, colour));
        encoder.encode_frame(frame).unwrap();
    }
    drop(encoder);
    out
}

/// Returns the header of a lossless WebP of `w` x `h` pixels (at most 16384).
pub fn webp_with_size(w: u32, h: u32) -> Vec<u8> {
    let bits = (w - 1) | (h - 1) << 14;
    let data = [&[0x2f][..], &bits.to_le_bytes(), &[0; 9]].concat();
    let size = (data.len() as u32 + 12).to_le_bytes();
    [b"RIFF", &size[..], b"WEBPVP8L", &(data.len() as u32).to_le_bytes(), &data].concat()
}

/// Returns an animated WebP of two frames, assembled from still images (RFC 9649).
pub fn animated_webp() -> Vec<u8> {
    let field = |name: &[u8; 4], data: &[u8]| {
        let mut out = [&name[..], &(data.len() as u32).to_le_bytes(), data].concat();
        out.resize(out.len() + data.len() % 2, 0);
        out
    };
    let (w, h) = (400u32, 200u32);
    let still = webp::Encoder::from_rgb(&quarters(w, h), w, h).encode(70.0);
    let side = |n: u32| (n - 1).to_le_bytes()[..3].to_vec();
    let frame = [&[0; 6][..], &side(w), &side(h), &[100, 0, 0, 0], &still[12..]].concat();
    let body = [
        field(b"VP8X", &[&[0x02, 0, 0, 0][..], &side(w), &side(h)].concat()),
        field(b"ANIM", &[0xff, 0xff, 0xff, 0xff, 0, 0]),
        field(b"ANMF", &frame),
        field(b"ANMF", &frame),
    ]
    .concat();
    [b"RIFF", &(body.len() as u32 + 4).to_le_bytes()[..], b"WEBP", &body].concat()
}

/// Returns a JPEG whose header states `w` x `h` pixels.
pub fn jpeg_with_size(w: u16, h: u16) -> Vec<u8> {
    let mut out = jpeg(&quarters(16, 16));
    let at = out.windows(2).position(|m| m == [0xff, 0xc0]).unwrap();
    out[at + 5..at + 7].copy_from_slice(&h.to_be_bytes());
    out[at + 7..at + 9].copy_from_slice(&w.to_be_bytes());
    out
}

/// Inserts application segments of these lengths before the other segments of a JPEG.
pub fn with_app_segments(jpeg: &[u8], lengths: &[usize]) -> Vec<u8> {
    let mut out = jpeg[..2].to_vec();
    for length in lengths {
        out.extend_from_slice(&[0xff, 0xed]);
        out.extend_from_slice(&(*length as u16 + 2).to_be_bytes());
        // Contains bytes like those of a frame header, which must be ignored.
        out.extend([0xff, 0xc0, 0, 17, 8, 0, 1].iter().cycle().take(*length));
    }
    out.extend_from_slice(&jpeg[2..]);
    out
}
