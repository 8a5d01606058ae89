//! Checks language tags (BCP 47, RFC 5646): the order and form of the subtags, and that the language is a registered
//! code of two letters or has three letters.
//!
//! Not here: the text direction (`content::Dir`).

/// The two-letter code of each language that has one (ISO 639-1), its three-letter code and its English name. Languages
/// without a common English name have an empty name; the last codes are deprecated but registered.
const LANGUAGES: &str = "\
    aa aar Afar|ab abk Abkhazian|ae ave Avestan|af afr Afrikaans|ak aka Akan|am amh Amharic|an arg Aragonese|\
    ar ara Arabic|as asm Assamese|av ava Avaric|ay aym Aymara|az aze Azerbaijani|ba bak Bashkir|be bel Belarusian|\
    bg bul Bulgarian|bi bis Bislama|bm bam Bambara|bn ben Bengali|bo bod Tibetan|br bre Breton|bs bos Bosnian|\
    ca cat Catalan|ce che Chechen|ch cha Chamorro|co cos Corsican|cr cre Cree|cs ces Czech|cu chu Slavonic|\
    cv chv Chuvash|cy cym Welsh|da dan Danish|de deu German|dv div Divehi|dz dzo Dzongkha|ee ewe Ewe|el ell Greek|\
    en eng English|eo epo Esperanto|es spa Spanish|et est Estonian|eu eus Basque|fa fas Persian|ff ful Fulah|\
    fi fin Finnish|fj fij Fijian|fo fao Faroese|fr fra French|fy fry Frisian|ga gle Irish|gd gla Gaelic|\
    gl glg Galician|gn grn Guarani|gu guj Gujarati|gv glv Manx|ha hau Hausa|he heb Hebrew|hi hin Hindi|\
    ho hmo Motu|hr hrv Croatian|ht hat Haitian|hu hun Hungarian|hy hye Armenian|hz her Herero|ia ina Interlingua|\
    id ind Indonesian|ie ile Interlingue|ig ibo Igbo|ii iii Nuosu|ik ipk Inupiaq|io ido Ido|is isl Icelandic|\
    it ita Italian|iu iku Inuktitut|ja jpn Japanese|jv jav Javanese|ka kat Georgian|kg kon Kongo|ki kik Kikuyu|\
    kj kua Kuanyama|kk kaz Kazakh|kl kal Kalaallisut|km khm Khmer|kn kan Kannada|ko kor Korean|kr kau Kanuri|\
    ks kas Kashmiri|ku kur Kurdish|kv kom Komi|kw cor Cornish|ky kir Kyrgyz|la lat Latin|lb ltz Luxembourgish|\
    lg lug Ganda|li lim Limburgish|ln lin Lingala|lo lao Lao|lt lit Lithuanian|lu lub Luba|lv lav Latvian|\
    mg mlg Malagasy|mh mah Marshallese|mi mri Maori|mk mkd Macedonian|ml mal Malayalam|mn mon Mongolian|\
    mr mar Marathi|ms msa Malay|mt mlt Maltese|my mya Burmese|na nau Nauru|nb nob Bokmål|nd nde -|ne nep Nepali|\
    ng ndo Ndonga|nl nld Dutch|nn nno Nynorsk|no nor Norwegian|nr nbl -|nv nav Navajo|ny nya Chichewa|\
    oc oci Occitan|oj oji Ojibwa|om orm Oromo|or ori Odia|os oss Ossetian|pa pan Punjabi|pi pli Pali|pl pol Polish|\
    ps pus Pashto|pt por Portuguese|qu que Quechua|rm roh Romansh|rn run Rundi|ro ron Romanian|ru rus Russian|\
    rw kin Kinyarwanda|sa san Sanskrit|sc srd Sardinian|sd snd Sindhi|se sme Sami|sg sag Sango|si sin Sinhala|\
    sk slk Slovak|sl slv Slovenian|sm smo Samoan|sn sna Shona|so som Somali|sq sqi Albanian|sr srp Serbian|\
    ss ssw Swati|st sot Sotho|su sun Sundanese|sv swe Swedish|sw swa Swahili|ta tam Tamil|te tel Telugu|tg tgk Tajik|\
    th tha Thai|ti tir Tigrinya|tk tuk Turkmen|tl tgl Tagalog|tn tsn Tswana|to ton Tonga|tr tur Turkish|\
    ts tso Tsonga|tt tat Tatar|tw twi Twi|ty tah Tahitian|ug uig Uyghur|uk ukr Ukrainian|ur urd Urdu|uz uzb Uzbek|\
    ve ven Venda|vi vie Vietnamese|vo vol Volapük|wa wln Walloon|wo wol Wolof|xh xho Xhosa|yi yid Yiddish|\
    yo yor Yoruba|za zha Zhuang|zh zho Chinese|zu zul Zulu|\
    bh - -|in - -|iw - -|ji - -|jw - -|mo - -|sh - -";

