//! Language tags (BCP 47): canonical comparison, writing direction, decimal separator.
//!
//! Tags compare without case. Codes of ISO 639-2 and 639-3, deprecated codes (`iw`, `ji`, `in`), extended languages
//! (`zh-yue`) and grandfathered tags (`i-klingon`) are equal to their canonical tags.

use std::ops::RangeInclusive;

use super::language_data as data;

/// Grandfathered tags that do not follow the syntax of other tags, with their canonical tags.
const GRANDFATHERED: [(&str, &str); 24] = [
    ("art-lojban", "jbo"),
    ("cel-gaulish", "xtg"),
    ("en-gb-oed", "en-gb"),
    ("i-ami", "ami"),
    ("i-bnn", "bnn"),
    ("i-default", "en"),
    ("i-enochian", "und"),
    ("i-hak", "hak"),
    ("i-klingon", "tlh"),
    ("i-lux", "lb"),
    ("i-mingo", "see"),
    ("i-navajo", "nv"),
    ("i-pwn", "pwn"),
    ("i-tao", "tao"),
    ("i-tay", "tay"),
    ("i-tsu", "tsu"),
    ("no-bok", "no"),
    ("no-nyn", "nn"),
    ("sgn-be-fr", "sfb"),
    ("sgn-be-nl", "vgt"),
    ("sgn-ch-de", "sgg"),
    ("zh-guoyu", "zh"),
    ("zh-hakka", "hak"),
    ("zh-xiang", "hsn"),
];

/// Scripts that are written from right to left.
const RIGHT_TO_LEFT_SCRIPTS: &str = "adlm arab aran armi avst chrs cprt elym gara hatr hebr hung khar lydi mand mani \
    mend merc mero narb nbat nkoo orkh ougr palm phli phlp phlv phnx prti rohg samr sarb sidt sogd sogo syrc syre \
    syrj syrn thaa todr yezi";

/// Scripts whose letters decide the direction of a text whose tag names no script, with their ranges.
const SCRIPTS_OF_LETTERS: [(&str, &[RangeInclusive<u32>]); 9] = [
    ("Latn", &[0x41..=0x24F, 0x1E00..=0x1EFF]),
    ("Arab", &[0x620..=0x6FF, 0x750..=0x77F, 0x8A0..=0x8FF, 0xFB50..=0xFEFC]),
    ("Cyrl", &[0x400..=0x52F]),
    ("Deva", &[0x900..=0x97F]),
    ("Hebr", &[0x5D0..=0x5F4, 0xFB1D..=0xFB4F]),
    ("Thaa", &[0x780..=0x7B1]),
    ("Syrc", &[0x710..=0x74F]),
    ("Nkoo", &[0x7C0..=0x7FF]),
    ("Adlm", &[0x1E900..=0x1E95F]),
];

/// Languages in which dotted and dotless I are two letters.
const DOTLESS_I: &str = "az crh gag tr";

/// The parts of a tag that decide: language, script, region. Lower case, canonical; empty if absent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LanguageTag {
    language: String,
    script: String,
    region: String,
}

impl LanguageTag {
    fn parse(text: &str) -> Self {
        let lower = text.trim().to_ascii_lowercase().replace('_', "-");
        let known = GRANDFATHERED.iter().find(|(old, _)| *old == lower);
        let lower = known.map_or(lower.as_str(), |(_, new)| new);
        let mut parts = lower.split('-');
        let mut language = parts.next().unwrap_or_default();
        let (mut script, mut region) = ("", "");
        let is_alpha = |part: &str| part.bytes().all(|b| b.is_ascii_alphabetic());
        let mut may_be_extended = matches!(language.len(), 2 | 3);
        for part in parts {
            match part.len() {
                // Extensions and private use.
                0 | 1 => break,
                3 if may_be_extended && is_alpha(part) => {
                    language = part;
                    // `zh-min-nan` has two extended parts; the last one decides.
                    continue;
                }
                4 if script.is_empty() && region.is_empty() && is_alpha(part) => script = part,
                2 if region.is_empty() && is_alpha(part) => region = part,
                3 if region.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) => region = part,
                _ => {}
            }
            may_be_extended = false;
        }
        Self {
            language: canonical_language(language).to_owned(),
            script: script.to_owned(),
            region: region.to_owned(),
        }
    }
    fn language_region(&self) -> String {
        format!("{}-{}", self.language, self.region)
    }
    /// Returns the script if the tag or the region names it; only for Chinese and Serbian, which have two common ones.
    fn common_script(&self) -> &str {
        match (self.language.as_str(), self.script.as_str(), self.region.as_str()) {
            (_, script, _) if !script.is_empty() => script,
            ("zh", _, "tw" | "hk" | "mo") => "hant",
            ("zh", _, "cn" | "sg" | "my") => "hans",
            ("sr", _, "me") => "latn",
            _ => "",
        }
    }
}

