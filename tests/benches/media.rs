//! Measures the scaling and encoding of images, relative to the libraries alone in the same run.
//! `cargo xtask bench media`.
//!
//! Budget: at least 80 % of the libraries' speed. The two are run alternately: other load on the machine affects both.
use std::time::{Duration, Instant};

use carrel_content::{
    images,
    images::{Fit, ImageRequest},
};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer, images::Image};
use image::{DynamicImage, Rgb, RgbImage, codecs::jpeg::JpegEncoder};

use super::{Table, format_duration, micros};

/// A speed of 80 % is 1.25 times the time.
const MAX_RATIO: f64 = 1.25;
const RUNS: usize = 15;

/// Returns the median times of both, run alternately.
fn alternating_medians(
    mut carrel: impl FnMut(),
    mut baseline: impl FnMut(),
) -> (Duration, Duration) {
    let timed = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    // Not measured: fills the caches.
    carrel();
    baseline();
    let (mut a, mut b): (Vec<_>, Vec<_>) =
        (0..RUNS).map(|_| (timed(&mut carrel), timed(&mut baseline))).unzip();
    a.sort_unstable();
    b.sort_unstable();
    (a[RUNS / 2], b[RUNS / 2])
}

fn row(table: &mut Table, what: &str, (carrel, baseline): (Duration, Duration)) {
    let ratio = micros(carrel) / micros(baseline);
    let unit = format!("x, {:.0} % of the library's speed", 100.0 / ratio);
    table.row(
        what,
        format_duration(carrel),
        format!("library only {}", format_duration(baseline)),
        ratio,
        MAX_RATIO,
        &unit,
    );
}

fn photo(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let wave = |n: f64| ((n.sin() + 1.0) * 120.0) as u8;
        let (x, y) = (f64::from(x), f64::from(y));
        Rgb([wave(x / 37.0), wave(y / 53.0), wave((x + y) / 11.0)])
    })
}

pub fn measure(table: &mut Table) {
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    let photo_image = photo(4000, 3000);
    let mut file = Vec::new();
    let encoded = JpegEncoder::new_with_quality(&mut file, 85).encode_image(&photo_image);
    encoded.expect("a JPEG in memory");
    for width in [320, 640, 1280] {
        let height = width * 3 / 4;
        let decoded = DynamicImage::ImageRgb8(photo_image.clone());
        let raw = Image::from_vec_u8(4000, 3000, photo_image.clone().into_raw(), PixelType::U8x3);
        let raw = raw.expect("the same pixels");
        let times = alternating_medians(
            || drop(images::scale(&decoded, (width, height), false)),
            || {
                let mut out = Image::new(width, height, PixelType::U8x3);
                Resizer::new().resize(&raw, &mut out, &options).expect("resized");
            },
        );
        row(table, &format!("scale 12 megapixels to {width}"), times);

        let request = ImageRequest { fit: Fit::Inside, ..ImageRequest::width(width) };
        let times = alternating_medians(
            || {
                let facts = images::probe(&file).expect("an image");
                drop(images::render(&file, &facts, &request).expect("rendered"));
            },
            || {
                let photo_image = image::load_from_memory(&file).expect("an image").into_rgb8();
                let from = Image::from_vec_u8(4000, 3000, photo_image.into_raw(), PixelType::U8x3);
                let mut out = Image::new(width, height, PixelType::U8x3);
                let from = from.expect("the same pixels");
                Resizer::new().resize(&from, &mut out, &options).expect("resized");
                let encoder = webp::Encoder::from_rgb(out.buffer(), width, height);
                drop(
                    encoder
                        .encode_simple(false, f32::from(images::DEFAULT_QUALITY))
                        .expect("encoded"),
                );
            },
        );
        row(table, &format!("file to file, 12 megapixels to {width}"), times);
    }
}
