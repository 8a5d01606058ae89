//! Tests of published pictures and recordings: colours, orientation, size, and that no place is published.

mod support;

use std::io::Cursor;

use carrel_model::content::{Block, ImageRef, ManifestContent, SectionBody};
use carrel_package::{MemorySink, Problem};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use support::{compile_tree, course, encoded, wav};

/// A text that stands for a place.
const PLACE: &[u8] = b"+48.8584+002.2945/";

fn compile(bytes: &[u8]) -> (Vec<Block>, MemorySink, Vec<Problem>) {
    let mut tree = course();
    tree.put("media/square.png", bytes);
    let (compiled, sink) = compile_tree(&tree).unwrap_or_else(|p| panic!("{p:#?}"));
    let ManifestContent::Course { outline, .. } = &compiled.manifest.content else { panic!() };
    let body: SectionBody = sink.json(outline.lessons[0].sections[0].body).unwrap();
    (body.blocks, sink, compiled.warnings)
}

fn compile_image(bytes: &[u8]) -> (ImageRef, MemorySink, Vec<Problem>) {
    let (blocks, sink, warnings) = compile(bytes);
    let image = blocks
        .into_iter()
        .find_map(|b| if let Block::Image { image } = b { Some(image) } else { None });
    (image.unwrap(), sink, warnings)
}

/// Returns the bytes and the type of the widest variant.
fn widest(bytes: &[u8]) -> (Vec<u8>, String) {
    let (image, sink, _) = compile_image(bytes);
    let blob = &image.variants.last().unwrap().blob;
    (sink.bytes(blob.hash).unwrap().to_vec(), blob.media_type.clone())
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|w| w == wanted)
}

fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0xff, marker];
    out.extend((body.len() as u16 + 2).to_be_bytes());
    out.extend(body);
    out
}

/// Returns a JPEG with these segments.
fn jpeg(image: &DynamicImage, segments: &[Vec<u8>]) -> Vec<u8> {
    let plain = encoded(image, ImageFormat::Jpeg);
    [&plain[..2], &segments.concat(), &plain[2..]].concat()
}

fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut out = (body.len() as u32).to_be_bytes().to_vec();
    out.extend(name);
    out.extend(body);
    let crc = !out[4..].iter().fold(!0u32, |crc, b| {
        (0..8).fold(
            crc ^ u32::from(*b),
            |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 },
        )
    });
    out.extend(crc.to_be_bytes());
    out
}

/// Returns a PNG with chunks after its header and before its end.
fn png(image: &DynamicImage, first: &[Vec<u8>], last: &[Vec<u8>]) -> Vec<u8> {
    let plain = encoded(image, ImageFormat::Png);
    let end = plain.len() - 12;
    [&plain[..33], &first.concat(), &plain[33..end], &last.concat(), &plain[end..]].concat()
}

fn riff(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut out = name.to_vec();
    out.extend((body.len() as u32).to_le_bytes());
    out.extend(body);
    out.resize(out.len() + (body.len() & 1), 0);
    out
}

/// Returns a WebP of 40 x 30 pixels with chunks around the pixels. `animated`: two frames with metadata inside.
fn webp(image: &DynamicImage, first: &[Vec<u8>], last: &[Vec<u8>], animated: bool) -> Vec<u8> {
    let plain = encoded(image, ImageFormat::WebP);
    let (width, height) = (image.width() - 1, image.height() - 1);
    let side = |n: u32| n.to_le_bytes()[..3].to_vec();
    let has = |name: &[u8; 4]| [first, last].concat().iter().any(|chunk| chunk.starts_with(name));
    let mut flags = if animated { 2 } else { 0 };
    for (name, flag) in [(b"ICCP", 0x20), (b"EXIF", 8), (b"XMP ", 4)] {
        flags |= if has(name) { flag } else { 0 };
    }
    let header = riff(b"VP8X", &[vec![flags, 0, 0, 0], side(width), side(height)].concat());
    let pixels = if animated {
        let frame = [
            vec![0; 6],
            side(width),
            side(height),
            vec![100, 0, 0, 0],
            plain[12..].to_vec(),
            riff(b"XMP ", PLACE),
        ];
        let frame = riff(b"ANMF", &frame.concat());
        [riff(b"ANIM", &[0; 6]), frame.clone(), frame].concat()
    } else {
        plain[12..].to_vec()
    };
    riff(b"RIFF", &[b"WEBP".to_vec(), header, first.concat(), pixels, last.concat()].concat())
}

fn exif(orientation: u8) -> Vec<u8> {
    let mut out = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    out.extend([orientation, 0, 0, 0, 0, 0, 0]);
    out.extend(PLACE);
    out
}

