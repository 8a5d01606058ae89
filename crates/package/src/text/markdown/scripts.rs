//! Scripts without spaces between words, next to which the rules of CommonMark for emphasis do not work.

/// Returns true for a letter or punctuation mark of a script that is written without spaces between words (Chinese,
/// Japanese, Thai, ...), or of Korean, whose particles follow a word without a space.
pub(super) fn is_spaceless(c: char) -> bool {
    matches!(c,
        '\u{0E00}'..='\u{0EFF}'     // Thai, Lao
        | '\u{0F00}'..='\u{109F}'   // Tibetan, Myanmar
        | '\u{1100}'..='\u{11FF}'   // Hangul
        | '\u{1780}'..='\u{17FF}'   // Khmer
        | '\u{1950}'..='\u{19FF}'   // Tai Le, New Tai Lue, Khmer symbols
        | '\u{1A20}'..='\u{1AAF}'   // Tai Tham
        | '\u{1B00}'..='\u{1B7F}'   // Balinese
        | '\u{2E80}'..='\u{A4CF}'   // CJK radicals, punctuation, kana, bopomofo, ideographs, Yi
        | '\u{A960}'..='\u{A9FF}'   // Hangul, Javanese, Myanmar
        | '\u{AA00}'..='\u{AADF}'   // Cham, Myanmar, Tai Viet
        | '\u{AC00}'..='\u{D7FF}'   // Hangul
        | '\u{F900}'..='\u{FAFF}'   // CJK ideographs
        | '\u{FE10}'..='\u{FE1F}'   // vertical forms
        | '\u{FE30}'..='\u{FE6F}'   // CJK punctuation
        | '\u{FF01}'..='\u{FFEE}'   // full-width and half-width forms
        | '\u{16FE0}'..='\u{1B2FF}' // Tangut, Khitan, kana, Nushu
        | '\u{1F200}'..='\u{1F2FF}' // enclosed ideographs
        | '\u{20000}'..='\u{3FFFD}' // CJK ideographs
    )
}

/// Returns true for a variation selector, which belongs to the character before it.
pub(super) fn is_variation_selector(c: char) -> bool {
    matches!(c, '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
}