/// Codes that are often written instead of a language code: of countries, and three-letter codes of libraries.
const CONFUSED: [(&str, &str); 27] = [
    ("jp", "ja"),
    ("cn", "zh"),
    ("gr", "el"),
    ("dk", "da"),
    ("cz", "cs"),
    ("ua", "uk"),
    ("vn", "vi"),
    ("rs", "sr"),
    ("al", "sq"),
    ("ge", "ka"),
    ("ir", "fa"),
    ("in", "hi"),
    ("us", "en"),
    ("gb", "en"),
    ("pk", "ur"),
    ("bd", "bn"),
    ("et", "am"),
    ("ke", "sw"),
    ("tz", "sw"),
    ("fre", "fr"),
    ("ger", "de"),
    ("chi", "zh"),
    ("per", "fa"),
    ("dut", "nl"),
    ("gre", "el"),
    ("cze", "cs"),
    ("rum", "ro"),
];

/// Languages with registered extended subtags, such as `zh-yue`.
const WITH_EXTENSIONS: [&str; 8] = ["ar", "kok", "lv", "ms", "sgn", "sw", "uz", "zh"];

fn languages() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    LANGUAGES.split('|').filter_map(|entry| {
        let mut fields = entry.split(' ');
        Some((fields.next()?, fields.next()?, fields.next()?))
    })
}

/// Returns the tag in its usual case (`zh-Hant-TW`).
///
/// # Errors
/// The text is not a tag; the error is a hint for its author.
pub fn language_tag(text: &str) -> Result<String, String> {
    canonical(text).ok_or_else(|| match suggestion(text) {
        Some(tag) => format!("write {tag:?}"),
        None => "use a language tag such as en, fr-CA or zh-Hant".to_owned(),
    })
}

/// Returns a valid tag for a common mistake: a name, an underscore, the code of a country.
fn suggestion(text: &str) -> Option<String> {
    let tag = text.trim().replace(['_', ' '], "-");
    if let Some(tag) = canonical(&tag) {
        return Some(tag);
    }
    let (language, rest) = tag.split_once('-').unwrap_or((&tag, ""));
    if let Some((code, ..)) = languages().find(|l| l.2.to_lowercase() == language.to_lowercase()) {
        return Some(code.to_owned());
    }
    let is = |code: &str| code.eq_ignore_ascii_case(language);
    let confused = CONFUSED.iter().find(|(wrong, _)| is(wrong)).map(|(_, code)| *code);
    let three = || languages().find(|(_, three, _)| is(three)).map(|(code, ..)| code);
    let code = confused.or_else(three).unwrap_or(language);
    let rest = if rest.eq_ignore_ascii_case("uk") { "GB" } else { rest };
    canonical(&format!("{code}-{rest}")).or_else(|| canonical(code))
}

