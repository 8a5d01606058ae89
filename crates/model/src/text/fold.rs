//! Folds typed answers, so that texts that a learner regards as equal are equal.
//!
//! Not here: words of the search index (`terms`), which ignore more.

use unicode_normalization::UnicodeNormalization;

use super::{
    chars::{
        ascii_digit, fold_case, is_invisible, is_optional_mark, is_significant_joiner,
        plain_punctuation, unify_letter,
    },
    language,
    script::{is_ignored_mark, push_search_letter},
};

const DOT_ABOVE: char = '\u{307}';

/// Returns true if a typed answer is equal to an accepted one. `exact`: compares with `fold_exact`, otherwise with
/// `fold_answer`. `lang`: language tag of the quiz. An answer without visible text equals only an empty one.
pub fn is_same_answer(accepted: &str, typed: &str, exact: bool, lang: &str) -> bool {
    let fold = |text: &str| if exact { fold_exact(text) } else { fold_answer(text, lang) };
    let folded = fold(typed);
    fold(accepted) == folded && (!folded.is_empty() || accepted.is_empty())
}

/// Folds a text for an exact comparison. Letters, accents, case, punctuation and spaces stay significant. Removes only
/// what cannot be seen: the form of composed characters (NFC), invisible characters without a meaning, the kind of a
/// space, the kind of a line end, and outer white space.
pub fn fold_exact(text: &str) -> String {
    let visible = visible(text);
    let mut out = String::with_capacity(visible.len());
    let mut before = None;
    for c in visible.nfc() {
        match c {
            '\n' if before == Some('\r') => {}
            '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            '\t' => out.push('\t'),
            c if c.is_whitespace() => out.push(' '),
            c => out.push(c),
        }
        before = Some(c);
    }
    out.trim().to_owned()
}

/// Removes invisible characters, except joiners between characters that they change.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if !is_invisible(c)
            || is_significant_joiner(out.chars().next_back(), c, rest.clone().next())
        {
            out.push(c);
        }
    }
    out
}

/// Folds a text for the usual comparison of a typed answer. Ignores case, the form of quotes, dashes and digits,
/// invisible characters, optional vowel marks, the amount of white space, and a space between a number and its unit.
/// Accents are significant.
///
/// In Turkish and related languages dotted and dotless I are two letters, otherwise one. In a language with a decimal
/// comma the comma of a number is equal to a point.
pub fn fold_answer(text: &str, lang: &str) -> String {
    let is_turkic = language::has_dotless_i(lang);
    let mut letters = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !is_invisible(*c)).nfc() {
        let follows_digit = letters.chars().next_back().is_some_and(|c| ascii_digit(c).is_some());
        if follows_digit && is_fraction(c) {
            // 1½ is not 11/2.
            letters.push(' ');
        }
        letters.push(match plain_punctuation(c) {
            'İ' => 'i',
            'I' | 'ı' if is_turkic => 'ı',
            // The ordinal sign typed as a degree sign.
            '\u{BA}' if follows_digit => '\u{B0}',
            c => c,
        });
    }
    let mut folded = String::with_capacity(letters.len());
    for c in letters.nfkd() {
        let c = plain_punctuation(c);
        if is_optional_mark(c) || is_invisible(c) || c == DOT_ABOVE && folded.ends_with('i') {
            continue;
        }
        if let Some(digit) = ascii_digit(c) {
            folded.push(digit);
        } else if is_turkic && c == 'ı' {
            folded.push(c);
        } else {
            let (c, second) = unify_letter(c);
            fold_case(c, |c| folded.push(c));
            folded.extend(second);
        }
    }
    let folded: String = folded.nfkc().collect();
    let folded = without_spaces_before_units(&folded);
    if language::has_decimal_comma(lang) { with_decimal_points(&folded) } else { folded }
}

