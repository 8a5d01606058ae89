//! Requests for image variants: `?w=640&q=75&fmt=webp&fit=inside`.

/// Widths of variants, in device pixels. Requested widths are rounded up to one of these, which limits
/// the number of variants.
pub const WIDTHS: [u32; 6] = [320, 640, 768, 1024, 1280, 1920];
/// Default quality.
pub const DEFAULT_QUALITY: u8 = 75;

/// Format of a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// Lossy WebP.
    #[default]
    Webp,
    /// JPEG, without transparency.
    Jpeg,
    /// PNG.
    Png,
}

/// How the image is fitted into the box `w` x `h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Fit {
    /// Scaled to fit into the box, without a margin. Without `h` only the width is limited.
    #[default]
    Inside,
    /// Scaled to fill the box, and cropped equally on both sides.
    Cover,
    /// Scaled to fit into the box, and centred with a transparent margin (white in JPEG).
    Contain,
}

/// A requested variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ImageRequest {
    /// Width in device pixels, one of `WIDTHS`.
    pub width: u32,
    /// Height in device pixels; 0 if not limited.
    pub height: u32,
    /// Quality, 1 to 100; 0 for PNG.
    pub quality: u8,
    /// Format of the result.
    pub format: Format,
    /// How the image is fitted into the box.
    pub fit: Fit,
}

impl ImageRequest {
    /// Returns a request for WebP of this width, with default quality.
    pub fn width(width: u32) -> Self {
        Self { width, height: 0, quality: DEFAULT_QUALITY, format: Format::Webp, fit: Fit::Inside }
    }

    /// Parses a query. Returns `None` if it has no width, and thus requests no variant. The error is the
    /// invalid field.
    pub fn parse(query: &str) -> Result<Option<Self>, String> {
        let mut request = Self::width(0);
        let mut requested_width = None;
        for (name, value) in query.split('&').filter_map(|field| field.split_once('=')) {
            let wrong = || format!("{name}={value}");
            let number = |max: u32| {
                value.parse::<u32>().ok().filter(|n| (1..=max).contains(n)).ok_or_else(wrong)
            };
            match name {
                "w" => requested_width = Some(number(100_000)?),
                "h" => request.height = number(WIDTHS[5])?,
                "q" => request.quality = u8::try_from(number(100)?).unwrap_or(DEFAULT_QUALITY),
                "fmt" => {
                    request.format = match value {
                        "webp" => Format::Webp,
                        "jpeg" => Format::Jpeg,
                        "png" => Format::Png,
                        _ => return Err(wrong()),
                    }
                }
                "fit" => {
                    request.fit = match value {
                        "inside" => Fit::Inside,
                        "cover" => Fit::Cover,
                        "contain" => Fit::Contain,
                        _ => return Err(wrong()),
                    }
                }
                // Unknown fields are ignored.
                _ => {}
            }
        }
        let Some(requested_width) = requested_width else { return Ok(None) };
        request.width = WIDTHS.into_iter().find(|w| *w >= requested_width).unwrap_or(WIDTHS[5]);
        if request.height == 0 && request.fit != Fit::Inside {
            return Err("h is required with fit=cover and fit=contain".to_owned());
        }
        if request.format == Format::Png {
            request.quality = 0;
        }
        Ok(Some(request))
    }

    /// Returns a text that identifies the variant of an image.
    pub fn key(&self) -> String {
        let Self { width, height, quality, format, fit } = self;
        format!("{width}x{height} {quality} {format:?} {fit:?}").to_ascii_lowercase()
    }

    /// Returns the sizes of the canvas and of the image on it, for an upright original of `from` pixels.
    /// The image is not enlarged.
    pub fn sizes(&self, from: (u32, u32)) -> Sizes {
        let (fw, fh) = (f64::from(from.0.max(1)), f64::from(from.1.max(1)));
        let (w, h) = (f64::from(self.width), f64::from(self.height));
        let pixels = |n: f64| (n.round() as u32).max(1);
        match self.fit {
            Fit::Inside => {
                let scale = if self.height == 0 { w / fw } else { (w / fw).min(h / fh) };
                let scale = scale.min(1.0);
                let image = (pixels(fw * scale), pixels(fh * scale));
                Sizes { canvas: image, image }
            }
            Fit::Cover => {
                // A box larger than the image is reduced with the same aspect ratio.
                let scale = (w / fw).max(h / fh).max(1.0);
                let canvas = (pixels(w / scale), pixels(h / scale));
                Sizes { canvas, image: canvas }
            }
            Fit::Contain => {
                let scale = (w / fw).min(h / fh);
                let shrink = scale.max(1.0);
                let scale = scale.min(1.0);
                let image = (pixels(fw * scale), pixels(fh * scale));
                let canvas = (pixels(w / shrink).max(image.0), pixels(h / shrink).max(image.1));
                Sizes { canvas, image }
            }
        }
    }
}

/// Sizes in pixels, upright.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// The whole variant.
    pub canvas: (u32, u32),
    /// The scaled image on it.
    pub image: (u32, u32),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_parsed() {
        let request = |q: &str| ImageRequest::parse(q);
        assert_eq!(request(""), Ok(None));
        assert_eq!(request("v=2"), Ok(None));
        assert_eq!(request("w=640"), Ok(Some(ImageRequest::width(640))));
        assert_eq!(request("w=641"), Ok(Some(ImageRequest::width(768))), "rounded up");
        assert_eq!(request("w=5000"), Ok(Some(ImageRequest::width(1920))));
        let full = request("w=320&h=240&q=60&fmt=jpeg&fit=cover").unwrap().unwrap();
        let (format, fit) = (Format::Jpeg, Fit::Cover);
        assert_eq!(full, ImageRequest { width: 320, height: 240, quality: 60, format, fit });
        for bad in
            ["w=0", "w=x", "w=1&q=0", "w=1&q=101", "w=1&fmt=bmp", "w=1&fit=fill", "w=1&fit=cover"]
        {
            assert!(request(bad).is_err(), "{bad}");
        }
        assert_ne!(full.key(), ImageRequest { fit: Fit::Contain, ..full }.key());
        assert_ne!(full.key(), ImageRequest { quality: 61, ..full }.key());
        let png = |q| request(&format!("w=320&fmt=png&q={q}")).unwrap().unwrap().key();
        assert_eq!(png(10), png(90), "a PNG has no quality");
    }

    #[test]
    fn images_are_not_enlarged_and_keep_their_aspect_ratio() {
        let request = |fit, w, h| ImageRequest { fit, height: h, ..ImageRequest::width(w) };
        let table = [
            (Fit::Inside, (640, 0), (1000, 500), (640, 320), (640, 320)),
            (Fit::Inside, (640, 0), (300, 900), (300, 900), (300, 900)),
            (Fit::Inside, (640, 100), (1000, 500), (200, 100), (200, 100)),
            (Fit::Inside, (320, 0), (10_000, 3), (320, 1), (320, 1)),
            (Fit::Cover, (320, 320), (1000, 500), (320, 320), (320, 320)),
            (Fit::Cover, (320, 320), (400, 160), (160, 160), (160, 160)),
            (Fit::Contain, (320, 320), (1000, 500), (320, 320), (320, 160)),
            (Fit::Contain, (320, 320), (100, 50), (100, 100), (100, 50)),
        ];
        for (fit, (w, h), from, canvas, image) in table {
            assert_eq!(request(fit, w, h).sizes(from), Sizes { canvas, image }, "{fit:?} {w}x{h}");
        }
    }
}
