//! Rules of single scripts for search: which scripts have spaces, and letters that are equal in a search.

/// Returns true for characters of scripts that are written without spaces between words, and of Hangul, where particles
/// follow a word without a space. They are indexed as pairs of characters.
pub fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c),
        // Thai, Lao, Myanmar, Hangul, Khmer, Tai and Javanese scripts.
        0xE00..=0xEFF | 0x1000..=0x109F | 0x1100..=0x11FF | 0x1780..=0x17FF | 0x1950..=0x19DF
        | 0x1A20..=0x1AAF | 0x1B00..=0x1B7F
        // Han, kana, bopomofo, Yi.
        | 0x2E80..=0x2FDF | 0x3005..=0x3007 | 0x3021..=0x3029 | 0x3031..=0x3035 | 0x3038..=0x303C
        | 0x3040..=0x318F | 0x31A0..=0x31BF | 0x31F0..=0x31FF | 0x3400..=0x4DBF | 0x4E00..=0xA4CF
        | 0xA960..=0xA97F | 0xA980..=0xA9FF | 0xAA60..=0xAADF | 0xAC00..=0xD7FF | 0xF900..=0xFAFF
        | 0x1AFF0..=0x1B16F | 0x20000..=0x3FFFF)
}

pub(super) fn is_arabic(c: char) -> bool {
    matches!(u32::from(c), 0x600..=0x6FF | 0x750..=0x77F | 0x8A0..=0x8FF | 0xFB50..=0xFDFF | 0xFE70..=0xFEFC)
}

/// Hamza and madda, which follow the letter that carries them.
pub(super) fn is_hamza_mark(c: char) -> bool {
    matches!(c, '\u{653}'..='\u{655}')
}

/// Returns true for a mark that a search ignores after `base`. Accents of Latin and Greek letters are ignored, of
/// Cyrillic letters those that do not make a letter of the alphabet, and the nukta of Devanagari.
pub(super) fn is_ignored_mark(base: Option<char>, mark: char) -> bool {
    match mark {
        '\u{300}'..='\u{36F}' => {
            !matches!((base, mark), (Some('и' | 'у'), '\u{306}') | (Some('і'), '\u{308}'))
        }
        '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20FF}' => true,
        '\u{93C}' => true,
        mark => is_hamza_mark(mark),
    }
}

/// Passes the letter or letters that represent `c` in a search to `push`. `c` is folded and decomposed.
pub(super) fn push_search_letter(c: char, mut push: impl FnMut(char)) {
    let single = match c {
        // Latin letters with a stroke or hook, which do not decompose.
        'đ' | 'ð' | 'ɖ' | 'ɗ' => 'd',
        'ø' | 'ɔ' | 'ɵ' => 'o',
        'ł' | 'ɫ' => 'l',
        'ħ' => 'h',
        'ŧ' | 'ƭ' => 't',
        'ŋ' | 'ɲ' | 'ƞ' => 'n',
        'ɓ' => 'b',
        'ƙ' => 'k',
        'ƴ' => 'y',
        'ƒ' => 'f',
        'ɣ' | 'ǥ' => 'g',
        'ʋ' => 'v',
        'ɛ' | 'ə' | 'ǝ' => 'e',
        'ɩ' | 'ɨ' => 'i',
        'ʊ' | 'ʉ' => 'u',
        'ʈ' => 't',
        'æ' => return "ae".chars().for_each(push),
        'œ' => return "oe".chars().for_each(push),
        'þ' => return "th".chars().for_each(push),
        // Cyrillic io.
        'ё' => 'е',
        // Arabic alef wasla; ya and alef maksura; kaf; ta marbuta and the forms of heh.
        'ٱ' => 'ا',
        'ى' | 'ی' | 'ے' => 'ي',
        'ک' | 'ڪ' => 'ك',
        'ة' | 'ۃ' | 'ہ' | 'ھ' | 'ە' => 'ه',
        // Yiddish ligatures.
        'װ' => return "וו".chars().for_each(push),
        'ױ' => return "וי".chars().for_each(push),
        'ײ' => return "יי".chars().for_each(push),
        // Devanagari chandrabindu.
        '\u{901}' => '\u{902}',
        // Katakana; their iteration marks.
        'ァ'..='ヶ' | 'ヽ' | 'ヾ' => char::from_u32(u32::from(c) - 0x60).unwrap_or(c),
        // Ethiopic letters of one sound.
        'ሐ'..='ሗ' => moved(c, 'ሐ', 'ሀ'),
        'ኀ'..='ኇ' => moved(c, 'ኀ', 'ሀ'),
        'ሠ'..='ሧ' => moved(c, 'ሠ', 'ሰ'),
        'ዐ'..='ዖ' => moved(c, 'ዐ', 'አ'),
        'ፀ'..='ፆ' => moved(c, 'ፀ', 'ጸ'),
        c => c,
    };
    push(single);
}

fn moved(c: char, from: char, to: char) -> char {
    char::from_u32(u32::from(c) - u32::from(from) + u32::from(to)).unwrap_or(c)
}

/// How two or three adjacent characters of a word are rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rewrite {
    None,
    /// The first two change places.
    Swap,
    /// The first two become this character.
    Merge(char),
}

/// Returns the rewriting of the characters `a`, `b`, followed by `next`, of which there are two spellings.
pub(super) fn rewrite(a: char, b: char, next: Option<char>) -> Rewrite {
    match (a, b) {
        // Thai and Lao: the tone precedes the nikhahit; two signs E typed for AE.
        ('\u{E4D}', '\u{E48}'..='\u{E4B}') | ('\u{ECD}', '\u{EC8}'..='\u{ECB}') => Rewrite::Swap,
        ('\u{E40}', '\u{E40}') => Rewrite::Merge('\u{E41}'),
        ('\u{EC0}', '\u{EC0}') => Rewrite::Merge('\u{EC1}'),
        // Devanagari: a nasal before a consonant may be written as anusvara.
        ('ङ' | 'ञ' | 'ण' | 'न' | 'म', '\u{94D}')
            if next
                .is_some_and(|c| matches!(c, 'क'..='ह') && !matches!(c, 'य'..='ह' | 'न' | 'म')) =>
        {
            Rewrite::Merge('\u{902}')
        }
        _ => Rewrite::None,
    }
}