/// Left half red, right half blue.
fn halves() -> DynamicImage {
    RgbImage::from_fn(40, 30, |x, _| if x < 20 { Rgb([250, 0, 0]) } else { Rgb([0, 0, 250]) })
        .into()
}

#[test]
fn places_are_removed_from_pictures_of_every_kind() {
    let image = halves();
    let with = |prefix: &[u8]| [prefix, PLACE].concat();
    let extended = with(b"http://ns.adobe.com/xmp/extension/\0");
    let xmp = with(b"http://ns.adobe.com/xap/1.0/\0");
    let icc = with(b"ICC_PROFILE\0\x01\x01");
    let mut gif = Vec::new();
    {
        let mut encoder = image::codecs::gif::GifEncoder::new(&mut gif);
        for shade in [0, 250] {
            let frame = image::RgbaImage::from_pixel(40, 30, image::Rgba([shade, 0, 0, 255]));
            encoder.encode_frame(image::Frame::new(frame)).unwrap();
        }
    }
    let at = 13 + if gif[10] & 0x80 == 0 { 0 } else { 3 << ((gif[10] & 7) + 1) };
    let blocks = |prefix: &[u8]| {
        let body = [prefix, &[PLACE.len() as u8], PLACE, &[0]].concat();
        [&gif[..at], &body, &gif[at..], PLACE].concat()
    };
    let still = encoded(&image, ImageFormat::Gif);
    let still_at = 13 + if still[10] & 0x80 == 0 { 0 } else { 3 << ((still[10] & 7) + 1) };
    let comment = [&b"\x21\xfe"[..], &[PLACE.len() as u8], PLACE, &[0]].concat();
    let still = [&still[..still_at], &comment, &still[still_at..]].concat();
    for (name, bytes) in [
        ("JPEG EXIF", jpeg(&image, &[segment(0xe1, &[b"Exif\0\0".to_vec(), exif(1)].concat())])),
        ("JPEG XMP", jpeg(&image, &[segment(0xe1, &xmp), segment(0xe1, &extended)])),
        ("JPEG comment", jpeg(&image, &[segment(0xfe, PLACE)])),
        ("JPEG IPTC", jpeg(&image, &[segment(0xed, &with(b"Photoshop 3.0\0"))])),
        ("JPEG profile", jpeg(&image, &[segment(0xe2, &icc)])),
        ("JPEG after the end", [jpeg(&image, &[]), jpeg(&image, &[segment(0xfe, PLACE)])].concat()),
        ("PNG text", png(&image, &[chunk(b"tEXt", &with(b"Comment\0"))], &[chunk(b"zTXt", PLACE)])),
        ("PNG XMP", png(&image, &[], &[chunk(b"iTXt", &with(b"XML:com.adobe.xmp\0\0\0\0\0"))])),
        ("PNG EXIF", png(&image, &[chunk(b"eXIf", &exif(1))], &[])),
        ("PNG after the end", [png(&image, &[], &[]), PLACE.to_vec()].concat()),
        ("WebP", webp(&image, &[], &[riff(b"EXIF", &exif(1)), riff(b"XMP ", PLACE)], false)),
        (
            "WebP unknown chunk",
            [webp(&image, &[riff(b"abcd", PLACE)], &[], false), PLACE.to_vec()].concat(),
        ),
        (
            "animated WebP",
            webp(&image, &[], &[riff(b"EXIF", &exif(1)), riff(b"XMP ", PLACE)], true),
        ),
        ("animated GIF comment", blocks(b"\x21\xfe")),
        ("animated GIF XMP", blocks(b"\x21\xff\x0bXMP DataXMP")),
        ("still GIF", still),
    ] {
        assert!(contains(&bytes, PLACE), "{name}");
        let (_, sink, _) = compile_image(&bytes);
        for (_, blob) in sink.blobs.values() {
            assert!(!contains(blob, PLACE), "{name}");
        }
        let (out, _) = widest(&bytes);
        let shown = image::load_from_memory(&out).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((shown.width(), shown.height()), (40, 30), "{name}");
        if name.starts_with("animated") {
            let frames = image::load_from_memory(&bytes).unwrap().to_rgba8();
            assert_eq!(shown.to_rgba8(), frames, "{name}: the pixels are not changed");
            assert!(out.len() < bytes.len(), "{name}");
        }
    }
}

#[test]
fn places_are_removed_from_recordings() {
    let mut bytes = wav(1000);
    bytes.extend(riff(b"LIST", &[b"INFO".to_vec(), riff(b"ICMT", PLACE)].concat()));
    let mut tree = course();
    tree.put("media/rain.wav", &bytes);
    let (_, sink) = compile_tree(&tree).unwrap();
    assert!(sink.blobs.values().any(|(kind, blob)| kind == "audio/wav" && *blob == wav(1000)));
    assert!(!sink.blobs.values().any(|(_, blob)| contains(blob, PLACE)));
}

