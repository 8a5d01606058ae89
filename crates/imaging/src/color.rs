//! Colours: conversion to sRGB by the profile of an image. Readers and their devices assume sRGB.
//!
//! Not here: pixels of CMYK, which the JPEG decoder converts without a profile.

use image::DynamicImage;
use moxcms::{
    Chromaticity, CicpColorPrimaries, CicpProfile, ColorPrimaries, ColorProfile, DataColorSpace,
    Layout, MatrixCoefficients, TransferCharacteristics, TransformOptions, XyY, curve_from_gamma,
};

/// Largest difference, of 255, of colours that are treated as equal.
const TOLERANCE: u8 = 2;

/// The meaning of the pixel values of an image.
#[derive(Debug, Clone)]
pub enum Colors {
    /// sRGB, or no statement.
    Srgb,
    /// Values that have to be converted.
    Profile(Box<ColorProfile>),
    /// A profile that cannot be applied; holds the reason.
    Unusable(String),
}

/// Returns the colours that the ICC profile of an image states, or the chunks of a PNG.
pub fn colors(icc: Option<&[u8]>, bytes: &[u8]) -> Colors {
    if bytes.starts_with(b"\x89PNG")
        && let Some(profile) = coding_points(bytes)
    {
        return usable(profile);
    }
    match icc {
        Some(icc) => match ColorProfile::new_from_slice(icc) {
            Ok(profile) if profile.color_space == DataColorSpace::Cmyk => {
                Colors::Unusable("a CMYK profile is not applied".to_owned())
            }
            Ok(profile)
                if !matches!(profile.color_space, DataColorSpace::Rgb | DataColorSpace::Gray) =>
            {
                Colors::Unusable("the colour profile is for another colour space".to_owned())
            }
            Ok(profile) => usable(profile),
            Err(e) => Colors::Unusable(format!("the colour profile is damaged: {e}")),
        },
        None if bytes.starts_with(b"\x89PNG") => primaries(bytes).map_or(Colors::Srgb, usable),
        None => Colors::Srgb,
    }
}

/// Converts an image to sRGB with 8 bits per channel.
///
/// # Errors
///
/// Fails if the profile is not one for the channels of the image.
pub fn to_srgb(image: &DynamicImage, profile: &ColorProfile) -> Result<DynamicImage, String> {
    let is_gray = profile.color_space == DataColorSpace::Gray;
    let has_alpha = image.color().has_alpha();
    if is_gray && image.color().has_color() {
        return Err("a profile for grey is in a coloured image".to_owned());
    }
    let (source, from) = match (is_gray, has_alpha) {
        (true, true) => (image.to_luma_alpha8().into_raw(), Layout::GrayAlpha),
        (true, false) => (image.to_luma8().into_raw(), Layout::Gray),
        (false, true) => (image.to_rgba8().into_raw(), Layout::Rgba),
        (false, false) => (image.to_rgb8().into_raw(), Layout::Rgb),
    };
    let to = if has_alpha { Layout::Rgba } else { Layout::Rgb };
    let mut out = if has_alpha {
        DynamicImage::new_rgba8(image.width(), image.height())
    } else {
        DynamicImage::new_rgb8(image.width(), image.height())
    };
    let pixels = match &mut out {
        DynamicImage::ImageRgba8(pixels) => &mut **pixels,
        DynamicImage::ImageRgb8(pixels) => &mut **pixels,
        _ => return Err("unexpected channels".to_owned()),
    };
    transform(profile, (from, &source), (to, pixels))?;
    Ok(out)
}

fn transform(
    profile: &ColorProfile,
    (from, source): (Layout, &[u8]),
    (to, out): (Layout, &mut [u8]),
) -> Result<(), String> {
    let srgb = ColorProfile::new_srgb();
    let transform = profile
        .create_transform_8bit(from, &srgb, to, TransformOptions::default())
        .map_err(|e| e.to_string())?;
    transform.transform(source, out).map_err(|e| e.to_string())
}

/// Checks a profile with a grid of colours: it may be sRGB, or not usable.
fn usable(profile: ColorProfile) -> Colors {
    let is_gray = profile.color_space == DataColorSpace::Gray;
    let steps: Vec<u8> = (0..=15).map(|n| n * 17).collect();
    let (from, grid): (Layout, Vec<u8>) = if is_gray {
        (Layout::Gray, steps)
    } else {
        let rgb = steps.iter().flat_map(|r| {
            steps.iter().flat_map(|g| steps.iter().flat_map(|b| [*r, *g, *b])).collect::<Vec<u8>>()
        });
        (Layout::Rgb, rgb.collect())
    };
    let expected: Vec<u8> =
        if is_gray { grid.iter().flat_map(|v| [*v; 3]).collect() } else { grid.clone() };
    let mut out = vec![0; expected.len()];
    match transform(&profile, (from, &grid), (Layout::Rgb, &mut out)) {
        Err(reason) => Colors::Unusable(format!("the colour profile cannot be applied: {reason}")),
        Ok(()) if out.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= TOLERANCE) => {
            Colors::Srgb
        }
        Ok(()) => Colors::Profile(Box::new(profile)),
    }
}

/// Returns the body of a chunk of a PNG that precedes the pixels.
fn chunk<'a>(bytes: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    let mut at = 8;
    loop {
        let length = u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?) as usize;
        let kind = bytes.get(at + 4..at + 8)?;
        if kind == b"IDAT" {
            return None;
        }
        let body = bytes.get(at + 8..(at + 8).checked_add(length)?)?;
        if kind == name {
            return Some(body);
        }
        at = at + 12 + length;
    }
}

