//! Which scripts texts contain.

use std::collections::BTreeMap;

use carrel_model::{content::ForeignLetters, text::language::han_language};

use crate::scripts::{HAN, SCRIPTS, Script};

/// The characters that each font is needed for, by the font's id.
pub type Wanted = BTreeMap<&'static str, ForeignLetters>;

/// Returns the fonts that texts need: language tag and characters of each text.
///
/// Han characters need the font of the text's language. In a text of another language, the scripts of this text decide,
/// then those of all texts: kana are Japanese, hangul Korean, bopomofo traditional Chinese; otherwise simplified
/// Chinese.
pub fn wanted(texts: &[(String, ForeignLetters)]) -> Wanted {
    let mut all = ForeignLetters::default();
    texts.iter().for_each(|(_, letters)| all.extend(letters));
    let mut wanted = Wanted::new();
    if all.is_empty() {
        return wanted;
    }
    for (lang, letters) in texts {
        let han = han_script(lang, letters, &all);
        for script in SCRIPTS {
            let is_own = letters.are_in(script.letters);
            let needed = if *script == *han && (is_own || letters.are_in(&HAN)) {
                // With the punctuation and the full-width forms of the text.
                letters.clone()
            } else if is_own && script.lang.is_empty() {
                letters.clone()
            } else if is_own {
                letters.within(script.letters)
            } else {
                continue;
            };
            wanted.entry(script.font).or_default().extend(&needed);
        }
    }
    wanted
}

fn han_script(lang: &str, letters: &ForeignLetters, all: &ForeignLetters) -> &'static Script {
    let of_lang = |lang: &str| SCRIPTS.iter().find(|script| script.lang == lang);
    let by_letters = |letters: &ForeignLetters| {
        SCRIPTS.iter().find(|script| !script.lang.is_empty() && letters.are_in(script.letters))
    };
    han_language(lang)
        .and_then(of_lang)
        .or_else(|| by_letters(letters))
        .or_else(|| by_letters(all))
        .or_else(|| of_lang("zh-Hans"))
        .unwrap_or(&SCRIPTS[SCRIPTS.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the fonts for texts, each with an example of the characters it is needed for.
    fn fonts(texts: &[(&str, &str)]) -> Vec<&'static str> {
        let texts: Vec<_> = texts
            .iter()
            .map(|(lang, text)| {
                let mut letters = ForeignLetters::default();
                letters.add(text);
                ((*lang).to_owned(), letters)
            })
            .collect();
        wanted(&texts).into_keys().map(|font| font.trim_start_matches("noto-")).collect()
    }

    #[test]
    fn each_script_needs_its_font() {
        for (text, font) in [
            ("Հայերեն", "sans-armenian"),
            ("עברית", "sans-hebrew"),
            ("हिन्दी।", "sans-devanagari"),
            ("বাংলা।", "sans-bengali"),
            ("ਪੰਜਾਬੀ।", "sans-gurmukhi"),
            ("ગુજરાતી", "sans-gujarati"),
            ("ଓଡ଼ିଆ।", "sans-oriya"),
            ("தமிழ்", "sans-tamil"),
            ("తెలుగు", "sans-telugu"),
            ("ಕನ್ನಡ", "sans-kannada"),
            ("മലയാളം", "sans-malayalam"),
            ("සිංහල", "sans-sinhala"),
            ("ภาษาไทย", "sans-thai"),
            ("ພາສາລາວ", "sans-lao"),
            ("བོད་ཡིག", "serif-tibetan"),
            ("မြန်မာ", "sans-myanmar"),
            ("ქართული", "sans-georgian"),
            ("አማርኛ", "sans-ethiopic"),
            ("ភាសាខ្មែរ", "sans-khmer"),
            ("かわ", "sans-jp"),
            ("강", "sans-kr"),
            ("ㄅㄆ", "sans-tc"),
            ("河", "sans-sc"),
        ] {
            assert_eq!(fonts(&[("en", text)]), [font], "{text}");
        }
        for none in [
            "",
            "Plain text, ₹ 5 – “quoted”",
            "العربية",
            "Ελληνικά и кириллица",
            "tiếng Việt",
            "🙂",
            "\u{25CC}",
        ] {
            assert_eq!(fonts(&[("en", none)]), [""; 0], "{none}");
        }
    }

    #[test]
    fn han_characters_need_the_font_of_the_language() {
        for (texts, expected) in [
            (&[("ja", "河川")][..], &["sans-jp"][..]),
            (&[("ko", "漢字")], &["sans-kr"]),
            (&[("zh-TW", "河流")], &["sans-tc"]),
            (&[("zh", "河流"), ("en", "River")], &["sans-sc"]),
            // In a course in English, the kana of another section decide.
            (&[("en", "河川"), ("en", "かわ")], &["sans-jp"]),
            (&[("ja", "川、かわ"), ("zh-Hans", "河流")], &["sans-jp", "sans-sc"]),
            // A Chinese text that quotes Japanese needs the Japanese font for the kana only.
            (&[("zh", "日语的「の」")], &["sans-jp", "sans-sc"]),
            (&[("hi", "नदी"), ("am", "ወንዝ")], &["sans-devanagari", "sans-ethiopic"]),
        ] {
            assert_eq!(fonts(texts), expected, "{texts:?}");
        }
        let mut letters = ForeignLetters::default();
        letters.add("日语的「の」");
        let found = wanted(&[("zh".into(), letters)]);
        assert!(!found["noto-sans-jp"].are_in(&HAN), "{found:?}");
        assert!(found["noto-sans-sc"].are_in(&[0x300C..=0x300D]), "the quotation marks");
    }
}