fn contains(list: &str, word: &str) -> bool {
    !word.is_empty() && list.split(' ').any(|entry| entry == word)
}

fn canonical_language(code: &str) -> &str {
    let canonical = |entry: &'static str| {
        entry.split_once('=').filter(|(old, _)| *old == code).map(|(_, canonical)| canonical)
    };
    match code {
        "" => "und",
        _ => data::ALIASES.split(' ').find_map(canonical).unwrap_or(code),
    }
}

/// Returns the language of a tag without script and region, as its canonical code: `pt` for `pt-BR`, `und` for none.
pub fn primary(tag: &str) -> String {
    LanguageTag::parse(tag).language
}

/// Returns the tag for a text: with the script of its letters if they are written in the other direction than the
/// language usually is, such as `aeb-Latn` for Tunisian Arabic in Latin letters. A script in the tag is kept.
pub fn with_script_of(tag: &str, text: &str) -> String {
    let mut counts = [0_usize; SCRIPTS_OF_LETTERS.len()];
    for c in text.chars().filter(|c| c.is_alphabetic()) {
        let has_letter = |(_, ranges): &(_, &[RangeInclusive<u32>])| {
            ranges.iter().any(|range| range.contains(&u32::from(c)))
        };
        if let Some(at) = SCRIPTS_OF_LETTERS.iter().position(has_letter) {
            counts[at] += 1;
        }
    }
    let most = counts.iter().zip(&SCRIPTS_OF_LETTERS).max_by_key(|(count, _)| **count);
    let Some((1.., (script, _))) = most else { return tag.to_owned() };
    let (language, rest) = tag.split_at(tag.find('-').unwrap_or(tag.len()));
    let written = format!("{language}-{script}{rest}");
    let has_script = !LanguageTag::parse(tag).script.is_empty();
    if has_script || is_right_to_left(&written) == is_right_to_left(tag) {
        return tag.to_owned();
    }
    written
}

/// Returns true if texts of this language are written from right to left: by the script in the tag, otherwise by the
/// likely script of language and region (CLDR).
pub fn is_right_to_left(tag: &str) -> bool {
    let tag = LanguageTag::parse(tag);
    if !tag.script.is_empty() {
        return contains(RIGHT_TO_LEFT_SCRIPTS, &tag.script);
    }
    if tag.language == "und" {
        return contains(data::RIGHT_TO_LEFT_REGIONS, &tag.region);
    }
    contains(data::RIGHT_TO_LEFT, &tag.language)
        != contains(data::OTHER_DIRECTION, &tag.language_region())
}

/// Returns true if numbers of this language and region have a decimal comma (CLDR).
pub fn has_decimal_comma(tag: &str) -> bool {
    let tag = LanguageTag::parse(tag);
    contains(data::DECIMAL_COMMA, &tag.language)
        != contains(data::OTHER_SEPARATOR, &tag.language_region())
}

/// Languages with a decimal comma that group digits with points (CLDR); the others use spaces.
const GROUP_POINTS: &str = "az blo bs ca da de dsb el es eu fo fur gl hr hsb ia id is it jgo kl km ku lb lo mk nl pt \
    ro rw sc scn sl smn sr sw tr vi wo ar en ms";

/// Returns true if numbers of this language and region have a decimal comma, and groups of digits with points.
pub fn has_group_points(tag: &str) -> bool {
    has_decimal_comma(tag) && contains(GROUP_POINTS, &LanguageTag::parse(tag).language)
}

/// Returns true if dotted and dotless I are two letters of this language, as in Turkish.
pub fn has_dotless_i(tag: &str) -> bool {
    contains(DOTLESS_I, &LanguageTag::parse(tag).language)
}