/// The article with the particles that are written before it: and, so, with, like, for, and two of them.
const ARABIC_ARTICLES: [&str; 15] = [
    "ال", "ٱل", "وال", "وٱل", "فال", "فٱل", "بال", "كال", "لل", "وبال", "وكال", "ولل", "فبال",
    "فكال", "فلل",
];

/// Common words that begin with waw as a letter of the word, not as the conjunction; without hamza marks. Words whose
/// rest is no word of its own are listed too, so that fewer terms are indexed.
const WAW_WORDS: &str = "واحد وحد وحيد وادي واجب واجه واضح واقع واسع واصل وافق واثق وارد وازن وتر وثق وثيق وثايق وجب وجد \
    وجع وجه وجيز وحش ورث ورد ورش ورق وريد وزر وزع وزن وزير وزار وسط وسيط وسع وسم وسام وساد وسيل وسايل وشاح وصف وصل \
    وصول وصي وضح وضع وضوح وضوء وطن وظف وظيف وظايف وعاء وعد وعي وعظ وفاء وفا وفد وفر وفق وفير وقاي وقت وقح وقع وقف \
    وقود وقور وكاد وكال وكيل ولاء ولاد ولاي ولد وليد وليم وهب وهج وهم ويل وسواس وصاي وجود وجوه وعود وفود وقايع";
/// Endings after which a word of `WAW_WORDS` is still the same word.
const ARABIC_ENDINGS: &str = "ا ة ه ي ت ك ات ان ين ون ها هم هن نا كم تي ته تها ية يا تين تان اء";

/// Returns true for the first letters of an article, of the particles before it, and of the conjunction.
pub(super) fn may_be_arabic_prefix(c: char) -> bool {
    matches!(c, 'ا' | 'ٱ' | 'و' | 'ف' | 'ب' | 'ك' | 'ل')
}

/// Returns the word without the Arabic article and the particles written before it, or else without the conjunction
/// waw. `word`: letters without optional marks, before hamza forms are folded, because the article has a plain alef.
///
/// Waw is also the first letter of words. Only a rest of three letters counts, and `WAW_WORDS` are kept. The other
/// particles are removed only before the article: without it, too many words begin with the same letters.
pub(super) fn without_arabic_prefix(word: &str) -> Option<&str> {
    if word == "الله" || word == "ٱلله" {
        return None;
    }
    let letters = |stem: &str| stem.chars().filter(|c| !is_hamza_mark(*c)).count();
    let is_stem = |stem: &str, min| letters(stem) >= min && !stem.starts_with(is_hamza_mark);
    if let Some(stem) =
        ARABIC_ARTICLES.iter().filter_map(|article| word.strip_prefix(article)).next()
    {
        return is_stem(stem, 2).then_some(stem);
    }
    let stem = word.strip_prefix('و')?;
    (is_stem(stem, 3) && !is_waw_word(word)).then_some(stem)
}

fn is_waw_word(word: &str) -> bool {
    let is_ending = |rest: &str| rest.is_empty() || ARABIC_ENDINGS.split(' ').any(|e| e == rest);
    let plain: String = word.chars().filter(|c| !is_hamza_mark(*c)).collect();
    WAW_WORDS.split_whitespace().any(|known| plain.strip_prefix(known).is_some_and(is_ending))
}

#[cfg(test)]
mod tests {
    use unicode_normalization::UnicodeNormalization;

    use super::*;

    #[test]
    fn arabic_prefixes_are_removed_from_words_that_have_them() {
        let stem = |word: &str| {
            let decomposed: String = word.nfd().collect();
            without_arabic_prefix(&decomposed).map(|s| s.nfc().collect::<String>())
        };
        for (word, expected) in [
            ("الكتاب", "كتاب"),
            ("والكتاب", "كتاب"),
            ("فالكتاب", "كتاب"),
            ("بالكتاب", "كتاب"),
            ("كالكتاب", "كتاب"),
            ("للكتاب", "كتاب"),
            ("وبالكتاب", "كتاب"),
            ("وكالكتاب", "كتاب"),
            ("وللكتاب", "كتاب"),
            ("فبالكتاب", "كتاب"),
            ("فللكتاب", "كتاب"),
            ("وكتاب", "كتاب"),
            ("وأكل", "أكل"),
            ("وإلى", "إلى"),
            ("وصلاة", "صلاة"),
            ("وقتل", "قتل"),
            ("وضعف", "ضعف"),
            ("ووصل", "وصل"),
            ("وردود", "ردود"),
        ] {
            assert_eq!(stem(word).as_deref(), Some(expected), "{word}");
        }
        for word in [
            "الله",
            "ال",
            "وال",
            "ألوان",
            "كتاب",
            "بنات",
            "لسان",
            "فرح",
            "كلب",
            "بكتاب",
            "ولد",
            "ولدان",
            "واحد",
            "واحدة",
            "وضوء",
            "وردة",
            "ورقة",
            "وزير",
            "وكيل",
            "وقت",
            "وفي",
            "وما",
            "وسائل",
            "وظيفة",
            "والد",
            "وحدة",
            "وجبات",
            "وطني",
            "وثيقة",
        ] {
            assert_eq!(stem(word), None, "{word}");
        }
    }
}
