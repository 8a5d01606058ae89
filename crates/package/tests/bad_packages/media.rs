//! Problems in images, SVG drawings, audio, video and captions.

use crate::Case;
use crate::support::{encoded, photo, png, wav};

pub const CASES: &[Case] = &[
    (
        "text file named .png",
        |t| {
            t.put("media/square.png", "hello");
        },
        "media-type",
        "one/read.md",
        5,
    ),
    (
        "empty image",
        |t| {
            t.put("media/square.png", "");
        },
        "media-type",
        "one/read.md",
        5,
    ),
    (
        "broken image",
        |t| {
            let mut p = png(40, 40);
            p.truncate(60);
            t.put("media/square.png", p);
        },
        "image-broken",
        "media/square.png",
        1,
    ),
    (
        "a JPEG without its second half",
        |t| {
            let jpeg = encoded(&photo(), image::ImageFormat::Jpeg);
            t.put("media/square.png", &jpeg[..jpeg.len() / 2]);
        },
        "image-broken",
        "media/square.png",
        1,
    ),
    (
        "image with too many pixels",
        |t| {
            t.put("media/square.png", huge_png());
        },
        "image-huge",
        "media/square.png",
        1,
    ),
    (
        "invalid SVG",
        |t| {
            t.put("media/square.png", "<svg xmlns=\"http://www.w3.org/2000/svg\">\n<rect>\n</svg>");
        },
        "svg-broken",
        "media/square.png",
        3,
    ),
    (
        "SVG with an impossible size",
        |t| {
            t.put(
                "media/square.png",
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"0\" height=\"9\"/>",
            );
        },
        "svg-size",
        "media/square.png",
        1,
    ),
    (
        "truncated audio",
        |t| {
            let mut w = wav(1000);
            w.truncate(4000);
            t.put("media/rain.wav", w);
        },
        "audio-broken",
        "media/rain.wav",
        1,
    ),
    (
        "invalid mp3",
        |t| {
            t.put("media/rain.wav", b"ID3\x04\0\0\0\0\0\x0anothing at all in here");
        },
        "audio-broken",
        "media/rain.wav",
        1,
    ),
    (
        "truncated video",
        |t| {
            t.put("media/rain.wav", b"\0\0\0\x10ftypisom\0\0\0\0\0\0\xff\xffmoov");
        },
        "video-broken",
        "media/rain.wav",
        1,
    ),
    (
        "empty webm",
        |t| {
            t.put("media/rain.wav", b"\x1a\x45\xdf\xa3\x80");
        },
        "video-broken",
        "media/rain.wav",
        1,
    ),
    (
        "invalid captions",
        |t| {
            t.put("media/rain.vtt", "WEBVTT\n\n00:01,000 --> 00:02,000\nx\n");
        },
        "captions",
        "media/rain.vtt",
        3,
    ),
    (
        "captions without WEBVTT line",
        |t| {
            t.put("media/rain.vtt", "1\n00:01.000 --> 00:02.000\nx\n");
        },
        "captions",
        "media/rain.vtt",
        1,
    ),
    (
        "captions too long",
        |t| {
            t.put(
                "media/rain.vtt",
                "WEBVTT\n\n00:00.000 --> 00:01.000\nx\n\n00:09.000 --> 00:10.000\nx\n",
            );
        },
        "captions-range",
        "media/rain.vtt",
        6,
    ),
    (
        "media in a transcript",
        |t| {
            t.put("media/rain.md", "Text\n\n![x](square.png)\n");
        },
        "media-inline",
        "media/rain.md",
        3,
    ),
];

/// Returns a PNG whose header declares 40,000 x 40,000 pixels.
fn huge_png() -> Vec<u8> {
    let mut bytes = png(4, 4);
    bytes[16..24].copy_from_slice(&[0, 0, 0x9c, 0x40, 0, 0, 0x9c, 0x40]);
    let crc = !bytes[12..29].iter().fold(!0u32, |crc, b| {
        (0..8).fold(
            crc ^ u32::from(*b),
            |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 },
        )
    });
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    bytes
}