/// Returns the profile of the coding-independent code points (`cICP`), which precede all other chunks.
fn coding_points(bytes: &[u8]) -> Option<ColorProfile> {
    let [primaries, transfer, 0, 1] = *chunk(bytes, b"cICP")? else { return None };
    let points = CicpProfile {
        color_primaries: CicpColorPrimaries::try_from(primaries).ok()?,
        transfer_characteristics: TransferCharacteristics::try_from(transfer).ok()?,
        matrix_coefficients: MatrixCoefficients::Identity,
        full_range: true,
    };
    let profile = ColorProfile::new_from_cicp(points);
    profile.red_trc.is_some().then_some(profile)
}

/// Returns the profile of `gAMA` and `cHRM`. As in browsers, both have to be present, and `sRGB` precedes them.
fn primaries(bytes: &[u8]) -> Option<ColorProfile> {
    if chunk(bytes, b"sRGB").is_some() {
        return None;
    }
    let number = |body: &[u8], at: usize| {
        body.get(at * 4..at * 4 + 4)
            .map(|b| f64::from(u32::from_be_bytes([b[0], b[1], b[2], b[3]])))
    };
    let gamma = 100_000.0 / number(chunk(bytes, b"gAMA")?, 0)?;
    let chrm = chunk(bytes, b"cHRM")?;
    let point = |n: usize| Some((number(chrm, n * 2)? / 1e5, number(chrm, n * 2 + 1)? / 1e5));
    let [white, red, green, blue] = [point(0)?, point(1)?, point(2)?, point(3)?];
    let is_valid = |(x, y): (f64, f64)| (0.0..1.0).contains(&x) && (0.001..1.1).contains(&y);
    if !(0.2..5.0).contains(&gamma) || ![white, red, green, blue].into_iter().all(is_valid) {
        return None;
    }
    // The values that programs write for sRGB itself.
    let near =
        |(x, y): (f64, f64), to: (f64, f64)| (x - to.0).abs() < 0.002 && (y - to.1).abs() < 0.002;
    let is_srgb = near(red, (0.64, 0.33)) && near(green, (0.3, 0.6)) && near(blue, (0.15, 0.06));
    if is_srgb && (gamma - 2.2).abs() < 0.01 {
        return None;
    }
    let chromaticity = |(x, y): (f64, f64)| Chromaticity::new(x as f32, y as f32);
    let mut profile = ColorProfile::new_srgb();
    profile.update_rgb_colorimetry(
        XyY::new(white.0, white.1, 1.0),
        ColorPrimaries {
            red: chromaticity(red),
            green: chromaticity(green),
            blue: chromaticity(blue),
        },
    );
    profile.cicp = None;
    let curve = curve_from_gamma(gamma as f32);
    profile.red_trc = Some(curve.clone());
    profile.green_trc = Some(curve.clone());
    profile.blue_trc = Some(curve);
    Some(profile)
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    /// Converts one colour by an encoded profile.
    fn converted(profile: ColorProfile, color: [u8; 3]) -> [u8; 3] {
        let icc = profile.encode().unwrap();
        let Colors::Profile(profile) = colors(Some(&icc), b"") else { panic!("not converted") };
        let image = RgbImage::from_pixel(2, 2, Rgb(color));
        to_srgb(&image.into(), &profile).unwrap().to_rgb8().get_pixel(1, 1).0
    }

    #[test]
    fn known_colors_are_converted() {
        // Values computed with the matrices and curves of the colour spaces.
        for (name, profile, color, expected) in [
            ("Display P3", ColorProfile::new_display_p3(), [200, 100, 50], [215, 93, 31]),
            ("Adobe RGB", ColorProfile::new_adobe_rgb(), [200, 100, 50], [227, 100, 42]),
            ("ProPhoto", ColorProfile::new_pro_photo_rgb(), [120, 100, 90], [158, 114, 107]),
        ] {
            let found = converted(profile, color);
            let is_near = found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 2);
            assert!(is_near, "{name}: {found:?} instead of {expected:?}");
        }
    }

    #[test]
    fn profiles_of_srgb_and_broken_profiles_change_nothing() {
        let srgb = ColorProfile::new_srgb().encode().unwrap();
        assert!(matches!(colors(Some(&srgb), b""), Colors::Srgb));
        assert!(matches!(colors(None, b""), Colors::Srgb));
        for broken in [&b""[..], b"no profile", &srgb[..200]] {
            assert!(matches!(colors(Some(broken), b""), Colors::Unusable(_)), "{}", broken.len());
        }
        for n in 0..srgb.len() {
            let mut bad = srgb.clone();
            bad[n] ^= 0xff;
            colors(Some(&bad), b"");
        }
    }

    #[test]
    fn profiles_of_other_colour_spaces_are_not_applied() {
        for space in [DataColorSpace::Lab, DataColorSpace::Xyz, DataColorSpace::Hsv] {
            let mut profile = ColorProfile::new_adobe_rgb();
            profile.color_space = space;
            let Ok(icc) = profile.encode() else { continue };
            assert!(matches!(colors(Some(&icc), b""), Colors::Unusable(_)), "{space:?}");
        }
    }

    #[test]
    fn profiles_for_grey_need_a_grey_image() {
        let icc = ColorProfile::new_gray_with_gamma(1.0).encode().unwrap();
        let Colors::Profile(profile) = colors(Some(&icc), b"") else { panic!("not converted") };
        let gray = image::GrayImage::from_pixel(1, 1, image::Luma([55]));
        let found = to_srgb(&gray.into(), &profile).unwrap().to_rgb8().get_pixel(0, 0).0;
        // Linear 55/255 is 0.2157, in sRGB 0.502.
        assert!(found.iter().all(|v| v.abs_diff(128) <= 2), "{found:?}");
        assert!(to_srgb(&RgbImage::new(1, 1).into(), &profile).is_err());
    }
}
