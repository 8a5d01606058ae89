//! The known packs. A new one is a row here and a package in `assets/fonts/packs/package.json`.

use std::ops::RangeInclusive;

/// A script, or a language with its own forms of Han characters, and the pack for it.
#[derive(Debug, PartialEq, Eq)]
pub struct Script {
    /// Name for messages.
    pub name: &'static str,
    /// Id of the font at Fontsource; its package is `@fontsource-variable/<id>`.
    pub font: &'static str,
    /// The subset of the font with the script; empty for fonts that are split into numbered subsets by frequency.
    pub subset: &'static str,
    /// The language, if the font has the forms of Han characters of one; otherwise empty.
    pub lang: &'static str,
    /// Characters that need this font, whatever the language of the text is. Characters that several scripts share, such
    /// as the danda, are in the font but not in this list.
    pub letters: &'static [RangeInclusive<u32>],
}

/// Han characters. The language of the text decides which font they need.
pub(crate) const HAN: [RangeInclusive<u32>; 8] = [
    0x2E80..=0x2FDF,
    0x3005..=0x3007,
    0x3021..=0x3029,
    0x3038..=0x303B,
    0x3400..=0x4DBF,
    0x4E00..=0x9FFF,
    0xF900..=0xFAFF,
    0x20000..=0x3FFFF,
];

const fn script(
    name: &'static str,
    font: &'static str,
    subset: &'static str,
    letters: &'static [RangeInclusive<u32>],
) -> Script {
    Script { name, font, subset, lang: "", letters }
}

const fn han(
    name: &'static str,
    font: &'static str,
    lang: &'static str,
    letters: &'static [RangeInclusive<u32>],
) -> Script {
    Script { name, font, subset: "", lang, letters }
}

/// All packs.
pub const SCRIPTS: &[Script] = &[
    script("Armenian", "noto-sans-armenian", "armenian", &[0x531..=0x58F, 0xFB13..=0xFB17]),
    script("Hebrew", "noto-sans-hebrew", "hebrew", &[0x591..=0x5F4, 0xFB1D..=0xFB4F]),
    script(
        "Devanagari",
        "noto-sans-devanagari",
        "devanagari",
        &[0x900..=0x950, 0x953..=0x963, 0x966..=0x97F, 0xA8E0..=0xA8FF],
    ),
    script("Bengali", "noto-sans-bengali", "bengali", &[0x980..=0x9FE]),
    script("Gurmukhi", "noto-sans-gurmukhi", "gurmukhi", &[0xA01..=0xA76]),
    script("Gujarati", "noto-sans-gujarati", "gujarati", &[0xA81..=0xAFF]),
    script("Odia", "noto-sans-oriya", "oriya", &[0xB01..=0xB77]),
    script("Tamil", "noto-sans-tamil", "tamil", &[0xB82..=0xBFA]),
    script("Telugu", "noto-sans-telugu", "telugu", &[0xC00..=0xC7F]),
    script("Kannada", "noto-sans-kannada", "kannada", &[0xC80..=0xCF3]),
    script("Malayalam", "noto-sans-malayalam", "malayalam", &[0xD00..=0xD7F]),
    script("Sinhala", "noto-sans-sinhala", "sinhala", &[0xD81..=0xDF4]),
    script("Thai", "noto-sans-thai", "thai", &[0xE01..=0xE5B]),
    script("Lao", "noto-sans-lao", "lao", &[0xE81..=0xEDF]),
    script("Tibetan", "noto-serif-tibetan", "tibetan", &[0xF00..=0xFFF]),
    script(
        "Burmese",
        "noto-sans-myanmar",
        "myanmar",
        &[0x1000..=0x109F, 0xA9E0..=0xA9FE, 0xAA60..=0xAA7F],
    ),
    script(
        "Georgian",
        "noto-sans-georgian",
        "georgian",
        &[0x10A0..=0x10FF, 0x1C90..=0x1CBF, 0x2D00..=0x2D2F],
    ),
    script(
        "Ethiopic",
        "noto-sans-ethiopic",
        "ethiopic",
        &[0x1200..=0x1399, 0x2D80..=0x2DDE, 0xAB01..=0xAB2E],
    ),
    script("Khmer", "noto-sans-khmer", "khmer", &[0x1780..=0x17FF, 0x19E0..=0x19FF]),
    han("Japanese", "noto-sans-jp", "ja", &[0x3041..=0x30FF, 0x31F0..=0x31FF, 0xFF66..=0xFF9F]),
    han(
        "Korean",
        "noto-sans-kr",
        "ko",
        &[0x1100..=0x11FF, 0x3131..=0x318E, 0xA960..=0xA97C, 0xAC00..=0xD7FB],
    ),
    han("Chinese (traditional)", "noto-sans-tc", "zh-Hant", &[0x3105..=0x312F, 0x31A0..=0x31BF]),
    han("Chinese (simplified)", "noto-sans-sc", "zh-Hans", &[]),
];

impl Script {
    /// Returns the script of a font.
    pub fn of_font(font: &str) -> Option<&'static Self> {
        SCRIPTS.iter().find(|script| script.font == font)
    }
    /// Returns true if a subset of the font belongs to the pack. The others (Latin, Cyrillic) are in the fonts of the UI.
    pub(crate) fn has_subset(&self, subset: &str) -> bool {
        let number = || subset.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if self.subset.is_empty() {
            number().is_some_and(|n| n.parse::<u16>().is_ok())
        } else {
            subset == self.subset
        }
    }
}
