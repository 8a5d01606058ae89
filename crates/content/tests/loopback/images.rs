//! Responses to requests for images and their variants, with the limits on decoding.

use image::{DynamicImage, GenericImageView, ImageFormat, Rgb, RgbImage, RgbaImage};

use super::{
    client::{Response, TestClient},
    image_files::*,
};

fn decode(response: &Response) -> DynamicImage {
    assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
    image::load_from_memory(&response.body).unwrap()
}

/// Checks the colours of the quarters.
fn is_upright(image: &DynamicImage) -> Result<(), String> {
    let (w, h) = image.dimensions();
    for (n, expected) in QUARTERS.into_iter().enumerate() {
        let (x, y) = (w / 4 + (n as u32 % 2) * w / 2, h / 4 + (n as u32 / 2) * h / 2);
        let found = image.get_pixel(x, y).0;
        if found.iter().zip(expected).any(|(f, e)| f.abs_diff(e) > 24) {
            return Err(format!("quarter {n} is {found:?}, not {expected:?}"));
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_exif_orientation_is_shown_upright() {
    let client = TestClient::new().await;
    for orientation in 1..=8 {
        let hash = client.store(rotated_jpeg(orientation, 800, 400));
        for fit in ["w=320", "w=320&h=160&fit=cover", "w=320&h=160&fit=contain"] {
            let image = decode(&client.get(&format!("{hash}?{fit}"), &[]).await);
            assert_eq!(image.dimensions(), (320, 160), "orientation {orientation}, {fit}");
            is_upright(&image).unwrap_or_else(|e| panic!("orientation {orientation}, {fit}: {e}"));
        }
        // Rotated also at the original width.
        let image = decode(&client.get(&format!("{hash}?w=1920"), &[]).await);
        assert_eq!(image.dimensions(), (800, 400), "orientation {orientation}");
        is_upright(&image).unwrap_or_else(|e| panic!("orientation {orientation}: {e}"));
    }
}

/// Expected response to `?w=320`.
enum Expected {
    /// A WebP with a width of 320 pixels.
    Variant,
    /// The original bytes.
    Original,
    Refused(u16),
}

#[tokio::test]
async fn image_files_are_shown_or_refused() {
    use Expected::{Original, Refused, Variant};
    let rgb = DynamicImage::ImageRgb8(quarters(800, 400));
    let sixteen = DynamicImage::ImageRgb16(rgb.to_rgb16());
    let cut = |bytes: &[u8], part: usize| bytes[..bytes.len() * part / 100].to_vec();
    let jpg = jpeg(&quarters(800, 400));
    let png = encode(&rgb, ImageFormat::Png);
    let transparent =
        RgbaImage::from_fn(800, 400, |x, _| image::Rgba([200, 30, 30, (x / 4) as u8]));
    let drawing = b"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 9 9\"/>".to_vec();
    let table: Vec<(&str, Vec<u8>, Expected)> = vec![
        ("jpeg", jpg.clone(), Variant),
        ("progressive jpeg", include_bytes!("images/progressive.jpg").to_vec(), Variant),
        ("cmyk jpeg", include_bytes!("images/cmyk.jpg").to_vec(), Variant),
        (
            "grey jpeg",
            encode(&DynamicImage::ImageLuma8(rgb.to_luma8()), ImageFormat::Jpeg),
            Variant,
        ),
        ("png", png.clone(), Variant),
        (
            "png with alpha",
            encode(&DynamicImage::ImageRgba8(transparent), ImageFormat::Png),
            Variant,
        ),
        ("png of 16 bits", encode(&sixteen, ImageFormat::Png), Variant),
        ("grey png of 1 bit", png_with_pixels(800, 400), Variant),
        ("webp", encode(&rgb, ImageFormat::WebP), Variant),
        ("gif of one frame", gif(1), Variant),
        ("animated gif", gif(3), Original),
        ("animated webp", animated_webp(), Original),
        ("animated png", apng(), Original),
        ("svg", drawing, Original),
        ("not wider than requested", jpeg(&quarters(300, 200)), Original),
        ("incomplete png of 144 megapixels", png_with_size(12_000, 12_000, 8, 2), Refused(413)),
        ("incomplete png of 4 gigapixels", png_with_size(65_535, 65_535, 16, 6), Refused(413)),
        ("png of 2^31 - 1", png_with_size(0x7fff_ffff, 0x7fff_ffff, 8, 2), Refused(413)),
        ("png of 100 megapixels", png_with_pixels(10_000, 10_000), Refused(413)),
        ("incomplete gif of 4 gigapixels", gif_with_size(65_535, 65_535), Refused(413)),
        ("incomplete webp of 268 megapixels", webp_with_size(16_383, 16_383), Refused(413)),
        ("incomplete jpeg of 4 gigapixels", jpeg_with_size(65_500, 65_500), Refused(413)),
        ("png truncated in its pixels", cut(&png, 60), Refused(422)),
        ("png truncated in its header", png[..20].to_vec(), Refused(422)),
        ("webp with only a header", webp_with_size(800, 400), Refused(422)),
        ("gif with only a header", gif_with_size(800, 400)[..20].to_vec(), Refused(422)),
        ("jpeg truncated in its header", jpg[..40].to_vec(), Refused(422)),
        ("png of no pixels", png_with_size(0, 10, 8, 2), Refused(422)),
        ("text", b"text instead of an image".to_vec(), Refused(415)),
        ("audio", super::client::recording(4000, 1).to_vec(), Refused(415)),
        ("an empty file", Vec::new(), Refused(415)),
    ];
    let client = TestClient::new().await;
    for (name, bytes, expected) in table {
        let hash = client.store(bytes.clone());
        let response = client.get(&format!("{hash}?w=320"), &[]).await;
        match expected {
            Variant => {
                assert_eq!(response.header("content-type"), "image/webp", "{name}: {response:?}");
                assert_eq!(decode(&response).width(), 320, "{name}");
            }
            Original => {
                assert_eq!(response.status, 200, "{name}");
                assert!(response.body == bytes, "{name}: the bytes were changed");
            }
            Refused(status) => {
                let text = String::from_utf8_lossy(&response.body).into_owned();
                assert_eq!(response.status, status, "{name}: {text}");
                assert!(!text.is_empty(), "{name}: no reason");
            }
        }
    }
}

/// Without a width the original is served: images whose variants would be refused are refused.
#[tokio::test]
async fn images_without_a_width_are_checked() {
    let rgb = DynamicImage::ImageRgb8(quarters(800, 400));
    let (jpg, png) = (jpeg(&quarters(800, 400)), encode(&rgb, ImageFormat::Png));
    let with_segments = |segments: &[usize]| with_app_segments(&jpg, segments);
    // A GIF with a small logical screen and a large first frame.
    let mut frame = gif_with_size(65_535, 65_535);
    frame[6..10].copy_from_slice(&[1, 0, 1, 0]);
    let mut with_stray_bytes = jpg.clone();
    with_stray_bytes.splice(2..2, [7, 7, 7]);
    let drawing = b"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 9 9\"/>".to_vec();
    let table: Vec<(&str, Vec<u8>, u16)> = vec![
        ("jpeg", jpg.clone(), 200),
        ("jpeg with segments", with_segments(&[60_000, 2, 65_533, 14]), 200),
        ("jpeg with bytes between its segments", with_stray_bytes, 200),
        ("progressive jpeg", include_bytes!("images/progressive.jpg").to_vec(), 200),
        ("cmyk jpeg", include_bytes!("images/cmyk.jpg").to_vec(), 200),
        ("rotated jpeg", rotated_jpeg(6, 800, 400), 200),
        ("png", png.clone(), 200),
        ("webp", encode(&rgb, ImageFormat::WebP), 200),
        ("gif of one frame", gif(1), 200),
        ("animated gif", gif(3), 200),
        ("animated webp", animated_webp(), 200),
        ("animated png", apng(), 200),
        ("svg", drawing, 200),
        ("png truncated in its pixels", png[..png.len() * 60 / 100].to_vec(), 200),
        ("incomplete png of 144 megapixels", png_with_size(12_000, 12_000, 8, 2), 413),
        ("png of 2^31 - 1", png_with_size(0x7fff_ffff, 0x7fff_ffff, 8, 2), 413),
        ("png of 100 megapixels", png_with_pixels(10_000, 10_000), 413),
        ("incomplete gif of 4 gigapixels", gif_with_size(65_535, 65_535), 413),
        ("gif whose first frame has 4 gigapixels", frame, 413),
        ("incomplete webp of 268 megapixels", webp_with_size(16_383, 16_383), 413),
        ("incomplete jpeg of 4 gigapixels", jpeg_with_size(65_500, 65_500), 413),
        (
            "incomplete jpeg of 4 gigapixels after many segments",
            with_app_segments(&jpeg_with_size(65_500, 65_500), &[65_533; 40]),
            413,
        ),
        ("png truncated in its header", png[..20].to_vec(), 422),
        ("gif with only a header", gif_with_size(800, 400)[..20].to_vec(), 422),
        ("jpeg truncated in its header", jpg[..40].to_vec(), 422),
        ("png of no pixels", png_with_size(0, 10, 8, 2), 422),
    ];
    let client = TestClient::new().await;
    let expect = async |name: &str, hash, bytes: &[u8], status, headers: &[(&str, &str)]| {
        let response = client.get(&format!("{hash}"), headers).await;
        assert_eq!(response.status, status, "{name}: {}", String::from_utf8_lossy(&response.body));
        match status {
            200 => assert!(response.body == bytes, "{name}: the bytes were changed"),
            _ => assert!(!response.body.is_empty(), "{name}: no reason"),
        }
    };
    for (name, bytes, status) in table {
        // From memory and from a file, and again with the cached result.
        for (location, extra) in [("memory", 0), ("a file", 8 * 1024 * 1024)] {
            let bytes = [bytes.clone(), vec![0; extra]].concat();
            if extra > 0 && name.contains("header") {
                continue;
            }
            let hash = client.store(bytes.clone());
            for attempt in ["first", "again"] {
                expect(&format!("{name}, {location}, {attempt}"), hash, &bytes, status, &[]).await;
            }
            if status != 200 {
                let head = client.head(&format!("{hash}"), &[]).await;
                assert_eq!(head.status, status, "{name}: HEAD");
                let part = client.get(&format!("{hash}"), &[("Range", "bytes=0-99")]).await;
                assert_eq!(part.status, status, "{name}: a range");
            }
        }
    }
    // Other files are refused if requested as an image, and served otherwise.
    let image = [("Sec-Fetch-Dest", "image")];
    for (name, bytes) in [
        ("text", b"WEBVTT\n".to_vec()),
        ("audio", super::client::recording(4000, 1).to_vec()),
        ("an unsupported image format", b"BM\x36\0\0\0\0\0\0\0".to_vec()),
        ("an empty file", Vec::new()),
    ] {
        let hash = client.store(bytes.clone());
        expect(name, hash, &bytes, 200, &[]).await;
        expect(name, hash, &bytes, 200, &[("Sec-Fetch-Dest", "track")]).await;
        expect(name, hash, &bytes, 415, &image).await;
    }
    // A blob that is only on the server is checked after it is fetched.
    let bomb = bytes::Bytes::from(png_with_size(12_000, 12_000, 8, 2));
    let hash = client.serve(&bomb, None);
    expect("from the server", hash, &bomb, 413, &[]).await;
}

/// The check reads a few KiB, regardless of the length of the file, and is not repeated.
#[tokio::test]
async fn only_the_header_is_read_and_only_once() {
    // Runs in a separate process, because bytes read are counted per process.
    const CHILD: &str = "CARREL_TEST_ALONE";
    if std::env::var_os(CHILD).is_none() {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "images::only_the_header_is_read_and_only_once"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        return;
    }
    let rgb = DynamicImage::ImageRgb8(quarters(800, 400));
    let client = TestClient::new().await;
    for (name, file) in [
        ("jpeg", with_app_segments(&jpeg(&quarters(800, 400)), &[65_533; 100])),
        ("png", encode(&rgb, ImageFormat::Png)),
        ("webp", encode(&rgb, ImageFormat::WebP)),
        ("gif", gif(2)),
    ] {
        let hash = client.store([file, vec![0; 16 * 1024 * 1024]].concat());
        let before = bytes_read();
        assert_eq!(client.head(&format!("{hash}"), &[]).await.status, 200, "{name}");
        let (Some(before), Some(after)) = (before, bytes_read()) else { return };
        let first = after - before;
        // A connection that the pool opens meanwhile reads pages of the database too; it does so once.
        let mut again = u64::MAX;
        for _ in 0..5 {
            let before = bytes_read().unwrap_or_default();
            assert_eq!(client.head(&format!("{hash}"), &[]).await.status, 200, "{name}");
            again = again.min(bytes_read().unwrap_or_default() - before);
        }

        assert!(first < 1024 * 1024, "{name}: {first} bytes were read");
        assert!(again < 8 * 1024, "{name}: {again} bytes were read again");
    }
}

/// Returns the bytes that this process has read from files and sockets; `None` except on Linux.
fn bytes_read() -> Option<u64> {
    // Under Wine the file exists, but includes reads of Wine.
    let linux = cfg!(target_os = "linux");
    let io = linux.then(|| std::fs::read_to_string("/proc/self/io").ok())??;
    io.lines().find_map(|l| l.strip_prefix("rchar: "))?.parse().ok()
}

#[tokio::test]
async fn colours_of_progressive_and_cmyk_files_are_correct() {
    let client = TestClient::new().await;
    for (name, bytes) in [
        ("progressive", &include_bytes!("images/progressive.jpg")[..]),
        ("cmyk", &include_bytes!("images/cmyk.jpg")[..]),
    ] {
        let hash = client.store(bytes.to_vec());
        let image = decode(&client.get(&format!("{hash}?w=320&fmt=png"), &[]).await).to_rgb8();
        for (x, expected) in [(80, [0x20, 0x60, 0xc0]), (240, [0xc0, 0x40, 0x20])] {
            let found = image.get_pixel(x, 80).0;
            let near = found.iter().zip(expected).all(|(f, e)| f.abs_diff(e) < 40);
            assert!(near, "{name}: {found:?} instead of {expected:?}");
        }
    }
}

#[tokio::test]
async fn variants_have_the_requested_fit_format_and_quality() {
    let client = TestClient::new().await;
    let hash = client.store(jpeg(&quarters(1000, 500)));
    for (query, kind, size) in [
        ("w=640", "image/webp", (640, 320)),
        ("w=600", "image/webp", (640, 320)),
        ("w=640&fmt=jpeg", "image/jpeg", (640, 320)),
        ("w=640&fmt=png", "image/png", (640, 320)),
        ("w=640&h=160", "image/webp", (320, 160)),
        ("w=320&h=320&fit=cover", "image/webp", (320, 320)),
        ("w=320&h=320&fit=contain&fmt=png", "image/png", (320, 320)),
        ("w=1920&h=1920&fit=cover", "image/webp", (500, 500)),
        ("w=1920", "image/jpeg", (1000, 500)),
    ] {
        let response = client.get(&format!("{hash}?{query}"), &[]).await;
        assert_eq!(response.header("content-type"), kind, "{query}");
        assert_eq!(decode(&response).dimensions(), size, "{query}");
    }
    let contained =
        decode(&client.get(&format!("{hash}?w=320&h=320&fit=contain&fmt=png"), &[]).await);
    assert_eq!(contained.get_pixel(160, 10).0[3], 0, "the margin is transparent");
    let jpeg = decode(&client.get(&format!("{hash}?w=320&h=320&fit=contain&fmt=jpeg"), &[]).await);
    assert!(
        jpeg.get_pixel(160, 10).0[..3].iter().all(|c| *c > 250),
        "the margin of a JPEG is white"
    );
    let small = client.get(&format!("{hash}?w=640&q=10"), &[]).await.body.len();
    let large = client.get(&format!("{hash}?w=640&q=95"), &[]).await.body.len();
    assert!(small < large, "{small} and {large} bytes");
    for bad in ["w=0", "w=640&fmt=bmp", "w=320&fit=cover", "w=320&q=0"] {
        assert_eq!(client.get(&format!("{hash}?{bad}"), &[]).await.status, 400, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_variant_is_created_once_and_stored() {
    let client = TestClient::new().await;
    let noise = RgbImage::from_fn(700, 700, |x, y| Rgb([(x * y) as u8, (x ^ y) as u8, x as u8]));
    let hash = client.store(jpeg(&noise));
    let path = format!("{hash}?w=320");
    let mut responses =
        futures_util::future::join_all((0..12).map(|_| client.get(&path, &[]))).await;
    let first = responses.pop().unwrap();
    assert_eq!(first.status, 200);
    assert!(
        responses.iter().all(|a| a.body == first.body && a.header("etag") == first.header("etag"))
    );
    // The entity tag is the hash of the variant.
    let variant = first.header("etag").trim_matches('"').parse().unwrap();
    assert_eq!(carrel_model::BlobHash::of(&first.body), variant);
    assert!(client.library.blobs().verify(variant).unwrap());
    // After eviction an identical variant is created again.
    client.library.blobs().remove(variant).unwrap();
    assert_eq!(client.get(&path, &[]).await.body, first.body);
    // The variant is not served without the original.
    client.library.blobs().remove(hash).unwrap();
    assert_eq!(client.get(&path, &[]).await.status, 503);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn large_images_wait_for_the_memory_budget() {
    let client = TestClient::new().await;
    let hashes: Vec<_> = (0..12).map(|n| client.store(png_with_pixels(2000 + n, 900))).collect();
    let paths: Vec<String> = hashes.iter().map(|h| format!("{h}?w=320")).collect();
    let responses = futures_util::future::join_all(paths.iter().map(|p| client.get(p, &[]))).await;
    assert!(responses.iter().all(|a| a.status == 200));
}

/// The decompression of a colour profile is limited.
#[tokio::test]
async fn a_colour_profile_bomb_is_limited() {
    let client = TestClient::new().await;
    let bomb = png_with_profile(96 * 1024 * 1024);
    assert!(bomb.len() < 1024 * 1024, "{}", bomb.len());
    let hash = client.store(bomb);
    let before = memory();
    let response = client.get(&format!("{hash}?w=320"), &[]).await;
    assert!([200, 413, 422].contains(&response.status), "{}", response.status);
    if let (Some(before), Some(after)) = (before, memory()) {
        assert!(after < before + 60, "{before} MiB before, {after} MiB at the most");
    }
}

/// Returns the peak memory of this process in MiB; `None` except on Linux.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()? / 1024)
}