#[test]
fn orientation_is_applied_once_wherever_it_is_stated() {
    for (name, bytes) in [
        ("JPEG", jpeg(&halves(), &[segment(0xe1, &[b"Exif\0\0".to_vec(), exif(6)].concat())])),
        ("PNG", png(&halves(), &[chunk(b"eXIf", &exif(6))], &[])),
        ("PNG, after the pixels", png(&halves(), &[], &[chunk(b"eXIf", &exif(6))])),
        ("WebP", webp(&halves(), &[], &[riff(b"EXIF", &exif(6))], false)),
    ] {
        let (out, _) = widest(&bytes);
        let shown = image::load_from_memory(&out).unwrap().to_rgb8();
        assert_eq!(shown.dimensions(), (30, 40), "{name}");
        // Rotated clockwise, the left half is above.
        let (top, bottom) = (shown.get_pixel(15, 4).0, shown.get_pixel(15, 35).0);
        assert!(top[0] > 200 && bottom[2] > 200, "{name}: {top:?} {bottom:?}");
        let again = image::ImageReader::new(Cursor::new(&out)).with_guessed_format().unwrap();
        let mut decoder = again.into_decoder().unwrap();
        let orientation = image::ImageDecoder::orientation(&mut decoder).unwrap();
        assert_eq!(orientation, image::metadata::Orientation::NoTransforms, "{name}");
    }
}

/// Returns an ICC profile with these primaries (sums of the columns are the white point D50) and a gamma of 2.2.
fn icc(primaries: [[f64; 3]; 3]) -> Vec<u8> {
    let xyz = |v: [f64; 3]| {
        let mut out = b"XYZ \0\0\0\0".to_vec();
        out.extend(v.iter().flat_map(|n| ((n * 65_536.0).round() as i32).to_be_bytes()));
        out
    };
    let curve = b"curv\0\0\0\0\0\0\0\x01\x02\x33\0\0".to_vec();
    let tags: Vec<(&[u8; 4], Vec<u8>)> = vec![
        (b"rXYZ", xyz(primaries[0])),
        (b"gXYZ", xyz(primaries[1])),
        (b"bXYZ", xyz(primaries[2])),
        (b"wtpt", xyz([0.9642, 1.0, 0.8249])),
        (b"rTRC", curve.clone()),
        (b"gTRC", curve.clone()),
        (b"bTRC", curve),
    ];
    let mut table = (tags.len() as u32).to_be_bytes().to_vec();
    let mut data = Vec::new();
    let start = 128 + 4 + tags.len() * 12;
    for (name, body) in &tags {
        table.extend(*name);
        table.extend(((start + data.len()) as u32).to_be_bytes());
        table.extend((body.len() as u32).to_be_bytes());
        data.extend(body);
    }
    let mut out = vec![0; 128];
    out[..4].copy_from_slice(&((start + data.len()) as u32).to_be_bytes());
    out[8..12].copy_from_slice(&[4, 0x20, 0, 0]);
    out[12..24].copy_from_slice(b"mntrRGB XYZ ");
    out[36..40].copy_from_slice(b"acsp");
    out[68..80].copy_from_slice(&xyz([0.9642, 1.0, 0.8249])[8..]);
    [out, table, data].concat()
}

/// Adobe RGB (1998), adapted to D50.
const ADOBE: [[f64; 3]; 3] =
    [[0.60974, 0.31111, 0.01947], [0.20528, 0.62567, 0.06087], [0.14919, 0.06322, 0.74457]];

/// A store of zlib without compression.
fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 1, 1];
    out.extend((bytes.len() as u16).to_le_bytes());
    out.extend((!(bytes.len() as u16)).to_le_bytes());
    out.extend(bytes);
    let (mut a, mut b) = (1u32, 0u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    out.extend((b << 16 | a).to_be_bytes());
    out
}

