//! The table of docs/PACKAGE.md that states what happens to each kind of media file. `CARREL_WRITE=1` writes it.

#[path = "../../recording/tests/recordings/support.rs"]
mod recordings;
mod support;

use carrel_model::content::{Block, ManifestContent, SectionBody};
use image::{DynamicImage, ImageFormat};
use recordings::{Track, element, id3v2, mp3, mp4, ogg_page, opus, webm};
use support::{compile_tree, course, encoded};

/// Name of the kind, and a file.
fn samples() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let picture = |format| {
        let image = image::RgbImage::from_fn(60, 40, |x, y| {
            image::Rgb([(x * 4) as u8, (y * 5) as u8, ((x * y) % 251) as u8])
        });
        encoded(&DynamicImage::from(image), format)
    };
    let squares = image::GrayImage::from_fn(200, 100, |x, y| {
        image::Luma([((x / 8 + y / 8) % 2 * 255) as u8])
    });
    let squares = DynamicImage::from(squares);
    let mut frames = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut frames);
    for shade in [0, 250] {
        let frame = image::RgbaImage::from_pixel(40, 30, image::Rgba([shade, 0, 0, 255]));
        encoder.encode_frame(image::Frame::new(frame)).unwrap();
    }
    drop(encoder);
    let drawing =
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 9 9\"><rect width=\"9\"/></svg>";
    let utf16 = format!("\u{feff}{drawing}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let track = |handler, codec| Track::new(1, handler, codec, Some(32));
    let sound = || mp4(&[track(b"soun", b"mp4a")], 2000, &[1; 36], b"", b"");
    let film = |codec| mp4(&[track(b"vide", codec)], 2000, &[1; 36], b"", b"");
    let brand = |name: &[u8; 4]| [&b"\0\0\0\x18ftyp"[..], name, b"\0\0\0\0mif1miaf"].concat();
    let adts: Vec<u8> = (0..20).flat_map(|_| recordings::adts_frame()).collect();
    let wav = |format: u16| {
        let mut out = recordings::wav(None, b"", b"");
        out[20..22].copy_from_slice(&format.to_le_bytes());
        out
    };
    let matroska = element(&[0x1a, 0x45, 0xdf, 0xa3], &element(&[0x42, 0x82], b"matroska"));
    let mut emf = vec![1, 0, 0, 0];
    emf.resize(40, 0);
    emf.extend(b" EMF");
    let chapters = [track(b"soun", b"mp4a"), Track::new(2, b"vide", b"jpeg", Some(32))];
    vec![
        ("Images", "JPEG", picture(ImageFormat::Jpeg)),
        ("", "PNG", picture(ImageFormat::Png)),
        ("", "WebP", picture(ImageFormat::WebP)),
        ("", "GIF", picture(ImageFormat::Gif)),
        ("", "PNG or GIF that is smaller than as WebP", small_png(&squares)),
        ("", "animated GIF (also WebP, PNG)", frames),
        ("", "SVG", drawing.as_bytes().to_vec()),
        ("", "SVG in UTF-16", utf16),
        ("", "HEIC", brand(b"heic")),
        ("", "AVIF", brand(b"avif")),
        ("", "BMP", b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec()),
        ("", "TIFF, DNG, NEF, ARW", b"II*\0\x08\0\0\0".to_vec()),
        ("", "CR2", b"II*\0\x10\0\0\0CR\x02\0".to_vec()),
        ("", "CR3", brand(b"crx ")),
        ("", "JPEG 2000", b"\0\0\0\x0cjP  \r\n\x87\n".to_vec()),
        ("", "JPEG XL", b"\xff\x0a\xfa\x1f".to_vec()),
        ("", "ICO", b"\0\0\x01\0\x01\0".to_vec()),
        ("", "PSD", b"8BPS\0\x01".to_vec()),
        ("", "SVGZ", b"\x1f\x8b\x08\0".to_vec()),
        ("", "EPS", b"%!PS-Adobe-3.0 EPSF-3.0".to_vec()),
        ("", "WMF", b"\xd7\xcd\xc6\x9a\0\0".to_vec()),
        ("", "EMF", emf),
        ("", "PDF", b"%PDF-1.7".to_vec()),
        ("Audio", "mp3", mp3(40)),
        (
            "",
            "mp3 with tags, garbage or a variable bit rate",
            [id3v2(&[0; 20], 20), vec![7; 99], mp3(40)].concat(),
        ),
        ("", "AAC (ADTS)", adts),
        ("", "M4A with AAC", sound()),
        ("", "M4A with pictures of chapters", mp4(&chapters, 2000, &[1; 36], b"", b"")),
        ("", "M4A with ALAC", mp4(&[track(b"soun", b"alac")], 2000, &[1; 36], b"", b"")),
        ("", "WAV", recordings::wav(None, b"", b"")),
        ("", "WAV of unknown length", recordings::wav(Some((0, u32::MAX)), b"", b"")),
        ("", "WAV with another codec, such as ADPCM", wav(2)),
        ("", "FLAC", recordings::flac(40_960, &[])),
        ("", "Ogg with Opus, Vorbis or FLAC", opus(1920, 48_312)),
        ("", "WebM", webm(&[0, 20, 40], true, false, b"")),
        ("", "mp2", [vec![0xff, 0xfd, 0x80, 0xc4], vec![0; 413]].concat().repeat(4)),
        ("", "Speex", ogg_page(2, 0, 0, &[b"Speex   1.2"])),
        ("", "AIFF", b"FORM\0\0\0\0AIFFCOMM".to_vec()),
        ("", "CAF", b"caff\0\x01\0\0".to_vec()),
        ("", "AMR", b"#!AMR\n".to_vec()),
        ("", "WMA", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11".to_vec()),
        ("", "MIDI", b"MThd\0\0\0\x06".to_vec()),
        ("Video", "MP4 with H.264, VP9 or AV1", film(b"avc1")),
        ("", "MP4 with another codec, such as HEVC", film(b"hvc1")),
        ("", "WebM", webm(&[0, 20, 40], true, true, b"")),
        ("", "MOV", b"\0\0\0\x14ftypqt  \0\0\0\0qt  ".to_vec()),
        ("", "3GP", b"\0\0\0\x18ftyp3gp5\0\0\0\0".to_vec()),
        ("", "MKV", matroska),
        ("", "AVI", b"RIFF\0\0\0\0AVI LIST".to_vec()),
        ("", "WMV", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11".to_vec()),
        ("", "Ogg with Theora", ogg_page(2, 0, 0, &[b"\x80theora\x03\x02\x01"])),
        ("Other", "HTML", b"<!DOCTYPE html><html>".to_vec()),
        ("", "text", b"plain text".to_vec()),
        ("", "any other file", b"\x01\x02\x03\x04".to_vec()),
    ]
}

fn small_png(image: &DynamicImage) -> Vec<u8> {
    use image::codecs::png::{CompressionType, FilterType, PngEncoder};
    let mut out = Vec::new();
    let (best, filter) = (CompressionType::Best, FilterType::NoFilter);
    image.write_with_encoder(PngEncoder::new_with_quality(&mut out, best, filter)).unwrap();
    out
}

/// Returns what happens to a file.
fn outcome(bytes: &[u8]) -> String {
    let mut tree = course();
    tree.remove("media/square.png").edit("one/read.md", "square.png", "square.file");
    tree.put("media/square.file", bytes);
    for beside in ["vtt", "md"] {
        tree.put(
            &format!("media/square.{beside}"),
            if beside == "md" { "Text." } else { "WEBVTT\n\n00:00.000 --> 00:00.010\nx\n" },
        );
    }
    let (compiled, sink) = match compile_tree(&tree) {
        Ok(result) => result,
        Err(problems) => {
            let problem = problems.iter().find(|p| p.is_error()).unwrap();
            let what = problem.message.replace("\"media/square.file\" is ", "");
            let what = what.replace(", which cannot be published", "");
            let remedy = problem.hint.split([':', '(']).next().unwrap().trim();
            return format!("refused (`{}`): {what}; {remedy}", problem.code);
        }
    };
    let ManifestContent::Course { outline, .. } = &compiled.manifest.content else { panic!() };
    let body: SectionBody = sink.json(outline.lessons[0].sections[0].body).unwrap();
    let warnings: Vec<String> = compiled
        .warnings
        .iter()
        .filter(|w| w.file.contains("square"))
        .map(|w| format!(", warning `{}`", w.code))
        .collect();
    let blob = match &body.blocks[1] {
        Block::Image { image } => &image.variants.last().unwrap().blob,
        Block::Audio { audio } => {
            assert!(audio.duration_ms > 0);
            &audio.blob
        }
        Block::Video { video } => {
            assert!(video.duration_ms > 0);
            &video.blob
        }
        other => panic!("{other:?}"),
    };
    let change = if sink.bytes(blob.hash) == Some(bytes) { "unchanged" } else { "changed" };
    let how = match (blob.media_type.as_str(), change) {
        ("image/webp", _) => "encoded as WebP".to_owned(),
        ("image/svg+xml", _) => "sanitised".to_owned(),
        (kind, "unchanged") => format!("kept as {kind}"),
        (kind, _) => format!("kept as {kind}, without metadata"),
    };
    format!("{how}{}", warnings.concat())
}

const START: &str =
    "<!-- accepted: written by `CARREL_WRITE=1 cargo test -p carrel-package --test accepted` -->\n";
const END: &str = "<!-- end of accepted -->\n";

#[test]
fn the_docs_list_what_is_accepted() {
    let mut table = String::from("| Kind of file | What happens |\n|---|---|\n");
    for (group, name, bytes) in samples() {
        if !group.is_empty() {
            table.push_str(&format!("| **{group}** | |\n"));
        }
        table.push_str(&format!("| {name} | {} |\n", outcome(&bytes)));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/PACKAGE.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once(START).expect("docs/PACKAGE.md has the first marker");
    let (found, after) = rest.split_once(END).expect("docs/PACKAGE.md has the last marker");
    if std::env::var_os("CARREL_WRITE").is_some() {
        std::fs::write(path, format!("{before}{START}{table}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(found, table, "docs/PACKAGE.md is out of date; run this test with CARREL_WRITE=1");
}
