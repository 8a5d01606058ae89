//! Classes of characters, and replacements of single characters. Data: Unicode 17.

/// First characters of the decimal digits of all scripts; each is followed by the digits 1 to 9.
const ZEROS: [u32; 77] = [
    0x30, 0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66,
    0xDE6, 0xE50, 0xED0, 0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90,
    0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10,
    0x104A0, 0x10D30, 0x10D40, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0,
    0x11650, 0x116C0, 0x116D0, 0x116DA, 0x11730, 0x118E0, 0x11950, 0x11BF0, 0x11C50, 0x11D50,
    0x11DA0, 0x11DE0, 0x11F50, 0x16130, 0x16A60, 0x16AC0, 0x16B50, 0x16D70, 0x1CCF0, 0x1D7CE,
    0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E4F0, 0x1E5F1, 0x1E950, 0x1FBF0,
];

/// Returns the ASCII digit of the same value, if `c` is a decimal digit of any script.
pub(super) fn ascii_digit(c: char) -> Option<char> {
    let code = u32::from(c);
    let zero = ZEROS[ZEROS.partition_point(|z| *z <= code).checked_sub(1)?];
    char::from_digit(code - zero, 10)
}

/// Zero width non-joiner and joiner, which separate or join letters of some scripts.
pub(super) const ZWNJ: char = '\u{200C}';
pub(super) const ZWJ: char = '\u{200D}';

/// Returns true for characters that have no visible form of their own: joiners, zero width spaces, soft hyphens, byte
/// order marks, controls of the writing direction, variation selectors, the place of a pasted object, and control
/// characters that are no white space.
pub(super) fn is_invisible(c: char) -> bool {
    match u32::from(c) {
        0xAD
        | 0x34F
        | 0x61C
        | 0x115F..=0x1160
        | 0x17B4..=0x17B5
        | 0x180B..=0x180F
        | 0x200B..=0x200F
        | 0x202A..=0x202E
        | 0x2060..=0x206F
        | 0x3164
        | 0xFE00..=0xFE0F
        | 0xFEFF
        | 0xFFA0
        | 0xFFF0..=0xFFFC
        | 0x1BCA0..=0x1BCA3
        | 0x1D173..=0x1D17A
        | 0xE0000..=0xE0FFF => true,
        _ => c.is_control() && !c.is_whitespace(),
    }
}

/// Returns true for an invisible joiner that carries meaning between these two characters: between letters of a script
/// with joined forms, or in a sequence of emoji.
pub(super) fn is_significant_joiner(
    before: Option<char>,
    joiner: char,
    after: Option<char>,
) -> bool {
    let joins = |c: char| {
        matches!(u32::from(c),
            0x600..=0x8FF | 0x900..=0xDFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x1800..=0x18AF
            | 0xFB50..=0xFDFF | 0xFE70..=0xFEFC)
    };
    let is_emoji = |c: char| matches!(u32::from(c), 0x2190..=0x2BFF | 0xFE0F | 0x1F000..=0x1FAFF | 0xE0000..=0xE0FFF);
    let (Some(before), Some(after)) = (before, after) else { return false };
    matches!(joiner, ZWNJ | ZWJ) && joins(before) && joins(after)
        || joiner == ZWJ && is_emoji(before) && is_emoji(after)
}

/// Returns true for vowel and reading marks that are usually left out: Arabic harakat, Koranic marks and tatweel,
/// Hebrew niqqud and accents, Syriac points.
pub(super) fn is_optional_mark(c: char) -> bool {
    // Not U+0653 to U+0655, which are parts of letters: U+0622 is U+0627 U+0653.
    matches!(u32::from(c),
        0x591..=0x5BD | 0x5BF | 0x5C1..=0x5C2 | 0x5C4..=0x5C5 | 0x5C7
        | 0x610..=0x61A | 0x640 | 0x64B..=0x652 | 0x656..=0x65F | 0x670
        | 0x6D6..=0x6DC | 0x6DF..=0x6E4 | 0x6E7..=0x6E8 | 0x6EA..=0x6ED
        | 0x711 | 0x730..=0x74A | 0x898..=0x89F | 0x8CA..=0x8E1 | 0x8E3..=0x8FF)
}