/// Returns the words for true and false in a language, else in English.
pub fn true_false(tag: &str) -> (&'static str, &'static str) {
    match primary(tag).as_str() {
        "ar" => ("صواب", "خطأ"),
        "de" => ("Wahr", "Falsch"),
        "es" => ("Verdadero", "Falso"),
        "fr" => ("Vrai", "Faux"),
        "it" => ("Vero", "Falso"),
        "nl" => ("Waar", "Onwaar"),
        "pl" => ("Prawda", "Fałsz"),
        "pt" => ("Verdadeiro", "Falso"),
        "ru" => ("Верно", "Неверно"),
        "sw" => ("Kweli", "Si kweli"),
        "tr" => ("Doğru", "Yanlış"),
        "zh" => ("对", "错"),
        _ => ("True", "False"),
    }
}

/// Chinese languages that are usually written in traditional characters; the others in simplified ones.
const TRADITIONAL: &str = "yue nan hak cdo lzh";
/// Chinese languages besides `zh`.
const CHINESE: &str = "cmn yue nan hak cdo lzh wuu gan hsn cjy cpx czh czo mnp";

/// Returns which forms of Han characters texts of a language have: `ja`, `ko`, `zh-Hans` or `zh-Hant`. Returns `None`
/// for languages that are not written in Han characters.
pub fn han_language(tag: &str) -> Option<&'static str> {
    let tag = LanguageTag::parse(tag);
    let is_chinese = tag.language == "zh" || contains(CHINESE, &tag.language);
    match (tag.language.as_str(), tag.common_script()) {
        ("ja", "" | "jpan" | "hrkt" | "hira" | "kana") => Some("ja"),
        ("ko", "" | "kore" | "hang") => Some("ko"),
        _ if !is_chinese => None,
        (_, "hans") => Some("zh-Hans"),
        (_, "hant" | "bopo" | "hanb") => Some("zh-Hant"),
        (language, "" | "hani") => {
            let is_traditional = contains(TRADITIONAL, language)
                || matches!(tag.region.as_str(), "tw" | "hk" | "mo");
            Some(if is_traditional { "zh-Hant" } else { "zh-Hans" })
        }
        _ => None,
    }
}