/// Folds a word or phrase to the key under which a dictionary lists it: like `fold_answer`, and without what a search
/// ignores in letters (accents, the kind of kana, letters of one sound). A hyphen is equal to a space.
pub fn fold_word(text: &str, lang: &str) -> String {
    let mut letters = String::with_capacity(text.len());
    for c in fold_answer(text, lang).nfd() {
        if !is_ignored_mark(letters.chars().next_back(), c) {
            push_search_letter(if c == '-' { ' ' } else { c }, |c| letters.push(c));
        }
    }
    let composed: String = letters.nfc().collect();
    composed.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns true for fractions that are one character.
fn is_fraction(c: char) -> bool {
    matches!(u32::from(c), 0xBC..=0xBE | 0x2150..=0x215E | 0x2189)
}

/// Replaces white space by single spaces, and removes it between a number and a unit, a percent or currency sign.
fn without_spaces_before_units(text: &str) -> String {
    let is_currency =
        |c: char| matches!(c, '$' | '\u{A2}'..='\u{A5}' | '\u{E3F}' | '\u{20A0}'..='\u{20CF}');
    let is_sign = |c: char| matches!(c, '%' | '\u{2030}' | '\u{B0}') || is_currency(c);
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        let (before, next) = (out.chars().next_back(), word.chars().next());
        let follows_number = before.is_some_and(|c| c.is_ascii_digit());
        let is_unit = follows_number && next.is_some_and(|c| c.is_alphabetic() || is_sign(c));
        let is_amount = before.is_some_and(is_currency) && next.is_some_and(|c| c.is_ascii_digit());
        if before.is_some() && !is_unit && !is_amount {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// Replaces a comma between two digits by a point if the number contains no other separator: "1,2,3" may be a list.
fn with_decimal_points(text: &str) -> String {
    if !text.contains(',') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, ',' | '.');
    while !rest.is_empty() {
        let number_end = rest.find(|c| !is_number(c)).unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_end);
        let one_separator = number.split(',').collect::<Vec<_>>();
        match one_separator.as_slice() {
            [whole, decimals]
                if !whole.is_empty() && !decimals.is_empty() && !number.contains('.') =>
            {
                out.extend([whole, ".", decimals]);
            }
            _ => out.push_str(number),
        }
        let text_end = after.find(is_number).unwrap_or(after.len());
        out.push_str(&after[..text_end]);
        rest = &after[text_end..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs of texts, with the languages in which they are equal.
    #[test]
    fn typed_answers_are_folded() {
        const ALWAYS: &[&str] = &["en", "de", "ar", "fa", "hi", "und", ""];
        let equal: &[(&str, &str, &[&str])] = &[
            // White space and invisible characters.
            ("ox bow", "  OX\u{A0}\u{2003}bow\u{3000}\n", ALWAYS),
            ("oxbow", "ox\u{200B}bow", ALWAYS),
            ("oxbow", "\u{FEFF}ox\u{AD}bow\u{200E}\u{2060}\u{FE0F}", ALWAYS),
            ("oxbow", "\u{202B}oxbow\u{202C}\u{2066}\u{2069}\u{0}", ALWAYS),
            // Quotes, dashes, other punctuation.
            ("don't", "don’t", ALWAYS),
            ("don't", "don`t", ALWAYS),
            ("don't", "don´t", ALWAYS),
            ("don't", "donʼt", ALWAYS),
            ("don't", "don＇t", ALWAYS),
            ("o'zbek", "oʻzbek", ALWAYS),
            ("\"so\"", "“so”", ALWAYS),
            ("\"so\"", "«so»", ALWAYS),
            ("\"so\"", "„so‟", ALWAYS),
            ("5'10\"", "5′10″", ALWAYS),
            ("-5", "−5", ALWAYS),
            ("-5", "–5", ALWAYS),
            ("-5", "－5", ALWAYS),
            ("ox-bow", "ox‑bow", ALWAYS),
            ("ox-bow", "ox—bow", ALWAYS),
            ("בית-ספר", "בית־ספר", ALWAYS),
            ("نعم, لا?", "نعم، لا؟", ALWAYS),
            ("10%", "١٠٪", ALWAYS),
            ("1/2", "½", ALWAYS),
            ("1 1/2", "1½", ALWAYS),
            ("1 1/2", "١½", ALWAYS),
            ("2⅔", "2 2/3", ALWAYS),
            ("ἀλλ'", "ἀλλ᾽", ALWAYS),
            ("ἀλλ'", "ἀλλ’", ALWAYS),
            ("8~9", "8〜9", ALWAYS),
            ("8~9", "8～9", ALWAYS),
            ("well...", "well…", ALWAYS),
            ("हाँ.", "हाँ।", ALWAYS),
            ("ሰላም ለዓለም.", "ሰላም፡ለዓለም።", ALWAYS),
            ("你好,世界!", "你好，世界！", ALWAYS),
            ("oxbow", "ox\u{FFFC}bow", ALWAYS),
            // Units.
            ("10 km", "10km", ALWAYS),
            ("10 km", "10\u{202F}km", ALWAYS),
            ("10 km", "１０ ㎞", ALWAYS),
            ("10 %", "10%", ALWAYS),
            ("10 %", "10\u{A0}٪", ALWAYS),
            ("20 °C", "20℃", ALWAYS),
            ("20 °C", "20ºC", ALWAYS),
            ("20 °C", "20˚c", ALWAYS),
            ("5 €", "5€", ALWAYS),
            ("€ 5", "€5", ALWAYS),
            ("3 µm", "3μm", ALWAYS),
            ("50 Ω", "50\u{2126}", ALWAYS),
            ("4 N·m", "4 N⋅m", ALWAYS),
            ("12 m²", "12 m2", ALWAYS),
            // Digits.
            ("42", "٤٢", ALWAYS),
            ("42", "۴۲", ALWAYS),
            ("42", "४२", ALWAYS),
            ("42", "๔๒", ALWAYS),
            ("42", "４２", ALWAYS),
            ("42", "𝟒𝟐", ALWAYS),
            ("3.5", "٣٫٥", ALWAYS),
            // Case.
            ("οδος", "ΟΔΟΣ", ALWAYS),
            ("Straße", "STRASSE", ALWAYS),
            ("Straße", "STRAẞE", ALWAYS),
            ("İstanbul", "istanbul", ALWAYS),
            ("İstanbul", "ISTANBUL", ALWAYS),
            ("İstanbul", "i\u{307}stanbul", ALWAYS),
            ("İstanbul", "I\u{307}STANBUL", ALWAYS),
            ("kapı", "KAPI", ALWAYS),
            ("kapı", "kapi", ALWAYS),
            ("İstanbul", "istanbul", &["tr", "az-Latn", "TR"]),
            ("ılık", "ILIK", &["tr", "az", "tr-CY"]),
            ("İZMİR", "izmir", &["tr", "az", "crh"]),
            ("ﬁn", "FIN", ALWAYS),
            // Normalisation, also of case and marks in other orders.
            ("café", "cafe\u{301}", ALWAYS),
            ("Việt", "Vie\u{302}\u{323}t", ALWAYS),
            ("각", "\u{1100}\u{1161}\u{11A8}", ALWAYS),
            ("カフェ", "ｶﾌｪ", ALWAYS),
            ("ガ", "ｶﾞ", ALWAYS),
            // Vowel marks.
            ("كِتَاب", "كتاب", ALWAYS),
            ("كتاب", "كتــاب", ALWAYS),
            ("هٰذا", "هذا", ALWAYS),
            ("آب", "ا\u{653}ب", ALWAYS),
            ("שָׁלוֹם", "שלום", ALWAYS),
            ("שלום", "\u{FB2A}לו\u{5B9}ם", ALWAYS),
            // Keyboards of other languages of the script; presentation forms.
            ("فارسی", "فارسي", ALWAYS),
            ("کتاب", "كتاب", ALWAYS),
            ("ہوا", "هوا", ALWAYS),
            ("سلام", "ﺳﻼﻡ", ALWAYS),
            ("ייִדיש", "יִידיש", ALWAYS),
            ("ברויט", "בר\u{5F1}ט", ALWAYS),
            // Joiners of Indic and Arabic scripts.
            ("می‌خوانم", "میخوانم", ALWAYS),
            ("ന്‍", "ൻ", ALWAYS),
            ("ৎ", "ত্‍", ALWAYS),
            ("क़लम", "क\u{93C}लम", ALWAYS),
            // Decimal comma.
            (
                "3.5",
                "3,5",
                &["de", "fr", "pt-BR", "ru", "DE-AT", "es", "id", "in", "sw-CD", "ar-MA"],
            ),
            ("3,5 km", "3.5 km", &["de"]),
            ("-3.5%", "−3,5%", &["fr"]),
            ("(0.5; 1.5)", "(0,5; 1,5)", &["pl"]),
        ];
        for (a, b, langs) in equal {
            for lang in *langs {
                assert_eq!(fold_answer(a, lang), fold_answer(b, lang), "{a} {b} {lang}");
            }
        }
        let different: &[(&str, &str, &[&str])] = &[
            ("café", "cafe", ALWAYS),
            ("ılık", "ilik", &["tr", "az"]),
            ("I", "i", &["tr"]),
            ("3.5", "3,5", &["en", "de-CH", "es-MX", "zh", "hi", "ar", "fa", "und", ""]),
            ("1,234", "1234", &["en", "de"]),
            ("1,2,3", "1.2.3", &["de", "fr"]),
            ("1,234.5", "1.234.5", &["de"]),
            ("ox bow", "oxbow", ALWAYS),
            ("أب", "اب", ALWAYS),
            ("-5", "5", ALWAYS),
            ("1½", "11/2", ALWAYS),
            ("1 2", "12", ALWAYS),
            ("a 4", "a4", ALWAYS),
            ("10 km", "10 m", ALWAYS),
            ("على", "علي", ALWAYS),
            ("بھائی", "بهائی", ALWAYS),
            ("ß", "s", ALWAYS),
            ("œuf", "oeuf", ALWAYS),
            ("ñ", "n", ALWAYS),
            ("1º", "1o", ALWAYS),
            ("か", "カ", ALWAYS),
        ];
        for (a, b, langs) in different {
            for lang in *langs {
                assert_ne!(fold_answer(a, lang), fold_answer(b, lang), "{a} {b} {lang}");
            }
        }
    }

    #[test]
    fn the_key_of_a_word_ignores_accents_and_hyphens() {
        for (a, b, lang) in [
            ("Été", "ete", "fr"),
            ("ox-bow", "Ox  bow", "en"),
            ("l\u{2019}eau", "L'EAU", "fr"),
            (
                "\u{3A4}\u{391}\u{38E}\u{3A1}\u{39F}\u{3A3}",
                "\u{3C4}\u{3B1}\u{3C5}\u{3C1}\u{3BF}\u{3C2}",
                "el",
            ),
            ("\u{401}\u{43B}\u{43A}\u{430}", "\u{435}\u{43B}\u{43A}\u{430}", "ru"),
            ("\u{623}\u{64E}\u{631}\u{652}\u{636}", "\u{627}\u{631}\u{636}", "ar"),
            ("\u{30EA}\u{30F3}\u{30B4}", "\u{308A}\u{3093}\u{3054}", "ja"),
        ] {
            assert_eq!(fold_word(a, lang), fold_word(b, lang), "{a}");
            assert_eq!(fold_word(&fold_word(a, lang), lang), fold_word(a, lang), "{a}");
        }
        // A vowel sign is part of the word, as is a dotless letter where it is another one.
        for (a, b, lang) in [
            ("\u{915}\u{93F}", "\u{915}\u{940}", "hi"),
            ("\u{131}", "i", "tr"),
            ("\u{E01}\u{E32}", "\u{E01}\u{E31}", "th"),
        ] {
            assert_ne!(fold_word(a, lang), fold_word(b, lang), "{a}");
        }
    }

    #[test]
    fn folding_twice_changes_nothing() {
        for text in [
            "İSTANBUL",
            "ᾼ",
            "ŉ",
            "´",
            "½ ﬁ",
            "३,५",
            "ﷺ",
            "ΐ",
            "ẖ",
            "1,2,3",
            "Ω̈",
            "1½ º 2 º",
            "5 % 3 €",
            "ײַ",
        ] {
            for lang in ["en", "tr", "de"] {
                let once = fold_answer(text, lang);
                assert_eq!(fold_answer(&once, lang), once, "{text}");
            }
            assert_eq!(fold_exact(&fold_exact(text)), fold_exact(text), "{text}");
        }
    }

    #[test]
    fn an_exact_comparison_ignores_only_what_is_invisible() {
        for (a, b) in [
            ("café", "cafe\u{301}"),
            ("a b", "a\u{A0}b"),
            ("ab", "a\u{200B}b"),
            ("ab", "\u{FEFF}a\u{AD}b\u{200E}"),
            ("a\nb", "a\r\nb"),
            ("a\nb", "a\rb"),
            ("a", "a\u{200D}"),
            ("ab", "a\u{200C}b"),
            ("ab", " ab\n"),
            ("", ""),
        ] {
            assert!(is_same_answer(a, b, true, "en"), "{a:?} {b:?}");
        }
        for (a, b) in [
            ("Oxbow", "oxbow"),
            ("don't", "don’t"),
            ("42", "٤٢"),
            ("كِتَاب", "كتاب"),
            ("می‌خوانم", "میخوانم"),
            ("👩‍🌾", "👩🌾"),
            ("x²", "x2"),
            ("a b", "a  b"),
            ("a\tb", "a b"),
            ("\u{200B}", ""),
        ] {
            assert!(!is_same_answer(a, b, true, "en"), "{a:?} {b:?}");
        }
        // Folds to nothing, but an empty answer is not right.
        assert!(!is_same_answer("\u{64E}", " ", false, "ar"));
        assert!(is_same_answer("", " \u{200B}", false, "ar"));
    }
}