/// Returns a valid tag in its usual case, and `None` for any other text.
fn canonical(text: &str) -> Option<String> {
    let mut parts = text.split('-').peekable();
    let mut out = parts.next()?.to_ascii_lowercase();
    let is_private = out == "x";
    if !is_private && !is_language(&out) {
        return None;
    }
    let letters =
        |part: &str, n: usize| part.len() == n && part.bytes().all(|b| b.is_ascii_alphabetic());
    let digits = |part: &str| part.len() == 3 && part.bytes().all(|b| b.is_ascii_digit());
    let subtag = |part: &str, min: usize| {
        (min..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let mut push = |part: String| {
        out.push('-');
        out.push_str(&part);
    };
    if !is_private {
        let has_extensions =
            WITH_EXTENSIONS.iter().any(|l| text[..text.len().min(3)].trim_end_matches('-') == *l);
        if has_extensions && let Some(part) = parts.next_if(|p| letters(p, 3)) {
            push(part.to_ascii_lowercase());
        }
        if let Some(part) = parts.next_if(|p| letters(p, 4)) {
            push(format!("{}{}", part[..1].to_ascii_uppercase(), part[1..].to_ascii_lowercase()));
        }
        // UK is no registered region.
        if let Some(part) =
            parts.next_if(|p| (letters(p, 2) && !p.eq_ignore_ascii_case("uk")) || digits(p))
        {
            push(part.to_ascii_uppercase());
        }
        let is_variant = |p: &&str| {
            subtag(p, 5) || p.len() == 4 && subtag(p, 4) && p.as_bytes()[0].is_ascii_digit()
        };
        while let Some(part) = parts.next_if(is_variant) {
            push(part.to_ascii_lowercase());
        }
        while let Some(singleton) =
            parts.next_if(|p| subtag(p, 1) && p.len() == 1 && !p.eq_ignore_ascii_case("x"))
        {
            push(singleton.to_ascii_lowercase());
            push(parts.next_if(|p| subtag(p, 2))?.to_ascii_lowercase());
            while let Some(part) = parts.next_if(|p| subtag(p, 2)) {
                push(part.to_ascii_lowercase());
            }
        }
    }
    if is_private
        || parts.next_if(|p| p.eq_ignore_ascii_case("x")).map(|_| push("x".to_owned())).is_some()
    {
        push(parts.next_if(|p| subtag(p, 1))?.to_ascii_lowercase());
        while let Some(part) = parts.next_if(|p| subtag(p, 1)) {
            push(part.to_ascii_lowercase());
        }
    }
    parts.next().is_none().then_some(out)
}

/// Returns true for a registered two-letter code, and for a three-letter code of a language without one.
fn is_language(code: &str) -> bool {
    match code.len() {
        2 => languages().any(|(two, ..)| two == code),
        3 => {
            code.bytes().all(|b| b.is_ascii_alphabetic())
                && !languages().any(|(_, three, _)| three == code)
                && !CONFUSED.iter().any(|(wrong, _)| *wrong == code)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_formed_tags_are_accepted_in_their_usual_case() {
        for (tag, usual) in [
            ("en", "en"),
            ("EN", "en"),
            ("fr-ca", "fr-CA"),
            ("zh-hant-tw", "zh-Hant-TW"),
            ("es-419", "es-419"),
            ("tw-x-akua", "tw-x-akua"),
            ("ha-NE", "ha-NE"),
            ("ckb", "ckb"),
            ("lgg-x-official", "lgg-x-official"),
            ("zh-yue", "zh-yue"),
            ("sl-rozaj-biske-1994", "sl-rozaj-biske-1994"),
            ("de-CH-1901", "de-CH-1901"),
            ("ar-EG-u-nu-latn", "ar-EG-u-nu-latn"),
            ("en-u-ca-gregory-x-a", "en-u-ca-gregory-x-a"),
            ("x-akua", "x-akua"),
            ("iw", "iw"),
            ("und", "und"),
            ("mul", "mul"),
        ] {
            assert_eq!(language_tag(tag).as_deref(), Ok(usual), "{tag}");
        }
        assert_eq!(languages().count(), 183 + 7);
        assert!(languages().all(|(two, three, _)| two.len() == 2 && [1, 3].contains(&three.len())));
    }

    #[test]
    fn other_texts_are_refused_with_a_hint() {
        for (text, hint) in [
            ("english", "write \"en\""),
            ("English", "write \"en\""),
            ("en_US", "write \"en-US\""),
            ("en US", "write \"en-US\""),
            ("en-UK", "write \"en-GB\""),
            ("eng", "write \"en\""),
            ("fre", "write \"fr\""),
            ("deu-AT", "write \"de-AT\""),
            ("jp", "write \"ja\""),
            ("us", "write \"en\""),
            ("bokmål", "write \"nb\""),
            ("english language", "write \"en\""),
            ("xx", "use a language tag"),
            ("", "use a language tag"),
            ("e", "use a language tag"),
            ("en-", "write \"en\""),
            ("-en", "use a language tag"),
            ("en-x", "write \"en\""),
            ("x", "use a language tag"),
            ("1a", "use a language tag"),
            ("klingon", "use a language tag"),
            ("fr-CAN", "write \"fr\""),
            ("en-US-US", "write \"en\""),
            ("日本語", "use a language tag"),
        ] {
            let found = language_tag(text).unwrap_err();
            assert!(found.starts_with(hint), "{text}: {found}");
        }
    }
}