/// Returns true if a learner who asks for `wanted` accepts content in `tag`: the same language, and no different script
/// or region. A part that one of the two tags leaves out is not compared: `ar-EG` accepts `ar`, and `ar` `ar-EG`, but
/// `pt-BR` does not accept `pt-PT`.
pub fn is_accepted(wanted: &str, tag: &str) -> bool {
    let (wanted, tag) = (LanguageTag::parse(wanted), LanguageTag::parse(tag));
    let agrees = |a: &str, b: &str| a.is_empty() || b.is_empty() || a == b;
    wanted.language == tag.language
        && agrees(wanted.common_script(), tag.common_script())
        && agrees(&wanted.region, &tag.region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn direction_follows_the_likely_script() {
        let right_to_left = "ar he iw yi ji fa prs pes ur ps ckb sdh lrc ug sd ks pnb lah skr azb glk mzn haz khw ota \
            apc apd ajp acm ary arz aeb afb shu dv nqo syr aii rhg arc sam mid bal brh bqi ydd AR He-IL ar-EG ara heb \
            uz-Arab pa-Arab ku-Arab az-Arab ms-Arab en-Arab ha-Arab tg-Arab kk-Arab ff-Adlm man-Nkoo und-Hebr zh-Arab \
            pa-PK uz-AF az-IR ku-IQ kmr-IR ha-SD kk-CN ky-CN tg-PK pa_pk und-EG ar-x-latn ar-arb ar-u-nu-latn";
        for tag in right_to_left.split_whitespace() {
            assert!(is_right_to_left(tag), "{tag}");
        }
        let left_to_right = "en de ku kmr az uz pa ha kk ms ff man so sw am ti ta hi bn zh ja ko und x-ar zz ar-Latn \
            ur-Latn ks-Deva sd-Deva sd-IN ug-Cyrl ug-KZ he-Latn fa-Cyrl pa-IN az-AZ uz-UZ ku-TR i-klingon en-EG \
            zh-yue fr-IR mn-Mong en-a-arab";
        for tag in left_to_right.split_whitespace().chain(["", " ", "-", "ار"]) {
            assert!(!is_right_to_left(tag), "{tag}");
        }
    }

    #[test]
    fn a_text_in_the_other_direction_has_its_script_in_the_tag() {
        for (tag, text, expected) in [
            ("aeb", "Cnuwwe qàġid taġmil?", "aeb-Latn"),
            ("aeb", "شنوّة قاعد تعمل؟", "aeb"),
            ("ku", "پیاوێكی زۆر درێژ", "ku-Arab"),
            ("ku", "Mirovekî pir dirêj", "ku"),
            ("ha-NE", "مُتُمْ مَيْ", "ha-Arab-NE"),
            ("ar-Latn", "نص", "ar-Latn"),
            ("ar-EG", "Rivers, rain (أنهار)", "ar-Latn-EG"),
            ("fa", "Марди дароз", "fa-Cyrl"),
            ("ks", "कॉशुर", "ks-Deva"),
            ("en", "שלום", "en-Hebr"),
            ("ja", "とても背の高い男", "ja"),
            ("ar", "12, 34!", "ar"),
            ("ar", "", "ar"),
        ] {
            assert_eq!(with_script_of(tag, text), expected, "{tag} {text}");
        }
    }

    #[test]
    fn forms_of_han_characters_follow_the_tag() {
        for (tags, expected) in [
            ("ja ja-JP jpn ja-Jpan JA-Hira", Some("ja")),
            ("ko ko-KR ko-Kore ko-Hang", Some("ko")),
            ("zh zh-CN zh-Hans zh-SG zho chi cmn wuu zh-Hans-HK yue-Hans zh-Hani", Some("zh-Hans")),
            (
                "zh-Hant zh-TW zh-HK zh-MO yue zh-yue nan zh-min-nan zh-Hant-CN cmn-TW",
                Some("zh-Hant"),
            ),
            ("en vi ja-Latn zh-Latn ko-Latn zh-Arab und hi", None),
        ] {
            for tag in tags.split(' ') {
                assert_eq!(han_language(tag), expected, "{tag}");
            }
        }
    }

    #[test]
    fn tags_are_accepted_canonically() {
        for (wanted, tag) in [
            ("AR-EG", "ar"),
            ("ar", "ar-EG"),
            ("ar-arb", "AR"),
            ("iw", "he"),
            ("he-IL", "iw"),
            ("ji", "yi"),
            ("in", "id"),
            ("no", "nb"),
            ("nb-NO", "no"),
            ("no-bok", "nb"),
            ("eng", "en"),
            ("ger", "de-AT"),
            ("fa", "prs"),
            ("tl", "fil"),
            ("zh-cmn", "zh"),
            ("zh-TW", "zh-Hant"),
            ("zh-min-nan", "nan"),
            ("zh-yue", "yue-HK"),
            ("i-lux", "lb"),
            ("pt_br", "pt-BR"),
            ("en-GB-oed", "en"),
            ("sl-rozaj-biske", "sl"),
            ("de-1996", "de"),
            ("az-Latn-x-test", "az"),
            ("zh-Hans", "zh-CN"),
            ("zh-CN", "zh-Hans-CN"),
            ("zh-Hant", "zh-HK"),
            ("zh", "zh-Hant-TW"),
            ("sw", "swa"),
            ("swh", "sw-KE"),
            ("PT", "pt-BR"),
            ("en-GB", "en"),
            (" fr ", "fra-CA"),
        ] {
            assert!(is_accepted(wanted, tag), "{wanted} {tag}");
        }
        for (wanted, tag) in [
            ("pt-BR", "pt-PT"),
            ("zh-Hans", "zh-HK"),
            ("zh-Hans", "zh-Hant-CN"),
            ("und", "en"),
            ("*", "en"),
            ("en", "fr"),
            ("zh-TW", "zh-Hans"),
            ("sr-Latn", "sr-Cyrl"),
            ("nn", "nb"),
            ("a", "ar"),
            ("yue", "zh"),
            ("", "en"),
        ] {
            assert!(!is_accepted(wanted, tag), "{wanted} {tag}");
        }
    }

    #[test]
    fn tables_are_sorted_and_canonical() {
        for list in [
            data::RIGHT_TO_LEFT,
            data::OTHER_DIRECTION,
            data::DECIMAL_COMMA,
            data::OTHER_SEPARATOR,
            DOTLESS_I,
        ] {
            assert!(list.split(' ').is_sorted());
            for entry in list.split(' ') {
                let language = entry.split('-').next().unwrap();
                assert_eq!(canonical_language(language), language, "{entry}");
            }
        }
        assert!(data::ALIASES.split(' ').all(|e| e.split_once('=').is_some()));
    }
}
