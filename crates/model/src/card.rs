//! The key of a card: language, sense and lemma. The same word in two courses is one card, with both entries as its
//! sources; a word that a course lists twice with different meanings is two cards.
//!
//! The key is stored in each review, so it is a function of the vocabulary alone and never changes: the same on every
//! device, with and without the course. The table in the tests is part of the format.
//!
//! Not here: which cards are due (`carrel-scheduling`), the entry of a word (`content`).

use std::collections::BTreeSet;

use crate::{
    BlobHash, CardKey, ItemId, Slug,
    text::{fold_answer, fold_exact, language},
};

/// Language of the key of a word whose entry is unknown. It is not a registered code.
const ITEM: &str = "item";
/// A longer lemma is cut, and identified by a hash.
const MAX_LEMMA_BYTES: usize = 160;
/// Bytes of a longer lemma that are kept before `~` and 16 hex digits.
const KEPT_LEMMA_BYTES: usize = 140;

impl CardKey {
    /// Maximum length in bytes, so that a register of the card is within the limit of a key.
    pub const MAX_BYTES: usize = 270;

    /// Returns the key of a word in the language of the tag `lang`. Region and script of the tag do not matter; case,
    /// invisible characters, optional vowel marks and white space of the word neither.
    pub fn of_word(lang: &str, sense: Option<&Slug>, word: &str) -> Self {
        let language = language::primary(lang);
        let mut lemma = fold_answer(word, lang);
        lemma.retain(|c| !c.is_control());
        if lemma.is_empty() {
            lemma = fold_exact(word).chars().filter(|c| !c.is_control()).collect();
        }
        if lemma.is_empty() || lemma.len() > MAX_LEMMA_BYTES {
            let hash = BlobHash::of(lemma.as_bytes()).to_hex();
            let kept: String = lemma
                .char_indices()
                .take_while(|(at, c)| at + c.len_utf8() <= KEPT_LEMMA_BYTES)
                .map(|(_, c)| c)
                .collect();
            lemma = format!("{kept}~{}", &hash[..16]);
        }
        let sense = sense.map_or("", Slug::as_str);
        // The language of a tag that is no tag may be anything.
        Self::new(format!("{language}/{sense}/{lemma}"))
            .or_else(|_| Self::new(format!("und/{sense}/{lemma}")))
            .unwrap_or_else(|_| Self::und())
    }

    /// Returns the keys of the entries of one vocabulary, in their order: (id, word). Of several entries with one
    /// lemma, the first has no sense, and the others have their ids as senses, so that an entry which is added later
    /// does not change the key of an earlier one.
    pub fn of_vocabulary<'a>(
        lang: &str,
        entries: impl IntoIterator<Item = (&'a Slug, &'a str)>,
    ) -> Vec<Self> {
        let mut seen = BTreeSet::new();
        let mut keys = Vec::new();
        for (id, word) in entries {
            let plain = Self::of_word(lang, None, word);
            let key = match seen.insert(plain.clone()) {
                true => plain,
                false => Self::of_word(lang, Some(id), word),
            };
            keys.push(key);
        }
        keys
    }

    /// Returns the key of a word whose entry, and so its language and lemma, is not known on this device.
    pub fn of_item(item: &ItemId) -> Self {
        Self::new(format!("{ITEM}//{item}")).unwrap_or_else(|_| Self::und())
    }
    /// Returns the item of a key that was made by `of_item`.
    pub fn item(&self) -> Option<ItemId> {
        match self.parts() {
            (ITEM, "", item) => ItemId::new(item).ok(),
            _ => None,
        }
    }
    /// Returns true if the key was made by `of_item`, also if its item is not valid.
    pub fn is_of_item(&self) -> bool {
        self.language() == ITEM
    }
    /// Returns the code of the language.
    pub fn language(&self) -> &str {
        self.parts().0
    }
    /// Returns the folded lemma.
    pub fn lemma(&self) -> &str {
        self.parts().2
    }

    fn parts(&self) -> (&str, &str, &str) {
        let mut parts = self.as_str().splitn(3, '/');
        let mut next = || parts.next().unwrap_or_default();
        (next(), next(), next())
    }
    fn und() -> Self {
        Self::unchecked("und//-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slug(text: &str) -> Slug {
        Slug::new(text).unwrap()
    }

    #[test]
    fn a_key_is_a_function_of_language_and_word() {
        let long = "ወ".repeat(60);
        let cut =
            format!("am//{}~{}", "ወ".repeat(46), &BlobHash::of(long.as_bytes()).to_hex()[..16]);
        let table = [
            ("en", "meander", "en//meander"),
            ("en-GB", "Meander", "en//meander"),
            ("EN", "  mean\u{ad}der ", "en//meander"),
            ("en", "ox  bow\tlake", "en//ox bow lake"),
            ("fr-CA", "\u{c9}TE\u{301}", "fr//\u{e9}t\u{e9}"),
            ("fr", "ete", "fr//ete"),
            ("tr", "ISI", "tr//\u{131}s\u{131}"),
            ("en", "ISI", "en//isi"),
            ("ar", "\u{643}\u{650}\u{62a}\u{627}\u{628}", "ar//\u{643}\u{62a}\u{627}\u{628}"),
            ("zh-Hant-TW", "\u{6cb3}", "zh//\u{6cb3}"),
            ("", "a", "und//a"),
            ("not a tag!", "a", "und//a"),
            ("en", "and/or", "en//and/or"),
            ("am", &long, &cut),
            ("en", "\u{1f}", "en//~af1349b9f5f9a1a6"),
        ];
        for (lang, word, key) in table {
            let found = CardKey::of_word(lang, None, word);
            assert_eq!(found.as_str(), key, "{lang} {word:?}");
            assert_eq!(CardKey::new(found.as_str()), Ok(found));
        }
    }

    #[test]
    fn homonyms_of_one_vocabulary_are_several_cards() {
        let (a, b, c) = (slug("bank"), slug("bank-money"), slug("bow"));
        let keys = |entries: &[(&Slug, &'static str)]| -> Vec<String> {
            let entries = entries.iter().map(|(id, word)| (*id, *word));
            CardKey::of_vocabulary("en", entries).iter().map(ToString::to_string).collect()
        };
        assert_eq!(keys(&[(&a, "bank"), (&c, "bow")]), ["en//bank", "en//bow"]);
        let both = keys(&[(&a, "bank"), (&b, "Bank"), (&c, "bow")]);
        assert_eq!(both, ["en//bank", "en/bank-money/bank", "en//bow"], "the first keeps its key");
    }

    #[test]
    fn a_word_without_entry_is_its_item() {
        let item = ItemId::new("rivers/meander").unwrap();
        let key = CardKey::of_item(&item);
        assert_eq!((key.as_str(), key.item()), ("item//rivers/meander", Some(item)));
        let longest = ItemId::new(vec!["x".repeat(64); 4].join("/")).unwrap();
        assert_eq!(CardKey::of_item(&longest).item(), Some(longest), "the longest item fits");
        assert_eq!(CardKey::of_word("en", None, "rivers/meander").item(), None);
    }
}