#[test]
fn published_pictures_are_srgb() {
    let flat =
        |size| -> DynamicImage { RgbImage::from_pixel(size, size, Rgb([200, 100, 50])).into() };
    let profile = icc(ADOBE);
    let iccp = [&b"adobe\0\0"[..], &zlib(&profile)].concat();
    let segment_of = [&b"ICC_PROFILE\0\x01\x01"[..], &profile].concat();
    let numbers = |n: &[u32]| n.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<u8>>();
    let chrm = numbers(&[31_270, 32_900, 64_000, 33_000, 21_000, 71_000, 15_000, 6_000]);
    let gama = numbers(&[45_455]);
    for (name, bytes, expected) in [
        ("PNG", png(&flat(400), &[chunk(b"iCCP", &iccp)], &[]), [227, 100, 42]),
        ("JPEG", jpeg(&flat(400), &[segment(0xe2, &segment_of)]), [227, 100, 42]),
        ("WebP", webp(&flat(400), &[riff(b"ICCP", &profile)], &[], false), [227, 100, 42]),
        (
            "gAMA and cHRM",
            png(&flat(400), &[chunk(b"gAMA", &gama), chunk(b"cHRM", &chrm)], &[]),
            [227, 100, 42],
        ),
        ("no profile", png(&flat(400), &[], &[]), [200, 100, 50]),
        (
            "sRGB precedes gAMA",
            png(
                &flat(400),
                &[chunk(b"sRGB", &[0]), chunk(b"gAMA", &gama), chunk(b"cHRM", &chrm)],
                &[],
            ),
            [200, 100, 50],
        ),
        (
            "a broken profile",
            jpeg(&flat(400), &[segment(0xe2, b"ICC_PROFILE\0\x01\x01broken")]),
            [200, 100, 50],
        ),
    ] {
        let (image, sink, warnings) = compile_image(&bytes);
        for variant in &image.variants {
            let out = sink.bytes(variant.blob.hash).unwrap();
            let shown = image::load_from_memory(out).unwrap().to_rgb8();
            let found = shown.get_pixel(100, 100).0;
            let is_near = found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 2);
            assert!(is_near, "{name}, {} pixels: {found:?} instead of {expected:?}", variant.width);
            assert!(
                !contains(out, b"acsp") && !contains(out, b"gAMA"),
                "{name}: no profile is published"
            );
        }
        let codes: Vec<_> = warnings.iter().map(|w| w.code).collect();
        let expected: &[&str] = if name == "a broken profile" { &["image-color"] } else { &[] };
        assert_eq!(codes, expected, "{name}");
    }
}

#[test]
fn small_pictures_are_kept_and_never_become_larger() {
    let pattern = |x: u32, y: u32| x / 8 + y / 8;
    let gray =
        image::GrayImage::from_fn(64, 48, |x, y| image::Luma([(pattern(x, y) % 2 * 255) as u8]));
    let gray16 = image::ImageBuffer::from_fn(64, 48, |x, y| {
        image::Luma([(pattern(x, y) % 2 * 65_535) as u16])
    });
    let alpha = image::RgbaImage::from_fn(33, 17, |x, y| {
        image::Rgba([0, 120, 0, (pattern(x, y) % 2 * 255) as u8])
    });
    let thin = RgbImage::from_pixel(1, 300, Rgb([9, 9, 9]));
    let samples: [(&str, DynamicImage, ImageFormat); 8] = [
        ("a grey PNG", gray.clone().into(), ImageFormat::Png),
        ("a PNG of 16 bits", DynamicImage::ImageLuma16(gray16), ImageFormat::Png),
        ("a transparent PNG", alpha.clone().into(), ImageFormat::Png),
        ("a transparent GIF", alpha.into(), ImageFormat::Gif),
        (
            "a still GIF",
            DynamicImage::ImageRgba8(DynamicImage::from(gray.clone()).into_rgba8()),
            ImageFormat::Gif,
        ),
        ("a grey JPEG", gray.into(), ImageFormat::Jpeg),
        ("a thin PNG", thin.into(), ImageFormat::Png),
        ("one pixel", DynamicImage::new_rgb8(1, 1), ImageFormat::Png),
    ];
    let mut kept = Vec::new();
    for (name, image, format) in samples {
        let bytes = encoded(&image, format);
        let (out, kind) = widest(&bytes);
        kept.extend((kind != "image/webp").then_some(name));
        assert!(out.len() <= bytes.len(), "{name}: {} of {} bytes", out.len(), bytes.len());
        let (shown, original) = (
            image::load_from_memory(&out).unwrap().to_rgba8(),
            image::load_from_memory(&bytes).unwrap().to_rgba8(),
        );
        assert_eq!(shown.dimensions(), original.dimensions(), "{name}");
        if kind != "image/webp" {
            assert_eq!(shown, original, "{name}: {kind}");
        }
        assert!(
            shown.pixels().zip(original.pixels()).all(|(a, b)| a.0[3].abs_diff(b.0[3]) < 40),
            "{name}"
        );
    }
    // Squares of one pixel: no lossy encoding is smaller.
    let squares = image::RgbaImage::from_fn(64, 48, |x, y| {
        image::Rgba([if (x + y) % 2 == 0 { 255 } else { 0 }, 0, 0, 255])
    });
    let gif = encoded(&squares.into(), ImageFormat::Gif);
    assert_eq!(widest(&gif), (gif, "image/gif".to_owned()));
    assert!(kept.contains(&"a transparent GIF"), "{kept:?}");
}