/// Replaces punctuation that is typed in several forms by its ASCII form: quotes, apostrophes, dashes, the comma, full
/// stop and question mark of other scripts. Keeps all other characters.
pub(super) fn plain_punctuation(c: char) -> char {
    match c {
        // Apostrophes, single quotes, primes, accents typed as an apostrophe, geresh.
        '`'
        | '\u{B4}'
        | '\u{2B9}'
        | '\u{2BB}'..='\u{2BD}'
        | '\u{2BE}'
        | '\u{2BF}'
        | '\u{2C8}'
        | '\u{374}'
        | '\u{384}'
        | '\u{55A}'
        | '\u{5F3}'
        | '\u{7F4}'
        | '\u{2018}'..='\u{201B}'
        | '\u{2032}'
        | '\u{2035}'
        | '\u{2039}'
        | '\u{203A}'
        | '\u{1FBD}'
        | '\u{1FBF}'
        | '\u{1FFE}'
        | '\u{A78B}'
        | '\u{A78C}'
        | '\u{FF07}'
        | '\u{FF40}' => '\'',
        // Double quotes, gershayim.
        '\u{AB}'
        | '\u{BB}'
        | '\u{2BA}'
        | '\u{5F4}'
        | '\u{201C}'..='\u{201F}'
        | '\u{2033}'
        | '\u{2036}'
        | '\u{2E42}'
        | '\u{300C}'..='\u{300F}'
        | '\u{301D}'..='\u{301F}'
        | '\u{FE41}'..='\u{FE44}'
        | '\u{FF02}'
        | '\u{FF62}'
        | '\u{FF63}' => '"',
        // Hyphens, dashes, minus signs, maqaf.
        '\u{58A}'
        | '\u{5BE}'
        | '\u{1806}'
        | '\u{2010}'..='\u{2015}'
        | '\u{2043}'
        | '\u{207B}'
        | '\u{208B}'
        | '\u{2212}'
        | '\u{2796}'
        | '\u{2E3A}'
        | '\u{2E3B}'
        | '\u{FE31}'
        | '\u{FE32}'
        | '\u{FE58}'
        | '\u{FE63}'
        | '\u{FF0D}' => '-',
        // Of several scripts: comma, full stop, semicolon, question mark, percent sign; Arabic decimal separator.
        '\u{60C}' | '\u{1363}' | '\u{3001}' | '\u{FF64}' => ',',
        '\u{66B}' | '\u{6D4}' | '\u{964}' | '\u{104B}' | '\u{1362}' | '\u{17D4}' | '\u{3002}'
        | '\u{FF61}' => '.',
        '\u{61B}' | '\u{1364}' => ';',
        '\u{61F}' | '\u{1367}' => '?',
        // Space between words of Ethiopic texts.
        '\u{1361}' => ' ',
        // The ring typed as a degree sign; the operators and the bullet typed as a middle dot; the wave dash.
        '\u{2DA}' => '\u{B0}',
        '\u{2022}' | '\u{2219}' | '\u{22C5}' => '\u{B7}',
        '\u{301C}' => '~',
        '\u{66A}' => '%',
        '\u{2044}' | '\u{2215}' => '/',
        _ => c,
    }
}

/// Passes the full case folding of a character to `push`. All four Turkic letters I fold to "i", the dot above as a
/// separate mark.
pub(super) fn fold_case(c: char, mut push: impl FnMut(char)) {
    if c.is_ascii() {
        return push(c.to_ascii_lowercase());
    }
    if matches!(c, 'İ' | 'ı') {
        return push('i');
    }
    // Upper case merges what lower case keeps apart: final sigma, long s, sharp s, iota below, ligatures.
    for lower in c.to_lowercase() {
        for upper in lower.to_uppercase() {
            upper.to_lowercase().for_each(&mut push);
        }
    }
}

/// Replaces letters that have two encodings which Unicode does not treat as equivalent, once joiners are removed.
/// Returns the replacement and an optional second character.
pub(super) fn unify_letter(c: char) -> (char, Option<char>) {
    const VIRAMA_ML: char = '\u{D4D}';
    match c {
        // Letters of Persian and Urdu keyboards: yeh, kaf, heh.
        '\u{6CC}' => ('\u{64A}', None),
        '\u{6A9}' => ('\u{643}', None),
        '\u{6C1}' => ('\u{647}', None),
        // Yiddish ligatures.
        '\u{5F0}' => ('\u{5D5}', Some('\u{5D5}')),
        '\u{5F1}' => ('\u{5D5}', Some('\u{5D9}')),
        '\u{5F2}' => ('\u{5D9}', Some('\u{5D9}')),
        // Bengali khanda ta.
        '\u{9CE}' => ('\u{9A4}', Some('\u{9CD}')),
        // Malayalam chillu letters.
        '\u{D7A}' => ('\u{D23}', Some(VIRAMA_ML)),
        '\u{D7B}' => ('\u{D28}', Some(VIRAMA_ML)),
        '\u{D7C}' => ('\u{D30}', Some(VIRAMA_ML)),
        '\u{D7D}' => ('\u{D32}', Some(VIRAMA_ML)),
        '\u{D7E}' => ('\u{D33}', Some(VIRAMA_ML)),
        '\u{D7F}' => ('\u{D15}', Some(VIRAMA_ML)),
        _ => (c, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_all_scripts_have_an_ascii_digit() {
        for (c, expected) in [
            ('0', Some('0')),
            ('9', Some('9')),
            ('٣', Some('3')),
            ('۴', Some('4')),
            ('५', Some('5')),
            ('๙', Some('9')),
            ('០', Some('0')),
            ('７', Some('7')),
            ('𞥘', Some('8')),
            ('/', None),
            (':', None),
            ('x', None),
            ('五', None),
        ] {
            assert_eq!(ascii_digit(c), expected, "{c}");
        }
    }

    #[test]
    fn case_folding_merges_all_forms_of_a_letter() {
        let folded = |text: &str| {
            let mut out = String::new();
            text.chars().for_each(|c| fold_case(c, |c| out.push(c)));
            out
        };
        for (a, b) in [
            ("ΟΔΟΣ", "οδος"),
            ("οδοσ", "οδος"),
            ("STRASSE", "straße"),
            ("STRAẞE", "strasse"),
            ("ſ", "s"),
            ("ﬁ", "fi"),
            ("ᾳ", "αι"),
            ("և", "եւ"),
            ("Კ", "კ"),
            ("ꭰ", "Ꭰ"),
            ("Ǆ", "ǆ"),
            ("ǅ", "ǆ"),
            ("µ", "μ"),
            ("IİIı", "iiii"),
        ] {
            assert_eq!(folded(a), folded(b), "{a} {b}");
        }
    }
}
