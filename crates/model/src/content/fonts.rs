//! Fonts that a manifest lists beside its texts, for scripts that the fonts of the UI do not cover; and which characters
//! and languages need them.
//!
//! Not here: which fonts exist (`carrel-fonts`).

use std::{collections::BTreeSet, ops::RangeInclusive};

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{BlobHash, text::language::han_language};

/// A font family that texts of a manifest need. Its files and its licence are blobs of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FontPack {
    /// Name of the family, such as `Noto Sans Devanagari`.
    pub family: String,
    /// Value of CSS `font-weight`: a range such as `100 900`.
    pub weight: String,
    /// The language whose forms of Han characters the font has: `ja`, `ko`, `zh-Hans` or `zh-Hant`. Empty for fonts of
    /// other scripts.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lang: String,
    /// The text of the licence.
    pub license: BlobHash,
    /// Only the files with characters that the texts contain.
    pub files: Vec<FontFile>,
}

/// A WOFF2 file with a part of the characters of a family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FontFile {
    /// Hash of the file.
    pub hash: BlobHash,
    /// Value of CSS `unicode-range`, such as `U+0900-097F,U+200C-200D`.
    pub ranges: String,
}

impl FontPack {
    /// Returns the licence and the hashes of all files.
    pub fn blobs(&self) -> impl Iterator<Item = BlobHash> + '_ {
        std::iter::once(self.license).chain(self.files.iter().map(|f| f.hash))
    }
    /// Returns true unless the text has another language with Han characters, whose forms differ.
    pub fn suits(&self, text_lang: &str) -> bool {
        self.lang.is_empty() || han_language(text_lang).is_none_or(|lang| lang == self.lang)
    }
}

/// Characters that the fonts of the UI cover: Latin, Greek, Cyrillic, Arabic, punctuation and symbols.
const IN_UI_FONTS: [RangeInclusive<u32>; 8] = [
    0x0..=0x52F,
    0x600..=0x6FF,
    0x750..=0x77F,
    0x870..=0x8FF,
    0x1C80..=0x1C8F,
    0x1D00..=0x1FFF,
    0x2000..=0x2C7F,
    0xFB50..=0xFDFF,
];

/// The characters of texts that the fonts of the UI do not cover.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForeignLetters(BTreeSet<u32>);

impl ForeignLetters {
    /// Adds the characters of a text.
    pub fn add(&mut self, text: &str) {
        let letters = text.chars().map(u32::from).filter(|c| *c > *IN_UI_FONTS[0].end());
        self.0.extend(letters.filter(|c| !IN_UI_FONTS.iter().any(|range| range.contains(c))));
    }
    /// Adds the characters of `other`.
    pub fn extend(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }
    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Returns true if one of the characters is in one of the ranges.
    pub fn are_in(&self, ranges: &[RangeInclusive<u32>]) -> bool {
        ranges.iter().any(|range| self.0.range(range.clone()).next().is_some())
    }
    /// Returns the characters in the ranges.
    pub fn within(&self, ranges: &[RangeInclusive<u32>]) -> Self {
        Self(ranges.iter().flat_map(|range| self.0.range(range.clone())).copied().collect())
    }
}

/// Parses a value of CSS `unicode-range` without wildcards. Returns `None` if it is invalid.
pub fn unicode_ranges(text: &str) -> Option<Vec<RangeInclusive<u32>>> {
    let number = |digits: &str| {
        let is_hex =
            (1..=6).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
        u32::from_str_radix(digits, 16).ok().filter(|n| is_hex && *n <= 0x10_FFFF)
    };
    let range = |part: &str| {
        let part = part.trim();
        let digits = part.strip_prefix("U+").or_else(|| part.strip_prefix("u+"))?;
        let (first, last) = digits.split_once('-').unwrap_or((digits, digits));
        let (first, last) = (number(first)?, number(last)?);
        (first <= last).then_some(first..=last)
    };
    text.split(',').map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_characters_outside_the_fonts_of_the_ui_are_foreign() {
        let mut letters = ForeignLetters::default();
        letters.add(
            "Déjà vu: Ελλάδα, Україна, tiếng Việt, ɓatu, “quotes” 3 × 4 ≥ 2 → €, السلام، ﷺ ẞ ⁂",
        );
        assert!(letters.is_empty(), "{letters:?}");
        letters.add("नदी");
        assert!(letters.are_in(&[0x928..=0x928]) && !letters.are_in(&[0x929..=0x92F]));
        let mut more = ForeignLetters::default();
        more.add("川a");
        letters.extend(&more);
        assert_eq!(letters.within(&[0x3000..=0x9FFF]), more);
    }

    #[test]
    fn unicode_ranges_of_css_are_read() {
        let read = |text| unicode_ranges(text);
        assert_eq!(read("U+0900-097F,U+200C"), Some(vec![0x900..=0x97F, 0x200C..=0x200C]));
        assert_eq!(read(" u+25ee8 , U+0-10FFFF "), Some(vec![0x25EE8..=0x25EE8, 0..=0x10_FFFF]));
        for bad in
            ["", "U+", "0900", "U+09??", "U+2-1", "U+110000", "U+1,", "U+1;}", "U++1", "U+0000001"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_font_with_other_forms_of_han_characters_does_not_suit() {
        let pack = |lang: &str| FontPack {
            family: String::new(),
            weight: "400".into(),
            lang: lang.into(),
            license: BlobHash([0; 32]),
            files: Vec::new(),
        };
        for (lang, text, suits) in [
            ("", "ja", true),
            ("ja", "ja-JP", true),
            ("ja", "zh", false),
            ("zh-Hant", "zh-TW", true),
            ("zh-Hant", "zh-CN", false),
            // A course in English about Japanese.
            ("ja", "en", true),
            ("ko", "ja-Latn", true),
        ] {
            assert_eq!(pack(lang).suits(text), suits, "{lang} {text}");
        }
    }
}
